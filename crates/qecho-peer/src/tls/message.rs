//! Handshake messages as values (RFC 8446 §4), whose members can all be changed.

pub mod extension_type;
mod extensions;
mod reading;
mod writing;

pub(super) use self::{extensions::*, writing::vector};

/// Types of messages (RFC 8446 §4).
pub(super) mod kind {
    pub(in crate::tls) use qecho_packet::wire::tls::{
        CLIENT_HELLO, ENCRYPTED_EXTENSIONS, SERVER_HELLO,
    };
    pub(in crate::tls) const NEW_SESSION_TICKET: u8 = 4;
    pub(in crate::tls) const END_OF_EARLY_DATA: u8 = 5;
    pub(in crate::tls) const CERTIFICATE: u8 = 11;
    pub(in crate::tls) const CERTIFICATE_REQUEST: u8 = 13;
    pub(in crate::tls) const CERTIFICATE_VERIFY: u8 = 15;
    pub(in crate::tls) const FINISHED: u8 = 20;
    pub(in crate::tls) const KEY_UPDATE: u8 = 24;
    pub(in crate::tls) const MESSAGE_HASH: u8 = 254;
}

/// An extension: its type and its content (RFC 8446 §4.2).
pub type Extension = (u16, Vec<u8>);

/// A handshake message (RFC 8446 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What is added to the ticket's age in milliseconds, to hide it.
    pub age_add: u32,
    /// What tells the tickets of one connection apart.
    pub nonce: Vec<u8>,
    /// What the client gives back.
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
    pub fn server_name(&self) -> Option<&str> {
        let names = self.extension(extension_type::SERVER_NAME)?;
        std::str::from_utf8(host_name(names).ok()??).ok()
    }

    /// Returns the application protocols that are offered (RFC 7301 §3.1), the favourite first.
    pub fn protocols(&self) -> Vec<Vec<u8>> {
        let names = self.extension(extension_type::ALPN).map(protocol_names);
        names.and_then(Result::ok).unwrap_or_default()
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
        match self {
            Self::ClientHello(_) => "ClientHello",
            Self::ServerHello(hello) if hello.is_retry_request() => "HelloRetryRequest",
            Self::ServerHello(_) => "ServerHello",
            Self::EncryptedExtensions(_) => "EncryptedExtensions",
            Self::CertificateRequest(_) => "CertificateRequest",
            Self::Certificate(_) => "Certificate",
            Self::CertificateVerify(_) => "CertificateVerify",
            Self::Finished(_) => "Finished",
            Self::NewSessionTicket(_) => "NewSessionTicket",
            Self::KeyUpdate(_) => "KeyUpdate",
            Self::EndOfEarlyData => "EndOfEarlyData",
            Self::Raw { .. } => "message of unknown type",
            Self::None => "no message",
        }
    }
}

/// Returns the content of the first extension of a type.
pub(super) fn extension(extensions: &[Extension], kind: u16) -> Option<&[u8]> {
    let mut all = extensions.iter();
    all.find(|(other, _)| *other == kind)
        .map(|(_, content)| content.as_slice())
}
