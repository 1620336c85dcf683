//! Reads a ClientHello just far enough to see which protocols it offers
//! (RFC 8446 §4.1.2, RFC 7301 §3.1).

use qecho_packet::wire::{Malformed, tls};

use crate::limits::CLIENT_HELLO_MAX;

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
    let Some(length) = tls::body_length(bytes) else {
        return ClientHello::Incomplete;
    };
    if bytes[0] != tls::CLIENT_HELLO {
        return ClientHello::Complete(Vec::new());
    }
    if length > CLIENT_HELLO_MAX {
        return ClientHello::TooLong;
    }
    match bytes[tls::HEADER_LENGTH..].get(..length) {
        None => ClientHello::Incomplete,
        Some(body) => ClientHello::Complete(offered_protocols(body).unwrap_or_default()),
    }
}

fn offered_protocols(body: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    for extension in tls::client_hello_extensions(body)? {
        let (kind, content) = extension?;
        if kind == tls::ALPN {
            let names = tls::protocol_names(content)?;
            return names.map(|name| name.map(<[u8]>::to_vec)).collect();
        }
    }
    Ok(Vec::new())
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
        let mut message = vec![tls::CLIENT_HELLO, 0];
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
        let offered = vec![b"echo".to_vec(), b"h3".to_vec()];
        assert_eq!(read(&hello), ClientHello::Complete(offered));
    }

    #[test]
    fn a_hello_without_the_extension_offers_nothing() {
        let hello = client_hello(&[0, 43, 0, 3, 2, 3, 4]);
        assert_eq!(read(&hello), ClientHello::Complete(vec![]));
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
        for position in tls::HEADER_LENGTH..hello.len() {
            let kept = std::mem::replace(&mut hello[position], 0xff);
            assert!(matches!(read(&hello), ClientHello::Complete(_)));
            hello[position] = kept;
        }
    }

    #[test]
    fn a_giant_length_is_refused_at_once() {
        assert_eq!(read(&[tls::CLIENT_HELLO, 0xff, 0, 0]), ClientHello::TooLong);
    }
}
