//! Reads a ClientHello just far enough to see which protocols it offers
//! (RFC 8446 §4.1.2, RFC 7301 §3.1).

use crate::limits::CLIENT_HELLO_MAX;

const HANDSHAKE_HEADER: usize = 4;
const CLIENT_HELLO: u8 = 1;
const EXTENSION_ALPN: u16 = 16;

/// A first handshake message, as far as it has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientHello {
    /// More bytes must come.
    Incomplete,
    /// Whole: the protocol names it offers, in its order; none if it has no
    /// such extension or cannot be read (TLS will say what is wrong with it).
    Complete(Vec<Vec<u8>>),
    /// Announces more than [`CLIENT_HELLO_MAX`] bytes.
    TooLong,
}

/// Looks at the bytes of the first handshake message received so far.
pub(super) fn read(bytes: &[u8]) -> ClientHello {
    let Some((header, rest)) = bytes.split_at_checked(HANDSHAKE_HEADER) else {
        return ClientHello::Incomplete;
    };
    if header[0] != CLIENT_HELLO {
        return ClientHello::Complete(Vec::new());
    }
    let length = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
    if length > CLIENT_HELLO_MAX {
        return ClientHello::TooLong;
    }
    match rest.get(..length) {
        None => ClientHello::Incomplete,
        Some(body) => ClientHello::Complete(offered_protocols(body).unwrap_or_default()),
    }
}

fn offered_protocols(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut body = Reader(body);
    let _legacy_version_and_random = body.take(2 + 32)?;
    let _legacy_session_id = body.vector8()?;
    let _cipher_suites = body.vector16()?;
    let _legacy_compression_methods = body.vector8()?;
    let mut extensions = Reader(body.vector16()?);
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let data = extensions.vector16()?;
        if kind == EXTENSION_ALPN {
            return names(data);
        }
    }
    None
}

fn names(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut list = Reader(Reader(data).vector16()?);
    let mut names = Vec::new();
    while !list.0.is_empty() {
        names.push(list.vector8()?.to_vec());
    }
    Some(names)
}

/// Takes fields off the front of a byte string; `None` when it is too short.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_hello(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut message = vec![CLIENT_HELLO, 0];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(body);
        message
    }

    #[test]
    fn offered_names_are_read_in_order_behind_other_extensions() {
        let hello = client_hello(&[
            0, 43, 0, 3, 2, 3, 4, // supported_versions
            0, 16, 0, 10, 0, 8, 4, b'e', b'c', b'h', b'o', 2, b'h', b'3',
        ]);
        assert_eq!(
            read(&hello),
            ClientHello::Complete(vec![b"echo".to_vec(), b"h3".to_vec()])
        );
    }

    #[test]
    fn a_hello_without_the_extension_offers_nothing() {
        assert_eq!(
            read(&client_hello(&[0, 43, 0, 3, 2, 3, 4])),
            ClientHello::Complete(vec![])
        );
    }

    #[test]
    fn every_prefix_is_incomplete() {
        let hello = client_hello(&[0, 16, 0, 5, 0, 3, 2, b'h', b'3']);
        for length in 0..hello.len() {
            assert_eq!(read(&hello[..length]), ClientHello::Incomplete);
        }
    }

    #[test]
    fn lengths_that_lie_inside_a_whole_hello_offer_nothing() {
        let mut hello = client_hello(&[0, 16, 0, 5, 0, 3, 2, b'h', b'3']);
        for position in HANDSHAKE_HEADER..hello.len() {
            let kept = std::mem::replace(&mut hello[position], 0xff);
            assert!(matches!(read(&hello), ClientHello::Complete(_)));
            hello[position] = kept;
        }
    }

    #[test]
    fn a_giant_length_is_refused_at_once() {
        assert_eq!(read(&[CLIENT_HELLO, 0xff, 0, 0]), ClientHello::TooLong);
    }
}
