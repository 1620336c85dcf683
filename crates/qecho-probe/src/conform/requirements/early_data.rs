//! 0-RTT (RFC 9001 §4.6, §8.3).

use std::time::Duration;

use qecho_packet::{close::PROTOCOL_VIOLATION, wire::Frame};
use qecho_peer::{
    endpoint::ClientConfig,
    packet::{Packet, early_data},
    script::Opened,
    tls::{EarlyData, Level, Resumption},
};

use crate::conform::{
    Connection, Expected, Finding, Run, Verdict,
    connection::{not_applicable, not_reached, opened_words},
    requirement::{Need, Requirement, Side::Server, must, rfc},
};

pub(super) static ROWS: &[Requirement] = &[
    must("T15", Server, rfc(9001, "8.3"))
        .also(&[rfc(9000, "12.5")])
        .needs(&[Need::EarlyData])
        .text("A CRYPTO frame in a 0-RTT packet closes the connection.")
        .stimulus("CRYPTO frame in a 0-RTT packet")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            let (offset, data) = (0, &b"\x05\0\0\0"[..]);
            let odd = early_data([Frame::Crypto { offset, data }]).once();
            let mut connection = resume(run, |_| {}, odd)?;
            let finding = connection.expect_of_handshake(Expected::close(&[PROTOCOL_VIOLATION]))?;
            if finding.verdict != Verdict::Fail {
                return Ok(finding);
            }
            match state(&connection) {
                EarlyData::Accepted if is_acknowledged(&connection) => Ok(finding),
                EarlyData::Accepted => Err(not_reached("the 0-RTT packet is not acknowledged")),
                _ => Err(not_applicable("the server takes no 0-RTT")),
            }
        }),
    must("T16", Server, rfc(9001, "4.6.2"))
        .needs(&[Need::EarlyData, Need::CrashesOthers])
        .text("0-RTT packets are not processed where 0-RTT is refused.")
        .stimulus("0-RTT packets behind a ClientHello that needs a HelloRetryRequest")
        .expected("no acknowledgement of them")
        .script(|run| {
            let without_share = |config: &mut ClientConfig| config.tls.shares.clear();
            let mut connection = resume(run, without_share, early_data([Frame::Ping]).once())?;
            match connection.open() {
                Opened::Confirmed => {}
                other @ Opened::Refused(_) => return Err(not_reached(opened_words(&other))),
                // Whoever looks after this run sees whether the server is gone.
                other => return Ok(Finding::new(Verdict::Note, opened_words(&other))),
            }
            connection.lives();
            let negotiated = connection.endpoint().negotiated();
            Ok(match is_acknowledged(&connection) {
                _ if negotiated.is_none_or(|negotiated| !negotiated.retried) => {
                    return Err(not_applicable("the server sends no HelloRetryRequest"));
                }
                true => Finding::new(Verdict::Fail, "a 0-RTT packet is acknowledged"),
                false => Finding::new(Verdict::Pass, "no 0-RTT packet is acknowledged"),
            })
        }),
];

/// Packets of 0-RTT that are sent, as some may be lost.
const PACKETS: u64 = 2;

/// Begins a connection that goes on with the session of another one, and sends a 0-RTT packet.
fn resume(
    run: &mut Run<'_>,
    change: impl FnOnce(&mut ClientConfig),
    packet: Packet,
) -> Result<Connection, Finding> {
    let mut first = run.open()?;
    let quiet = first.quiet();
    first.lives();
    first.wait_for(|endpoint| !endpoint.sessions().is_empty(), quiet);
    let session = first
        .endpoint()
        .sessions()
        .iter()
        .find(|session| session.early_data);
    let Some(session) = session.cloned() else {
        return Err(not_applicable("the server gives no ticket for 0-RTT"));
    };
    drop(first);
    let (age, early_data) = (Duration::from_millis(1), true);
    let resumption = Resumption {
        session,
        age,
        early_data,
    };
    let mut connection = run.client(|config| {
        config.tls.resumption = Some(resumption);
        change(config);
    })?;
    connection.flush();
    for _ in 0..PACKETS {
        connection.send(packet.clone());
    }
    Ok(connection)
}

fn state(connection: &Connection) -> EarlyData {
    let negotiated = connection.endpoint().negotiated();
    negotiated.map_or(EarlyData::NotOffered, |negotiated| negotiated.early_data)
}

/// Tells whether a packet of 0-RTT is acknowledged; theirs are the first numbers.
fn is_acknowledged(connection: &Connection) -> bool {
    let endpoint = connection.endpoint();
    (0..PACKETS).any(|number| endpoint.is_acknowledged(Level::OneRtt, number))
}
