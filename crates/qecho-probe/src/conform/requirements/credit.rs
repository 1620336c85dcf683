//! Streams and DATAGRAM frames at work: order, ends, credit, and what comes back (RFC 9000 §2 to
//! §4, RFC 9221).

use std::ops::Range;

use qecho_packet::{
    Dir, StreamId, TransportParameters,
    close::PROTOCOL_VIOLATION,
    wire::{Frame, frames},
};
use qecho_peer::{
    endpoint::{ClientConfig, Endpoint, integer_value},
    packet::one_rtt,
    rules::Rule,
    script::Reaction,
    tls::Level,
};

use super::{
    parameters::set,
    sent::broken,
    streams::{data, stream},
};
use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    connection::{judge_wrong, not_applicable, not_reached},
    requirement::{Need, Requirement, Side::Server, may, must, rfc, should},
};

pub(super) static ROWS: &[Requirement] = &[
    must("F55", Server, rfc(9000, "4.1"))
        .needs(&[Need::Echo])
        .text("No more data are sent on a stream than the peer has granted for it.")
        .stimulus("64 bytes on a stream that grants 16 bytes for what comes back")
        .expected("at most 16 bytes on the stream")
        .script(|run| {
            let mut connection = run.open_with(|config| {
                let id = TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL;
                set(&mut config.parameters, id, &integer_value(16));
                config.behaviour.gives_credit = false;
            })?;
            let id = first_stream(&connection)?;
            echoed(&mut connection, id, [stream(id, 0, &[b'a'; 64], true)], 1)?;
            let quiet = connection.quiet();
            connection.settle(quiet);
            let wrong = broken(&connection, &[Rule::StreamDataLimit]);
            Ok(judge_wrong(wrong, "within what was granted"))
        }),
    must("F56", Server, rfc(9000, "4.6"))
        .needs(&[Need::Echo])
        .text("Credit for streams does not wait for STREAMS_BLOCKED.")
        .stimulus("As many streams as are granted, all ended, and no STREAMS_BLOCKED")
        .expected("MAX_STREAMS, or none after STREAMS_BLOCKED either")
        .script(credit_for_streams),
    must("F57", Server, rfc(9000, "4.2"))
        .needs(&[Need::Echo])
        .text("Credit for data does not wait for DATA_BLOCKED or STREAM_DATA_BLOCKED.")
        .stimulus("As many bytes on a stream as are granted, and no frame that says so")
        .expected("MAX_STREAM_DATA or MAX_DATA, or none after such frames either")
        .script(credit_for_data),
    must("F58", Server, rfc(9000, "3.3"))
        .text("A stream that was reset carries no more data.")
        .stimulus("STOP_SENDING on a bidirectional stream, and more data on it")
        .expected("no STREAM or STREAM_DATA_BLOCKED after RESET_STREAM")
        .script(data_after_reset),
    should("F59", Server, rfc(9000, "3.5"))
        .text("RESET_STREAM has the code of the STOP_SENDING that it answers.")
        .stimulus("STOP_SENDING with code 77 on an open bidirectional stream")
        .expected("RESET_STREAM with code 77, if there is one")
        .script(|run| {
            let (connection, id) = stopped(run)?;
            let stream = connection.endpoint().stream(id);
            let code = stream.and_then(|stream| stream.reset);
            let wrong = code.filter(|code| *code != STOP_CODE);
            let wrong = wrong.map(|code| format!("RESET_STREAM with code {code}"));
            Ok(judge_wrong(wrong, "the same code"))
        }),
    must("F60", Server, rfc(9000, "3.2"))
        .text("A stream may be used after one of a higher number, which has opened it.")
        .stimulus("STREAM on the third stream of a direction, and then on the first")
        .expected("the connection lives on")
        .script(|run| {
            let mut connection = run.open()?;
            let direction = connection.open_stream(2)?.direction();
            if connection.streams_granted(direction) < 3 {
                return Err(not_applicable("the peer grants fewer than three streams"));
            }
            for index in [2, 0] {
                let id = connection.own_stream(direction, index);
                let expected = Expected::lives_on().unless_the_application_closes();
                let finding = connection.expect(one_rtt([data(id, 0)]), expected)?;
                if finding.verdict != Verdict::Pass || index == 0 {
                    return Ok(finding);
                }
            }
            Err(not_reached("no stream was tried"))
        }),
    must("F61", Server, rfc(9000, "2.2"))
        .needs(&[Need::Echo])
        .text("Data that overlap and come in any order are one stream of bytes.")
        .also(&[rfc(9000, "19.8")])
        .stimulus("Six bytes, then the same on another stream: 3 to 6, 2 to 4, and 0 to 3")
        .expected("the same answer to both, where all bytes are echoed")
        .script(data_in_any_order),
    may("F62", Server, rfc(9000, "2.2"))
        .text("Other data at an offset that was there before may close the connection.")
        .stimulus("The same bytes of a stream twice, with other values")
        .expected("PROTOCOL_VIOLATION, or the connection lives on")
        .script(|run| {
            let mut connection = run.open()?;
            let id = connection.open_stream(4)?;
            let both = [b"abcd", b"abXd"].map(|data| stream(id, 0, data, false));
            let expected = Expected::close(&[PROTOCOL_VIOLATION]).or_lives_on();
            connection.expect(one_rtt(both), expected.unless_the_application_closes())
        }),
    must("F63", Server, rfc(9221, "3"))
        .needs(&[Need::Datagram, Need::Echo])
        .text("No DATAGRAM frame goes to a peer that does not take them.")
        .stimulus("DATAGRAM to a server that takes them, from a client that does not")
        .expected("no DATAGRAM frame comes back")
        .script(|run| datagrams(run, 0)),
    must("F64", Server, rfc(9221, "3"))
        .needs(&[Need::Datagram, Need::Echo])
        .text("No DATAGRAM frame is larger than the peer takes.")
        .stimulus("DATAGRAM of 100 bytes from a client that takes 20 bytes")
        .expected("no DATAGRAM frame of more than 20 bytes comes back")
        .script(|run| datagrams(run, 20)),
    should("K21", Server, rfc(9002, "7.2"))
        .needs(&[Need::Echo])
        .text("No more than 10 datagrams are sent before anything of them is acknowledged.")
        .stimulus("100 kB on streams, and no acknowledgement of what comes back")
        .expected("at most 14,720 bytes, beside those that were acknowledged before")
        .script(first_window),
];

const STOP_CODE: u64 = 77;

/// Returns the first bidirectional stream of this side.
fn first_stream(connection: &Connection) -> Result<StreamId, Finding> {
    match connection.streams_granted(Dir::Bidirectional) {
        0 => Err(not_applicable("the peer grants no bidirectional stream")),
        _ => Ok(connection.own_stream(Dir::Bidirectional, 0)),
    }
}

/// Sends frames of a bidirectional stream, each in a packet of its own; returns what comes back,
/// once it is as much as is awaited.
fn echoed<const N: usize>(
    connection: &mut Connection,
    id: StreamId,
    frames: [Frame<'_>; N],
    awaited: usize,
) -> Result<Vec<u8>, Finding> {
    for frame in frames {
        connection.send(one_rtt([frame]));
    }
    let came = |endpoint: &Endpoint| endpoint.stream(id).map_or(0, |stream| stream.data.len());
    let patience = connection.patience / 2;
    connection.wait_for(
        |endpoint| came(endpoint) >= awaited || is_over(endpoint),
        patience,
    );
    match connection.endpoint().stream(id) {
        Some(stream) if stream.data.len() >= awaited => Ok(stream.data.clone()),
        _ => Err(not_applicable("the peer echoes no stream")),
    }
}

/// Parts of six bytes that overlap, and none of which follows the one before.
const PARTS: [Range<usize>; 3] = [3..6, 2..4, 0..3];

/// Sends the same bytes in one frame on a stream, and in parts on another. What the application
/// makes of them is its own affair (RFC 9000 §2.2): it is asked for nothing but the same.
fn data_in_any_order(run: &mut Run<'_>) -> Judged {
    const WHOLE: &[u8] = b"QJXZVK";
    let mut connection = run.open()?;
    if connection.streams_granted(Dir::Bidirectional) < 2 {
        return Err(not_applicable(
            "the peer grants no two bidirectional streams",
        ));
    }
    let [plain, odd] = [0, 1].map(|index| connection.own_stream(Dir::Bidirectional, index));
    let parts = PARTS.map(|range| (range.start as u64, &WHOLE[range]));
    let parts = parts.map(|(offset, data)| stream(odd, offset, data, offset == 3));
    let whole = [stream(plain, 0, WHOLE, true)];
    echoed(&mut connection, plain, whole, WHOLE.len())?;
    if let Err(missing) = echoed(&mut connection, odd, parts, WHOLE.len()) {
        let echoes_next = |connection: &mut Connection| {
            let next = connection.own_stream(Dir::Bidirectional, 2);
            let is_granted = connection.streams_granted(Dir::Bidirectional) > 2;
            let whole = [stream(next, 0, WHOLE, true)];
            is_granted && echoed(connection, next, whole, WHOLE.len()).is_ok_and(|it| it == WHOLE)
        };
        return undelivered(&mut connection, odd, missing, echoes_next);
    }
    // The rest of a longer answer.
    let quiet = connection.quiet();
    connection.settle(quiet);
    let [plain, odd] = [plain, odd].map(|id| {
        let stream = connection.endpoint().stream(id);
        stream.map_or_else(Vec::new, |stream| stream.data.clone())
    });
    // Who does not send back what came may see in how many parts it did.
    if plain != odd && plain != WHOLE {
        return Err(not_applicable(
            "the peer answers by something else than an echo",
        ));
    }
    let wrong = (plain != odd).then(|| format!("echoed as {}", odd.escape_ascii()));
    Ok(judge_wrong(wrong, "the same answer"))
}

/// Judges a peer that has not echoed data which came out of order. It has to deliver them (RFC 9000
/// §2.2), but its application need not echo them: it would have, if it echoes the next stream, whose
/// data are in order.
fn undelivered(
    connection: &mut Connection,
    id: StreamId,
    missing: Finding,
    echoes_next: impl FnOnce(&mut Connection) -> bool,
) -> Judged {
    let endpoint = connection.endpoint();
    if let Some(close) = endpoint.closed() {
        let expected = Expected::lives_on().unless_the_application_closes();
        return Ok(expected.judge(&Reaction::Closed(close.clone())));
    }
    let has_come = |part: u64| {
        let mut sent = endpoint.record().sent.iter();
        sent.any(|sent| {
            let mut frames = frames(&sent.payload).map_while(Result::ok);
            sent.level == Level::OneRtt
                && endpoint.is_acknowledged(Level::OneRtt, sent.number)
                && frames.any(|frame| match frame {
                    Frame::Stream { id: of, offset, .. } => (of, offset) == (id, part),
                    _ => false,
                })
        })
    };
    if !PARTS.iter().all(|part| has_come(part.start as u64)) {
        return Err(not_reached("not all parts are acknowledged"));
    }
    match echoes_next(connection) {
        true => Ok(connection.accuse("never echoed, where the next stream is, which is in order")),
        false => Err(missing),
    }
}

fn is_over(endpoint: &Endpoint) -> bool {
    endpoint.ended().is_some()
}

/// Judges whether credit has come, or comes only after frames that tell of its lack: who waits
/// for those fails, and who gives none at all may have reasons.
fn judge_credit(
    connection: &mut Connection,
    is_credit: impl Fn(&Frame<'_>) -> bool,
    lack: Vec<Frame<'_>>,
) -> Judged {
    let patience = connection.patience / 2;
    if connection.receives(&is_credit, patience) {
        return Ok(Finding::new(Verdict::Pass, "credit comes by itself"));
    }
    // It may go only beside what else there is to send (RFC 9000 §4.2).
    for _ in 0..ATTEMPTS {
        connection.lives();
    }
    let quiet = connection.quiet();
    if connection.receives(&is_credit, quiet) {
        return Ok(Finding::new(
            Verdict::Pass,
            "credit comes beside other frames",
        ));
    }
    if is_over(connection.endpoint()) {
        return Err(connection.not_reached_by_end());
    }
    connection.send(one_rtt(lack));
    match connection.receives(&is_credit, patience) {
        true => Ok(Finding::new(
            Verdict::Fail,
            "credit comes once its lack is told",
        )),
        false => Err(not_applicable("the peer gives no credit")),
    }
}

fn credit_for_streams(run: &mut Run<'_>) -> Judged {
    /// Streams that are no flood.
    const STREAMS_MAX: u64 = 256;
    let direction = Dir::Bidirectional;
    let mut connection = run.open()?;
    let granted = connection.parameter(TransportParameters::INITIAL_MAX_STREAMS_BIDI);
    if !(1..=STREAMS_MAX).contains(&granted) {
        return Err(not_applicable(format!("the peer grants {granted} streams")));
    }
    for index in 0..granted {
        let id = connection.own_stream(direction, index);
        connection.endpoint_mut().write(id, b"a", true);
    }
    let (last, patience) = (
        connection.own_stream(direction, granted - 1),
        connection.patience,
    );
    let is_whole = |endpoint: &Endpoint| endpoint.stream(last).is_some_and(|last| last.is_whole());
    if !connection.wait_for(|endpoint| is_whole(endpoint) || is_over(endpoint), patience) {
        return Err(not_applicable("the peer echoes no streams"));
    }
    let is_credit = |frame: &Frame<'_>| matches!(frame, Frame::MaxStreams { direction: Dir::Bidirectional, maximum } if *maximum > granted);
    let limit = granted;
    judge_credit(
        &mut connection,
        is_credit,
        vec![Frame::StreamsBlocked { direction, limit }],
    )
}

fn credit_for_data(run: &mut Run<'_>) -> Judged {
    /// Bytes that are sent in a moment.
    const BYTES_MAX: u64 = 1 << 21;
    let mut connection = run.open()?;
    let id = first_stream(&connection)?;
    let limit = connection
        .stream_data_granted(id)
        .min(connection.data_granted());
    if !(1..=BYTES_MAX).contains(&limit) {
        return Err(not_applicable(format!("the peer grants {limit} bytes")));
    }
    connection
        .endpoint_mut()
        .write(id, &vec![b'a'; limit as usize], false);
    let patience = connection.patience;
    let came = |endpoint: &Endpoint| endpoint.stream(id).map_or(0, |stream| stream.data.len());
    connection.wait_for(
        |endpoint| came(endpoint) as u64 == limit || is_over(endpoint),
        patience,
    );
    let came = came(connection.endpoint()) as u64;
    if came == 0 {
        return Err(not_applicable("the peer echoes no stream"));
    }
    // Limits that do not increase are none (RFC 9000 §4.1).
    let of_all = connection.parameter(TransportParameters::INITIAL_MAX_DATA);
    let of_stream = connection.parameter(TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE);
    let is_credit = |frame: &Frame<'_>| match *frame {
        Frame::MaxStreamData { id: of, maximum } => of == id && maximum > of_stream,
        Frame::MaxData { maximum } => maximum > of_all,
        _ => false,
    };
    let lack = vec![
        Frame::StreamDataBlocked { id, limit },
        Frame::DataBlocked { limit },
    ];
    match judge_credit(&mut connection, is_credit, lack) {
        Ok(finding) if finding.verdict == Verdict::Pass => Ok(finding),
        // Credit that was still due may be late for other reasons than a frame that was not sent.
        _ if came < limit => Err(not_reached("not all had come back")),
        judged => judged,
    }
}

/// Opens a stream and has the peer reset its part.
fn stopped(run: &mut Run<'_>) -> Result<(Connection, StreamId), Finding> {
    let mut connection = run.open()?;
    let id = first_stream(&connection)?;
    let stop = Frame::StopSending {
        id,
        code: STOP_CODE,
    };
    connection.send(one_rtt([stream(id, 0, b"", false), stop]));
    let is_reset = |endpoint: &Endpoint| {
        endpoint
            .stream(id)
            .is_some_and(|stream| stream.reset.is_some())
    };
    let patience = connection.patience / 2;
    connection.wait_for(|endpoint| is_reset(endpoint) || is_over(endpoint), patience);
    match is_reset(connection.endpoint()) {
        true => Ok((connection, id)),
        false => Err(not_reached("no RESET_STREAM")),
    }
}

fn data_after_reset(run: &mut Run<'_>) -> Judged {
    let (mut connection, id) = stopped(run)?;
    let is_reset =
        |frame: &Frame<'_>| matches!(frame, Frame::ResetStream { id: of, .. } if *of == id);
    let mut resets = connection
        .received_packets()
        .filter(|packet| packet.frames().iter().any(is_reset));
    let first = resets.next().map(|packet| packet.number);
    drop(resets);
    for offset in 0..ATTEMPTS {
        connection.send(one_rtt([data(id, offset.into())]));
        connection.lives();
    }
    let is_data = |frame: &Frame<'_>| matches!(frame, Frame::Stream { id: of, .. } | Frame::StreamDataBlocked { id: of, .. } if *of == id);
    let mut later = connection
        .received_packets()
        .filter(|packet| Some(packet.number) > first);
    let wrong = later.find(|packet| packet.frames().iter().any(is_data));
    let wrong = wrong.map(|packet| format!("packet {} carries some", packet.number));
    drop(later);
    Ok(judge_wrong(wrong, "no data after RESET_STREAM"))
}

/// Sends DATAGRAM frames and takes some of so many bytes at most, or none.
fn datagrams(run: &mut Run<'_>, taken: u64) -> Judged {
    let id = TransportParameters::MAX_DATAGRAM_FRAME_SIZE;
    let mut connection = run.open_with(|config: &mut ClientConfig| {
        config.parameters.retain(|(other, _)| *other != id);
        if taken > 0 {
            set(&mut config.parameters, id, &integer_value(taken));
        }
    })?;
    if connection.parameter(id) < 200 {
        return Err(not_applicable("the peer takes no DATAGRAM frames"));
    }
    for _ in 0..ATTEMPTS {
        connection.send(one_rtt([Frame::Datagram { data: &[0xa5; 100] }]).once());
        if !connection.lives() {
            return Err(connection.not_reached_by_end());
        }
    }
    let wrong = broken(&connection, &[Rule::DatagramSize]);
    Ok(judge_wrong(wrong, "no DATAGRAM frame that is not taken"))
}

/// Asks for more than the first window of the server, and acknowledges nothing of that.
fn first_window(run: &mut Run<'_>) -> Judged {
    /// RFC 9002 §7.2, for datagrams of 1,472 bytes.
    const WINDOW: usize = 14_720;
    const BYTES: usize = 100_000;
    // No probe is sent before that time has passed (RFC 9002 §6.2.1).
    let mut connection = run.open_with(|config| {
        let id = TransportParameters::MAX_ACK_DELAY;
        set(&mut config.parameters, id, &integer_value(2_000));
    })?;
    let id = first_stream(&connection)?;
    connection.lives();
    let before: usize = connection.answers().iter().map(|answer| answer.len()).sum();
    let granted = connection
        .stream_data_granted(id)
        .min(connection.data_granted());
    if granted < 2 * (WINDOW + before) as u64 {
        return Err(not_applicable(
            "the peer takes too little to be asked for more",
        ));
    }
    connection.endpoint_mut().behaviour.acknowledges = false;
    connection.endpoint_mut().write(id, &[b'a'; BYTES], false);
    let has_begun = |endpoint: &Endpoint| {
        let stream = endpoint.stream(id);
        stream.is_some_and(|stream| !stream.data.is_empty()) || is_over(endpoint)
    };
    let (patience, quiet) = (connection.patience / 2, connection.quiet());
    connection.wait_for(has_begun, patience);
    connection.settle(quiet);
    match connection
        .endpoint()
        .stream(id)
        .map_or(0, |stream| stream.data.len())
    {
        0 => Err(not_applicable("the peer echoes no stream")),
        came => {
            let wrong = (came > WINDOW + before)
                .then(|| format!("{came} bytes, where {before} were acknowledged before"));
            Ok(judge_wrong(wrong, &format!("{came} bytes")))
        }
    }
}
