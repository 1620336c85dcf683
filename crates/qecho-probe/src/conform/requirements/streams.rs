//! Streams: their states, limits, flow control and final sizes (RFC 9000 §2 to §4, §19.4 to
//! §19.14).

mod limits;

use qecho_packet::{
    Dir, StreamId,
    close::{
        FINAL_SIZE_ERROR, FLOW_CONTROL_ERROR, FRAME_ENCODING_ERROR, STREAM_LIMIT_ERROR,
        STREAM_STATE_ERROR,
    },
    wire::{Frame, INTEGER_MAX},
};
use qecho_peer::{
    endpoint::Endpoint,
    packet::{Packet, one_rtt},
};

use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    connection::not_applicable,
    requirement::{Requirement, Side::Server, must, rfc, should},
};

const STREAM_STATE: Expected = Expected::close(&[STREAM_STATE_ERROR]);
const FRAME_ENCODING: Expected = Expected::close(&[FRAME_ENCODING_ERROR]);
/// More streams than there can be (RFC 9000 §4.6).
const TOO_MANY: u64 = STREAMS_MAX + 1;
const STREAMS_MAX: u64 = 1 << 60;

pub(super) static ROWS: &[Requirement] = &[
    must("F04", Server, rfc(9000, "4.6"))
        .of_clients("C40")
        .also(&[rfc(9000, "19.11")])
        .text("A stream beyond the limit that was granted closes the connection.")
        .stimulus("STREAM on a bidirectional stream beyond the limit")
        .expected("STREAM_LIMIT_ERROR")
        .script(|run| limits::a_stream_beyond_the_limit(run, Dir::Bidirectional)),
    must("F05", Server, rfc(9000, "4.6"))
        .of_clients("C41")
        .also(&[rfc(9000, "19.11")])
        .text("A stream beyond the limit that was granted closes the connection.")
        .stimulus("STREAM on a unidirectional stream beyond the limit")
        .expected("STREAM_LIMIT_ERROR")
        .script(|run| limits::a_stream_beyond_the_limit(run, Dir::Unidirectional)),
    must("F06", Server, rfc(9000, "19.10"))
        .of_clients("C42")
        .also(&[rfc(9000, "4.1")])
        .text("Data beyond the window of its stream closes the connection.")
        .stimulus("STREAM data beyond the window of the stream")
        .expected("FLOW_CONTROL_ERROR")
        .script(limits::data_beyond_the_window_of_its_stream),
    must("F07", Server, rfc(9000, "19.9"))
        .of_clients("C43")
        .also(&[rfc(9000, "4.1"), rfc(9000, "4.5")])
        .text("All that streams send, up to their final sizes, counts against the connection.")
        .stimulus("RESET_STREAM whose final size goes beyond the window of the connection")
        .expected("FLOW_CONTROL_ERROR")
        .script(limits::a_final_size_beyond_the_window_of_the_connection),
    must("F08", Server, rfc(9000, "19.8"))
        .of_clients("C16")
        .text("Data on a stream on which only the receiver sends closes the connection.")
        .stimulus("STREAM on a unidirectional stream of the receiver")
        .expected("STREAM_STATE_ERROR")
        .script(|run| on_peers_stream(run, |id| data(id, 0))),
    must("F09", Server, rfc(9000, "19.8"))
        .of_clients("C15")
        .text("Data on a stream that the receiver has yet to open closes the connection.")
        .stimulus("STREAM on a bidirectional stream that the receiver never opened")
        .expected("STREAM_STATE_ERROR")
        .script(|run| on_unopened_stream(run, |id| data(id, 0))),
    must("F10", Server, rfc(9000, "19.4"))
        .of_clients("C44")
        .text("RESET_STREAM for a stream on which only the receiver sends closes the connection.")
        .stimulus("RESET_STREAM for a unidirectional stream of the receiver")
        .expected("STREAM_STATE_ERROR")
        .script(|run| on_peers_stream(run, |id| reset(id, 0))),
    must("F11", Server, rfc(9000, "19.5"))
        .of_clients("C45")
        .text("STOP_SENDING for a stream on which only the sender sends closes the connection.")
        .stimulus("STOP_SENDING for a unidirectional stream of the sender")
        .expected("STREAM_STATE_ERROR, or STREAM_LIMIT_ERROR where no such stream is granted")
        .script(|run| on_own_stream(run, |id| Frame::StopSending { id, code: 0 })),
    must("F12", Server, rfc(9000, "19.5"))
        .of_clients("C46")
        .text("STOP_SENDING for a stream that the receiver has yet to open closes the connection.")
        .stimulus("STOP_SENDING for a stream that the receiver never opened")
        .expected("STREAM_STATE_ERROR")
        .script(|run| on_unopened_stream(run, |id| Frame::StopSending { id, code: 0 })),
    must("F13", Server, rfc(9000, "19.10"))
        .of_clients("C47")
        .text("MAX_STREAM_DATA for a stream yet to be opened by the receiver is an error.")
        .stimulus("MAX_STREAM_DATA for a stream that the receiver never opened")
        .expected("STREAM_STATE_ERROR")
        .script(|run| on_unopened_stream(run, |id| Frame::MaxStreamData { id, maximum: 9 })),
    must("F14", Server, rfc(9000, "19.10"))
        .of_clients("C48")
        .text("MAX_STREAM_DATA for a stream on which only the sender sends is an error.")
        .stimulus("MAX_STREAM_DATA for a unidirectional stream of the sender")
        .expected("STREAM_STATE_ERROR, or STREAM_LIMIT_ERROR where no such stream is granted")
        .script(|run| on_own_stream(run, |id| Frame::MaxStreamData { id, maximum: 9 })),
    must("F15", Server, rfc(9000, "19.13"))
        .of_clients("C49")
        .text("STREAM_DATA_BLOCKED for a stream on which only the receiver sends is an error.")
        .stimulus("STREAM_DATA_BLOCKED for a unidirectional stream of the receiver")
        .expected("STREAM_STATE_ERROR")
        .script(|run| on_peers_stream(run, |id| Frame::StreamDataBlocked { id, limit: 9 })),
    must("F16", Server, rfc(9000, "19.11"))
        .of_clients("C17")
        .also(&[rfc(9000, "4.6")])
        .text("Streams beyond 2^60 cannot be numbered: to grant them closes the connection.")
        .stimulus("MAX_STREAMS of 2^60+1 for bidirectional streams")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| {
            run.open()?
                .expect(max_streams(Dir::Bidirectional, TOO_MANY), FRAME_ENCODING)
        }),
    must("F17", Server, rfc(9000, "19.11"))
        .of_clients("C50")
        .also(&[rfc(9000, "4.6")])
        .text("Streams beyond 2^60 cannot be numbered: to grant them closes the connection.")
        .stimulus("MAX_STREAMS of 2^60+1 for unidirectional streams")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| {
            run.open()?
                .expect(max_streams(Dir::Unidirectional, TOO_MANY), FRAME_ENCODING)
        }),
    must("F18", Server, rfc(9000, "19.14"))
        .of_clients("C51")
        .text("Streams beyond 2^60 cannot be numbered: to ask for them closes the connection.")
        .stimulus("STREAMS_BLOCKED at 2^60+1")
        .expected("FRAME_ENCODING_ERROR, or STREAM_LIMIT_ERROR")
        .script(|run| {
            let (direction, limit) = (Dir::Bidirectional, TOO_MANY);
            let expected = Expected::close(&[FRAME_ENCODING_ERROR, STREAM_LIMIT_ERROR]);
            run.open()?.expect(
                one_rtt([Frame::StreamsBlocked { direction, limit }]),
                expected,
            )
        }),
    must("F34", Server, rfc(9000, "19.8"))
        .of_clients("C60")
        .text("A stream ends at 2^62-1 bytes: data beyond that closes the connection.")
        .stimulus("STREAM data beyond 2^62-1")
        .expected("FLOW_CONTROL_ERROR, or FRAME_ENCODING_ERROR")
        .script(|run| {
            let mut connection = run.open()?;
            let id = connection.open_stream(0)?;
            let expected = Expected::close(&[FLOW_CONTROL_ERROR, FRAME_ENCODING_ERROR]);
            let expected = expected.unless_the_application_closes();
            connection.expect(one_rtt([data(id, INTEGER_MAX)]), expected)
        }),
    should("F35", Server, rfc(9000, "4.5"))
        .of_clients("C61")
        .text("The final size of a stream does not change once it is known.")
        .stimulus("Two STREAM frames with FIN at different offsets")
        .expected("FINAL_SIZE_ERROR")
        .script(|run| {
            final_size(run, |id| {
                [stream(id, 0, b"ab", true), stream(id, 2, b"c", true)]
            })
        }),
    should("F36", Server, rfc(9000, "4.5"))
        .of_clients("C62")
        .text("There is no data at or beyond the final size of a stream.")
        .stimulus("STREAM data beyond the final size")
        .expected("FINAL_SIZE_ERROR")
        .script(|run| {
            final_size(run, |id| {
                [stream(id, 0, b"ab", true), stream(id, 2, b"c", false)]
            })
        }),
    should("F37", Server, rfc(9000, "4.5"))
        .of_clients("C63")
        .text("A final size is not below what has been received.")
        .stimulus("RESET_STREAM with a final size below what was received")
        .expected("FINAL_SIZE_ERROR")
        .script(|run| final_size(run, |id| [stream(id, 0, b"ab", false), reset(id, 1)])),
    should("F38", Server, rfc(9000, "4.5"))
        .of_clients("C64")
        .text("The final size of a stream does not change once it is known.")
        .stimulus("RESET_STREAM with another final size than FIN gave")
        .expected("FINAL_SIZE_ERROR")
        .script(|run| final_size(run, |id| [stream(id, 0, b"ab", true), reset(id, 3)])),
    must("F45", Server, rfc(9000, "4.1"))
        .of_clients("C69")
        .text("MAX_DATA that does not raise the limit is ignored.")
        .stimulus("MAX_DATA of 0")
        .expected("the connection lives on, as does its echo if there is one")
        .script(|run| {
            let lower = || one_rtt([Frame::MaxData { maximum: 0 }]);
            a_lower_limit(run, lower, lower, Dir::Bidirectional)
        }),
    must("F46", Server, rfc(9000, "4.6"))
        .of_clients("C70")
        .also(&[rfc(9000, "19.11")])
        .text("MAX_STREAMS that does not raise the limit is ignored.")
        .stimulus("MAX_STREAMS of 0")
        .expected("the connection lives on, as do answers on streams of the server's own, if any")
        .script(|run| {
            let [lower, of_answers]: [fn() -> Packet; 2] = [
                || max_streams(Dir::Bidirectional, 0),
                || max_streams(Dir::Unidirectional, 0),
            ];
            a_lower_limit(run, lower, of_answers, Dir::Unidirectional)
        }),
    must("K06", Server, rfc(9000, "3.5"))
        .text("STOP_SENDING is answered by RESET_STREAM while the stream is being sent on.")
        .stimulus("STOP_SENDING on an open bidirectional stream, and data to echo there")
        .expected("RESET_STREAM of that stream")
        .script(stop_sending),
];

/// Sends a limit that is none, as it lowers another. A server that answers on streams of a direction
/// must not stop for one that would hold that up.
fn a_lower_limit(
    run: &mut Run<'_>,
    lower: fn() -> Packet,
    of_answers: fn() -> Packet,
    direction: Dir,
) -> Judged {
    let lives_on = run.open()?.expect(lower(), Expected::lives_on())?;
    if lives_on.verdict != Verdict::Pass || run.is_of_client() {
        return Ok(lives_on);
    }
    let mut connection = run.open()?;
    if !is_answered(&mut connection, direction, 0) {
        return Ok(lives_on);
    }
    connection.send(of_answers());
    if is_answered(&mut connection, direction, 1) {
        return Ok(Finding::new(Verdict::Pass, "an echo comes as before"));
    }
    let is_alive = connection.lives();
    let accused = connection.accuse("the connection lives on, and no echo comes any more");
    drop(connection);
    // Without the frame a second stream has to be echoed.
    let mut other = run.open()?;
    let mut is_answered = |index| is_answered(&mut other, direction, index);
    match is_alive && is_answered(0) && is_answered(1) {
        true => Ok(accused),
        false => Ok(lives_on),
    }
}

/// Sends a byte on a stream of this side, and its end; tells whether something comes back: on the
/// same stream, or on the peer's own with the same place, if the stream has but one direction.
fn is_answered(connection: &mut Connection, direction: Dir, index: u64) -> bool {
    if connection.streams_granted(direction) <= index {
        return false;
    }
    let id = connection.own_stream(direction, index);
    let answer = match direction {
        Dir::Bidirectional => id,
        Dir::Unidirectional => connection.peers_stream(direction, index),
    };
    connection.endpoint_mut().write(id, b"a", true);
    let patience = connection.patience;
    let has_come = |endpoint: &Endpoint| {
        let stream = endpoint.stream(answer);
        stream.is_some_and(|stream| !stream.data.is_empty())
    };
    connection.wait_for(
        |endpoint| has_come(endpoint) || endpoint.ended().is_some(),
        patience,
    );
    has_come(connection.endpoint())
}

/// Opens a bidirectional stream and asks the peer not to send on it.
fn stop_sending(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    if connection.streams_granted(Dir::Bidirectional) == 0 {
        return Err(not_applicable("the peer grants no bidirectional stream"));
    }
    let id = StreamId::from_value(0);
    let open = Frame::Stream {
        id,
        offset: 0,
        fin: false,
        data: b"",
    };
    connection.send(one_rtt([open, Frame::StopSending { id, code: 0 }]));
    // A stack may leave it to its application, which learns of it when it goes on sending.
    connection.send(one_rtt([stream(id, 0, b"hello", false)]));
    let patience = connection.patience;
    connection.wait_for(
        |endpoint| {
            let reset = endpoint
                .stream(id)
                .is_some_and(|stream| stream.reset.is_some());
            reset || endpoint.ended().is_some()
        },
        patience,
    );
    let stream = connection.endpoint().stream(id);
    if stream.is_some_and(|stream| stream.reset.is_some()) {
        return Ok(Finding::new(Verdict::Pass, "RESET_STREAM"));
    }
    if stream.is_some_and(|stream| stream.final_size.is_some()) {
        return Err(not_applicable(
            "the peer had sent all of the stream already",
        ));
    }
    Ok(connection.accuse("no RESET_STREAM"))
}

pub(super) fn stream(id: StreamId, offset: u64, data: &'static [u8], fin: bool) -> Frame<'static> {
    Frame::Stream {
        id,
        offset,
        fin,
        data,
    }
}

/// A byte on a stream.
pub(super) fn data(id: StreamId, offset: u64) -> Frame<'static> {
    stream(id, offset, b"a", false)
}

fn reset(id: StreamId, final_size: u64) -> Frame<'static> {
    Frame::ResetStream {
        id,
        code: 0,
        final_size,
    }
}

fn max_streams(direction: Dir, maximum: u64) -> Packet {
    one_rtt([Frame::MaxStreams { direction, maximum }])
}

/// Sends a frame of a bidirectional stream of the peer that it has no reason to open. A client may
/// open as many as are granted, when it likes: its stream is far beyond them.
fn on_unopened_stream(run: &mut Run<'_>, frame: fn(StreamId) -> Frame<'static>) -> Judged {
    const OF_SERVERS: u64 = 10;
    const OF_CLIENTS: u64 = 1_000;
    let index = match run.is_of_client() {
        true => OF_CLIENTS,
        false => OF_SERVERS,
    };
    let mut connection = run.open()?;
    let id = connection.peers_stream(Dir::Bidirectional, index);
    let is_opened = || not_applicable("the peer has opened the stream");
    if connection.peer_has_opened(id) {
        return Err(is_opened());
    }
    let finding = connection.expect(one_rtt([frame(id)]), STREAM_STATE)?;
    // A busy client may have opened as many before the frame came, and goes on.
    let next = connection.peers_stream(Dir::Bidirectional, index + 1);
    match finding.verdict == Verdict::Fail && connection.peer_has_opened(next) {
        true => Err(is_opened()),
        false => Ok(finding),
    }
}

/// Sends a frame that is for the receiver of a stream's data, which only this side can be.
fn on_peers_stream(run: &mut Run<'_>, frame: fn(StreamId) -> Frame<'static>) -> Judged {
    let mut connection = run.open()?;
    let id = connection.peers_stream(Dir::Unidirectional, 0);
    connection.expect(one_rtt([frame(id)]), STREAM_STATE)
}

/// Sends a frame that is for the sender of a stream's data, which only this side can be.
fn on_own_stream(run: &mut Run<'_>, frame: fn(StreamId) -> Frame<'static>) -> Judged {
    let mut connection = run.open()?;
    let id = connection.own_stream(Dir::Unidirectional, 0);
    let expected = match connection.streams_granted(Dir::Unidirectional) {
        0 => Expected::close(&[STREAM_STATE_ERROR, STREAM_LIMIT_ERROR]),
        _ => STREAM_STATE,
    };
    connection.expect(one_rtt([frame(id)]), expected)
}

/// Sends frames of one stream that do not agree on its final size, in one packet.
fn final_size(run: &mut Run<'_>, frames: fn(StreamId) -> [Frame<'static>; 2]) -> Judged {
    let mut connection = run.open()?;
    let id = connection.open_stream(4)?;
    let expected = Expected::close(&[FINAL_SIZE_ERROR]).unless_the_application_closes();
    connection.expect(one_rtt(frames(id)), expected)
}
