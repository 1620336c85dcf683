//! Mutants of the rows that watch what a server sends by itself, and of those about tokens, ECN,
//! paths, credit, 0-RTT and the end of connections.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    Mutant, fails,
    habits::{
        ack, acknowledging, answering, at_first, closing_for_any_token,
        dropping_what_is_out_of_order, echoing_datagrams, editing, forbidding_to_move,
        giving_tokens, heed_counts, is_ping, is_stream, issuing, marking, new_path, on_new_path,
        retrying, sending, stream, taking_early_data, when, with_parameter, with_versions,
    },
    handshake_rows::MakeServer,
    notes,
    subject::good_server,
};
use qecho_packet::{
    StreamId, TransportParameters,
    close::{INTERNAL_ERROR, PROTOCOL_VIOLATION},
    wire::{ConnectionId, Frame},
};
use qecho_peer::{
    endpoint::{Ended, Parameters, integer_value, retry, stateless_reset},
    faults::Fault,
    network::Ecn,
    packet::{initial, one_rtt, raw},
    received::Unopened,
    rules::Rule,
    simulated::SimulatedServer,
    tls::{Level, Message, TlsRule, extension_type},
};

pub(crate) fn mutants() -> Vec<Mutant> {
    [
        of_packets(),
        of_parameters(),
        of_connection_ids(),
        of_tokens(),
        of_credit(),
        of_streams(),
        of_sending(),
        of_paths(),
        of_ends(),
        of_tls(),
    ]
    .concat()
}

/// Requirements that are not about every server, and the well-behaved one that they are about.
pub(crate) fn suited() -> Vec<(&'static str, MakeServer)> {
    vec![
        ("P25", || with_versions(&[1, 1])),
        ("P26", || with_versions(&[1, 1])),
        ("V29", || giving_tokens(good_server())),
        ("V30", || giving_tokens(good_server())),
        ("V31", || retrying(|_| {})),
        ("V32", || retrying(|_| {})),
        ("V33", || retrying(|_| {})),
        ("V34", || retrying(|_| {})),
        ("K24", || marking().with_habit(heed_counts)),
        ("K25", || marking().with_habit(heed_counts)),
        ("M06", || SimulatedServer::new(forbidding_to_move())),
        ("P27", || taking_early_data(|_| {})),
        ("V36", with_version_2),
        ("V37", with_version_2),
        ("T15", || taking_early_data(|_| {})),
        ("T16", || taking_early_data(|_| {})),
    ]
}

fn of_packets() -> Vec<Mutant> {
    vec![
        fails("V22", || {
            sending(|| one_rtt([Frame::Ping]).reserved_bits(3))
        }),
        fails("V23", || {
            sending(|| one_rtt([Frame::Ping]).without_fixed_bit())
        }),
        fails("V24", || {
            at_first(|endpoint| endpoint.send(initial([Frame::Ping]).token(*b"token")))
        }),
        fails("F65", || {
            sending(|| one_rtt([raw([0x80, 0x00, 0x4a, 0xbc])]))
        }),
        fails("F66", || sending(|| one_rtt([raw([0x40, 0x01])]))),
        fails("V21", || {
            when(is_ping, |endpoint| {
                if endpoint.next_number(Level::OneRtt) > 120 {
                    endpoint.send(one_rtt([Frame::Ping]).number_in(1));
                }
            })
        }),
        fails("V25", || {
            sending(|| one_rtt([Frame::MaxData { maximum: 1 }]).pad_to(1_300))
        }),
        fails("K17", || {
            sending(|| one_rtt([Frame::MaxData { maximum: 1 }]).numbered(0))
        }),
        fails("K18", || acknowledging(|largest| ack(0, 0..=largest, None))),
        fails("K19", || {
            acknowledging(|largest| ack(1 << 20, largest..=largest, None))
        }),
        fails("K20", || {
            good_server().with_faults([Fault::LateAcknowledgements])
        }),
        notes("K22", || good_server().with_faults([Fault::NoEcnCounts])),
        fails("K22", || {
            acknowledging(|largest| ack(0, largest..=largest, Some(99)))
        }),
        notes("K23", || good_server().with_faults([Fault::NoEcnCounts])),
        fails("K23", || {
            acknowledging(|largest| ack(0, largest..=largest, Some(99)))
        }),
        fails("K24", marking),
        fails("K25", marking),
    ]
}

fn of_parameters() -> Vec<Mutant> {
    vec![
        fails("P22", || {
            with_parameter(
                TransportParameters::ORIGINAL_DESTINATION_CONNECTION_ID,
                &[7; 8],
            )
        }),
        fails("P23", || {
            editing(|config| {
                config.edit_parameters = Some(Arc::new(|all| all.push(all[0].clone())));
            })
        }),
        fails("P24", || {
            with_parameter(
                TransportParameters::MAX_UDP_PAYLOAD_SIZE,
                &integer_value(1_000),
            )
        }),
        fails("P25", || with_versions(&[2, 2])),
        fails("P26", || {
            let server = with_versions(&[1, 1]);
            server.with_rules(|rules| rules.ignoring([Rule::VersionInformation]))
        }),
    ]
}

fn of_connection_ids() -> Vec<Mutant> {
    vec![
        fails("F52", || {
            good_server().with_rules(|rules| rules.ignoring([Rule::NewConnectionIdOfNone]))
        }),
        fails("K14", || {
            good_server().with_habit(|endpoint, _| {
                endpoint.behaviour.issues_connection_ids &= !endpoint.is_confirmed();
            })
        }),
        fails("K15", || {
            issuing(|_| (9, ConnectionId::new(&[9; 8]), [9; 16]))
        }),
        fails("K16", || {
            issuing(|endpoint| {
                let first = endpoint.connection_ids().local[0];
                (4, Some(first.id), [9; 16])
            })
        }),
        fails("V35", || {
            at_first(|endpoint| {
                let other = ConnectionId::new(&[9; 8]).unwrap();
                endpoint.send(initial([Frame::Ping]).source(other));
            })
        }),
        fails("V20", || {
            issuing(|endpoint| {
                let first = endpoint.connection_ids().local[0];
                (4, ConnectionId::new(&[9; 8]), first.reset_token.unwrap())
            })
        }),
    ]
}

fn of_tokens() -> Vec<Mutant> {
    vec![
        fails("V29", || {
            sending(|| one_rtt([Frame::NewToken { token: b"same" }]))
        }),
        fails("V30", || {
            giving_tokens(good_server().with_faults([Fault::TrustsAnyToken]))
        }),
        fails("V31", || {
            retrying(|config| config.behaviour.checks_tokens = false)
        }),
        fails("V32", || {
            retrying(|config| config.behaviour.checks_tokens = false)
        }),
        fails("V33", || {
            at_first(|endpoint| {
                let first = &endpoint.received()[0];
                let (path, destination) = (first.path, first.header.destination);
                let packet = retry(&first.header, destination, b"token");
                endpoint.send_raw(path, packet, Ecn::NotEct);
            })
        }),
        fails("V34", || {
            retrying(|_| {}).with_habit(|endpoint, _| {
                if let Some(first) = endpoint.record().unopened.first() {
                    let other = ConnectionId::new(&[9; 8]).unwrap();
                    let packet = retry(first.header.as_ref().unwrap(), other, b"token");
                    endpoint.send_raw(first.path, packet, Ecn::NotEct);
                }
            })
        }),
    ]
}

fn of_credit() -> Vec<Mutant> {
    vec![
        fails("F55", || {
            answering(is_stream, || one_rtt([stream(0, 0, &[b'a'; 64])]))
        }),
        fails("F56", || {
            let late = when(
                |frame| matches!(frame, Frame::StreamsBlocked { .. }),
                |endpoint| {
                    let (direction, maximum) = (qecho_packet::Dir::Bidirectional, 300);
                    endpoint.send(one_rtt([Frame::MaxStreams { direction, maximum }]));
                },
            );
            late.with_faults([Fault::NoCredit])
        }),
        fails("F57", || {
            let late = answering(
                |frame| matches!(frame, Frame::DataBlocked { .. }),
                || one_rtt([Frame::MaxData { maximum: 1 << 30 }]),
            );
            late.with_faults([Fault::NoCredit])
        }),
        // It says again and again what it has granted, and more only when it is asked.
        fails("F57", || {
            let repeating = sending(|| one_rtt([Frame::MaxData { maximum: 1 << 20 }]));
            let late = repeating.with_habit(|endpoint, from| {
                let is_lack = |frame: &Frame<'_>| matches!(frame, Frame::DataBlocked { .. });
                let mut new = endpoint.received().iter().skip(from);
                if new.any(|packet| packet.frames().iter().any(is_lack)) {
                    endpoint.send(one_rtt([Frame::MaxData { maximum: 1 << 30 }]));
                }
            });
            late.with_faults([Fault::NoCredit])
        }),
    ]
}

fn of_streams() -> Vec<Mutant> {
    vec![
        fails("F53", || sending(|| one_rtt([stream(3, 0, b"a")]))),
        fails("F54", || sending(|| one_rtt([stream(3, 0, b"a")]))),
        fails("F58", || sending(|| one_rtt([stream(0, 0, b"a")]))),
        fails("F59", || {
            let is_stop = |frame: &Frame<'_>| matches!(frame, Frame::StopSending { .. });
            let (id, code, final_size) = (StreamId::from_value(0), 1, 0);
            let other = answering(is_stop, move || {
                one_rtt([Frame::ResetStream {
                    id,
                    code,
                    final_size,
                }])
            });
            other.with_faults([Fault::IgnoresStopSending])
        }),
        fails("F60", || {
            good_server().with_rules(|rules| {
                let mut has_later = false;
                rules.refusing(move |frame| match frame {
                    Frame::Stream { id, .. } if id.index() == 2 => {
                        has_later = true;
                        false
                    }
                    Frame::Stream { id, .. } => has_later && id.index() == 0,
                    _ => false,
                })
            })
        }),
        fails("F61", || {
            let is_second =
                |frame: &Frame<'_>| matches!(frame, Frame::Stream { id, .. } if id.index() == 1);
            answering(is_second, || one_rtt([stream(4, 0, b"QJ?ZVK")]))
        }),
        fails("F61", dropping_what_is_out_of_order),
        notes("F62", || {
            good_server().with_rules(|rules| {
                let mut count = 0;
                rules.refusing(move |frame| {
                    count += u32::from(is_stream(frame));
                    count > 1
                })
            })
        }),
    ]
}

fn of_sending() -> Vec<Mutant> {
    vec![
        fails("F63", echoing_datagrams),
        fails("F64", echoing_datagrams),
        fails("K21", || {
            let has_sent = Cell::new(false);
            good_server().with_habit(move |endpoint, _| {
                if endpoint.streams().next().is_some() && !has_sent.replace(true) {
                    for offset in (0..40_000).step_by(1_000) {
                        endpoint.send(one_rtt([stream(0, offset, &[b'a'; 1_000])]));
                    }
                }
            })
        }),
    ]
}

fn of_paths() -> Vec<Mutant> {
    vec![
        fails("M04", || {
            good_server().with_habit(|endpoint, _| {
                let newest = endpoint.received().iter().map(|packet| packet.path).max();
                endpoint.set_path(newest.unwrap_or_default());
            })
        }),
        fails("M05", || {
            on_new_path(|endpoint, path| {
                let first = endpoint.connection_ids().remote[0].id;
                endpoint.send(one_rtt([Frame::Ping]).path(path).destination(first));
            })
        }),
        fails("M06", || {
            let mut config = forbidding_to_move();
            config.behaviour.follows_migration = false;
            SimulatedServer::new(config).with_habit(|endpoint, from| {
                let path = new_path(endpoint, from);
                if let Some(path) = path {
                    endpoint.send(one_rtt([Frame::Ping]).path(path));
                }
            })
        }),
        notes("M06", || {
            SimulatedServer::new(forbidding_to_move()).with_habit(|endpoint, from| {
                let token = endpoint.connection_ids().local[0].reset_token.unwrap();
                if let Some(path) = new_path(endpoint, from) {
                    let reset = stateless_reset(&token, 40, &[0x5a; 16]);
                    endpoint.send_raw(path, reset, Ecn::NotEct);
                }
            })
        }),
        fails("M07", || {
            on_new_path(|endpoint, path| {
                let data = [7; 8];
                endpoint.send(one_rtt([Frame::PathChallenge { data }]).path(path));
            })
        }),
    ]
}

fn of_ends() -> Vec<Mutant> {
    vec![
        fails("V26", || good_server().with_faults([Fault::NeverTimesOut])),
        fails("K26", || {
            good_server().with_habit(|endpoint, _| {
                if endpoint.ended() == Some(&Ended::ByEndpoint) {
                    endpoint.close(false, PROTOCOL_VIOLATION, "");
                }
            })
        }),
        fails("V27", closing_for_any_token),
        fails("V28", closing_for_any_token),
        fails("L10", || {
            let lenient = editing(|config| config.tls.ignore.push(TlsRule::AlpnAgreed));
            lenient.with_habit(|endpoint, _| {
                let (application, code, frame_type, reason) = (true, 0, None, &b""[..]);
                let close = Frame::ConnectionClose {
                    application,
                    code,
                    frame_type,
                    reason,
                };
                endpoint.send(initial([close]));
            })
        }),
    ]
}

fn of_tls() -> Vec<Mutant> {
    vec![
        fails("T15", || {
            taking_early_data(|_| {}).with_rules(|rules| rules.ignoring([Rule::FrameOfPacketType]))
        }),
        fails("P27", || {
            let times = AtomicU64::new(0);
            let reduce = move |parameters: &mut Parameters| {
                let limit = 1_000 - times.fetch_add(1, Relaxed);
                let id = TransportParameters::INITIAL_MAX_DATA;
                parameters.retain(|(other, _)| *other != id);
                parameters.push((id, integer_value(limit)));
            };
            taking_early_data(|config| config.edit_parameters = Some(Arc::new(reduce)))
        }),
        fails("V36", || {
            let forgetting = [Fault::TakesTicketsOfOtherVersions];
            taking_early_data(|_| {})
                .speaking_version_2()
                .with_faults(forgetting)
        }),
        fails("V37", || {
            with_version_2().with_habit(|endpoint, _| {
                let mut unopened = endpoint.record().unopened.iter();
                if unopened.any(|packet| packet.why == Unopened::Unexpected) {
                    endpoint.close(false, INTERNAL_ERROR, "");
                }
            })
        }),
        fails("T16", || {
            taking_early_data(|_| {}).with_habit(|endpoint, _| {
                if endpoint.is_confirmed() {
                    endpoint.send(one_rtt([ack(0, 0..=0, None)]));
                }
            })
        }),
        fails("T17", || {
            let edit = |message: &mut Message| {
                if let Message::NewSessionTicket(ticket) = message {
                    ticket.extensions = vec![(extension_type::EARLY_DATA, vec![0, 0, 0x40, 0])];
                }
            };
            taking_early_data(|config| config.tls.edit = Some(Arc::new(edit)))
        }),
        fails("T18", || {
            good_server().with_rules(|rules| {
                rules.refusing(|frame| matches!(frame, Frame::Crypto { offset: 1.., .. }))
            })
        }),
        notes("T19", || {
            let other = good_server()
                .with_rules(|rules| rules.closing_with(Rule::EarlyKeyUpdate, INTERNAL_ERROR));
            other.with_faults([Fault::LateAcknowledgements])
        }),
        fails("T20", || {
            at_first(|endpoint| {
                let unknown = [0x2a, 0x2a, 0, 1, 0];
                let hello = &endpoint.received()[0].payload;
                if hello.windows(unknown.len()).any(|window| window == unknown) {
                    endpoint.close(false, INTERNAL_ERROR, "");
                }
            })
        }),
    ]
}

pub(crate) fn with_version_2() -> SimulatedServer {
    taking_early_data(|_| {}).speaking_version_2()
}
