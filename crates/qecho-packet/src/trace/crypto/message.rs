//! One TLS handshake message, in words.

use rustls::{CipherSuite, NamedGroup};

use super::TlsMessage;
use crate::TransportParameters;

/// Bytes before a message's body: its type and its length.
pub(super) const HEADER: usize = 4;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const EARLY_DATA: u16 = 42;
const KEY_SHARE: u16 = 51;
const TRANSPORT_PARAMETERS: u16 = 57;

/// What a ServerHello has as its random when it asks for another key share
/// (RFC 8446 §4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a message tells of the QUIC handshake.
#[derive(Debug, Default)]
pub(in crate::trace) struct Extensions {
    /// The sender's transport parameters.
    pub(in crate::trace) parameters: Option<TransportParameters>,
}

/// Returns the length of a message's body, once its header is there.
pub(super) fn length(message: &[u8]) -> Option<usize> {
    let length = message.get(1..HEADER)?;
    Some(
        length
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte)),
    )
}

/// Tells of a message that has only begun.
pub(super) fn incomplete(message: &[u8]) -> TlsMessage {
    TlsMessage {
        name: name(message),
        complete: false,
        detail: String::new(),
    }
}

/// Tells of a message that is all there.
pub(super) fn complete(message: &[u8], extensions: &mut Extensions) -> TlsMessage {
    let body = Fields(&message[HEADER..]);
    let detail = match message[0] {
        CLIENT_HELLO => client_hello(body, extensions),
        SERVER_HELLO => server_hello(body),
        ENCRYPTED_EXTENSIONS => encrypted_extensions(body, extensions),
        CERTIFICATE => certificate(body),
        _ => None,
    };
    TlsMessage {
        name: name(message),
        complete: true,
        detail: detail.unwrap_or_default(),
    }
}

fn name(message: &[u8]) -> &'static str {
    match message.first() {
        Some(1) => "ClientHello",
        Some(2) if is_retry(message) => "HelloRetryRequest",
        Some(2) => "ServerHello",
        Some(4) => "NewSessionTicket",
        Some(5) => "EndOfEarlyData",
        Some(8) => "EncryptedExtensions",
        Some(11) => "Certificate",
        Some(13) => "CertificateRequest",
        Some(15) => "CertificateVerify",
        Some(20) => "Finished",
        Some(24) => "KeyUpdate",
        Some(25) => "CompressedCertificate",
        _ => "unknown message",
    }
}

fn is_retry(message: &[u8]) -> bool {
    message.get(HEADER + 2..HEADER + 34) == Some(&RETRY_RANDOM)
}

fn client_hello(mut body: Fields<'_>, extensions: &mut Extensions) -> Option<String> {
    // Version and random, session ID, cipher suites, compression methods.
    body.take(34)?;
    body.counted(1)?;
    body.counted(2)?;
    body.counted(1)?;
    let mut words = Vec::new();
    let mut list = Fields(body.counted(2)?);
    while let Some((id, mut extension)) = list.extension() {
        match id {
            SERVER_NAME => {
                let mut names = Fields(extension.counted(2)?);
                names.take(1)?;
                words.push(format!("for {}", text(names.counted(2)?)));
            }
            ALPN => words.push(alpn(extension)?),
            EARLY_DATA => words.push("with early data".into()),
            KEY_SHARE => {
                let mut shares = Fields(extension.counted(2)?);
                let mut groups = Vec::new();
                while let Some(group) = shares.number() {
                    groups.push(group_name(group));
                    shares.counted(2)?;
                }
                words.push(groups.join(" + "));
            }
            TRANSPORT_PARAMETERS => {
                extensions.parameters = Some(TransportParameters::parse(extension.0));
            }
            _ => {}
        }
    }
    Some(words.join(", "))
}

fn server_hello(mut body: Fields<'_>) -> Option<String> {
    body.take(34)?;
    body.counted(1)?;
    let suite = format!("{:?}", CipherSuite::from(body.number()?));
    let mut words = vec![suite.replacen("TLS13_", "TLS_", 1)];
    body.take(1)?;
    let mut list = Fields(body.counted(2)?);
    while let Some((id, mut extension)) = list.extension() {
        if id == KEY_SHARE {
            words.push(group_name(extension.number()?));
        }
    }
    Some(words.join(", "))
}

fn encrypted_extensions(mut body: Fields<'_>, extensions: &mut Extensions) -> Option<String> {
    let mut words = Vec::new();
    let mut list = Fields(body.counted(2)?);
    while let Some((id, extension)) = list.extension() {
        match id {
            ALPN => words.push(alpn(extension)?),
            EARLY_DATA => words.push("early data accepted".into()),
            TRANSPORT_PARAMETERS => {
                extensions.parameters = Some(TransportParameters::parse(extension.0));
            }
            _ => {}
        }
    }
    Some(words.join(", "))
}

fn certificate(mut body: Fields<'_>) -> Option<String> {
    body.counted(1)?;
    let mut list = Fields(body.counted(3)?);
    let mut lengths = Vec::new();
    while let Some(certificate) = list.counted(3) {
        lengths.push(certificate.len());
        list.counted(2)?;
    }
    let bytes: usize = lengths.iter().sum();
    Some(match lengths.len() {
        1 => format!("{bytes} bytes"),
        count => format!("{count} certificates, {bytes} bytes"),
    })
}

fn alpn(mut extension: Fields<'_>) -> Option<String> {
    let mut list = Fields(extension.counted(2)?);
    let mut names = Vec::new();
    while let Some(name) = list.counted(1) {
        names.push(text(name));
    }
    Some(format!("ALPN {}", names.join(" ")))
}

fn group_name(group: u16) -> String {
    // RFC 8701: values that mean nothing, so that peers stay used to that.
    match (group & 0x0f0f == 0x0a0a, NamedGroup::from(group)) {
        (true, _) => "grease".into(),
        (_, NamedGroup::Unknown(group)) => format!("group {group:#06x}"),
        (_, group) => format!("{group:?}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}

/// Fields one after another.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes a field whose length stands before it, in so many bytes.
    fn counted(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let length = self.take(length_bytes)?;
        let length = length
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        self.take(length)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn extension(&mut self) -> Option<(u16, Self)> {
        Some((self.number()?, Self(self.counted(2)?)))
    }
}
