//! Actions that TLS asks for.

use std::time::Instant;

use qecho_packet::{
    Side, TransportParameters,
    wire::{ConnectionId, Frame, INTEGER_MAX},
};
use rand::Rng;

use super::{Endpoint, IssuedId, ServerConfig, random_id};
use crate::{
    rules::{CRYPTO, Violation},
    tls::{ClientHello, ClientTls, Level, Message, Negotiated, Output, ServerTls, TlsError},
};

/// Connection IDs that are issued at most.
const ISSUED_MAX: u64 = 4;

/// The TLS of a side.
pub(super) enum Tls {
    Client(Box<ClientTls>),
    Server(Box<ServerTls>),
    /// That of a server to which nobody came yet.
    Waiting(Box<ServerConfig>),
}

impl Tls {
    fn read(&mut self, level: Level, bytes: &[u8]) -> Result<(), TlsError> {
        match self {
            Self::Client(tls) => tls.read(level, bytes),
            Self::Server(tls) => tls.read(level, bytes),
            Self::Waiting(_) => Ok(()),
        }
    }

    fn output(&mut self) -> Option<Output> {
        match self {
            Self::Client(tls) => tls.output(),
            Self::Server(tls) => tls.output(),
            Self::Waiting(_) => None,
        }
    }

    pub(super) fn send_message(&mut self, level: Level, message: &Message) {
        match self {
            Self::Client(tls) => tls.send_message(level, message),
            Self::Server(tls) => tls.send_message(level, message),
            Self::Waiting(_) => {}
        }
    }

    pub(super) fn client_hello(&self) -> Option<&ClientHello> {
        match self {
            Self::Server(tls) => tls.client_hello(),
            Self::Client(_) | Self::Waiting(_) => None,
        }
    }

    pub(super) fn negotiated(&self) -> Option<&Negotiated> {
        match self {
            Self::Client(tls) => Some(tls.negotiated()),
            Self::Server(tls) => Some(tls.negotiated()),
            Self::Waiting(_) => None,
        }
    }
}

impl Endpoint {
    /// Begins as the server of a client whose Initial packet is to this destination.
    pub(super) fn begin_server(&mut self, destination: ConnectionId) {
        let Tls::Waiting(config) = &self.tls else {
            return;
        };
        let config = config.clone();
        if self.retry_source.is_none() {
            self.original_destination = destination;
        }
        let source = config.source;
        self.source = source.unwrap_or_else(|| random_id(&mut self.random));
        let mut reset_token = [0; 16];
        self.random.fill_bytes(&mut reset_token);
        let issued = IssuedId::new(0, self.source, Some(reset_token));
        self.ids.local.push(issued);

        let retry_source = self.retry_source.iter().map(|id| id.to_vec());
        let ids = [
            (
                TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID,
                self.original_destination.to_vec(),
            ),
            (
                TransportParameters::INITIAL_SOURCE_CONNECTION_ID,
                self.source.to_vec(),
            ),
        ];
        let ids = ids.into_iter();
        let ids =
            ids.chain(retry_source.map(|id| (TransportParameters::RETRY_SOURCE_CONNECTION_ID, id)));
        let token = (
            TransportParameters::STATELESS_RESET_TOKEN,
            reset_token.to_vec(),
        );
        let parameters = config.all_parameters(ids.chain([token]));
        let mut tls = config.tls;
        tls.parameters = parameters.as_bytes().to_vec();
        if let Some(tickets) = &mut tls.tickets
            && self.behaviour.tells_versions_of_tickets
        {
            tickets.key[0] ^= self.version as u8;
        }
        let random = &mut self.random;
        let tls = ServerTls::new(tls, &mut |bytes| random.fill_bytes(bytes));
        self.tls = Tls::Server(Box::new(tls));
        self.set_parameters(parameters);
        self.keys.install_initial(&destination, Side::Server);
    }

    /// Gives CRYPTO data to TLS, and acts on what comes of it.
    pub(super) fn read_tls(&mut self, now: Instant, level: Level, bytes: &[u8]) {
        if self.tls_error.is_some() {
            return;
        }
        let read = self.tls.read(level, bytes);
        self.act_on_tls(now);
        if let Err(error) = read {
            if self.rules.is_some() {
                self.refuse(Violation {
                    code: error.code,
                    frame_type: Some(CRYPTO),
                    reason: error.reason.clone(),
                    discard: false,
                });
            }
            self.tls_error = Some(error);
        }
    }

    /// Does what TLS wants to be done.
    pub(super) fn act_on_tls(&mut self, now: Instant) {
        let mut has_new_keys = false;
        while let Some(output) = self.tls.output() {
            match output {
                Output::Message { level, bytes } => self.crypto[level as usize].push(&bytes),
                Output::Keys {
                    level,
                    suite,
                    local,
                    remote,
                } => {
                    self.keys
                        .install(level, suite, local.as_ref(), remote.as_ref());
                    has_new_keys |= remote.is_some();
                }
                Output::PeerParameters(bytes) => self.take_parameters(&bytes),
                Output::KeyLog {
                    label,
                    client_random,
                    secret,
                } => {
                    let (random, secret) = (hexadecimal(&client_random), hexadecimal(&secret));
                    self.record
                        .key_log
                        .push(format!("{label} {random} {secret}"));
                }
                Output::Complete => self.complete(),
                Output::Ticket(session) => self.sessions.push(session),
            }
        }
        if has_new_keys {
            self.receive_undecryptable(now);
        }
    }

    /// Takes the peer's transport parameters, be they refused or not.
    fn take_parameters(&mut self, bytes: &[u8]) {
        self.refuses(|rules, endpoint| rules.judge_parameters(endpoint, bytes));
        let parameters = TransportParameters::parse(bytes);
        self.streams.allow(&parameters);
        let first = self.ids.remote.iter_mut().find(|id| id.sequence == 0);
        let token = parameters.get(TransportParameters::STATELESS_RESET_TOKEN);
        if let (Some(first), Some(token), Side::Client) = (first, token, self.side) {
            first.reset_token = token.try_into().ok();
        }
        let preferred = parameters.get(TransportParameters::PREFERRED_ADDRESS);
        if let Some(issued) = preferred.and_then(IssuedId::preferred) {
            self.ids.take(issued, 0);
        }
        self.peer_parameters = Some(parameters);
    }

    fn complete(&mut self) {
        self.is_complete = true;
        if self.side == Side::Server {
            if self.behaviour.sends_handshake_done {
                self.send_frame(Frame::HandshakeDone);
            }
            self.confirm();
        }
        self.discard(Level::EarlyData);
        while self.behaviour.issues_connection_ids && self.wants_connection_id() {
            self.issue_connection_id();
        }
    }

    /// Notes that the handshake is confirmed.
    pub(super) fn confirm(&mut self) {
        self.is_confirmed = true;
        self.discard(Level::Initial);
        self.discard(Level::Handshake);
    }

    /// Ends a level (RFC 9001 §4.9).
    pub(crate) fn discard(&mut self, level: Level) {
        if self.behaviour.discards_keys && !self.is_discarded[level as usize] {
            self.is_discarded[level as usize] = true;
            if level != Level::EarlyData {
                self.space(level).discard();
                self.recovery.answered();
            }
        }
    }

    /// Tells whether the peer takes one more connection ID.
    pub(super) fn wants_connection_id(&self) -> bool {
        /// RFC 9000 §18.2.
        const LIMIT_DEFAULT: u64 = 2;
        let id = TransportParameters::ACTIVE_CONNECTION_ID_LIMIT;
        let parameters = self.peer_parameters.as_ref();
        let limit = parameters.and_then(|parameters| parameters.integer(id));
        let limit = limit.unwrap_or(LIMIT_DEFAULT).min(ISSUED_MAX);
        !self.source.is_empty() && (self.ids.local_active().count() as u64) < limit
    }

    /// Issues one more connection ID (RFC 9000 §5.1.1).
    pub(super) fn issue_connection_id(&mut self) {
        // A script may have issued any before, the last that there can be among them.
        let sequence = self.ids.local.iter().map(|issued| issued.sequence).max();
        let sequence = sequence.map_or(0, |sequence| sequence + 1);
        if sequence > INTEGER_MAX {
            return;
        }
        let mut bytes = vec![0; self.source.len()];
        self.random.fill_bytes(&mut bytes);
        let id = ConnectionId::new(&bytes).expect("it is as long as another");
        let mut reset_token = [0; 16];
        self.random.fill_bytes(&mut reset_token);
        let issued = IssuedId::new(sequence, id, Some(reset_token));
        self.ids.local.push(issued);
        self.send_frame(Frame::NewConnectionId {
            sequence,
            retire_prior_to: 0,
            id,
            reset_token,
        });
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
