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
    /// Connections closed because the process was at its memory's limit.
    pub closed_for_memory: u64,
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

impl std::iter::Sum for Report {
    fn sum<I: Iterator<Item = Self>>(reports: I) -> Self {
        reports.fold(Self::default(), |total, more| Self {
            connections: total.connections + more.connections,
            handshakes_failed: total.handshakes_failed + more.handshakes_failed,
            refused: total.refused + more.refused,
            closed_for_memory: total.closed_for_memory + more.closed_for_memory,
            streams: total.streams + more.streams,
            bytes_echoed: total.bytes_echoed + more.bytes_echoed,
            datagrams_echoed: total.datagrams_echoed + more.datagrams_echoed,
            datagrams_blocked: total.datagrams_blocked + more.datagrams_blocked,
            datagrams_too_large: total.datagrams_too_large + more.datagrams_too_large,
            datagrams_unsupported: total.datagrams_unsupported + more.datagrams_unsupported,
        })
    }
}
