//! Faults in TLS that a well-behaved endpoint refuses: those that QUIC has an opinion of by a
//! name each, so that one that behaves badly can leave a single one out; of all others those that
//! a handshake cannot go on with.

use std::fmt;

use qecho_packet::{
    close::{NO_APPLICATION_PROTOCOL, PROTOCOL_VIOLATION},
    wire::Malformed,
};

/// Number that is added to a TLS alert to make it a QUIC error code (RFC 9001 §4.8).
const CRYPTO_ERROR: u64 = 0x100;

/// TLS alerts as QUIC error codes (RFC 8446 §6, RFC 9001 §4.8).
pub(super) mod code {
    use super::CRYPTO_ERROR;

    pub(in crate::tls) const UNEXPECTED_MESSAGE: u64 = CRYPTO_ERROR + 10;
    pub(in crate::tls) const HANDSHAKE_FAILURE: u64 = CRYPTO_ERROR + 40;
    pub(in crate::tls) const BAD_CERTIFICATE: u64 = CRYPTO_ERROR + 42;
    pub(in crate::tls) const ILLEGAL_PARAMETER: u64 = CRYPTO_ERROR + 47;
    pub(in crate::tls) const DECODE_ERROR: u64 = CRYPTO_ERROR + 50;
    pub(in crate::tls) const DECRYPT_ERROR: u64 = CRYPTO_ERROR + 51;
    pub(in crate::tls) const PROTOCOL_VERSION: u64 = CRYPTO_ERROR + 70;
    pub(in crate::tls) const MISSING_EXTENSION: u64 = CRYPTO_ERROR + 109;
    pub(in crate::tls) const UNSUPPORTED_EXTENSION: u64 = CRYPTO_ERROR + 110;
}

/// An error in what the peer's TLS said; after one, the handshake is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct TlsError {
    /// QUIC transport error code to close with: 0x100 + alert, or PROTOCOL_VIOLATION where
    /// RFC 9001 wants it.
    pub code: u64,
    /// The rule that was broken; none where a message cannot be read, or where both sides merely
    /// have nothing in common.
    pub rule: Option<TlsRule>,
    /// The error, in words.
    pub reason: String,
}

impl TlsError {
    /// Returns the alert (RFC 8446 §6.2), if the error has one.
    pub fn alert(&self) -> Option<u8> {
        u8::try_from(self.code.checked_sub(CRYPTO_ERROR)?).ok()
    }

    pub(super) fn new(code: u64, reason: impl fmt::Display) -> Self {
        Self {
            code,
            rule: None,
            reason: reason.to_string(),
        }
    }
}

impl From<Malformed> for TlsError {
    fn from(malformed: Malformed) -> Self {
        Self::new(code::DECODE_ERROR, malformed)
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $name:ident: $code:expr;)+) => {
        /// A rule of RFC 8446 or RFC 9001 for what a peer sends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TlsRule {
            $($(#[doc = $doc])+ $name,)+
        }

        impl TlsRule {
            /// Returns all rules.
            pub fn all() -> impl Iterator<Item = Self> {
                [$(Self::$name),+].into_iter()
            }

            /// Returns the QUIC error code with which an endpoint closes a connection on which
            /// the rule was broken.
            pub fn code(self) -> u64 {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// Returns the rule in words.
            pub(super) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_start(),)+
                }
            }
        }
    };
}

rules! {
    /// CRYPTO data come at no level before its keys are to be used (RFC 9001 §4.1.3). An
    /// endpoint without this rule drops them.
    LaterLevel: code::UNEXPECTED_MESSAGE;
    /// Nothing new comes at a level that is done (RFC 9001 §4.1.3). An endpoint without this
    /// rule drops it.
    EarlierLevel: PROTOCOL_VIOLATION;
    /// No message lies across a change of keys (RFC 8446 §5.1, RFC 9001 §4.1.3). An endpoint
    /// without this rule drops the beginning.
    KeyChange: PROTOCOL_VIOLATION;
    /// Messages come in the order of the handshake (RFC 8446 §4). An endpoint without this rule
    /// drops one that does not.
    Order: code::UNEXPECTED_MESSAGE;
    /// There is no KeyUpdate (RFC 9001 §6).
    KeyUpdate: code::UNEXPECTED_MESSAGE;
    /// There is no EndOfEarlyData (RFC 9001 §8.3).
    EndOfEarlyData: code::UNEXPECTED_MESSAGE;
    /// TLS 1.3 is spoken (RFC 9001 §4.2, RFC 8446 §4.2.1).
    Version: code::PROTOCOL_VERSION;
    /// A client's legacy_session_id is empty (RFC 9001 §8.4).
    SessionId: PROTOCOL_VIOLATION;
    /// A server answers only extensions that the client has sent (RFC 8446 §4.2).
    UnsolicitedExtension: code::UNSUPPORTED_EXTENSION;
    /// quic_transport_parameters is there (RFC 9001 §8.2).
    TransportParameters: code::MISSING_EXTENSION;
    /// Both sides agree on an application protocol (RFC 9001 §8.1).
    AlpnAgreed: NO_APPLICATION_PROTOCOL;
    /// A server selects an application protocol that was offered (RFC 7301 §3.2).
    AlpnOffered: code::ILLEGAL_PARAMETER;
    /// Finished is right (RFC 8446 §4.4.4).
    Finished: code::DECRYPT_ERROR;
    /// There is no CertificateRequest after the handshake (RFC 9001 §4.4).
    PostHandshakeRequest: PROTOCOL_VIOLATION;
    /// The max_early_data_size of a ticket is 2^32 - 1 (RFC 9001 §4.6.1).
    TicketEarlyData: PROTOCOL_VIOLATION;
}
