//! The echo client.

mod application;
mod config;
mod conversation;
mod exchange;
mod report;
mod transfer;

use std::io;

use qecho_engine::config::ShardConfig;
use qecho_io::{EventLoop, Mailbox, Runner, StartError, Waker};

use crate::dial;

pub use self::{
    application::{ClientApplication, Command, Listener},
    config::{Config, Message, Mode, TIMEOUT},
    report::{ClientEvent, Connected, Echoed, Failure, Report},
    transfer::{CHUNKS_MAX, TransferIo, TransferProgress, VERIFY_OUTSTANDING_MAX},
};

/// A running client.
#[derive(Debug)]
pub struct Client(Runner<(), Command>);

impl Client {
    /// Starts a client that sends messages one after the other, as they are
    /// given to it.
    ///
    /// The last event is [`ClientEvent::Ended`].
    ///
    /// # Errors
    /// [`StartError`] if it cannot; that nobody answers is an event.
    pub fn converse(config: &Config, listener: Listener) -> Result<Self, StartError> {
        Self::start(config, ClientApplication::converse(config, listener)?)
    }

    /// Starts a client that sends one stream of bytes.
    ///
    /// # Errors
    /// [`StartError`] if it cannot; that nobody answers is an event.
    pub fn transfer(
        config: &Config,
        listener: Listener,
        io: TransferIo,
    ) -> Result<Self, StartError> {
        Self::start(config, ClientApplication::transfer(config, listener, io)?)
    }

    fn start(config: &Config, application: ClientApplication) -> Result<Self, StartError> {
        let sockets = dial::bind(&config.target.addresses)?;
        let shard_config = ShardConfig::client(config.transport.clone())
            .with_packet_tracing(config.observers.is_traced());
        let thread = "the client's thread";
        let event_loop = EventLoop::new(thread, &shard_config, sockets, application)?
            .observed_by(config.observers.datagram_observers());
        // The listener is dropped as soon as there is nothing more to hear.
        let runner = event_loop.start("client", |event_loop| event_loop.run().map(drop))?;
        Ok(Self(runner))
    }

    /// Sends the client a command.
    pub fn send(&self, command: Command) {
        // A client that has ended says so by its last event.
        let _ = self.0.mailbox().send(command);
    }

    /// Returns the way to send commands from other threads.
    pub fn mailbox(&self) -> Mailbox<Command> {
        self.0.mailbox().clone()
    }

    /// Returns what wakes a client after its input or output has moved.
    pub fn waker(&self) -> Waker {
        self.0.mailbox().waker()
    }

    /// Waits until the server has answered the close, or has had its time.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<()> {
        self.0.join()
    }
}
