//! Mutants of the rows of frames.

use std::{cell::Cell, sync::Arc};

use qecho_packet::{close::INTERNAL_ERROR, wire::Frame};
use qecho_peer::{
    faults::Fault,
    packet::one_rtt,
    rules::Rule,
    simulated::SimulatedServer,
    tls::{Message, TlsRule},
};

use crate::{
    Mutant, fails,
    habits::{answering, answering_on_its_own_streams, is_stream},
    notes,
    subject::{good_server, server_config},
};

pub(crate) fn mutants() -> Vec<Mutant> {
    [of_frames(), of_streams(), of_connection_ids(), of_others()].concat()
}

fn of_frames() -> Vec<Mutant> {
    vec![
        fails("F01", || ignoring(&[Rule::KnownFrame])),
        fails("F02", || ignoring(&[Rule::EmptyPacket])),
        fails("F03", || ignoring(&[Rule::ReservedBits])),
        fails("F16", || ignoring(&[Rule::MaxStreamsRange])),
        fails("F17", || ignoring(&[Rule::MaxStreamsRange])),
        fails("F18", || ignoring(&[Rule::StreamsBlockedRange])),
        fails("F27", || ignoring(&[Rule::NewTokenOfClient])),
        fails("F28", || ignoring(&[Rule::HandshakeDoneOfClient])),
        fails("F29", || ignoring(&[Rule::AckOfUnsent])),
        fails("F30", || ignoring(&[Rule::AckBelowZero])),
        fails("F31", || ignoring(&[Rule::AckBelowZero])),
        fails("F32", || {
            ignoring(&[Rule::CryptoOffset, Rule::CryptoBuffer])
        }),
        notes("F33", || closing_with(Rule::CryptoBuffer)),
        fails("F39", || ignoring_tls(&[TlsRule::KeyUpdate])),
        notes("F39", || {
            ignoring_tls(&[TlsRule::KeyUpdate, TlsRule::EndOfEarlyData])
        }),
        fails("F40", || ignoring_tls(&[TlsRule::Order])),
        notes("F40", || {
            ignoring_tls(&[TlsRule::Order, TlsRule::EndOfEarlyData])
        }),
        notes("F42", || closing_with(Rule::ShortestFrameType)),
        fails("F43", || ignoring(&[Rule::WholeFrame])),
        fails("F44", || ignoring(&[Rule::WholeFrame])),
        fails("F47", || ignoring(&[Rule::WholeFrame])),
        fails("F48", || {
            refusing(|frame| *frame == Frame::Datagram { data: b"" })
        }),
    ]
}

fn of_streams() -> Vec<Mutant> {
    vec![
        fails("F04", || ignoring(&[Rule::BidirectionalStreamLimit])),
        fails("F05", || ignoring(&[Rule::UnidirectionalStreamLimit])),
        // They take one more than they have granted: 100 for 99, 2^18 for 2^18-1.
        notes("F04", || announcing(&[8, 2, 0x40, 100], 99)),
        notes("F05", || announcing(&[9, 2, 0x40, 100], 99)),
        notes("F06", || announcing(&[7, 4, 0x80, 4, 0, 0], 3)),
        fails("F06", || {
            ignoring(&[Rule::StreamDataLimit, Rule::DataLimit])
        }),
        fails("F07", || {
            ignoring(&[Rule::StreamDataLimit, Rule::DataLimit])
        }),
        // The window of a stream holds it up where no stream goes as far.
        notes("F07", || ignoring(&[Rule::DataLimit])),
        fails("F08", || ignoring(&[Rule::StreamOnSendOnly])),
        fails("F09", || ignoring(&[Rule::StreamNotOpened])),
        fails("F10", || ignoring(&[Rule::ResetOnSendOnly])),
        fails("F11", || ignoring(&[Rule::StopOnReceiveOnly])),
        fails("F12", || ignoring(&[Rule::StopNotOpened])),
        notes("F12", || closing_with(Rule::StopNotOpened)),
        fails("F13", || ignoring(&[Rule::MaxStreamDataNotOpened])),
        fails("F14", || ignoring(&[Rule::MaxStreamDataOnReceiveOnly])),
        fails("F15", || ignoring(&[Rule::BlockedOnSendOnly])),
        fails("F34", || {
            ignoring(&[Rule::StreamOffset, Rule::StreamDataLimit, Rule::DataLimit])
        }),
        fails("F35", || ignoring(&[Rule::FinalSizeOfFins])),
        fails("F36", || ignoring(&[Rule::DataBeyondFinalSize])),
        fails("F37", || ignoring(&[Rule::FinalSizeBelowData])),
        fails("F38", || ignoring(&[Rule::FinalSizeOfReset])),
        fails("F45", || {
            refusing(|frame| *frame == Frame::MaxData { maximum: 0 })
        }),
        fails("F45", || {
            good_server().with_rules(|rules| {
                let is_held_up = Cell::new(false);
                rules.discarding(move |packet| {
                    let frames = packet.frames();
                    let is_lower = frames.contains(&Frame::MaxData { maximum: 0 });
                    is_held_up.set(is_held_up.get() || is_lower);
                    is_held_up.get() && frames.iter().any(is_stream)
                })
            })
        }),
        fails("F46", || {
            refusing(|frame| matches!(frame, Frame::MaxStreams { maximum: 0, .. }))
        }),
        fails("F46", || answering_on_its_own_streams(true)),
    ]
}

fn of_connection_ids() -> Vec<Mutant> {
    vec![
        fails("F19", || ignoring(&[Rule::NewConnectionIdLength])),
        fails("F20", || ignoring(&[Rule::NewConnectionIdLength])),
        fails("F21", || ignoring(&[Rule::RetirePriorTo])),
        fails("F22", || ignoring(&[Rule::ConnectionIdLimit])),
        fails("F23", || refusing_twice(is_new_id)),
        notes("F24", || closing_with(Rule::SameConnectionId)),
        fails("F25", || ignoring(&[Rule::RetireNeverIssued])),
        notes("F26", || closing_with(Rule::RetireInUse)),
    ]
}

fn of_others() -> Vec<Mutant> {
    vec![
        notes("F41", || closing_with(Rule::PathResponse)),
        fails("F49", || {
            good_server().with_faults([Fault::TalksAfterClose])
        }),
        // It answers the close by one of its own, and goes on all the same.
        fails("F49", || {
            let closing = answering(is_close, || {
                let (application, code, frame_type, reason) = (true, 0, None, &b""[..]);
                one_rtt([Frame::ConnectionClose {
                    application,
                    code,
                    frame_type,
                    reason,
                }])
            });
            closing.with_faults([Fault::TalksAfterClose])
        }),
        fails("F50", || good_server().with_faults([Fault::NoPathResponse])),
        fails("F50", || {
            good_server().with_faults([Fault::WrongPathResponse])
        }),
    ]
}

/// A server that announces less in a transport parameter than it goes by, and raises no limits.
fn announcing(parameter: &'static [u8], less: u8) -> SimulatedServer {
    let mut config = server_config();
    config.tls.edit = Some(Arc::new(move |message| {
        let Message::EncryptedExtensions(extensions) = message else {
            return;
        };
        for (_, content) in extensions {
            let mut windows = content.windows(parameter.len());
            if let Some(at) = windows.position(|window| window == parameter) {
                // Its value has a first byte that tells the length.
                content[at + 3] = less;
                content[at + 4..at + parameter.len()].fill(0xff);
            }
        }
    }));
    SimulatedServer::new(config).with_faults([Fault::NoCredit])
}

/// A server that takes what breaks these rules.
fn ignoring(rules: &'static [Rule]) -> SimulatedServer {
    good_server().with_rules(move |all| all.ignoring(rules.iter().copied()))
}

/// A server that closes by another code than the rule's.
fn closing_with(rule: Rule) -> SimulatedServer {
    good_server().with_rules(move |rules| rules.closing_with(rule, INTERNAL_ERROR))
}

/// A server that closes for what is right.
fn refusing(refuses: fn(&Frame<'_>) -> bool) -> SimulatedServer {
    good_server().with_rules(move |rules| rules.refusing(refuses))
}

/// A server that takes a frame once, and closes for the second.
fn refusing_twice(is_it: fn(&Frame<'_>) -> bool) -> SimulatedServer {
    good_server().with_rules(move |rules| {
        let mut count = 0;
        rules.refusing(move |frame| {
            count += u32::from(is_it(frame));
            count > 1
        })
    })
}

fn is_close(frame: &Frame<'_>) -> bool {
    matches!(frame, Frame::ConnectionClose { .. })
}

fn is_new_id(frame: &Frame<'_>) -> bool {
    matches!(frame, Frame::NewConnectionId { .. })
}

/// A server whose TLS takes what breaks a rule.
fn ignoring_tls(rules: &[TlsRule]) -> SimulatedServer {
    let mut config = server_config();
    config.tls.ignore.extend_from_slice(rules);
    SimulatedServer::new(config)
}
