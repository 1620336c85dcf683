//! Packets that a server sends by itself, held to the rules that a well-behaved client has for
//! them: nothing odd is done to it.

use std::{collections::BTreeMap, time::Duration};

use qecho_packet::{TransportParameters, wire::Frame};
use qecho_peer::{
    endpoint::{ClientConfig, integer_value},
    packet::one_rtt,
    rules::{Rule, Rules},
    tls::{Level, TlsRule},
};

use super::{acknowledgements::is_for_the_mtu, parameters::set};
use crate::conform::{
    Connection, Finding, Judged, Run,
    connection::{judge_wrong, not_applicable, not_reached},
    requirement::{Requirement, Side::Server, may, must, rfc},
};

/// Stimulus of the rows of this file that need none.
const ORDINARY: &str = "Handshake, and a few PING";

pub(super) static ROWS: &[Requirement] = &[
    must("V22", Server, rfc(9000, "17.2"))
        .also(&[rfc(9000, "17.3.1")])
        .text("The reserved bits of a packet are 0.")
        .stimulus(ORDINARY)
        .expected("no packet with other reserved bits")
        .script(|run| keeps(run, &[Rule::ReservedBits])),
    must("V23", Server, rfc(9000, "17.2"))
        .also(&[rfc(9000, "17.3.1"), rfc(9287, "3")])
        .text("The fixed bit is 1, unless the receiver has announced grease_quic_bit.")
        .stimulus("Handshake without grease_quic_bit, and a few PING")
        .expected("no packet whose fixed bit is 0")
        .script(|run| keeps(run, &[Rule::FixedBit])),
    must("V24", Server, rfc(9000, "17.2.2"))
        .text("Initial packets of a server have no token.")
        .stimulus(ORDINARY)
        .expected("no Initial packet with a token")
        .script(|run| keeps(run, &[Rule::ServerInitialToken])),
    must("F65", Server, rfc(9000, "12.4"))
        .text("Each packet carries frames, all of types that are known and may be in it.")
        .stimulus(ORDINARY)
        .expected("no packet that is empty, cut off, or has frames that it must not have")
        .script(|run| {
            let of_frames = [
                Rule::EmptyPacket,
                Rule::FrameOfPacketType,
                Rule::KnownFrame,
                Rule::WholeFrame,
            ];
            keeps(run, &of_frames)
        }),
    must("F66", Server, rfc(9000, "12.4"))
        .text("A frame type has the shortest encoding.")
        .stimulus(ORDINARY)
        .expected("no frame whose type is written in more bytes than it takes")
        .script(|run| keeps(run, &[Rule::ShortestFrameType])),
    must("P22", Server, rfc(9000, "7.3"))
        .text("The connection IDs of the handshake are told in transport parameters.")
        .stimulus(ORDINARY)
        .expected("original_destination, initial_source and retry_source as they were")
        .script(|run| {
            let of_ids = [
                Rule::InitialSourceMissing,
                Rule::InitialSourceWrong,
                Rule::OriginalDestinationMissing,
                Rule::OriginalDestinationWrong,
                Rule::RetrySource,
            ];
            keeps(run, &of_ids)
        }),
    must("P23", Server, rfc(9000, "7.4"))
        .text("No transport parameter is sent more than once.")
        .stimulus(ORDINARY)
        .expected("no transport parameter twice")
        .script(|run| keeps(run, &[Rule::ParameterOnce])),
    must("P24", Server, rfc(9000, "18.2"))
        .also(&[rfc(9000, "7.4"), rfc(9000, "18")])
        .text("Transport parameters have values that are valid.")
        .stimulus(ORDINARY)
        .expected("no transport parameter whose value is invalid")
        .script(|run| {
            let of_values = [
                Rule::WholeParameters,
                Rule::IntegerParameter,
                Rule::MigrationParameter,
                Rule::UdpPayloadSize,
                Rule::AckDelayExponent,
                Rule::MaxAckDelay,
                Rule::ActiveConnectionIdLimit,
                Rule::BidirectionalStreams,
                Rule::UnidirectionalStreams,
                Rule::ResetTokenLength,
                Rule::PreferredAddress,
            ];
            keeps(run, &of_values)
        }),
    must("P25", Server, rfc(9368, "4"))
        .text("version_information can be read, and chooses the version in use.")
        .stimulus(ORDINARY)
        .expected("version 1 chosen and no version 0, where there is version_information")
        .script(|run| {
            observe(
                run,
                |_| {},
                |connection| {
                    if !connection.has_parameter(TransportParameters::VERSION_INFORMATION) {
                        return Err(not_applicable("the peer sends no version_information"));
                    }
                    let of_versions = [Rule::VersionInformation, Rule::ChosenVersion];
                    Ok(broken(connection, &of_versions))
                },
            )
        }),
    must("T17", Server, rfc(9001, "4.6.1"))
        .text("A ticket allows 0-RTT by max_early_data_size of 0xffffffff and nothing else.")
        .stimulus(ORDINARY)
        .expected("no NewSessionTicket with another max_early_data_size")
        .script(|run| {
            observe(
                run,
                |_| {},
                |connection| {
                    let error = connection.endpoint().tls_error();
                    let error = error.filter(|error| error.rule == Some(TlsRule::TicketEarlyData));
                    Ok(error.map(ToString::to_string))
                },
            )
        }),
    must("F53", Server, rfc(9000, "4.6"))
        .text("No more streams are opened than the peer has granted.")
        .stimulus("Handshake in which the client grants no streams")
        .expected("no stream of the server")
        .script(|run| {
            let rules = [
                Rule::BidirectionalStreamLimit,
                Rule::UnidirectionalStreamLimit,
            ];
            keeps_when(run, without_streams, &rules)
        }),
    must("F54", Server, rfc(9000, "4.1"))
        .text("No more data are sent than the peer has granted.")
        .stimulus("Handshake in which the client grants streams and no data")
        .expected("no data on any stream")
        .script(|run| keeps_when(run, without_data, &[Rule::DataLimit])),
    may("V25", Server, rfc(9000, "18.2"))
        .also(&[rfc(9000, "14")])
        .text("max_udp_payload_size of the peer limits datagrams, as it may not read larger ones.")
        .stimulus("Handshake with max_udp_payload_size of 1200")
        .expected("no datagram of more than 1200 bytes")
        .script(|run| {
            let small = |config: &mut ClientConfig| {
                let id = TransportParameters::MAX_UDP_PAYLOAD_SIZE;
                set(&mut config.parameters, id, &integer_value(1_200));
            };
            observe(run, small, |connection| {
                // It is known once the server has read the ClientHello; what looks how large
                // datagrams may be is no more than a question.
                let packets = connection.received_packets();
                let packets = packets.filter(|packet| !is_for_the_mtu(packet));
                let sizes = packets.map(|packet| packet.datagram_size);
                let largest = sizes.max().filter(|size| *size > 1_200);
                Ok(largest.map(|size| format!("a datagram of {size} bytes")))
            })
        }),
    must("K15", Server, rfc(9000, "5.1.1"))
        .text("Sequence numbers of connection IDs go up by 1.")
        .stimulus(ORDINARY)
        .expected("NEW_CONNECTION_ID frames whose sequence numbers have no gaps")
        .script(|run| observe(run, |_| {}, gap_of_connection_ids)),
    must("K16", Server, rfc(9000, "5.1"))
        .text("No connection ID is issued more than once.")
        .stimulus(ORDINARY)
        .expected("connection IDs that differ")
        .script(|run| {
            observe(
                run,
                |_| {},
                |connection| {
                    alike(
                        connection,
                        |issued| Some(issued.id.to_vec()),
                        "connection ID",
                    )
                },
            )
        }),
    must("V20", Server, rfc(9000, "10.3.2"))
        .text("No two connection IDs have the same stateless reset token.")
        .stimulus(ORDINARY)
        .expected("tokens that differ")
        .script(|run| {
            observe(
                run,
                |_| {},
                |connection| {
                    alike(
                        connection,
                        |issued| Some(issued.reset_token?.to_vec()),
                        "reset token",
                    )
                },
            )
        }),
    must("K17", Server, rfc(9000, "12.3"))
        .text("No packet number is used more than once in its packet number space.")
        .stimulus(ORDINARY)
        .expected("no two packets with the same number")
        .script(|run| observe(run, |_| {}, |connection| Ok(number_twice(connection)))),
    must("K18", Server, rfc(9000, "13.1"))
        .text("What was not received is not acknowledged.")
        .stimulus("PING packets between which packet numbers are left out")
        .expected("no acknowledgement of a number that was left out")
        .script(|run| {
            let mut connection = run.open()?;
            for _ in 0..4 {
                let number = connection.endpoint().next_number(Level::OneRtt) + 2;
                connection.send(one_rtt([Frame::Ping]).numbered(number));
                connection.lives();
            }
            let wrong = broken(&connection, &[Rule::AckOfUnsent, Rule::AckBelowZero]);
            Ok(judge_wrong(
                wrong,
                "no number that was left out is acknowledged",
            ))
        }),
    must("K19", Server, rfc(9000, "13.2.5"))
        .text("ACK Delay tells what the endpoint has waited by itself, and no more.")
        .stimulus(ORDINARY)
        .expected("no ACK Delay that is longer than the acknowledgement took")
        .script(|run| observe(run, |_| {}, |connection| Ok(long_delay(connection)))),
];

/// Connects with changed settings, elicits a few answers, and looks at all that came; what is
/// wrong with it is told in words, if anything is.
fn observe(
    run: &mut Run<'_>,
    change: impl FnOnce(&mut ClientConfig),
    look: impl FnOnce(&mut Connection) -> Result<Option<String>, Finding>,
) -> Judged {
    let mut connection = run.open_with(change)?;
    let is_alive = (0..4).all(|_| connection.lives());
    match look(&mut connection)? {
        None if !is_alive => Err(not_reached("no answer after the handshake")),
        wrong => Ok(judge_wrong(wrong, "as it should be")),
    }
}

/// Looks for what breaks rules.
fn keeps(run: &mut Run<'_>, rules: &[Rule]) -> Judged {
    keeps_when(run, |_| {}, rules)
}

/// The same, with changed settings.
fn keeps_when(run: &mut Run<'_>, change: impl FnOnce(&mut ClientConfig), rules: &[Rule]) -> Judged {
    observe(run, change, |connection| Ok(broken(connection, rules)))
}

/// Looks for the first of some rules that something breaks that came.
pub(super) fn broken(connection: &Connection, rules: &[Rule]) -> Option<String> {
    Rules::only(rules).broken(connection.endpoint())
}

fn without_streams(config: &mut ClientConfig) {
    for id in [
        TransportParameters::INITIAL_MAX_STREAMS_BIDI,
        TransportParameters::INITIAL_MAX_STREAMS_UNI,
    ] {
        set(&mut config.parameters, id, &integer_value(0));
    }
}

fn without_data(config: &mut ClientConfig) {
    let id = TransportParameters::INITIAL_MAX_DATA;
    set(&mut config.parameters, id, &integer_value(0));
}

type Issued = qecho_peer::endpoint::IssuedId;

/// Looks for a sequence number that was left out, where no packet is missing that could have had
/// it.
fn gap_of_connection_ids(connection: &mut Connection) -> Result<Option<String>, Finding> {
    let sequences = issued(connection)?.iter().map(|one| one.sequence);
    let mut sequences: Vec<_> = sequences.collect();
    sequences.sort_unstable();
    let mut places = (0..).zip(sequences);
    let Some((place, sequence)) = places.find(|(place, sequence)| place != sequence) else {
        return Ok(None);
    };
    // A number may be left out on purpose as well (RFC 9000 §21.4).
    let numbers = connection.received_packets().map(|packet| packet.number);
    let numbers: Vec<_> = numbers.collect();
    match numbers.iter().max().map(|largest| largest + 1) == Some(numbers.len() as u64) {
        true => Ok(Some(format!("sequence number {sequence}, and no {place}"))),
        false => Err(not_reached("packets of the server are missing")),
    }
}

/// Looks for two connection IDs that have something in common.
fn alike(
    connection: &Connection,
    part: fn(&Issued) -> Option<Vec<u8>>,
    name: &str,
) -> Result<Option<String>, Finding> {
    let mut known = BTreeMap::new();
    let all = issued(connection)?.iter();
    let mut parts = all.filter_map(|one| Some((part(one)?, one.sequence)));
    let twice = parts.find_map(|(part, sequence)| Some((known.insert(part, sequence)?, sequence)));
    Ok(twice.map(|(first, second)| format!("{first} and {second} have the same {name}")))
}

/// Returns the connection IDs of the server, if it issues more than that of the handshake.
fn issued(connection: &Connection) -> Result<&[Issued], Finding> {
    let issued = &connection.endpoint().connection_ids().remote;
    match issued.len() {
        0 | 1 => Err(not_applicable("the peer issues no second connection ID")),
        _ => Ok(issued),
    }
}

/// Looks for two packets of one number; one that came twice as it is may be the network's doing.
fn number_twice(connection: &Connection) -> Option<String> {
    let mut known = BTreeMap::new();
    let mut packets = connection.endpoint().record().packets.iter();
    let twice = packets.find(|packet| {
        let content = (packet.generation, &packet.payload);
        let before = known.insert((packet.level, packet.number), content);
        before.is_some_and(|before| before != content)
    })?;
    Some(format!(
        "two {} packets of number {}",
        twice.kind().name(),
        twice.number
    ))
}

/// Looks for an acknowledgement of 1-RTT that tells of a longer delay than there was time for.
fn long_delay(connection: &Connection) -> Option<String> {
    /// RFC 9000 §18.2.
    const EXPONENT_DEFAULT: u64 = 3;
    /// A tick of the server's clock: some systems have 15.625 ms.
    const GRANULARITY: Duration = Duration::from_millis(20);
    let record = connection.endpoint().record();
    let id = TransportParameters::ACK_DELAY_EXPONENT;
    let exponent = match connection.has_parameter(id) {
        true => connection.parameter(id),
        false => EXPONENT_DEFAULT,
    };
    let unit = 1_u64.checked_shl(u32::try_from(exponent).ok()?)?;
    record.at_level(Level::OneRtt).find_map(|packet| {
        let frames = packet.frames();
        let mut acks = frames.iter().filter_map(|frame| match frame {
            Frame::Ack(ack) => Some(ack),
            _ => None,
        });
        let ack = acks.next()?;
        let mut sent = record.sent.iter();
        let sent = sent.find(|sent| sent.level == Level::OneRtt && sent.number == ack.largest())?;
        let sent_at = record.datagrams.get(sent.datagram)?.at;
        let took = packet.at.saturating_duration_since(sent_at);
        let delay = Duration::from_micros(ack.delay.saturating_mul(unit));
        let is_longer = delay > took + GRANULARITY;
        is_longer.then(|| {
            let [delay, took] = [delay, took].map(|time| time.as_micros());
            format!("ACK Delay of {delay} us, where all took {took} us")
        })
    })
}
