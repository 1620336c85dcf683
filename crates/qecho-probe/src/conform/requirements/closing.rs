//! The end of connections (RFC 9000 §10).

use qecho_packet::{TransportParameters, close::NO_APPLICATION_PROTOCOL, wire::Frame};
use qecho_peer::{
    endpoint::{Ended, integer_value},
    packet::{one_rtt, raw},
    rules::Rule,
    script::Reaction,
    tls::Level,
};

use super::{
    addresses::reset,
    connection_ids::{RESET_TOKEN, limit, new_id, open, replace_connection_id},
    frames::UNKNOWN,
    parameters::set,
    sent::broken,
    tls::offer_what_nobody_speaks,
};
use crate::conform::{
    Expected, Finding, Judged, Run, Verdict,
    connection::{judge_wrong, not_applicable, not_reached},
    requirement::{Requirement, Side::Server, must, rfc, should},
};

pub(super) static ROWS: &[Requirement] = &[
    should("V26", Server, rfc(9000, "10.1"))
        .text("A connection is closed without a word once it is idle for the shorter timeout.")
        .stimulus("max_idle_timeout of 1 s, then silence, then PING")
        .expected("no answer to the PING")
        .script(idle_timeout),
    should("K26", Server, rfc(9000, "10.2.1"))
        .text("Who has closed a connection answers fewer and fewer of the packets that still come.")
        .stimulus("Unknown frame, which closes the connection, then 32 PING packets")
        .expected("CONNECTION_CLOSE in answer to fewer packets than came")
        .script(answers_of_who_has_closed),
    must("V27", Server, rfc(9000, "10.3.1"))
        .text("The reset token of a connection ID that was retired ends no connection.")
        .stimulus("Stateless reset with the token of a connection ID that the server has retired")
        .expected("the connection lives on")
        .script(|run| {
            let mut connection = open(run)?;
            replace_connection_id(&mut connection)?;
            connection.send(one_rtt([new_id(2, 2, &[0x5b; 8])]));
            let patience = connection.patience;
            let is_retired =
                |frame: &Frame<'_>| *frame == Frame::RetireConnectionId { sequence: 1 };
            if !connection.receives(is_retired, patience) {
                return Err(not_reached("the connection ID is not retired"));
            }
            // Whoever keeps the token until the retirement is acknowledged, or for as long as what
            // was sent before may be on its way, has let go of it then.
            connection.lives();
            let pause = connection.key_update_pause();
            connection.settle(pause);
            reset(&mut connection, &RESET_TOKEN);
            connection.expect_of_all(Expected::lives_on())
        }),
    must("V28", Server, rfc(9000, "10.3.1"))
        .text("The reset token of a connection ID that was never used ends no connection.")
        .stimulus("Stateless reset with the token of a connection ID that the server has not used")
        .expected("the connection lives on")
        .script(|run| {
            let mut connection = open(run)?;
            // Some use the first that they get at once.
            let last = if limit(&connection) > 2 { 2 } else { 1 };
            let ids = (1..=last).map(|sequence| new_id(sequence, 0, &[sequence; 8]));
            connection.send(one_rtt(ids));
            connection.lives();
            reset(&mut connection, &[last; 16]);
            let reaction = connection.reaction();
            let mut packets = connection.received_packets();
            if packets.any(|packet| *packet.header.destination == [last; 8]) {
                return Err(not_reached("the server uses the connection ID"));
            }
            drop(packets);
            Ok(connection.judge(&reaction, Expected::lives_on()))
        }),
    must("L10", Server, rfc(9000, "10.2.3"))
        .also(&[rfc(9000, "12.5")])
        .text("The close of an application is another one in Initial and Handshake packets.")
        .stimulus("ALPN that nobody speaks")
        .expected("no CONNECTION_CLOSE of the application (0x1d) before the handshake is over")
        .script(|run| {
            let mut connection = run.client(offer_what_nobody_speaks)?;
            let _ = connection.expect_of_handshake(Expected::close(&[NO_APPLICATION_PROTOCOL]));
            match broken(&connection, &[Rule::FrameOfPacketType]) {
                None if connection.endpoint().closed().is_none() => {
                    Err(not_applicable("the server does not close"))
                }
                wrong => Ok(judge_wrong(wrong, "none")),
            }
        }),
];

fn idle_timeout(run: &mut Run<'_>) -> Judged {
    const TIMEOUT: u64 = 1_000;
    let mut connection = run.open_with(|config| {
        let id = TransportParameters::MAX_IDLE_TIMEOUT;
        set(&mut config.parameters, id, &integer_value(TIMEOUT));
        config.behaviour.times_out = false;
    })?;
    if !connection.lives() {
        return Err(not_reached("no answer after the handshake"));
    }
    connection.stop_resending();
    // Three times the probe timeout at least, and as long again for what the server thinks of it.
    let silence = connection
        .key_update_pause()
        .max(std::time::Duration::from_millis(TIMEOUT))
        * 2;
    connection.settle(silence);
    if connection.endpoint().closed().is_some() {
        return Ok(Finding::new(
            Verdict::Fail,
            "CONNECTION_CLOSE once it was idle",
        ));
    }
    let number = connection.endpoint().next_number(Level::OneRtt);
    connection.send(one_rtt([Frame::Ping]).once());
    let quiet = connection.quiet();
    let lives = connection.wait_for(
        |endpoint| endpoint.is_acknowledged(Level::OneRtt, number),
        quiet,
    );
    let wrong = lives.then(|| format!("PING is answered after {} ms", silence.as_millis()));
    Ok(judge_wrong(wrong, "no answer"))
}

fn answers_of_who_has_closed(run: &mut Run<'_>) -> Judged {
    const PACKETS: usize = 32;
    let mut connection = run.open_behaving(|behaviour| behaviour.heeds_close = false)?;
    match connection.reaction_to(one_rtt([raw(UNKNOWN)])) {
        Reaction::Closed(_) => {}
        _ => return Err(not_reached("an unknown frame did not close the connection")),
    }
    connection.stop_resending();
    connection.endpoint_mut().behaviour.acknowledges = false;
    let quiet = connection.quiet() / 4;
    connection.settle(quiet);
    let before = connection.answers().len();
    for _ in 0..PACKETS {
        connection.send(one_rtt([Frame::Ping]).once());
        connection.settle(quiet / PACKETS as u32);
    }
    connection.settle(quiet);
    if matches!(connection.endpoint().ended(), Some(Ended::Reset)) {
        return Ok(Finding::new(Verdict::Pass, "a stateless reset"));
    }
    let count = connection.answers().len() - before;
    let wrong = (count >= PACKETS).then(|| format!("{count} answers to {PACKETS} packets"));
    Ok(judge_wrong(
        wrong,
        &format!("{count} answers to {PACKETS} packets"),
    ))
}
