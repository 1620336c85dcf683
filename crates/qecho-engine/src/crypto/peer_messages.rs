//! Checks of the peer's TLS messages that RFC 9001 demands and rustls does not make.

use qecho_packet::wire::tls;
use quinn_proto::{TransportError, TransportErrorCode};
use rustls::AlertDescription;

use super::session::transport_error;
use crate::limits::CLIENT_HELLO_MAX;

/// The beginning of what the peer has sent, until all has been checked that is to be.
#[derive(Default)]
pub(super) struct PeerMessages {
    received: Vec<u8>,
    is_checked: bool,
}

impl PeerMessages {
    /// Looks at the next bytes, before TLS gets them.
    ///
    /// # Errors
    /// The error to close the connection with.
    pub(super) fn see(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        if self.is_checked {
            return Ok(());
        }
        self.received.extend_from_slice(bytes);
        while let (Some(kind), Some(length)) =
            (self.received.first(), tls::body_length(&self.received))
        {
            let is_hello = [tls::CLIENT_HELLO, tls::SERVER_HELLO].contains(kind);
            let is_last = *kind == tls::ENCRYPTED_EXTENSIONS;
            if !(is_hello || is_last) || length > CLIENT_HELLO_MAX {
                // TLS says what is wrong with it, if anything is.
                self.end();
                return Ok(());
            }
            let end = tls::HEADER_LENGTH + length;
            let Some(body) = self.received.get(tls::HEADER_LENGTH..end) else {
                return Ok(());
            };
            check(*kind, body)?;
            self.received.drain(..end);
            if is_last {
                self.end();
                return Ok(());
            }
        }
        Ok(())
    }

    /// Keeps nothing any more.
    fn end(&mut self) {
        *self = Self {
            received: Vec::new(),
            is_checked: true,
        };
    }
}

fn check(kind: u8, body: &[u8]) -> Result<(), TransportError> {
    let extensions = match kind {
        tls::CLIENT_HELLO => {
            if tls::legacy_session_id(body).is_ok_and(|id| !id.is_empty()) {
                // RFC 9001 §8.4: there is no middlebox to please.
                let code = TransportErrorCode::PROTOCOL_VIOLATION;
                return Err(transport_error(code, "legacy_session_id is not empty"));
            }
            tls::client_hello_extensions(body)
        }
        tls::ENCRYPTED_EXTENSIONS => tls::encrypted_extensions(body),
        _ => return Ok(()),
    };
    // What cannot be read is for TLS to refuse.
    let Ok(mut extensions) = extensions else {
        return Ok(());
    };
    let is_malformed_or_there = extensions.any(|extension| match extension {
        Ok((kind, _)) => kind == tls::QUIC_TRANSPORT_PARAMETERS,
        Err(_) => true,
    });
    if is_malformed_or_there {
        return Ok(());
    }
    // RFC 9001 §8.2. rustls takes them under the codepoint of the drafts, 0xffa5, too.
    let code = TransportErrorCode::crypto(AlertDescription::MissingExtension.into());
    let words = "no quic_transport_parameters extension";
    Err(transport_error(code, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_be_bytes();
        [&[kind], &length[1..], body].concat()
    }

    fn client_hello(session_id: &[u8], extension: u16) -> Vec<u8> {
        let session_id = [&[session_id.len() as u8], session_id].concat();
        let extensions = extensions(extension);
        let body = [
            &[3, 3][..],
            &[7; 32],
            &session_id,
            &[0, 2, 0x13, 0x01, 1, 0],
            &extensions,
        ];
        message(tls::CLIENT_HELLO, &body.concat())
    }

    fn extensions(extension: u16) -> Vec<u8> {
        let kind = extension.to_be_bytes();
        [&[0, 6][..], &kind, &[0, 2, 3, 4]].concat()
    }

    fn outcome(messages: &[Vec<u8>]) -> Option<u64> {
        let mut seen = PeerMessages::default();
        let bytes = messages.concat();
        // However they come.
        let outcome = bytes.iter().try_for_each(|byte| seen.see(&[*byte]));
        let at_once = PeerMessages::default().see(&bytes);
        assert_eq!(outcome, at_once);
        outcome.err().map(|error| error.code.into())
    }

    #[test]
    fn transport_parameters_stand_under_their_own_codepoint_alone() {
        const MISSING_EXTENSION: u64 = 0x16d;
        let hello = |extension| client_hello(&[], extension);
        assert_eq!(outcome(&[hello(0x39)]), None);
        assert_eq!(outcome(&[hello(0xffa5)]), Some(MISSING_EXTENSION));
        // The second ClientHello, after a HelloRetryRequest.
        let swapped = [hello(0x39), hello(0xffa5)];
        assert_eq!(outcome(&swapped), Some(MISSING_EXTENSION));
        let server = |extension| {
            let hello = message(tls::SERVER_HELLO, &[3; 40]);
            let extensions = message(tls::ENCRYPTED_EXTENSIONS, &extensions(extension));
            [hello, extensions, message(11, &[0; 100])]
        };
        assert_eq!(outcome(&server(0x39)), None);
        assert_eq!(outcome(&server(0xffa5)), Some(MISSING_EXTENSION));
    }

    #[test]
    fn a_session_id_is_refused() {
        let hello = client_hello(&[1; 32], 0x39);
        assert_eq!(outcome(&[hello]), Some(0x0a));
    }

    #[test]
    fn what_cannot_be_read_is_left_to_tls_and_nothing_is_kept() {
        let mut seen = PeerMessages::default();
        for bytes in [&[20, 0, 0, 4][..], &[0xff; 70_000]] {
            assert_eq!(seen.see(bytes), Ok(()));
            assert!(seen.received.is_empty());
        }
        let mut hello = client_hello(&[], 0x39);
        for position in tls::HEADER_LENGTH..hello.len() {
            let kept = std::mem::replace(&mut hello[position], 0xff);
            let _ = PeerMessages::default().see(&hello);
            hello[position] = kept;
        }
    }
}
