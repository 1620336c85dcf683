//! Outcome of a connection that was tried.

use qecho_packet::{
    close::NO_APPLICATION_PROTOCOL,
    wire::{Frame, PacketType, version_name},
};
use qecho_peer::{
    endpoint::{Ended, VERSION_1},
    received::{Close, ReceivedPacket, Unopened},
    script::{Opened, Probe},
    tls::{Level, TlsRule},
};

use crate::conform::close_words;

/// Outcome of a ClientHello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The handshake was confirmed, with the application protocol that was agreed on, if one was.
    Completed(Option<Vec<u8>>),
    /// The server closed during the handshake, with a code and its words.
    Refused(u64, String),
    /// The handshake was confirmed, and the server's application closed at once, in words.
    Closed(String),
    /// The server speaks other versions.
    OtherVersions(Vec<u32>),
    /// The handshake ended by itself, in words.
    Broken(String),
    /// The server answered, and the handshake did not complete.
    Stalled,
    /// The server answered by a Retry, and not at all to what that asked for.
    OnlyRetry,
    /// The handshake completed, and the server did not confirm it.
    Unconfirmed,
    /// There was no answer.
    Silent,
}

impl Outcome {
    /// Tells what became of an attempt to connect, and of whether anything answered.
    pub(super) fn of(probe: &Probe<'_>, opened: Opened, has_answered: bool) -> Self {
        match opened {
            Opened::Confirmed => Outcome::Completed(agreed_protocol(probe)),
            // Its application sees the connection before this side knows that it is confirmed.
            Opened::Refused(close) if close.application => Self::closed(&close),
            Opened::Refused(close) => {
                Outcome::Refused(close.code, format!("the server {}", close_words(&close)))
            }
            Opened::Ended(Ended::VersionNegotiation(versions)) => Outcome::OtherVersions(versions),
            Opened::Ended(Ended::Reset) => Outcome::Broken("the server resets it".into()),
            Opened::Ended(_) | Opened::Unfinished | Opened::Silent => {
                unfinished(probe, has_answered)
            }
        }
    }

    /// Returns that of a handshake whose connection the server's application closed.
    pub(super) fn closed(close: &Close) -> Self {
        let words = close_words(close);
        Self::Closed(format!(
            "the handshake completes, and at once the server {words}"
        ))
    }

    pub(crate) fn is_completed(&self) -> bool {
        matches!(self, Self::Completed(_))
    }

    /// Tells whether the server does not take the application protocol.
    pub(crate) fn is_alpn_refused(&self) -> bool {
        matches!(self, Self::Refused(NO_APPLICATION_PROTOCOL, _))
    }

    /// Says what happened, as the end of a sentence.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Completed(None) => "the handshake completes without ALPN".into(),
            Self::Completed(Some(alpn)) => {
                format!("the handshake completes with ALPN {}", alpn.escape_ascii())
            }
            Self::Refused(_, words) | Self::Closed(words) | Self::Broken(words) => words.clone(),
            Self::OtherVersions(versions) => {
                format!("the server speaks {}", version_words(versions))
            }
            Self::Stalled => "the server answers, and the handshake does not complete".into(),
            Self::OnlyRetry => "the server answers by Retry alone".into(),
            Self::Unconfirmed => "the handshake completes, and nothing comes after it".into(),
            Self::Silent => "no answer".into(),
        }
    }

    /// Tells whether it ended by waiting, after an answer.
    pub(crate) fn is_stalled(&self) -> bool {
        matches!(self, Self::Stalled | Self::OnlyRetry | Self::Unconfirmed)
    }

    /// Tells whether it ended by waiting.
    pub(crate) fn is_lost(&self) -> bool {
        *self == Self::Silent || self.is_stalled()
    }
}

/// Tells whether a packet acknowledges one that was sent after the handshake. What a server sends in
/// 1-RTT packets beside its handshake shows nothing of what follows.
fn acknowledges_more(packet: &ReceivedPacket) -> bool {
    let is_ack = |frame: &Frame<'_>| matches!(frame, Frame::Ack(_));
    packet.level == Level::OneRtt && packet.frames().iter().any(is_ack)
}

/// Names the versions of a Version Negotiation packet, but for those that nobody speaks.
fn version_words(versions: &[u32]) -> String {
    /// Versions that are named.
    const NAMED_MAX: usize = 6;
    // RFC 9000 §15: 0x?a?a?a?a exercises version negotiation.
    let spoken = versions
        .iter()
        .filter(|it| **it & 0x0f0f_0f0f != 0x0a0a_0a0a);
    let name = |version: &u32| version_name(*version).unwrap_or(format!("{version:#010x}"));
    let names: Vec<_> = spoken.map(name).take(NAMED_MAX).collect();
    match names.is_empty() {
        true => "other versions, and names none".into(),
        false => format!("QUIC version {} only", names.join(", ")),
    }
}

fn agreed_protocol(probe: &Probe<'_>) -> Option<Vec<u8>> {
    probe.endpoint().negotiated()?.alpn.clone()
}

/// Tells what became of a handshake that neither side ended.
fn unfinished(probe: &Probe<'_>, has_answered: bool) -> Outcome {
    let endpoint = probe.endpoint();
    if let Some(error) = endpoint.tls_error() {
        if error.rule == Some(TlsRule::AlpnAgreed) {
            let words =
                "the server agrees to no application protocol, which a client has to refuse";
            return Outcome::Refused(NO_APPLICATION_PROTOCOL, words.into());
        }
        return Outcome::Broken(format!("this side finds fault: {error}"));
    }
    let record = endpoint.record();
    let is_empty = record.packets.is_empty();
    let mut ignored = record
        .unopened
        .iter()
        .filter(|it| it.why == Unopened::Unexpected);
    let ignored = ignored.find_map(|packet| {
        let header = packet.header.as_ref()?;
        match header.packet_type {
            PacketType::VersionNegotiation if header.versions.contains(&VERSION_1) => {
                Some("its Version Negotiation lists the version that was asked for")
            }
            PacketType::Retry if endpoint.retry_source().is_none() => {
                Some("its Retry is not valid")
            }
            _ => None,
        }
    });
    match (ignored, endpoint.is_complete()) {
        (_, true) if record.packets.iter().any(acknowledges_more) => Outcome::Broken(
            "the server answers and never confirms the handshake (HANDSHAKE_DONE)".into(),
        ),
        (_, true) => Outcome::Unconfirmed,
        (Some(fault), _) if is_empty && has_answered => {
            Outcome::Broken(format!("this side finds fault: {fault}"))
        }
        _ if is_empty && endpoint.retry_source().is_some() => Outcome::OnlyRetry,
        _ if has_answered => Outcome::Stalled,
        _ => Outcome::Silent,
    }
}
