//! Clients that come again, with 0-RTT (RFC 9000 §7.4.1, RFC 9001 §4.6).

use std::{collections::BTreeMap, sync::Arc};

use qecho_packet::{
    TransportParameters,
    close::PROTOCOL_VIOLATION,
    wire::{Frame, frames},
};
use qecho_peer::{
    endpoint::{Endpoint, Parameters, ServerConfig, integer_value},
    received::ReceivedPacket,
    rules::Rule,
    tls::{EarlyData, Level, Tickets, extension_type::PRE_SHARED_KEY},
};

use super::{parameters::set, sent::broken};
use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    connection::{judge_wrong, not_applicable, not_reached},
    requirement::{Need, Requirement, Side::Client, must, rfc},
};

const NEEDS: &[Need] = &[Need::Resumption, Need::EarlyData];

pub(super) static ROWS: &[Requirement] = &[
    must("C143", Client, rfc(9221, "3"))
        .needs(NEEDS)
        .text("Less than the remembered max_datagram_frame_size, with 0-RTT, ends the connection.")
        .stimulus("0-RTT is accepted, and max_datagram_frame_size is less than it was")
        .expected("PROTOCOL_VIOLATION, if the client remembers the value")
        .script(smaller_datagrams),
    must("C144", Client, rfc(9000, "7.4.1"))
        .needs(NEEDS)
        .text("In 0-RTT the limits hold that are remembered.")
        .stimulus("Server that grants two bytes, then one that grants more and accepts 0-RTT")
        .expected("no more than two bytes of data in 0-RTT")
        .script(remembered_limits),
    must("C145", Client, rfc(9000, "12.5"))
        .also(&[rfc(9000, "12.4"), rfc(9001, "8.3")])
        .needs(NEEDS)
        .text("0-RTT packets carry only frames that may be in them, and no CRYPTO.")
        .stimulus("0-RTT is accepted")
        .expected("no frames in 0-RTT packets that must not be there")
        .script(|run| {
            let connection = resumed(run, &|_| {}, &|_| {})?;
            Ok(judge_wrong(
                broken(&connection, &[Rule::FrameOfPacketType]),
                "no frame is where it must not be",
            ))
        }),
    must("C146", Client, rfc(9001, "4.6.2"))
        .needs(NEEDS)
        .text("Streams begin anew when 0-RTT is refused.")
        .stimulus("0-RTT is refused")
        .expected("data of streams in 1-RTT from their beginning")
        .script(streams_begin_anew),
    must("C147", Client, rfc(9001, "5.6"))
        .also(&[rfc(9000, "17.2.3")])
        .needs(NEEDS)
        .text("No 0-RTT packet is sent once there are keys for 1-RTT.")
        .stimulus("0-RTT is accepted")
        .expected("no 0-RTT packet whose number is above that of a 1-RTT packet")
        .script(early_data_comes_first),
];

/// Bytes that a server grants which is not generous.
const FEW: u64 = 2;
/// A size of DATAGRAM frames below that of a usual server.
const SMALL_DATAGRAMS: u64 = 100;

/// Changes the settings of one of the two connections.
type Change<'c> = &'c dyn Fn(&mut ServerConfig);

/// Serves a client twice, the second time until it has all that there is; it must come with
/// 0-RTT then.
fn resumed(
    run: &mut Run<'_>,
    first: Change<'_>,
    second: Change<'_>,
) -> Result<Connection, Finding> {
    let mut connection = resuming(run, first, second)?;
    connection.open();
    connection.lives();
    match early_data(connection.endpoint()) {
        EarlyData::Accepted if packets_of_0_rtt(&connection).next().is_some() => Ok(connection),
        EarlyData::Accepted => Err(not_reached("no 0-RTT packet has come")),
        _ => Err(not_reached("0-RTT was not accepted")),
    }
}

/// Serves a client twice, the second time until it has said what it wants: it must offer 0-RTT.
fn resuming(
    run: &mut Run<'_>,
    first: Change<'_>,
    second: Change<'_>,
) -> Result<Connection, Finding> {
    let connection = coming_again(run, first, second)?;
    match early_data(connection.endpoint()) {
        EarlyData::NotOffered => Err(not_applicable("the client does not come again with 0-RTT")),
        _ => Ok(connection),
    }
}

/// Tells whether a client that has a ticket offers it when it comes again.
///
/// # Errors
/// It does not come again, or whoever comes may be another one.
pub(super) fn uses_tickets(run: &mut Run<'_>) -> Result<bool, Finding> {
    if let Some(doubt) = run.doubt() {
        return Err(not_reached(doubt));
    }
    let connection = coming_again(run, &|_| {}, &|_| {})?;
    let hello = connection.endpoint().client_hello();
    Ok(hello.is_some_and(|hello| hello.extension(PRE_SHARED_KEY).is_some()))
}

/// Gives a client a ticket, and serves it again until it has said what it wants.
fn coming_again(
    run: &mut Run<'_>,
    first: Change<'_>,
    second: Change<'_>,
) -> Result<Connection, Finding> {
    // Tickets of other runs, of servers with other limits, are those of a stranger.
    let mut tickets = Tickets::new([0; 32]).with_early_data([]);
    let before = run.serve(|config| {
        tickets.key[..8].copy_from_slice(&config.seed.to_be_bytes());
        config.tls.tickets = Some(tickets.clone());
        first(config);
    })?;
    let mut before = before.confirmed()?;
    let patience = before.patience;
    before.wait_for(
        |endpoint| has_ticket(endpoint) || endpoint.ended().is_some(),
        patience,
    );
    if !has_ticket(before.endpoint()) {
        return Err(not_reached("the client does not acknowledge its ticket"));
    }
    let quiet = before.quiet();
    before.settle(quiet);
    drop(before);
    let mut connection = run.serve(|config| {
        config.tls.tickets = Some(tickets);
        second(config);
    })?;
    let is_read =
        |endpoint: &Endpoint| endpoint.has_keys(Level::Handshake) || endpoint.tls_error().is_some();
    connection.wait_for(is_read, patience);
    Ok(connection)
}

/// Tells whether the client has acknowledged a ticket.
fn has_ticket(endpoint: &Endpoint) -> bool {
    let mut sent = endpoint.record().sent.iter();
    sent.any(|packet| {
        packet.level == Level::OneRtt
            && endpoint.is_acknowledged(Level::OneRtt, packet.number)
            && frames(&packet.payload).any(|frame| matches!(frame, Ok(Frame::Crypto { .. })))
    })
}

fn early_data(endpoint: &Endpoint) -> EarlyData {
    let negotiated = endpoint.negotiated();
    negotiated.map_or(EarlyData::NotOffered, |negotiated| negotiated.early_data)
}

fn packets_of_0_rtt(connection: &Connection) -> impl Iterator<Item = &ReceivedPacket> {
    connection.endpoint().record().at_level(Level::EarlyData)
}

/// Adds up the data of all streams that packets bring.
fn stream_data<'p>(packets: impl Iterator<Item = &'p ReceivedPacket>) -> u64 {
    let mut ends = BTreeMap::new();
    for packet in packets {
        for frame in packet.frames() {
            if let Frame::Stream {
                id, offset, data, ..
            } = frame
            {
                let end = ends.entry(id).or_insert(0);
                *end = offset.saturating_add(data.len() as u64).max(*end);
            }
        }
    }
    ends.into_values().fold(0, u64::saturating_add)
}

fn smaller_datagrams(run: &mut Run<'_>) -> Judged {
    let reduce = |parameters: &mut Parameters| {
        let id = TransportParameters::MAX_DATAGRAM_FRAME_SIZE;
        set(parameters, id, &integer_value(SMALL_DATAGRAMS));
    };
    let mut connection = resuming(run, &|_| {}, &|config| {
        config.edit_parameters = Some(Arc::new(reduce));
    })?;
    let finding = connection.expect_of_client(Expected::close(&[PROTOCOL_VIOLATION]))?;
    let is_remembered = || {
        let mut packets = packets_of_0_rtt(&connection);
        packets.any(|packet| {
            let frames = packet.frames();
            let mut frames = frames.iter();
            frames.any(|frame| matches!(frame, Frame::Datagram { .. }))
        })
    };
    match early_data(connection.endpoint()) {
        EarlyData::Accepted if finding.verdict == Verdict::Pass || is_remembered() => Ok(finding),
        EarlyData::Accepted => Err(not_applicable(
            "no DATAGRAM in 0-RTT, for which the client would have to remember the value",
        )),
        _ => Err(not_reached("0-RTT was not accepted")),
    }
}

fn remembered_limits(run: &mut Run<'_>) -> Judged {
    let grant_little = |config: &mut ServerConfig| {
        let id = TransportParameters::INITIAL_MAX_DATA;
        set(&mut config.parameters, id, &integer_value(FEW));
    };
    let connection = resumed(run, &grant_little, &|_| {})?;
    let sent = stream_data(packets_of_0_rtt(&connection));
    let wrong = (sent > FEW).then(|| format!("{sent} bytes of data in 0-RTT"));
    Ok(judge_wrong(wrong, "no more than was granted"))
}

/// Looks for a stream that goes on where 0-RTT packets were before, which nobody has read.
fn streams_begin_anew(run: &mut Run<'_>) -> Judged {
    let refuse = |config: &mut ServerConfig| {
        if let Some(tickets) = &mut config.tls.tickets {
            tickets.state = b"other".to_vec();
        }
    };
    let mut connection = resuming(run, &|_| {}, &refuse)?.confirmed()?;
    let mut begun = BTreeMap::new();
    // What was lost on its way comes later.
    for _ in 0..2 {
        begun = beginnings(&connection);
        if begun.values().all(|offset| *offset == 0) && !begun.is_empty() {
            break;
        }
        connection.lives();
        let pause = connection.patience / 2;
        connection.settle(pause);
    }
    match begun.iter().find(|(_, offset)| **offset > 0) {
        Some((id, offset)) => {
            let seen = format!("stream {id} begins with byte {offset}");
            Ok(connection.accuse(seen))
        }
        None if begun.is_empty() => Err(not_applicable("no data on streams in 1-RTT")),
        None => Ok(Finding::new(Verdict::Pass, "streams begin anew")),
    }
}

/// Returns the first byte of each stream that has come in 1-RTT.
fn beginnings(connection: &Connection) -> BTreeMap<u64, u64> {
    let mut beginnings = BTreeMap::new();
    for packet in connection.received_packets() {
        for frame in packet.frames() {
            if let Frame::Stream { id, offset, .. } = frame {
                let first = beginnings.entry(id.value()).or_insert(offset);
                *first = offset.min(*first);
            }
        }
    }
    beginnings
}

fn early_data_comes_first(run: &mut Run<'_>) -> Judged {
    let mut connection = resumed(run, &|_| {}, &|_| {})?;
    let quiet = connection.quiet();
    connection.settle(quiet);
    let last = packets_of_0_rtt(&connection).map(|packet| packet.number);
    let first = connection.received_packets().map(|packet| packet.number);
    let (Some(last), Some(first)) = (last.max(), first.min()) else {
        return Err(not_reached("no packet in 1-RTT"));
    };
    let wrong = (last > first).then(|| format!("0-RTT packet {last} after 1-RTT packet {first}"));
    Ok(judge_wrong(wrong, "0-RTT ends before 1-RTT"))
}
