//! TLS 1.3 handshake messages (RFC 8446 §4), as far as QUIC tools look into
//! them.

pub mod message;

use super::reader::{Malformed, Reader};

/// Bytes before a message's body: its type and its length (RFC 8446 §4).
pub const HEADER_LENGTH: usize = 4;

/// The type of a ClientHello (RFC 8446 §4.1.2).
pub const CLIENT_HELLO: u8 = 1;

/// The type of a ServerHello, and of a HelloRetryRequest (RFC 8446 §4.1.3, §4.1.4).
pub const SERVER_HELLO: u8 = 2;

/// The type of EncryptedExtensions (RFC 8446 §4.3.1).
pub const ENCRYPTED_EXTENSIONS: u8 = 8;

/// The type of a NewSessionTicket (RFC 8446 §4.6.1).
pub const NEW_SESSION_TICKET: u8 = 4;

/// The type of EndOfEarlyData (RFC 8446 §4.5).
pub const END_OF_EARLY_DATA: u8 = 5;

/// The type of a Certificate message (RFC 8446 §4.4.2).
pub const CERTIFICATE: u8 = 11;

/// The type of a CertificateRequest (RFC 8446 §4.3.2).
pub const CERTIFICATE_REQUEST: u8 = 13;

/// The type of a CertificateVerify (RFC 8446 §4.4.3).
pub const CERTIFICATE_VERIFY: u8 = 15;

/// The type of Finished (RFC 8446 §4.4.4).
pub const FINISHED: u8 = 20;

/// The type of a KeyUpdate (RFC 8446 §4.6.3).
pub const KEY_UPDATE: u8 = 24;

/// The type of the message that stands for a first ClientHello in the transcript (RFC 8446
/// §4.4.1).
pub const MESSAGE_HASH: u8 = 254;

/// The extension that carries the transport parameters of QUIC version 1 (RFC 9001 §8.2).
pub const QUIC_TRANSPORT_PARAMETERS: u16 = 0x39;

/// The extension that offers or selects protocol names (RFC 7301 §3.1).
pub const ALPN: u16 = 16;

const EXTENSIONS: &str = "TLS extensions";

/// Extensions, in their order: the type and the content of each. A malformed
/// one is the last.
#[derive(Clone, Debug)]
pub struct Extensions<'a>(Reader<'a>);

/// Returns the length of a message's body, once its header is there.
pub fn body_length(message: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(message);
    reader.byte("type").ok()?;
    usize::try_from(reader.number(3, "length").ok()?).ok()
}

/// Reads the extensions of a ClientHello's body (RFC 8446 §4.1.2).
///
/// # Errors
/// If the body ends before them.
pub fn client_hello_extensions(body: &[u8]) -> Result<Extensions<'_>, Malformed> {
    let mut body = Reader::new(body);
    body.take(2 + 32, "version and random")?;
    body.vector(1, "session ID")?;
    body.vector(2, "cipher suites")?;
    body.vector(1, "compression methods")?;
    Extensions::read(&mut body)
}

/// Reads the legacy_session_id of a ClientHello's body, which is empty in QUIC (RFC 9001
/// §8.4).
///
/// # Errors
/// If the body ends before it does.
pub fn legacy_session_id(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut body = Reader::new(body);
    body.take(2 + 32, "version and random")?;
    body.vector(1, "session ID")
}

/// Reads the extensions of the body of EncryptedExtensions (RFC 8446 §4.3.1).
///
/// # Errors
/// If the body ends before they do.
pub fn encrypted_extensions(body: &[u8]) -> Result<Extensions<'_>, Malformed> {
    Extensions::read(&mut Reader::new(body))
}

/// Reads the protocol names of an ALPN extension (RFC 7301 §3.1).
///
/// # Errors
/// If the list is not all there; a malformed name is the last.
pub fn protocol_names(
    extension: &[u8],
) -> Result<impl Iterator<Item = Result<&[u8], Malformed>>, Malformed> {
    let list = Reader::new(extension).vector(2, "protocol names")?;
    Ok(Reader::new(list).iterate(|list| list.vector(1, "protocol name")))
}

impl<'a> Extensions<'a> {
    /// Takes a list of extensions off the front (RFC 8446 §4.2).
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self(Reader::new(reader.vector(2, EXTENSIONS)?)))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<(u16, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_item(|list| {
            let kind = list.number(2, EXTENSIONS)? as u16;
            Ok((kind, list.vector(2, EXTENSIONS)?))
        })
    }
}
