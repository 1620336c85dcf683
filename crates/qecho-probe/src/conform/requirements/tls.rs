//! TLS inside QUIC, and its keys (RFC 9001).

mod messages;

use qecho_packet::{
    Side,
    close::{KEY_UPDATE_ERROR, NO_APPLICATION_PROTOCOL, PROTOCOL_VIOLATION},
    wire::{Ack, Frame, frames},
};
use qecho_peer::{
    endpoint::{ClientConfig, Ended, Endpoint},
    packet::{Packet, Phase, handshake, initial, one_rtt},
    script::Reaction,
    tls::{
        CertificateRequest, ClientHello, Level, Message, NewSessionTicket, TlsRule,
        extension_type::{
            ALPN, EARLY_DATA, QUIC_TRANSPORT_PARAMETERS, SIGNATURE_ALGORITHMS, SUPPORTED_VERSIONS,
        },
    },
};

use super::{
    acknowledgements::{largest_acknowledged, received_ranges},
    resumption::uses_tickets,
};
use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    connection::not_applicable,
    expected::SILENT,
    requirement::{
        Need, Requirement,
        Side::{Client, Server},
        may, must, rfc, should,
    },
};

/// 0x100 and the alert of TLS (RFC 8446 §6, RFC 9001 §4.8).
const UNEXPECTED_MESSAGE: u64 = 0x10a;
const HANDSHAKE_FAILURE: u64 = 0x128;
const PROTOCOL_VERSION: u64 = 0x146;
const MISSING_EXTENSION: Expected = Expected::close(&[0x16d]);
const VIOLATION: Expected = Expected::close(&[PROTOCOL_VIOLATION]);
const UNEXPECTED: Expected = Expected::close(&[UNEXPECTED_MESSAGE, PROTOCOL_VIOLATION]);
/// A KeyUpdate that asks for no other (RFC 8446 §4.6.3).
const KEY_UPDATE: &[u8] = &[24, 0, 0, 1, 0];

pub(super) static ROWS: &[Requirement] = &[
    must("F39", Server, rfc(9001, "6"))
        .needs(&[Need::CrashesOthers])
        .text("TLS has no KeyUpdate in QUIC: one that comes closes the connection.")
        .stimulus("KeyUpdate in a 1-RTT CRYPTO frame")
        .expected("0x10a (unexpected_message)")
        .script(|run| {
            let expected = Expected::close(&[UNEXPECTED_MESSAGE]).or_stays_unread();
            messages::after_the_handshake(&mut run.open()?, KEY_UPDATE, expected)
        }),
    must("F40", Server, rfc(9001, "4.1.3"))
        .also(&[rfc(8446, "4.1.2")])
        .text("A ClientHello after the handshake closes the connection.")
        .stimulus("ClientHello in a 1-RTT CRYPTO frame")
        .expected("0x10a (unexpected_message), or PROTOCOL_VIOLATION")
        .script(a_client_hello_after_the_handshake),
    must("T01", Server, rfc(9001, "8.1"))
        .text("Where no application protocol can be agreed on, the connection is closed.")
        .stimulus("ALPN that nobody speaks")
        .expected("0x178 (no_application_protocol)")
        .script(a_protocol_that_nobody_speaks),
    must("T02", Server, rfc(9001, "8.2"))
        .of_clients("C12")
        .text("A handshake without transport parameters fails.")
        .stimulus("ClientHello, or EncryptedExtensions, without quic_transport_parameters")
        .expected("0x16d (missing_extension)")
        .script(|run| {
            let without = |all: &mut Vec<(u16, Vec<u8>)>| {
                all.retain(|(id, _)| *id != QUIC_TRANSPORT_PARAMETERS);
            };
            run.extensions(without, MISSING_EXTENSION)
        }),
    must("T03", Server, rfc(9001, "8.2"))
        .text("Transport parameters are in extension 0x39; a handshake without them fails.")
        .stimulus("Transport parameters under the drafts' codepoint 0xffa5 in place of 0x39")
        .expected("0x16d (missing_extension)")
        .script(|run| {
            let as_in_drafts = |all: &mut Vec<(u16, Vec<u8>)>| {
                for (id, _) in all {
                    if *id == QUIC_TRANSPORT_PARAMETERS {
                        *id = 0xffa5;
                    }
                }
            };
            run.extensions(as_in_drafts, MISSING_EXTENSION)
        }),
    must("T04", Server, rfc(9001, "4.2"))
        .text("TLS older than 1.3 is not spoken.")
        .stimulus("ClientHello that offers TLS 1.2 alone")
        .expected("0x146 (protocol_version), or 0x128 (handshake_failure)")
        .script(|run| {
            let old = |hello: &mut ClientHello| {
                for (id, content) in &mut hello.extensions {
                    if *id == SUPPORTED_VERSIONS {
                        *content = vec![2, 3, 3];
                    }
                }
            };
            run.client_hello(old, Expected::close(&[PROTOCOL_VERSION, HANDSHAKE_FAILURE]))
        }),
    should("T05", Server, rfc(9001, "8.4"))
        .text("TLS has no compatibility mode in QUIC: a session ID closes the connection.")
        .stimulus("ClientHello whose legacy_session_id is not empty")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            run.client_hello(
                |hello| hello.session_id = vec![0xa5; 32],
                Expected::close(&[PROTOCOL_VIOLATION]),
            )
        }),
    must("T06", Server, rfc(9001, "6"))
        .also(&[rfc(9001, "4.1.3")])
        .text("TLS has no KeyUpdate in QUIC: one that comes closes the connection.")
        .stimulus("KeyUpdate after Finished in Handshake CRYPTO frames")
        .expected("0x10a (unexpected_message), or PROTOCOL_VIOLATION")
        .script(messages::key_update_behind_finished),
    must("T07", Server, rfc(9001, "8.3"))
        .also(&[rfc(8446, "4")])
        .text("TLS has no EndOfEarlyData in QUIC: one that comes closes the connection.")
        .stimulus("EndOfEarlyData before Finished in Handshake CRYPTO frames")
        .expected("0x10a (unexpected_message), or PROTOCOL_VIOLATION")
        .script(messages::end_of_early_data_before_finished),
    must("T08", Server, rfc(9001, "5.7"))
        .text("1-RTT packets are not processed before the handshake is complete.")
        .stimulus("1-RTT packets before Finished")
        .expected("they are not acknowledged before Finished, and the handshake goes on")
        .script(one_rtt_before_finished),
    must("T09", Server, rfc(9001, "5.3"))
        .text("A ClientHello may offer cipher suites that are not known.")
        .stimulus("ClientHello with an unknown cipher suite before those that are known")
        .expected("the connection lives on")
        .script(|run| {
            run.client_hello(|hello| hello.suites.insert(0, 0x1a1a), Expected::lives_on())
        }),
    must("V13", Server, rfc(9000, "5.2.2"))
        .also(&[rfc(9001, "5.5")])
        .text("A packet that does not authenticate is dropped.")
        .stimulus("Initial packet that does not authenticate")
        .expected("no answer")
        .script(|run| run.first_packet_within(Packet::corrupt, Expected::no_answer())),
    must("K01", Server, rfc(9001, "6.2"))
        .of_clients("C76")
        .also(&[rfc(9001, "6.1")])
        .text("A key update of the peer is followed, and acknowledged under the new keys.")
        .stimulus("Key update")
        .expected("acknowledged under the new keys")
        .script(|run| key_updates(run, 1)),
    must("K02", Server, rfc(9001, "6.2"))
        .of_clients("C77")
        .also(&[rfc(9001, "6.1")])
        .text("Each key update of the peer is followed, and acknowledged under the new keys.")
        .stimulus("Five key updates, each after an acknowledgement")
        .expected("each acknowledged under the new keys")
        .script(|run| key_updates(run, 5)),
    must("T10", Server, rfc(9001, "6.4"))
        .of_clients("C104")
        .text("Old keys are no longer used for packets with higher numbers than newer ones had.")
        .stimulus("Key update, and then a packet under the old keys with a higher number")
        .expected("KEY_UPDATE_ERROR, or the packet is discarded")
        .script(old_keys),
    must("T11", Server, rfc(9001, "5.5"))
        .of_clients("C105")
        .also(&[rfc(9001, "6.3")])
        .text("A packet of another key phase that does not authenticate is discarded.")
        .stimulus("1-RTT packet of the next key phase that does not authenticate")
        .expected("the connection lives on under the same keys")
        .script(an_unauthentic_key_update),
    must("T12", Server, rfc(9001, "4.9.1"))
        .of_clients("C106")
        .text("Initial packets are not processed once Handshake packets have come.")
        .stimulus("Initial packet after the handshake")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            open_with_old_keys(run)?.expect(initial([Frame::Ping]), Expected::discards())
        }),
    must("T13", Server, rfc(9001, "4.9.2"))
        .of_clients("C107")
        .text("Handshake packets are not processed once the handshake is confirmed.")
        .stimulus("Handshake packet after the handshake")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            open_with_old_keys(run)?.expect(handshake([Frame::Ping]), Expected::discards())
        }),
    must("T14", Server, rfc(9001, "4.1.3"))
        .of_clients("C108")
        .text("Nothing new comes in CRYPTO frames of a level that TLS has done with.")
        .stimulus(
            "CRYPTO data behind ClientHello, or ServerHello, once keys of a later level are in use",
        )
        .expected("PROTOCOL_VIOLATION, or 0x10a (unexpected_message), or the packet is discarded")
        .script(crypto_data_of_a_level_that_is_done),
    may("T19", Server, rfc(9001, "6.2"))
        .text("A second key update before the first is acknowledged may close the connection.")
        .stimulus("Two key updates, one after the other")
        .expected("KEY_UPDATE_ERROR, or the connection lives on, or no answer")
        .script(|run| {
            let mut connection = run.open()?;
            connection.lives();
            for _ in 0..2 {
                connection.endpoint_mut().update_keys();
                connection.send(one_rtt([Frame::Ping]).once());
            }
            let expected = Expected::close(&[KEY_UPDATE_ERROR]);
            connection.expect_of_all(expected.or_lives_on().or_no_answer())
        }),
    must("C109", Client, rfc(9001, "5.5"))
        .text("A packet that does not authenticate is discarded.")
        .stimulus("1-RTT packet that does not authenticate")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            run.open()?
                .expect(one_rtt([Frame::Ping]).corrupt(), Expected::discards())
        }),
    must("C13", Client, rfc(9001, "8.1"))
        .text("A client that has offered ALPN closes the connection if none is agreed on.")
        .stimulus("Server that selects no ALPN although the client offered some")
        .expected("0x178 (no_application_protocol)")
        .script(no_application_protocol),
    must("C20", Client, rfc(9001, "6"))
        .needs(&[Need::CrashesOthers])
        .text("TLS has no KeyUpdate in QUIC: one that comes closes the connection.")
        .stimulus("KeyUpdate in a CRYPTO frame")
        .expected("0x10a (unexpected_message)")
        .script(|run| {
            let expected = Expected::close(&[UNEXPECTED_MESSAGE]).or_stays_unread();
            messages::after_the_handshake(&mut run.open()?, KEY_UPDATE, expected)
        }),
    must("C21", Client, rfc(9001, "4.4"))
        .text("A CertificateRequest after the handshake closes the connection.")
        .stimulus("CertificateRequest after the handshake")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            let request = Message::CertificateRequest(CertificateRequest {
                context: vec![1],
                extensions: vec![(SIGNATURE_ALGORITHMS, vec![0, 2, 4, 3])],
            });
            let request = request.encode();
            messages::after_the_handshake(&mut run.open()?, &request, VIOLATION.or_stays_unread())
        }),
    must("C22", Client, rfc(9001, "4.6.1"))
        .text("A ticket allows 0-RTT by max_early_data_size of 0xffffffff and nothing else.")
        .stimulus("NewSessionTicket with max_early_data_size of 16384")
        .expected("PROTOCOL_VIOLATION, if the client uses tickets")
        .script(|run| {
            let ticket = Message::NewSessionTicket(NewSessionTicket {
                lifetime: 3_600,
                age_add: 0,
                nonce: vec![0],
                ticket: vec![0xa5; 32],
                extensions: vec![(EARLY_DATA, 16_384_u32.to_be_bytes().to_vec())],
            });
            let ticket = ticket.encode();
            let expected = VIOLATION.or_stays_unread();
            let finding = messages::after_the_handshake(&mut run.open()?, &ticket, expected)?;
            if finding.verdict != Verdict::Fail {
                return Ok(finding);
            }
            // What is in tickets may be nothing to a client that keeps none.
            let words = match uses_tickets(run) {
                Ok(true) => return Ok(finding),
                Ok(false) => "the client never uses a ticket".to_owned(),
                Err(why) => format!("nobody knows whether the client uses tickets: {}", why.seen),
            };
            let seen = format!("{}; {words}", finding.seen);
            Ok(Finding::new(Verdict::Note, seen))
        }),
];

/// Offers an application protocol that the server does not know, if it is one that knows any.
fn a_protocol_that_nobody_speaks(run: &mut Run<'_>) -> Judged {
    let mut offers = true;
    let mut connection = run.client(|config| {
        offers = !config.tls.alpn.is_empty();
        offer_what_nobody_speaks(config);
    })?;
    let judged = connection.expect_of_handshake(Expected::close(&[NO_APPLICATION_PROTOCOL]));
    let negotiated = connection.endpoint().negotiated();
    let agreed = negotiated.and_then(|negotiated| negotiated.alpn.as_deref());
    match (agreed == Some(SPOKEN_BY_NOBODY), offers) {
        // It can be agreed on, then.
        (true, _) => Err(not_applicable("the server agrees to any protocol")),
        (false, true) => judged,
        (false, false) => judged.and(Err(not_applicable(
            "the server is not asked for a protocol",
        ))),
    }
}

const SPOKEN_BY_NOBODY: &[u8] = b"nobody-speaks-this";

/// Offers nothing else than an application protocol that nobody speaks.
pub(super) fn offer_what_nobody_speaks(config: &mut ClientConfig) {
    config.tls.alpn = vec![SPOKEN_BY_NOBODY.to_vec()];
    let ignored = [TlsRule::AlpnAgreed, TlsRule::AlpnOffered];
    config.tls.ignore.extend(ignored);
}

/// Selects no application protocol, whatever the client offers.
fn no_application_protocol(run: &mut Run<'_>) -> Judged {
    let mut connection = run.serve_without(ALPN)?;
    let judged = connection.expect_of_client(Expected::close(&[NO_APPLICATION_PROTOCOL]));
    let negotiated = connection.endpoint().negotiated();
    let offers = negotiated.is_some_and(|negotiated| negotiated.alpn.is_some());
    match offers {
        true => judged,
        false => judged.and(Err(not_applicable("the client offers no protocol"))),
    }
}

/// Updates keys so many times, each after an acknowledgement under those before.
fn key_updates(run: &mut Run<'_>, count: u64) -> Judged {
    let mut connection = run.open()?;
    for update in 1..=count {
        let pause = connection.key_update_pause();
        connection.settle(pause);
        // The keys may be those of an update by the peer, which has to see them acknowledged.
        if !connection.lives() {
            let seen = format!("no answer before update {update}");
            let not_reached = Err(Finding::new(Verdict::NotReached, seen));
            // Before the first there is nothing to be blamed for.
            let end = judge_end(&connection, update).filter(|_| update > 1);
            return end.unwrap_or(not_reached);
        }
        connection.endpoint_mut().update_keys();
        let updated = connection.endpoint().generation();
        let from = connection.endpoint().next_number(Level::OneRtt);
        connection.lives();
        let seen = match generation_of_acknowledgement(&connection, from) {
            Some(generation) if generation >= updated => continue,
            Some(_) => format!("update {update} is acknowledged under the keys of before it"),
            None if !connection.lives() => SILENT.to_owned(),
            None => format!("update {update} is not acknowledged"),
        };
        let accused = Ok(Finding::new(Verdict::Fail, seen));
        return judge_end(&connection, update).unwrap_or(accused);
    }
    Ok(Finding::new(Verdict::Pass, "acknowledged under new keys"))
}

/// Judges the end of a connection in which keys were updated, if it has come.
fn judge_end(connection: &Connection, update: u64) -> Option<Judged> {
    let endpoint = connection.endpoint();
    let reaction = match (endpoint.closed(), endpoint.ended()) {
        (Some(close), _) => Reaction::Closed(close.clone()),
        (None, Some(Ended::Reset)) => Reaction::Reset,
        (None, Some(ended)) => {
            let seen = format!("the connection ended by update {update}: {ended:?}");
            return Some(Err(Finding::new(Verdict::NotReached, seen)));
        }
        (None, None) => return None,
    };
    let finding = Expected::lives_on().judge(&reaction);
    let seen = format!("by update {update} {}", finding.seen);
    Some(Ok(Finding::new(finding.verdict, seen)))
}

/// Returns the generation of the keys of the first packet that acknowledges one from a number
/// on.
fn generation_of_acknowledgement(connection: &Connection, from: u64) -> Option<u64> {
    let mut packets = connection.received_packets();
    let first = packets.find(|packet| largest_acknowledged(&packet.frames()) >= Some(from));
    first.map(|packet| packet.generation)
}

fn a_client_hello_after_the_handshake(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let Some(hello) = first_hello(&connection) else {
        return Err(Finding::new(
            Verdict::NotReached,
            "the ClientHello is too large",
        ));
    };
    messages::after_the_handshake(&mut connection, &hello, UNEXPECTED.or_stays_unread())
}

/// Returns the ClientHello or ServerHello that this side began with, if it was whole in one frame.
fn first_hello(connection: &Connection) -> Option<Vec<u8>> {
    let mut sent = connection.endpoint().record().sent.iter();
    let first = sent.find(|packet| packet.level == Level::Initial)?;
    frames(&first.payload)
        .map_while(Result::ok)
        .find_map(|frame| match frame {
            Frame::Crypto { offset: 0, data } => Some(data.to_vec()),
            _ => None,
        })
        .filter(|data| is_whole(data))
}

/// Tells whether bytes are one message of TLS and no more (RFC 8446 §4).
fn is_whole(message: &[u8]) -> bool {
    let [_, high, middle, low, body @ ..] = message else {
        return false;
    };
    u32::from_be_bytes([0, *high, *middle, *low]) as usize == body.len()
}

fn one_rtt_before_finished(run: &mut Run<'_>) -> Judged {
    let mut connection = run.before_finished(|_| {})?;
    let first = connection.endpoint().next_number(Level::OneRtt);
    let quiet = connection.quiet() / 2;
    for _ in 0..2 {
        connection.send(one_rtt([Frame::Ping]).once());
        connection.settle(quiet);
    }
    let endpoint = connection.endpoint();
    let mut sent = first..endpoint.next_number(Level::OneRtt);
    if sent.any(|number| endpoint.is_acknowledged(Level::OneRtt, number)) {
        return Ok(Finding::new(Verdict::Fail, "acknowledged before Finished"));
    }
    connection.endpoint_mut().behaviour.sends_crypto = true;
    connection.expect_of_handshake(Expected::lives_on())
}

/// Tries old keys several times: a server may have thrown them away already, or not yet.
fn old_keys(run: &mut Run<'_>) -> Judged {
    let mut finding = old_keys_once(run)?;
    for _ in 1..ATTEMPTS {
        if finding.verdict != Verdict::Pass {
            break;
        }
        finding = old_keys_once(run)?;
    }
    Ok(finding)
}

fn old_keys_once(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    connection.lives();
    connection.endpoint_mut().update_keys();
    let from = connection.endpoint().next_number(Level::OneRtt);
    // A second packet is acknowledged at once, while the old keys may still be there.
    connection.send(one_rtt([Frame::Ping]).once());
    connection.lives();
    if generation_of_acknowledgement(&connection, from) != Some(1) {
        return Err(Finding::new(
            Verdict::NotReached,
            "the key update is not followed",
        ));
    }
    let expected = Expected::close(&[KEY_UPDATE_ERROR]).or_discards();
    connection.expect(one_rtt([Frame::Ping]).phase(Phase::Previous), expected)
}

fn an_unauthentic_key_update(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    connection.lives();
    let by_itself = || {
        let seen = "the peer updates its keys by itself";
        Err(Finding::new(Verdict::NotReached, seen))
    };
    if has_new_keys(&connection) {
        return by_itself();
    }
    let begin = connection.now();
    let unauthentic = one_rtt([Frame::Ping]).phase(Phase::Next).corrupt();
    let finding = connection.expect(unauthentic, Expected::discards())?;
    if !has_new_keys(&connection) {
        return Ok(finding);
    }
    let took = connection.now().saturating_duration_since(begin);
    let next = connection.endpoint().next_number(Level::OneRtt);
    drop(connection);
    // A peer may update its keys for reasons of its own: it would do so without the packet.
    let mut other = run.open()?;
    other.settle(took);
    while other.endpoint().next_number(Level::OneRtt) < next {
        if !other.lives() {
            return by_itself();
        }
    }
    match has_new_keys(&other) {
        true => by_itself(),
        false => Ok(Finding::new(Verdict::Fail, "the peer updates its keys")),
    }
}

/// Tells whether the peer has sent packets under keys of a key update.
fn has_new_keys(connection: &Connection) -> bool {
    let mut packets = connection.received_packets();
    packets.any(|packet| packet.generation > 0)
}

/// Connects, with a side that keeps all keys and lets the peer throw its own away.
fn open_with_old_keys(run: &mut Run<'_>) -> Result<Connection, Finding> {
    let mut connection = run.open_behaving(|behaviour| behaviour.discards_keys = false)?;
    match connection.endpoint().side() {
        Side::Client => connection.lives(),
        // A client has to know that the handshake is confirmed.
        Side::Server => {
            connection.send_until_answered(Level::OneRtt, &[one_rtt([Frame::HandshakeDone])])
        }
    };
    let quiet = connection.quiet();
    connection.settle(quiet);
    Ok(connection)
}

/// An Initial packet may be discarded whatever is in it (RFC 9000 §11.1).
fn crypto_data_of_a_level_that_is_done(run: &mut Run<'_>) -> Judged {
    // The keys of a later level are in use once ServerHello has come.
    let mut connection = run.with_initial_keys(|endpoint| endpoint.has_keys(Level::Handshake))?;
    if connection.endpoint().side() == Side::Client {
        // Nothing else is to come while the server may send little more.
        let (delay, ecn) = (0, None);
        let ranges = received_ranges(&connection, Level::Initial);
        connection.send(initial([Frame::Ack(Ack { delay, ranges, ecn })]).once());
        connection.prepared();
    }
    let Some(hello) = first_hello(&connection) else {
        return Err(Finding::new(
            Verdict::NotReached,
            "the message of TLS is too large",
        ));
    };
    let offset = hello.len() as u64;
    let first = connection.endpoint().next_number(Level::Initial);
    for _ in 0..ATTEMPTS {
        // A message that is whole, so that nobody waits for the rest of it.
        connection.send(
            initial([Frame::Crypto {
                offset,
                data: KEY_UPDATE,
            }])
            .once(),
        );
        let quiet = connection.quiet();
        if connection.wait_for(|endpoint| endpoint.ended().is_some(), quiet) {
            break;
        }
    }
    let odd = first..connection.endpoint().next_number(Level::Initial);
    let is_acknowledged = |endpoint: &Endpoint| {
        let mut odd = odd.clone();
        odd.any(|number| endpoint.is_acknowledged(Level::Initial, number))
    };
    let endpoint = connection.endpoint();
    let is_settled = endpoint.closed().is_some() || is_acknowledged(endpoint);
    if !is_settled && has_left_initial_keys(endpoint) {
        return Err(Finding::new(
            Verdict::NotReached,
            "the client has no keys of Initial packets any more",
        ));
    }
    let reaction = connection.reaction();
    let is_acknowledged = is_acknowledged(connection.endpoint());
    Ok(match reaction {
        Reaction::LivesOn { .. } if !is_acknowledged => {
            Finding::new(Verdict::Pass, "discarded, and the connection lives on")
        }
        Reaction::LivesOn { .. } | Reaction::Silent if is_acknowledged => {
            UNEXPECTED.judge(&Reaction::LivesOn { is_acknowledged })
        }
        other => UNEXPECTED.judge(&other),
    })
}

/// RFC 9001 §4.9.1: a client that has sent a Handshake packet has done with Initial packets.
fn has_left_initial_keys(endpoint: &Endpoint) -> bool {
    let mut packets = endpoint.record().at_level(Level::Handshake);
    endpoint.side() == Side::Server && packets.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_by_its_length() {
        assert!(is_whole(KEY_UPDATE));
        assert!(is_whole(&[14, 0, 0, 0]));
        for other in [&KEY_UPDATE[..4], &[24, 0, 0, 1, 0, 0], &[24, 0, 0], &[]] {
            assert!(!is_whole(other), "{other:?}");
        }
    }
}
