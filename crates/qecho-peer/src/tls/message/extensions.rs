//! What stands in extensions (RFC 8446 §4.2).

use qecho_packet::wire::{Malformed, Reader};

use super::writing::{numbers_into, vector};

/// The number of TLS 1.3 in supported_versions (RFC 8446 §4.2.1).
pub(in crate::tls) const TLS_1_3: u16 = 0x0304;
/// The number that legacy_version has in TLS 1.3 (RFC 8446 §4.1.2).
pub(in crate::tls) const LEGACY_VERSION: u16 = 0x0303;
/// psk_dhe_ke: a pre-shared key with a key exchange (RFC 8446 §4.2.9).
pub(in crate::tls) const PSK_DHE_KE: u8 = 1;
/// The only max_early_data_size of QUIC (RFC 9001 §4.6.1).
pub(in crate::tls) const EARLY_DATA_ALLOWED: u32 = 0xffff_ffff;

/// What a client has of an earlier connection (RFC 8446 §4.2.11).
pub(in crate::tls) struct OfferedKeys {
    /// Tickets, each with its obfuscated age in milliseconds.
    pub(in crate::tls) identities: Vec<(Vec<u8>, u32)>,
    pub(in crate::tls) binders: Vec<Vec<u8>>,
}

/// Reads an extension that is a list; its length has so many bytes.
fn list<'a, T>(
    content: &'a [u8],
    length_bytes: usize,
    read: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    whole(content, |reader| {
        items(&mut Reader::new(reader.vector(length_bytes, "list")?), read)
    })
}

/// Reads the list of numbers in an extension; its length has so many bytes.
pub(in crate::tls) fn numbers(content: &[u8], length_bytes: usize) -> Result<Vec<u16>, Malformed> {
    list(content, length_bytes, |list| {
        Ok(list.number(2, "number")? as u16)
    })
}

/// Reads an extension that is one number of two bytes.
pub(in crate::tls) fn number(content: &[u8]) -> Result<u16, Malformed> {
    whole(content, |reader| Ok(reader.number(2, "number")? as u16))
}

/// Reads early_data of a NewSessionTicket.
pub(in crate::tls) fn max_early_data_size(content: &[u8]) -> Result<u32, Malformed> {
    whole(content, |reader| {
        Ok(reader.number(4, "max_early_data_size")? as u32)
    })
}

/// Reads the group and key of each share of a client.
pub(in crate::tls) fn client_shares(content: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, Malformed> {
    list(content, 2, share)
}

/// Reads the group and key of a server's share.
pub(in crate::tls) fn server_share(content: &[u8]) -> Result<(u16, Vec<u8>), Malformed> {
    whole(content, share)
}

fn share(reader: &mut Reader<'_>) -> Result<(u16, Vec<u8>), Malformed> {
    let group = reader.number(2, "group")? as u16;
    Ok((group, reader.vector(2, "key share")?.to_vec()))
}

/// Reads a cookie.
pub(in crate::tls) fn cookie(content: &[u8]) -> Result<Vec<u8>, Malformed> {
    whole(content, |reader| Ok(reader.vector(2, "cookie")?.to_vec()))
}

/// Reads pre_shared_key of a ClientHello.
pub(in crate::tls) fn offered_keys(content: &[u8]) -> Result<OfferedKeys, Malformed> {
    whole(content, |reader| {
        let mut list = Reader::new(reader.vector(2, "identities")?);
        let identities = items(&mut list, |list| {
            let identity = list.vector(2, "identity")?.to_vec();
            Ok((identity, list.number(4, "ticket age")? as u32))
        })?;
        let mut list = Reader::new(reader.vector(2, "binders")?);
        let binders = items(&mut list, |list| Ok(list.vector(1, "binder")?.to_vec()))?;
        Ok(OfferedKeys {
            identities,
            binders,
        })
    })
}

/// Reads a list of bytes, such as psk_key_exchange_modes.
pub(in crate::tls) fn bytes(content: &[u8]) -> Result<Vec<u8>, Malformed> {
    whole(content, |reader| Ok(reader.vector(1, "bytes")?.to_vec()))
}

/// Reads the names of an ALPN extension.
pub(in crate::tls) fn protocol_names(content: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    list(content, 2, |list| {
        Ok(list.vector(1, "protocol name")?.to_vec())
    })
}

/// Reads the host name among the names of a client's server_name.
pub(in crate::tls) fn host_name(content: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    const HOST_NAME: u8 = 0;
    let mut list = Reader::new(Reader::new(content).vector(2, "server names")?);
    while !list.is_empty() {
        let kind = list.byte("name type")?;
        let name = list.vector(2, "server name")?;
        if kind == HOST_NAME {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Reads something after which there must be nothing.
pub(super) fn whole<'a, T>(
    content: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let mut reader = Reader::new(content);
    let value = read(&mut reader)?;
    if reader.is_empty() {
        Ok(value)
    } else {
        Err(reader.malformed("end"))
    }
}

/// Reads a list to its end.
pub(super) fn items<'a, T>(
    list: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut items = Vec::new();
    while !list.is_empty() {
        items.push(read(list)?);
    }
    Ok(items)
}

/// Writes a list of numbers; its length has so many bytes.
pub(in crate::tls) fn write_numbers(numbers: &[u16], length_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    vector(&mut out, length_bytes, |out| numbers_into(out, numbers));
    out
}

/// Writes a share, as a server does.
pub(in crate::tls) fn write_share(group: u16, key: &[u8]) -> Vec<u8> {
    let mut out = group.to_be_bytes().to_vec();
    vector(&mut out, 2, |out| out.extend_from_slice(key));
    out
}

/// Writes bytes with their length, which has so many bytes, before them.
pub(in crate::tls) fn write_vector(bytes: &[u8], length_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    vector(&mut out, length_bytes, |out| out.extend_from_slice(bytes));
    out
}

/// Writes an ALPN extension.
pub(in crate::tls) fn write_protocol_names(names: &[Vec<u8>]) -> Vec<u8> {
    let names: Vec<_> = names.iter().map(|name| write_vector(name, 1)).collect();
    write_vector(&names.concat(), 2)
}

/// Writes server_name with one host name.
pub(in crate::tls) fn write_host_name(name: &str) -> Vec<u8> {
    let name = [vec![0], write_vector(name.as_bytes(), 2)].concat();
    write_vector(&name, 2)
}
