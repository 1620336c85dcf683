//! Clients of a server that would rather be at another address (RFC 9000 §9.6).

use std::net::SocketAddr;

use qecho_packet::{TransportParameters, wire::ConnectionId};
use qecho_peer::{
    endpoint::Behaviour,
    network::{Network, PathId},
    received::ReceivedPacket,
    tls::Level,
};

use super::acknowledgements::largest_acknowledged;
use crate::conform::{
    Connection, Finding, Judged, Run, Verdict,
    connection::{judge_wrong, not_applicable, not_reached},
    expected::SILENT,
    requirement::{Requirement, Side::Client, must, rfc, should},
};

pub(super) static ROWS: &[Requirement] = &[
    must("C139", Client, rfc(9000, "9.6.2"))
        .also(&[rfc(9000, "9.1"), rfc(9000, "21.5.3")])
        .text("A preferred address is validated before a client migrates to it.")
        .stimulus("preferred_address at which PATH_CHALLENGE is not answered")
        .expected("no packets there but probing ones")
        .script(probes_alone),
    must("C140", Client, rfc(9000, "9.6.1"))
        .text("A client stays with the address of the server if the preferred one is not valid.")
        .stimulus("preferred_address at which PATH_CHALLENGE is not answered, later PING")
        .expected("answers to the server's first address")
        .script(stays_at_first),
    must("C141", Client, rfc(9000, "9.5"))
        .also(&[rfc(9000, "9.6.1")])
        .text("No connection ID is used to more than one address of the server.")
        .stimulus("preferred_address at which PATH_CHALLENGE is not answered")
        .expected("packets there have a connection ID that is not used to the first address")
        .script(other_connection_id),
    should("C142", Client, rfc(9000, "9.6.1"))
        .text("A client validates a preferred address, and goes on there.")
        .stimulus("preferred_address at which PATH_CHALLENGE is answered")
        .expected("PATH_CHALLENGE there, and then all else")
        .script(moves_when_valid),
];

/// The connection ID of the preferred address, and its token.
const PREFERRED_ID: [u8; 8] = [0xad, 0xd2, 0xe5, 0x50, 0xad, 0xd2, 0xe5, 0x50];
const PREFERRED_TOKEN: [u8; 16] = [0xad; 16];
/// Times that a client is asked for an answer.
const PINGS: usize = 4;

/// Serves a client with a preferred address, until the handshake is confirmed; returns the path
/// that leads there.
fn with_preferred_address(
    run: &mut Run<'_>,
    change: impl FnOnce(&mut Behaviour),
) -> Result<(Connection, PathId), Finding> {
    let mut preferred = PathId::default();
    let connection = run.serve_on(|network, config| {
        let address;
        (preferred, address) = open(network)?;
        let value = parameter(address);
        let id = TransportParameters::PREFERRED_ADDRESS;
        config.parameters.push((id, value));
        change(&mut config.behaviour);
        Ok(())
    })?;
    Ok((connection.confirmed()?, preferred))
}

fn open(network: &mut dyn Network) -> Result<(PathId, SocketAddr), Finding> {
    let path = network.open_path();
    // The client has come: that is not in question.
    let path = path.map_err(|error| not_applicable(error.to_string()))?;
    let address = network.address(path);
    let address = address.ok_or_else(|| not_applicable("the second port has no address"))?;
    Ok((path, address))
}

/// RFC 9000 §18.2, figure 22; a family without an address has zeros.
fn parameter(address: SocketAddr) -> Vec<u8> {
    let mut value = vec![0; 4 + 2 + 16 + 2];
    let port = address.port().to_be_bytes();
    match address {
        SocketAddr::V4(address) => {
            value[..4].copy_from_slice(&address.ip().octets());
            value[4..6].copy_from_slice(&port);
        }
        SocketAddr::V6(address) => {
            value[6..22].copy_from_slice(&address.ip().octets());
            value[22..].copy_from_slice(&port);
        }
    }
    value.push(PREFERRED_ID.len() as u8);
    value.extend(PREFERRED_ID);
    value.extend(PREFERRED_TOKEN);
    value
}

/// Serves a client with a preferred address at which nothing is answered, until it has come there.
fn with_silent_address(run: &mut Run<'_>) -> Result<(Connection, PathId), Finding> {
    let (mut connection, preferred) = with_preferred_address(run, |behaviour| {
        behaviour.answers_path_challenges = false;
        behaviour.follows_migration = false;
    })?;
    match comes_to(&mut connection, preferred) {
        true => Ok((connection, preferred)),
        false => Err(not_applicable(
            "the client sends nothing to the preferred address",
        )),
    }
}

/// Waits for a packet on a path, as long as a client takes that likes to go there.
fn comes_to(connection: &mut Connection, path: PathId) -> bool {
    let patience = connection.patience / 3;
    connection.lives();
    connection.wait_for(
        |endpoint| {
            let mut packets = endpoint.record().at_level(Level::OneRtt);
            packets.any(|packet| packet.path == path) || endpoint.ended().is_some()
        },
        patience,
    );
    packets_on(connection, path).next().is_some()
}

fn packets_on(connection: &Connection, path: PathId) -> impl Iterator<Item = &ReceivedPacket> {
    let packets = connection.received_packets();
    packets.filter(move |packet| packet.path == path)
}

/// Tells whether a packet is more than a probe (RFC 9000 §9.1).
fn is_more_than_a_probe(packet: &ReceivedPacket) -> bool {
    packet.frames().iter().any(|frame| !frame.is_probing())
}

/// Asks for answers, which go to an address that is not valid if the client is wrong.
fn probes_alone(run: &mut Run<'_>) -> Judged {
    let (mut connection, preferred) = with_silent_address(run)?;
    let quiet = connection.quiet();
    for _ in 0..PINGS {
        connection.lives();
        connection.settle(quiet);
    }
    let mut packets = packets_on(&connection, preferred);
    let wrong = packets.find(|packet| is_more_than_a_probe(packet));
    let wrong = wrong.map(|packet| format!("packet {} there is more than a probe", packet.number));
    Ok(judge_wrong(wrong, "probing packets alone go there"))
}

/// Looks where answers go once the client has given the preferred address up, and before.
fn stays_at_first(run: &mut Run<'_>) -> Judged {
    let (mut connection, _) = with_silent_address(run)?;
    // Three times the probe timeout of a path of which nothing is known (RFC 9000 §8.2.4).
    let patience = connection.patience;
    connection.settle(patience);
    let from = connection.endpoint().next_number(Level::OneRtt);
    for _ in 0..PINGS {
        if !connection.lives() && connection.endpoint().ended().is_some() {
            break;
        }
        let mut packets = packets_on(&connection, PathId(0));
        if packets.any(|packet| largest_acknowledged(&packet.frames()) >= Some(from)) {
            let seen = "answers go to the first address";
            return Ok(Finding::new(Verdict::Pass, seen));
        }
    }
    let mut packets = connection.received_packets();
    let is_elsewhere = packets.any(|packet| largest_acknowledged(&packet.frames()) >= Some(from));
    drop(packets);
    Ok(connection.accuse(match is_elsewhere {
        true => "answers go to the preferred address",
        false => SILENT,
    }))
}

fn other_connection_id(run: &mut Run<'_>) -> Judged {
    let (connection, preferred) = with_silent_address(run)?;
    let destinations = |path: PathId| {
        let packets = packets_on(&connection, path);
        let ids = packets.map(|packet| packet.header.destination);
        ids.collect::<Vec<ConnectionId>>()
    };
    let first = destinations(PathId(0));
    let mut there = destinations(preferred).into_iter();
    let is_same = there.any(|id| first.contains(&id));
    let wrong = is_same.then(|| "the same connection ID to both addresses".to_owned());
    Ok(judge_wrong(wrong, "another connection ID"))
}

fn moves_when_valid(run: &mut Run<'_>) -> Judged {
    let (mut connection, preferred) = with_preferred_address(run, |_| {})?;
    let is_probed = comes_to(&mut connection, preferred);
    let quiet = connection.quiet();
    for _ in 0..PINGS {
        if packets_on(&connection, preferred).any(is_more_than_a_probe) {
            let seen = "the client goes on at the preferred address";
            return Ok(Finding::new(Verdict::Pass, seen));
        }
        if !connection.lives() {
            return Err(not_reached("the client does not answer any more"));
        }
        if is_probed {
            connection.settle(quiet);
        }
    }
    // Ports other than the one that was made known may be closed on the way.
    let is_near = |address: SocketAddr| address.ip().is_loopback();
    if !is_probed && !connection.address(preferred).is_some_and(is_near) {
        return Err(not_applicable(
            "nothing comes to the second port, which may be out of reach",
        ));
    }
    Ok(connection.accuse(match is_probed {
        true => "the client probes the preferred address, and does not go on there",
        false => "the client sends nothing to the preferred address",
    }))
}
