//! Reads captures that anybody made: the UDP datagrams and the TLS secrets in
//! them.
//!
//! Every error names the byte where its block begins, and no length that a
//! file claims decides how much memory is taken.

mod clock;
mod error;
mod fields;
mod item;
mod link;
mod records;
mod section;
mod skipped;
mod source;
mod udp;

use std::{
    fmt,
    io::{Chain, Cursor, Read},
};

pub(super) use self::section::Section;
pub use self::{
    error::{BLOCK_BYTES_MAX, ReadError},
    item::{Captured, Item},
    section::INTERFACES_MAX,
    skipped::SkipReason,
};
use self::{item::Block, records::Records, section::SECTION_HEADER, source::Source};

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
    Pcapng(Section),
    Pcap(Records),
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
            Format::Pcapng(Section::default())
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
            let block = match &mut self.format {
                Format::Pcapng(section) => section.next(&mut self.source)?,
                Format::Pcap(records) => records.next(&mut self.source)?,
            };
            match block {
                None => return Ok(None),
                Some(Block::Other) => {}
                Some(Block::Numbered) => self.number += 1,
                Some(Block::Secrets(text)) => return Ok(Some(Item::Secrets(text))),
                Some(Block::Packet(packet)) => {
                    self.number += 1;
                    return Ok(Some(Item::of(packet, self.number, offset)));
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
    let mut magic = Vec::new();
    if let Err(source) = reader.take(4).read_to_end(&mut magic) {
        let offset = magic.len() as u64;
        return Err(ReadError::Io { offset, source });
    }
    match magic[..] {
        [] => Err(ReadError::Empty),
        _ => magic.try_into().map_err(|_| ReadError::NotACapture),
    }
}
