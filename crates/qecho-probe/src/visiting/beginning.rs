//! The datagram with which a connection begins.

use qecho_io::{Arrival, Outlet};
use qecho_packet::{
    Side,
    protection::{Numbers, OpeningKeys, Secret, Suite},
    wire::{ConnectionId, Header, PacketType, Protected, VERSION_1, packets},
};
use qecho_peer::endpoint::version_negotiation;

/// Bytes of a datagram from which on it is told which versions there are (RFC 9000 §6.1): what
/// answers it is smaller.
const ANSWERED_MIN: usize = 1_200;

/// Tells whether a datagram begins a connection: its first packet is an Initial packet that opens
/// with the keys of its own destination (RFC 9001 §5.2), which noise has not.
///
/// The packets behind it have the same destination, or are discarded (RFC 9000 §12.2): keys are
/// made once for a datagram, whatever is in it.
pub(super) fn is_beginning(datagram: &[u8]) -> bool {
    let first = packets(datagram, 0).next();
    first.is_some_and(|first| first.is_ok_and(|packet| opens(&packet)))
}

/// Answers a client that speaks another version than 1 by the one that there is (RFC 9000 §6.1);
/// it comes again with that.
pub(super) fn answer_other_version(outlet: &Outlet, arrival: &Arrival) {
    if let Some(header) = of_other_version(&arrival.contents) {
        let answer = version_negotiation(&header, &[VERSION_1]);
        // One that does not leave is lost, as on any network.
        let _ = outlet.send(arrival.at, arrival.remote, &answer, 0);
    }
}

/// Returns the destination of a datagram that begins with a long header.
pub(super) fn long_destination(datagram: &[u8]) -> Option<ConnectionId> {
    let header = packets(datagram, 0).next()?.ok()?.header;
    header.version.is_some().then_some(header.destination)
}

fn opens(packet: &Protected<'_>) -> bool {
    let header = &packet.header;
    if (header.packet_type, header.version) != (PacketType::Initial, Some(VERSION_1)) {
        return false;
    }
    let secret = Secret::initial(&header.destination, Side::Client);
    let mut keys = OpeningKeys::new(&secret, Suite::Aes128GcmSha256);
    keys.open(packet, Numbers::default()).is_some()
}

fn of_other_version(datagram: &[u8]) -> Option<Header> {
    if datagram.len() < ANSWERED_MIN {
        return None;
    }
    let header = packets(datagram, 0).next()?.ok()?.header;
    // Version Negotiation, which has version 0, is never answered.
    let is_other = header.version? != VERSION_1 && header.version? != 0;
    is_other.then_some(header)
}
