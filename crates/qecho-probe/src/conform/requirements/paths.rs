//! Clients that move, or seem to (RFC 9000 §8.2, §9).

use std::collections::BTreeMap;

use qecho_packet::{TransportParameters, wire::Frame};
use qecho_peer::{
    network::PathId,
    packet::{Packet, one_rtt},
    received::{ReceivedPacket, Unopened},
    tls::Level,
};

use super::{
    acknowledgements::largest_acknowledged,
    addresses::{accuse_on_a_new_path, is_challenge_on, unused_connection_id, with_new_path},
};
use crate::conform::{
    Connection, Finding, Judged, Run, Verdict,
    connection::{judge_wrong, not_applicable, not_reached},
    requirement::{Requirement, Side::Server, must, rfc},
};

pub(super) static ROWS: &[Requirement] = &[
    must("M04", Server, rfc(9000, "9.3.2"))
        .text("Who has moved to an address that never answers goes back to the one before.")
        .stimulus(
            "PING from a new port that answers no PATH_CHALLENGE, later one from the old port",
        )
        .expected("answers to the old port, or no more to either if the old one is forgotten")
        .script(a_move_that_was_none),
    must("M05", Server, rfc(9000, "9.5"))
        .text("No connection ID is used to more than one address of a client that changes it, too.")
        .stimulus("PING from a new port to another connection ID of the server")
        .expected("packets to the new port have another connection ID than those to the old one")
        .script(connection_ids_of_a_move),
    must("M06", Server, rfc(9000, "9"))
        .text("Who has forbidden to move drops packets from new addresses, or validates those.")
        .stimulus("PING from a new port, where disable_active_migration was announced")
        .expected("nothing, or PATH_CHALLENGE; no stateless reset and no close")
        .script(a_move_that_is_forbidden),
    must("M07", Server, rfc(9000, "8.2.1"))
        .text("The data of PATH_CHALLENGE cannot be foretold.")
        .stimulus("Moves to two new ports")
        .expected("PATH_CHALLENGE with other data for each")
        .script(data_of_challenges),
];

/// Bytes of a packet three times as many of which are enough for PATH_CHALLENGE.
const SIZE: usize = 600;

/// Sends PING from a path, again while no PATH_CHALLENGE comes; returns whether one did.
fn is_challenged(connection: &mut Connection, path: PathId) -> bool {
    is_challenged_by(connection, path, |ping| ping)
}

/// The same, with changes in the packet.
fn is_challenged_by(
    connection: &mut Connection,
    path: PathId,
    change: impl Fn(Packet) -> Packet,
) -> bool {
    let patience = connection.patience / 6;
    (0..3).any(|_| {
        connection.send(change(
            one_rtt([Frame::Ping]).pad_to(SIZE).path(path).once(),
        ));
        connection.wait_for(
            |endpoint| {
                let mut packets = endpoint.received().iter();
                packets.any(|packet| is_challenge_on(packet, path))
            },
            patience,
        )
    })
}

/// Tells by which paths packets are acknowledged that were sent from a number on, up to another.
fn paths_of_acknowledgement(connection: &Connection, numbers: std::ops::Range<u64>) -> Vec<PathId> {
    let packets = connection.received_packets();
    let acknowledging = packets.filter(|packet| {
        let frames = packet.frames();
        frames.iter().any(|frame| match frame {
            Frame::Ack(ack) => numbers
                .clone()
                .any(|number| ack.ranges.iter().any(|range| range.contains(&number))),
            _ => false,
        })
    });
    acknowledging.map(|packet| packet.path).collect()
}

/// Lets a packet come from a new port once, as somebody else may do with a copy. Packets that come
/// from the old port later have lower numbers, and bring the server back to it by nothing else.
/// A server that has forgotten the old port discards the connection, silently (RFC 9000 §9.3.2):
/// only one that is seen to live is accused.
fn a_move_that_was_none(run: &mut Run<'_>) -> Judged {
    const KEPT: u64 = 4;
    let (mut connection, path) = with_new_path(run)?;
    be_quiet(&mut connection);
    let kept = connection.endpoint().next_number(Level::OneRtt);
    connection.send(
        one_rtt([Frame::Ping])
            .pad_to(SIZE)
            .path(path)
            .numbered(kept + KEPT),
    );
    if !is_challenged(&mut connection, path) {
        return Err(not_applicable("the peer does not follow to the new port"));
    }
    // Three times the probe timeout of a path of which nothing is known (RFC 9000 §8.2.4), which
    // is about the patience, and as much again.
    let (patience, quiet) = (connection.patience, connection.quiet());
    connection.settle(patience * 3 / 2);
    for number in kept..kept + KEPT {
        connection.send(one_rtt([Frame::Ping]).numbered(number));
        connection.settle(quiet);
        if paths_of_acknowledgement(&connection, kept..kept + KEPT).contains(&PathId(0)) {
            return Ok(Finding::new(Verdict::Pass, "answers go to the old port"));
        }
    }
    let from = connection.endpoint().next_number(Level::OneRtt);
    connection.lives();
    if answers_on(&connection, PathId(0), from) {
        return Ok(Finding::new(
            Verdict::Note,
            "answers go to the old port once a newer packet has come from it",
        ));
    }
    if connection.endpoint().closed().is_none() && connection.endpoint().ended().is_none() {
        let from = connection.endpoint().next_number(Level::OneRtt);
        let goes_on = (0..3).any(|_| {
            connection.send(one_rtt([Frame::Ping]).pad_to(SIZE).path(path).once());
            connection.settle(quiet);
            answers_on(&connection, path, from)
        });
        if !goes_on {
            let seen = "no answer any more, to either port: the one before may be forgotten";
            return Ok(Finding::new(Verdict::Note, seen));
        }
    }
    Ok(accuse_on_a_new_path(
        &connection,
        "no answer to the old port any more, but to the new one",
    ))
}

/// Tells whether packets from a number on are acknowledged on a path.
fn answers_on(connection: &Connection, path: PathId, from: u64) -> bool {
    let mut packets = connection.received_packets();
    packets
        .any(|packet| packet.path == path && largest_acknowledged(&packet.frames()) >= Some(from))
}

/// Says nothing else from the new port: whoever meets the old connection ID of the server there
/// may go on with the old one of the client.
fn connection_ids_of_a_move(run: &mut Run<'_>) -> Judged {
    let (mut connection, path) = with_new_path(run)?;
    let unused = unused_connection_id(&connection)?;
    be_quiet(&mut connection);
    let is_challenged = is_challenged_by(&mut connection, path, |ping| ping.destination(unused));
    let ids = |is_new: bool| {
        let packets = connection.received_packets();
        let there = packets.filter(move |packet| (packet.path == path) == is_new);
        there
            .map(|packet| packet.header.destination)
            .collect::<Vec<_>>()
    };
    let (new, old) = (ids(true), ids(false));
    if new.is_empty() && !is_challenged {
        return Err(not_applicable("the peer does not follow to the new port"));
    }
    let is_same = new.iter().any(|id| old.contains(id));
    let wrong = is_same.then(|| "the same connection ID to both ports".to_owned());
    Ok(judge_wrong(wrong, "another connection ID"))
}

/// Has this side send nothing by itself.
fn be_quiet(connection: &mut Connection) {
    connection.flush();
    let behaviour = &mut connection.endpoint_mut().behaviour;
    behaviour.answers_path_challenges = false;
    behaviour.acknowledges = false;
    behaviour.resends = false;
}

fn a_move_that_is_forbidden(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    if !connection.has_parameter(TransportParameters::DISABLE_ACTIVE_MIGRATION) {
        return Err(not_applicable(
            "the peer does not announce disable_active_migration",
        ));
    }
    connection.lives();
    let path = connection
        .open_path()
        .map_err(|error| not_reached(error.to_string()))?;
    let is_challenged = is_challenged(&mut connection, path);
    let mut resets = connection
        .endpoint()
        .record()
        .unopened_as(Unopened::StatelessReset);
    if resets.any(|reset| reset.path == path) {
        // It may be that of another server, to which a balancer has led the new port.
        return Ok(Finding::new(
            Verdict::Note,
            "a stateless reset to the new port",
        ));
    }
    drop(resets);
    let is_there = |packet: &ReceivedPacket| packet.path == path;
    let is_answered = connection.received_packets().any(is_there);
    let is_alive = connection.lives();
    Ok(match (is_challenged, is_answered) {
        _ if !is_alive => accuse_on_a_new_path(&connection, "no answer any more"),
        (true, _) => Finding::new(Verdict::Pass, "PATH_CHALLENGE to the new port"),
        (false, true) => accuse_on_a_new_path(
            &connection,
            "answers to the new port without PATH_CHALLENGE",
        ),
        (false, false) => Finding::new(Verdict::Pass, "nothing goes to the new port"),
    })
}

fn data_of_challenges(run: &mut Run<'_>) -> Judged {
    let (mut connection, first) = with_new_path(run)?;
    let second = connection
        .open_path()
        .map_err(|error| not_reached(error.to_string()))?;
    for path in [first, second] {
        if !is_challenged(&mut connection, path) {
            return Err(not_applicable("the peer does not follow to new ports"));
        }
    }
    let mut known = BTreeMap::new();
    for packet in connection.received_packets() {
        for frame in packet.frames() {
            if let Frame::PathChallenge { data } = frame
                && *known.entry(data).or_insert(packet.path) != packet.path
            {
                return Ok(Finding::new(Verdict::Fail, "the same data to two ports"));
            }
        }
    }
    Ok(Finding::new(Verdict::Pass, "other data to each port"))
}
