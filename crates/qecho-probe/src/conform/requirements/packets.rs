//! Packets: their headers, and several in one datagram (RFC 9000 §12.2, §17).

use qecho_packet::{
    TransportParameters,
    close::PROTOCOL_VIOLATION,
    wire::{ConnectionId, Frame},
};
use qecho_peer::{
    endpoint::VERSION_1,
    packet::{Packet, handshake, initial, one_rtt},
    script::Opened,
    tls::Level,
};

use super::versions::{UNKNOWN_VERSION, is_ignored};
use crate::conform::{
    Expected, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    connection::{not_applicable, opened_words},
    requirement::{
        Requirement,
        Side::{Client, Server},
        must, rfc, should,
    },
};

const VIOLATION: Expected = Expected::close(&[PROTOCOL_VIOLATION]);

pub(super) static ROWS: &[Requirement] = &[
    must("F03", Server, rfc(9000, "17.3.1"))
        .of_clients("C39")
        .text("The reserved bits of a short header are 0; others close the connection.")
        .stimulus("1-RTT packet with reserved bits set")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            run.open()?
                .expect(one_rtt([Frame::Ping]).reserved_bits(0b11), VIOLATION)
        }),
    must("L05", Server, rfc(9000, "17.2"))
        .of_clients("C36")
        .text("The reserved bits of a long header are 0; others close the connection.")
        .stimulus("Handshake packet with reserved bits set")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            run.before_finished(|_| {})?
                .expect(handshake([Frame::Ping]).reserved_bits(0b11), VIOLATION)
        }),
    must("L08", Server, rfc(9000, "17.2"))
        .of_clients("C37")
        .also(&[rfc(9000, "5.2")])
        .text("An Initial packet whose reserved bits are not 0 is at least not processed.")
        .stimulus("Initial packet with reserved bits set")
        .expected("PROTOCOL_VIOLATION, or no answer, as what it carries is not processed")
        .script(|run| {
            run.first_packet_within(|hello| hello.reserved_bits(0b11), VIOLATION.or_no_answer())
        }),
    must("V05", Server, rfc(9000, "17.2"))
        .text("Version 1 has no connection IDs of more than 20 bytes: such a packet is dropped.")
        .stimulus("Long header of version 1 with a connection ID of 21 bytes")
        .expected("no answer")
        .script(|run| is_ignored(run, VERSION_1, &[0xd1; 21], 1_200)),
    must("V07", Server, rfc(9000, "17.2"))
        .text("A packet whose fixed bit is 0 is no packet of version 1, and is discarded.")
        .stimulus("Initial packet whose fixed bit is 0, without grease_quic_bit")
        .expected("no answer")
        .script(|run| {
            // RFC 9287 §3: who announces it takes such packets, the first one included.
            if run
                .open()?
                .has_parameter(TransportParameters::GREASE_QUIC_BIT)
            {
                return Err(not_applicable("the peer announces grease_quic_bit"));
            }
            run.first_packet(Packet::without_fixed_bit, Expected::no_answer())
        }),
    must("V12", Server, rfc(9000, "5.2.2"))
        .also(&[rfc(9000, "12.2")])
        .text("A datagram that is no packet is dropped and harms nothing.")
        .stimulus("Datagrams of noise, 0 to 1200 bytes long")
        .expected("the server serves as before")
        .script(noise),
    must("K05", Server, rfc(9000, "12.2"))
        .text("Each packet of a datagram is processed by itself, whatever comes of the others.")
        .stimulus("Good Initial packet, and behind it a packet with another connection ID")
        .expected("the good packet is answered")
        .script(foreign_packet_behind),
    should("V16", Server, rfc(9000, "5.2"))
        .text("A packet of another version than its connection has is discarded.")
        .stimulus("Handshake packet that is right but for its version")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            let other = handshake([Frame::Ping]).version(UNKNOWN_VERSION);
            run.before_finished(|_| {})?
                .expect(other, Expected::discards())
        }),
    must("V17", Server, rfc(9001, "5.4.2"))
        .of_clients("C111")
        .text("A packet that is too short to take a sample from is discarded.")
        .stimulus("Short headers of the connection with 0 to 19 bytes behind the connection ID")
        .expected("the connection lives on")
        .script(packets_without_a_sample),
    must("K09", Server, rfc(9000, "12.3"))
        .of_clients("C82")
        .text("A packet whose number was there before is discarded.")
        .stimulus("Two packets of one number, the second with PATH_CHALLENGE")
        .expected("no PATH_RESPONSE, but one to a packet of another number")
        .script(a_number_twice),
    must("K10", Server, rfc(9000, "12.2"))
        .of_clients("C83")
        .text("What lies behind a packet that cannot be decrypted is processed.")
        .stimulus("Handshake packets in one datagram, the second of three not authentic")
        .expected("the first and the third are acknowledged")
        .script(a_broken_packet_between_good_ones),
    must("C103", Client, rfc(9000, "17.3.1"))
        .text("A packet whose fixed bit is 0 is no packet of version 1, and is discarded.")
        .stimulus("1-RTT packet whose fixed bit is 0, without grease_quic_bit")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            let mut connection = run.open()?;
            if connection.has_parameter(TransportParameters::GREASE_QUIC_BIT) {
                return Err(not_applicable("the peer announces grease_quic_bit"));
            }
            let packet = one_rtt([Frame::Ping]).without_fixed_bit();
            connection.expect(packet, Expected::discards())
        }),
    must("C35", Client, rfc(9000, "17.2.2"))
        .text("A server's Initial packet with a token is discarded or closes the connection.")
        .stimulus("Initial packet of the server with a token")
        .expected("PROTOCOL_VIOLATION, or the client gives up, or no connection comes about")
        .script(|run| run.server_hello(|packet| packet.token(*b"token"), VIOLATION)),
];

/// Sends what is no packet, and looks whether the server serves on.
fn noise(run: &mut Run<'_>) -> Judged {
    /// From nothing to what a datagram has; 21 bytes are a packet of 1-RTT at least.
    const SIZES: [usize; 9] = [0, 1, 2, 5, 20, 21, 100, 500, 1_200];
    let mut stranger = run.stranger()?;
    let mut state = 1_u32;
    for size in SIZES {
        // A linear congruential generator is random enough to look like nothing.
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let noise: Vec<u8> = noise.take(size).collect();
        stranger.send_raw(&noise);
    }
    let quiet = stranger.quiet();
    stranger.settle(quiet);
    match run.client(|_| {})?.open() {
        Opened::Confirmed => Ok(Finding::new(Verdict::Pass, "the server serves as before")),
        // Whoever looks after this run sees whether the server is gone.
        Opened::Silent => Ok(Finding::new(Verdict::Note, "then no answer to a handshake")),
        other => Err(Finding::new(Verdict::NotReached, opened_words(&other))),
    }
}

/// Sends a ClientHello and behind it a packet to another connection ID, again while there is no
/// answer.
fn foreign_packet_behind(run: &mut Run<'_>) -> Judged {
    let mut connection = run.client(|config| config.behaviour.resends = false)?;
    let other = ConnectionId::new(&[0xd1; 8]).expect("eight bytes are few enough");
    let hello = connection.endpoint_mut().take_crypto(Level::Initial);
    for _ in 0..ATTEMPTS {
        let good = initial(hello.clone()).once().pad_to(1_140);
        let foreign = initial([Frame::Ping]).destination(other).pad_to(60);
        connection.send_datagram(vec![good, foreign]);
        let quiet = connection.quiet();
        if connection.wait_for_datagram(0, quiet) {
            break;
        }
    }
    let patience = connection.patience;
    let rest = patience.saturating_sub(connection.quiet() * ATTEMPTS);
    connection.wait_for_datagram(0, rest);
    Ok(match connection.answers().is_empty() {
        false => Finding::new(Verdict::Pass, "the good packet is answered"),
        true => Finding::new(Verdict::Fail, "the good packet is not answered"),
    })
}

/// Sends short headers to the server's own connection ID that are too short for header
/// protection.
fn packets_without_a_sample(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let destination = connection.endpoint().connection_ids().destination;
    for length in [0, 1, 3, 4, 19] {
        let rest = vec![0x5a; length];
        connection.send_raw(&[&[0x43], &destination[..], &rest].concat());
    }
    connection.expect_of_all(Expected::lives_on())
}

/// Sends PING and then PATH_CHALLENGE under the same packet number, and then under another.
fn a_number_twice(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let [twice, once] = [[0xa5; 8], [0x5a; 8]];
    let answers = |data: [u8; 8]| move |frame: &Frame<'_>| *frame == Frame::PathResponse { data };
    let number = connection.endpoint().next_number(Level::OneRtt);
    let quiet = connection.quiet();
    for _ in 0..ATTEMPTS {
        connection.send(one_rtt([Frame::Ping]).numbered(number));
        if connection.wait_for(
            |endpoint| endpoint.is_acknowledged(Level::OneRtt, number),
            quiet,
        ) {
            break;
        }
    }
    if !connection.endpoint().is_acknowledged(Level::OneRtt, number) {
        return Err(Finding::new(Verdict::NotReached, "no acknowledgement"));
    }
    let challenge = |data| one_rtt([Frame::PathChallenge { data }]).pad_to(1_200);
    for _ in 0..2 {
        connection.send(challenge(twice).numbered(number));
    }
    if connection.receives(answers(twice), quiet) {
        return Ok(Finding::new(
            Verdict::Fail,
            "the second packet of the number is processed",
        ));
    }
    let is_answered = (0..ATTEMPTS).any(|_| {
        connection.send(challenge(once).once());
        connection.receives(answers(once), quiet)
    });
    match is_answered {
        true => Ok(Finding::new(
            Verdict::Pass,
            "the second packet of the number is discarded",
        )),
        false => connection.expect_of_all(Expected::lives_on()),
    }
}

/// Sends three Handshake packets in a datagram, again while the first is not acknowledged.
fn a_broken_packet_between_good_ones(run: &mut Run<'_>) -> Judged {
    let mut connection = run.before_finished(|_| {})?;
    let quiet = connection.quiet();
    let mut is_first_acknowledged = false;
    for _ in 0..ATTEMPTS {
        let first = connection.endpoint().next_number(Level::Handshake);
        let good = handshake([Frame::Ping]).once();
        connection.send_datagram(vec![good.clone(), good.clone().corrupt(), good]);
        let last = connection.endpoint().next_number(Level::Handshake) - 1;
        if connection.wait_for(
            |endpoint| endpoint.is_acknowledged(Level::Handshake, last),
            quiet,
        ) {
            return Ok(Finding::new(Verdict::Pass, "acknowledged"));
        }
        is_first_acknowledged |= connection
            .endpoint()
            .is_acknowledged(Level::Handshake, first);
    }
    match is_first_acknowledged {
        true => Ok(Finding::new(
            Verdict::Fail,
            "what lies behind is not acknowledged",
        )),
        false => Err(Finding::new(Verdict::NotReached, "no acknowledgement")),
    }
}
