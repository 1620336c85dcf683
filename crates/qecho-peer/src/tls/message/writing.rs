//! Messages into bytes, whatever is in them.

use super::{ClientHello, Extension, Message, ServerHello, kind};

impl Message {
    /// Returns the whole message, with its type and length; nothing of `None`.
    ///
    /// Where something is too long for its length, the length has its low bytes.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self {
            Self::ClientHello(_) => kind::CLIENT_HELLO,
            Self::ServerHello(_) => kind::SERVER_HELLO,
            Self::EncryptedExtensions(_) => kind::ENCRYPTED_EXTENSIONS,
            Self::CertificateRequest(_) => kind::CERTIFICATE_REQUEST,
            Self::Certificate(_) => kind::CERTIFICATE,
            Self::CertificateVerify(_) => kind::CERTIFICATE_VERIFY,
            Self::Finished(_) => kind::FINISHED,
            Self::NewSessionTicket(_) => kind::NEW_SESSION_TICKET,
            Self::KeyUpdate(_) => kind::KEY_UPDATE,
            Self::EndOfEarlyData => kind::END_OF_EARLY_DATA,
            Self::Raw { kind, .. } => *kind,
            Self::None => return Vec::new(),
        };
        let mut out = vec![kind];
        vector(&mut out, 3, |out| self.write_body(out));
        out
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::ClientHello(hello) => client_hello(out, hello),
            Self::ServerHello(hello) => server_hello(out, hello),
            Self::EncryptedExtensions(list) => extensions(out, list),
            Self::CertificateRequest(request) => {
                vector(out, 1, |out| out.extend_from_slice(&request.context));
                extensions(out, &request.extensions);
            }
            Self::Certificate(certificate) => {
                vector(out, 1, |out| out.extend_from_slice(&certificate.context));
                vector(out, 3, |out| {
                    for (der, list) in &certificate.entries {
                        vector(out, 3, |out| out.extend_from_slice(der));
                        extensions(out, list);
                    }
                });
            }
            Self::CertificateVerify(verify) => {
                out.extend(verify.scheme.to_be_bytes());
                vector(out, 2, |out| out.extend_from_slice(&verify.signature));
            }
            Self::NewSessionTicket(ticket) => {
                out.extend(ticket.lifetime.to_be_bytes());
                out.extend(ticket.age_add.to_be_bytes());
                vector(out, 1, |out| out.extend_from_slice(&ticket.nonce));
                vector(out, 2, |out| out.extend_from_slice(&ticket.ticket));
                extensions(out, &ticket.extensions);
            }
            Self::Finished(body) | Self::Raw { body, .. } => out.extend_from_slice(body),
            Self::KeyUpdate(request) => out.push(*request),
            Self::EndOfEarlyData | Self::None => {}
        }
    }
}

fn client_hello(out: &mut Vec<u8>, hello: &ClientHello) {
    out.extend(hello.legacy_version.to_be_bytes());
    out.extend(hello.random);
    vector(out, 1, |out| out.extend_from_slice(&hello.session_id));
    vector(out, 2, |out| numbers_into(out, &hello.suites));
    vector(out, 1, |out| out.extend_from_slice(&hello.compression));
    extensions(out, &hello.extensions);
}

fn server_hello(out: &mut Vec<u8>, hello: &ServerHello) {
    out.extend(hello.legacy_version.to_be_bytes());
    out.extend(hello.random);
    vector(out, 1, |out| out.extend_from_slice(&hello.session_id));
    out.extend(hello.suite.to_be_bytes());
    out.push(hello.compression);
    extensions(out, &hello.extensions);
}

fn extensions(out: &mut Vec<u8>, list: &[Extension]) {
    vector(out, 2, |out| {
        for (kind, content) in list {
            out.extend(kind.to_be_bytes());
            vector(out, 2, |out| out.extend_from_slice(content));
        }
    });
}

pub(super) fn numbers_into(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

/// Writes a vector: its length in so many bytes, then what is in it (RFC 8446 §3.4).
pub(in crate::tls) fn vector(
    out: &mut Vec<u8>,
    length_bytes: usize,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.resize(start + length_bytes, 0);
    write(out);
    let length = (out.len() - start - length_bytes) as u64;
    let low = &length.to_be_bytes()[8 - length_bytes..];
    out[start..start + length_bytes].copy_from_slice(low);
}
