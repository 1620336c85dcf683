//! The server's side of a handshake.

mod client_hello;
mod config;
mod flight;
mod resumption;

use self::client_hello::Retried;
pub use self::config::{InvalidKey, ServerConfig};
use super::{
    Level, Negotiated, Output, TlsError, TlsRule,
    exchange::{Exchange, Received},
    key_schedule::{KeySchedule, TrafficSecrets, verify_data},
    message::{ClientHello, Message},
    seeds::Seeds,
};

/// A server's TLS.
pub struct ServerTls {
    config: ServerConfig,
    exchange: Exchange,
    state: State,
    seeds: Seeds,
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

impl ServerTls {
    /// Waits for a ClientHello.
    pub fn new(config: ServerConfig, random: &mut dyn FnMut(&mut [u8])) -> Self {
        Self {
            exchange: Exchange::new(&config.ignore, config.edit.clone()),
            state: State::ClientHello,
            seeds: Seeds::new(random),
            hello: None,
            retried: None,
            negotiated: Negotiated::default(),
            master: None,
            handshake: TrafficSecrets::default(),
            application: TrafficSecrets::default(),
            config,
        }
    }

    /// Takes CRYPTO data of a level, in their order.
    ///
    /// # Errors
    /// If the client has broken a rule that is not ignored, or if both sides have nothing in
    /// common. Nothing is to be read after it.
    pub fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), TlsError> {
        self.exchange.receive(level, bytes)?;
        while let Some(received) = self.exchange.next()? {
            self.handle(received)?;
        }
        Ok(())
    }

    /// Returns what is to be done next.
    pub fn output(&mut self) -> Option<Output> {
        self.exchange.next_output()
    }

    /// Sends a message that belongs to no handshake: it is not edited and does not enter the
    /// transcript.
    pub fn send_message(&mut self, level: Level, message: &Message) {
        self.exchange.send_aside(level, message);
    }

    /// Returns what both sides have agreed on so far.
    pub fn negotiated(&self) -> &Negotiated {
        &self.negotiated
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
        let transcript = self.exchange.transcript.hash_before_last(suite);
        let expected = verify_data(suite, &self.handshake.client, &transcript);
        let reason = "client's Finished is wrong";
        let rules = &self.exchange.rules;
        rules.require(TlsRule::Finished, data == expected, reason)?;
        self.exchange.advance(Level::OneRtt)?;
        let secret = Some(&*self.application.client);
        self.exchange.install(Level::OneRtt, suite, None, secret);
        self.exchange.output(Output::Complete);
        self.state = State::Connected;
        let transcript = self.exchange.transcript.hash(suite);
        self.send_tickets(suite, &master.derive(b"res master", &transcript));
        Ok(())
    }
}
