//! Retry, as clients have to take it (RFC 9000 §7.3, §8.1.2, §17.2.5).

use std::{collections::BTreeMap, sync::Arc};

use qecho_packet::{
    DecryptedPacket, Side, TransportParameters,
    close::{PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR},
    protection::{Numbers, OpeningKeys, Secret, Suite},
    wire::{ConnectionId, Frame, Header, PacketType, frames, packets},
};
use qecho_peer::endpoint::{Parameters, retry};

use super::parameters::set;
use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    requirement::{Requirement, Side::Client, must, rfc},
};

/// The token of the Retry packets that are right.
const TOKEN: &[u8] = b"a token of Retry";

pub(super) static ROWS: &[Requirement] = &[
    must("C33", Client, rfc(9000, "17.2.5.2"))
        .also(&[rfc(9001, "5.8")])
        .text("A Retry packet whose integrity tag is wrong is discarded.")
        .stimulus("Retry with a wrong integrity tag")
        .expected("the handshake goes on as if it had not come")
        .script(|run| {
            run.goes_on_after(|first| {
                let mut packet = retry(first, other_source(), TOKEN);
                if let Some(last) = packet.last_mut() {
                    *last ^= 1;
                }
                packet
            })
        }),
    must("C34", Client, rfc(9000, "17.2.5.2"))
        .text("A Retry packet without a token is discarded.")
        .stimulus("Retry with an empty token and a good integrity tag")
        .expected("the handshake goes on as if it had not come")
        .script(|run| run.goes_on_after(|first| retry(first, other_source(), b""))),
    must("C116", Client, rfc(9000, "8.1.2"))
        .also(&[rfc(9000, "17.2.5.2")])
        .text("Initial packets after a Retry go to its source, and all of them carry its token.")
        .stimulus("Retry")
        .expected("Initial packets to the source of the Retry carry its token, and no others do")
        .script(initial_packets_after_a_retry),
    must("C117", Client, rfc(9000, "17.2.5.3"))
        .text("The message of TLS after a Retry is the same as before it.")
        .stimulus("Retry")
        .expected("the same ClientHello")
        .script(the_message_after_a_retry),
    must("C118", Client, rfc(9000, "17.2.5.3"))
        .text("A Retry does not reset packet numbers.")
        .stimulus("Retry")
        .expected("Initial packets with higher numbers than those before")
        .script(the_numbers_after_a_retry),
    must("C119", Client, rfc(9000, "17.2.5.2"))
        .text("A client follows one Retry, and discards those after it.")
        .stimulus("A second Retry, with another token, after the first was followed")
        .expected("the handshake goes on as if it had not come")
        .script(a_second_retry),
    must("C120", Client, rfc(9000, "17.2.5.2"))
        .text("A Retry packet after an Initial packet of the server is discarded.")
        .stimulus("Retry after ServerHello")
        .expected("the handshake goes on as if it had not come")
        .script(|run| {
            let mut connection = run.with_server_hello()?;
            let first = connection.first_header()?;
            connection.goes_on_after(&[retry(&first, other_source(), TOKEN)])
        }),
    must("C121", Client, rfc(9000, "17.2.5.1"))
        .text("A Retry packet from the very ID that the client has chosen is discarded.")
        .stimulus("Retry whose source is the destination of the client's Initial packet")
        .expected("the handshake goes on as if it had not come")
        .script(|run| run.goes_on_after(|first| retry(first, first.destination, TOKEN))),
    must("C122", Client, rfc(9000, "7.3"))
        .text("A handshake without retry_source_connection_id fails after a Retry.")
        .stimulus("Retry, and then no retry_source_connection_id")
        .expected("PROTOCOL_VIOLATION, or TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            parameters_after_a_retry(run, |all| {
                all.retain(|(id, _)| *id != TransportParameters::RETRY_SOURCE_CONNECTION_ID);
            })
        }),
    must("C123", Client, rfc(9000, "7.3"))
        .text("retry_source_connection_id is the source of the Retry that was followed.")
        .stimulus("Retry, and then another retry_source_connection_id")
        .expected("PROTOCOL_VIOLATION, or TRANSPORT_PARAMETER_ERROR")
        .script(|run| {
            parameters_after_a_retry(run, |all| {
                let id = TransportParameters::RETRY_SOURCE_CONNECTION_ID;
                set(all, id, &other_source());
            })
        }),
];

/// The source connection ID of a Retry packet that is not followed.
fn other_source() -> ConnectionId {
    ConnectionId::new(&[0xa5; 8]).unwrap_or_default()
}

fn parameters_after_a_retry(run: &mut Run<'_>, change: fn(&mut Parameters)) -> Judged {
    let mut connection = run.serve(|config| {
        config.retry_token = Some(TOKEN.to_vec());
        config.edit_parameters = Some(Arc::new(change));
    })?;
    let expected = Expected::close(&[PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR]);
    match connection.expect_of_client(expected)? {
        finding if connection.endpoint().negotiated().is_some() => Ok(finding),
        _ => Err(not_followed()),
    }
}

/// Looks at the headers of all Initial packets until nothing more is expected to come.
fn initial_packets_after_a_retry(run: &mut Run<'_>) -> Judged {
    let mut connection = run.serve(|config| {
        config.retry_token = Some(TOKEN.to_vec());
        config.behaviour.sends_crypto = false;
        config.behaviour.acknowledges = false;
    })?;
    let patience = connection.patience / 2;
    connection.settle(patience);
    let source = connection.endpoint().retry_source().unwrap_or_default();
    let headers = initial_headers(&connection);
    let is_of = |header: &&Header| header.destination == source;
    let mut wrong = headers.iter();
    let wrong = wrong.find(|header| is_of(header) != (header.token == TOKEN));
    Ok(match (wrong, headers.iter().find(is_of)) {
        (Some(wrong), _) if is_of(&wrong) => {
            let seen = "an Initial packet to the source of the Retry has not its token";
            Finding::new(Verdict::Fail, seen)
        }
        (Some(_), _) => {
            let seen = "an Initial packet with the token does not go to the source of the Retry";
            Finding::new(Verdict::Fail, seen)
        }
        (None, None) => return Err(not_followed()),
        (None, Some(_)) => Finding::new(Verdict::Pass, "the token goes where it has to"),
    })
}

fn initial_headers(connection: &Connection) -> Vec<Header> {
    let answers = connection.answers().into_iter();
    let all = answers.flat_map(|datagram| packets(datagram, 0).map_while(Result::ok));
    let headers = all.map(|packet| packet.header);
    headers
        .filter(|header| header.packet_type == PacketType::Initial)
        .collect()
}

/// Waits for a client that follows a Retry; returns its Initial packets from before and after.
fn followed(run: &mut Run<'_>) -> Result<[Vec<DecryptedPacket>; 2], Finding> {
    let connection = run.held_back(|config| config.retry_token = Some(TOKEN.to_vec()))?;
    let endpoint = connection.endpoint();
    let source = endpoint.retry_source().unwrap_or_default();
    let [before, after] = [endpoint.original_destination(), source]
        .map(|destination| opened(&connection, destination));
    match before.is_empty() || after.is_empty() {
        true => Err(not_followed()),
        false => Ok([before, after]),
    }
}

/// Opens all Initial packets to a destination.
fn opened(connection: &Connection, destination: ConnectionId) -> Vec<DecryptedPacket> {
    let secret = Secret::initial(&destination, Side::Client);
    let mut keys = OpeningKeys::new(&secret, Suite::Aes128GcmSha256);
    let answers = connection.answers().into_iter();
    let all = answers.flat_map(|datagram| packets(datagram, 0).map_while(Result::ok));
    all.filter(|packet| packet.header.packet_type == PacketType::Initial)
        .filter(|packet| packet.header.destination == destination)
        .filter_map(|packet| keys.open(&packet, Numbers::default()))
        .collect()
}

fn the_message_after_a_retry(run: &mut Run<'_>) -> Judged {
    let [before, after] = followed(run)?.map(|packets| message(&packets));
    let mut common = before
        .iter()
        .filter_map(|(offset, byte)| Some(*after.get(offset)? == *byte));
    Ok(match common.next() {
        None => {
            return Err(Finding::new(
                Verdict::NotReached,
                "no two parts that are alike",
            ));
        }
        Some(first) if first && common.all(|is_same| is_same) => {
            Finding::new(Verdict::Pass, "the same ClientHello")
        }
        Some(_) => Finding::new(Verdict::Fail, "another ClientHello"),
    })
}

/// Returns the bytes of CRYPTO frames by their offsets.
fn message(packets: &[DecryptedPacket]) -> BTreeMap<u64, u8> {
    let mut message = BTreeMap::new();
    for packet in packets {
        for frame in frames(&packet.payload).map_while(Result::ok) {
            if let Frame::Crypto { offset, data } = frame {
                message.extend((offset..).zip(data.iter().copied()));
            }
        }
    }
    message
}

fn the_numbers_after_a_retry(run: &mut Run<'_>) -> Judged {
    let [before, after] = followed(run)?;
    let before = before.iter().map(|packet| packet.number).max().unwrap_or(0);
    let after = after.iter().map(|packet| packet.number).min().unwrap_or(0);
    let seen = format!("number {after} after the Retry, and {before} before it");
    let verdict = match after > before {
        true => Verdict::Pass,
        false => Verdict::Fail,
    };
    Ok(Finding::new(verdict, seen))
}

fn a_second_retry(run: &mut Run<'_>) -> Judged {
    let mut connection = run.held_back(|config| config.retry_token = Some(TOKEN.to_vec()))?;
    let first = connection.first_header()?;
    let destination = connection.endpoint().retry_source().unwrap_or_default();
    let mut second = first.clone();
    second.destination = destination;
    // With the tag that belongs to either.
    let both = [first, second].map(|header| retry(&header, other_source(), b"another token"));
    connection.goes_on_after(&both)
}

fn not_followed() -> Finding {
    Finding::new(Verdict::NotReached, "the client does not follow the Retry")
}
