//! Transport parameters (RFC 9000 §18).

use std::time::Duration;

use crate::{
    stream_id::Dir,
    wire::{Malformed, Reader, whole_integer},
};

/// A peer's transport parameters as they came over the wire
/// (RFC 9000 §18), unknown ones included.
///
/// A connection keeps them as long as it lives: in one piece, since most have
/// a value of a few bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportParameters(Box<[u8]>);

const MAX_IDLE_TIMEOUT: u64 = 0x01;
const MAX_UDP_PAYLOAD_SIZE: u64 = 0x03;
const INITIAL_MAX_STREAMS_BIDI: u64 = 0x08;
const INITIAL_MAX_STREAMS_UNI: u64 = 0x09;

impl TransportParameters {
    /// Splits the extension's bytes; what follows a malformed parameter is
    /// left out (the state machine has refused such a peer already).
    pub fn parse(bytes: &[u8]) -> Self {
        Self::parse_with_rest(bytes).0
    }

    /// Splits the extension's bytes, and returns what is left from the first malformed parameter
    /// on.
    pub fn parse_with_rest(bytes: &[u8]) -> (Self, &[u8]) {
        let mut reader = Reader::new(bytes);
        let mut length = 0;
        while next(&mut reader).is_ok() {
            length = reader.offset();
        }
        let (whole, rest) = bytes.split_at(length);
        (Self(whole.into()), rest)
    }

    /// Returns the name of a parameter (RFC 9000 §18.2 and the registry that it
    /// founded), if it has one.
    pub fn name(id: u64) -> Option<&'static str> {
        Some(match id {
            0x00 => "original_destination_connection_id",
            MAX_IDLE_TIMEOUT => "max_idle_timeout",
            0x02 => "stateless_reset_token",
            MAX_UDP_PAYLOAD_SIZE => "max_udp_payload_size",
            0x04 => "initial_max_data",
            0x05 => "initial_max_stream_data_bidi_local",
            0x06 => "initial_max_stream_data_bidi_remote",
            0x07 => "initial_max_stream_data_uni",
            INITIAL_MAX_STREAMS_BIDI => "initial_max_streams_bidi",
            INITIAL_MAX_STREAMS_UNI => "initial_max_streams_uni",
            0x0a => "ack_delay_exponent",
            0x0b => "max_ack_delay",
            0x0c => "disable_active_migration",
            0x0d => "preferred_address",
            0x0e => "active_connection_id_limit",
            0x0f => "initial_source_connection_id",
            0x10 => "retry_source_connection_id",
            0x11 => "version_information",
            0x20 => "max_datagram_frame_size",
            0x2ab2 => "grease_quic_bit",
            0x3127 => "google_initial_rtt",
            0x3128 => "google_connection_options",
            0x4752 => "google_version",
            0xff04_de1b => "min_ack_delay",
            _ => return None,
        })
    }

    /// Returns the raw value of a parameter.
    pub fn get(&self, id: u64) -> Option<&[u8]> {
        self.iter()
            .find(|(known, _)| *known == id)
            .map(|(_, value)| value)
    }

    /// Returns the value of a parameter that is an integer; one with more bytes after it is
    /// none (RFC 9000 §18).
    pub fn integer(&self, id: u64) -> Option<u64> {
        self.get(id).and_then(whole_integer)
    }

    /// Returns all parameters, also those that are there twice, in the peer's order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut reader = Reader::new(&self.0);
        std::iter::from_fn(move || next(&mut reader).ok())
    }

    /// Returns the silence after which the peer gives the connection up, if it ever does
    /// (RFC 9000 §10.1).
    pub fn max_idle_timeout(&self) -> Option<Duration> {
        let milliseconds = self.integer(MAX_IDLE_TIMEOUT)?;
        (milliseconds != 0).then(|| Duration::from_millis(milliseconds))
    }

    /// Returns the largest UDP payload that the peer takes, if it says one (RFC 9000 §18.2).
    pub fn max_udp_payload_size(&self) -> Option<u64> {
        self.integer(MAX_UDP_PAYLOAD_SIZE)
    }

    /// Returns how many streams of a direction the peer allowed at first.
    pub fn initial_max_streams(&self, direction: Dir) -> u64 {
        let id = match direction {
            Dir::Bidirectional => INITIAL_MAX_STREAMS_BIDI,
            Dir::Unidirectional => INITIAL_MAX_STREAMS_UNI,
        };
        self.integer(id).unwrap_or(0)
    }
}

/// Takes the next parameter and its value off the front.
fn next<'a>(reader: &mut Reader<'a>) -> Result<(u64, &'a [u8]), Malformed> {
    let id = reader.varint("transport parameter")?;
    Ok((id, reader.take_counted("transport parameter")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_parameter_ends_the_list_without_a_panic() {
        let parameters = TransportParameters::parse(&[0x09, 0x01, 0x03, 0x0f, 0x40]);
        assert_eq!(parameters.initial_max_streams(Dir::Unidirectional), 3);
        assert_eq!(parameters.initial_max_streams(Dir::Bidirectional), 0);
        assert_eq!(parameters.iter().count(), 1);
    }

    #[test]
    fn parameters_have_the_names_of_their_registry() {
        let named = (0..=0x10).filter(|id| TransportParameters::name(*id).is_some());
        assert_eq!(named.count(), 17);
        let name = TransportParameters::name(0x20);
        assert_eq!(name, Some("max_datagram_frame_size"));
        assert_eq!(TransportParameters::name(0x1b), None);
    }
}
