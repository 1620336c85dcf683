//! Causes for which connections and handshakes end, as they are counted.

use qecho_engine::CloseReason;

/// TLS alert `no_application_protocol` as a transport error code (RFC 9001 §4.8, RFC 7301 §3.2).
const NO_APPLICATION_PROTOCOL: u64 = 0x178;

/// Transport error codes of TLS alerts (CRYPTO_ERROR, RFC 9000 §20.1).
const CRYPTO_ERRORS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;

/// Cause for which a connection ended, or its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The peer's application closed it, with whatever code.
    ClosedByPeer,
    /// The peer's transport or TLS closed it with an error.
    PeerError,
    /// The client offers no application protocol that is agreed to.
    NoApplicationProtocol,
    /// TLS failed here: the client's certificate, for instance.
    TlsError,
    /// The peer broke the protocol.
    ProtocolError,
    /// Nothing was heard for the idle timeout, or the handshake took too long.
    TimedOut,
    /// Its handshake had to make room for another, when many were under way.
    CrowdedOut,
    /// The peer lost its state (stateless reset, RFC 9000 §10.3).
    Reset,
    /// It held too much when the process was at its memory's limit.
    ShortOfMemory,
    /// The server shut down.
    ShutDown,
}

impl Ending {
    /// Every cause, in their order.
    pub const ALL: [Self; 10] = [
        Self::ClosedByPeer,
        Self::PeerError,
        Self::NoApplicationProtocol,
        Self::TlsError,
        Self::ProtocolError,
        Self::TimedOut,
        Self::CrowdedOut,
        Self::Reset,
        Self::ShortOfMemory,
        Self::ShutDown,
    ];

    /// Returns the name by which it is counted, in small letters and underscores.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClosedByPeer => "closed_by_peer",
            Self::PeerError => "peer_error",
            Self::NoApplicationProtocol => "no_application_protocol",
            Self::TlsError => "tls_error",
            Self::ProtocolError => "protocol_error",
            Self::TimedOut => "timed_out",
            Self::CrowdedOut => "crowded_out",
            Self::Reset => "reset",
            Self::ShortOfMemory => "short_of_memory",
            Self::ShutDown => "shut_down",
        }
    }
}

impl From<&CloseReason> for Ending {
    fn from(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::Application { .. } => Self::ClosedByPeer,
            CloseReason::Peer { .. } => Self::PeerError,
            CloseReason::Violation { code, .. } => match *code {
                NO_APPLICATION_PROTOCOL => Self::NoApplicationProtocol,
                code if CRYPTO_ERRORS.contains(&code) => Self::TlsError,
                _ => Self::ProtocolError,
            },
            CloseReason::TimedOut | CloseReason::HandshakeDeadline => Self::TimedOut,
            CloseReason::CrowdedOut => Self::CrowdedOut,
            CloseReason::Reset => Self::Reset,
            CloseReason::ShortOfMemory { .. } => Self::ShortOfMemory,
            CloseReason::Local => Self::ShutDown,
            // Of a version that we do not speak, for instance.
            _ => Self::ProtocolError,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_stands_at_its_own_place() {
        for (place, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, place, "{ending:?}");
        }
    }

    #[test]
    fn alerts_of_ours_are_told_apart_from_other_violations() {
        let violation = |code| CloseReason::Violation {
            code,
            reason: String::new(),
        };
        for (code, ending) in [
            (0x178, Ending::NoApplicationProtocol),
            (0x174, Ending::TlsError),
            (0x0a, Ending::ProtocolError),
            (0x200, Ending::ProtocolError),
        ] {
            assert_eq!(Ending::from(&violation(code)), ending, "{code:#x}");
        }
    }
}
