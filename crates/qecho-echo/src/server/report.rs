//! Counts of an echo server.

/// Counts of an echo server, from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Connections whose handshake was completed.
    pub connections: u64,
    /// Handshakes that were not completed.
    pub handshakes_failed: u64,
    /// Clients refused because there were too many, or at the end.
    pub refused: u64,
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

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        let Self {
            connections,
            handshakes_failed,
            refused,
            streams,
            bytes_echoed,
            datagrams_echoed,
            datagrams_blocked,
            datagrams_too_large,
            datagrams_unsupported,
        } = other;
        self.connections += connections;
        self.handshakes_failed += handshakes_failed;
        self.refused += refused;
        self.streams += streams;
        self.bytes_echoed += bytes_echoed;
        self.datagrams_echoed += datagrams_echoed;
        self.datagrams_blocked += datagrams_blocked;
        self.datagrams_too_large += datagrams_too_large;
        self.datagrams_unsupported += datagrams_unsupported;
    }
}

impl std::iter::Sum for Report {
    fn sum<I: Iterator<Item = Self>>(reports: I) -> Self {
        let mut total = Self::default();
        reports.for_each(|report| total += report);
        total
    }
}
