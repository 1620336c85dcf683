//! Connection IDs: issuing and retiring them (RFC 9000 §5.1, §19.15, §19.16).

use qecho_packet::{
    TransportParameters,
    close::{CONNECTION_ID_LIMIT_ERROR, FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION},
    wire::{ConnectionId, Frame, INTEGER_MAX, write_integer},
};
use qecho_peer::{
    endpoint::{Endpoint, integer_value},
    packet::{Content, initial, one_rtt, raw},
    received::ReceivedPacket,
    script::Reaction,
    tls::Level,
};

use super::parameters::set;
use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    connection::not_applicable,
    expected::close_words,
    requirement::{
        Need, Requirement,
        Side::{Client, Server},
        may, must, rfc, should,
    },
};

const FRAME_ENCODING: Expected = Expected::close(&[FRAME_ENCODING_ERROR]);
const VIOLATION: Expected = Expected::close(&[PROTOCOL_VIOLATION]);

pub(super) static ROWS: &[Requirement] = &[
    must("F19", Server, rfc(9000, "19.15"))
        .of_clients("C23")
        .text("A connection ID that is issued has 1 to 20 bytes.")
        .stimulus("NEW_CONNECTION_ID with an ID of no bytes")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| open(run)?.expect(one_rtt([new_id(1, 0, &[])]), FRAME_ENCODING)),
    must("F20", Server, rfc(9000, "19.15"))
        .of_clients("C52")
        .text("A connection ID that is issued has 1 to 20 bytes.")
        .stimulus("NEW_CONNECTION_ID with an ID of 21 bytes")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| open(run)?.expect(one_rtt([new_id(1, 0, &[7; 21])]), FRAME_ENCODING)),
    must("F21", Server, rfc(9000, "19.15"))
        .of_clients("C53")
        .text("A NEW_CONNECTION_ID frame does not retire the ID that it issues.")
        .stimulus("NEW_CONNECTION_ID whose Retire Prior To is above its Sequence Number")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| open(run)?.expect(one_rtt([new_id(1, 2, &[7; 8])]), FRAME_ENCODING)),
    must("F22", Server, rfc(9000, "5.1.1"))
        .of_clients("C24")
        .text("Connection IDs beyond active_connection_id_limit close the connection.")
        .stimulus("NEW_CONNECTION_ID frames beyond active_connection_id_limit")
        .expected("CONNECTION_ID_LIMIT_ERROR")
        .script(more_connection_ids_than_the_peer_takes),
    must("F23", Server, rfc(9000, "19.15"))
        .of_clients("C54")
        .text("The same NEW_CONNECTION_ID frame may come more than once.")
        .stimulus("The same NEW_CONNECTION_ID frame twice")
        .expected("the connection lives on")
        .script(|run| {
            let twice = || one_rtt([new_id(1, 0, &[7; 8])]);
            let mut connection = open(run)?;
            connection.expect(twice(), Expected::lives_on())?;
            connection.expect(twice(), Expected::lives_on())
        }),
    may("F24", Server, rfc(9000, "19.15"))
        .of_clients("C55")
        .text("One sequence number for two connection IDs may close the connection.")
        .stimulus("NEW_CONNECTION_ID with a sequence number that another ID has")
        .expected("PROTOCOL_VIOLATION, or the connection lives on")
        .script(|run| {
            let both = [new_id(1, 0, &[7; 8]), new_id(1, 0, &[8; 8])];
            open(run)?.expect(one_rtt(both), VIOLATION.or_lives_on())
        }),
    must("F25", Server, rfc(9000, "19.16"))
        .of_clients("C18")
        .text("RETIRE_CONNECTION_ID for an ID that was never issued closes the connection.")
        .stimulus("RETIRE_CONNECTION_ID for a sequence number never issued")
        .expected("PROTOCOL_VIOLATION")
        .script(a_retirement_of_what_was_never_issued),
    may("F26", Server, rfc(9000, "19.16"))
        .of_clients("C56")
        .needs(&[Need::CrashesOthers])
        .text("RETIRE_CONNECTION_ID for its own packet's ID may close the connection.")
        .stimulus("RETIRE_CONNECTION_ID for the ID that its packet uses")
        .expected("PROTOCOL_VIOLATION, or the connection lives on, or no answer")
        .script(a_retirement_of_the_id_in_use),
    must("K07", Server, rfc(9000, "5.1.2"))
        .of_clients("C80")
        .also(&[rfc(9000, "19.15")])
        .text("Connection IDs that the issuer wants to be retired are, and are used no longer.")
        .stimulus("NEW_CONNECTION_ID that raises Retire Prior To to 1")
        .expected("RETIRE_CONNECTION_ID of 0, and packets to the new connection ID")
        .script(a_connection_id_to_be_replaced),
    must("K08", Server, rfc(9000, "5.1.1"))
        .of_clients("C81")
        .text("No more connection IDs are issued than the other side takes.")
        .stimulus("active_connection_id_limit of 2")
        .expected("at most two active connection IDs")
        .script(a_limit_of_two_connection_ids),
    must("K13", Server, rfc(9000, "19.15"))
        .of_clients("C85")
        .text("A connection ID that was to be retired before it came is retired at once.")
        .stimulus("NEW_CONNECTION_ID of 1 after one that raised Retire Prior To to 3")
        .expected("RETIRE_CONNECTION_ID of 1")
        .script(a_connection_id_that_comes_too_late),
    must("V15", Server, rfc(9000, "7.2"))
        .of_clients("C110")
        .text("An Initial packet whose source connection ID is another one is discarded.")
        .stimulus("Second Initial packet with another source connection ID")
        .expected("it is not acknowledged, and others are")
        .script(an_initial_packet_of_another_source),
    must("F52", Server, rfc(9000, "19.15"))
        .of_clients("C114")
        .text("NEW_CONNECTION_ID from who has a connection ID of no bytes is an error.")
        .stimulus("NEW_CONNECTION_ID from who has a connection ID of no bytes")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            let connection = run.begin(|settings| {
                *settings.source = Some(ConnectionId::default());
                settings.behaviour.issues_connection_ids = false;
            })?;
            let frame = one_rtt([new_id(1, 0, &[7; 8])]);
            connection.confirmed()?.expect(frame, VIOLATION)
        }),
    should("K14", Server, rfc(9000, "5.1.1"))
        .text("A connection ID that is retired is replaced by a new one.")
        .stimulus("RETIRE_CONNECTION_ID of a connection ID that is not used")
        .expected("NEW_CONNECTION_ID")
        .script(a_connection_id_in_place_of_another),
    must("C115", Client, rfc(9000, "19.16"))
        .text("RETIRE_CONNECTION_ID to a client whose connection ID has no bytes is an error.")
        .stimulus("RETIRE_CONNECTION_ID to a client whose connection ID has no bytes")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            let mut connection = run.open()?;
            match connection.endpoint().first_source() {
                Some(source) if source.is_empty() => {
                    let sequence = 0;
                    connection.expect(one_rtt([Frame::RetireConnectionId { sequence }]), VIOLATION)
                }
                _ => Err(not_applicable("the client's connection ID has some bytes")),
            }
        }),
];

/// Connects with a single connection ID of this side: the script issues the others.
pub(super) fn open(run: &mut Run<'_>) -> Result<Connection, Finding> {
    run.open_behaving(|behaviour| behaviour.issues_connection_ids = false)
}

/// NEW_CONNECTION_ID with an ID of any length.
pub(super) fn new_id(sequence: u8, retire_prior_to: u8, id: &[u8]) -> Content {
    let mut frame = vec![0x18];
    write_integer(&mut frame, sequence.into());
    write_integer(&mut frame, retire_prior_to.into());
    frame.push(id.len() as u8);
    raw([&frame, id, &[sequence; 16]].concat())
}

/// The most connection IDs that one packet has place for, and no flood.
const LIMIT_MAX: u64 = 32;
/// RFC 9000 §18.2.
const LIMIT_DEFAULT: u64 = 2;

/// Returns how many connection IDs the peer takes.
pub(super) fn limit(connection: &Connection) -> u64 {
    let id = TransportParameters::ACTIVE_CONNECTION_ID_LIMIT;
    match connection.has_parameter(id) {
        true => connection.parameter(id),
        false => LIMIT_DEFAULT,
    }
}

fn more_connection_ids_than_the_peer_takes(run: &mut Run<'_>) -> Judged {
    let mut connection = open(run)?;
    let limit = limit(&connection);
    if limit > LIMIT_MAX {
        let why = format!("the peer takes {limit} connection IDs, too many to exceed");
        return Err(not_applicable(why));
    }
    let expected = Expected::close(&[CONNECTION_ID_LIMIT_ERROR]);
    let mut next: u8 = 1;
    for _ in 0..ROUNDS {
        // With the one of the handshake they are one too many.
        let count = (limit as u8).saturating_add(retired(&connection));
        let ids = (next..=count).map(|sequence| new_id(sequence, 0, &[sequence; 8]));
        let begin = connection.endpoint().record().sent.len();
        let reaction = connection.reaction_to(one_rtt(ids));
        next = count.saturating_add(1);
        let has_retired =
            |connection: &Connection| count < (limit as u8).saturating_add(retired(connection));
        let lives_on = matches!(reaction, Reaction::LivesOn { .. });
        // Who has retired some by now has room for more, and need not be waited for.
        if lives_on && has_retired(&connection) {
            continue;
        }
        let finding = connection.judge_since(begin, &reaction, expected)?;
        if finding.verdict != Verdict::Fail || !has_retired(&connection) {
            return Ok(finding);
        }
    }
    Err(not_applicable(
        "the peer retires connection IDs as they come",
    ))
}

/// Times that connection IDs are issued in place of those that the peer has retired.
const ROUNDS: u8 = 3;

/// Returns how many connection IDs of this side the peer has retired.
fn retired(connection: &Connection) -> u8 {
    let local = connection.endpoint().connection_ids().local.iter();
    let retired = local.filter(|issued| issued.is_retired).count();
    u8::try_from(retired).unwrap_or(u8::MAX)
}

fn a_connection_id_in_place_of_another(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    connection.lives();
    let remote = &connection.endpoint().connection_ids().remote;
    let unused = remote
        .iter()
        .find(|issued| !issued.is_used && !issued.is_retired);
    let highest = remote.iter().map(|issued| issued.sequence).max();
    let Some(sequence) = unused.map(|issued| issued.sequence) else {
        return Err(not_applicable("the peer issues no second connection ID"));
    };
    connection.send(one_rtt([Frame::RetireConnectionId { sequence }]));
    let is_new = |frame: &Frame<'_>| match frame {
        Frame::NewConnectionId { sequence, .. } => Some(*sequence) > highest,
        _ => false,
    };
    // It may be lost and go again.
    let patience = connection.patience;
    Ok(match connection.receives(is_new, patience) {
        true => Finding::new(Verdict::Pass, "NEW_CONNECTION_ID"),
        false => connection.accuse("no NEW_CONNECTION_ID"),
    })
}

/// Sequence numbers between those that were issued and one that never was.
const NEVER_ISSUED: u64 = 1_000;

fn a_retirement_of_what_was_never_issued(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let ids = connection.endpoint().connection_ids().remote.iter();
    let highest = ids.map(|issued| issued.sequence).max();
    let sequence = highest.unwrap_or(0).saturating_add(NEVER_ISSUED);
    if sequence > INTEGER_MAX {
        return Err(not_applicable("there is no higher sequence number"));
    }
    connection.expect(one_rtt([Frame::RetireConnectionId { sequence }]), VIOLATION)
}

fn a_retirement_of_the_id_in_use(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let ids = connection.endpoint().connection_ids();
    let mut remote = ids.remote.iter();
    let used = remote.find(|issued| issued.id == ids.destination);
    let sequence = used.map_or(0, |issued| issued.sequence);
    let retirement = one_rtt([Frame::RetireConnectionId { sequence }]);
    connection.expect(retirement, VIOLATION.or_lives_on().or_no_answer())
}

/// The token of a stateless reset for the ID that [`replace_connection_id`] issues.
pub(super) const RESET_TOKEN: [u8; 16] = [1; 16];
/// That ID.
const REPLACEMENT: [u8; 8] = [0xa5; 8];

/// Issues a second connection ID and retires the first; returns the second once the first is
/// retired.
pub(super) fn replace_connection_id(connection: &mut Connection) -> Result<ConnectionId, Finding> {
    connection.send(one_rtt([new_id(1, 1, &REPLACEMENT)]));
    let retires = |frame: &Frame<'_>| *frame == Frame::RetireConnectionId { sequence: 0 };
    let patience = connection.patience;
    if !connection.receives(retires, patience) {
        return Err(missing(connection, 0));
    }
    connection.lives();
    Ok(ConnectionId::new(&REPLACEMENT).expect("eight bytes are few enough"))
}

/// Judges that the ID of this number was not retired.
fn missing(connection: &mut Connection, sequence: u64) -> Finding {
    let reaction = connection.reaction();
    if let Some(close) = connection.farewell(&reaction) {
        return Finding::new(Verdict::NotReached, close_words(close));
    }
    let finding = Expected::close(&[]).judge(&reaction).of_life_alone();
    let seen = format!("no RETIRE_CONNECTION_ID of {sequence}: {}", finding.seen);
    Finding::new(finding.verdict, seen)
}

fn a_connection_id_to_be_replaced(run: &mut Run<'_>) -> Judged {
    let mut connection = open(run)?;
    let id = replace_connection_id(&mut connection)?;
    let retires = |packet: &&ReceivedPacket| {
        let frames = packet.frames();
        frames.contains(&Frame::RetireConnectionId { sequence: 0 })
    };
    let first = connection
        .received_packets()
        .find(retires)
        .map(|packet| packet.number);
    let mut later = connection
        .received_packets()
        .filter(|packet| Some(packet.number) > first);
    let seen = match later.find(|packet| packet.header.destination != id) {
        None => {
            return Ok(Finding::new(
                Verdict::Pass,
                "retired, and the new one is used",
            ));
        }
        Some(packet) => format!(
            "packet {} goes to a connection ID that was retired before",
            packet.number
        ),
    };
    Ok(Finding::new(Verdict::Fail, seen))
}

fn a_limit_of_two_connection_ids(run: &mut Run<'_>) -> Judged {
    const LIMIT: usize = 2;
    let connection = run.begin(|settings| {
        let id = TransportParameters::ACTIVE_CONNECTION_ID_LIMIT;
        set(settings.parameters, id, &integer_value(LIMIT as u64));
        settings.behaviour.retires_connection_ids = false;
    })?;
    let mut connection = connection.confirmed()?;
    connection.lives();
    let quiet = connection.quiet();
    connection.settle(quiet);
    let ids = connection.endpoint().connection_ids();
    let active = ids
        .remote
        .iter()
        .filter(|issued| issued.sequence >= ids.retire_prior_to);
    let count = active.count();
    Ok(match count > LIMIT {
        true => Finding::new(Verdict::Fail, format!("{count} active connection IDs")),
        false => Finding::new(Verdict::Pass, format!("{count} of 2")),
    })
}

fn an_initial_packet_of_another_source(run: &mut Run<'_>) -> Judged {
    let mut connection = run.with_initial_keys(|endpoint| !endpoint.received().is_empty())?;
    let other = ConnectionId::new(&[0xd1; 8]).expect("eight bytes are few enough");
    let first = connection.endpoint().next_number(Level::Initial);
    // Alone: an acknowledgement of packets behind it may tell of one that was discarded, too.
    for _ in 0..ATTEMPTS {
        connection.send(initial([Frame::Ping]).source(other));
        let next = connection.endpoint().next_number(Level::Initial);
        let is_acknowledged = |endpoint: &Endpoint| {
            let mut sent = first..next;
            sent.any(|number| endpoint.is_acknowledged(Level::Initial, number))
        };
        let quiet = connection.quiet() / 2;
        if connection.wait_for(is_acknowledged, quiet) {
            return Ok(Finding::new(Verdict::Fail, "acknowledged"));
        }
    }
    if let Some(close) = connection.endpoint().closed() {
        return Ok(Finding::new(Verdict::Note, close_words(close)));
    }
    match connection.lives() {
        true => Ok(Finding::new(Verdict::Pass, "not acknowledged")),
        false => Err(Finding::new(Verdict::NotReached, "no answer any more")),
    }
}

fn a_connection_id_that_comes_too_late(run: &mut Run<'_>) -> Judged {
    let mut connection = open(run)?;
    let retires =
        |sequence| move |frame: &Frame<'_>| *frame == Frame::RetireConnectionId { sequence };
    let patience = connection.patience;
    connection.send(one_rtt([new_id(3, 3, &[0xa5; 8])]));
    if !connection.receives(retires(0), patience) {
        return Ok(missing(&mut connection, 0));
    }
    connection.send(one_rtt([new_id(1, 0, &[0x5a; 8])]));
    if connection.has_received(retires(1)) || connection.receives(retires(1), patience) {
        return Ok(Finding::new(Verdict::Pass, "RETIRE_CONNECTION_ID of 1"));
    }
    Ok(missing(&mut connection, 1))
}
