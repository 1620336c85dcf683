//! A frame with everything that it says, on a line of its own.

use std::time::Duration;

use qecho_packet::{
    StreamId,
    close::error_code,
    text::{self, counted, extent, grouped, said},
    trace::{AnnotatedFrame, TlsMessage},
    wire::{Ack, Frame},
};

use super::{
    super::{
        names,
        number::{hex, hex_or_empty},
    },
    again, message_name,
};

/// Ranges of an ACK that are shown; a datagram of 1,500 bytes has place for
/// 700.
const RANGES_SHOWN_MAX: usize = 64;

/// Bytes of data that are looked at, and characters of it that are shown.
const PREVIEW_BYTES: usize = 128;
const PREVIEW_MAX: usize = 32;

/// Writes a frame in full, field by field.
pub(crate) fn full(noted: &AnnotatedFrame<'_>) -> Vec<String> {
    let mut fields = match &noted.frame {
        Frame::Ack(ack) => acknowledgement(ack, noted.ack_delay),
        Frame::Crypto { offset, data } => crypto(*offset, data, &noted.tls),
        frame => plain(frame),
    };
    fields.extend(noted.retransmission_of.map(again));
    fields
}

fn acknowledgement(ack: &Ack, delay: Option<Duration>) -> Vec<String> {
    let mut fields = vec![
        format!("ACK {}", ack.in_words(RANGES_SHOWN_MAX)),
        match delay {
            Some(delay) if !delay.is_zero() => {
                format!("delay {} = {}", ack.delay, text::duration(delay))
            }
            _ => format!("delay {}", ack.delay),
        },
    ];
    fields.extend(ack.ecn.map(|ecn| {
        format!(
            "arrived with ECT(0) {}, ECT(1) {}, CE {}",
            ecn.ect0, ecn.ect1, ecn.ce
        )
    }));
    fields
}

fn crypto(offset: u64, data: &[u8], messages: &[TlsMessage]) -> Vec<String> {
    let mut fields = vec![
        format!("CRYPTO {}", extent(offset, data.len())),
        counted(data.len(), "byte"),
    ];
    fields.extend(
        messages
            .iter()
            .map(|message| match message.detail.as_str() {
                "" => message_name(message),
                detail => format!("{} ({})", message_name(message), text::shown(detail)),
            }),
    );
    fields
}

fn plain(frame: &Frame<'_>) -> Vec<String> {
    match frame {
        Frame::Padding { length } => vec![format!("PADDING {}", counted(*length, "byte"))],
        Frame::ResetStream {
            id,
            code,
            final_size,
        } => vec![
            format!("RESET_STREAM {id}"),
            kind(*id),
            format!("application code {code}"),
            format!("final size {}", counted(*final_size, "byte")),
        ],
        Frame::StopSending { id, code } => vec![
            format!("STOP_SENDING {id}"),
            kind(*id),
            format!("application code {code}"),
        ],
        Frame::NewToken { token } => vec![
            format!("NEW_TOKEN {}", counted(token.len(), "byte")),
            hex_or_empty(token),
        ],
        Frame::Stream {
            id,
            offset,
            fin,
            data,
        } => {
            let fin = if *fin { " FIN" } else { "" };
            vec![
                format!("STREAM {id} {}{fin}", extent(*offset, data.len())),
                payload(data),
                kind(*id),
            ]
        }
        Frame::NewConnectionId {
            sequence,
            retire_prior_to,
            id,
            reset_token,
        } => vec![
            format!("NEW_CONNECTION_ID {sequence}"),
            hex_or_empty(id),
            format!("retire prior to {retire_prior_to}"),
            format!("stateless reset token {}", hex(reset_token)),
        ],
        Frame::PathChallenge { data } => vec![format!("PATH_CHALLENGE {}", hex(data))],
        Frame::PathResponse { data } => vec![format!("PATH_RESPONSE {}", hex(data))],
        Frame::ConnectionClose {
            application,
            code,
            frame_type,
            reason,
        } => close(*application, *code, *frame_type, reason),
        Frame::Datagram { data } => vec!["DATAGRAM".into(), payload(data)],
        Frame::AckFrequency {
            sequence,
            ack_eliciting_threshold,
            max_ack_delay_us,
            reordering_threshold,
        } => vec![
            format!("ACK_FREQUENCY {sequence}"),
            format!("ack-eliciting threshold {ack_eliciting_threshold}"),
            format!("max ack delay {} µs", grouped(*max_ack_delay_us)),
            format!("reordering threshold {reordering_threshold}"),
        ],
        limit => vec![flow_control(limit)],
    }
}

/// Writes frames that are a limit, or nothing but their name.
fn flow_control(frame: &Frame<'_>) -> String {
    match frame {
        Frame::MaxData { maximum } => format!("MAX_DATA {}", counted(*maximum, "byte")),
        Frame::MaxStreamData { id, maximum } => {
            format!("MAX_STREAM_DATA {id}: {}", counted(*maximum, "byte"))
        }
        Frame::MaxStreams { direction, maximum } => {
            let direction = *direction;
            format!(
                "MAX_STREAMS {}",
                counted(*maximum, &format!("{direction} stream"))
            )
        }
        Frame::DataBlocked { limit } => format!("DATA_BLOCKED at {}", counted(*limit, "byte")),
        Frame::StreamDataBlocked { id, limit } => {
            format!("STREAM_DATA_BLOCKED {id} at {}", counted(*limit, "byte"))
        }
        Frame::StreamsBlocked { direction, limit } => {
            let direction = *direction;
            format!(
                "STREAMS_BLOCKED at {}",
                counted(*limit, &format!("{direction} stream"))
            )
        }
        named => named.to_string(),
    }
}

fn close(application: bool, code: u64, frame_type: Option<u64>, reason: &[u8]) -> Vec<String> {
    let mut fields = vec![format!(
        "CONNECTION_CLOSE {}",
        error_code(application, code)
    )];
    fields.extend(match frame_type {
        // RFC 9000 §19.19: 0 stands for a frame type that is not known.
        None | Some(0) => None,
        Some(number) => Some(format!("frame at fault {}", names::frame_type(number))),
    });
    fields.push(match reason {
        [] => "no reason".into(),
        _ => format!("reason{}", said(reason)),
    });
    fields
}

/// Tells of what kind a stream is (RFC 9000 §2.1).
fn kind(id: StreamId) -> String {
    let direction = id.direction();
    format!("{direction}, the {}'s", names::side(id.initiator()))
}

/// Writes how many bytes there are, and how they begin.
fn payload(data: &[u8]) -> String {
    let count = counted(data.len(), "byte");
    match data {
        [] => count,
        _ => format!("{count} {}", preview(data)),
    }
}

/// Writes how data begins: as text if it seems to be that.
fn preview(data: &[u8]) -> String {
    let head = &data[..data.len().min(PREVIEW_BYTES)];
    let chunk = head.utf8_chunks().next();
    let (valid, invalid) = chunk.map_or(("", &head[..0]), |chunk| (chunk.valid(), chunk.invalid()));
    let is_text = invalid.is_empty() || valid.chars().count() > PREVIEW_MAX;
    if !is_text || valid.contains('\0') {
        return hex(data);
    }
    let more = if valid.chars().count() > PREVIEW_MAX || head.len() < data.len() {
        "…"
    } else {
        ""
    };
    let begin: String = valid.chars().take(PREVIEW_MAX).collect();
    format!("\"{}\"{more}", text::shown(&begin))
}

#[cfg(test)]
mod tests {
    use super::{super::super::samples, *};

    #[test]
    fn every_frame_is_told_with_all_its_fields() {
        let shown: Vec<_> = samples::frames()
            .iter()
            .map(|noted| full(noted).join(" · "))
            .collect();
        assert_eq!(
            shown,
            [
                "PADDING 912 bytes",
                "PING",
                "ACK 0–4, 7 · delay 25 = 200 µs · arrived with ECT(0) 5, ECT(1) 0, CE 1",
                "RESET_STREAM 0 · bidirectional, the client's · application code 7 · final size 64 bytes",
                "STOP_SENDING 4 · bidirectional, the client's · application code 8",
                "CRYPTO [0..4) · 4 bytes · ClientHello (server name localhost\\u{7}, ALPN echo)",
                "CRYPTO [4..8) · 4 bytes · Certificate · CertificateVerify… · (again: 12 was lost)",
                "NEW_TOKEN 3 bytes · 010203",
                "STREAM 0 [100..112) FIN · 12 bytes \"Hello, QUIC!\" · bidirectional, the client's",
                "MAX_DATA 1,048,576 bytes",
                "MAX_STREAM_DATA 4: 65,536 bytes",
                "MAX_STREAMS 100 bidirectional streams",
                "DATA_BLOCKED at 1,048,576 bytes",
                "STREAM_DATA_BLOCKED 4 at 65,536 bytes",
                "STREAMS_BLOCKED at 3 unidirectional streams",
                "NEW_CONNECTION_ID 2 · 0a0b0c0d · retire prior to 1 · stateless reset token 07070707070707070707070707070707",
                "RETIRE_CONNECTION_ID 1",
                "PATH_CHALLENGE 0101010101010101",
                "PATH_RESPONSE 0202020202020202",
                "CONNECTION_CLOSE PROTOCOL_VIOLATION 0x0a · frame at fault 0x1e HANDSHAKE_DONE · reason \"no\\u{1b}[2J\"",
                "CONNECTION_CLOSE application code 7 · reason \"bye\"",
                "HANDSHAKE_DONE",
                "DATAGRAM · 2 bytes ff00",
                "ACK_FREQUENCY 1 · ack-eliciting threshold 10 · max ack delay 25,000 µs · reordering threshold 3",
                "IMMEDIATE_ACK",
            ]
        );
    }

    #[test]
    fn data_is_shown_as_what_it_seems_to_be() {
        assert_eq!(preview("日本語".as_bytes()), "\"日本語\"");
        assert_eq!(preview(b"a\r\nb"), "\"a\\r\\nb\"");
        assert_eq!(preview(b"\xff\xfe"), "fffe");
        assert_eq!(preview(b"a\0"), "6100");
        let long = "x".repeat(40);
        let shown = format!("\"{}\"…", "x".repeat(PREVIEW_MAX));
        assert_eq!(preview(long.as_bytes()), shown);
        // Cut inside a character, far behind what is shown.
        let cut = "é".repeat(100);
        assert!(preview(&cut.as_bytes()[..PREVIEW_BYTES + 1]).starts_with("\"éé"));
    }

    #[test]
    fn numbers_that_no_endpoint_could_send_are_only_numbers() {
        let noted = samples::noted(Frame::Stream {
            id: StreamId::from_value(u64::MAX),
            offset: u64::MAX,
            fin: false,
            data: b"x",
        });
        assert_eq!(full(&noted)[0], format!("STREAM {0} [{0}..{0})", u64::MAX));
    }
}
