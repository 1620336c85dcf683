//! Reads the peer's transport parameters (RFC 9000 §18), and says which one is illegal and
//! why: quinn-proto does not name it. Integers that take more bytes than they need are legal
//! (§16), but quinn-proto calls them malformed.

use qecho_packet::{TransportParameters as Parameters, wire::whole_integer};
use quinn_proto::{Side, TransportError, transport_parameters::TransportParameters};

/// What RFC 9000 §4.6 allows of streams.
const STREAMS_MAX: u64 = 1 << 60;

/// Form of a parameter's value.
enum Form {
    Integer { least: u64, most: u64 },
    ConnectionId,
    Bytes(usize),
}

/// Reads the parameters of the peer of `side`.
///
/// # Errors
/// The error to close the connection with, whose words name the parameter.
pub(super) fn read(side: Side, bytes: &[u8]) -> Result<TransportParameters, TransportError> {
    TransportParameters::read(side, &mut &bytes[..]).or_else(|error| {
        if let Some(reason) = words(side, bytes) {
            return Err(TransportError {
                reason,
                ..error.into()
            });
        }
        Ok(TransportParameters::read(side, &mut &minimal(bytes)[..])?)
    })
}

/// Writes all integers in as few bytes as they need.
fn minimal(bytes: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    let (parameters, rest) = Parameters::parse_with_rest(bytes);
    for (id, value) in parameters.iter() {
        let integer = match form(id) {
            Some(Form::Integer { .. }) => whole_integer(value),
            _ => None,
        };
        let value = integer.map_or_else(|| value.to_vec(), encoded);
        written.extend(encoded(id));
        written.extend(encoded(value.len() as u64));
        written.extend(value);
    }
    // What is cut stays so.
    written.extend(rest);
    written
}

/// Returns words for the first illegal parameter of the peer of `side`, if there is one.
fn words(side: Side, bytes: &[u8]) -> Option<String> {
    let mut known = Vec::new();
    let mut delays = (None, 25);
    let (parameters, rest) = Parameters::parse_with_rest(bytes);
    for (id, value) in parameters.iter() {
        let Some(name) = Parameters::name(id) else {
            continue;
        };
        if known.contains(&id) {
            return Some(format!("{name} is there twice"));
        }
        known.push(id);
        if let Some(words) = form(id).and_then(|form| misfit(&form, value)) {
            return Some(format!("{name} {words}"));
        }
        let is_of_a_server = matches!(id, 0x00 | 0x02 | 0x0d | 0x10);
        if is_of_a_server && side.is_server() {
            return Some(format!("{name} was sent by a client"));
        }
        match id {
            0x0b => delays.1 = whole_integer(value)?,
            0xff04_de1b => delays.0 = whole_integer(value),
            // Two addresses with ports, and the length of the connection ID.
            0x0d if value.get(4 + 2 + 16 + 2) == Some(&0) => {
                return Some(format!("{name} has no connection ID"));
            }
            _ => {}
        }
    }
    if !rest.is_empty() {
        return Some(format!("the last {} bytes are no parameter", rest.len()));
    }
    let (least_us, most_ms) = (delays.0?, delays.1);
    (least_us > most_ms * 1_000)
        .then(|| format!("min_ack_delay is {least_us} µs, more than max_ack_delay, {most_ms} ms"))
}

fn form(id: u64) -> Option<Form> {
    let (least, most) = match id {
        0x00 | 0x0f | 0x10 => return Some(Form::ConnectionId),
        0x02 => return Some(Form::Bytes(16)),
        0x0c | 0x2ab2 => return Some(Form::Bytes(0)),
        0x03 => (1_200, u64::MAX),
        0x08 | 0x09 => (0, STREAMS_MAX),
        0x0a => (0, 20),
        0x0b => (0, (1 << 14) - 1),
        0x0e => (2, u64::MAX),
        0x01 | 0x04..=0x07 | 0x20 | 0xff04_de1b => (0, u64::MAX),
        _ => return None,
    };
    Some(Form::Integer { least, most })
}

/// Says how a value does not fit, if it does not.
fn misfit(form: &Form, value: &[u8]) -> Option<String> {
    let length = value.len();
    match form {
        Form::Integer { least, most } => match whole_integer(value) {
            None => Some(format!("is no integer, but has {length} bytes")),
            Some(value) if value < *least => Some(format!("is {value}, less than {least}")),
            Some(value) if value > *most => Some(format!("is {value}, more than {most}")),
            Some(_) => None,
        },
        Form::ConnectionId if length > 20 => Some(format!("has {length} bytes, more than 20")),
        Form::Bytes(wanted) if length != *wanted => {
            Some(format!("has {length} bytes in place of {wanted}"))
        }
        Form::ConnectionId | Form::Bytes(_) => None,
    }
}

/// Encodes an integer in as few bytes as it needs.
fn encoded(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let (skipped, form) = match number {
        0..0x40 => (7, 0),
        0x40..0x4000 => (6, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (0, 0xc0),
    };
    let mut bytes = bytes[skipped..].to_vec();
    bytes[0] |= form;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_illegal_parameter_is_named_with_its_value() {
        for (bytes, expected) in [
            (
                &[3, 2, 0x43, 0xe8][..],
                "max_udp_payload_size is 1000, less than 1200",
            ),
            (
                &[4, 1, 9, 0x0a, 1, 21],
                "ack_delay_exponent is 21, more than 20",
            ),
            (
                &[0x0b, 4, 0x80, 0, 0x40, 0],
                "max_ack_delay is 16384, more than 16383",
            ),
            (
                &[0x0e, 1, 1],
                "active_connection_id_limit is 1, less than 2",
            ),
            (
                &[8, 8, 0xd0, 0, 0, 0, 0, 0, 0, 1],
                "initial_max_streams_bidi is 1152921504606846977, more than 1152921504606846976",
            ),
            (&[1, 1, 1, 1, 1, 2], "max_idle_timeout is there twice"),
            (
                &[4, 2, 1, 1],
                "initial_max_data is no integer, but has 2 bytes",
            ),
            (&[4, 0], "initial_max_data is no integer, but has 0 bytes"),
            (
                &[2, 3, 1, 2, 3],
                "stateless_reset_token has 3 bytes in place of 16",
            ),
            (
                &[0x0c, 1, 0],
                "disable_active_migration has 1 bytes in place of 0",
            ),
            (
                &[0x10, 1, 1],
                "retry_source_connection_id was sent by a client",
            ),
        ] {
            assert_eq!(words(Side::Server, bytes).as_deref(), Some(expected));
        }
        for legal in [&[][..], &[0x0f, 1, 1, 3, 2, 0x44, 0xb0], &[0x1b, 1, 0]] {
            assert_eq!(words(Side::Server, legal), None);
        }
        assert_eq!(words(Side::Client, &[0x10, 1, 1]), None);
    }

    /// What the state machine refuses has words, and what has words it refuses.
    #[test]
    fn every_value_that_the_state_machine_calls_illegal_has_its_words() {
        for id in [1, 3, 4, 5, 6, 7, 8, 9, 0x0a, 0x0b, 0x0e, 0x20] {
            for power in 0..62 {
                for value in [(1_u64 << power) - 1, 1 << power, (1 << power) + 1] {
                    let value = encoded(value);
                    let bytes = [&[id, value.len() as u8], &value[..]].concat();
                    let refused = TransportParameters::read(Side::Server, &mut &bytes[..]);
                    let said = words(Side::Server, &bytes);
                    assert_eq!(refused.is_err(), said.is_some(), "{bytes:?}: {said:?}");
                }
            }
        }
    }

    #[test]
    fn integers_may_take_more_bytes_than_they_need() {
        let value = |value: u64, length: u32| {
            let form = u64::from(length.ilog2()) << (8 * length - 2);
            (value | form).to_be_bytes()[8 - length as usize..].to_vec()
        };
        for length in [1, 2, 4, 8] {
            // In the identifier, in the length and in the value.
            let bytes = [
                value(0x0e, length),
                value(length.into(), length),
                value(7, length),
                value(0x20, length),
                value(length.into(), length),
                value(60, length),
            ]
            .concat();
            let read = read(Side::Server, &bytes).expect("it is legal");
            let mut written = Vec::new();
            read.write(&mut written);
            let names = Parameters::parse(&written);
            assert_eq!(
                (names.integer(0x0e), names.integer(0x20)),
                (Some(7), Some(60))
            );
        }
        let cut = [0x0e, 0x40, 0x01];
        let error = read(Side::Server, &cut).expect_err("it is cut");
        assert_eq!(error.reason, "the last 3 bytes are no parameter");
    }
}
