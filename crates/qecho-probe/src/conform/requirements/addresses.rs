//! Addresses and datagrams: amplification, paths, sizes, stateless resets (RFC 9000 §8, §9, §10.3,
//! §14).

use std::{collections::BTreeSet, time::Duration};

use qecho_packet::{
    Direction, TransportParameters,
    close::PROTOCOL_VIOLATION,
    wire::{ConnectionId, Frame, PacketType, packets},
};
use qecho_peer::{
    endpoint::{Ended, stateless_reset},
    network::PathId,
    packet::one_rtt,
    received::ReceivedPacket,
    script::Reaction,
    tls::Level,
};

use super::{
    acknowledgements::largest_acknowledged,
    connection_ids::{RESET_TOKEN, replace_connection_id},
};
use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    attempts::{ATTEMPTS, packet_type},
    connection::not_applicable,
    expected::close_words,
    requirement::{
        Requirement,
        Side::{Client, Server},
        may, must, rfc,
    },
};

const VIOLATION: Expected = Expected::close(&[PROTOCOL_VIOLATION]);
/// RFC 9000 §20.1.
const NO_VIABLE_PATH: u64 = 0x10;
/// RFC 9000 §8.1.
const AMPLIFICATION: usize = 3;
/// Bytes that every path carries (RFC 9000 §14).
const DATAGRAM_MIN: usize = 1_200;
/// Data of a PATH_CHALLENGE or PATH_RESPONSE.
const CHALLENGE: [u8; 8] = *b"qechopth";
/// Bytes of a datagram with PATH_CHALLENGE (RFC 9000 §8.2.1).
const CHALLENGE_SIZE: usize = 1_200;

pub(super) static ROWS: &[Requirement] = &[
    may("F41", Server, rfc(9000, "19.18"))
        .of_clients("C65")
        .text("A PATH_RESPONSE to no PATH_CHALLENGE may close the connection.")
        .stimulus("PATH_RESPONSE that nobody asked for")
        .expected("PROTOCOL_VIOLATION, or the connection lives on")
        .script(|run| {
            let frame = Frame::PathResponse { data: CHALLENGE };
            let expected = Expected::close(&[PROTOCOL_VIOLATION]).or_lives_on();
            run.open()?.expect(one_rtt([frame]), expected)
        }),
    must("F50", Server, rfc(9000, "19.17"))
        .of_clients("C74")
        .also(&[rfc(9000, "8.2.2")])
        .text("PATH_CHALLENGE is answered by PATH_RESPONSE with the same data.")
        .stimulus("PATH_CHALLENGE")
        .expected("PATH_RESPONSE with the same 8 bytes")
        .script(a_path_challenge),
    must("V06", Server, rfc(9000, "14.1"))
        .text("An Initial packet in less than 1200 bytes is discarded, at least.")
        .stimulus("Initial packet in a datagram of 1199 bytes")
        .expected("no answer, or PROTOCOL_VIOLATION")
        .script(|run| run.first_packet(|hello| hello.pad_to(1_199), VIOLATION.or_no_answer())),
    must("V08", Server, rfc(9000, "8.1"))
        .text("An address that is not validated gets at most three times the bytes it sent.")
        .stimulus("One flight of Initial packets, then silence")
        .expected("at most three times the bytes that were sent")
        .script(|run| {
            let finding = amplification(run, &[])?;
            match finding.verdict == Verdict::Pass && finding.seen.ends_with(BY_RETRY) {
                // Whoever brings its token has a validated address.
                true => Err(not_applicable("a Retry answers whatever comes first")),
                false => Ok(finding),
            }
        }),
    must("V14", Server, rfc(9000, "8.1"))
        .also(&[rfc(9000, "8.1.3")])
        .text("A token that the server has not given does not validate an address.")
        .stimulus("Initial packets with a token that is made up, then silence")
        .expected("at most three times the bytes that were sent")
        .script(|run| amplification(run, &[0xa5; 64])),
    must("V09", Server, rfc(9000, "14.1"))
        .text("Datagrams with ack-eliciting Initial packets have at least 1200 bytes.")
        .stimulus("Handshake, and one that is left without an answer, so that probes come")
        .expected("each datagram with an ack-eliciting Initial packet has 1200 bytes or more")
        .script(sizes_of_initials),
    must("V10", Server, rfc(9000, "10.3.3"))
        .also(&[rfc(9000, "10.3")])
        .text("A stateless reset is smaller than the packet that it answers.")
        .stimulus("Short header with an unknown connection ID, 100 bytes")
        .expected("no answer, or a stateless reset of less than 100 bytes")
        .script(stateless_resets),
    must("V11", Server, rfc(9000, "10.3"))
        .text("What is too short to be a packet is discarded.")
        .stimulus("Short header with an unknown connection ID, 20 bytes")
        .expected("no answer")
        .script(|run| run.is_ignored(&short_header(20))),
    must("V19", Server, rfc(9000, "10.3.1"))
        .of_clients("C113")
        .text("A stateless reset with the token of an ID in use ends the connection, silently.")
        .stimulus("Stateless reset with the token of a connection ID that the peer uses")
        .expected("no answer any more")
        .script(stateless_reset_of_the_client),
    must("M01", Server, rfc(9000, "9.3"))
        .also(&[rfc(9000, "8.2.1"), rfc(9000, "9")])
        .text("A new address is validated, by PATH_CHALLENGE in 1200 bytes as far as allowed.")
        .stimulus("Packet of at least 400 bytes from a new port, then small ones")
        .expected("PATH_CHALLENGE to the new port; once it is answered, answers go there")
        .script(migration),
    must("M02", Server, rfc(9000, "9.3.1"))
        .also(&[rfc(9000, "8")])
        .text("An address that is not validated gets at most three times the bytes it sent.")
        .stimulus("Packet of 40 bytes from a new address")
        .expected("at most three times its bytes until PATH_CHALLENGE is answered")
        .script(amplification_on_a_new_path),
    must("M03", Server, rfc(9000, "8.2.2"))
        .text("PATH_CHALLENGE is answered once, and on the path on which it came.")
        .stimulus("PATH_CHALLENGE from a new port to another connection ID of the server")
        .expected("one PATH_RESPONSE to the new port")
        .script(path_challenge_on_a_new_path),
    must("C01", Client, rfc(9000, "14.1"))
        .also(&[rfc(9000, "7.2")])
        .text("Initial packets come in 1200 bytes or more, to an ID of 8 bytes or more.")
        .stimulus("First datagrams of the client, which are left without an answer for a while")
        .expected("1200 bytes or more, and a destination connection ID of 8 bytes or more")
        .script(first_datagrams),
];

/// Words for a server that asks for a token first.
const BY_RETRY: &str = "answered by Retry";

/// Bytes of the connection ID that a client's first packet is to (RFC 9000 §7.2).
const DESTINATION_MIN: usize = 8;

/// Looks at the datagrams with Initial packets that a client sends until the handshake is over.
fn first_datagrams(run: &mut Run<'_>) -> Judged {
    let mut connection = run.serve(|config| {
        config.behaviour.sends_crypto = false;
        config.behaviour.acknowledges = false;
    })?;
    // Long enough for a probe, which is an Initial packet, too.
    let silence = connection.patience / 2;
    connection.settle(silence);
    connection.let_go();
    let first = connection.first_header()?;
    if first.packet_type != PacketType::Initial {
        let seen = format!("the client begins with {}", first.packet_type.name());
        return Err(Finding::new(Verdict::NotReached, seen));
    }
    connection.open();
    let has_initial = |datagram: &&&[u8]| {
        let mut all = packets(datagram, 0).map_while(Result::ok);
        all.any(|packet| packet.header.packet_type == PacketType::Initial)
    };
    let answers = connection.answers();
    let sizes = answers.iter().filter(has_initial).map(|one| one.len());
    let smallest = sizes.min().unwrap_or(0);
    let length = first.destination.len();
    let is_right = smallest >= DATAGRAM_MIN && length >= DESTINATION_MIN;
    let verdict = match is_right {
        true => Verdict::Pass,
        false => Verdict::Fail,
    };
    let seen = format!("{smallest} bytes or more, and an ID of {length} bytes");
    Ok(Finding::new(verdict, seen))
}

/// Sends one flight and nothing more, but again behind a Retry if it is to be followed, and waits
/// long enough for probes of the server.
fn unanswered(run: &mut Run<'_>, token: &[u8], follows_retry: bool) -> Result<Connection, Finding> {
    let mut connection = run.client(|config| {
        config.token = token.to_vec();
        config.behaviour.follows_retry = follows_retry;
        config.behaviour.issues_connection_ids = false;
        config.behaviour.acknowledges = false;
        config.behaviour.resends = false;
    })?;
    connection.flush();
    connection.endpoint_mut().behaviour.sends_crypto = false;
    let silence = connection.patience * 4 / 3;
    connection.settle(silence);
    Ok(connection)
}

/// Sends one flight and nothing more: the server cannot know that the address is right.
pub(super) fn amplification(run: &mut Run<'_>, token: &[u8]) -> Judged {
    let connection = unanswered(run, token, false)?;
    let sent = bytes_on(&connection, Direction::Sent, PathId(0));
    let received = bytes_on(&connection, Direction::Received, PathId(0));
    let mut answers = connection.answers().into_iter();
    let is_retry = answers.any(|answer| packet_type(answer) == Some(PacketType::Retry));
    let seen = match is_retry {
        true => format!("{received} bytes for {sent}, {BY_RETRY}"),
        false => format!("{received} bytes for {sent}"),
    };
    match received {
        0 => Err(Finding::new(Verdict::NotReached, "no answer")),
        _ if received <= AMPLIFICATION * sent => Ok(Finding::new(Verdict::Pass, seen)),
        _ if !token.is_empty() && amplification(run, &[])?.verdict == Verdict::Fail => {
            Err(not_applicable("as many bytes come without a token"))
        }
        _ => Ok(Finding::new(Verdict::Fail, seen)),
    }
}

/// Returns the bytes of all datagrams on a path; those that came twice count once, for the network
/// may have doubled them.
fn bytes_on(connection: &Connection, direction: Direction, path: PathId) -> usize {
    let datagrams = connection.endpoint().record().directed(direction);
    let on_path = datagrams.filter(|datagram| datagram.path == path);
    let mut known = BTreeSet::new();
    let once = on_path
        .filter(|datagram| direction == Direction::Sent || known.insert(datagram.bytes.as_slice()));
    once.map(|datagram| datagram.bytes.len()).sum()
}

/// Looks at the Initial packets of a handshake, and at those of a server that waits in vain.
fn sizes_of_initials(run: &mut Run<'_>) -> Judged {
    let smallest = |connection: &Connection| {
        let initials = connection.endpoint().record().at_level(Level::Initial);
        let sizes = initials.filter(|packet| packet.is_ack_eliciting());
        sizes.map(|packet| packet.datagram_size).min()
    };
    let answered = smallest(&run.open()?);
    let connection = unanswered(run, &[], true)?;
    let unanswered = smallest(&connection);
    let Some(size) = answered.into_iter().chain(unanswered).min() else {
        return Err(Finding::new(Verdict::NotReached, "no Initial packet"));
    };
    if size >= DATAGRAM_MIN {
        return Ok(Finding::new(Verdict::Pass, format!("{size} bytes or more")));
    }
    let seen = format!("an ack-eliciting Initial packet in a datagram of {size} bytes");
    let sent = bytes_on(&connection, Direction::Sent, PathId(0));
    let received = bytes_on(&connection, Direction::Received, PathId(0));
    // §14.1 has no exception for what §8 leaves, as §8.2.1 has one: such a server would have to
    // wait. That it breaks one of two rules lest it break the other is no more than a note.
    let had_room = received + (DATAGRAM_MIN - size) <= AMPLIFICATION * sent;
    if had_room || answered.is_some_and(|size| size < DATAGRAM_MIN) {
        return Ok(Finding::new(Verdict::Fail, seen));
    }
    let seen = format!("{seen}, all that it may still send");
    Ok(Finding::new(Verdict::Note, seen))
}

/// Returns a short header with a connection ID that nobody has issued.
fn short_header(size: usize) -> Vec<u8> {
    let mut datagram = vec![0xd1; size];
    datagram[0] = 0x41;
    datagram
}

/// Sends a short header of an unknown connection. Where a reset comes that is not smaller, it is
/// sent back, for a peer that remembers may do that, but it must not go on for ever.
fn stateless_resets(run: &mut Run<'_>) -> Judged {
    const SIZE: usize = 100;
    const ROUNDS: usize = 8;
    let mut connection = run.stranger()?;
    let quiet = connection.quiet();
    let mut datagram = short_header(SIZE);
    let mut large = 0;
    for round in 0..ROUNDS {
        let known = connection.answers().len();
        connection.send_raw(&datagram);
        if !connection.wait_for_datagram(known, quiet) {
            // The first may have been lost.
            match round {
                0 => continue,
                _ => break,
            }
        }
        let answer = connection.answers()[known].to_vec();
        if answer.len() >= AMPLIFICATION * datagram.len() {
            let seen = format!("{} bytes for {}", answer.len(), datagram.len());
            return Ok(Finding::new(Verdict::Fail, seen));
        }
        if answer.len() < datagram.len() {
            break;
        }
        large += 1;
        datagram = answer;
    }
    Ok(match (large, connection.answers().len()) {
        (0, 0) => Finding::new(Verdict::Pass, "no answer"),
        (0, _) => Finding::new(Verdict::Pass, "a smaller stateless reset"),
        (large, _) if large + 1 >= ROUNDS => Finding::new(
            Verdict::Fail,
            "resets that are not smaller, again and again",
        ),
        _ => Finding::new(
            Verdict::Note,
            "a reset that is not smaller, but not again and again",
        ),
    })
}

/// Opens a connection to a server that does not forbid clients to move, and a second path.
pub(super) fn with_new_path(run: &mut Run<'_>) -> Result<(Connection, PathId), Finding> {
    let mut connection = run.open()?;
    if connection.has_parameter(TransportParameters::DISABLE_ACTIVE_MIGRATION) {
        return Err(not_applicable(
            "the peer has announced disable_active_migration",
        ));
    }
    if !connection.lives() {
        return Err(Finding::new(
            Verdict::NotReached,
            "no answer after the handshake",
        ));
    }
    let not_reached = |error: std::io::Error| Finding::new(Verdict::NotReached, error.to_string());
    let path = connection.open_path().map_err(not_reached)?;
    Ok((connection, path))
}

pub(super) fn is_challenge_on(packet: &ReceivedPacket, path: PathId) -> bool {
    let frames = packet.frames();
    let mut frames = frames.iter();
    packet.path == path && frames.any(|frame| matches!(frame, Frame::PathChallenge { .. }))
}

/// Goes on from a new port, as a NAT would make it look.
fn migration(run: &mut Run<'_>) -> Judged {
    /// Three times as many are more than PATH_CHALLENGE needs.
    const SIZE: usize = 600;
    let (mut connection, path) = with_new_path(run)?;
    connection.endpoint_mut().set_path(path);
    let from = connection.endpoint().next_number(Level::OneRtt);
    let patience = connection.patience;
    let is_challenged = (0..3).any(|_| {
        connection.send(one_rtt([Frame::Ping]).pad_to(SIZE).once());
        let packets =
            |packets: &[ReceivedPacket]| packets.iter().any(|packet| is_challenge_on(packet, path));
        connection.wait_for(|endpoint| packets(endpoint.received()), patience / 3)
    });
    let is_answered = connection.lives();
    let mut packets = connection.received_packets();
    let is_answered_there = packets
        .any(|packet| packet.path == path && largest_acknowledged(&packet.frames()) >= Some(from));
    if !is_challenged {
        let packets = connection.received_packets();
        let there = packets.filter(|packet| packet.path == path && packet.is_processed);
        return Ok(match there.count() {
            0 => Finding::new(
                Verdict::Note,
                "nothing goes to the new port, though migration was not forbidden",
            ),
            count => {
                let seen = format!("{count} packets to the new port without PATH_CHALLENGE");
                accuse_on_a_new_path(&connection, seen)
            }
        });
    }
    if let Some(size) = small_challenge(&connection, path) {
        return Ok(Finding::new(
            Verdict::Fail,
            format!("PATH_CHALLENGE in a datagram of {size} bytes"),
        ));
    }
    Ok(match (is_answered, is_answered_there) {
        (true, true) => Finding::new(
            Verdict::Pass,
            "PATH_CHALLENGE, and answers go to the new port",
        ),
        (true, false) => Finding::new(Verdict::Note, "answers go to the old port"),
        (false, _) => {
            accuse_on_a_new_path(&connection, "no answer after PATH_CHALLENGE was answered")
        }
    })
}

/// Accuses the peer on a new path, unless the connection is over. A reset may be that of another
/// server, to which a balancer has led the new port.
pub(super) fn accuse_on_a_new_path(connection: &Connection, seen: impl Into<String>) -> Finding {
    match (
        connection.endpoint().closed(),
        connection.endpoint().ended(),
    ) {
        // An endpoint without a valid path may say so (RFC 9000 §8.2.4).
        (Some(close), _) if !close.application && close.code == NO_VIABLE_PATH => {
            Finding::new(Verdict::Note, close_words(close))
        }
        (Some(close), _) => Expected::lives_on().judge(&Reaction::Closed(close.clone())),
        (None, Some(Ended::Reset)) => Finding::new(Verdict::Note, "ended by a stateless reset"),
        _ => connection.accuse(seen),
    }
}

/// Returns the size of the first datagram with PATH_CHALLENGE on a path, if it is smaller than it
/// has to be where so many bytes had come (RFC 9000 §8.2.1).
fn small_challenge(connection: &Connection, path: PathId) -> Option<usize> {
    let mut packets = connection.received_packets();
    let challenge = packets.find(|packet| is_challenge_on(packet, path))?;
    let datagrams = &connection.endpoint().record().datagrams[..challenge.datagram];
    let sizes = |direction| {
        let datagrams = datagrams.iter();
        let there = datagrams.filter(move |one| one.direction == direction && one.path == path);
        there.map(|datagram| datagram.bytes.len())
    };
    // So many of the peer's may have been lost, and all of ours but one.
    let numbers = connection.received_packets().map(|packet| packet.number);
    let before: BTreeSet<_> = numbers
        .filter(|number| *number < challenge.number)
        .collect();
    let first = before.first().copied().unwrap_or(challenge.number);
    let lost = (challenge.number - first) as usize - before.len();
    let came = sizes(Direction::Sent).min().unwrap_or(0);
    let went = sizes(Direction::Received).sum::<usize>() + lost * DATAGRAM_MIN;
    let has_room = AMPLIFICATION * came >= went + DATAGRAM_MIN;
    Some(challenge.datagram_size).filter(|size| has_room && *size < DATAGRAM_MIN)
}

/// Sends one small packet from a new port, and answers nothing that comes there.
fn amplification_on_a_new_path(run: &mut Run<'_>) -> Judged {
    const SIZE: usize = 40;
    let (mut connection, path) = with_new_path(run)?;
    let behaviour = &mut connection.endpoint_mut().behaviour;
    behaviour.answers_path_challenges = false;
    behaviour.acknowledges = false;
    behaviour.resends = false;
    let silence: Duration = connection.patience / 2;
    let (mut sent, mut received) = (0, 0);
    // The first may be lost.
    for _ in 0..2 {
        connection.send(one_rtt([Frame::Ping]).pad_to(SIZE).path(path).once());
        connection.settle(silence);
        sent = bytes_on(&connection, Direction::Sent, path);
        received = bytes_on(&connection, Direction::Received, path);
        if received > 0 {
            break;
        }
    }
    let seen = format!("{received} bytes to the new port for {sent}");
    Ok(match received > AMPLIFICATION * sent {
        true => Finding::new(Verdict::Fail, seen),
        false => Finding::new(Verdict::Pass, seen),
    })
}

fn a_path_challenge(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let is_answer = |frame: &Frame<'_>| *frame == Frame::PathResponse { data: CHALLENGE };
    let is_other = |frame: &Frame<'_>| matches!(frame, Frame::PathResponse { .. });
    let pause = connection.patience / ATTEMPTS;
    for _ in 0..ATTEMPTS {
        let challenge = one_rtt([Frame::PathChallenge { data: CHALLENGE }]);
        connection.send(challenge.pad_to(CHALLENGE_SIZE).once());
        if connection.receives(is_answer, pause) {
            return Ok(Finding::new(
                Verdict::Pass,
                "PATH_RESPONSE with the same data",
            ));
        }
    }
    if connection.has_received(is_other) {
        return Ok(Finding::new(Verdict::Fail, "PATH_RESPONSE with other data"));
    }
    Ok(match connection.reaction() {
        Reaction::LivesOn { .. } => Finding::new(Verdict::Fail, "no PATH_RESPONSE"),
        other => connection.judge(&other, Expected::lives_on()),
    })
}

/// Sends stateless resets with a token to the peer's own connection ID, so that it finds the
/// connection.
pub(super) fn reset(connection: &mut Connection, token: &[u8; 16]) {
    let destination = connection.endpoint().connection_ids().destination;
    reset_to(connection, &destination, token);
}

/// Sends stateless resets that begin with a connection ID, or with noise.
fn reset_to(connection: &mut Connection, destination: &[u8], token: &[u8; 16]) {
    const SIZE: usize = 60;
    let mut reset = stateless_reset(token, SIZE, &[0x5a; 16]);
    reset[1..=destination.len()].copy_from_slice(destination);
    for _ in 0..ATTEMPTS {
        connection.send_raw(&reset);
    }
    let quiet = connection.quiet();
    connection.settle(quiet);
}

/// Gives the peer a connection ID with a token, has it use that, and resets the connection.
fn stateless_reset_of_the_client(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open_behaving(|behaviour| behaviour.issues_connection_ids = false)?;
    // That it is not retired is what K07 is about.
    let id = replace_connection_id(&mut connection)
        .map_err(|finding| Finding::new(Verdict::NotReached, finding.seen))?;
    let mut destinations = connection
        .received_packets()
        .map(|packet| packet.header.destination);
    let is_used = destinations.any(|destination| destination == id);
    drop(destinations);
    if !is_used {
        return Err(Finding::new(
            Verdict::NotReached,
            "the new connection ID is not used",
        ));
    }
    reset(&mut connection, &RESET_TOKEN);
    let quiet = connection.quiet();
    // Silence is what is expected, and nobody waits for it for long.
    connection.patience = quiet * 2;
    let finding = connection.expect_of_all(Expected::no_answer())?;
    if finding.verdict != Verdict::Fail {
        return Ok(finding);
    }
    // RFC 9000 §10.3.1 wants tokens to be compared where a packet cannot be decrypted, too. But who
    // looks only where there is no connection finds all resets that are none of a script: those
    // have no connection ID that anybody knows (§10.3).
    reset_to(&mut connection, &[], &RESET_TOKEN);
    let of_nobody = connection.expect_of_all(Expected::no_answer())?;
    Ok(match of_nobody.verdict {
        Verdict::Fail => finding,
        _ => {
            let seen = format!("{} after one to no known connection ID", of_nobody.seen);
            Finding::new(Verdict::Note, seen)
        }
    })
}

/// Returns a connection ID of the peer that may be used on a new path.
pub(super) fn unused_connection_id(connection: &Connection) -> Result<ConnectionId, Finding> {
    let remote = &connection.endpoint().connection_ids().remote;
    // That of sequence number 1 leads to the preferred address, if there is one (RFC 9000 §9.6).
    let has_preferred = connection.has_parameter(TransportParameters::PREFERRED_ADDRESS);
    let unused = remote.iter().find(|issued| {
        let is_preferred = has_preferred && issued.sequence == 1;
        !issued.is_used && !issued.is_retired && !is_preferred
    });
    let unused = unused.map(|issued| issued.id);
    unused.ok_or_else(|| not_applicable("the peer issues no second connection ID"))
}

/// Probes a new path and stays on the old one.
fn path_challenge_on_a_new_path(run: &mut Run<'_>) -> Judged {
    let (mut connection, path) = with_new_path(run)?;
    // RFC 9000 §9.5: no connection ID is used from more than one local address.
    let unused = unused_connection_id(&connection)?;
    let is_response = |frame: &Frame<'_>| *frame == Frame::PathResponse { data: CHALLENGE };
    let pause = connection.patience / ATTEMPTS;
    let mut challenges = Vec::new();
    let mut sent = 0;
    let mut is_answered = false;
    while sent < ATTEMPTS && !is_answered {
        let challenge = one_rtt([Frame::PathChallenge { data: CHALLENGE }]);
        challenges.push(connection.endpoint().next_number(Level::OneRtt));
        connection.send(
            challenge
                .destination(unused)
                .path(path)
                .pad_to(CHALLENGE_SIZE),
        );
        sent += 1;
        is_answered = connection.receives(is_response, pause);
    }
    let quiet = connection.quiet();
    connection.settle(quiet);
    let packets = connection.received_packets();
    let responses = packets.filter(|packet| packet.frames().iter().any(is_response));
    let paths: Vec<_> = responses.map(|packet| packet.path).collect();
    if paths.is_empty() {
        let endpoint = connection.endpoint();
        let mut challenges = challenges.into_iter();
        let is_taken = challenges.any(|number| endpoint.is_acknowledged(Level::OneRtt, number));
        return Ok(match connection.reaction() {
            Reaction::LivesOn { .. } if is_taken => Finding::new(Verdict::Fail, "no PATH_RESPONSE"),
            // Other servers may be behind the same address.
            Reaction::LivesOn { .. } => Finding::new(Verdict::Note, "nothing goes to the new port"),
            Reaction::Reset => Finding::new(Verdict::Note, "ended by a stateless reset"),
            other => connection.judge(&other, Expected::lives_on()),
        });
    }
    Ok(if paths.iter().any(|of| *of != path) {
        Finding::new(Verdict::Fail, "PATH_RESPONSE to the old port")
    } else if paths.len() > sent as usize {
        let seen = format!(
            "{} PATH_RESPONSE frames for {sent} PATH_CHALLENGE",
            paths.len()
        );
        Finding::new(Verdict::Fail, seen)
    } else {
        Finding::new(Verdict::Pass, "one PATH_RESPONSE to the new port")
    })
}
