//! The 1-RTT packets of one direction, opened as a reader of the capture will,
//! and packets that show it where to go on.

use crate::{
    protection::{Numbers, Protection, Secret, Suite, Unsealed},
    wire::{self, PacketType},
};

/// Key updates of one direction that are followed; a reader has to be shown
/// each of them.
pub(super) const KEY_UPDATES_MAX: u64 = 64;

/// PADDING, as much as a packet needs at least.
const FRAMES: [u8; 4] = [0; 4];

/// The 1-RTT packets of one direction.
pub(super) struct DirectionKeys {
    suite: Suite,
    first: Secret,
    protection: Protection,
    numbers: Numbers,
    updates: u64,
}

impl DirectionKeys {
    pub(super) fn new(suite: Suite, secret: &Secret) -> Self {
        Self {
            suite,
            first: secret.clone(),
            protection: Protection::new(secret, suite),
            numbers: Numbers::default(),
            updates: 0,
        }
    }

    /// Returns how many key updates there were.
    pub(super) fn updates(&self) -> u64 {
        self.updates
    }

    /// Opens a packet with a short header; returns its frames, if it is what
    /// it says.
    pub(super) fn open(&mut self, packet: &[u8], cid_length: usize) -> Option<Vec<u8>> {
        let packet = wire::packets(packet, cid_length).next()?.ok()?;
        if packet.header.packet_type != PacketType::OneRtt {
            return None;
        }
        let opened = self.protection.open(&packet, self.numbers)?;
        self.numbers.saw(opened.number);
        self.updates = self.updates.max(opened.generation);
        Some(opened.payload)
    }

    /// Makes packets of PADDING frames that bring a reader who has seen
    /// `known` key updates to the packet number and the keys of now: the number
    /// has all of four bytes, and there is one packet for each key update. An
    /// older key phase would look like one more update.
    ///
    /// Nobody but the capture's readers must ever see them.
    pub(super) fn bookmarks(&self, cid: &[u8], known: u64) -> Vec<Vec<u8>> {
        let Some(number) = self.numbers.largest else {
            return Vec::new();
        };
        let mut secret = self.first.clone();
        let mut packets = Vec::new();
        for update in 0..=self.updates.min(KEY_UPDATES_MAX) {
            if update > 0 {
                secret = secret.next(self.suite);
            }
            if update >= known {
                packets.push(self.seal(cid, &secret, update, number, &FRAMES));
            }
        }
        packets
    }

    fn seal(
        &self,
        cid: &[u8],
        secret: &Secret,
        update: u64,
        number: u64,
        frames: &[u8],
    ) -> Vec<u8> {
        let unsealed = Unsealed {
            first: self.first.clone(),
            secret: secret.clone(),
            suite: self.suite,
            head: [&[0], cid].concat(),
            key_phase: update % 2 == 1,
            number,
            number_length: 4,
            frames: frames.to_vec(),
        };
        unsealed.seal()
    }
}

#[cfg(test)]
impl DirectionKeys {
    /// Makes a packet as its sender would before any key update, for tests.
    pub(super) fn sealed(&self, cid: &[u8], number: u64, frames: &[u8]) -> Vec<u8> {
        self.seal(cid, &self.first, 0, number, frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CID: &[u8] = b"12345678";

    #[test]
    fn a_reader_follows_the_bookmarks_to_any_number_and_key() {
        for length in [32, 48] {
            let first = Secret::new(&vec![7; length]).expect("a hash has this length");
            for suite in first.suites() {
                let new = || DirectionKeys::new(*suite, &first);
                let (mut ahead, mut reader) = (new(), new());
                let mut secret = first.clone();
                for update in 0..=5 {
                    let number = 1_000_000 + update;
                    let packet = ahead.seal(CID, &secret, update, number, &[1; 4]);
                    assert_eq!(ahead.open(&packet, CID.len()), Some(vec![1; 4]));
                    secret = secret.next(*suite);
                }
                reader.open(&reader.sealed(CID, 3, &[1; 4]), CID.len());
                let bookmarks = ahead.bookmarks(CID, 0);
                assert_eq!(bookmarks.len(), 6);
                assert_eq!(ahead.bookmarks(CID, 4), bookmarks[4..]);
                for bookmark in bookmarks {
                    assert_eq!(reader.open(&bookmark, CID.len()), Some(vec![0; 4]));
                }
                assert_eq!(reader.numbers.largest, Some(1_000_005));
                assert_eq!(reader.updates(), 5);
            }
        }
    }

    #[test]
    fn what_is_no_packet_of_the_connection_changes_nothing() {
        let direction = |byte| {
            let secret = Secret::new(&[byte; 32]).expect("a hash has this length");
            DirectionKeys::new(Suite::Aes128GcmSha256, &secret)
        };
        let mut ours = direction(7);
        let foreign = direction(8).sealed(CID, 9, &[1; 4]);
        for packet in [&foreign[..], &[], &[0x40; 29], &[0xff; 1_200]] {
            assert_eq!(ours.open(packet, CID.len()), None);
        }
        assert_eq!((ours.numbers.largest, ours.updates), (None, 0));
    }
}
