//! Bounds the work of putting fragments in order that a peer can cause.
//!
//! quinn-proto keeps the fragments of a stream that wait for what comes before them
//! in a heap, counts for each the whole packet that it came in as memory, and copies
//! them all to new memory whenever that count is 32 KiB over their length (0.11.19,
//! `connection/assembler.rs`). A packet with thousands of small frames makes it copy
//! thousands of fragments thousands of times: half a second for one datagram. So the
//! keys that open packets count gaps before the state machine sees a packet, and do
//! not let those through that would cost too much: for the peer they are lost.

mod ranges;
mod scan;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::{
    ranges::Ranges,
    scan::{Fragment, scan},
};
use crate::limits::{
    CRYPTO_PIECES_MAX, FRAGMENTS_COPIED_MAX, FRAGMENTS_COPIED_UNCONFIRMED_MAX, GAPS_MAX,
    STREAMS_TRACKED_MIN,
};

/// Bytes that the state machine counts too much before it copies its fragments.
const COPY_THRESHOLD: u64 = 32 * 1024;

/// Bytes of packets that make up for one fragment copied.
const BYTES_PER_COPY: u64 = 16;

/// Bytes of a piece that the state machine does not join to its neighbours, and how many of
/// those it keeps.
const PIECE_KEPT: u64 = 128;
const PIECES_KEPT_MAX: u64 = 1_024;

/// Encryption level of a packet, by the keys that protect it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Initial,
    Handshake,
    ZeroRtt,
    OneRtt,
}

/// Signs in a packet that was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Whether so many streams are known by now that those should be
    /// [forgotten](Tracker::forget_streams) that have ended.
    pub(super) is_crowded: bool,
    /// Whether the packet has a PATH_CHALLENGE.
    pub(super) is_challenged: bool,
}

/// A packet would cost too much work.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooFragmented;

/// Record of what has come to a connection in one packet number space, shared by the keys of
/// all its generations.
#[derive(Clone, Default)]
pub(crate) struct Tracker(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    numbers: ReceivedNumbers,
    /// Whether the handshake is complete.
    is_complete: bool,
    /// Bytes of CRYPTO data that may wait for what comes before them, if the state machine
    /// would let more.
    crypto_ahead_max: Option<usize>,
    /// Bytes of streams in packets of which nothing else must be known.
    stream_bytes: u64,
    /// Most connections have nothing that must be known.
    fragments: Option<Box<Fragments>>,
}

/// Data of all streams that a connection has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReceivedStreams {
    /// Bytes, those that came again not counted, but for the first frames of streams.
    pub(crate) bytes: u64,
    /// Gaps in what is there.
    pub(crate) gaps: usize,
}

impl Tracker {
    /// Makes a tracker that lets no more CRYPTO data wait for what comes before it than so many
    /// bytes.
    pub(super) fn with_crypto_ahead_max(bytes: Option<usize>) -> Self {
        Self(Arc::new(Mutex::new(State {
            crypto_ahead_max: bytes,
            ..State::default()
        })))
    }

    /// Takes note of a packet that was opened.
    ///
    /// # Errors
    /// [`TooFragmented`] if the state machine must not see it.
    pub(super) fn note(
        &self,
        level: Level,
        number: u64,
        payload: &[u8],
    ) -> Result<Noted, TooFragmented> {
        let mut state = self.lock();
        let State {
            numbers,
            is_complete,
            crypto_ahead_max,
            stream_bytes,
            fragments,
        } = &mut *state;
        let before = *numbers;
        // The state machine drops packets that have come before, and 1-RTT packets that come
        // before the handshake is complete, but only once they are open.
        if numbers.insert(number) || (level == Level::OneRtt && !*is_complete) {
            return Ok(Noted::default());
        }
        let mut is_challenged = false;
        let outcome = match fragments {
            Some(fragments) => fragments.note(level, payload),
            None => match beginnings(payload, &mut is_challenged) {
                Some(bytes) => {
                    *stream_bytes += bytes;
                    Ok(Noted {
                        is_challenged,
                        ..Noted::default()
                    })
                }
                None => {
                    let fragments = fragments.insert(Box::default());
                    fragments.crypto.ahead_max = *crypto_ahead_max;
                    fragments.note(level, payload)
                }
            },
        };
        if outcome.is_err() {
            *numbers = before;
        }
        outcome
    }

    /// Returns what of streams has been received so far.
    pub(crate) fn received(&self) -> ReceivedStreams {
        let state = self.lock();
        let fragments = state.fragments.as_ref();
        ReceivedStreams {
            bytes: state.stream_bytes + fragments.map_or(0, |fragments| fragments.stream_bytes),
            gaps: fragments.map_or(0, |fragments| fragments.gaps + fragments.out_of_sight),
        }
    }

    /// Notes that the handshake is complete.
    pub(super) fn complete(&self) {
        self.lock().is_complete = true;
    }

    /// Forgets what is known of streams that are not `open`.
    pub(crate) fn forget_streams(&self, open: impl FnMut(u64) -> bool) {
        if let Some(fragments) = &mut self.lock().fragments {
            fragments.forget_streams(open);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Keys have to be shareable between threads; in fact nobody ever waits for this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many bytes of streams are in a packet, if they are beginnings of streams alone and
/// there is nothing of CRYPTO. Tells by `is_challenged` whether it has a PATH_CHALLENGE, if so.
fn beginnings(payload: &[u8], is_challenged: &mut bool) -> Option<u64> {
    let mut bytes = 0;
    let begins = scan(payload, |fragment| {
        match fragment {
            Fragment::Stream {
                offset: 0, length, ..
            } => bytes += length as u64,
            // Nothing can have to come before it.
            Fragment::Reset { .. } => {}
            Fragment::PathChallenge => *is_challenged = true,
            Fragment::Stream { .. } | Fragment::Crypto { .. } => return Err(()),
        }
        Ok(())
    });
    begins.is_ok().then_some(bytes)
}

/// The packet numbers that the state machine takes for known: those that have come, and all
/// that are too far behind.
#[derive(Clone, Copy, Default)]
struct ReceivedNumbers {
    /// The lowest above all that have come.
    next: u64,
    /// Of the 128 below the highest that has come, those that have come too.
    window: u128,
}

impl ReceivedNumbers {
    /// Adds a packet number; tells whether it was known.
    #[inline]
    fn insert(&mut self, number: u64) -> bool {
        if number == self.next {
            self.window = self.window << 1 | 1;
            self.next = number + 1;
            return false;
        }
        self.insert_other(number)
    }

    #[cold]
    fn insert_other(&mut self, number: u64) -> bool {
        if let Some(ahead) = number.checked_sub(self.next) {
            let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.window = (self.window << 1 | 1).checked_shl(ahead).unwrap_or(0);
            self.next = number + 1;
            return false;
        }
        let behind = self.next - 1 - number;
        if behind == 0 || behind > 128 {
            return true;
        }
        let mask = 1 << (behind - 1);
        let known = self.window & mask != 0;
        self.window |= mask;
        known
    }
}

/// The gaps in what was received, and how many fragments the peer may make the state
/// machine copy.
#[derive(Debug)]
struct Fragments {
    crypto: CryptoFragments,
    /// Streams of which more than their beginning has come.
    streams: BTreeMap<u64, Ranges>,
    /// Streams, and gaps, from which on streams that have ended should be forgotten.
    streams_max: usize,
    gaps_max: usize,
    /// Gaps in all streams together.
    gaps: usize,
    /// Bytes of streams.
    stream_bytes: u64,
    /// Gaps that may be there, but nobody knows where: those that refused packets closed.
    out_of_sight: usize,
    /// Packets so far.
    packets: u64,
    /// Fragments that may be copied, times [`COPY_THRESHOLD`].
    allowance: u64,
    /// Bytes of packets for which nothing was added to that yet.
    received: u64,
    /// Whether that was done for a 1-RTT packet.
    is_confirmed: bool,
    /// Whether a PATH_CHALLENGE was found in the last packet.
    is_challenged: bool,
}

/// CRYPTO data. A state machine that has thrown a packet away can have any gaps before what
/// seems to be the end, so that everything counts that was not appended there.
#[derive(Debug, Default)]
struct CryptoFragments {
    end: u64,
    pieces: usize,
    /// Bytes that have surely come without a gap.
    whole: u64,
    ahead_max: Option<usize>,
}

impl Default for Fragments {
    fn default() -> Self {
        Self {
            crypto: CryptoFragments::default(),
            streams: BTreeMap::new(),
            streams_max: STREAMS_TRACKED_MIN,
            gaps_max: GAPS_MAX / 2,
            gaps: 0,
            stream_bytes: 0,
            out_of_sight: 0,
            packets: 0,
            allowance: FRAGMENTS_COPIED_UNCONFIRMED_MAX * COPY_THRESHOLD,
            received: 0,
            is_confirmed: false,
            is_challenged: false,
        }
    }
}

impl Fragments {
    fn note(&mut self, level: Level, payload: &[u8]) -> Result<Noted, TooFragmented> {
        self.received += payload.len() as u64;
        self.packets += 1;
        self.is_challenged = false;
        let mut closed = 0;
        let outcome = self.weigh(level, payload, &mut closed);
        if outcome.is_err() {
            self.out_of_sight += closed;
        }
        outcome.map(|()| Noted {
            is_crowded: self.streams.len() >= self.streams_max || self.gaps >= self.gaps_max,
            is_challenged: self.is_challenged,
        })
    }

    /// Adds up what a packet costs: for each frame the fragments that may be copied, times
    /// the part of [`COPY_THRESHOLD`] for which it counts. Counts the gaps that are `closed`.
    fn weigh(
        &mut self,
        level: Level,
        payload: &[u8],
        closed: &mut usize,
    ) -> Result<(), TooFragmented> {
        let weight = (payload.len() as u64).min(COPY_THRESHOLD);
        let mut most = None;
        let mut cost = 0;
        scan(payload, |fragment| {
            cost += match fragment {
                Fragment::Crypto { offset, length } => {
                    self.crypto.add(offset, length)? as u64 * weight
                }
                Fragment::Stream { id, offset, length } => {
                    self.stream(id, offset, length, weight, closed)?
                }
                Fragment::Reset { id } => {
                    *closed += self.forget(id);
                    0
                }
                Fragment::PathChallenge => {
                    self.is_challenged = true;
                    0
                }
            };
            match cost > 0 && cost > *most.get_or_insert_with(|| self.earn(level)) {
                true => Err(TooFragmented),
                false => Ok(()),
            }
        })?;
        self.allowance -= cost;
        Ok(())
    }

    /// Adds what was earned to what may be copied, and returns what a packet may cost.
    #[cold]
    fn earn(&mut self, level: Level) -> u64 {
        let most = COPY_THRESHOLD
            * match level {
                Level::OneRtt => FRAGMENTS_COPIED_MAX,
                _ => FRAGMENTS_COPIED_UNCONFIRMED_MAX,
            };
        if level == Level::OneRtt && !std::mem::replace(&mut self.is_confirmed, true) {
            self.allowance = most;
        }
        let received = std::mem::take(&mut self.received);
        let earned = received.saturating_mul(COPY_THRESHOLD / BYTES_PER_COPY);
        // Who has more for 1-RTT packets keeps it for them.
        let sum = self.allowance.saturating_add(earned).min(most);
        self.allowance = self.allowance.max(sum);
        self.allowance.min(most)
    }

    /// Notes a part of a stream; returns what it costs.
    fn stream(
        &mut self,
        id: u64,
        offset: u64,
        length: usize,
        weight: u64,
        closed: &mut usize,
    ) -> Result<u64, TooFragmented> {
        if offset == 0 && self.streams.is_empty() {
            self.stream_bytes += length as u64;
            return Ok(0);
        }
        let Some(ranges) = self.streams.get_mut(&id) else {
            self.stream_bytes += length as u64;
            if offset > 0 {
                let ranges = Ranges::beginning(offset, length, self.packets);
                self.streams.insert(id, ranges);
            }
            return Ok(self.out_of_sight as u64 * weight);
        };
        let before = ranges.gaps();
        self.stream_bytes += ranges.insert(offset, length);
        let after = ranges.gaps();
        *closed += before.saturating_sub(after);
        self.gaps = self.gaps + after - before;
        let mut cost = (after + self.out_of_sight) as u64 * weight;
        if std::mem::replace(&mut ranges.packet, self.packets) == self.packets {
            cost += cost_of_pieces(ranges.length(), weight);
        }
        let too_many = self.gaps + self.out_of_sight > GAPS_MAX;
        match too_many && after > before {
            true => Err(TooFragmented),
            false => Ok(cost),
        }
    }

    fn forget(&mut self, id: u64) -> usize {
        let gaps = self.streams.remove(&id).map_or(0, |ranges| ranges.gaps());
        self.gaps -= gaps;
        gaps
    }

    fn forget_streams(&mut self, mut open: impl FnMut(u64) -> bool) {
        self.streams.retain(|id, _| open(*id));
        self.gaps = self.streams.values().map(Ranges::gaps).sum();
        self.streams_max = STREAMS_TRACKED_MIN.max(2 * self.streams.len());
        self.gaps_max = (GAPS_MAX / 2).max(self.gaps + GAPS_MAX / 16);
    }
}

/// Returns what one more frame of a stream in a packet may cost even if there are no gaps:
/// pieces of [`PIECE_KEPT`] bytes that nobody has read are copied, too, if half as much
/// again was counted too much.
fn cost_of_pieces(length: u64, weight: u64) -> u64 {
    let pieces = (length / PIECE_KEPT).min(PIECES_KEPT_MAX);
    let threshold = COPY_THRESHOLD.max(pieces * PIECE_KEPT * 3 / 2);
    pieces * weight * COPY_THRESHOLD / threshold
}

impl CryptoFragments {
    /// Adds a piece; returns how many may have to be copied.
    fn add(&mut self, offset: u64, length: usize) -> Result<usize, TooFragmented> {
        let end = offset.saturating_add(length as u64);
        if offset <= self.whole {
            self.whole = self.whole.max(end);
        }
        let ahead = end.saturating_sub(self.whole);
        if self.ahead_max.is_some_and(|most| ahead > most as u64) {
            return Err(TooFragmented);
        }
        if offset <= self.end && end > self.end {
            self.end = end;
            return Ok(self.pieces);
        }
        self.pieces += 1;
        match self.pieces > CRYPTO_PIECES_MAX {
            true => Err(TooFragmented),
            false => Ok(self.pieces),
        }
    }
}

#[cfg(test)]
mod tests;
