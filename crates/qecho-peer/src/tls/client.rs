//! The client's side of a handshake.

mod authentication;
mod config;
mod hello;
mod server_hello;

pub use self::config::{ClientConfig, Verification};
use self::server_hello::Retry;
use super::{
    EarlyData, Level, Negotiated, Output, Session, TlsError, TlsRule,
    exchange::{Exchange, Received},
    groups::KeyShare,
    key_schedule::{KeySchedule, TrafficSecrets, resumption_key},
    message::{
        self, ClientHello, EARLY_DATA_ALLOWED, Message, NewSessionTicket, extension,
        extension_type as kind,
    },
    rules::Place,
    seeds::Seeds,
};
use std::time::Duration;

/// A client's TLS.
pub struct ClientTls {
    config: ClientConfig,
    exchange: Exchange,
    state: State,
    seeds: Seeds,
    random: [u8; 32],
    /// The last ClientHello, as it was sent.
    hello: ClientHello,
    shares: Vec<KeyShare>,
    retry: Option<Retry>,
    negotiated: Negotiated,
    /// The schedule's stage, from ServerHello on.
    schedule: Option<KeySchedule>,
    handshake: TrafficSecrets,
    /// DER of the server's certificates, its own first.
    certificates: Vec<Vec<u8>>,
    /// Context of the server's request for a certificate.
    requested: Option<Vec<u8>>,
    /// The server's transport parameters.
    parameters: Vec<u8>,
    resumption_master: Vec<u8>,
}

/// The message that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    ServerHello,
    EncryptedExtensions,
    /// Or CertificateRequest, once.
    Certificate,
    CertificateVerify,
    Finished,
    Connected,
}

impl ClientTls {
    /// Begins a handshake: the first outputs are there at once.
    pub fn new(config: ClientConfig, random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut seeds = Seeds::new(random);
        let shares = config.shares.iter();
        let shares = shares
            .map(|group| KeyShare::generate(*group, &mut seeds))
            .collect();
        let mut client = Self {
            exchange: Exchange::new(&config.ignore, config.edit.clone()),
            state: State::ServerHello,
            random: seeds.draw(),
            hello: ClientHello::default(),
            shares,
            retry: None,
            negotiated: Negotiated::default(),
            schedule: None,
            handshake: TrafficSecrets::default(),
            certificates: Vec::new(),
            requested: None,
            parameters: Vec::new(),
            resumption_master: Vec::new(),
            seeds,
            config,
        };
        client.send_hello();
        client.begin_early_data();
        client
    }

    /// Takes CRYPTO data of a level, in their order.
    ///
    /// # Errors
    /// If the server has broken a rule that is not ignored. Nothing is to be read after it.
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

    fn handle(&mut self, received: Received) -> Result<(), TlsError> {
        let Received { message, bytes } = received;
        match (self.state, message) {
            (State::ServerHello, Message::ServerHello(hello)) => {
                self.read_server_hello(&hello, &bytes)
            }
            (State::EncryptedExtensions, Message::EncryptedExtensions(extensions)) => {
                self.exchange.transcript.add(&bytes);
                self.read_encrypted_extensions(&extensions)
            }
            (State::Certificate, Message::CertificateRequest(request))
                if self.requested.is_none() =>
            {
                self.exchange.transcript.add(&bytes);
                self.read_request(request)
            }
            (State::Certificate, Message::Certificate(certificate)) => {
                self.exchange.transcript.add(&bytes);
                self.read_certificate(certificate)
            }
            (State::CertificateVerify, Message::CertificateVerify(verify)) => {
                self.exchange.transcript.add(&bytes);
                self.read_signature(&verify)
            }
            (State::Finished, Message::Finished(data)) => {
                self.exchange.transcript.add(&bytes);
                self.read_finished(&data)
            }
            (State::Connected, Message::NewSessionTicket(ticket)) => self.read_ticket(ticket),
            (State::Connected, Message::CertificateRequest(_)) => {
                let reason = "CertificateRequest after the handshake";
                let rules = &self.exchange.rules;
                rules.require(TlsRule::PostHandshakeRequest, false, reason)
            }
            (_, message) => self.exchange.refuse(&message),
        }
    }

    fn read_ticket(&mut self, ticket: NewSessionTicket) -> Result<(), TlsError> {
        let rules = &self.exchange.rules;
        rules.check_extensions(Place::NewSessionTicket, &ticket.extensions, &[])?;
        let early_data = extension(&ticket.extensions, kind::EARLY_DATA);
        let early_data = early_data.map(message::max_early_data_size).transpose()?;
        let allowed = early_data.is_none_or(|size| size == EARLY_DATA_ALLOWED);
        let reason = format!(
            "ticket with max_early_data_size {}",
            early_data.unwrap_or(0)
        );
        rules.require(TlsRule::TicketEarlyData, allowed, reason)?;
        let Some(suite) = self.negotiated.suite else {
            return Ok(());
        };
        self.exchange.output(Output::Ticket(Session {
            key: resumption_key(suite, &self.resumption_master, &ticket.nonce),
            ticket: ticket.ticket,
            suite,
            age_add: ticket.age_add,
            lifetime: Duration::from_secs(ticket.lifetime.into()),
            early_data: early_data.is_some(),
            alpn: self.negotiated.alpn.clone(),
            parameters: self.parameters.clone(),
        }));
        Ok(())
    }
}

impl Negotiated {
    fn reject_early_data(&mut self) {
        if self.early_data == EarlyData::Offered {
            self.early_data = EarlyData::Rejected;
        }
    }
}
