//! Packets to be sent, right or wrong.

use qecho_packet::wire::{ConnectionId, Frame};

use crate::{
    network::{Ecn, PathId},
    tls::Level,
};

/// Frames of a packet, as bytes: mostly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content(Vec<u8>);

/// The keys that a 1-RTT packet is sealed with, by their key phase (RFC 9001 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Phase {
    /// Those in use.
    #[default]
    Current,
    /// Those after the next key update, which it does not bring about.
    Next,
    /// Those before the last key update.
    Previous,
}

/// A packet to be sent: what is left out is what a well-behaved endpoint would do.
///
/// ```
/// use qecho_packet::wire::Frame;
/// use qecho_peer::packet::{Packet, one_rtt};
///
/// let odd: Packet = one_rtt([Frame::Ping]).reserved_bits(0b11);
/// assert!(!odd.is_resent);
/// ```
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The kind of packet.
    pub level: Level,
    /// Its frames.
    pub contents: Vec<Content>,
    /// The two reserved bits, which ought to be 0 (RFC 9000 §17.2, §17.3.1).
    pub reserved: u8,
    /// The fixed bit (RFC 9000 §17.2, §17.3.1).
    pub fixed_bit: bool,
    /// The spin bit of a 1-RTT packet (RFC 9000 §17.4).
    pub spin: bool,
    /// The packet number; the next one if none is given.
    pub number: Option<u64>,
    /// The bytes in which the packet number is told, 1 to 4; as many as it takes if none are
    /// given.
    pub number_length: Option<usize>,
    /// The destination connection ID, if not the peer's.
    pub destination: Option<ConnectionId>,
    /// The source connection ID of a long header, if not the endpoint's.
    pub source: Option<ConnectionId>,
    /// The version of a long header, if not the connection's.
    pub version: Option<u32>,
    /// The token of an Initial packet, if not the one that a Retry gave.
    pub token: Option<Vec<u8>>,
    /// The Length of a long header, if not the true one.
    pub length: Option<u64>,
    /// The keys of a 1-RTT packet.
    pub phase: Phase,
    /// Bytes that the packet has at least, by PADDING frames. None for as many as RFC 9000 §14.1
    /// demands of its datagram; 0 for none.
    pub pad_to: Option<usize>,
    /// Whether the last bit is wrong, so that nobody can authenticate it.
    pub is_corrupt: bool,
    /// Whether frames that are lost go again; those of odd packets do not.
    pub is_resent: bool,
    /// Whether the script is about another one: it only helps to see what becomes of that.
    pub is_aside: bool,
    /// The path of its datagram, if not the endpoint's.
    pub path: Option<PathId>,
    /// The ECN codepoint of its datagram.
    pub ecn: Ecn,
}

/// A datagram that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutDatagram {
    /// The path that it goes on.
    pub path: PathId,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its ECN codepoint.
    pub ecn: Ecn,
}

/// Returns a packet of a level without any frame.
pub fn empty(level: Level) -> Packet {
    Packet {
        level,
        contents: Vec::new(),
        reserved: 0,
        fixed_bit: true,
        spin: false,
        number: None,
        number_length: None,
        destination: None,
        source: None,
        version: None,
        token: None,
        length: None,
        phase: Phase::Current,
        pad_to: None,
        is_corrupt: false,
        is_resent: true,
        is_aside: false,
        path: None,
        ecn: Ecn::NotEct,
    }
}

/// Returns an Initial packet.
pub fn initial<C: Into<Content>>(contents: impl IntoIterator<Item = C>) -> Packet {
    empty(Level::Initial).with(contents)
}

/// Returns a 0-RTT packet.
pub fn early_data<C: Into<Content>>(contents: impl IntoIterator<Item = C>) -> Packet {
    empty(Level::EarlyData).with(contents)
}

/// Returns a Handshake packet.
pub fn handshake<C: Into<Content>>(contents: impl IntoIterator<Item = C>) -> Packet {
    empty(Level::Handshake).with(contents)
}

/// Returns a 1-RTT packet.
pub fn one_rtt<C: Into<Content>>(contents: impl IntoIterator<Item = C>) -> Packet {
    empty(Level::OneRtt).with(contents)
}

/// Returns bytes that are sent in place of frames, whatever they are.
pub fn raw(bytes: impl Into<Vec<u8>>) -> Content {
    Content(bytes.into())
}

impl Content {
    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Frame<'_>> for Content {
    fn from(frame: Frame<'_>) -> Self {
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        Self(bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Packet {
    /// Adds frames at the end.
    pub fn with<C: Into<Content>>(mut self, contents: impl IntoIterator<Item = C>) -> Self {
        self.contents.extend(contents.into_iter().map(Into::into));
        self
    }

    /// Makes it odd: its frames do not go again.
    fn odd(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self.once()
    }

    /// Sets the reserved bits.
    pub fn reserved_bits(self, reserved: u8) -> Self {
        self.odd(|it| it.reserved = reserved)
    }

    /// Sets the fixed bit to 0.
    pub fn without_fixed_bit(self) -> Self {
        self.odd(|it| it.fixed_bit = false)
    }

    /// Sets the packet number.
    pub fn numbered(self, number: u64) -> Self {
        self.odd(|it| it.number = Some(number))
    }

    /// Sets the bytes in which the packet number is told, 1 to 4.
    pub fn number_in(mut self, length: usize) -> Self {
        self.number_length = Some(length);
        self
    }

    /// Sets the destination connection ID.
    pub fn destination(self, id: ConnectionId) -> Self {
        self.odd(|it| it.destination = Some(id))
    }

    /// Sets the source connection ID.
    pub fn source(self, id: ConnectionId) -> Self {
        self.odd(|it| it.source = Some(id))
    }

    /// Sets the version.
    pub fn version(self, version: u32) -> Self {
        self.odd(|it| it.version = Some(version))
    }

    /// Sets the token.
    pub fn token(self, token: impl Into<Vec<u8>>) -> Self {
        self.odd(|it| it.token = Some(token.into()))
    }

    /// Sets the Length to what it is not.
    pub fn length(self, length: u64) -> Self {
        self.odd(|it| it.length = Some(length))
    }

    /// Sets the keys.
    pub fn phase(self, phase: Phase) -> Self {
        self.odd(|it| it.phase = phase)
    }

    /// Sets the bytes that the packet has at least; 0 for no padding at all.
    pub fn pad_to(mut self, bytes: usize) -> Self {
        self.pad_to = Some(bytes);
        self
    }

    /// Makes it one that nobody can authenticate.
    pub fn corrupt(self) -> Self {
        self.odd(|it| it.is_corrupt = true)
    }

    /// Sets the path.
    pub fn path(mut self, path: PathId) -> Self {
        self.path = Some(path);
        self
    }

    /// Sets the ECN codepoint.
    pub fn ecn(self, ecn: Ecn) -> Self {
        Self { ecn, ..self }
    }

    /// Makes it one that the script is not about.
    pub fn aside(mut self) -> Self {
        self.is_aside = true;
        self
    }

    /// Lets lost frames stay lost.
    pub fn once(mut self) -> Self {
        self.is_resent = false;
        self
    }
}
