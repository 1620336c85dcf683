//! The records of a classic pcap file (draft-ietf-opsawg-pcap-04), in the byte
//! order of the machine that wrote it.

use std::{io::Read, time::Duration};

use super::{
    error::{BLOCK_BYTES_MAX, ReadError},
    fields::{ByteOrder, Fields},
    item::{Block, Frame},
    source::Source,
};

/// Bytes of the file's header, and of a record's.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// The rest of the file header's last word are flags.
const LINK_TYPE: u32 = 0x03ff_ffff;

/// The file's header, which describes all records.
pub(super) struct Records {
    order: ByteOrder,
    /// Nanoseconds that the second word of a stamp counts.
    unit: u64,
    link: u32,
}

impl Records {
    /// Reads the header of a file that begins with these bytes, if it is of
    /// this format.
    pub(super) fn open(
        magic: [u8; 4],
        source: &mut Source<impl Read>,
    ) -> Result<Option<Self>, ReadError> {
        let (order, unit) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (ByteOrder::Little, 1_000),
            [0xa1, 0xb2, 0xc3, 0xd4] => (ByteOrder::Big, 1_000),
            [0x4d, 0x3c, 0xb2, 0xa1] => (ByteOrder::Little, 1),
            [0xa1, 0xb2, 0x3c, 0x4d] => (ByteOrder::Big, 1),
            _ => return Ok(None),
        };
        source.read_to(FILE_HEADER, "header")?;
        let mut last = Fields::new(&source.block()[FILE_HEADER - 4..], order);
        Ok(last.u32().map(|word| Self {
            order,
            unit,
            link: word & LINK_TYPE,
        }))
    }

    /// Reads a record, if there is one more.
    pub(super) fn next<'a>(
        &self,
        source: &'a mut Source<impl Read>,
    ) -> Result<Option<Block<'a>>, ReadError> {
        if !source.begin()? {
            return Ok(None);
        }
        source.read_to(RECORD_HEADER, "record")?;
        let mut header = Fields::new(source.block(), self.order);
        let mut word = || header.u32().unwrap_or_default();
        let [seconds, fraction, captured, original] = [word(), word(), word(), word()];
        let size = RECORD_HEADER.saturating_add(captured as usize);
        if size > BLOCK_BYTES_MAX {
            return Err(ReadError::TooLong {
                part: "record",
                offset: source.start(),
                length: captured,
            });
        }
        source.read_to(size, "record")?;
        let fraction = Duration::from_nanos(u64::from(fraction) * self.unit);
        Ok(Some(Block::Packet(Ok(Frame {
            at: Duration::from_secs(seconds.into()) + fraction,
            link: self.link,
            direction: None,
            repeated: false,
            bytes: &source.block()[RECORD_HEADER..],
            cut: captured < original,
        }))))
    }
}
