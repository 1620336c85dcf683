//! Connections that are tried: with which ClientHello, and what became of it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use qecho_cert::TrustVerifier;
use qecho_packet::{
    Direction, TransportParameters,
    close::NO_APPLICATION_PROTOCOL,
    wire::{PacketType, version_name},
};
use qecho_peer::{
    endpoint::{ClientConfig, Ended, Endpoint, integer_value},
    received::{Close, Unopened},
    script::{Opened, Probe},
    tls::{Group, TlsRule},
};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{
    Target, World,
    world::{Notes, Told},
};
use crate::{conform::close_words, remote};

/// Round-trip times that are waited for beside the time of the options: a handshake with a Retry
/// takes three until it is confirmed, and some may be lost.
const ROUND_TRIPS: u32 = 8;
/// Bytes of UDP payload that every path carries (RFC 9000 §14).
const PAYLOAD_MIN: u64 = 1_200;
/// Time in which an application that takes no connection closes it.
const CLOSE_WAIT: Duration = Duration::from_millis(50);
/// A name that no server has (RFC 6761 §6.4).
const OTHER_NAME: &str = "other.invalid";

/// The name that a ClientHello asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskedName {
    /// The server's.
    Own,
    /// None.
    None,
    /// One that nobody has.
    Other,
}

/// A ClientHello, as far as it is varied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) name: AskedName,
    /// Protocols that it offers; without any it has no such extension.
    pub(crate) alpn: Vec<Vec<u8>>,
    /// Whether it needs two datagrams, by a share of X25519MLKEM768.
    pub(crate) is_large: bool,
    /// Whether it asks the server for datagrams of 1,200 bytes at most.
    pub(crate) asks_small: bool,
}

/// What became of a ClientHello.
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

/// A connection that was tried.
pub(crate) struct Attempt {
    pub(crate) outcome: Outcome,
    pub(crate) probe: Probe<'static>,
    pub(crate) notes: Notes,
    /// Time from the sending of the first datagrams to the first answer: a bound of the round-trip
    /// time.
    pub(crate) answered_after: Option<Duration>,
    /// Time until the handshake came to its end, if it did.
    pub(crate) took: Duration,
    /// Datagrams of the server's address that are no QUIC.
    pub(crate) junk: usize,
}

/// Lets every handshake go on: the verifier remembers what it thinks of the certificate.
#[derive(Debug)]
struct LenientVerifier(Arc<TrustVerifier>);

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ = self.0.verify_server_cert(own, others, name, ocsp, now);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // The first failure is the one that a client would meet.
        if self.0.failure().is_none() {
            let _ = self
                .0
                .verify_tls13_signature(message, certificate, signature);
        }
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl Hello {
    /// Returns a usual ClientHello of one datagram.
    pub(crate) fn usual(alpn: Option<&[u8]>) -> Self {
        Self {
            name: AskedName::Own,
            alpn: alpn.into_iter().map(Into::into).collect(),
            is_large: false,
            asks_small: false,
        }
    }

    /// Returns the settings of a client that sends it.
    ///
    /// # Errors
    /// No certificate can have the target's name, in words.
    pub(crate) fn config(&self, target: &Target) -> Result<ClientConfig, String> {
        let verifier = Arc::new(LenientVerifier(Arc::clone(&target.verifier)));
        let config = remote::client(&target.server_name, None, verifier);
        let mut config = config
            .map_err(|_| format!("no certificate can have the name {}", target.server_name))?;
        config.tls.alpn.clone_from(&self.alpn);
        // As browsers do: a server that wants it asks for a share.
        config.tls.groups.push(Group::Secp384r1);
        match self.name {
            AskedName::Own => {}
            AskedName::None => config.tls.server_name = None,
            AskedName::Other => config.tls.server_name = Some(OTHER_NAME.into()),
        }
        if self.is_large {
            config.tls.groups.insert(0, Group::X25519MlKem768);
            config.tls.shares.insert(0, Group::X25519MlKem768);
        }
        if self.asks_small {
            let id = TransportParameters::MAX_UDP_PAYLOAD_SIZE;
            config.parameters.retain(|(other, _)| *other != id);
            config.parameters.push((id, integer_value(PAYLOAD_MIN)));
        }
        Ok(config)
    }
}

/// Returns the time after which an answer is not waited for any more.
pub(crate) fn patience(least: Duration, round_trip: Option<Duration>) -> Duration {
    least + round_trip.unwrap_or_default() * ROUND_TRIPS
}

/// Connects, and waits until that has come to its end, or for so long.
///
/// # Errors
/// The system opens no port, in words.
pub(crate) fn connect(
    world: &mut dyn World,
    remote: SocketAddr,
    config: ClientConfig,
    patience: Duration,
) -> Result<Attempt, String> {
    let (network, notes) = world.network(remote).map_err(|error| error.to_string())?;
    let mut probe = Probe::client(network, config);
    probe.patience = patience;
    // What it takes to make the ClientHello is no part of the time that an answer takes.
    probe.flush();
    let asked = probe.now();
    let opened = probe.open();
    let record = probe.endpoint().record();
    let unopened = record.unopened.iter();
    let is_quic = |why| matches!(why, Unopened::Retry | Unopened::VersionNegotiation);
    let has_answered = !record.packets.is_empty()
        || unopened.clone().any(|it| is_quic(it.why))
        || has_unopened_answer(&probe);
    let junk = match has_answered {
        true => 0,
        false => record.directed(Direction::Received).count(),
    };
    let answered = record.directed(Direction::Received).next();
    let answered_after = answered
        .filter(|_| has_answered)
        .map(|answer| answer.at.saturating_duration_since(asked));
    let took = probe.now().duration_since(asked);
    let outcome = outcome(&probe, opened, has_answered);
    Ok(Attempt {
        outcome,
        probe,
        notes,
        answered_after,
        took,
        junk,
    })
}

/// Closes a connection that has not ended, so that the server need not wait for its idle timeout.
pub(crate) fn close(probe: &mut Probe<'_>) {
    if probe.endpoint().ended().is_none() {
        probe.endpoint_mut().close(false, 0, "");
        probe.flush();
    }
}

impl Attempt {
    /// Waits a little for the close of a server whose application takes no connection.
    pub(crate) fn await_close(&mut self) {
        let is_closed = |endpoint: &Endpoint| endpoint.closed().is_some();
        self.probe.wait_for(is_closed, CLOSE_WAIT);
        if let (Outcome::Completed(_), Some(close)) =
            (&self.outcome, self.probe.endpoint().closed())
        {
            self.outcome = closed(close);
        }
    }

    /// Ends the connection, so that the server need not wait for that.
    pub(crate) fn close(mut self) {
        close(&mut self.probe);
    }

    /// Returns who answered instead of the one that was asked, by our connection ID.
    pub(crate) fn answered_elsewhere(&self) -> Option<SocketAddr> {
        let ids = &self.probe.endpoint().connection_ids().local;
        self.notes.all().iter().find_map(|note| match &note.what {
            Told::Foreign { from, contents } => {
                let is_ours = |id: &[u8]| ids.iter().any(|issued| *issued.id == *id);
                long_destination(contents)
                    .is_some_and(is_ours)
                    .then_some(*from)
            }
            _ => None,
        })
    }
}

/// Returns the destination connection ID of a long header (RFC 8999 §5.1).
fn long_destination(datagram: &[u8]) -> Option<&[u8]> {
    const BEFORE: usize = 5;
    let (head, rest) = datagram.split_at_checked(BEFORE)?;
    let (length, rest) = rest.split_first()?;
    let is_long = head.first()? & 0x80 != 0;
    rest.get(..usize::from(*length)).filter(|_| is_long)
}

/// Tells whether a packet came that is to the endpoint, though it could not be opened.
fn has_unopened_answer(probe: &Probe<'_>) -> bool {
    let ids = &probe.endpoint().connection_ids().local;
    let unopened = probe.endpoint().record().unopened.iter();
    unopened
        .filter_map(|packet| long_destination(&packet.bytes))
        .any(|id| ids.iter().any(|issued| *issued.id == *id))
}

fn outcome(probe: &Probe<'_>, opened: Opened, has_answered: bool) -> Outcome {
    match opened {
        Opened::Confirmed => Outcome::Completed(agreed_protocol(probe)),
        // Its application sees the connection before this side knows that it is confirmed.
        Opened::Refused(close) if close.application => closed(&close),
        Opened::Refused(close) => {
            Outcome::Refused(close.code, format!("the server {}", close_words(&close)))
        }
        Opened::Ended(Ended::VersionNegotiation(versions)) => Outcome::OtherVersions(versions),
        Opened::Ended(Ended::Reset) => Outcome::Broken("the server resets it".into()),
        Opened::Ended(_) | Opened::Unfinished | Opened::Silent => unfinished(probe, has_answered),
    }
}

fn agreed_protocol(probe: &Probe<'_>) -> Option<Vec<u8>> {
    probe.endpoint().negotiated()?.alpn.clone()
}

fn closed(close: &Close) -> Outcome {
    let words = close_words(close);
    Outcome::Closed(format!(
        "the handshake completes, and at once the server {words}"
    ))
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
    let ignored = ignored.find_map(|packet| match packet.header.as_ref()?.packet_type {
        PacketType::VersionNegotiation => {
            Some("its Version Negotiation lists the version that was asked for")
        }
        PacketType::Retry if endpoint.retry_source().is_none() => {
            Some("its Retry is not authentic")
        }
        _ => None,
    });
    match (ignored, endpoint.is_complete()) {
        (_, true) => Outcome::Unconfirmed,
        (Some(fault), _) if is_empty => Outcome::Broken(format!("this side finds fault: {fault}")),
        _ if is_empty && endpoint.retry_source().is_some() => Outcome::OnlyRetry,
        _ if has_answered => Outcome::Stalled,
        _ => Outcome::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_of_a_long_header_is_found_and_nothing_else() {
        let long = [&[0xc0, 0, 0, 0, 1, 2, 7, 8][..], &[0; 9]].concat();
        assert_eq!(long_destination(&long), Some(&[7, 8][..]));
        assert_eq!(
            long_destination(&[0x40, 0, 0, 0, 1, 2, 7, 8]),
            None,
            "short"
        );
        assert_eq!(long_destination(&[0xc0, 0, 0, 0, 1, 9, 7, 8]), None, "cut");
        assert_eq!(long_destination(b""), None);
    }

    #[test]
    fn whoever_is_far_away_is_waited_for_longer() {
        let least = Duration::from_secs(3);
        assert_eq!(patience(least, None), least);
        let far = patience(least, Some(Duration::from_millis(600)));
        assert_eq!(far, Duration::from_millis(7_800));
    }
}
