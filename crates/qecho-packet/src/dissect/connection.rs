//! State of one connection.

use std::{collections::VecDeque, net::SocketAddr};

use super::{
    client_hello::ClientHello,
    key_log::{ClientRandom, KeyLog},
    segment_sizes::SegmentSizes,
};
use crate::{
    DecryptedPacket, DropReason, Side,
    protection::{self, Numbers, OpeningKeys, Secret, Suite},
    wire::{self, ConnectionId, Frame, PacketType, Protected},
};

/// Connection IDs that are remembered of each side.
pub(super) const CONNECTION_IDS_MAX: usize = 32;

/// Packets that could be opened in the time in which keys are derived from a secret.
const KEYS_WORK: usize = 8;

/// Pairs of addresses that are remembered.
pub(super) const PATHS_MAX: usize = 8;

/// The addresses of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Path {
    client: SocketAddr,
    server: SocketAddr,
}

impl Path {
    /// Returns the path of a datagram.
    pub(super) fn of(sender: Side, source: SocketAddr, destination: SocketAddr) -> Self {
        let (client, server) = match sender {
            Side::Client => (source, destination),
            Side::Server => (destination, source),
        };
        Self { client, server }
    }
}

/// A connection.
pub(super) struct Connection {
    /// Vantage point.
    pub(super) side: Side,
    original_destination: ConnectionId,
    hello: ClientHello,
    /// The client random, if it was found by trying which secrets fit.
    found: Option<ClientRandom>,
    /// Whether its first packets are missing.
    is_late: bool,
    /// Both sides' for Handshake and 1-RTT packets.
    suite: Option<Suite>,
    initial: Box<InitialKeys>,
    /// Keys of the client after the Retry packet that it heeds.
    initial_after_retry: Option<Box<InitialKeys>>,
    /// The client's and the server's.
    senders: [Sender; 2],
    /// Its paths, the latest last.
    pub(super) paths: VecDeque<Path>,
    /// Number of the last datagram of it.
    pub(super) seen: u64,
    retried: bool,
}

/// State of one side.
#[derive(Default)]
struct Sender {
    /// By these it is addressed, the oldest first.
    ids: VecDeque<ConnectionId>,
    handshake: Option<Box<OpeningKeys>>,
    early: Option<Box<OpeningKeys>>,
    one_rtt: Option<Box<OpeningKeys>>,
    numbers: [Numbers; 3],
    sizes: SegmentSizes,
}

/// Keys of the client and the server for which anybody has the secret (RFC 9001
/// §5.2).
pub(super) struct InitialKeys([OpeningKeys; 2]);

impl InitialKeys {
    pub(super) fn new(destination: &ConnectionId) -> Self {
        Self([Side::Client, Side::Server].map(|sender| {
            let secret = Secret::initial(destination, sender);
            OpeningKeys::new(&secret, Suite::Aes128GcmSha256)
        }))
    }

    /// Opens an Initial packet, if it is authentic.
    pub(super) fn open(
        &mut self,
        sender: Side,
        packet: &Protected<'_>,
        numbers: Numbers,
    ) -> Option<DecryptedPacket> {
        self.0[sender as usize].open(packet, numbers)
    }
}

impl Connection {
    /// Begins with the client's first Initial packet, addressed to `original`.
    pub(super) fn new(side: Side, original: ConnectionId, keys: InitialKeys) -> Self {
        Self {
            side,
            original_destination: original,
            hello: ClientHello::default(),
            found: None,
            is_late: false,
            suite: None,
            initial: Box::new(keys),
            initial_after_retry: None,
            senders: Default::default(),
            paths: VecDeque::new(),
            seen: 0,
            retried: false,
        }
    }

    /// Begins where the capture does, with a packet that the secrets of this session open.
    pub(super) fn late(side: Side, random: ClientRandom) -> Self {
        let nobody = ConnectionId::default();
        Self {
            found: Some(random),
            is_late: true,
            ..Self::new(side, nobody, InitialKeys::new(&nobody))
        }
    }

    /// Returns the random of its ClientHello, once it is known.
    pub(super) fn client_random(&self) -> Option<ClientRandom> {
        self.hello.random().or(self.found)
    }

    /// Returns the suite, the number of key updates and the largest packet
    /// number of the 1-RTT packets that a side sends.
    pub(super) fn one_rtt(&self, side: Side) -> Option<(Suite, u64, u64)> {
        let sender = &self.senders[side as usize];
        let updates = sender.one_rtt.as_ref()?.generation();
        let largest = sender.numbers[PacketType::OneRtt.space()].largest?;
        Some((self.suite?, updates, largest))
    }

    /// Returns the sizes of the datagrams that a side sends.
    pub(super) fn sizes(&mut self, side: Side) -> &mut SegmentSizes {
        &mut self.senders[side as usize].sizes
    }

    /// Returns the connection IDs that address a side.
    pub(super) fn ids(&self, side: Side) -> &VecDeque<ConnectionId> {
        &self.senders[side as usize].ids
    }

    /// Remembers a connection ID; returns the one that makes room.
    pub(super) fn remember(&mut self, side: Side, id: ConnectionId) -> Option<ConnectionId> {
        let ids = &mut self.senders[side as usize].ids;
        ids.push_back(id);
        match ids.len() > CONNECTION_IDS_MAX {
            true => ids.pop_front(),
            false => None,
        }
    }

    /// Opens a packet, if there are keys for it and one fits.
    pub(super) fn open(
        &mut self,
        sender: Side,
        packet: &Protected<'_>,
        key_log: &KeyLog,
    ) -> Result<DecryptedPacket, DropReason> {
        let packet_type = packet.header.packet_type;
        let opened = match packet_type {
            PacketType::Initial => self
                .open_initial(sender, packet)
                .ok_or(match self.is_late {
                    true => DropReason::BeginningNotCaptured,
                    false => DropReason::NotAuthentic,
                })?,
            _ => self.open_by_secret(sender, packet, key_log)?,
        };
        self.senders[sender as usize].numbers[packet_type.space()].saw(opened.number);
        Ok(opened)
    }

    /// Opens an Initial packet; its number is not noted.
    pub(super) fn open_initial(
        &mut self,
        sender: Side,
        packet: &Protected<'_>,
    ) -> Option<DecryptedPacket> {
        let numbers = self.senders[sender as usize].numbers[PacketType::Initial.space()];
        let known = [self.initial_after_retry.as_mut(), Some(&mut self.initial)];
        for keys in known.into_iter().flatten() {
            if let Some(opened) = keys.open(sender, packet, numbers) {
                return Some(opened);
            }
        }
        // A server that is asked twice answers with two Retry packets; which
        // one the client heeds shows in what it sends (RFC 9001 §5.2).
        let destination = &packet.header.destination;
        let after_retry = self.retried && self.ids(Side::Server).contains(destination);
        // Once more than Initial packets were opened, what came later changes nothing: the
        // ClientHello's random finds the secrets, also those that are to be forgotten.
        let mut senders = self.senders.iter();
        let went_on = senders.any(|one| one.handshake.is_some() || one.one_rtt.is_some());
        if sender != Side::Client || !after_retry || went_on {
            return None;
        }
        let mut keys = InitialKeys::new(destination);
        let opened = keys.open(sender, packet, numbers)?;
        self.initial_after_retry = Some(Box::new(keys));
        // It ought to say the same again, but some begin anew.
        self.hello = ClientHello::default();
        Some(opened)
    }

    fn open_by_secret(
        &mut self,
        sender: Side,
        packet: &Protected<'_>,
        key_log: &KeyLog,
    ) -> Result<DecryptedPacket, DropReason> {
        let packet_type = packet.header.packet_type;
        let (random, agreed) = (self.client_random(), self.suite);
        let Some(random) = random else {
            return self.find_secrets(sender, packet, key_log);
        };
        let is_found = self.found.is_some();
        let from = &mut self.senders[sender as usize];
        let numbers = from.numbers[packet_type.space()];
        let protection = match packet_type {
            PacketType::Handshake => &mut from.handshake,
            PacketType::ZeroRtt => &mut from.early,
            _ => &mut from.one_rtt,
        };
        if let Some(protection) = protection {
            let opened = protection.open(packet, numbers);
            return opened.ok_or(DropReason::NotAuthentic);
        }
        let secret = key_log
            .secret(&random, sender, packet_type)
            .ok_or(DropReason::NoSecrets)?;
        // The ServerHello names the suite, but it may be missing or come
        // later; the first packet that authenticates is a proof. 0-RTT packets
        // have the suite of an earlier session.
        let agreed = agreed.filter(|_| packet_type != PacketType::ZeroRtt);
        for suite in secret.suites() {
            if agreed.is_some_and(|agreed| agreed != *suite) {
                continue;
            }
            let mut tried = OpeningKeys::new(secret, *suite);
            let mut opened = tried.open(packet, numbers);
            // How many packets there were before is not known.
            if opened.is_none() && is_found {
                opened = search(&mut tried, packet, key_log);
            }
            if let Some(opened) = opened {
                *protection = Some(Box::new(tried));
                if packet_type != PacketType::ZeroRtt {
                    self.suite = Some(*suite);
                }
                return Ok(opened);
            }
        }
        Err(DropReason::NotAuthentic)
    }

    /// Opens a packet of a connection whose ClientHello is missing, by the secrets of any
    /// session that fit.
    fn find_secrets(
        &mut self,
        sender: Side,
        packet: &Protected<'_>,
        key_log: &KeyLog,
    ) -> Result<DecryptedPacket, DropReason> {
        if !key_log.is_searchable() {
            return Err(DropReason::NoSecrets);
        }
        let Some(random) = fitting(sender, packet, key_log) else {
            return Err(DropReason::ClientHelloNotCaptured);
        };
        self.found = Some(random);
        self.open_by_secret(sender, packet, key_log)
    }

    /// Notes what an authentic packet tells; returns the connection IDs in it,
    /// and whom they address.
    pub(super) fn learn(
        &mut self,
        sender: Side,
        packet: &Protected<'_>,
        opened: &DecryptedPacket,
    ) -> Vec<(Side, ConnectionId)> {
        let header = &packet.header;
        // That it was opened proves that a short header's connection ID has
        // the length that was assumed.
        let mut ids = vec![(sender.other(), header.destination)];
        ids.extend(header.source.map(|id| (sender, id)));
        for frame in wire::frames(&opened.payload).map_while(Result::ok) {
            match frame {
                Frame::NewConnectionId { id, .. } => ids.push((sender, id)),
                Frame::Ack(ack) => {
                    let numbers = &mut self.senders[sender.other() as usize].numbers;
                    numbers[header.packet_type.space()].acknowledges(ack.largest());
                }
                Frame::Crypto { offset, data }
                    if sender == Side::Client && header.packet_type == PacketType::Initial =>
                {
                    self.hello.add(offset, data);
                }
                _ => {}
            }
        }
        ids
    }

    /// Tells whether a Retry packet is valid, and notes it if so.
    pub(super) fn retry(&mut self, packet: &Protected<'_>) -> bool {
        let valid = protection::is_valid_retry(&self.original_destination, packet.bytes);
        self.retried |= valid;
        valid
    }

    /// Tells whether the server has said anything.
    pub(super) fn is_answered(&self) -> bool {
        let numbers = &self.senders[Side::Server as usize].numbers;
        self.retried || numbers.iter().any(|one| one.largest.is_some())
    }
}

/// Returns the session whose secrets open a packet, if there is one.
pub(super) fn fitting(
    sender: Side,
    packet: &Protected<'_>,
    key_log: &KeyLog,
) -> Option<ClientRandom> {
    for (random, secret) in key_log.secrets(sender, packet.header.packet_type) {
        for suite in secret.suites() {
            let mut tried = OpeningKeys::new(secret, *suite);
            if search(&mut tried, packet, key_log).is_some() {
                return Some(random);
            }
        }
        if key_log.search_work.get() == 0 {
            return None;
        }
    }
    None
}

/// Opens a packet of unknown number, within the work that is left.
fn search(
    tried: &mut OpeningKeys,
    packet: &Protected<'_>,
    key_log: &KeyLog,
) -> Option<DecryptedPacket> {
    // To derive the keys is work, too.
    let mut work = key_log.search_work.get().saturating_sub(KEYS_WORK);
    let opened = tried.search(packet, &mut work);
    key_log.search_work.set(work);
    opened
}
