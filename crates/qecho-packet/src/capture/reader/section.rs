//! The blocks of pcapng (draft-ietf-opsawg-pcapng-03), in the byte order of
//! their section.

use std::{io::Read, time::Duration};

use crate::{Direction, dissect::key_log_text};

use super::{
    super::pcapng::{
        COMMENTS_OF_REPEATED, DECRYPTION_SECRETS, ENHANCED_PACKET, EPB_FLAGS, IF_TIME_RESOLUTION,
        INTERFACE_DESCRIPTION, OPTION_COMMENT, TLS_KEY_LOG,
    },
    clock::Clock,
    error::{BLOCK_BYTES_MAX, ReadError},
    fields::{ByteOrder, Fields},
    item::{Block, Frame, Item},
    skipped::SkipReason::{self, BlockCut, UnknownInterface},
    source::Source,
};

/// Interfaces that a section may describe.
pub const INTERFACES_MAX: usize = 65_536;

/// The type of a Section Header Block, the same in both byte orders.
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
/// Journal entries, events of system calls and custom blocks, which Wireshark
/// numbers like packets.
const NUMBERED: [u32; 6] = [9, 0x204, 0x216, 0x221, 0x0000_0bad, 0x4000_0bad];

const END_OF_OPTIONS: u16 = 0;
const IF_TIME_OFFSET: u16 = 14;

const BLOCK: &str = "block";
/// Bytes of a block's type and its length.
const HEADER: usize = 8;
/// Bytes of the length that stands at its end again.
const TRAILER: usize = 4;
const VERSION: u16 = 1;

/// A section, as far as it has described itself.
#[derive(Default)]
pub(in crate::capture) struct Section {
    /// That of its first block.
    order: ByteOrder,
    interfaces: Vec<Interface>,
}

struct Interface {
    link: u32,
    /// Bytes that are kept of a packet; zero is no limit.
    snap_length: u32,
    clock: Clock,
}

impl Section {
    /// Reads a block, if there is one more.
    pub(super) fn next<'a>(
        &mut self,
        source: &'a mut Source<impl Read>,
    ) -> Result<Option<Block<'a>>, ReadError> {
        if !source.begin()? {
            return Ok(None);
        }
        let kind = self.read_block(source)?;
        let source = &*source;
        let block = source.block();
        let body = Fields::new(&block[HEADER..block.len() - TRAILER], self.order);
        let block = self.parse(kind, body);
        block.map(Some).map_err(|what| malformed(source, what))
    }

    /// Reads a block that we have written, if it holds anything.
    pub(in crate::capture) fn read_back(&mut self, block: &[u8]) -> Option<Item> {
        let (kind, rest) = block.split_first_chunk()?;
        let body = rest.get(HEADER - 4..rest.len().checked_sub(TRAILER)?)?;
        let kind = u32::from_le_bytes(*kind);
        match self.parse(kind, Fields::new(body, self.order)).ok()? {
            Block::Packet(packet) => Some(Item::of(packet, 0, 0)),
            Block::Secrets(key_log) => Some(Item::Secrets(key_log)),
            _ => None,
        }
    }

    /// Reads what is between the lengths of a block.
    fn parse<'a>(&mut self, kind: u32, body: Fields<'a>) -> Result<Block<'a>, &'static str> {
        Ok(match kind {
            INTERFACE_DESCRIPTION => {
                self.describe(body)?;
                Block::Other
            }
            ENHANCED_PACKET => Block::Packet(self.enhanced_packet(body)),
            OBSOLETE_PACKET => Block::Packet(self.obsolete_packet(body)),
            SIMPLE_PACKET => Block::Packet(self.simple_packet(body)),
            DECRYPTION_SECRETS => secrets(body).unwrap_or(Block::Other),
            kind if NUMBERED.contains(&kind) => Block::Numbered,
            _ => Block::Other,
        })
    }

    /// Reads a block as a whole and returns its type (§3.1).
    fn read_block(&mut self, source: &mut Source<impl Read>) -> Result<u32, ReadError> {
        source.read_to(HEADER, BLOCK)?;
        let is_section = source.block().starts_with(&SECTION_HEADER);
        if is_section {
            self.begin_section(source)?;
        }
        let mut header = Fields::new(source.block(), self.order);
        let (Some(kind), Some(length)) = (header.u32(), header.u32()) else {
            return Err(malformed(source, "a block without a header"));
        };
        if length as usize > BLOCK_BYTES_MAX {
            return Err(ReadError::TooLong {
                part: BLOCK,
                offset: source.start(),
                length,
            });
        }
        // Some writers do not count the padding.
        let size = (length as usize).next_multiple_of(4);
        if size < source.block().len().max(HEADER + TRAILER) {
            return Err(malformed(source, "a block of an impossible length"));
        }
        source.read_to(size, BLOCK)?;
        let mut trailer = Fields::new(&source.block()[size - TRAILER..], self.order);
        if trailer.u32() != Some(length) {
            return Err(malformed(source, "a block that has two different lengths"));
        }
        if is_section {
            self.check_version(source)?;
        }
        Ok(kind)
    }

    /// Learns a section's byte order, which its first length has already
    /// (§4.1).
    fn begin_section(&mut self, source: &mut Source<impl Read>) -> Result<(), ReadError> {
        source.read_to(HEADER + 4, BLOCK)?;
        self.order = match source.block()[HEADER..] {
            [0x4d, 0x3c, 0x2b, 0x1a] => ByteOrder::Little,
            [0x1a, 0x2b, 0x3c, 0x4d] => ByteOrder::Big,
            _ => return Err(malformed(source, "a section that tells no byte order")),
        };
        self.interfaces.clear();
        Ok(())
    }

    fn check_version(&self, source: &Source<impl Read>) -> Result<(), ReadError> {
        let mut rest = Fields::new(&source.block()[HEADER + 4..], self.order);
        match rest.u16() {
            Some(VERSION) => Ok(()),
            _ => Err(malformed(source, "a section of a version that is unknown")),
        }
    }

    /// Learns of an interface (§4.2).
    fn describe(&mut self, mut body: Fields<'_>) -> Result<(), &'static str> {
        let mut fields = || Some((body.u16()?, body.u16()?, body.u32()?));
        let (link, _, snap_length) = fields().ok_or("an interface without its fields")?;
        if self.interfaces.len() == INTERFACES_MAX {
            return Err("more interfaces than a section may have");
        }
        let mut clock = Clock::default();
        for (code, mut value) in options(body, self.order) {
            match code {
                IF_TIME_RESOLUTION => {
                    if let Some([resolution]) = value.bytes(1) {
                        clock.resolution = *resolution;
                    }
                }
                IF_TIME_OFFSET => clock.offset = value.i64().unwrap_or(clock.offset),
                _ => {}
            }
        }
        self.interfaces.push(Interface {
            link: link.into(),
            snap_length,
            clock,
        });
        Ok(())
    }

    /// §4.3
    fn enhanced_packet<'a>(&self, mut body: Fields<'a>) -> Result<Frame<'a>, SkipReason> {
        let interface = body.u32().ok_or(BlockCut)?;
        self.packet(interface as usize, body)
    }

    /// Appendix A
    fn obsolete_packet<'a>(&self, mut body: Fields<'a>) -> Result<Frame<'a>, SkipReason> {
        let interface = body.u16().ok_or(BlockCut)?;
        let _drops = body.u16().ok_or(BlockCut)?;
        self.packet(interface.into(), body)
    }

    /// Reads the fields that both have after their interface.
    fn packet<'a>(&self, interface: usize, mut body: Fields<'a>) -> Result<Frame<'a>, SkipReason> {
        let mut word = || body.u32().ok_or(BlockCut);
        let [high, low, captured, original] = [word()?, word()?, word()?, word()?];
        let interface = self.interfaces.get(interface).ok_or(UnknownInterface)?;
        let bytes = body.bytes_at_most(captured);
        body.padding_of(bytes.len());
        let (direction, repeated) = remarks(body, self.order);
        Ok(Frame {
            at: interface.clock.time(u64::from(high) << 32 | u64::from(low)),
            link: interface.link,
            direction,
            repeated,
            bytes,
            cut: bytes.len() < captured.max(original) as usize,
        })
    }

    /// §4.4: a packet of the first interface, without a stamp.
    fn simple_packet<'a>(&self, mut body: Fields<'a>) -> Result<Frame<'a>, SkipReason> {
        let original = body.u32().ok_or(BlockCut)?;
        let interface = self.interfaces.first().ok_or(UnknownInterface)?;
        let captured = match interface.snap_length {
            0 => original,
            limit => original.min(limit),
        };
        let bytes = body.bytes_at_most(captured);
        Ok(Frame {
            at: Duration::ZERO,
            link: interface.link,
            direction: None,
            repeated: false,
            bytes,
            cut: bytes.len() < original as usize,
        })
    }
}

/// Returns the TLS secrets of a Decryption Secrets Block (§4.7).
fn secrets<'a>(mut body: Fields<'_>) -> Option<Block<'a>> {
    if body.u32()? != TLS_KEY_LOG {
        return None;
    }
    let length = body.u32()?;
    let key_log = key_log_text(body.bytes_at_most(length));
    Some(Block::Secrets(key_log))
}

/// Returns which way a packet went, if its flags tell (§4.3.1), and whether a
/// comment says that it is repeated.
fn remarks(rest: Fields<'_>, order: ByteOrder) -> (Option<Direction>, bool) {
    let (mut direction, mut repeated) = (None, false);
    for (code, mut value) in options(rest, order) {
        match code {
            EPB_FLAGS if direction.is_none() => {
                direction = match value.u32().map(|flags| flags & 0b11) {
                    Some(0b01) => Some(Direction::Received),
                    Some(0b10) => Some(Direction::Sent),
                    _ => None,
                };
            }
            OPTION_COMMENT => {
                let comment = value.bytes_at_most(u32::MAX);
                repeated |= COMMENTS_OF_REPEATED
                    .iter()
                    .any(|one| one.as_bytes() == comment);
            }
            _ => {}
        }
    }
    (direction, repeated)
}

/// Returns options (§3.5), as far as they keep to their form.
fn options(mut rest: Fields<'_>, order: ByteOrder) -> impl Iterator<Item = (u16, Fields<'_>)> {
    std::iter::from_fn(move || {
        let code = rest.u16()?;
        let length = rest.u16()?;
        if code == END_OF_OPTIONS {
            return None;
        }
        let value = rest.bytes(length.into())?;
        rest.padding_of(value.len());
        Some((code, Fields::new(value, order)))
    })
}

fn malformed(source: &Source<impl Read>, what: &'static str) -> ReadError {
    ReadError::Malformed {
        offset: source.start(),
        what,
    }
}
