//! TLS inside QUIC, and its keys (RFC 9001).

use std::sync::Arc;

use qecho_packet::{
    close::{KEY_UPDATE_ERROR, NO_APPLICATION_PROTOCOL, PROTOCOL_VIOLATION},
    wire::{Frame, frames},
};
use qecho_peer::{
    endpoint::ClientConfig,
    packet::{Packet, Phase, handshake, initial, one_rtt},
    script::Reaction,
    tls::{
        CertificateRequest, ClientHello, Level, Message, NewSessionTicket, TlsRule,
        extension_type::{
            ALPN, EARLY_DATA, QUIC_TRANSPORT_PARAMETERS, SIGNATURE_ALGORITHMS, SUPPORTED_VERSIONS,
        },
    },
};

use super::acknowledgements::largest_acknowledged;
use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    attempts::ATTEMPTS,
    connection::not_applicable,
    expected::close_words,
    requirement::{
        Need, Requirement,
        Side::{Client, Server},
        must, rfc, should,
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
            let (offset, data) = (0, KEY_UPDATE);
            let expected = Expected::close(&[UNEXPECTED_MESSAGE]);
            run.open()?
                .expect(one_rtt([Frame::Crypto { offset, data }]), expected)
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
        .script(|run| {
            let nobody = |config: &mut ClientConfig| {
                config.tls.alpn = vec![b"nobody-speaks-this".to_vec()];
                config
                    .tls
                    .ignore
                    .extend([TlsRule::AlpnAgreed, TlsRule::AlpnOffered]);
            };
            run.handshake(nobody, Expected::close(&[NO_APPLICATION_PROTOCOL]))
        }),
    must("T02", Server, rfc(9001, "8.2"))
        .text("A handshake without transport parameters fails.")
        .stimulus("ClientHello without quic_transport_parameters")
        .expected("0x16d (missing_extension)")
        .script(|run| {
            run.client_hello(
                |hello| {
                    hello
                        .extensions
                        .retain(|(id, _)| *id != QUIC_TRANSPORT_PARAMETERS)
                },
                MISSING_EXTENSION,
            )
        }),
    must("T03", Server, rfc(9001, "8.2"))
        .text("Transport parameters are in extension 0x39; a handshake without them fails.")
        .stimulus("Transport parameters under the drafts' codepoint 0xffa5 in place of 0x39")
        .expected("0x16d (missing_extension)")
        .script(|run| {
            let as_in_drafts = |hello: &mut ClientHello| {
                for (id, _) in &mut hello.extensions {
                    if *id == QUIC_TRANSPORT_PARAMETERS {
                        *id = 0xffa5;
                    }
                }
            };
            run.client_hello(as_in_drafts, MISSING_EXTENSION)
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
        .text("TLS has no KeyUpdate in QUIC: one that comes closes the connection.")
        .stimulus("KeyUpdate after Finished in Handshake CRYPTO frames")
        .expected("0x10a (unexpected_message), or PROTOCOL_VIOLATION")
        .script(key_update_behind_finished),
    must("T07", Server, rfc(9001, "8.3"))
        .also(&[rfc(8446, "4")])
        .text("TLS has no EndOfEarlyData in QUIC: one that comes closes the connection.")
        .stimulus("EndOfEarlyData in Handshake CRYPTO frames")
        .expected("0x10a (unexpected_message), or PROTOCOL_VIOLATION")
        .script(|run| {
            let edit = |message: &mut Message| {
                if matches!(message, Message::Finished(_)) {
                    *message = Message::EndOfEarlyData;
                }
            };
            run.handshake(|config| config.tls.edit = Some(Arc::new(edit)), UNEXPECTED)
        }),
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
        .also(&[rfc(9001, "6.1")])
        .text("A key update of the peer is followed, and acknowledged under the new keys.")
        .stimulus("Key update by the client")
        .expected("acknowledged under the new keys")
        .script(|run| key_updates(run, 1)),
    must("K02", Server, rfc(9001, "6.2"))
        .also(&[rfc(9001, "6.1")])
        .text("Each key update of the peer is followed, and acknowledged under the new keys.")
        .stimulus("Five key updates, each after an acknowledgement")
        .expected("each acknowledged under the new keys")
        .script(|run| key_updates(run, 5)),
    must("T10", Server, rfc(9001, "6.4"))
        .text("Old keys are no longer used for packets with higher numbers than newer ones had.")
        .stimulus("Key update, and then a packet under the old keys with a higher number")
        .expected("KEY_UPDATE_ERROR, or the packet is discarded")
        .script(old_keys),
    must("T11", Server, rfc(9001, "5.5"))
        .also(&[rfc(9001, "6.3")])
        .text("A packet of another key phase that does not authenticate is discarded.")
        .stimulus("1-RTT packet of the next key phase that does not authenticate")
        .expected("the connection lives on under the same keys")
        .script(an_unauthentic_key_update),
    must("T12", Server, rfc(9001, "4.9.1"))
        .text("Initial packets are not processed once Handshake packets have come.")
        .stimulus("Initial packet after the handshake")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            open_with_old_keys(run)?.expect(initial([Frame::Ping]), Expected::discards())
        }),
    must("T13", Server, rfc(9001, "4.9.2"))
        .text("Handshake packets are not processed once the handshake is confirmed.")
        .stimulus("Handshake packet after the handshake")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            open_with_old_keys(run)?.expect(handshake([Frame::Ping]), Expected::discards())
        }),
    must("T14", Server, rfc(9001, "4.1.3"))
        .text("Nothing new comes in CRYPTO frames of a level that TLS has done with.")
        .stimulus("CRYPTO data behind the ClientHello after the server's Finished")
        .expected("PROTOCOL_VIOLATION, or 0x10a (unexpected_message)")
        .script(crypto_data_of_a_level_that_is_done),
    must("C12", Client, rfc(9001, "8.2"))
        .text("A handshake without transport parameters fails.")
        .stimulus("EncryptedExtensions without quic_transport_parameters")
        .expected("0x16d (missing_extension)")
        .script(|run| {
            run.serve_without(QUIC_TRANSPORT_PARAMETERS)?
                .expect_of_client(MISSING_EXTENSION)
        }),
    must("C13", Client, rfc(9001, "8.1"))
        .text("A client that has offered ALPN closes the connection if none is agreed on.")
        .stimulus("Server that selects no ALPN although the client offered some")
        .expected("0x178 (no_application_protocol)")
        .script(no_application_protocol),
    must("C20", Client, rfc(9001, "6"))
        .text("TLS has no KeyUpdate in QUIC: one that comes closes the connection.")
        .stimulus("KeyUpdate in a CRYPTO frame")
        .expected("0x10a (unexpected_message)")
        .script(|run| {
            after_the_handshake(
                run,
                &Message::KeyUpdate(0),
                Expected::close(&[UNEXPECTED_MESSAGE]),
            )
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
            after_the_handshake(run, &request, VIOLATION)
        }),
    must("C22", Client, rfc(9001, "4.6.1"))
        .text("A ticket allows 0-RTT by max_early_data_size of 0xffffffff and nothing else.")
        .stimulus("NewSessionTicket with max_early_data_size of 16384")
        .expected("PROTOCOL_VIOLATION")
        .script(|run| {
            let ticket = Message::NewSessionTicket(NewSessionTicket {
                lifetime: 3_600,
                age_add: 0,
                nonce: vec![0],
                ticket: vec![0xa5; 32],
                extensions: vec![(EARLY_DATA, 16_384_u32.to_be_bytes().to_vec())],
            });
            after_the_handshake(run, &ticket, VIOLATION)
        }),
];

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

/// Sends a TLS message once the handshake is confirmed.
fn after_the_handshake(run: &mut Run<'_>, message: &Message, expected: Expected) -> Judged {
    let mut connection = run.open()?;
    let now = connection.now();
    let endpoint = connection.endpoint_mut();
    endpoint.send_message(now, Level::OneRtt, message);
    let crypto = endpoint.take_crypto(Level::OneRtt);
    connection.expect(one_rtt(crypto), expected)
}

/// Sends KeyUpdate in one CRYPTO frame with Finished: behind it the keys of Handshake packets are
/// gone.
fn key_update_behind_finished(run: &mut Run<'_>) -> Judged {
    let mut connection = run.before_finished(|_| {})?;
    let now = connection.now();
    let endpoint = connection.endpoint_mut();
    endpoint.send_message(now, Level::Handshake, &Message::KeyUpdate(0));
    endpoint.behaviour.sends_crypto = true;
    connection.expect_in_the_end(UNEXPECTED)
}

/// Updates keys so many times, each after an acknowledgement under those before.
fn key_updates(run: &mut Run<'_>, count: u64) -> Judged {
    let mut connection = run.open()?;
    if !connection.lives() {
        return Err(Finding::new(
            Verdict::NotReached,
            "no answer after the handshake",
        ));
    }
    for update in 1..=count {
        // RFC 9001 §6.5: the peer may keep the keys before for three times its probe timeout.
        let pause = connection.probe_timeout() * 3;
        connection.settle(pause);
        connection.endpoint_mut().update_keys();
        let from = connection.endpoint().next_number(Level::OneRtt);
        connection.lives();
        let seen = match generation_of_acknowledgement(&connection, from) {
            Some(generation) if generation >= update => continue,
            Some(_) => format!("update {update} is acknowledged under the keys of before it"),
            None => match connection.endpoint().closed() {
                Some(close) => format!("after update {update} {}", close_words(close)),
                None => format!("update {update} is not acknowledged"),
            },
        };
        return Ok(Finding::new(Verdict::Fail, seen));
    }
    Ok(Finding::new(Verdict::Pass, "acknowledged under new keys"))
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
    let Some(hello) = client_hello(&connection) else {
        return Err(Finding::new(
            Verdict::NotReached,
            "the ClientHello is too large",
        ));
    };
    let (offset, data) = (0, hello.as_slice());
    let expected = Expected::close(&[UNEXPECTED_MESSAGE, PROTOCOL_VIOLATION]);
    connection.expect(one_rtt([Frame::Crypto { offset, data }]), expected)
}

/// Returns the ClientHello that the connection began with, if it was whole in one packet.
fn client_hello(connection: &Connection) -> Option<Vec<u8>> {
    let mut sent = connection.endpoint().record().sent.iter();
    let first = sent.find(|packet| packet.level == Level::Initial)?;
    frames(&first.payload)
        .map_while(Result::ok)
        .find_map(|frame| match frame {
            Frame::Crypto { offset: 0, data } => Some(data.to_vec()),
            _ => None,
        })
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

fn old_keys(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    connection.lives();
    connection.endpoint_mut().update_keys();
    let from = connection.endpoint().next_number(Level::OneRtt);
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
    let unauthentic = one_rtt([Frame::Ping]).phase(Phase::Next).corrupt();
    let finding = connection.expect(unauthentic, Expected::discards())?;
    let mut packets = connection.received_packets();
    match packets.any(|packet| packet.generation > 0) {
        true => Ok(Finding::new(Verdict::Fail, "the server updates its keys")),
        false => Ok(finding),
    }
}

/// Connects, with a client that keeps all keys and lets the server throw its own away.
fn open_with_old_keys(run: &mut Run<'_>) -> Result<Connection, Finding> {
    let mut connection = run.open_with(|config| config.behaviour.discards_keys = false)?;
    connection.lives();
    let quiet = connection.quiet();
    connection.settle(quiet);
    Ok(connection)
}

fn crypto_data_of_a_level_that_is_done(run: &mut Run<'_>) -> Judged {
    let mut connection = run.client(|config| config.behaviour.acknowledges = false)?;
    connection.flush();
    connection.endpoint_mut().behaviour.sends_crypto = false;
    let patience = connection.patience;
    connection.wait_for(
        |endpoint| endpoint.is_complete() || endpoint.ended().is_some(),
        patience,
    );
    let hello = connection.endpoint().record().sent.first();
    let hello = hello.and_then(|packet| {
        frames(&packet.payload).find_map(|frame| match frame {
            Ok(Frame::Crypto { offset, data }) => Some(offset + data.len() as u64),
            _ => None,
        })
    });
    let Some(offset) = hello.filter(|_| connection.endpoint().is_complete()) else {
        return Err(Finding::new(
            Verdict::NotReached,
            "the server's Finished has not come",
        ));
    };
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
    let endpoint = connection.endpoint();
    let mut sent = first..endpoint.next_number(Level::Initial);
    let is_acknowledged = sent.any(|number| endpoint.is_acknowledged(Level::Initial, number));
    Ok(match endpoint.closed() {
        Some(close) => UNEXPECTED.judge(&Reaction::Closed(close.clone())),
        None if is_acknowledged => UNEXPECTED.judge(&Reaction::LivesOn { is_acknowledged }),
        None => UNEXPECTED.judge(&Reaction::Silent),
    })
}
