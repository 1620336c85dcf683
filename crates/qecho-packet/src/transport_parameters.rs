//! Transport parameters (RFC 9000 §18).

use std::time::Duration;

use crate::{
    stream_id::Dir,
    wire::{Malformed, Reader, whole_integer, write_counted, write_integer},
};

/// Transport parameters as they are on the wire (RFC 9000 §18), unknown ones included.
///
/// A connection keeps them as long as it lives: in one piece, since most have
/// a value of a few bytes.
///
/// ```
/// use qecho_packet::{TransportParameters, wire::write_integer};
///
/// let mut limit = Vec::new();
/// write_integer(&mut limit, 1_000_000);
/// let parameters = TransportParameters::from_pairs([
///     (TransportParameters::INITIAL_MAX_DATA, &limit[..]),
///     (TransportParameters::DISABLE_ACTIVE_MIGRATION, &[]),
/// ]);
/// assert_eq!(parameters.as_bytes(), [4, 4, 0x80, 0x0f, 0x42, 0x40, 0x0c, 0]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportParameters(Box<[u8]>);

/// The ids of parameters (RFC 9000 §18.2 and the registry that it founded).
impl TransportParameters {
    /// RFC 9000 §18.2
    pub const ORIGINAL_DESTINATION_CONNECTION_ID: u64 = 0x00;
    /// RFC 9000 §18.2, in milliseconds
    pub const MAX_IDLE_TIMEOUT: u64 = 0x01;
    /// RFC 9000 §18.2
    pub const STATELESS_RESET_TOKEN: u64 = 0x02;
    /// RFC 9000 §18.2
    pub const MAX_UDP_PAYLOAD_SIZE: u64 = 0x03;
    /// RFC 9000 §18.2
    pub const INITIAL_MAX_DATA: u64 = 0x04;
    /// RFC 9000 §18.2
    pub const INITIAL_MAX_STREAM_DATA_BIDI_LOCAL: u64 = 0x05;
    /// RFC 9000 §18.2
    pub const INITIAL_MAX_STREAM_DATA_BIDI_REMOTE: u64 = 0x06;
    /// RFC 9000 §18.2
    pub const INITIAL_MAX_STREAM_DATA_UNI: u64 = 0x07;
    /// RFC 9000 §18.2
    pub const INITIAL_MAX_STREAMS_BIDI: u64 = 0x08;
    /// RFC 9000 §18.2
    pub const INITIAL_MAX_STREAMS_UNI: u64 = 0x09;
    /// RFC 9000 §18.2
    pub const ACK_DELAY_EXPONENT: u64 = 0x0a;
    /// RFC 9000 §18.2, in milliseconds
    pub const MAX_ACK_DELAY: u64 = 0x0b;
    /// RFC 9000 §18.2, without a value
    pub const DISABLE_ACTIVE_MIGRATION: u64 = 0x0c;
    /// RFC 9000 §18.2
    pub const PREFERRED_ADDRESS: u64 = 0x0d;
    /// RFC 9000 §18.2
    pub const ACTIVE_CONNECTION_ID_LIMIT: u64 = 0x0e;
    /// RFC 9000 §18.2
    pub const INITIAL_SOURCE_CONNECTION_ID: u64 = 0x0f;
    /// RFC 9000 §18.2
    pub const RETRY_SOURCE_CONNECTION_ID: u64 = 0x10;
    /// RFC 9368 §3
    pub const VERSION_INFORMATION: u64 = 0x11;
    /// RFC 9221 §3
    pub const MAX_DATAGRAM_FRAME_SIZE: u64 = 0x20;
    /// RFC 9287 §3, without a value
    pub const GREASE_QUIC_BIT: u64 = 0x2ab2;
    /// draft-ietf-quic-ack-frequency §3, in microseconds
    pub const MIN_ACK_DELAY: u64 = 0xff04_de1b;
    /// docs/protocol.md: sent by qecho's servers, to say what can be known of them
    pub const QECHO: u64 = 0x71_6563_686f;
    /// The value of the last: version 1, and that ECN marks are counted
    pub const QECHO_COUNTS_ECN: [u8; 2] = [QECHO_VERSION, COUNTS_ECN];
}

const QECHO_VERSION: u8 = 1;
const COUNTS_ECN: u8 = 0b1;

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

    /// Makes parameters of ids and values, in this order; one that is given twice is there
    /// twice.
    ///
    /// # Panics
    /// If an id is larger than [`INTEGER_MAX`](crate::wire::INTEGER_MAX).
    pub fn from_pairs<V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (u64, V)>) -> Self {
        let mut bytes = Vec::new();
        for (id, value) in pairs {
            write_integer(&mut bytes, id);
            write_counted(&mut bytes, value.as_ref());
        }
        Self(bytes.into())
    }

    /// Returns the bytes of the extension that carries them (RFC 9001 §8.2).
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the name of a parameter (RFC 9000 §18.2 and the registry that it
    /// founded), if it has one.
    pub fn name(id: u64) -> Option<&'static str> {
        Some(match id {
            Self::ORIGINAL_DESTINATION_CONNECTION_ID => "original_destination_connection_id",
            Self::MAX_IDLE_TIMEOUT => "max_idle_timeout",
            Self::STATELESS_RESET_TOKEN => "stateless_reset_token",
            Self::MAX_UDP_PAYLOAD_SIZE => "max_udp_payload_size",
            Self::INITIAL_MAX_DATA => "initial_max_data",
            Self::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL => "initial_max_stream_data_bidi_local",
            Self::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE => "initial_max_stream_data_bidi_remote",
            Self::INITIAL_MAX_STREAM_DATA_UNI => "initial_max_stream_data_uni",
            Self::INITIAL_MAX_STREAMS_BIDI => "initial_max_streams_bidi",
            Self::INITIAL_MAX_STREAMS_UNI => "initial_max_streams_uni",
            Self::ACK_DELAY_EXPONENT => "ack_delay_exponent",
            Self::MAX_ACK_DELAY => "max_ack_delay",
            Self::DISABLE_ACTIVE_MIGRATION => "disable_active_migration",
            Self::PREFERRED_ADDRESS => "preferred_address",
            Self::ACTIVE_CONNECTION_ID_LIMIT => "active_connection_id_limit",
            Self::INITIAL_SOURCE_CONNECTION_ID => "initial_source_connection_id",
            Self::RETRY_SOURCE_CONNECTION_ID => "retry_source_connection_id",
            Self::VERSION_INFORMATION => "version_information",
            Self::MAX_DATAGRAM_FRAME_SIZE => "max_datagram_frame_size",
            Self::GREASE_QUIC_BIT => "grease_quic_bit",
            0x3127 => "google_initial_rtt",
            0x3128 => "google_connection_options",
            0x4752 => "google_version",
            Self::MIN_ACK_DELAY => "min_ack_delay",
            Self::QECHO => "qecho",
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
        let milliseconds = self.integer(Self::MAX_IDLE_TIMEOUT)?;
        (milliseconds != 0).then(|| Duration::from_millis(milliseconds))
    }

    /// Returns the largest UDP payload that the peer takes, if it says one (RFC 9000 §18.2).
    pub fn max_udp_payload_size(&self) -> Option<u64> {
        self.integer(Self::MAX_UDP_PAYLOAD_SIZE)
    }

    /// Tells whether the peer has said that it counts ECN marks: a peer that has not may do so
    /// all the same.
    pub fn counts_ecn(&self) -> bool {
        // More bytes may come with later versions.
        matches!(
            self.get(Self::QECHO),
            Some([QECHO_VERSION, capabilities, ..]) if capabilities & COUNTS_ECN != 0
        )
    }

    /// Returns how many streams of a direction the peer allowed at first.
    pub fn initial_max_streams(&self, direction: Dir) -> u64 {
        let id = match direction {
            Dir::Bidirectional => Self::INITIAL_MAX_STREAMS_BIDI,
            Dir::Unidirectional => Self::INITIAL_MAX_STREAMS_UNI,
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
    fn parameters_of_pairs_are_read_in_their_order_and_as_often() {
        let pairs = [
            (TransportParameters::INITIAL_MAX_STREAMS_UNI, vec![3]),
            (0x1b, vec![7; 100]),
            (TransportParameters::GREASE_QUIC_BIT, vec![]),
            (TransportParameters::INITIAL_MAX_STREAMS_UNI, vec![0x40, 4]),
        ];
        let written = TransportParameters::from_pairs(pairs.clone());
        let (read, rest) = TransportParameters::parse_with_rest(written.as_bytes());
        assert!(rest.is_empty());
        assert_eq!(read, written);
        let read: Vec<_> = read
            .iter()
            .map(|(id, value)| (id, value.to_vec()))
            .collect();
        assert_eq!(read, pairs);
        assert_eq!(written.initial_max_streams(Dir::Unidirectional), 3);
    }

    #[test]
    fn a_peer_is_known_to_count_ecn_marks_only_if_it_says_so() {
        for (value, expected) in [
            (&TransportParameters::QECHO_COUNTS_ECN[..], true),
            (&[1, 0b11, 7], true),
            (&[1, 0b10], false),
            (&[2, 1], false),
            (&[1], false),
            (&[], false),
        ] {
            let parameters = TransportParameters::from_pairs([(TransportParameters::QECHO, value)]);
            assert_eq!(parameters.counts_ecn(), expected, "{value:?}");
        }
        assert!(!TransportParameters::default().counts_ecn());
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
