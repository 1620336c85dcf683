//! Packets that clients send by themselves, where nothing is odd.

use std::collections::BTreeSet;

use qecho_packet::{
    StreamId, TransportParameters,
    wire::{Frame, frames},
};
use qecho_peer::{
    endpoint::integer_value,
    packet::one_rtt,
    received::ReceivedPacket,
    tls::{ClientHello, Level, Message, extension_type::SUPPORTED_VERSIONS},
};

use super::parameters::set;
use crate::conform::{
    Connection, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    connection::{judge_wrong, not_applicable},
    requirement::{Requirement, Side::Client, must, rfc, should},
};

pub(super) static ROWS: &[Requirement] = &[
    must("C126", Client, rfc(9001, "4.2"))
        .text("A client offers no TLS older than 1.3.")
        .stimulus("Handshake")
        .expected("supported_versions without any version before 0x0304")
        .script(|run| looks_right(run, older_version)),
    must("C127", Client, rfc(9001, "8.4"))
        .text("A client does not ask for TLS's compatibility mode: it has no session ID.")
        .stimulus("Handshake")
        .expected("an empty legacy_session_id")
        .script(|run| looks_right(run, session_id)),
    must("C128", Client, rfc(9000, "18.2"))
        .text("A client sends no transport parameter that is for servers alone.")
        .stimulus("Handshake")
        .expected("no parameter of servers")
        .script(|run| looks_right(run, parameter_of_servers)),
    must("C129", Client, rfc(9000, "7.4"))
        .text("No transport parameter comes twice.")
        .stimulus("Handshake")
        .expected("each parameter once")
        .script(|run| looks_right(run, doubled_parameter)),
    must("C130", Client, rfc(9000, "7.3"))
        .text("initial_source_connection_id is the source of the client's first Initial packet.")
        .stimulus("Handshake")
        .expected("initial_source_connection_id as in the headers")
        .script(|run| looks_right(run, wrong_source)),
    must("C131", Client, rfc(9000, "18.2"))
        .also(&[rfc(9000, "4.6")])
        .text("Transport parameters have values that are valid.")
        .stimulus("Handshake")
        .expected("values within the limits of each parameter")
        .script(|run| looks_right(run, invalid_value)),
    must("C132", Client, rfc(9000, "17.2"))
        .also(&[rfc(9000, "17.3.1")])
        .text("The reserved bits are 0; the fixed bit is 1 where grease_quic_bit is unknown.")
        .stimulus("Handshake, without grease_quic_bit")
        .expected("packets with these bits as they have to be")
        .script(bits_of_headers),
    must("C133", Client, rfc(9000, "12.4"))
        .text("A frame type has the shortest encoding.")
        .stimulus("Handshake")
        .expected("frame types in as few bytes as they take")
        .script(|run| looks_right(run, long_frame_type)),
    must("C134", Client, rfc(9000, "12.5"))
        .also(&[rfc(9000, "17.2.2"), rfc(9000, "17.2.4")])
        .text("Initial and Handshake packets carry no frames of the application's data.")
        .stimulus("Handshake")
        .expected("PADDING, PING, ACK, CRYPTO and CONNECTION_CLOSE (0x1c) in them, and no others")
        .script(|run| looks_right(run, misplaced_frame)),
    should("C135", Client, rfc(9000, "7.2"))
        .text("The first destination connection ID cannot be predicted.")
        .stimulus("Two connections")
        .expected("two destination connection IDs")
        .script(|run| {
            let first = run.serve(|_| {})?.first_header()?.destination;
            let second = run.serve(|_| {})?.first_header()?.destination;
            Ok(match first == second {
                false => Finding::new(Verdict::Pass, "two destination connection IDs"),
                true => Finding::new(Verdict::Fail, "the same destination connection ID twice"),
            })
        }),
    must("C136", Client, rfc(9000, "4.1"))
        .text("No more data is sent than the other side has granted.")
        .stimulus("Server that grants two bytes, of each stream and of all")
        .expected("no data beyond them")
        .script(data_within_limits),
    must("C137", Client, rfc(9000, "4.6"))
        .text("No more streams are opened than the other side has granted.")
        .stimulus("Server that grants no streams")
        .expected("no stream")
        .script(streams_within_limits),
    must("C138", Client, rfc(9000, "8.2.2"))
        .text("PATH_RESPONSE comes in 1200 bytes or more, to show that the path carries them.")
        .stimulus("PATH_CHALLENGE in 1200 bytes")
        .expected("PATH_RESPONSE in a datagram of 1200 bytes or more")
        .script(sizes_of_path_responses),
];

/// Lets a client connect, and looks for something that is wrong.
fn looks_right(run: &mut Run<'_>, wrong: fn(&Connection) -> Option<String>) -> Judged {
    let mut connection = run.open()?;
    connection.lives();
    Ok(match wrong(&connection) {
        Some(seen) => Finding::new(Verdict::Fail, seen),
        None => Finding::new(Verdict::Pass, "as it has to be"),
    })
}

/// Returns the message of TLS that the client has begun with, if all of it has come in order.
fn client_hello(connection: &Connection) -> Option<ClientHello> {
    let mut hello = Vec::new();
    for packet in connection.endpoint().record().at_level(Level::Initial) {
        for frame in packet.frames() {
            if let Frame::Crypto { offset, data } = frame {
                let end = offset as usize + data.len();
                hello.resize(hello.len().max(end), 0);
                hello[offset as usize..end].copy_from_slice(data);
            }
        }
    }
    match Message::read(&hello) {
        Ok(Message::ClientHello(hello)) => Some(hello),
        _ => None,
    }
}

fn older_version(connection: &Connection) -> Option<String> {
    const TLS_1_3: u16 = 0x0304;
    let hello = client_hello(connection)?;
    let (_, versions) = hello.extension(SUPPORTED_VERSIONS)?.split_first()?;
    let mut versions = versions
        .chunks_exact(2)
        .map(|version| u16::from_be_bytes([version[0], version[1]]));
    let older = versions.find(|version| *version < TLS_1_3)?;
    Some(format!("version {older:#06x} of TLS is offered"))
}

fn session_id(connection: &Connection) -> Option<String> {
    let length = client_hello(connection)?.session_id.len();
    (length > 0).then(|| format!("a legacy_session_id of {length} bytes"))
}

fn parameter_of_servers(connection: &Connection) -> Option<String> {
    let of_servers = [
        TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID,
        TransportParameters::PREFERRED_ADDRESS,
        TransportParameters::RETRY_SOURCE_CONNECTION_ID,
        TransportParameters::STATELESS_RESET_TOKEN,
    ];
    let mut sent = of_servers.into_iter();
    let id = sent.find(|id| connection.has_parameter(*id))?;
    Some(format!("parameter {id:#04x}, which only servers send"))
}

fn doubled_parameter(connection: &Connection) -> Option<String> {
    let parameters = connection.endpoint().peer_parameters()?;
    let mut known = BTreeSet::new();
    let (id, _) = parameters.iter().find(|(id, _)| !known.insert(*id))?;
    Some(format!("parameter {id:#04x} twice"))
}

fn wrong_source(connection: &Connection) -> Option<String> {
    let parameters = connection.endpoint().peer_parameters()?;
    let told = parameters.get(TransportParameters::INITIAL_SOURCE_CONNECTION_ID);
    let source = connection.first_header().ok()?.source?;
    (told != Some(&source[..])).then(|| match told {
        Some(_) => "another initial_source_connection_id".to_owned(),
        None => "no initial_source_connection_id".to_owned(),
    })
}

fn invalid_value(connection: &Connection) -> Option<String> {
    const STREAMS_MAX: u64 = 1 << 60;
    let valid = [
        (TransportParameters::MAX_UDP_PAYLOAD_SIZE, 1_200..=u64::MAX),
        (TransportParameters::ACK_DELAY_EXPONENT, 0..=20),
        (TransportParameters::MAX_ACK_DELAY, 0..=(1 << 14) - 1),
        (
            TransportParameters::ACTIVE_CONNECTION_ID_LIMIT,
            2..=u64::MAX,
        ),
        (
            TransportParameters::INITIAL_MAX_STREAMS_BIDI,
            0..=STREAMS_MAX,
        ),
        (
            TransportParameters::INITIAL_MAX_STREAMS_UNI,
            0..=STREAMS_MAX,
        ),
    ];
    let mut invalid = valid.into_iter().filter_map(|(id, valid)| {
        let parameters = connection.endpoint().peer_parameters()?;
        parameters.get(id)?;
        match parameters.integer(id) {
            Some(value) if valid.contains(&value) => None,
            Some(value) => Some(format!("parameter {id:#04x} is {value}")),
            None => Some(format!("parameter {id:#04x} is no integer")),
        }
    });
    invalid.next()
}

/// Looks at the bits of a client's headers. Before it knows our parameters, one with a token may go
/// by those of whoever gave it (RFC 9287 §3.1), which it may have met under the same name.
fn bits_of_headers(run: &mut Run<'_>) -> Judged {
    const FIXED_BIT: u8 = 0x40;
    let mut connection = run.open()?;
    connection.lives();
    let has_token = !connection.first_header()?.token.is_empty();
    let is_unfixed = |packet: &&ReceivedPacket| packet.first_byte & FIXED_BIT == 0;
    let may_be = |packet: &ReceivedPacket| has_token && packet.level != Level::OneRtt;
    let packets = || connection.endpoint().received().iter();
    let wrong = packets()
        .find(|packet| packet.reserved_bits() != 0 || is_unfixed(packet) && !may_be(packet));
    let wrong =
        wrong.map(|packet| format!("a packet whose first byte is {:#04x}", packet.first_byte));
    match wrong.is_none() && packets().any(|packet| is_unfixed(&packet)) {
        true => Err(not_applicable(
            "the token may be of a server that takes packets without the fixed bit",
        )),
        false => Ok(judge_wrong(wrong, "as it has to be")),
    }
}

fn long_frame_type(connection: &Connection) -> Option<String> {
    /// Two bits of the first byte tell how many follow (RFC 9000 §16).
    const LENGTH: u8 = 0xc0;
    let mut packets = connection.endpoint().received().iter();
    packets.find_map(|packet| {
        let mut all = frames(&packet.payload);
        loop {
            let begin = all.offset();
            all.next()?.ok()?;
            let [first, rest @ ..] = &packet.payload[begin..] else {
                return None;
            };
            let tail = (1 << (first >> 6)) - 1;
            let high = rest.iter().take(tail).rev().skip(1);
            let is_small = first & !LENGTH == 0 && high.copied().all(|byte| byte == 0);
            let value = rest.get(tail.wrapping_sub(1)).copied().unwrap_or(0);
            if tail > 0 && is_small && value & LENGTH == 0 {
                return Some(format!("frame type {value:#04x} in {} bytes", tail + 1));
            }
        }
    })
}

fn misplaced_frame(connection: &Connection) -> Option<String> {
    let mut packets = connection.endpoint().received().iter();
    packets.find_map(|packet| {
        let is_early = matches!(packet.level, Level::Initial | Level::Handshake);
        let frames = packet.frames();
        let misplaced = frames.iter().find(|frame| {
            !matches!(
                frame,
                Frame::Padding { .. }
                    | Frame::Ping
                    | Frame::Ack(_)
                    | Frame::Crypto { .. }
                    | Frame::ConnectionClose {
                        application: false,
                        ..
                    }
            )
        });
        let misplaced = misplaced.filter(|_| is_early)?;
        Some(format!("in {:?}: {misplaced}", packet.kind()))
    })
}

/// Serves a client that is granted little, and no more; returns what came in a time that is long
/// enough to send more.
fn restricted(run: &mut Run<'_>, limits: &[(u64, u64)]) -> Result<Connection, Finding> {
    let connection = run.begin(|settings| {
        for (id, limit) in limits {
            set(settings.parameters, *id, &integer_value(*limit));
        }
        settings.behaviour.gives_credit = false;
    })?;
    let mut connection = connection.confirmed()?;
    let quiet = connection.quiet();
    connection.settle(quiet);
    Ok(connection)
}

fn data_within_limits(run: &mut Run<'_>) -> Judged {
    const BYTES: u64 = 2;
    let all = [
        TransportParameters::INITIAL_MAX_DATA,
        TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE,
        TransportParameters::INITIAL_MAX_STREAM_DATA_UNI,
    ];
    let connection = restricted(run, &all.map(|id| (id, BYTES)))?;
    let ends = stream_frames(&connection);
    let mut streams: Vec<_> = ends.iter().map(|(id, _)| *id).collect();
    streams.sort_unstable();
    streams.dedup();
    let sums = streams.iter().map(|stream| {
        let of_stream = ends.iter().filter(|(id, _)| id == stream);
        of_stream.map(|(_, end)| *end).max().unwrap_or(0)
    });
    let sum: u64 = sums.sum();
    match sum {
        0 => Err(Finding::new(
            Verdict::NotReached,
            "the client sends no data",
        )),
        _ if sum > BYTES => Ok(Finding::new(Verdict::Fail, format!("{sum} bytes of 2"))),
        _ => Ok(Finding::new(Verdict::Pass, format!("{sum} bytes of 2"))),
    }
}

fn streams_within_limits(run: &mut Run<'_>) -> Judged {
    let all = [
        TransportParameters::INITIAL_MAX_STREAMS_BIDI,
        TransportParameters::INITIAL_MAX_STREAMS_UNI,
    ];
    let connection = restricted(run, &all.map(|id| (id, 0)))?;
    let streams = stream_frames(&connection);
    Ok(match streams.first() {
        Some((id, _)) => Finding::new(Verdict::Fail, format!("stream {}", id.value())),
        None => Finding::new(Verdict::Pass, "no stream"),
    })
}

/// Returns the stream and the end of each STREAM frame of the client.
fn stream_frames(connection: &Connection) -> Vec<(StreamId, u64)> {
    let mut all = Vec::new();
    for packet in connection.received_packets() {
        all.extend(packet.frames().iter().filter_map(|frame| match frame {
            Frame::Stream {
                id, offset, data, ..
            } => Some((*id, offset + data.len() as u64)),
            _ => None,
        }));
    }
    all
}

fn sizes_of_path_responses(run: &mut Run<'_>) -> Judged {
    const SIZE: usize = 1_200;
    let mut connection = run.open()?;
    let data = *b"qechosiz";
    let has_answer =
        |packet: &&ReceivedPacket| packet.frames().contains(&Frame::PathResponse { data });
    let pause = connection.patience / ATTEMPTS;
    for _ in 0..ATTEMPTS {
        connection.send(one_rtt([Frame::PathChallenge { data }]).pad_to(SIZE).once());
        connection.receives(|frame| *frame == Frame::PathResponse { data }, pause);
        let answers = connection.received_packets().filter(has_answer);
        if let Some(size) = answers.map(|packet| packet.datagram_size).min() {
            let verdict = match size >= SIZE {
                true => Verdict::Pass,
                false => Verdict::Fail,
            };
            let seen = format!("PATH_RESPONSE in a datagram of {size} bytes");
            return Ok(Finding::new(verdict, seen));
        }
    }
    Err(Finding::new(Verdict::NotReached, "no PATH_RESPONSE"))
}
