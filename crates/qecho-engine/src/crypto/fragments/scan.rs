//! Finds the frames in a packet that may have to be put in order, and those that must be
//! answered at once, and steps over the others. Each packet that is received is read so, which is why this is no part of [`wire`].
//!
//! [`wire`]: crate::wire

use qecho_packet::wire::frames;

/// A part of CRYPTO data or of a stream, or the end of one; or a PATH_CHALLENGE, which is
/// none, but found on the way.
pub(super) enum Fragment {
    Crypto { offset: u64, length: usize },
    Stream { id: u64, offset: u64, length: usize },
    Reset { id: u64 },
    PathChallenge,
}

/// Shows the fragments in a packet's payload to `see` until that says that it is enough.
///
/// At the first frame that is malformed they end, for which the state machine closes the
/// connection. This is no iterator, which would cost each packet some hundred instructions.
#[inline(always)]
pub(super) fn scan<E>(
    payload: &[u8],
    mut see: impl FnMut(Fragment) -> Result<(), E>,
) -> Result<(), E> {
    let mut scan = Scan { rest: payload };
    loop {
        match scan.step() {
            Some(None) => {}
            Some(Some(fragment)) => see(fragment)?,
            None => return Ok(()),
        }
    }
}

struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    #[inline(always)]
    fn varint(&mut self) -> Option<u64> {
        let (&first, rest) = self.rest.split_first()?;
        let head = first & 0x3f;
        let (value, rest) = match first >> 6 {
            0 => (head.into(), rest),
            1 => {
                let (&[a], rest) = rest.split_first_chunk()?;
                (u16::from_be_bytes([head, a]).into(), rest)
            }
            2 => {
                let (&[a, b, c], rest) = rest.split_first_chunk()?;
                (u32::from_be_bytes([head, a, b, c]).into(), rest)
            }
            _ => {
                let (&[a, b, c, d, e, f, g], rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes([head, a, b, c, d, e, f, g]), rest)
            }
        };
        self.rest = rest;
        Some(value)
    }

    /// Steps over so many integers.
    #[inline(always)]
    fn skip_varints(&mut self, count: u64) -> Option<()> {
        let mut at = 0;
        for _ in 0..count {
            at += 1 << (self.rest.get(at)? >> 6);
        }
        self.rest = self.rest.get(at..)?;
        Some(())
    }

    fn skip(&mut self, length: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(length).ok()?..)?;
        Some(())
    }

    /// Steps over an ACK frame with so many integers after its ranges.
    #[inline]
    fn skip_ack(&mut self, counts: u64) -> Option<()> {
        // The largest that is acknowledged, and the delay.
        self.skip_varints(2)?;
        let ranges = self.varint()?;
        self.skip_varints(1 + 2 * ranges + counts)
    }

    #[inline]
    fn stream(&mut self, frame_type: u64) -> Option<Fragment> {
        let id = self.varint()?;
        let offset = match frame_type & 0x04 {
            0 => 0,
            _ => self.varint()?,
        };
        let length = match frame_type & 0x02 {
            0 => self.rest.len() as u64,
            _ => self.varint()?,
        };
        self.skip(length)?;
        let length = length as usize;
        Some(Fragment::Stream { id, offset, length })
    }

    /// Takes a frame; returns the fragment that it is, if it is one, and nothing when there is
    /// no frame any more that can be read.
    #[inline(always)]
    fn step(&mut self) -> Option<Option<Fragment>> {
        let whole = self.rest;
        // The state machine takes a type also in more bytes than it needs.
        let frame_type = self.varint()?;
        match frame_type {
            // RFC 9000 §19: PADDING, PING, ACK, RESET_STREAM, CRYPTO, STREAM; RFC 9221 §4.
            0x00 | 0x01 => {}
            0x02 => self.skip_ack(0)?,
            0x03 => self.skip_ack(3)?,
            0x04 => {
                let id = self.varint()?;
                // The code and the final size.
                self.skip_varints(2)?;
                return Some(Some(Fragment::Reset { id }));
            }
            0x06 => {
                let offset = self.varint()?;
                let length = self.varint()?;
                self.skip(length)?;
                let length = length as usize;
                return Some(Some(Fragment::Crypto { offset, length }));
            }
            0x08..=0x0f => return Some(Some(self.stream(frame_type)?)),
            0x30 => return None,
            0x31 => {
                let length = self.varint()?;
                self.skip(length)?;
            }
            0x1a => {
                self.skip_other(whole)?;
                return Some(Some(Fragment::PathChallenge));
            }
            _ => self.skip_other(whole)?,
        }
        Some(None)
    }

    #[cold]
    fn skip_other(&mut self, whole: &[u8]) -> Option<()> {
        let mut others = frames(whole);
        others.next()?.ok()?;
        self.skip((others.offset() - (whole.len() - self.rest.len())) as u64)
    }
}
