//! One connection in one role, which does as told, right or wrong.
//!
//! Datagrams and the time go in by [`receive`](Endpoint::receive) and
//! [`timeout`](Endpoint::timeout), and come out by [`transmit`](Endpoint::transmit), which is
//! asked until there are no more, and [`deadline`](Endpoint::deadline). By default it behaves
//! well ([`Behaviour`]), so that a script says only what is odd, by [`send`](Endpoint::send).
//! It never closes because of what the peer did, unless [`Rules`] say so. All that comes is
//! kept in its [`Record`].

mod closing;
mod config;
mod connection_ids;
mod frames;
mod handshake;
mod known;
mod paths;
mod receiving;
mod sending;
mod stateless;
mod streams;
mod timers;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use qecho_packet::{
    Side, StreamId, TransportParameters,
    wire::{ConnectionId, Frame},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use self::{
    closing::Closing, handshake::Tls, paths::Paths, receiving::Undecryptable, streams::Streams,
};
pub use self::{
    config::{
        Behaviour, ClientConfig, Config, Parameters, ParametersEdit, ServerConfig, VERSION_1,
        VERSION_2, honest_parameters, integer_value,
    },
    connection_ids::{ConnectionIds, IssuedId},
    stateless::{retry, stateless_reset, version_negotiation},
    streams::ReceivedStream,
};
use crate::{
    crypto::CryptoStream,
    keys::Keys,
    network::{Ecn, PathId},
    packet::{Content, OutDatagram, Packet},
    received::{Close, Record},
    recovery::Recovery,
    rules::{Rules, Violation},
    space::Space,
    tls::{ClientTls, Level, Message, Session, TlsError},
};

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer has closed it; the close is in [`Endpoint::closed`].
    ByPeer,
    /// The endpoint has closed it, by its script or its rules.
    ByEndpoint,
    /// A stateless reset came.
    Reset,
    /// The peer does not speak the version, and said which it does.
    VersionNegotiation(Vec<u32>),
    /// Nothing came for the idle timeout.
    TimedOut,
}

/// One connection in one role.
pub struct Endpoint {
    /// Actions that it takes by itself.
    pub behaviour: Behaviour,
    side: Side,
    version: u32,
    random: StdRng,
    rules: Option<Rules>,
    record: Record,

    tls: Tls,
    keys: Keys,
    /// Levels that are over (RFC 9001 §4.9).
    is_discarded: [bool; 4],
    crypto: [CryptoStream; 4],
    is_complete: bool,
    is_confirmed: bool,
    parameters: TransportParameters,
    peer_parameters: Option<TransportParameters>,
    sessions: Vec<Session>,
    tls_error: Option<TlsError>,
    undecryptable: Vec<Undecryptable>,

    ids: ConnectionIds,
    source: ConnectionId,
    /// The destination of the client's first Initial packet.
    original_destination: ConnectionId,
    /// The source of the peer's first packet that was processed.
    first_source: Option<ConnectionId>,
    retry_source: Option<ConnectionId>,
    /// Token that the client's Initial packets carry.
    token: Vec<u8>,

    spaces: [Space; 3],
    recovery: Recovery,
    last_activity: Instant,
    /// Whether something ack-eliciting went since something came.
    has_asked: bool,
    paths: Paths,
    pub(crate) streams: Streams,

    /// Datagrams that the script has told it to send, and wait for their keys.
    scripted: VecDeque<Vec<Packet>>,
    raw: VecDeque<OutDatagram>,
    closing: Option<Closing>,
    closed: Option<Close>,
    violation: Option<Violation>,
    ended: Option<Ended>,
}

/// The fixed bit (RFC 9000 §17.2).
pub(crate) const FIXED_BIT: u8 = 0x40;
/// Bytes of a connection ID that nobody has chosen.
const CONNECTION_ID_LENGTH: usize = 8;

impl Endpoint {
    /// Begins a connection: its first datagram is there at once.
    pub fn client(config: ClientConfig, now: Instant) -> Self {
        let mut random = StdRng::seed_from_u64(config.seed);
        let mut chosen = |id: Option<ConnectionId>| id.unwrap_or_else(|| random_id(&mut random));
        let destination = chosen(config.destination);
        let source = chosen(config.source);
        let id = TransportParameters::INITIAL_SOURCE_CONNECTION_ID;
        let parameters = config.all_parameters([(id, source.to_vec())]);
        let mut tls = config.tls;
        tls.parameters = parameters.as_bytes().to_vec();
        let tls = ClientTls::new(tls, &mut |bytes| random.fill_bytes(bytes));
        let tls = Tls::Client(Box::new(tls));
        let mut client = Self::new(Side::Client, tls, random, config.behaviour, now);
        client.version = config.version;
        client.keys.version = config.version;
        client.token = config.token;
        client.set_parameters(parameters);
        client.original_destination = destination;
        client.ids.destination = destination;
        client.source = source;
        client.ids.local.push(IssuedId::new(0, source, None));
        client.keys.install_initial(&destination, Side::Client);
        client.act_on_tls(now);
        client
    }

    /// Waits for a client: its first Initial packet, from which keys and parameters derive,
    /// comes by [`receive`](Self::receive) as all others.
    pub fn server(config: ServerConfig, now: Instant) -> Self {
        let random = StdRng::seed_from_u64(config.seed);
        let behaviour = config.behaviour.clone();
        let version = config.version;
        let tls = Tls::Waiting(Box::new(config));
        let mut server = Self::new(Side::Server, tls, random, behaviour, now);
        server.version = version;
        server.keys.version = version;
        server
    }

    fn new(side: Side, tls: Tls, random: StdRng, behaviour: Behaviour, now: Instant) -> Self {
        Self {
            behaviour,
            side,
            version: VERSION_1,
            random,
            rules: None,
            record: Record::default(),
            tls,
            keys: Keys::default(),
            is_discarded: [false; 4],
            crypto: Default::default(),
            is_complete: false,
            is_confirmed: false,
            parameters: TransportParameters::default(),
            peer_parameters: None,
            sessions: Vec::new(),
            tls_error: None,
            undecryptable: Vec::new(),
            ids: ConnectionIds::default(),
            source: ConnectionId::default(),
            original_destination: ConnectionId::default(),
            first_source: None,
            retry_source: None,
            token: Vec::new(),
            spaces: Default::default(),
            recovery: Recovery::default(),
            last_activity: now,
            has_asked: false,
            paths: Paths::new(side),
            streams: Streams::new(side),
            scripted: VecDeque::new(),
            raw: VecDeque::new(),
            closing: None,
            closed: None,
            violation: None,
            ended: None,
        }
    }

    /// Judges all that comes before it is acted on.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self {
            rules: Some(rules),
            ..self
        }
    }

    /// Sends a packet in a datagram of its own, before anything that the endpoint sends by
    /// itself and as soon as there are keys for it.
    pub fn send(&mut self, packet: Packet) {
        self.send_datagram(vec![packet]);
    }

    /// Sends packets in one datagram, on the path and with the ECN codepoint of the first, as
    /// soon as there are keys for all.
    pub fn send_datagram(&mut self, packets: Vec<Packet>) {
        self.scripted.push_back(packets);
    }

    /// Sends a datagram as it is.
    pub fn send_raw(&mut self, path: PathId, bytes: impl Into<Vec<u8>>, ecn: Ecn) {
        let bytes = bytes.into();
        self.raw.push_back(OutDatagram { path, bytes, ecn });
    }

    /// Sends a TLS message that belongs to no handshake.
    pub fn send_message(&mut self, now: Instant, level: Level, message: &Message) {
        self.tls.send_message(level, message);
        self.act_on_tls(now);
    }

    /// Sends data on a stream, as far as the peer's limits and acknowledgements let it.
    pub fn write(&mut self, id: StreamId, data: &[u8], fin: bool) {
        self.streams.write(id, data, fin);
    }

    /// Sends a frame in a 1-RTT packet, together with what else there is to be sent.
    pub fn send_frame(&mut self, frame: Frame<'_>) {
        self.spaces[space_of(Level::OneRtt)]
            .frames
            .push_back(Content::from(frame));
    }

    /// Updates the keys that packets are sealed with (RFC 9001 §6.1).
    pub fn update_keys(&mut self) {
        self.keys.update();
    }

    /// Sends on another path from now on, as a NAT would make it look.
    pub fn set_path(&mut self, path: PathId) {
        self.paths.current = path;
    }

    /// Moves to another path, to another connection ID of the peer if there is one (RFC 9000
    /// §9.5), and validates it.
    pub fn migrate(&mut self, path: PathId) {
        self.paths.current = path;
        self.use_other_destination();
        self.challenge(path);
    }

    /// Sends PATH_CHALLENGE on a path (RFC 9000 §8.2); returns its data.
    pub fn challenge(&mut self, path: PathId) -> [u8; 8] {
        let mut data = [0; 8];
        self.random.fill_bytes(&mut data);
        self.paths.challenge(path, data);
        data
    }

    /// Closes the connection (RFC 9000 §10.2).
    pub fn close(&mut self, application: bool, code: u64, reason: &str) {
        self.begin_closing(application, code, None, reason);
    }

    /// Takes the endpoint's own transport parameters into account.
    fn set_parameters(&mut self, parameters: TransportParameters) {
        self.streams.grant(&parameters);
        let preferred = parameters.get(TransportParameters::PREFERRED_ADDRESS);
        if let Some(issued) = preferred.and_then(IssuedId::preferred) {
            self.ids.issue(issued);
        }
        self.parameters = parameters;
    }

    /// Sends to a connection ID that was not used yet, and retires the one before.
    fn use_other_destination(&mut self) {
        if let Some(sequence) = self.ids.change_destination() {
            for issued in &mut self.ids.remote {
                issued.is_retired |= issued.sequence == sequence;
            }
            self.send_frame(Frame::RetireConnectionId { sequence });
        }
    }

    /// Asks the rules about the endpoint as it is, and acts on what they refuse; tells whether
    /// they do.
    fn refuses(&mut self, judge: impl FnOnce(&mut Rules, &Self) -> Option<Violation>) -> bool {
        let Some(mut rules) = self.rules.take() else {
            return false;
        };
        let violation = judge(&mut rules, self);
        self.rules = Some(rules);
        let is_refused = violation.is_some();
        violation.into_iter().for_each(|it| self.refuse(it));
        is_refused
    }

    /// Returns the probe timeout.
    fn period(&self) -> Duration {
        self.recovery.period()
    }

    fn space(&mut self, level: Level) -> &mut Space {
        &mut self.spaces[space_of(level)]
    }
}

/// Returns the place of a level's packet number space.
fn space_of(level: Level) -> usize {
    match level {
        Level::Initial => 0,
        Level::Handshake => 1,
        Level::EarlyData | Level::OneRtt => 2,
    }
}

fn random_id(random: &mut StdRng) -> ConnectionId {
    let mut bytes = [0; CONNECTION_ID_LENGTH];
    random.fill_bytes(&mut bytes);
    ConnectionId::new(&bytes).expect("eight bytes are few enough")
}
