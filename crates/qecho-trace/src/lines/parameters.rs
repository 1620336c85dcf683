//! Transport parameters by name, with values in human terms (RFC 9000 §18.2).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use qecho_packet::{
    TransportParameters,
    text::{counted, grouped},
};

use super::{
    names,
    number::{hex, hex_or_empty},
};

/// Parameters that are shown; a sane endpoint sends twenty.
const SHOWN_MAX: usize = 64;

/// Returns the names and values of what an endpoint sent, in its order.
pub(crate) fn named(parameters: &TransportParameters) -> Vec<(String, String)> {
    let mut named: Vec<_> = parameters
        .iter()
        .take(SHOWN_MAX)
        .map(|(id, bytes)| (name(id), value(id, bytes, parameters)))
        .collect();
    let left_out = parameters.iter().count() - named.len();
    if left_out > 0 {
        named.push(("…".into(), format!("and {}", counted(left_out, "other"))));
    }
    named
}

fn name(id: u64) -> String {
    match TransportParameters::name(id) {
        Some(name) => name.into(),
        // RFC 9000 §18.1: reserved, so that endpoints learn to ignore.
        None if id % 31 == 27 => format!("{id:#x} (grease)"),
        None => format!("{id:#x} (unknown)"),
    }
}

fn value(id: u64, bytes: &[u8], parameters: &TransportParameters) -> String {
    let known = match id {
        0x00 | 0x0f | 0x10 => Some(hex_or_empty(bytes)),
        0x02 => Some(hex(bytes)),
        0x0c | 0x2ab2 if bytes.is_empty() => Some("yes".into()),
        0x0d => preferred_address(bytes),
        0x11 => versions(bytes),
        TransportParameters::QECHO if parameters.counts_ecn() => {
            Some("version 1, counts ECN marks".into())
        }
        _ => integer(id, bytes, parameters).and_then(|value| with_unit(id, value)),
    };
    known.unwrap_or_else(|| match bytes {
        [] => "0 bytes".into(),
        _ => format!("{} {}", counted(bytes.len(), "byte"), hex(bytes)),
    })
}

/// Reads a parameter that is an integer and nothing more.
fn integer(id: u64, bytes: &[u8], parameters: &TransportParameters) -> Option<u64> {
    let length = 1 << (bytes.first()? >> 6);
    (bytes.len() == length).then(|| parameters.integer(id))?
}

fn with_unit(id: u64, value: u64) -> Option<String> {
    Some(match id {
        0x01 if value == 0 => "none".into(),
        0x01 | 0x0b => format!("{} ms", grouped(value)),
        0x03..=0x07 | 0x20 => counted(value, "byte"),
        0x08 | 0x09 => counted(value, "stream"),
        0x0a if value <= 20 => {
            format!("{value}, delays in units of {} µs", grouped(1_u64 << value))
        }
        0x0a | 0x0e => grouped(value),
        0x3127 | 0xff04_de1b => format!("{} µs", grouped(value)),
        _ => return None,
    })
}

/// RFC 9000 §18.2: addresses, then a connection ID and its reset token.
fn preferred_address(bytes: &[u8]) -> Option<String> {
    let (v4, rest) = bytes.split_first_chunk::<4>()?;
    let (v4_port, rest) = rest.split_first_chunk::<2>()?;
    let (v6, rest) = rest.split_first_chunk::<16>()?;
    let (v6_port, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first()?;
    let (id, token) = rest.split_at_checked(usize::from(*length))?;
    let v4 = SocketAddr::from((Ipv4Addr::from(*v4), u16::from_be_bytes(*v4_port)));
    let v6 = SocketAddr::from((Ipv6Addr::from(*v6), u16::from_be_bytes(*v6_port)));
    (token.len() == 16).then(|| {
        format!(
            "{v4}, {v6}, connection ID {}, stateless reset token {}",
            hex_or_empty(id),
            hex(token)
        )
    })
}

/// RFC 9368 §3: the version that was chosen, then those that are available.
fn versions(bytes: &[u8]) -> Option<String> {
    let (versions, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let (chosen, available) = versions.split_first()?;
    let name = |bytes: &[u8; 4]| names::version(u32::from_be_bytes(*bytes));
    let shown: Vec<_> = available.iter().take(SHOWN_MAX).map(name).collect();
    Some(format!(
        "chosen {}, available {}",
        name(chosen),
        shown.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(id: u64, bytes: &[u8]) -> String {
        let mut encoded = (id | 0xc000_0000_0000_0000).to_be_bytes().to_vec();
        encoded.push(bytes.len() as u8);
        encoded.extend_from_slice(bytes);
        let parameters = TransportParameters::parse(&encoded);
        let named = named(&parameters);
        let [(name, value)] = named.as_slice() else {
            panic!("{named:?}");
        };
        format!("{name}: {value}")
    }

    #[test]
    fn parameters_are_told_in_human_terms() {
        let mut preferred = vec![192, 0, 2, 1, 0x11, 0x51];
        preferred.extend([0; 15]);
        preferred.extend([1, 0x11, 0x51, 2, 0xab, 0xcd]);
        preferred.extend([9; 16]);
        let cases: [(u64, &[u8], &str); 18] = [
            (0x00, &[1, 2], "original_destination_connection_id: 0102"),
            (0x01, &[0x80, 0, 0x75, 0x30], "max_idle_timeout: 30,000 ms"),
            (0x01, &[0], "max_idle_timeout: none"),
            (
                0x02,
                &[7; 16],
                "stateless_reset_token: 07070707070707070707070707070707",
            ),
            (
                0x04,
                &[0x80, 0x10, 0, 0],
                "initial_max_data: 1,048,576 bytes",
            ),
            (0x08, &[1], "initial_max_streams_bidi: 1 stream"),
            (0x0a, &[3], "ack_delay_exponent: 3, delays in units of 8 µs"),
            (0x0c, &[], "disable_active_migration: yes"),
            (
                0x0d,
                &preferred,
                "preferred_address: 192.0.2.1:4433, [::1]:4433, connection ID abcd, stateless reset token 09090909090909090909090909090909",
            ),
            (0x0f, &[], "initial_source_connection_id: (empty)"),
            (
                0x11,
                &[0, 0, 0, 1, 0, 0, 0, 1, 0x1a, 0x2a, 0x3a, 0x4a],
                "version_information: chosen 1, available 1, 0x1a2a3a4a (grease)",
            ),
            (
                0x20,
                &[0x80, 0, 0xff, 0xff],
                "max_datagram_frame_size: 65,535 bytes",
            ),
            (0x2ab2, &[], "grease_quic_bit: yes"),
            (0xff04_de1b, &[0x43, 0xe8], "min_ack_delay: 1,000 µs"),
            (
                0x71_6563_686f,
                &[1, 1],
                "qecho: version 1, counts ECN marks",
            ),
            (0x1b, &[1], "0x1b (grease): 1 byte 01"),
            (0x2a, &[1, 2, 3, 4], "0x2a (unknown): 4 bytes 01020304"),
            // No integer is three bytes long.
            (0x04, &[1, 2, 3], "initial_max_data: 3 bytes 010203"),
        ];
        for (id, bytes, expected) in cases {
            assert_eq!(shown(id, bytes), expected);
        }
    }

    #[test]
    fn a_flood_of_parameters_is_cut() {
        let parameters = TransportParameters::parse(&[0x40, 0x2a, 0].repeat(500));
        let named = named(&parameters);
        assert_eq!(named.len(), SHOWN_MAX + 1);
        assert_eq!(named[SHOWN_MAX].1, "and 436 others");
    }
}
