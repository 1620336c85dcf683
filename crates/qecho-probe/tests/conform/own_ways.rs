//! Peers that keep the RFCs in a way of their own, or are not of the kind that a requirement is
//! about, and what the requirement must say of them.

use qecho_packet::{
    StreamId, TransportParameters,
    close::TRANSPORT_PARAMETER_ERROR,
    wire::{ConnectionId, Frame, frames},
};
use qecho_peer::{
    endpoint::{Endpoint, VERSION_2},
    faults::Fault,
    network::Ecn,
    packet::{initial, one_rtt},
    received::ReceivedPacket,
    rules::Rule,
    simulated::{Conditions, SimulatedServer},
    tls::{Level, TlsRule},
};
use qecho_probe::conform::{Finding, Verdict};

use crate::{
    client_mutants::without,
    client_subject::{Guest, good_client, try_client},
    habits::{
        answering, answering_on_its_own_streams, editing, heeding_resets_to_nobody, is_stream,
        issuing, leaving_numbers_out, marking, repeating_lost_acknowledgements, retrying, sending,
        stream,
    },
    handshake_rows::MakeServer,
    later_rows::with_version_2,
    subject::{good_server, long_chain, try_row},
};

#[test]
fn servers_that_keep_the_rfcs_in_a_way_of_their_own_are_not_accused() {
    let all = [of_paths(), of_streams(), of_packets(), of_the_handshake()].concat();
    let accused = all.into_iter().filter_map(|(id, make, expected)| {
        let Finding { verdict, seen, .. } = try_row(id, make(), Conditions::default());
        (verdict != expected).then(|| format!("{id} {verdict}, not {expected}: {seen}"))
    });
    let accused: Vec<_> = accused.collect();
    assert!(accused.is_empty(), "{accused:#?}");
}

#[test]
fn clients_that_keep_the_rfcs_in_a_way_of_their_own_are_not_accused() {
    let accused = clients().into_iter().filter_map(|(id, guest, expected)| {
        let Finding { verdict, seen, .. } = try_client(id, guest, Conditions::default());
        (verdict != expected).then(|| format!("{id} {verdict}, not {expected}: {seen}"))
    });
    let accused: Vec<_> = accused.collect();
    assert!(accused.is_empty(), "{accused:#?}");
}

/// A requirement, a server, and what the one must say of the other.
type Peculiar = (&'static str, MakeServer, Verdict);

fn of_paths() -> Vec<Peculiar> {
    vec![
        // RFC 9000 §9.3.2: who has forgotten the address before goes without a word.
        ("M04", || forgetting(be_gone), Verdict::Note),
        // RFC 9000 §8.2.4: or says so.
        (
            "M04",
            || forgetting(|endpoint| endpoint.close(false, NO_VIABLE_PATH, "")),
            Verdict::Note,
        ),
        // Tokens are compared where a datagram leads to no connection, and nowhere else.
        ("V19", heeding_resets_to_nobody, Verdict::Note),
    ]
}

fn of_streams() -> Vec<Peculiar> {
    vec![
        // Credit goes beside other frames alone (RFC 9000 §4.2).
        (
            "F56",
            || {
                let beside = sending(|| {
                    let (direction, maximum) = (qecho_packet::Dir::Bidirectional, 300);
                    one_rtt([Frame::MaxStreams { direction, maximum }])
                });
                beside.with_faults([Fault::NoCredit])
            },
            Verdict::Pass,
        ),
        (
            "F57",
            || {
                let beside = sending(|| one_rtt([Frame::MaxData { maximum: 1 << 30 }]));
                beside.with_faults([Fault::NoCredit])
            },
            Verdict::Pass,
        ),
        // There is no credit in a limit that was told before (RFC 9000 §4.1).
        (
            "F57",
            || {
                let repeating =
                    answering(is_lack, || one_rtt([Frame::MaxData { maximum: 1 << 20 }]));
                repeating.with_faults([Fault::NoCredit])
            },
            Verdict::NotApplicable,
        ),
        // Requests that are none are told so on their stream.
        (
            "F61",
            || answering(is_stream, || one_rtt([stream(0, 0, b"failed")])),
            Verdict::NotApplicable,
        ),
        // An application may answer whatever it likes (RFC 9000 §2.2).
        (
            "F61",
            || replying(|data, _| [b"> ", data].concat()),
            Verdict::Pass,
        ),
        // Limits may be told again, and be lower (RFC 9000 §4.6).
        ("F46", || answering_on_its_own_streams(false), Verdict::Pass),
        // It sees in how many parts the bytes came, too.
        (
            "F61",
            || replying(|data, parts| [&b"> ".repeat(parts), data].concat()),
            Verdict::NotApplicable,
        ),
    ]
}

fn of_packets() -> Vec<Peculiar> {
    vec![
        // Acknowledgements may go again when they are lost, and none was.
        ("K03", repeating_lost_acknowledgements, Verdict::Pass),
        // RFC 9000 §13.4.2.1: only marked packets that are newly acknowledged count.
        (
            "K25",
            || marking().with_habit(heed_what_is_new),
            Verdict::Pass,
        ),
        // RFC 9000 §5.2.2: a server may speak another version that begins in smaller datagrams.
        ("V02", || good_server().negotiating_q046(), Verdict::Pass),
        // RFC 9000 §21.4: packet numbers may be left out on purpose, and are no losses.
        ("K15", || leaving_numbers_out(good_server()), Verdict::Pass),
        // Where they are, nobody knows whether a connection ID was lost.
        (
            "K15",
            || leaving_numbers_out(issuing(|_| (9, ConnectionId::new(&[9; 8]), [9; 16]))),
            Verdict::NotReached,
        ),
    ]
}

fn of_the_handshake() -> Vec<Peculiar> {
    vec![
        // A server may limit how often it says which versions there are (RFC 9000 §5.2.2).
        (
            "V04",
            || good_server().negotiating_at_most(1),
            Verdict::NotReached,
        ),
        (
            "V38",
            || good_server().negotiating_at_most(0),
            Verdict::NotApplicable,
        ),
        // To whoever does not know version_information it is as any other parameter.
        (
            "P19",
            || ignoring_versions(Rule::VersionInformation),
            Verdict::NotApplicable,
        ),
        (
            "P20",
            || ignoring_versions(Rule::ChosenVersion),
            Verdict::NotApplicable,
        ),
        // It may speak whatever it is asked for.
        ("T01", agreeing_to_any_protocol, Verdict::NotApplicable),
        // RFC 9000 §8.1.2: with the token of a Retry an address is validated.
        ("V08", || retrying(|_| {}), Verdict::NotApplicable),
        ("V14", || retrying(|_| {}), Verdict::Pass),
        ("V36", demanding_version_information, Verdict::Pass),
        ("V37", demanding_version_information, Verdict::Pass),
        // RFC 9000 §11.1: an Initial packet may be discarded even where it has to be refused.
        (
            "T14",
            || good_server().with_rules(|rules| rules.discarding(is_late_crypto)),
            Verdict::Pass,
        ),
        ("T14", || SimulatedServer::new(long_chain()), Verdict::Pass),
        // Finished is lost each time.
        (
            "T06",
            || good_server().with_rules(|rules| rules.discarding(is_handshake_crypto)),
            Verdict::NotReached,
        ),
    ]
}

fn clients() -> Vec<(&'static str, Guest, Verdict)> {
    vec![
        // What is in a ticket is nothing to a client that keeps none.
        ("C22", without(TlsRule::TicketEarlyData), Verdict::Note),
        // RFC 9287 §3.1: the token may be of a server that takes packets without the fixed bit.
        (
            "C132",
            Guest {
                settings: |config| config.token = b"of another".to_vec(),
                application: |endpoint| {
                    if endpoint.next_number(Level::Initial) < 3 {
                        endpoint.send(initial([Frame::Ping]).without_fixed_bit());
                    }
                },
                ..good_client()
            },
            Verdict::NotApplicable,
        ),
    ]
}

/// A server that knows no version_information.
fn ignoring_versions(rule: Rule) -> SimulatedServer {
    good_server().with_rules(move |rules| rules.ignoring([rule]))
}

/// A server like `qecho server --alpn any`.
fn agreeing_to_any_protocol() -> SimulatedServer {
    editing(|config| config.tls.alpn.push(b"nobody-speaks-this".to_vec()))
}

/// RFC 9000 §20.1.
const NO_VIABLE_PATH: u64 = 0x10;

/// A server that keeps one address of its client: it follows to a new one, and does something when
/// packets come from the one before.
fn forgetting(act: fn(&mut Endpoint)) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        let (before, new) = endpoint.received().split_at(from);
        let first = before.first().map(|packet| packet.path);
        let is_first = |packet: &ReceivedPacket| Some(packet.path) == first;
        if !before.iter().all(is_first) && new.iter().any(is_first) {
            act(endpoint);
        }
    })
}

/// Says nothing any more.
fn be_gone(endpoint: &mut Endpoint) {
    let behaviour = &mut endpoint.behaviour;
    behaviour.acknowledges = false;
    behaviour.resends = false;
    behaviour.answers_path_challenges = false;
    behaviour.follows_migration = false;
}

fn is_lack(frame: &Frame<'_>) -> bool {
    matches!(frame, Frame::DataBlocked { .. })
}

/// A server whose application answers six bytes on a stream, by them and the number of frames in
/// which they came.
fn replying(words: fn(&[u8], usize) -> Vec<u8>) -> SimulatedServer {
    good_server().with_habit(move |endpoint, from| {
        let ids: Vec<StreamId> = endpoint.streams().map(|(id, _)| id).collect();
        for of in ids {
            let is_of = |frame: &Frame<'_>| matches!(frame, Frame::Stream { id, .. } if *id == of);
            let parts: usize = endpoint
                .received()
                .iter()
                .map(|packet| packet.frames().iter().filter(|frame| is_of(frame)).count())
                .sum();
            let is_new = endpoint.received()[from..]
                .iter()
                .any(|packet| packet.frames().iter().any(is_of));
            let data = endpoint.stream(of).map(|stream| stream.data.clone());
            if let Some(data) = data.filter(|data| data.len() == 6 && is_new) {
                let frame = Frame::Stream {
                    id: of,
                    offset: 0,
                    fin: false,
                    data: &words(&data, parts),
                };
                endpoint.send(one_rtt([frame]));
            }
        }
    })
}

/// Stops to send with ECT(0) once a marked packet is acknowledged for the first time, and not
/// counted (RFC 9000 §13.4.2.1).
fn heed_what_is_new(endpoint: &mut Endpoint, from: usize) {
    let acknowledged = |packets: &[ReceivedPacket]| {
        let mut all = Vec::new();
        for packet in packets
            .iter()
            .filter(|packet| packet.level == Level::OneRtt)
        {
            for frame in packet.frames() {
                if let Frame::Ack(ack) = frame {
                    all.push((ack.largest(), ack.ecn.is_none_or(|counts| counts.ect0 == 0)));
                }
            }
        }
        all
    };
    let record = endpoint.record();
    let is_marked = |number: u64| {
        let mut sent = record.sent.iter();
        sent.any(|packet| {
            let is_ack = |frame| matches!(frame, Ok(Frame::Ack(_) | Frame::Padding { .. }));
            packet.level == Level::OneRtt
                && packet.number == number
                && record.datagrams[packet.datagram].ecn == Ecn::Ect0
                && !frames(&packet.payload).all(is_ack)
        })
    };
    let (before, new) = endpoint.received().split_at(from);
    let known = acknowledged(before).into_iter().map(|(largest, _)| largest);
    let known = known.max();
    let mut new = acknowledged(new).into_iter();
    if new
        .any(|(largest, is_uncounted)| is_uncounted && Some(largest) > known && is_marked(largest))
    {
        endpoint.behaviour.ecn = Ecn::NotEct;
    }
}

fn has_crypto(packet: &ReceivedPacket, from: u64) -> bool {
    let frames = packet.frames();
    let mut frames = frames.iter();
    frames.any(|frame| matches!(frame, Frame::Crypto { offset, .. } if *offset >= from))
}

/// Tells CRYPTO data behind the message of TLS that Initial packets begin with.
fn is_late_crypto(packet: &ReceivedPacket) -> bool {
    packet.level == Level::Initial && has_crypto(packet, 1)
}

fn is_handshake_crypto(packet: &ReceivedPacket) -> bool {
    packet.level == Level::Handshake && has_crypto(packet, 0)
}

/// Refuses clients of version 2 that do not say which versions they speak (RFC 9369 §4).
fn demanding_version_information() -> SimulatedServer {
    with_version_2().with_habit(|endpoint, _| {
        let lacks = endpoint.peer_parameters().is_some_and(|parameters| {
            let told = parameters.get(TransportParameters::VERSION_INFORMATION);
            let version = endpoint.version().to_be_bytes();
            // The version that is chosen is the first that is available.
            !told.is_some_and(|told| told.starts_with(&[version; 2].concat()))
        });
        if endpoint.version() == VERSION_2 && lacks && endpoint.ended().is_none() {
            endpoint.close(false, TRANSPORT_PARAMETER_ERROR, "no version_information");
        }
    })
}
