//! What the doctor asks: this host, and the networks that it reaches.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use qecho_peer::network::Network;

mod host;

pub use self::host::HostWorld;
pub use qecho_io::host::{Dropped, Route, Sockets as Machine};

/// The host that the doctor runs on, the networks that it reaches, and time.
pub trait World {
    /// Returns the time.
    fn now(&self) -> Instant;

    /// Tells whether somebody wants it to end: then nothing is waited for any more.
    fn is_stopped(&self) -> bool {
        false
    }

    /// Returns what this host's sockets can do.
    fn machine(&mut self) -> io::Result<Machine>;

    /// Returns the route to an address.
    ///
    /// # Errors
    /// There is none.
    fn route(&mut self, remote: SocketAddr) -> io::Result<Route>;

    /// Returns addresses of this host from which an address may be reached, beside that of the
    /// route.
    fn other_sources(&mut self, _: SocketAddr) -> Vec<IpAddr> {
        Vec::new()
    }

    /// Opens first ports at this address of the host from now on, or again where the route says.
    fn send_from(&mut self, _: Option<IpAddr>) {}

    /// Returns how many datagrams this host has dropped itself since it started, where it tells.
    fn dropped(&mut self) -> Option<Dropped>;

    /// Connects by TCP, and closes at once.
    fn tcp(&mut self, remote: SocketAddr, patience: Duration) -> TcpAnswer;

    /// Asks a web server by TCP and TLS for what it announces (RFC 7838): the values of its
    /// `Alt-Svc` fields.
    ///
    /// # Errors
    /// It cannot be asked, and why: [`io::ErrorKind::Unsupported`] if it speaks no TLS 1.3.
    fn alternative_services(
        &mut self,
        remote: SocketAddr,
        server_name: &str,
        patience: Duration,
    ) -> io::Result<Vec<String>>;

    /// Opens a local port towards an address. What is told beside datagrams comes into the notes.
    ///
    /// # Errors
    /// The system gives none.
    fn network(&mut self, remote: SocketAddr) -> io::Result<(Box<dyn Network>, Notes)>;
}

/// Answer to an attempt to connect by TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpAnswer {
    /// Somebody listens.
    Open,
    /// The host says that nobody does.
    Refused,
    /// Nothing came.
    Silent,
    /// The network says no, in the system's words.
    Unreachable(String),
}

/// Something that a network told beside the peer's datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// When it came.
    pub at: Instant,
    /// What it was.
    pub what: Told,
}

/// What a network tells beside the peer's datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// The peer is not reached (ICMP destination unreachable).
    Unreachable {
        /// Who says so, where the system tells.
        from: Option<IpAddr>,
        /// Why.
        why: Unreachable,
    },
    /// A datagram was too large for the way (ICMP fragmentation needed, or packet too big).
    TooLarge {
        /// Who says so, where the system tells.
        from: Option<IpAddr>,
        /// Bytes of the largest IP packet that would pass, if it says that.
        mtu: Option<usize>,
    },
    /// This host did not send a datagram, in the system's words.
    NotSent {
        /// Why.
        why: SendFailure,
        /// The system's words.
        words: String,
    },
    /// A datagram came from another address than the one that was asked.
    Foreign {
        /// Its sender.
        from: SocketAddr,
        /// The beginning of its UDP payload: notes keep [`CONTENTS_MAX`] bytes.
        contents: Vec<u8>,
    },
}

/// Reason for which this host does not send a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendFailure {
    /// A rule forbids it.
    Forbidden,
    /// There is no route any more, or no address to send from.
    NoRoute,
    /// Another one, as that there is no room for it.
    Other,
}

/// Reason of an ICMP message that a datagram does not get there (RFC 792, RFC 1812 §5.2.7.1,
/// RFC 4443 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unreachable {
    /// Nobody listens on the port.
    Port,
    /// The host is not there.
    Host,
    /// There is no way to its network.
    Network,
    /// Somebody forbids it.
    Prohibited,
    /// The host takes no UDP.
    Protocol,
    /// It has passed as many routers as it may, as where routes go in a circle.
    HopLimit,
    /// The address that it was sent from is valid on its own link alone.
    Scope,
    /// Another type and code.
    Other(u8, u8),
}

/// Notes that are kept of one network; later ones are forgotten.
pub const NOTES_MAX: usize = 256;

/// Bytes that are kept of a foreign datagram: they have room for the longest header before its
/// protected part.
pub const CONTENTS_MAX: usize = 64;

/// Shared notes of one network.
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    notes: Vec<Note>,
    /// Datagrams that were not sent, of which there is no note.
    unsent: usize,
}

impl Notes {
    /// Adds a note.
    pub fn add(&self, at: Instant, mut what: Told) {
        let mut kept = self.kept();
        if kept.notes.len() >= NOTES_MAX {
            kept.unsent += usize::from(what.is_unsent());
            return;
        }
        if let Told::Foreign { contents, .. } = &mut what {
            contents.truncate(CONTENTS_MAX);
            contents.shrink_to_fit();
        }
        kept.notes.push(Note { at, what });
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.kept().notes.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns those so far.
    pub fn all(&self) -> Vec<Note> {
        self.since(0)
    }

    /// Returns those after so many.
    pub fn since(&self, first: usize) -> Vec<Note> {
        let kept = self.kept();
        kept.notes.get(first..).unwrap_or_default().to_vec()
    }

    /// Returns how many datagrams did not leave or were too large for the way, after so many notes.
    /// Those of which there is no note count always: rather too many than too few.
    pub fn unsent_since(&self, first: usize) -> usize {
        let kept = self.kept();
        let notes = kept.notes.iter().skip(first);
        notes.filter(|note| note.what.is_unsent()).count() + kept.unsent
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn is_unsent(&self) -> bool {
        matches!(self, Self::NotSent { .. } | Self::TooLarge { .. })
    }
}

#[cfg(test)]
mod tests;
