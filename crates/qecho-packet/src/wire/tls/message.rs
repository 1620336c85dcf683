//! Handshake messages as values (RFC 8446 §4), whose members can all be changed.

mod codec;
mod coding;
pub mod extension_type;
#[cfg(test)]
mod tests;

pub use self::{
    codec::{Codec, Coded, decode, encode},
    coding::{
        OfferedKeys, Share, binders, bytes, list_of_shorts, max_early_data_size, offered_keys,
        protocol_names, server_names, share, shares, short,
    },
};
use super::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, CLIENT_HELLO, ENCRYPTED_EXTENSIONS,
    END_OF_EARLY_DATA, FINISHED, KEY_UPDATE, NEW_SESSION_TICKET, SERVER_HELLO,
};
use crate::wire::reader::Malformed;

/// The number of TLS 1.3 in supported_versions (RFC 8446 §4.2.1).
pub const TLS_1_3: u16 = 0x0304;
/// The number that legacy_version has in TLS 1.3 (RFC 8446 §4.1.2).
pub const LEGACY_VERSION: u16 = 0x0303;
/// psk_dhe_ke: a pre-shared key with a key exchange (RFC 8446 §4.2.9).
pub const PSK_DHE_KE: u8 = 1;
/// The only max_early_data_size of QUIC (RFC 9001 §4.6.1).
pub const EARLY_DATA_ALLOWED: u32 = 0xffff_ffff;

/// The type of host names in server_name (RFC 6066 §3).
pub const HOST_NAME: u8 = 0;

/// An extension: its type and its content (RFC 8446 §4.2).
pub type Extension = (u16, Vec<u8>);

/// A handshake message (RFC 8446 §4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// The client's offer (§4.1.2).
    ClientHello(ClientHello),
    /// The server's choice, or a HelloRetryRequest (§4.1.3, §4.1.4).
    ServerHello(ServerHello),
    /// The server's answer to extensions that have nothing to do with keys (§4.3.1).
    EncryptedExtensions(Vec<Extension>),
    /// The server's wish for a certificate (§4.3.2).
    CertificateRequest(CertificateRequest),
    /// A chain of certificates (§4.4.2).
    Certificate(Certificate),
    /// A signature over what was said before it (§4.4.3).
    CertificateVerify(CertificateVerify),
    /// The proof that both sides have seen the same messages (§4.4.4).
    Finished(Vec<u8>),
    /// A ticket for resumption (§4.6.1).
    NewSessionTicket(NewSessionTicket),
    /// An update of keys, which QUIC forbids (§4.6.3, RFC 9001 §6); 1 asks for another.
    KeyUpdate(u8),
    /// The end of 0-RTT data, which QUIC does not have (§4.5, RFC 9001 §8.3).
    EndOfEarlyData,
    /// Any other type, or any other body.
    Raw {
        /// Type of the message.
        kind: u8,
        /// All after the message's length.
        body: Vec<u8>,
    },
    /// No message at all: an edit leaves one out with it.
    #[default]
    None,
}

/// A ClientHello (RFC 8446 §4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// 0x0303 of each that speaks TLS 1.3.
    pub legacy_version: u16,
    /// The client's random, by which key logs name the connection.
    pub random: [u8; 32],
    /// Empty in QUIC (RFC 9001 §8.4).
    pub session_id: Vec<u8>,
    /// Numbers of the cipher suites that are offered, the client's favourite first.
    pub suites: Vec<u16>,
    /// Compression methods: 0 alone.
    pub compression: Vec<u8>,
    /// Extensions in their order.
    pub extensions: Vec<Extension>,
}

/// A ServerHello, or a HelloRetryRequest (RFC 8446 §4.1.3, §4.1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// 0x0303 of each that speaks TLS 1.3.
    pub legacy_version: u16,
    /// The server's random; a certain value makes it a HelloRetryRequest.
    pub random: [u8; 32],
    /// The session ID of the ClientHello.
    pub session_id: Vec<u8>,
    /// Number of the cipher suite that is chosen.
    pub suite: u16,
    /// Compression method: 0.
    pub compression: u8,
    /// Extensions in their order.
    pub extensions: Vec<Extension>,
}

/// A CertificateRequest (RFC 8446 §4.3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Empty during the handshake.
    pub context: Vec<u8>,
    /// Extensions in their order.
    pub extensions: Vec<Extension>,
}

/// A Certificate message (RFC 8446 §4.4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The context of the request that it answers; empty from a server.
    pub context: Vec<u8>,
    /// DER of each certificate and its extensions, the sender's own first.
    pub entries: Vec<(Vec<u8>, Vec<Extension>)>,
}

/// A CertificateVerify (RFC 8446 §4.4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateVerify {
    /// Number of the signature scheme (§4.2.3).
    pub scheme: u16,
    /// The signature.
    pub signature: Vec<u8>,
}

/// A NewSessionTicket (RFC 8446 §4.6.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSessionTicket {
    /// Seconds for which the ticket may be used.
    pub lifetime: u32,
    /// Number that is added to the ticket's age in milliseconds, to hide it.
    pub age_add: u32,
    /// Value that tells the tickets of one connection apart.
    pub nonce: Vec<u8>,
    /// Bytes that the client gives back.
    pub ticket: Vec<u8>,
    /// Extensions in their order.
    pub extensions: Vec<Extension>,
}

impl ClientHello {
    /// Returns the content of the first extension of a type.
    pub fn extension(&self, kind: u16) -> Option<&[u8]> {
        extension(&self.extensions, kind)
    }

    /// Returns the host name that is asked for (RFC 6066 §3).
    pub fn server_name(&self) -> Option<String> {
        let names = self.extension(extension_type::SERVER_NAME)?;
        let mut names = decode(names, server_names).ok()?.into_iter();
        let (_, name) = names.find(|(kind, _)| *kind == HOST_NAME)?;
        String::from_utf8(name).ok()
    }

    /// Returns the application protocols that are offered (RFC 7301 §3.1), the favourite first.
    pub fn protocols(&self) -> Vec<Vec<u8>> {
        let names = self.extension(extension_type::ALPN);
        let names = names.and_then(|names| decode(names, protocol_names).ok());
        names.unwrap_or_default()
    }
}

impl ServerHello {
    /// The random that makes it a HelloRetryRequest.
    pub const RETRY_RANDOM: [u8; 32] = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8,
        0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
        0x33, 0x9c,
    ];

    /// Tells whether it is a HelloRetryRequest.
    pub fn is_retry_request(&self) -> bool {
        self.random == Self::RETRY_RANDOM
    }

    /// Returns the content of the first extension of a type.
    pub fn extension(&self, kind: u16) -> Option<&[u8]> {
        extension(&self.extensions, kind)
    }
}

impl Message {
    /// Returns the name that RFC 8446 has for it.
    pub fn name(&self) -> &'static str {
        self.name_and_kind().0
    }

    /// Returns its type, if it is a message.
    fn kind(&self) -> Option<u8> {
        self.name_and_kind().1
    }

    fn name_and_kind(&self) -> (&'static str, Option<u8>) {
        let (name, kind) = match self {
            Self::ClientHello(_) => ("ClientHello", CLIENT_HELLO),
            Self::ServerHello(hello) if hello.is_retry_request() => {
                ("HelloRetryRequest", SERVER_HELLO)
            }
            Self::ServerHello(_) => ("ServerHello", SERVER_HELLO),
            Self::EncryptedExtensions(_) => ("EncryptedExtensions", ENCRYPTED_EXTENSIONS),
            Self::CertificateRequest(_) => ("CertificateRequest", CERTIFICATE_REQUEST),
            Self::Certificate(_) => ("Certificate", CERTIFICATE),
            Self::CertificateVerify(_) => ("CertificateVerify", CERTIFICATE_VERIFY),
            Self::Finished(_) => ("Finished", FINISHED),
            Self::NewSessionTicket(_) => ("NewSessionTicket", NEW_SESSION_TICKET),
            Self::KeyUpdate(_) => ("KeyUpdate", KEY_UPDATE),
            Self::EndOfEarlyData => ("EndOfEarlyData", END_OF_EARLY_DATA),
            Self::Raw { kind, .. } => ("message of unknown type", *kind),
            Self::None => return ("no message", None),
        };
        (name, Some(kind))
    }

    /// Returns an empty message of a type.
    fn of_kind(kind: u8) -> Self {
        match kind {
            CLIENT_HELLO => Self::ClientHello(ClientHello::default()),
            SERVER_HELLO => Self::ServerHello(ServerHello::default()),
            ENCRYPTED_EXTENSIONS => Self::EncryptedExtensions(Vec::new()),
            CERTIFICATE_REQUEST => Self::CertificateRequest(CertificateRequest::default()),
            CERTIFICATE => Self::Certificate(Certificate::default()),
            CERTIFICATE_VERIFY => Self::CertificateVerify(CertificateVerify::default()),
            FINISHED => Self::Finished(Vec::new()),
            NEW_SESSION_TICKET => Self::NewSessionTicket(NewSessionTicket::default()),
            KEY_UPDATE => Self::KeyUpdate(0),
            END_OF_EARLY_DATA => Self::EndOfEarlyData,
            _ => Self::Raw {
                kind,
                body: Vec::new(),
            },
        }
    }
}

/// Returns the value of the first extension of a type.
///
/// # Errors
/// If its content is not as it has to be.
pub fn decoded<T: Default>(
    extensions: &[Extension],
    kind: u16,
    code: impl FnOnce(&mut Codec<'_>, &mut T) -> Coded,
) -> Result<Option<T>, Malformed> {
    let content = extension(extensions, kind);
    content.map(|content| decode(content, code)).transpose()
}

/// Returns the content of the first extension of a type.
pub fn extension(extensions: &[Extension], kind: u16) -> Option<&[u8]> {
    let mut all = extensions.iter();
    all.find(|(other, _)| *other == kind)
        .map(|(_, content)| content.as_slice())
}
