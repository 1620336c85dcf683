//! The TLS messages that CRYPTO frames carry (RFC 8446 §4), put together from
//! pieces that may come in any order.

mod message;

use std::collections::BTreeMap;

use super::event::TlsMessage;
use crate::{
    TransportParameters,
    wire::tls::{self, HEADER_LENGTH},
};

/// Bytes of a message that are put together; of a longer one only the name is
/// told.
const MESSAGE_MAX: usize = 64 * 1024;

/// Bytes that may wait for what comes before them; more are passed over.
const WAITING_MAX: usize = 64 * 1024;

/// Messages, and the sender's transport parameters if they are in one.
type Messages = (Vec<TlsMessage>, Option<TransportParameters>);

/// One direction of the handshake at one encryption level.
#[derive(Debug, Default)]
pub(super) struct Crypto {
    /// Offset of the next contiguous byte.
    next: u64,
    /// The beginning of a message that is not complete.
    begun: Vec<u8>,
    /// Pieces whose predecessors are missing.
    waiting: BTreeMap<u64, Vec<u8>>,
    waiting_bytes: usize,
    /// Bytes to pass over: the rest of a message that is too long.
    skip: u64,
}

impl Crypto {
    /// Returns how much is remembered, in pieces of some 100 bytes.
    pub(super) fn weight(&self) -> usize {
        (self.begun.len() + self.waiting_bytes) / 100 + self.waiting.len()
    }

    /// Takes a CRYPTO frame; returns the messages that it begins or completes,
    /// and the sender's transport parameters.
    pub(super) fn take(&mut self, offset: u64, data: &[u8]) -> Messages {
        let mut told = Messages::default();
        let end = offset + data.len() as u64;
        if offset > self.next {
            if self.waiting_bytes + data.len() <= WAITING_MAX {
                self.waiting_bytes += data.len();
                let replaced = self.waiting.insert(offset, data.to_vec());
                self.waiting_bytes -= replaced.map_or(0, |replaced| replaced.len());
            }
            return told;
        }
        if end <= self.next {
            return told;
        }
        self.append(offset, data, &mut told);
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() > self.next {
                break;
            }
            let (offset, data) = first.remove_entry();
            self.waiting_bytes -= data.len();
            self.append(offset, &data, &mut told);
        }
        told
    }

    fn append(&mut self, offset: u64, data: &[u8], told: &mut Messages) {
        let known = (self.next - offset) as usize;
        let Some(mut new) = data.get(known..) else {
            return;
        };
        self.next += new.len() as u64;
        while !new.is_empty() {
            let skipped = usize::try_from(self.skip).map_or(new.len(), |skip| skip.min(new.len()));
            self.skip -= skipped as u64;
            new = &new[skipped..];
            new = self.message(new, told);
        }
    }

    /// Takes what belongs to one message; returns the rest.
    fn message<'a>(&mut self, new: &'a [u8], told: &mut Messages) -> &'a [u8] {
        if new.is_empty() {
            return new;
        }
        let begins = self.begun.is_empty();
        let header = HEADER_LENGTH.saturating_sub(self.begun.len());
        let (head, rest) = new.split_at(header.min(new.len()));
        self.begun.extend(head);
        let Some(length) = tls::body_length(&self.begun) else {
            if begins {
                told.0.push(message::incomplete(&self.begun));
            }
            return rest;
        };
        if length > MESSAGE_MAX {
            told.0.push(message::incomplete(&self.begun));
            self.begun.clear();
            self.skip = length as u64;
            return rest;
        }
        let missing = HEADER_LENGTH + length - self.begun.len();
        let (body, rest) = rest.split_at(missing.min(rest.len()));
        self.begun.extend(body);
        if body.len() < missing {
            if begins {
                told.0.push(message::incomplete(&self.begun));
            }
            return rest;
        }
        // One that begins and ends here is told once.
        told.0.pop_if(|message| !message.complete);
        told.0.push(message::complete(&self.begun, &mut told.1));
        self.begun.clear();
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Finished message with this many bytes.
    fn finished(length: u8) -> Vec<u8> {
        let mut message = vec![20, 0, 0, length];
        message.extend(0..length);
        message
    }

    fn told(crypto: &mut Crypto, offset: u64, data: &[u8]) -> Vec<(&'static str, bool)> {
        let (messages, _) = crypto.take(offset, data);
        let told = messages.iter();
        told.map(|message| (message.name, message.complete))
            .collect()
    }

    #[test]
    fn messages_are_told_when_they_begin_and_when_they_are_complete() {
        let mut crypto = Crypto::default();
        let bytes = [finished(10), finished(32)].concat();
        assert_eq!(told(&mut crypto, 0, &bytes[..8]), [("Finished", false)]);
        assert_eq!(told(&mut crypto, 8, &bytes[8..10]), []);
        let rest = told(&mut crypto, 10, &bytes[10..]);
        assert_eq!(rest, [("Finished", true), ("Finished", true)]);
    }

    #[test]
    fn pieces_may_come_in_any_order_twice_and_overlapping() {
        let bytes = finished(200);
        let mut crypto = Crypto::default();
        assert_eq!(told(&mut crypto, 100, &bytes[100..]), []);
        assert_eq!(told(&mut crypto, 60, &bytes[60..120]), []);
        assert_eq!(told(&mut crypto, 0, &bytes[..70]), [("Finished", true)]);
        assert_eq!(told(&mut crypto, 0, &bytes), []);
        assert_eq!(crypto.waiting_bytes, 0);
    }

    #[test]
    fn what_is_too_long_is_passed_over_and_holds_no_memory() {
        let mut crypto = Crypto::default();
        let mut bytes = vec![11, 0xff, 0xff, 0xff];
        bytes.extend([0; 100]);
        assert_eq!(told(&mut crypto, 0, &bytes), [("Certificate", false)]);
        for at in 1..3_000 {
            told(&mut crypto, at * 100, &[0; 100]);
            told(&mut crypto, (1 << 40) + at * 100, &[0; 100]);
        }
        assert!(crypto.begun.len() < MESSAGE_MAX);
        assert!(crypto.waiting_bytes <= WAITING_MAX);
    }

    #[test]
    fn a_cut_or_senseless_message_is_told_without_a_panic() {
        for kind in 0..=255 {
            for length in 0..60_u8 {
                let mut bytes = vec![kind, 0, 0, length];
                bytes.extend((0..length).map(|byte| byte.wrapping_mul(37)));
                let mut crypto = Crypto::default();
                assert_eq!(told(&mut crypto, 0, &bytes).len(), 1);
            }
        }
    }
}
