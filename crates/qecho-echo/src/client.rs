//! The echo client.

mod application;
mod config;
mod conversation;
mod exchange;
mod report;
mod transfer;

use std::{
    io,
    thread::{self, JoinHandle},
};

use qecho_engine::{Shard, TlsError, config::ShardConfig};
use qecho_io::{
    BindError, Mailbox, Socket, Waker,
    event_loop::{self, EventLoop},
};

use crate::dial;

pub use self::{
    application::{ClientApplication, Command, Listener},
    config::{Config, Message, Mode, TIMEOUT},
    report::{ClientEvent, Connected, Echoed, Failure, Report},
    transfer::{CHUNKS_MAX, TransferIo, TransferProgress, VERIFY_OUTSTANDING_MAX},
};

/// Why a client could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No local address could be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The TLS settings cannot work.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gave no thread or file descriptor.
    #[error("cannot start the client's thread")]
    Start(#[source] io::Error),
}

/// A running client.
#[derive(Debug)]
pub struct Client {
    mailbox: Mailbox<Command>,
    thread: JoinHandle<io::Result<()>>,
}

impl Client {
    /// Starts a client that sends messages one after the other, as they are
    /// given to it.
    ///
    /// The last that `listener` hears is [`ClientEvent::Ended`].
    ///
    /// # Errors
    /// [`ClientError`] if it cannot; that nobody answers is an event.
    pub fn converse(config: &Config, listener: Listener) -> Result<Self, ClientError> {
        Self::start(config, ClientApplication::converse(config, listener)?)
    }

    /// Starts a client that sends one stream of bytes.
    ///
    /// # Errors
    /// [`ClientError`] if it cannot; that nobody answers is an event.
    pub fn transfer(
        config: &Config,
        listener: Listener,
        io: TransferIo,
    ) -> Result<Self, ClientError> {
        Self::start(config, ClientApplication::transfer(config, listener, io)?)
    }

    fn start(config: &Config, application: ClientApplication) -> Result<Self, ClientError> {
        let sockets = dial::bind(&config.target.addresses)?;
        let addresses: Vec<_> = sockets.iter().map(Socket::address).collect();
        let shard_config = ShardConfig {
            watched: config.observers.is_watched(),
            ..ShardConfig::client(config.transport.clone())
        };
        let shard = Shard::new(&shard_config, &addresses, application)?;
        let (mailbox, inbox) = event_loop::mailbox().map_err(ClientError::Start)?;
        let event_loop = EventLoop::new(shard, sockets, inbox)
            .observed_by(config.observers.datagram_observers());
        let thread = thread::Builder::new()
            .name("client".into())
            .spawn(|| event_loop.run().map(|_| ()))
            .map_err(ClientError::Start)?;
        Ok(Self { mailbox, thread })
    }

    /// Gives the client something to do.
    pub fn send(&self, mail: Command) {
        // A client that has ended says so by its last event.
        let _ = self.mailbox.send(mail);
    }

    /// Returns the way to give the client something from another thread.
    pub fn mailbox(&self) -> Mailbox<Command> {
        self.mailbox.clone()
    }

    /// Returns what tells a client that its pipe's ends have moved.
    pub fn waker(&self) -> Waker {
        self.mailbox.waker()
    }

    /// Waits until the server has answered the close, or has had its time.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<()> {
        match self.thread.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
