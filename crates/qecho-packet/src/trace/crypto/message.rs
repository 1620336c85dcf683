//! One TLS handshake message, in words.

use rustls::{CipherSuite, NamedGroup};

use super::TlsMessage;
use crate::{
    TransportParameters,
    wire::{
        Malformed, Reader,
        tls::{self, Extensions, HEADER_LENGTH},
    },
};

const SERVER_HELLO: u8 = 2;
const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;

const SERVER_NAME: u16 = 0;
const EARLY_DATA: u16 = 42;
const KEY_SHARE: u16 = 51;
const TRANSPORT_PARAMETERS: u16 = 57;

/// The random of a ServerHello that asks for another key share
/// (RFC 8446 §4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Tells of a message that has only begun.
pub(super) fn incomplete(message: &[u8]) -> TlsMessage {
    TlsMessage {
        name: name(message),
        complete: false,
        detail: String::new(),
    }
}

/// Tells of a message that is all there.
pub(super) fn complete(message: &[u8], parameters: &mut Option<TransportParameters>) -> TlsMessage {
    let body = Reader::new(&message[HEADER_LENGTH..]);
    let detail = match message[0] {
        tls::CLIENT_HELLO => client_hello(&message[HEADER_LENGTH..], parameters),
        SERVER_HELLO => server_hello(body),
        ENCRYPTED_EXTENSIONS => encrypted_extensions(body, parameters),
        CERTIFICATE => certificate(body),
        _ => Ok(String::new()),
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
    message.get(HEADER_LENGTH + 2..HEADER_LENGTH + 34) == Some(&RETRY_RANDOM)
}

fn client_hello(
    body: &[u8],
    parameters: &mut Option<TransportParameters>,
) -> Result<String, Malformed> {
    let mut words = Vec::new();
    for (id, extension) in tls::client_hello_extensions(body)?.map_while(Result::ok) {
        let mut reader = Reader::new(extension);
        match id {
            SERVER_NAME => {
                let mut names = Reader::new(reader.vector(2, "server names")?);
                names.take(1, "name type")?;
                words.push(format!("for {}", text(names.vector(2, "server name")?)));
            }
            tls::ALPN => words.push(alpn(extension)?),
            EARLY_DATA => words.push("with early data".into()),
            KEY_SHARE => {
                let mut shares = Reader::new(reader.vector(2, "key shares")?);
                let mut groups = Vec::new();
                while let Ok(group) = shares.number(2, "group") {
                    groups.push(group_name(group));
                    shares.vector(2, "key share")?;
                }
                words.push(groups.join(" + "));
            }
            TRANSPORT_PARAMETERS => *parameters = Some(TransportParameters::parse(extension)),
            _ => {}
        }
    }
    Ok(words.join(", "))
}

fn server_hello(mut body: Reader<'_>) -> Result<String, Malformed> {
    body.take(34, "version and random")?;
    body.vector(1, "session ID")?;
    let suite = CipherSuite::from(body.number(2, "cipher suite")? as u16);
    let mut words = vec![format!("{suite:?}").replacen("TLS13_", "TLS_", 1)];
    body.take(1, "compression method")?;
    for (id, extension) in Extensions::read(&mut body)?.map_while(Result::ok) {
        if id == KEY_SHARE {
            words.push(group_name(Reader::new(extension).number(2, "group")?));
        }
    }
    Ok(words.join(", "))
}

fn encrypted_extensions(
    mut body: Reader<'_>,
    parameters: &mut Option<TransportParameters>,
) -> Result<String, Malformed> {
    let mut words = Vec::new();
    for (id, extension) in Extensions::read(&mut body)?.map_while(Result::ok) {
        match id {
            tls::ALPN => words.push(alpn(extension)?),
            EARLY_DATA => words.push("early data accepted".into()),
            TRANSPORT_PARAMETERS => *parameters = Some(TransportParameters::parse(extension)),
            _ => {}
        }
    }
    Ok(words.join(", "))
}

fn certificate(mut body: Reader<'_>) -> Result<String, Malformed> {
    body.vector(1, "request context")?;
    let mut list = Reader::new(body.vector(3, "certificates")?);
    let mut lengths = Vec::new();
    while let Ok(certificate) = list.vector(3, "certificate") {
        lengths.push(certificate.len());
        list.vector(2, "extensions")?;
    }
    let bytes: usize = lengths.iter().sum();
    Ok(match lengths.len() {
        1 => format!("{bytes} bytes"),
        count => format!("{count} certificates, {bytes} bytes"),
    })
}

fn alpn(extension: &[u8]) -> Result<String, Malformed> {
    let names = tls::protocol_names(extension)?.map_while(Result::ok);
    let names: Vec<_> = names.map(text).collect();
    Ok(format!("ALPN {}", names.join(" ")))
}

fn group_name(group: u64) -> String {
    let group = group as u16;
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
