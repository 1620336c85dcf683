//! Version 2 of QUIC (RFC 9369), where a server speaks it.

use std::time::Duration;

use qecho_packet::wire::Frame;
use qecho_peer::{
    endpoint::{Ended, VERSION_1, VERSION_2},
    packet::handshake,
    script::Opened,
    tls::Resumption,
};

use crate::conform::{
    Expected, Finding, Judged, Run,
    connection::{judge_wrong, not_applicable, not_reached, opened_words},
    requirement::{Need, Requirement, Side::Server, must, rfc},
};

pub(super) static ROWS: &[Requirement] = &[
    must("V36", Server, rfc(9369, "5"))
        .needs(&[Need::Resumption])
        .text("A ticket is taken only in the version in which it was given.")
        .stimulus("Handshake of version 2 with a ticket of version 1")
        .expected("a handshake that does not resume")
        .script(a_ticket_of_version_1),
    must("V37", Server, rfc(9369, "4.1"))
        .also(&[rfc(9000, "5.2")])
        .text("In a connection of version 2 packets of other versions are dropped.")
        .stimulus("Handshake packet of version 2 that is right but for its version, which is 1")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            speaks_version_2(run)?;
            let other = handshake([Frame::Ping]).version(VERSION_1);
            run.before_finished(|config| config.version = VERSION_2)?
                .expect(other, Expected::discards())
        }),
];

/// Connects in version 2, which the server need not know.
fn speaks_version_2(run: &mut Run<'_>) -> Result<(), Finding> {
    let mut connection = run.client(|config| config.version = VERSION_2)?;
    match connection.open() {
        Opened::Confirmed => Ok(()),
        Opened::Silent | Opened::Ended(Ended::VersionNegotiation(_)) => {
            Err(not_applicable("the server does not speak version 2"))
        }
        other => Err(not_reached(opened_words(&other))),
    }
}

fn a_ticket_of_version_1(run: &mut Run<'_>) -> Judged {
    speaks_version_2(run)?;
    let mut first = run.open()?;
    first.lives();
    let quiet = first.quiet();
    first.wait_for(|endpoint| !endpoint.sessions().is_empty(), quiet);
    let session = first.endpoint().sessions().first().cloned();
    let session = session.ok_or_else(|| not_applicable("the server gives no tickets"))?;
    drop(first);
    let connection = run.open_with(|config| {
        config.version = VERSION_2;
        config.tls.resumption = Some(Resumption {
            session,
            age: Duration::from_millis(1),
            early_data: false,
        });
    })?;
    let negotiated = connection.endpoint().negotiated();
    let is_resumed = negotiated.is_some_and(|negotiated| negotiated.resumed);
    let wrong = is_resumed.then(|| "the session of version 1 goes on in version 2".to_owned());
    Ok(judge_wrong(wrong, "a handshake that does not resume"))
}
