//! The server's side of a handshake.

mod client_hello;
mod config;
mod flight;
mod resumption;

use qecho_packet::Side;

use self::client_hello::Retried;
pub use self::config::{InvalidKey, ServerConfig};
use super::{
    Level, Negotiated, Output, TlsError,
    exchange::{Exchange, Received, ends},
    key_schedule::{KeySchedule, TrafficSecrets},
    message::{ClientHello, Message},
};

/// A server's TLS.
pub struct ServerTls {
    config: ServerConfig,
    exchange: Exchange,
    state: State,
    /// The last ClientHello that was read.
    hello: Option<ClientHello>,
    retried: Option<Retried>,
    negotiated: Negotiated,
    /// The Master Secret, once there is one.
    master: Option<KeySchedule>,
    handshake: TrafficSecrets,
    application: TrafficSecrets,
}

/// The message that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ClientHello,
    Finished,
    Connected,
}

ends!(ServerTls);

impl ServerTls {
    /// Waits for a ClientHello.
    pub fn new(config: ServerConfig, random: &mut dyn FnMut(&mut [u8])) -> Self {
        Self {
            exchange: Exchange::new(Side::Server, &config.ignore, config.edit.as_ref(), random),
            state: State::ClientHello,
            hello: None,
            retried: None,
            negotiated: Negotiated::default(),
            master: None,
            handshake: TrafficSecrets::default(),
            application: TrafficSecrets::default(),
            config,
        }
    }

    /// Returns the client's last ClientHello, once it was read.
    pub fn client_hello(&self) -> Option<&ClientHello> {
        self.hello.as_ref()
    }

    fn handle(&mut self, received: Received) -> Result<(), TlsError> {
        let Received { message, bytes } = received;
        match (self.state, message) {
            (State::ClientHello, Message::ClientHello(hello)) => {
                self.read_client_hello(hello, &bytes)
            }
            (State::Finished, Message::Finished(data)) => {
                self.exchange.transcript.add(&bytes);
                self.read_finished(&data)
            }
            (_, message) => self.exchange.refuse(&message),
        }
    }

    fn read_finished(&mut self, data: &[u8]) -> Result<(), TlsError> {
        let (Some(suite), Some(master)) = (self.negotiated.suite, self.master.take()) else {
            return Ok(());
        };
        self.exchange.check_finished(suite, &self.handshake, data)?;
        self.exchange.advance(Level::OneRtt)?;
        self.exchange
            .install(Level::OneRtt, suite, &self.application, &[Side::Client]);
        self.exchange.output(Output::Complete);
        self.state = State::Connected;
        let transcript = self.exchange.transcript.hash(suite);
        self.send_tickets(suite, &master.derive(b"res master", &transcript));
        Ok(())
    }
}
