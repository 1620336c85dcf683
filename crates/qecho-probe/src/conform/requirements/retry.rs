//! Tokens, and Retry packets of servers (RFC 9000 §8.1, §17.2.5).

use std::collections::BTreeSet;

use qecho_packet::{
    Direction, TransportParameters,
    wire::{Frame, PacketType, packets},
};
use qecho_peer::{
    endpoint::Endpoint,
    network::PathId,
    packet::{Content, initial},
    tls::Level,
};

use super::addresses::amplification;
use crate::conform::{
    Connection, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    connection::{judge_wrong, not_applicable, not_reached},
    expected::close_words,
    requirement::{Requirement, Side::Server, must, rfc, should},
};

pub(super) static ROWS: &[Requirement] = &[
    must("V29", Server, rfc(9000, "8.1.3"))
        .text("Each token in NEW_TOKEN is another one, for whichever client.")
        .stimulus("Two connections")
        .expected("tokens that differ, where there are any")
        .script(|run| {
            let is_same = !tokens(run)?.is_disjoint(&tokens(run)?);
            let wrong = is_same.then(|| "the same token on two connections".to_owned());
            Ok(judge_wrong(wrong, "tokens that differ"))
        }),
    must("V30", Server, rfc(9000, "8.1.4"))
        .also(&[rfc(9000, "8.1")])
        .text("A token of NEW_TOKEN that was changed does not validate an address.")
        .stimulus("Initial packets with a token of which one bit was changed, then silence")
        .expected("at most three times the bytes that were sent")
        .script(|run| {
            let token = tokens(run)?.pop_last().unwrap_or_default();
            amplification(run, &changed(&token))
        }),
    must("V31", Server, rfc(9000, "8.1.4"))
        .also(&[rfc(9000, "8.1.2")])
        .text("A token of a Retry that was changed does not validate an address.")
        .stimulus("Initial packet with the token of a Retry, of which one bit was changed")
        .expected("INVALID_TOKEN, or as without a token, or no answer")
        .script(|run| {
            let mut retried = retried(run)?;
            let token = changed(retried.0.endpoint().token());
            token_is_refused(&mut retried, token, PathId(0))
        }),
    should("V32", Server, rfc(9000, "8.1.4"))
        .text("A token of a Retry is good for the address and port to which it was sent.")
        .stimulus("Initial packet from another port with the token of a Retry")
        .expected("INVALID_TOKEN, or as without a token, or no answer")
        .script(|run| {
            let mut retried = retried(run)?;
            let token = retried.0.endpoint().token().to_vec();
            let path = retried.0.open_path();
            let path = path.map_err(|error| not_reached(error.to_string()))?;
            token_is_refused(&mut retried, token, path)
        }),
    must("V33", Server, rfc(9000, "17.2.5.1"))
        .text("The source of a Retry is another connection ID than the client's destination.")
        .stimulus("Initial packet")
        .expected("Retry whose source connection ID is another one, where there is a Retry")
        .script(|run| {
            let (connection, retries) = retries(run)?;
            let first = connection.endpoint().original_destination();
            let is_same = retries
                .iter()
                .any(|retry| source(retry) == Some(first.to_vec()));
            let wrong = is_same.then(|| "the same connection ID".to_owned());
            Ok(judge_wrong(wrong, "another connection ID"))
        }),
    must("V34", Server, rfc(9000, "17.2.5.1"))
        .text("A datagram is answered by one Retry at most.")
        .stimulus("Initial packet")
        .expected("one Retry, where there is any")
        .script(|run| {
            let (connection, retries) = retries(run)?;
            let sent = connection
                .endpoint()
                .record()
                .directed(Direction::Sent)
                .count();
            let count = retries.len();
            let wrong = (count > sent).then(|| format!("{count} Retry packets for {sent}"));
            Ok(judge_wrong(wrong, "one Retry for each datagram"))
        }),
];

/// Returns the tokens that a new connection brings.
fn tokens(run: &mut Run<'_>) -> Result<BTreeSet<Vec<u8>>, Finding> {
    let mut connection = run.open()?;
    connection.lives();
    let quiet = connection.quiet() / 4;
    connection.receives(|frame| matches!(frame, Frame::NewToken { .. }), quiet);
    let packets = connection.received_packets();
    let frames = packets.flat_map(|packet| {
        let token = |frame: &Frame<'_>| match frame {
            Frame::NewToken { token } => Some(token.to_vec()),
            _ => None,
        };
        packet.frames().iter().filter_map(token).collect::<Vec<_>>()
    });
    let tokens: BTreeSet<_> = frames.collect();
    match tokens.is_empty() {
        true => Err(not_applicable("the peer gives no token")),
        false => Ok(tokens),
    }
}

/// Changes a bit in the middle.
fn changed(token: &[u8]) -> Vec<u8> {
    let mut token = token.to_vec();
    let middle = token.len() / 2;
    if let Some(byte) = token.get_mut(middle) {
        *byte ^= 1;
    }
    token
}

/// Begins a connection whose first Initial packet is answered by a Retry; returns the ClientHello
/// as well, which is not sent again by itself.
fn retried(run: &mut Run<'_>) -> Result<(Connection, Content), Finding> {
    let mut connection = run.client(|config| config.behaviour.resends = false)?;
    let hello = connection.endpoint_mut().take_crypto(Level::Initial);
    let hello = hello.ok_or_else(|| not_reached("there is no ClientHello"))?;
    for _ in 0..ATTEMPTS {
        connection.send(initial([hello.clone()]).once());
        let quiet = connection.quiet() / 2;
        let is_retried = |endpoint: &Endpoint| endpoint.retry_source().is_some();
        connection.wait_for(
            |endpoint| is_retried(endpoint) || is_answered(endpoint),
            quiet,
        );
        if is_retried(connection.endpoint()) {
            return Ok((connection, hello));
        }
        if is_answered(connection.endpoint()) {
            return Err(not_applicable("the peer sends no Retry"));
        }
    }
    Err(not_reached("no answer"))
}

fn is_answered(endpoint: &Endpoint) -> bool {
    !endpoint.received().is_empty()
}

/// Sends the first packet with a token that is not good; only who takes it speaks of the Retry in
/// its transport parameters.
fn token_is_refused(
    (connection, hello): &mut (Connection, Content),
    token: Vec<u8>,
    path: PathId,
) -> Judged {
    for _ in 0..ATTEMPTS {
        let packet = initial([hello.clone()]).token(token.clone());
        connection.send(packet.path(path));
        let quiet = connection.quiet() / 2;
        let is_decided = |endpoint: &Endpoint| {
            endpoint.peer_parameters().is_some() || endpoint.closed().is_some()
        };
        if connection.wait_for(is_decided, quiet) {
            break;
        }
    }
    let is_taken = connection.has_parameter(TransportParameters::RETRY_SOURCE_CONNECTION_ID);
    Ok(match connection.endpoint().closed() {
        _ if is_taken => Finding::new(Verdict::Fail, "the token is taken"),
        Some(close) => Finding::new(Verdict::Pass, close_words(close)),
        None if is_answered(connection.endpoint()) => {
            Finding::new(Verdict::Pass, "the handshake goes on as without a token")
        }
        None => Finding::new(Verdict::Pass, "no answer"),
    })
}

/// Sends first packets until a Retry comes, which is not followed; returns all that differ.
fn retries(run: &mut Run<'_>) -> Result<(Connection, BTreeSet<Vec<u8>>), Finding> {
    let mut connection = run.client(|config| config.behaviour.follows_retry = false)?;
    connection.flush();
    let patience = connection.patience;
    connection.wait_for_datagram(0, patience);
    // A second one would follow at once.
    let quiet = connection.quiet() / 4;
    connection.settle(quiet);
    let is_retry = |answer: &&[u8]| {
        let first = packets(answer, 0).next().and_then(Result::ok);
        first.is_some_and(|first| first.header.packet_type == PacketType::Retry)
    };
    let answers = connection.answers();
    let retries: BTreeSet<_> = answers
        .into_iter()
        .filter(is_retry)
        .map(<[u8]>::to_vec)
        .collect();
    match retries.is_empty() {
        true => Err(not_applicable("the peer sends no Retry")),
        false => Ok((connection, retries)),
    }
}

/// Returns the source connection ID of a datagram's first packet.
fn source(datagram: &[u8]) -> Option<Vec<u8>> {
    let first = packets(datagram, 0).next()?.ok()?;
    Some(first.header.source?.to_vec())
}
