//! A frame in the few words that fit beside others on the line of its packet.

mod full;

use std::ops::RangeInclusive;

use qecho_engine::Dir;
use qecho_packet::{
    text::{self, counted},
    trace::{AnnotatedFrame, RetransmissionOf, TlsMessage},
    wire::{Ack, Frame},
};

pub(crate) use self::full::full;
use super::names;

/// Ranges that a short ACK shows; the highest tell what is new.
const RANGES_SHOWN_MAX: usize = 4;

/// Writes a frame in short: pieces that stay whole where the line is broken.
pub(crate) fn short(noted: &AnnotatedFrame<'_>) -> Vec<String> {
    let mut pieces = vec![in_short(&noted.frame)];
    let names = message_names(&noted.tls);
    let last = names.len().saturating_sub(1);
    pieces.extend(names.into_iter().enumerate().map(|(index, name)| {
        let comma = if index < last { "," } else { "" };
        name + comma
    }));
    pieces.extend(noted.retransmission_of.map(again));
    pieces
}

/// Writes the frames at the head of some that say one thing together: the
/// connection IDs that an endpoint hands out. Tells how many they are.
pub(crate) fn together(frames: &[AnnotatedFrame<'_>]) -> Option<(usize, String)> {
    let sequence = |noted: &AnnotatedFrame<'_>| match noted.frame {
        Frame::NewConnectionId { sequence, .. } if noted.retransmission_of.is_none() => {
            Some(sequence)
        }
        _ => None,
    };
    let first = sequence(frames.first()?)?;
    let mut last = first;
    let mut count = 1;
    for noted in &frames[1..] {
        if sequence(noted) != last.checked_add(1) {
            break;
        }
        last += 1;
        count += 1;
    }
    (count > 1).then(|| (count, format!("NEW_CONNECTION_ID {first}–{last}")))
}

/// Writes a frame in as few words as a diagram has place for, unless it says
/// nothing there.
pub(crate) fn brief(noted: &AnnotatedFrame<'_>) -> Option<String> {
    let text = match noted.frame {
        Frame::Padding { .. } => return None,
        Frame::Crypto { .. } if !noted.tls.is_empty() => {
            format!("CRYPTO {}", message_names(&noted.tls).join(", "))
        }
        Frame::NewConnectionId { .. } => "NEW_CONNECTION_ID".into(),
        _ => in_short(&noted.frame),
    };
    let again = noted
        .retransmission_of
        .map(|before| format!(" {}", again(before)));
    Some(text + &again.unwrap_or_default())
}

fn in_short(frame: &Frame<'_>) -> String {
    match frame {
        Frame::Padding { length } => format!("PADDING {length}"),
        Frame::Ping => "PING".into(),
        Frame::Ack(ack) => format!("ACK {}", ranges(ack, RANGES_SHOWN_MAX)),
        Frame::ResetStream {
            id,
            code,
            final_size,
        } => format!("RESET_STREAM {id} code {code} at {final_size}"),
        Frame::StopSending { id, code } => format!("STOP_SENDING {id} code {code}"),
        Frame::Crypto { offset, data } => format!("CRYPTO {}", extent(*offset, data)),
        Frame::NewToken { token } => format!("NEW_TOKEN {}", counted(token.len(), "byte")),
        Frame::Stream {
            id,
            offset,
            fin,
            data,
        } => {
            let fin = if *fin { " FIN" } else { "" };
            format!("STREAM {id} {}{fin}", extent(*offset, data))
        }
        Frame::MaxData { maximum } => format!("MAX_DATA {maximum}"),
        Frame::MaxStreamData { id, maximum } => format!("MAX_STREAM_DATA {id}: {maximum}"),
        Frame::MaxStreams { direction, maximum } => {
            format!("MAX_STREAMS {} {maximum}", direction_name(*direction))
        }
        Frame::DataBlocked { limit } => format!("DATA_BLOCKED {limit}"),
        Frame::StreamDataBlocked { id, limit } => format!("STREAM_DATA_BLOCKED {id}: {limit}"),
        Frame::StreamsBlocked { direction, limit } => {
            format!("STREAMS_BLOCKED {} {limit}", direction_name(*direction))
        }
        Frame::NewConnectionId { sequence, .. } => format!("NEW_CONNECTION_ID {sequence}"),
        Frame::RetireConnectionId { sequence } => format!("RETIRE_CONNECTION_ID {sequence}"),
        Frame::PathChallenge { .. } => "PATH_CHALLENGE".into(),
        Frame::PathResponse { .. } => "PATH_RESPONSE".into(),
        Frame::ConnectionClose {
            application,
            code,
            reason,
            ..
        } => format!(
            "CONNECTION_CLOSE {}{}",
            close_code(*application, *code),
            said(reason)
        ),
        Frame::HandshakeDone => "HANDSHAKE_DONE".into(),
        Frame::Datagram { data } => format!("DATAGRAM {}", counted(data.len(), "byte")),
        Frame::AckFrequency { sequence, .. } => format!("ACK_FREQUENCY {sequence}"),
        Frame::ImmediateAck => "IMMEDIATE_ACK".into(),
    }
}

/// Names TLS messages, alike neighbours once.
fn message_names(messages: &[TlsMessage]) -> Vec<String> {
    let alike = messages.chunk_by(|one, next| message_name(one) == message_name(next));
    let name = |alike: &[TlsMessage]| match alike {
        [one] => message_name(one),
        _ => format!("{} ×{}", message_name(&alike[0]), alike.len()),
    };
    alike.map(name).collect()
}

/// Names a TLS message; an ellipsis stands for what has yet to come.
fn message_name(message: &TlsMessage) -> String {
    let more = if message.complete { "" } else { "…" };
    format!("{}{more}", message.name)
}

/// Writes which packet carried the same before.
fn again(again: RetransmissionOf) -> String {
    let RetransmissionOf { number, lost } = again;
    match lost {
        true => format!("(again: {number} was lost)"),
        false => format!("(again, as a probe: {number} is unanswered)"),
    }
}

/// Writes the place of some bytes among all of theirs.
fn extent(offset: u64, data: &[u8]) -> String {
    format!("[{offset}..{})", offset.saturating_add(data.len() as u64))
}

/// Writes what an ACK acknowledges, lowest first, at most `most` ranges of it.
fn ranges(ack: &Ack, most: usize) -> String {
    let shown = ack.ranges.iter().take(most).rev().map(range);
    let left_out = ack.ranges.len().saturating_sub(most);
    let before = match left_out {
        0 => None,
        _ => Some(format!("({} below)", counted(left_out, "range"))),
    };
    before
        .into_iter()
        .chain(shown)
        .collect::<Vec<_>>()
        .join(", ")
}

fn range(range: &RangeInclusive<u64>) -> String {
    let (start, end) = (range.start(), range.end());
    match start == end {
        true => format!("{end}"),
        false => format!("{start}–{end}"),
    }
}

fn direction_name(direction: Dir) -> &'static str {
    match direction {
        Dir::Bidirectional => "bidirectional",
        Dir::Unidirectional => "unidirectional",
    }
}

fn close_code(application: bool, code: u64) -> String {
    match application {
        true => format!("application code {code}"),
        false => names::transport_error(code),
    }
}

/// Writes what somebody says, made safe, if it is anything.
fn said(reason: &[u8]) -> String {
    match String::from_utf8_lossy(reason).as_ref() {
        "" => String::new(),
        reason => format!(" \"{}\"", text::shown(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    #[test]
    fn every_frame_has_a_short_form() {
        let shown: Vec<_> = samples::frames()
            .iter()
            .map(|noted| short(noted).join(" "))
            .collect();
        assert_eq!(
            shown,
            [
                "PADDING 912",
                "PING",
                "ACK 0–4, 7",
                "RESET_STREAM 0 code 7 at 64",
                "STOP_SENDING 4 code 8",
                "CRYPTO [0..4) ClientHello",
                "CRYPTO [4..8) Certificate, CertificateVerify… (again: 12 was lost)",
                "NEW_TOKEN 3 bytes",
                "STREAM 0 [100..112) FIN",
                "MAX_DATA 1048576",
                "MAX_STREAM_DATA 4: 65536",
                "MAX_STREAMS bidirectional 100",
                "DATA_BLOCKED 1048576",
                "STREAM_DATA_BLOCKED 4: 65536",
                "STREAMS_BLOCKED unidirectional 3",
                "NEW_CONNECTION_ID 2",
                "RETIRE_CONNECTION_ID 1",
                "PATH_CHALLENGE",
                "PATH_RESPONSE",
                "CONNECTION_CLOSE PROTOCOL_VIOLATION 0x0a \"no\\u{1b}[2J\"",
                "CONNECTION_CLOSE application code 7 \"bye\"",
                "HANDSHAKE_DONE",
                "DATAGRAM 2 bytes",
                "ACK_FREQUENCY 1",
                "IMMEDIATE_ACK",
            ]
        );
    }

    #[test]
    fn a_probe_says_that_nothing_is_known_yet() {
        let mut ping = samples::noted(Frame::Ping);
        ping.retransmission_of = Some(RetransmissionOf {
            number: 12,
            lost: false,
        });
        assert_eq!(
            short(&ping).join(" "),
            "PING (again, as a probe: 12 is unanswered)"
        );
    }

    #[test]
    fn of_many_ranges_the_highest_are_shown() {
        let ack = Ack {
            delay: 0,
            ranges: (0..100)
                .rev()
                .map(|index| index * 3..=index * 3 + 1)
                .collect(),
            ecn: None,
        };
        assert_eq!(
            in_short(&Frame::Ack(ack)),
            "ACK (96 ranges below), 288–289, 291–292, 294–295, 297–298"
        );
    }

    #[test]
    fn what_belongs_together_is_told_together() {
        let issued = |sequence| {
            samples::noted(Frame::NewConnectionId {
                sequence,
                retire_prior_to: 0,
                id: samples::id(&[1]),
                reset_token: [0; 16],
            })
        };
        let told = together(&[issued(1), issued(2), issued(3), issued(5)]);
        assert_eq!(told, Some((3, "NEW_CONNECTION_ID 1–3".into())));
        assert_eq!(together(&[issued(1), issued(1)]), None);
        assert_eq!(together(&[samples::noted(Frame::Ping)]), None);
        let tickets = samples::crypto(0, &["NewSessionTicket", "NewSessionTicket"]);
        assert_eq!(
            short(&tickets).join(" "),
            "CRYPTO [0..4) NewSessionTicket ×2"
        );
    }

    #[test]
    fn a_diagram_needs_neither_padding_nor_places() {
        let shown: Vec<_> = samples::frames().iter().take(7).filter_map(brief).collect();
        assert_eq!(shown.len(), 6);
        assert_eq!(
            shown[5],
            "CRYPTO Certificate, CertificateVerify… (again: 12 was lost)"
        );
    }
}
