//! 0-RTT (RFC 9001 §4.6, §8.3).

use std::time::Duration;

use qecho_packet::{TransportParameters, close::PROTOCOL_VIOLATION, wire::Frame};
use qecho_peer::{
    endpoint::ClientConfig,
    packet::{Packet, early_data},
    script::Opened,
    tls::{EarlyData, Level, Resumption},
};

use crate::conform::{
    Connection, Expected, Finding, Run, Verdict,
    connection::{judge_wrong, not_applicable, not_reached, opened_words},
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
    must("P27", Server, rfc(9000, "7.4.1"))
        .also(&[rfc(9221, "3")])
        .needs(&[Need::Resumption, Need::EarlyData])
        .text("A server that accepts 0-RTT reduces no limit that the client remembers.")
        .stimulus("PING in a 0-RTT packet")
        .expected("no limit that is less than it was, or 0-RTT is not accepted")
        .script(|run| {
            let mut before = Vec::new();
            let remember = |config: &mut ClientConfig| {
                let resumption = config.tls.resumption.as_ref();
                before.extend(resumption.iter().flat_map(|it| &it.session.parameters));
            };
            let connection = resume(run, remember, early_data([Frame::Ping]).once())?;
            let connection = connection.confirmed()?;
            if state(&connection) != EarlyData::Accepted {
                return Err(not_applicable("the server does not accept 0-RTT"));
            }
            let reduced = reduced(&connection, &TransportParameters::parse(&before));
            Ok(judge_wrong(reduced, "no limit is less than it was"))
        }),
];

/// Limits that 0-RTT may use up (RFC 9000 §7.4.1, RFC 9221 §3), with the values that they have if
/// nothing is said.
const LIMITS: [(u64, u64); 8] = [
    (TransportParameters::ACTIVE_CONNECTION_ID_LIMIT, 2),
    (TransportParameters::INITIAL_MAX_DATA, 0),
    (TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_LOCAL, 0),
    (TransportParameters::INITIAL_MAX_STREAM_DATA_BIDI_REMOTE, 0),
    (TransportParameters::INITIAL_MAX_STREAM_DATA_UNI, 0),
    (TransportParameters::INITIAL_MAX_STREAMS_BIDI, 0),
    (TransportParameters::INITIAL_MAX_STREAMS_UNI, 0),
    (TransportParameters::MAX_DATAGRAM_FRAME_SIZE, 0),
];

/// Tells which limit is less than it was, if one is.
fn reduced(connection: &Connection, before: &TransportParameters) -> Option<String> {
    let now = connection.endpoint().peer_parameters()?;
    LIMITS.into_iter().find_map(|(id, default)| {
        let value = |parameters: &TransportParameters| parameters.integer(id).unwrap_or(default);
        let (before, now) = (value(before), value(now));
        let name = TransportParameters::name(id).unwrap_or("a limit");
        (now < before).then(|| format!("{name} of {now}, which was {before}"))
    })
}

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
