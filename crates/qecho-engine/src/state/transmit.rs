//! Asks a connection for what it sends, within what may be sent.

use std::time::Instant;

use quinn_proto::Transmit;

use super::entry::ConnectionEntry;
use crate::{
    congestion::CongestionBypass,
    crypto::PacketKeys,
    limits::{ANSWER_DOUBLINGS_MAX, GSO_BYTES_MAX, UNVALIDATED_ADDRESSES_MAX},
};

impl<S> ConnectionEntry<S> {
    /// Returns what the connection has to send, at most `segments_max`
    /// datagrams.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        segments_max: usize,
        keys: &PacketKeys,
        contents: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let segments = GSO_BYTES_MAX / usize::from(self.proto.current_mtu());
        let segments = segments.clamp(1, segments_max);
        let transmit = self.poll_within_limit(now, segments, keys, contents);
        let answer_is_due = self.answer_due.is_some_and(|due| due <= now);
        match transmit {
            Some(_) => self.answers_past_window = 0,
            // What may not be sent to an address yet is still to be sent.
            None if !self.is_limited => self.meta.progress.nothing_to_send(),
            None => {}
        }
        if transmit.is_some() || answer_is_due {
            self.answer_due = None;
        }
        if transmit.is_some() {
            return transmit;
        }
        let passes = std::mem::take(&mut self.meta.passes_window);
        if !(answer_is_due || passes || self.proto.is_closed()) {
            return None;
        }
        let _bypass = CongestionBypass::open(&self.proto);
        let answer = self.poll_within_limit(now, 1, keys, contents);
        if answer.is_some() {
            let doublings = self.answers_past_window + 1;
            self.answers_past_window = doublings.min(ANSWER_DOUBLINGS_MAX);
        }
        answer
    }

    #[inline]
    fn poll_within_limit(
        &mut self,
        now: Instant,
        segments_max: usize,
        keys: &PacketKeys,
        contents: &mut Vec<u8>,
    ) -> Option<Transmit> {
        match self.is_limited {
            false => self.proto.poll_transmit(now, segments_max, contents),
            true => self.poll_limited(now, segments_max, keys, contents),
        }
    }

    /// Asks for datagrams as long as whole ones may be sent to where they go.
    fn poll_limited(
        &mut self,
        now: Instant,
        segments_max: usize,
        keys: &PacketKeys,
        contents: &mut Vec<u8>,
    ) -> Option<Transmit> {
        // What is dropped must not hold up what comes after it; there is a probe for the MTU at
        // most, and an answer to each address.
        for _ in 0..=UNVALIDATED_ADDRESSES_MAX {
            let segments = self.datagrams_allowed(segments_max);
            if segments == 0 {
                return None;
            }
            keys.follow_paths(true);
            let transmit = self.proto.poll_transmit(now, segments, contents);
            keys.follow_paths(false);
            let sent = self.limit(transmit?, keys, contents);
            if sent.is_some() {
                return sent;
            }
        }
        None
    }

    /// Returns how many datagrams may be sent on the path now, of at most `most`.
    fn datagrams_allowed(&self, most: usize) -> usize {
        let path = self.proto.remote_address();
        let Some(validation) = &self.validation else {
            return most;
        };
        let Some(allowance) = validation.allowance(path) else {
            return most;
        };
        let whole = allowance / u64::from(self.proto.current_mtu());
        match usize::try_from(whole).unwrap_or(most) {
            // A CONNECTION_CLOSE is small.
            0 if self.proto.is_closed() && allowance > 0 => 1,
            0 if validation.may_exceed(path) => 1,
            whole => whole.min(most),
        }
    }

    /// Counts what is about to be sent. Leaves PADDING out of it that would be too much
    /// (RFC 9000 §8.2.1, §8.2.2), and all of it where that costs nothing but itself.
    fn limit(
        &mut self,
        mut transmit: Transmit,
        keys: &PacketKeys,
        contents: &mut Vec<u8>,
    ) -> Option<Transmit> {
        let to = transmit.destination;
        let frames = keys.take_path_frames();
        let Some(validation) = &mut self.validation else {
            return Some(transmit);
        };
        let Some(allowance) = validation.allowance(to) else {
            return Some(transmit);
        };
        let fits = |size: usize| size as u64 <= allowance;
        if let Some(frames) = &frames
            && transmit.segment_size.is_none()
            && !fits(transmit.size)
        {
            keys.strip_padding(frames, contents);
            transmit.size = contents.len();
        }
        // RFC 9000 §9.3.1 lets probes for the MTU wait for the path to be validated; one that
        // is lost is tried again. A CONNECTION_CLOSE that is lost is repeated when
        // something comes, and what belongs to no stream of ours is the peer's loss.
        let is_mtu_probe = transmit.segment_size.is_none()
            && transmit.size > usize::from(self.proto.current_mtu());
        if is_mtu_probe || !(fits(transmit.size) || validation.may_exceed(to)) {
            contents.clear();
            keys.forget_sealed();
            return None;
        }
        let challenge = frames.and_then(|frames| frames.challenge);
        validation.sent(to, transmit.size, challenge);
        Some(transmit)
    }
}
