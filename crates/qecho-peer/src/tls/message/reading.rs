//! Messages out of bytes that nobody trusts.

use qecho_packet::wire::{Malformed, Reader, tls::HEADER_LENGTH};

use super::{
    Certificate, CertificateRequest, CertificateVerify, ClientHello, Extension, Message,
    NewSessionTicket, ServerHello,
    extensions::{items, whole},
    kind,
};

/// Bytes of the longest session ID (RFC 8446 §4.1.2).
const SESSION_ID_LENGTH_MAX: usize = 32;

impl Message {
    /// Reads a whole message, with its type and length; one of an unknown type is `Raw`.
    ///
    /// # Errors
    /// If it is not as RFC 8446 §4 has it, or if something follows.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let message_kind = reader.byte("type")?;
        let body = reader.vector(HEADER_LENGTH - 1, "message")?;
        if !reader.is_empty() {
            return Err(reader.malformed("end of the message"));
        }
        whole(body, |body| {
            Ok(match message_kind {
                kind::CLIENT_HELLO => Self::ClientHello(client_hello(body)?),
                kind::SERVER_HELLO => Self::ServerHello(server_hello(body)?),
                kind::NEW_SESSION_TICKET => Self::NewSessionTicket(new_session_ticket(body)?),
                kind::END_OF_EARLY_DATA => Self::EndOfEarlyData,
                kind::ENCRYPTED_EXTENSIONS => Self::EncryptedExtensions(extensions(body)?),
                kind::CERTIFICATE => Self::Certificate(certificate(body)?),
                kind::CERTIFICATE_REQUEST => Self::CertificateRequest(CertificateRequest {
                    context: body.vector(1, "context")?.to_vec(),
                    extensions: extensions(body)?,
                }),
                kind::CERTIFICATE_VERIFY => Self::CertificateVerify(CertificateVerify {
                    scheme: body.number(2, "signature scheme")? as u16,
                    signature: body.vector(2, "signature")?.to_vec(),
                }),
                kind::FINISHED => Self::Finished(body.take_rest().to_vec()),
                kind::KEY_UPDATE => Self::KeyUpdate(body.byte("request_update")?),
                _ => Self::Raw {
                    kind: message_kind,
                    body: body.take_rest().to_vec(),
                },
            })
        })
    }
}

fn client_hello(body: &mut Reader<'_>) -> Result<ClientHello, Malformed> {
    let legacy_version = body.number(2, "version")? as u16;
    let random = body.array("random")?;
    let session_id = session_id(body)?;
    let mut suites = Reader::new(not_empty(body, 2, "cipher suites")?);
    Ok(ClientHello {
        legacy_version,
        random,
        session_id,
        suites: items(&mut suites, |list| {
            Ok(list.number(2, "cipher suite")? as u16)
        })?,
        compression: not_empty(body, 1, "compression methods")?.to_vec(),
        extensions: hello_extensions(body)?,
    })
}

fn server_hello(body: &mut Reader<'_>) -> Result<ServerHello, Malformed> {
    Ok(ServerHello {
        legacy_version: body.number(2, "version")? as u16,
        random: body.array("random")?,
        session_id: session_id(body)?,
        suite: body.number(2, "cipher suite")? as u16,
        compression: body.byte("compression method")?,
        extensions: hello_extensions(body)?,
    })
}

fn session_id(body: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let session_id = body.vector(1, "session ID")?;
    if session_id.len() > SESSION_ID_LENGTH_MAX {
        return Err(body.malformed("session ID"));
    }
    Ok(session_id.to_vec())
}

fn certificate(body: &mut Reader<'_>) -> Result<Certificate, Malformed> {
    let context = body.vector(1, "context")?.to_vec();
    let mut list = Reader::new(body.vector(3, "certificates")?);
    let entries = items(&mut list, |list| {
        let certificate = not_empty(list, 3, "certificate")?.to_vec();
        Ok((certificate, extensions(list)?))
    })?;
    Ok(Certificate { context, entries })
}

fn new_session_ticket(body: &mut Reader<'_>) -> Result<NewSessionTicket, Malformed> {
    Ok(NewSessionTicket {
        lifetime: body.number(4, "lifetime")? as u32,
        age_add: body.number(4, "age")? as u32,
        nonce: body.vector(1, "nonce")?.to_vec(),
        ticket: not_empty(body, 2, "ticket")?.to_vec(),
        extensions: extensions(body)?,
    })
}

/// Hellos of TLS 1.2 may end without extensions.
fn hello_extensions(body: &mut Reader<'_>) -> Result<Vec<Extension>, Malformed> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    extensions(body)
}

fn extensions(body: &mut Reader<'_>) -> Result<Vec<Extension>, Malformed> {
    let mut list = Reader::new(body.vector(2, "extensions")?);
    items(&mut list, |list| {
        let kind = list.number(2, "extension type")? as u16;
        Ok((kind, list.vector(2, "extension")?.to_vec()))
    })
}

fn not_empty<'a>(
    reader: &mut Reader<'a>,
    length_bytes: usize,
    name: &'static str,
) -> Result<&'a [u8], Malformed> {
    let taken = reader.vector(length_bytes, name)?;
    if taken.is_empty() {
        return Err(reader.malformed(name));
    }
    Ok(taken)
}
