//! Messages, and what stands in their extensions, as they are on the wire (RFC 8446 §4).

use super::{
    Extension, Message,
    codec::{Codec, Coded, decode, encode},
};
use crate::wire::{reader::Malformed, tls::HEADER_LENGTH};

/// Bytes of the longest session ID (RFC 8446 §4.1.2).
const SESSION_ID_LENGTH_MAX: usize = 32;

impl Message {
    /// Reads a whole message, with its type and length; one of an unknown type is `Raw`.
    ///
    /// # Errors
    /// If it is not as RFC 8446 §4 has it, or if something follows.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        decode(bytes, |codec, message: &mut Self| {
            let mut kind = 0;
            codec.byte(&mut kind, "type")?;
            *message = Self::of_kind(kind);
            codec.vector(HEADER_LENGTH - 1, "message", |codec| message.code(codec))
        })
    }

    /// Returns the whole message, with its type and length; nothing of `None`.
    ///
    /// If something is too long for its length, the length has its low bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Some(mut kind) = self.kind() else {
            return Vec::new();
        };
        encode(self.clone(), |codec, message| {
            codec.byte(&mut kind, "type")?;
            codec.vector(HEADER_LENGTH - 1, "message", |codec| message.code(codec))
        })
    }

    fn code(&mut self, codec: &mut Codec<'_>) -> Coded {
        match self {
            Self::ClientHello(hello) => {
                codec.short(&mut hello.legacy_version, "version")?;
                codec.array(&mut hello.random, "random")?;
                session_id(codec, &mut hello.session_id)?;
                list_of_shorts(2)(codec, &mut hello.suites)?;
                codec.demand(!hello.suites.is_empty(), "cipher suites")?;
                filled(1, "compression methods")(codec, &mut hello.compression)?;
                hello_extensions(codec, &mut hello.extensions)
            }
            Self::ServerHello(hello) => {
                codec.short(&mut hello.legacy_version, "version")?;
                codec.array(&mut hello.random, "random")?;
                session_id(codec, &mut hello.session_id)?;
                codec.short(&mut hello.suite, "cipher suite")?;
                codec.byte(&mut hello.compression, "compression method")?;
                hello_extensions(codec, &mut hello.extensions)
            }
            Self::EncryptedExtensions(list) => extensions(codec, list),
            Self::CertificateRequest(request) => {
                codec.bytes(1, &mut request.context, "context")?;
                extensions(codec, &mut request.extensions)
            }
            Self::Certificate(certificate) => {
                codec.bytes(1, &mut certificate.context, "context")?;
                codec.list(
                    3,
                    &mut certificate.entries,
                    "certificates",
                    |codec, entry| {
                        filled(3, "certificate")(codec, &mut entry.0)?;
                        extensions(codec, &mut entry.1)
                    },
                )
            }
            Self::CertificateVerify(verify) => {
                codec.short(&mut verify.scheme, "signature scheme")?;
                codec.bytes(2, &mut verify.signature, "signature")
            }
            Self::NewSessionTicket(ticket) => {
                codec.long(&mut ticket.lifetime, "lifetime")?;
                codec.long(&mut ticket.age_add, "age")?;
                codec.bytes(1, &mut ticket.nonce, "nonce")?;
                filled(2, "ticket")(codec, &mut ticket.ticket)?;
                extensions(codec, &mut ticket.extensions)
            }
            Self::Finished(body) | Self::Raw { body, .. } => codec.rest(body),
            Self::KeyUpdate(request) => codec.byte(request, "request_update"),
            Self::EndOfEarlyData | Self::None => Ok(()),
        }
    }
}

fn session_id(codec: &mut Codec<'_>, id: &mut Vec<u8>) -> Coded {
    codec.bytes(1, id, "session ID")?;
    codec.demand(id.len() <= SESSION_ID_LENGTH_MAX, "session ID")
}

/// Bytes that must not be none.
fn filled(length: usize, name: &'static str) -> impl Fn(&mut Codec<'_>, &mut Vec<u8>) -> Coded {
    move |codec, bytes| {
        codec.bytes(length, bytes, name)?;
        codec.demand(!bytes.is_empty(), name)
    }
}

/// Hellos of TLS 1.2 may end without extensions.
fn hello_extensions(codec: &mut Codec<'_>, list: &mut Vec<Extension>) -> Coded {
    match codec.is_done() {
        true => Ok(()),
        false => extensions(codec, list),
    }
}

fn extensions(codec: &mut Codec<'_>, list: &mut Vec<Extension>) -> Coded {
    codec.list(2, list, "extensions", |codec, (kind, content)| {
        codec.short(kind, "extension type")?;
        codec.bytes(2, content, "extension")
    })
}

/// An extension that is one number of two bytes.
///
/// # Errors
/// If it is not there.
pub fn short(codec: &mut Codec<'_>, value: &mut u16) -> Coded {
    codec.short(value, "number")
}

/// early_data of a NewSessionTicket (RFC 8446 §4.2.10).
///
/// # Errors
/// If it is not there.
pub fn max_early_data_size(codec: &mut Codec<'_>, size: &mut u32) -> Coded {
    codec.long(size, "max_early_data_size")
}

/// A list of numbers, with its length in so many bytes.
pub fn list_of_shorts(length_bytes: usize) -> impl Fn(&mut Codec<'_>, &mut Vec<u16>) -> Coded {
    move |codec, list| codec.list(length_bytes, list, "list", short)
}

/// Bytes with their length in so many bytes, such as a cookie or psk_key_exchange_modes.
pub fn bytes(length_bytes: usize) -> impl Fn(&mut Codec<'_>, &mut Vec<u8>) -> Coded {
    move |codec, bytes| codec.bytes(length_bytes, bytes, "bytes")
}

/// The group and the key of a share (RFC 8446 §4.2.8).
pub type Share = (u16, Vec<u8>);

/// The share of a server.
///
/// # Errors
/// If it is cut.
pub fn share(codec: &mut Codec<'_>, (group, key): &mut Share) -> Coded {
    codec.short(group, "group")?;
    codec.bytes(2, key, "key share")
}

/// The shares of a client.
///
/// # Errors
/// If one is cut.
pub fn shares(codec: &mut Codec<'_>, shares: &mut Vec<Share>) -> Coded {
    codec.list(2, shares, "shares", share)
}

/// The names of an ALPN extension (RFC 7301 §3.1).
///
/// # Errors
/// If one is cut.
pub fn protocol_names(codec: &mut Codec<'_>, names: &mut Vec<Vec<u8>>) -> Coded {
    codec.list(2, names, "protocol names", |codec, name| {
        codec.bytes(1, name, "protocol name")
    })
}

/// The types and names of a client's server_name, of which type 0 is a host name (RFC 6066 §3).
///
/// # Errors
/// If one is cut.
pub fn server_names(codec: &mut Codec<'_>, names: &mut Vec<(u8, Vec<u8>)>) -> Coded {
    codec.list(2, names, "server names", |codec, (kind, name)| {
        codec.byte(kind, "name type")?;
        codec.bytes(2, name, "server name")
    })
}

/// Keys that a client has of earlier connections: pre_shared_key (RFC 8446 §4.2.11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferedKeys {
    /// Tickets, each with its obfuscated age in milliseconds.
    pub identities: Vec<(Vec<u8>, u32)>,
    /// A binder for each.
    pub binders: Vec<Vec<u8>>,
}

/// The keys that a client offers.
///
/// # Errors
/// If one is cut.
pub fn offered_keys(codec: &mut Codec<'_>, offered: &mut OfferedKeys) -> Coded {
    codec.list(2, &mut offered.identities, "identities", |codec, one| {
        codec.bytes(2, &mut one.0, "identity")?;
        codec.long(&mut one.1, "ticket age")
    })?;
    binders(codec, &mut offered.binders)
}

/// The binders of the keys that a client offers, alone.
///
/// # Errors
/// If one is cut.
pub fn binders(codec: &mut Codec<'_>, binders: &mut Vec<Vec<u8>>) -> Coded {
    codec.list(2, binders, "binders", |codec, binder| {
        codec.bytes(1, binder, "binder")
    })
}
