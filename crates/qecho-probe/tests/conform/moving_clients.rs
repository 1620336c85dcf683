//! Clients that go to a preferred address of their server, in the right way and in wrong ones.

use qecho_packet::wire::{ConnectionId, Frame};
use qecho_peer::{
    endpoint::Endpoint,
    network::PathId,
    packet::{Packet, one_rtt},
};

use crate::{
    Mutant,
    client_mutants::{applying, fails},
    client_subject::{Guest, good_client},
};

/// The path to the preferred address.
const PREFERRED: PathId = PathId(1);
/// Data of PATH_CHALLENGE.
const CHALLENGE: [u8; 8] = *b"is it so";
/// Bytes of a datagram with PATH_CHALLENGE (RFC 9000 §8.2.1).
const CHALLENGE_SIZE: usize = 1_200;
/// Times that something is sent there, as it may be lost.
const TIMES: usize = 6;

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        fails("C139", applying(talk_there)),
        fails("C140", applying(move_at_once)),
        fails("C141", applying(challenge_from_the_old_id)),
        fails("C142", good_client()),
        fails("C142", applying(challenge)),
    ]
}

pub(crate) fn suited(id: &str) -> Option<Guest> {
    let is_moving = matches!(id, "C139" | "C140" | "C141" | "C142");
    is_moving.then(|| applying(move_when_valid))
}

/// Validates the preferred address and goes there.
fn move_when_valid(endpoint: &mut Endpoint) {
    let mut packets = endpoint.received().iter();
    let is_valid = packets.any(|packet| {
        let response = Frame::PathResponse { data: CHALLENGE };
        packet.frames().contains(&response)
    });
    match is_valid {
        false => challenge(endpoint),
        true if endpoint.path() != PREFERRED => endpoint.migrate(PREFERRED),
        true => {}
    }
}

fn challenge(endpoint: &mut Endpoint) {
    let packet = one_rtt([Frame::PathChallenge { data: CHALLENGE }]).pad_to(CHALLENGE_SIZE);
    send_there(endpoint, |id| packet.destination(id));
}

fn challenge_from_the_old_id(endpoint: &mut Endpoint) {
    let packet = one_rtt([Frame::PathChallenge { data: CHALLENGE }]).pad_to(CHALLENGE_SIZE);
    send_there(endpoint, |_| packet);
}

fn talk_there(endpoint: &mut Endpoint) {
    challenge(endpoint);
    send_there(endpoint, |id| one_rtt([Frame::Ping]).destination(id));
}

fn move_at_once(endpoint: &mut Endpoint) {
    if endpoint.is_confirmed() && endpoint.path() != PREFERRED {
        endpoint.migrate(PREFERRED);
    }
}

/// Sends a packet to the preferred address, to whose connection ID it may be.
fn send_there(endpoint: &mut Endpoint, packet: impl FnOnce(ConnectionId) -> Packet) {
    let mut issued = endpoint.connection_ids().remote.iter();
    let preferred = issued.find(|issued| issued.sequence == 1);
    let datagrams = endpoint.record().datagrams.iter();
    let sent = datagrams.filter(|sent| sent.path == PREFERRED).count();
    if let Some(id) = preferred.map(|issued| issued.id)
        && endpoint.is_confirmed()
        && sent < TIMES
    {
        endpoint.send(packet(id).path(PREFERRED).once());
    }
}
