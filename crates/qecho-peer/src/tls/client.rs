//! The client's side of a handshake.

mod authentication;
mod config;
mod hello;
mod server_hello;

use std::time::Duration;

use qecho_packet::Side;

pub use self::config::{ClientConfig, Verification};
use self::server_hello::Retry;
use super::{
    EarlyData, Level, Negotiated, Output, Session, TlsError, TlsRule,
    exchange::{Exchange, Received, ends},
    groups::KeyShare,
    key_schedule::{KeySchedule, TrafficSecrets, resumption_key},
    message::{
        ClientHello, EARLY_DATA_ALLOWED, Message, NewSessionTicket, decoded,
        extension_type as kind, max_early_data_size,
    },
};

/// A client's TLS.
pub struct ClientTls {
    config: ClientConfig,
    exchange: Exchange,
    state: State,
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

ends!(ClientTls);

impl ClientTls {
    /// Begins a handshake: the first outputs are there at once.
    pub fn new(config: ClientConfig, random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut exchange =
            Exchange::new(Side::Client, &config.ignore, config.edit.as_ref(), random);
        let groups = config.shares.iter();
        let shares = groups.map(|group| KeyShare::generate(*group, &mut exchange.random));
        let mut client = Self {
            state: State::ServerHello,
            shares: shares.collect(),
            random: exchange.draw(),
            hello: ClientHello::default(),
            retry: None,
            negotiated: Negotiated::default(),
            schedule: None,
            handshake: TrafficSecrets::default(),
            certificates: Vec::new(),
            requested: None,
            parameters: Vec::new(),
            resumption_master: Vec::new(),
            exchange,
            config,
        };
        client.send_hello();
        client.begin_early_data();
        client
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
                self.exchange.require(TlsRule::PostHandshakeRequest, false)
            }
            (_, message) => self.exchange.refuse(&message),
        }
    }

    fn read_ticket(&mut self, ticket: NewSessionTicket) -> Result<(), TlsError> {
        let extensions = &ticket.extensions;
        let early_data = decoded(extensions, kind::EARLY_DATA, max_early_data_size)?;
        let is_allowed = early_data.is_none_or(|size| size == EARLY_DATA_ALLOWED);
        self.exchange
            .require(TlsRule::TicketEarlyData, is_allowed)?;
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
    pub(super) fn reject_early_data(&mut self) {
        if self.early_data == EarlyData::Offered {
            self.early_data = EarlyData::Rejected;
        }
    }
}
