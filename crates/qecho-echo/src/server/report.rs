//! Counts of an echo server.

use qecho_engine::Refusal;

use super::ending::Ending;

/// Counts of an echo server, from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Connections whose handshake was completed.
    pub connections: u64,
    pub(super) handshakes_failed_by: [u64; Ending::ALL.len()],
    pub(super) ended_by: [u64; Ending::ALL.len()],
    pub(super) refused_by: [u64; Refusal::ALL.len()],
    /// Streams of either direction that peers opened.
    pub streams: u64,
    /// Stream bytes handed back for sending.
    pub bytes_echoed: u64,
    /// DATAGRAM frames sent back.
    pub datagrams_echoed: u64,
    /// DATAGRAM frames dropped because too many waited to be sent.
    pub datagrams_blocked: u64,
    /// DATAGRAM frames dropped because they do not fit into a packet of ours.
    pub datagrams_too_large: u64,
    /// DATAGRAM frames dropped because the peer takes none itself.
    pub datagrams_unsupported: u64,
}

impl Report {
    /// Returns how many connections have ended in this way after their handshake.
    pub fn ended(&self, ending: Ending) -> u64 {
        self.ended_by[ending as usize]
    }

    /// Returns how many handshakes were not completed, but ended in this way.
    pub fn handshakes_failed_by(&self, ending: Ending) -> u64 {
        self.handshakes_failed_by[ending as usize]
    }

    /// Returns how many clients were refused for this reason.
    pub fn refused_by(&self, refusal: Refusal) -> u64 {
        self.refused_by[refusal as usize]
    }

    /// Returns how many handshakes were not completed.
    pub fn handshakes_failed(&self) -> u64 {
        self.handshakes_failed_by.iter().sum()
    }

    /// Returns how many clients were refused because there were too many, or at the end.
    pub fn refused(&self) -> u64 {
        self.refused_by.iter().sum()
    }

    /// Returns how many connections were closed because the process was at its memory's limit.
    pub fn closed_for_memory(&self) -> u64 {
        let ending = Ending::ShortOfMemory;
        self.ended(ending) + self.handshakes_failed_by(ending)
    }

    /// Returns how many connections have completed their handshake and not ended.
    pub fn open(&self) -> u64 {
        self.connections.saturating_sub(self.ended_by.iter().sum())
    }
}

/// Adds the counts of each place.
fn sums<const N: usize>(one: [u64; N], other: [u64; N]) -> [u64; N] {
    std::array::from_fn(|place| one[place] + other[place])
}

impl std::iter::Sum for Report {
    fn sum<I: Iterator<Item = Self>>(reports: I) -> Self {
        reports.fold(Self::default(), |total, more| Self {
            connections: total.connections + more.connections,
            handshakes_failed_by: sums(total.handshakes_failed_by, more.handshakes_failed_by),
            ended_by: sums(total.ended_by, more.ended_by),
            refused_by: sums(total.refused_by, more.refused_by),
            streams: total.streams + more.streams,
            bytes_echoed: total.bytes_echoed + more.bytes_echoed,
            datagrams_echoed: total.datagrams_echoed + more.datagrams_echoed,
            datagrams_blocked: total.datagrams_blocked + more.datagrams_blocked,
            datagrams_too_large: total.datagrams_too_large + more.datagrams_too_large,
            datagrams_unsupported: total.datagrams_unsupported + more.datagrams_unsupported,
        })
    }
}
