//! Reads captures that anybody made: the UDP datagrams and the TLS secrets in
//! them.
//!
//! The formats are framed here rather than by a library: every error names the
//! byte where its block begins, and no length that a file claims decides how
//! much memory is taken.

mod blocks;
mod clock;
mod error;
mod fields;
mod link;
mod records;
mod skipped;
mod source;
mod udp;

use std::{
    fmt,
    io::{Chain, Cursor, ErrorKind, Read},
    net::SocketAddr,
    time::Duration,
};

use crate::Direction;

pub use self::{
    blocks::INTERFACES_MAX, error::ReadError, skipped::SkipReason, source::BLOCK_BYTES_MAX,
};
use self::{
    blocks::{Blocks, SECTION_HEADER},
    records::Records,
    source::Source,
};

/// What a capture holds, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A UDP datagram.
    Datagram(Captured),
    /// TLS secrets in the NSS key log format, which open datagrams after them.
    /// What is not ASCII has become `?`.
    Secrets(String),
    /// A packet without a datagram that can be shown.
    Skipped {
        /// Its number, as in [`Captured::number`].
        number: u64,
        /// Where its block or record begins in the file.
        offset: u64,
        /// Why there is none.
        why: SkipReason,
    },
}

/// One UDP datagram of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Time since 1970-01-01 00:00 UTC; zero if the file does not tell.
    pub at: Duration,
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// The ECN bits of its IP header (RFC 3168).
    pub ecn: u8,
    /// Which way it passed the machine that captured it, if the file tells.
    pub direction: Option<Direction>,
    /// Its UDP payload.
    pub payload: Vec<u8>,
    /// Whether the end of the payload is missing: the capture kept only the
    /// beginning of packets, or the lengths in its headers promise more.
    pub cut: bool,
    /// Whether it did not pass now: a capture that goes on in another file
    /// repeats it, or has made it up, so that what follows can be opened.
    pub repeated: bool,
    /// Where its block or record begins in the file.
    pub offset: u64,
    /// Its number as Wireshark counts, from one: each packet has one, of
    /// whatever protocol.
    pub number: u64,
}

/// Reads a capture, pcapng or classic pcap of either byte order, from its
/// beginning to its end. It never seeks: a pipe will do.
///
/// It keeps one block at a time, of at most [`BLOCK_BYTES_MAX`], and of a
/// section its interfaces, at most [`INTERFACES_MAX`].
pub struct CaptureReader<R> {
    source: Source<Chain<Cursor<[u8; 4]>, R>>,
    format: Format,
    /// Packets so far.
    number: u64,
    /// After the end or an error there is nothing.
    ended: bool,
}

enum Format {
    Pcapng(Blocks),
    Pcap(Records),
}

/// What a block or record is.
enum Piece<'a> {
    /// A packet, or why it is of no use.
    Packet(Result<Frame<'a>, SkipReason>),
    /// No packet, but it has a number.
    Numbered,
    Secrets(String),
    /// Nothing of interest.
    Other,
}

/// A packet with the headers of its link.
struct Frame<'a> {
    at: Duration,
    link: u32,
    direction: Option<Direction>,
    /// Whether its comment says that it is repeated.
    repeated: bool,
    bytes: &'a [u8],
    /// Whether there were more bytes.
    cut: bool,
}

impl<R: Read> CaptureReader<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// If it is no capture, or the system cannot read it.
    pub fn new(mut reader: R) -> Result<Self, ReadError> {
        let magic = magic(&mut reader)?;
        let mut source = Source::new(Cursor::new(magic).chain(reader));
        let format = if magic == SECTION_HEADER {
            Format::Pcapng(Blocks::new())
        } else {
            let records = Records::open(magic, &mut source)?;
            Format::Pcap(records.ok_or(ReadError::NotACapture)?)
        };
        Ok(Self {
            source,
            format,
            number: 0,
            ended: false,
        })
    }

    /// Returns what comes next, or nothing at the end.
    ///
    /// # Errors
    /// If it cannot be read on. What was complete before has been returned,
    /// and nothing follows.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator may go on after an error; this does not"
    )]
    pub fn next(&mut self) -> Result<Option<Item>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let next = self.read_item();
        self.ended = !matches!(next, Ok(Some(_)));
        next
    }

    fn read_item(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            let offset = self.source.offset();
            let piece = match &mut self.format {
                Format::Pcapng(blocks) => blocks.next(&mut self.source)?,
                Format::Pcap(records) => records.next(&mut self.source)?,
            };
            match piece {
                None => return Ok(None),
                Some(Piece::Other) => {}
                Some(Piece::Numbered) => self.number += 1,
                Some(Piece::Secrets(text)) => return Ok(Some(Item::Secrets(text))),
                Some(Piece::Packet(packet)) => {
                    self.number += 1;
                    return Ok(Some(item(packet, self.number, offset)));
                }
            }
        }
    }
}

impl<R> fmt::Debug for CaptureReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaptureReader(…)")
    }
}

/// Reads the bytes that tell the format.
fn magic(reader: &mut impl Read) -> Result<[u8; 4], ReadError> {
    let mut magic = [0; 4];
    let mut filled = 0;
    while filled < magic.len() {
        match reader.read(&mut magic[filled..]) {
            Ok(0) if filled == 0 => return Err(ReadError::Empty),
            Ok(0) => return Err(ReadError::NotACapture),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => {
                let offset = filled as u64;
                return Err(ReadError::Io { offset, source });
            }
        }
    }
    Ok(magic)
}

/// Returns a packet's datagram, or why there is none.
fn item(packet: Result<Frame<'_>, SkipReason>, number: u64, offset: u64) -> Item {
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
        Ok(captured) => Item::Datagram(captured),
        Err(why) => Item::Skipped {
            number,
            offset,
            why,
        },
    }
}
