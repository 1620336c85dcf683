//! Datagrams and secrets, and the blocks that they stand in.

use std::{net::SocketAddr, time::Duration};

use super::{link, skipped::SkipReason, udp};
use crate::{Direction, dissect::CapturedDatagram};

/// One thing that a capture holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A UDP datagram.
    Datagram(Captured),
    /// TLS secrets in the NSS key log format, which open datagrams after them.
    /// Bytes that are not ASCII have become `?`.
    Secrets(String),
    /// A packet without a datagram that can be shown.
    Skipped {
        /// Its number, as in [`Captured::number`].
        number: u64,
        /// Offset of its block or record in the file.
        offset: u64,
        /// The reason.
        why: SkipReason,
    },
}

/// One UDP datagram of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Time since 1970-01-01 00:00 UTC; zero if the file does not tell.
    pub at: Duration,
    /// The sender's address.
    pub source: SocketAddr,
    /// The receiver's address.
    pub destination: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// The way that it passed the machine that captured it, if the file tells.
    pub direction: Option<Direction>,
    /// Its UDP payload.
    pub payload: Vec<u8>,
    /// Whether the end of the payload is missing: the capture kept only the
    /// beginning of packets, or the lengths in its headers promise more.
    pub cut: bool,
    /// Whether it did not pass now: a capture that goes on in another file
    /// repeats it, or has made it up, so that what follows can be opened.
    pub repeated: bool,
    /// Offset of its block or record in the file.
    pub offset: u64,
    /// Its number as Wireshark counts, from one: each packet has one, of
    /// whatever protocol.
    pub number: u64,
}

impl Captured {
    /// Returns the datagram, as a [`Dissector`](crate::dissect::Dissector)
    /// takes it.
    pub fn datagram(&self) -> CapturedDatagram<'_> {
        CapturedDatagram {
            source: self.source,
            destination: self.destination,
            ecn: self.ecn,
            direction: self.direction,
            payload: &self.payload,
            cut: self.cut,
        }
    }
}

impl Item {
    /// Returns a packet's datagram, or why there is none.
    pub(super) fn of(packet: Result<Frame<'_>, SkipReason>, number: u64, offset: u64) -> Self {
        let read = packet.and_then(|frame| {
            let packet = link::ip_packet(frame.link, frame.bytes)?;
            let datagram = udp::datagram(packet, frame.cut)?;
            Ok(Captured {
                at: frame.at,
                source: datagram.source,
                destination: datagram.destination,
                ecn: datagram.ecn,
                direction: frame.direction,
                payload: datagram.payload.to_vec(),
                cut: datagram.cut,
                repeated: frame.repeated,
                offset,
                number,
            })
        });
        match read {
            Ok(captured) => Self::Datagram(captured),
            Err(why) => Self::Skipped {
                number,
                offset,
                why,
            },
        }
    }
}

/// One block or record.
pub(super) enum Block<'a> {
    /// A packet, or why it is of no use.
    Packet(Result<Frame<'a>, SkipReason>),
    /// No packet, but it has a number.
    Numbered,
    Secrets(String),
    /// Nothing of interest.
    Other,
}

/// A packet with the headers of its link.
pub(super) struct Frame<'a> {
    pub(super) at: Duration,
    pub(super) link: u32,
    pub(super) direction: Option<Direction>,
    /// Whether its comment says that it is repeated.
    pub(super) repeated: bool,
    pub(super) bytes: &'a [u8],
    /// Whether there were more bytes.
    pub(super) cut: bool,
}
