//! Resumption: what a client keeps of a connection, and what a server hides in its tickets.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use qecho_packet::protection::Suite;

use super::{
    key_schedule::suite_of,
    message::{Codec, Coded, decode, encode},
};

/// State that a client keeps of a connection, to resume it (RFC 8446 §4.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// The ticket as the server gave it.
    pub ticket: Vec<u8>,
    /// The pre-shared key that it stands for.
    pub key: Vec<u8>,
    /// The suite of the connection.
    pub suite: Suite,
    /// Number that hides the ticket's age.
    pub age_add: u32,
    /// Time for which the server takes the ticket.
    pub lifetime: Duration,
    /// Whether the server takes 0-RTT data with it.
    pub early_data: bool,
    /// The application protocol of the connection.
    pub alpn: Option<Vec<u8>>,
    /// The server's transport parameters, which 0-RTT data must respect (RFC 9000 §7.4.1).
    pub parameters: Vec<u8>,
}

/// A session that a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// The session.
    pub session: Session,
    /// Time since its ticket came.
    pub age: Duration,
    /// Whether 0-RTT data are offered with it.
    pub early_data: bool,
}

/// A server's tickets. They hold all that the server needs to know, sealed; so they can be used
/// more than once, and until the key is forgotten: 0-RTT data may be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tickets {
    /// Seals tickets; servers with the same key take one another's.
    pub key: [u8; 32],
    /// Number of tickets that are sent after a handshake.
    pub count: u8,
    /// Time for which they may be used, as the client is told.
    pub lifetime: Duration,
    /// Whether 0-RTT data are taken.
    pub early_data: bool,
    /// Settings that 0-RTT data depend on, such as the limits of the transport parameters: they are taken
    /// only if it is the same as it was (RFC 9001 §4.6.2).
    pub state: Vec<u8>,
}

impl Tickets {
    /// Makes one ticket a connection, which is good for an hour, without 0-RTT data.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            count: 1,
            lifetime: Duration::from_secs(3_600),
            early_data: false,
            state: Vec::new(),
        }
    }

    /// Takes 0-RTT data of clients whose connection had the same `state`.
    #[must_use]
    pub fn with_early_data(mut self, state: impl Into<Vec<u8>>) -> Self {
        self.early_data = true;
        self.state = state.into();
        self
    }
}

/// Content of a server's ticket.
#[derive(Default)]
pub(super) struct TicketContent {
    /// The number of the suite.
    pub(super) suite: u16,
    pub(super) key: Vec<u8>,
    pub(super) alpn: Vec<u8>,
    /// Whether early data are taken: 1 or 0.
    pub(super) early_data: u8,
    pub(super) state: Vec<u8>,
}

impl TicketContent {
    pub(super) fn suite(&self) -> Option<Suite> {
        suite_of(self.suite)
    }

    /// Seals it; the nonce must be another for each ticket.
    pub(super) fn seal(self, key: &[u8; 32], nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut content = encode(self, content);
        let used = Nonce::assume_unique_for_key(nonce);
        sealing_key(key)
            .seal_in_place_append_tag(used, Aad::empty(), &mut content)
            .expect("a ticket is not too long to be sealed");
        [&nonce, content.as_slice()].concat()
    }

    /// Opens a ticket, if it was sealed under this key.
    pub(super) fn open(key: &[u8; 32], ticket: &[u8]) -> Option<Self> {
        let (nonce, sealed) = ticket.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = sealing_key(key).open_in_place(nonce, Aad::empty(), &mut sealed);
        decode(opened.ok()?, content).ok()
    }
}

fn content(codec: &mut Codec<'_>, ticket: &mut TicketContent) -> Coded {
    codec.short(&mut ticket.suite, "suite")?;
    codec.bytes(1, &mut ticket.key, "key")?;
    codec.bytes(1, &mut ticket.alpn, "protocol")?;
    codec.byte(&mut ticket.early_data, "early data")?;
    codec.bytes(2, &mut ticket.state, "state")
}

fn sealing_key(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, key).expect("it has the length of AES-256");
    LessSafeKey::new(key)
}
