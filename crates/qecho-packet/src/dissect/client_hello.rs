//! The client random of a ClientHello, which names its secrets in a key log.

use super::key_log::{ClientRandom, RANDOM_LENGTH};
use crate::wire::{Reader, tls};

/// Bytes of the header, the version and the random (RFC 8446 §4.1.2).
const LENGTH: usize = tls::HEADER_LENGTH + 2 + RANDOM_LENGTH;

/// The first bytes of what a client says in CRYPTO frames, in whatever pieces
/// and order they come. A second ClientHello, after HelloRetryRequest, has the
/// same random.
#[derive(Default)]
pub(super) struct ClientHello {
    bytes: Vec<u8>,
    /// A bit for each byte that is known.
    known: u64,
}

impl ClientHello {
    /// Takes the data of a CRYPTO frame.
    pub(super) fn add(&mut self, offset: u64, data: &[u8]) {
        let offset = usize::try_from(offset).unwrap_or(LENGTH);
        if offset >= LENGTH {
            return;
        }
        self.bytes.resize(LENGTH, 0);
        for (index, byte) in (offset..LENGTH).zip(data) {
            if self.known & 1 << index == 0 {
                self.known |= 1 << index;
                self.bytes[index] = *byte;
            }
        }
    }

    /// Returns the client random once it is known.
    pub(super) fn random(&self) -> Option<ClientRandom> {
        if self.known != (1 << LENGTH) - 1 || self.bytes[0] != tls::CLIENT_HELLO {
            return None;
        }
        let mut reader = Reader::new(&self.bytes);
        reader
            .take(tls::HEADER_LENGTH + 2, "header and version")
            .ok()?;
        reader.array("random").ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_is_found_in_whatever_pieces() {
        let mut message: Vec<u8> = (0..100).collect();
        message[0] = tls::CLIENT_HELLO;
        for cut in 0..50 {
            let mut hello = ClientHello::default();
            hello.add(u64::MAX, b"far away");
            hello.add(cut, &message[cut as usize..]);
            assert_eq!(hello.random().is_some(), cut == 0);
            hello.add(0, &message[..cut as usize]);
            assert_eq!(
                hello.random().as_ref().map(|r| &r[..]),
                Some(&message[6..38])
            );
        }
    }

    #[test]
    fn other_messages_have_none() {
        let mut hello = ClientHello::default();
        hello.add(0, &[2; 100]);
        assert_eq!(hello.random(), None);
    }
}
