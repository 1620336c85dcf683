//! A frame in the few words that fit beside others on the line of its packet.

mod full;

use qecho_packet::{
    trace::{AnnotatedFrame, RetransmissionOf, TlsMessage},
    wire::Frame,
};

pub(crate) use self::full::full;

/// Writes a frame in short: pieces that stay whole where the line is broken.
pub(crate) fn short(noted: &AnnotatedFrame<'_>) -> Vec<String> {
    let mut pieces = vec![noted.frame.to_string()];
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
        _ => noted.frame.to_string(),
    };
    let again = noted
        .retransmission_of
        .map(|before| format!(" {}", again(before)));
    Some(text + &again.unwrap_or_default())
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
