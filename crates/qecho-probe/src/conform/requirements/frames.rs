//! Frames: their encoding, the packets that may carry them, and those of the connection (RFC 9000
//! §12.4, §12.5, §19).

use qecho_packet::{
    StreamId,
    close::{FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION},
    wire::Frame,
};
use qecho_peer::{
    packet::{Packet, empty, handshake, one_rtt, raw},
    tls::Level,
};

use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    requirement::{
        Requirement,
        Side::{Client, Server},
        may, must, rfc, should,
    },
};

const FRAME_ENCODING: Expected = Expected::close(&[FRAME_ENCODING_ERROR]);
const VIOLATION: Expected = Expected::close(&[PROTOCOL_VIOLATION]);
const FRAME_ENCODING_OR_VIOLATION: Expected =
    Expected::close(&[FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION]);
/// The frame type 0x4abc, of which no RFC and no draft knows, in four bytes.
pub(super) const UNKNOWN: [u8; 4] = [0x80, 0x00, 0x4a, 0xbc];

pub(super) static ROWS: &[Requirement] = &[
    must("F01", Server, rfc(9000, "12.4"))
        .of_clients("C19")
        .text("A frame of a type that is not known closes the connection.")
        .stimulus("Frame of the unknown type 0x4abc")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| run.open()?.expect(one_rtt([raw(UNKNOWN)]), FRAME_ENCODING)),
    must("F02", Server, rfc(9000, "12.4"))
        .of_clients("C38")
        .text("A packet that carries no frame closes the connection.")
        .stimulus("1-RTT packet without any frame")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            run.open()?
                .expect(empty(Level::OneRtt).number_in(4), VIOLATION)
        }),
    may("F42", Server, rfc(9000, "12.4"))
        .of_clients("C66")
        .text("A frame type has the shortest encoding; a longer one may close the connection.")
        .stimulus("PING whose type is written in two bytes")
        .expected("PROTOCOL_VIOLATION, or the connection lives on")
        .script(|run| {
            run.open()?
                .expect(one_rtt([raw([0x40, 0x01])]), VIOLATION.or_lives_on())
        }),
    should("F43", Server, rfc(9000, "11"))
        .of_clients("C67")
        .also(&[rfc(9000, "12.4"), rfc(9000, "20.1")])
        .text("An error such as a frame that ends too early is told to the peer.")
        .stimulus("MAX_DATA frame that is cut off by the end of the packet")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| {
            run.open()?
                .expect(one_rtt([raw([0x10, 0xc0])]), FRAME_ENCODING)
        }),
    should("F44", Server, rfc(9000, "11"))
        .of_clients("C68")
        .also(&[rfc(9000, "19.8"), rfc(9000, "20.1")])
        .text("An error such as a length that the packet does not have is told to the peer.")
        .stimulus("STREAM frame whose length goes beyond the packet")
        .expected("FRAME_ENCODING_ERROR")
        .script(a_stream_frame_beyond_its_packet),
    must("F27", Server, rfc(9000, "19.7"))
        .text("NEW_TOKEN is for servers to send; from a client it closes the connection.")
        .stimulus("NEW_TOKEN from a client")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            let frame = Frame::NewToken { token: b"token" };
            run.open()?.expect(one_rtt([frame]), VIOLATION)
        }),
    must("F28", Server, rfc(9000, "19.20"))
        .text("HANDSHAKE_DONE is for servers to send; from a client it closes the connection.")
        .stimulus("HANDSHAKE_DONE from a client")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            run.open()?
                .expect(one_rtt([Frame::HandshakeDone]), VIOLATION)
        }),
    must("F49", Server, rfc(9000, "10.2.2"))
        .of_clients("C73")
        .also(&[rfc(9000, "19.19")])
        .text("CONNECTION_CLOSE is answered by at most one packet, with CONNECTION_CLOSE.")
        .stimulus("CONNECTION_CLOSE of the application (0x1d)")
        .expected("CONNECTION_CLOSE with NO_ERROR or any other code once, or no answer")
        .script(a_close_that_is_answered),
    must("L01", Server, rfc(9000, "12.4"))
        .of_clients("C86")
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("PATH_CHALLENGE in a Handshake packet")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            run.before_finished(|_| {})?.expect(
                handshake([Frame::PathChallenge { data: [0xa5; 8] }]),
                VIOLATION,
            )
        }),
    must("L02", Server, rfc(9000, "12.4"))
        .of_clients("C29")
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("STREAM in a Handshake packet")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            let frame = first_stream(run);
            run.before_finished(|_| {})?
                .expect(handshake([frame]), VIOLATION)
        }),
    must("L03", Server, rfc(9000, "12.4"))
        .of_clients("C87")
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("MAX_DATA in a Handshake packet")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            run.before_finished(|_| {})?
                .expect(handshake([Frame::MaxData { maximum: 1 << 21 }]), VIOLATION)
        }),
    must("L04", Server, rfc(9000, "17.2.4"))
        .of_clients("C88")
        .also(&[rfc(9000, "12.5")])
        .text("The CONNECTION_CLOSE of an application has no place in Handshake packets.")
        .stimulus("CONNECTION_CLOSE of the application (0x1d) in a Handshake packet")
        .expected("PROTOCOL_VIOLATION, or no answer")
        .script(|run| {
            let close = Frame::ConnectionClose {
                application: true,
                code: 0,
                frame_type: None,
                reason: b"",
            };
            run.before_finished(|_| {})?
                .expect(handshake([close]), VIOLATION.or_no_answer())
        }),
    must("L06", Server, rfc(9000, "12.4"))
        .of_clients("C89")
        .text("A packet that carries no frame closes the connection.")
        .stimulus("Handshake packet without any frame")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            run.before_finished(|_| {})?
                .expect(empty(Level::Handshake).number_in(4), VIOLATION)
        }),
    may("L07", Server, rfc(9000, "17.2.2"))
        .of_clients("C90")
        .text("An Initial packet with a forbidden frame is discarded or closes the connection.")
        .stimulus("STREAM in an Initial packet")
        .expected("PROTOCOL_VIOLATION, or no answer, as the packet is discarded")
        .script(a_forbidden_frame_in_an_initial_packet),
    must("L09", Server, rfc(9000, "12.4"))
        .of_clients("C91")
        .also(&[rfc(9000, "17.2.4")])
        .text("A frame of a type that is not known closes the connection, in whichever packet.")
        .stimulus("Frame of an unknown type in a Handshake packet")
        .expected("FRAME_ENCODING_ERROR, or PROTOCOL_VIOLATION")
        .script(|run| {
            run.before_finished(|_| {})?
                .expect(handshake([raw(UNKNOWN)]), FRAME_ENCODING_OR_VIOLATION)
        }),
    must("C14", Client, rfc(9000, "19.7"))
        .text("A NEW_TOKEN frame without a token closes the connection.")
        .stimulus("NEW_TOKEN with an empty token")
        .expected("FRAME_ENCODING_ERROR")
        .script(|run| {
            run.open()?
                .expect(one_rtt([raw([0x07, 0x00])]), FRAME_ENCODING)
        }),
    should("C27", Client, rfc(9000, "13.3"))
        .also(&[rfc(9000, "19.20")])
        .text("HANDSHAKE_DONE is repeated until it is acknowledged: it may come more than once.")
        .stimulus("HANDSHAKE_DONE a second time")
        .expected("the connection lives on")
        .script(|run| {
            run.open()?
                .expect(one_rtt([Frame::HandshakeDone]), Expected::lives_on())
        }),
    must("C28", Client, rfc(9000, "12.4"))
        .also(&[rfc(9000, "12.5"), rfc(9000, "17.2.4")])
        .text("A frame in a packet of a type that must not carry it closes the connection.")
        .stimulus("HANDSHAKE_DONE in a Handshake packet")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| run.before_confirmation(handshake([Frame::HandshakeDone]), VIOLATION)),
];

/// Returns the beginning of this side's first bidirectional stream.
fn first_stream(run: &Run<'_>) -> Frame<'static> {
    Frame::Stream {
        id: StreamId::from_value(run.is_of_client().into()),
        offset: 0,
        fin: false,
        data: b"a",
    }
}

fn a_forbidden_frame_in_an_initial_packet(run: &mut Run<'_>) -> Judged {
    let frame = first_stream(run);
    let odd = |hello: Packet| hello.with([frame.clone()]);
    let finding = run.first_packet_within(odd, VIOLATION.or_no_answer())?;
    Ok(match finding.verdict {
        // RFC 9000 §17.2.2 tells what can be done with the packet, and demands neither.
        Verdict::Fail => Finding::new(Verdict::Note, finding.seen),
        _ => finding,
    })
}

fn a_stream_frame_beyond_its_packet(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let id = connection.open_stream(1)?.value() as u8;
    let (with_offset_and_length, offset, length) = (0x0e, 0, 0x30);
    let cut = raw([with_offset_and_length, id, offset, length, b'a']);
    let expected = FRAME_ENCODING.unless_the_application_closes();
    connection.expect(one_rtt([cut]), expected)
}

fn a_close_that_is_answered(run: &mut Run<'_>) -> Judged {
    // A CONNECTION_CLOSE in answer is not the end: others may follow, and worse.
    let mut connection = run.open_behaving(|behaviour| behaviour.heeds_close = false)?;
    connection.stop_resending();
    connection.endpoint_mut().behaviour.acknowledges = false;
    if connection.endpoint().closed().is_some() {
        return Err(connection.not_reached_by_end());
    }
    // What was on its way before does not count.
    let pause = connection.patience / 16;
    let close = Frame::ConnectionClose {
        application: true,
        code: 0,
        frame_type: None,
        reason: b"",
    };
    for _ in 0..ATTEMPTS {
        connection.send(one_rtt([close.clone()]).once());
        connection.settle(pause);
        if connection.endpoint().closed().is_some() {
            break;
        }
    }
    let before = connection.received_packets().count();
    for _ in 0..ATTEMPTS {
        connection.send(one_rtt([Frame::Ping]).once());
        connection.settle(pause);
    }
    Ok(after_close(&connection, before))
}

/// Judges all packets that came on a connection that this side has closed, and those after some,
/// which were sent when the peer knew.
fn after_close(connection: &Connection, before: usize) -> Finding {
    let is_close = |frame: &Frame<'_>| matches!(frame, Frame::ConnectionClose { .. });
    let closes = |from: usize| {
        let packets = connection.received_packets().skip(from);
        packets
            .filter(|packet| packet.frames().iter().any(is_close))
            .count()
    };
    let late = connection.received_packets().count() - before;
    match (late - closes(before), closes(0)) {
        (0, 0) => Finding::new(Verdict::Pass, "no answer"),
        (0, 1) => Finding::new(Verdict::Pass, "answered by CONNECTION_CLOSE once"),
        (0, count) => {
            let seen = format!("answered by CONNECTION_CLOSE {count} times");
            Finding::new(Verdict::Note, seen)
        }
        (count, _) => {
            let seen = format!("{count} packets without CONNECTION_CLOSE after the close");
            Finding::new(Verdict::Fail, seen)
        }
    }
}
