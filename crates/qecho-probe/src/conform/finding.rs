//! What one run of a requirement came to.

use std::time::Duration;

use qecho_packet::Direction;

use super::Verdict;

/// What a run of a requirement came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The judgement.
    pub verdict: Verdict,
    /// What was seen, in words.
    pub seen: String,
    /// What was sent and received, in its order.
    pub packets: Vec<PacketRecord>,
    /// Lines of a key log (RFC 9850), which open the packets.
    pub key_log: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// A datagram of a run, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketRecord {
    /// Time since the run began.
    pub time: Duration,
    /// Sent by us, or received from the peer.
    pub direction: Direction,
    /// What is in it, a line for each packet or frame.
    pub lines: Vec<String>,
    /// Its size in bytes.
    pub size: usize,
    /// The datagram as it was on the wire; empty in the row of a pass.
    pub datagram: Vec<u8>,
    /// Whether it is what is done to the peer.
    pub is_stimulus: bool,
}

impl Finding {
    /// Judges by what was seen, in words.
    pub fn new(verdict: Verdict, seen: impl Into<String>) -> Self {
        Self {
            verdict,
            seen: seen.into(),
            packets: Vec::new(),
            key_log: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Adds what was sent and received.
    pub fn with_packets(mut self, packets: Vec<PacketRecord>) -> Self {
        self.packets = packets;
        self
    }

    /// Adds what opens the packets.
    pub fn with_key_log(mut self, key_log: Vec<String>) -> Self {
        self.key_log = key_log;
        self
    }

    /// Adds how long it took.
    pub fn with_took(mut self, took: Duration) -> Self {
        self.took = took;
        self
    }
}
