//! What a well-behaved endpoint refuses of what TLS brings it, each by a name, so that one that
//! behaves badly can leave a single one out.

mod extensions;

use std::fmt;

use qecho_packet::{
    close::{NO_APPLICATION_PROTOCOL, PROTOCOL_VIOLATION},
    wire::Malformed,
};

pub(super) use self::extensions::Place;

/// What is added to a TLS alert to make it a QUIC error code (RFC 9001 §4.8).
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

/// A rule of RFC 8446 or RFC 9001 for what a peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsRule {
    /// CRYPTO data come at no level before its keys are to be used (RFC 9001 §4.1.3). An
    /// endpoint without this rule drops them.
    LaterLevel,
    /// Nothing new comes at a level that is done (RFC 9001 §4.1.3). An endpoint without this
    /// rule drops it.
    EarlierLevel,
    /// No message lies across a change of keys (RFC 8446 §5.1, RFC 9001 §4.1.3). An endpoint
    /// without this rule drops the beginning.
    KeyChange,
    /// Messages come in the order of the handshake (RFC 8446 §4). An endpoint without this rule
    /// drops one that does not.
    Order,
    /// There is no KeyUpdate (RFC 9001 §6).
    KeyUpdate,
    /// There is no EndOfEarlyData (RFC 9001 §8.3).
    EndOfEarlyData,
    /// TLS 1.3 is spoken (RFC 9001 §4.2, RFC 8446 §4.2.1).
    Version,
    /// A server selects no other version than TLS 1.3 by supported_versions (RFC 8446 §4.2.1).
    SelectedVersion,
    /// A client's legacy_session_id is empty (RFC 9001 §8.4).
    SessionId,
    /// A server gives back the client's legacy_session_id (RFC 8446 §4.1.3).
    SessionIdEcho,
    /// No compression but null is named (RFC 8446 §4.1.2, §4.1.3).
    Compression,
    /// No extension comes twice in a message (RFC 8446 §4.2).
    DuplicateExtension,
    /// A server answers only extensions that the client has sent (RFC 8446 §4.2).
    UnsolicitedExtension,
    /// Each extension stands in a message that it is for (RFC 8446 §4.2).
    MisplacedExtension,
    /// Extensions that TLS 1.3 needs are there (RFC 8446 §9.2).
    RequiredExtension,
    /// quic_transport_parameters is there (RFC 9001 §8.2).
    TransportParameters,
    /// Both sides agree on an application protocol (RFC 9001 §8.1).
    AlpnAgreed,
    /// A server selects an application protocol that was offered (RFC 7301 §3.2).
    AlpnOffered,
    /// A server selects a cipher suite that was offered (RFC 8446 §4.1.3).
    SuiteOffered,
    /// A server stays with the cipher suite of its HelloRetryRequest (RFC 8446 §4.1.4).
    SuiteAfterRetry,
    /// A client sends one share for a group at most (RFC 8446 §4.2.8).
    DuplicateShare,
    /// A client sends no share for a group that it does not support (RFC 8446 §4.2.8).
    ShareSupported,
    /// A server's share is of a group of which the client sent one (RFC 8446 §4.2.8).
    ShareOffered,
    /// There is one HelloRetryRequest at most (RFC 8446 §4.1.4).
    SecondRetry,
    /// A HelloRetryRequest changes something in the ClientHello (RFC 8446 §4.1.4).
    RetryChanges,
    /// A HelloRetryRequest asks for a group that the client supports and sent no share of
    /// (RFC 8446 §4.2.8).
    RetryGroup,
    /// A second ClientHello is the first but for what it may change (RFC 8446 §4.1.2).
    SecondHello,
    /// A second ClientHello has the share, and it alone, and the cookie that were asked for
    /// (RFC 8446 §4.2.2, §4.2.8).
    RetryAnswered,
    /// pre_shared_key is a ClientHello's last extension (RFC 8446 §4.2.11).
    PskLast,
    /// There is a binder for each identity (RFC 8446 §4.2.11).
    BinderCount,
    /// The binder of the key that is taken is right (RFC 8446 §4.2.11.2).
    Binder,
    /// A server selects a key that was offered, with a suite of its hash (RFC 8446 §4.2.11).
    SelectedPsk,
    /// A server accepts early data only with the first key that was offered, and its suite
    /// (RFC 8446 §4.2.10).
    EarlyDataAccepted,
    /// Context of a server's certificate, and of a request during the handshake, is empty
    /// (RFC 8446 §4.3.2, §4.4.2).
    CertificateContext,
    /// A server shows a certificate (RFC 8446 §4.4.2.4).
    CertificateShown,
    /// The verifier trusts the certificate; the code is that of its error.
    CertificateTrusted,
    /// The signature's scheme was offered (RFC 8446 §4.4.3).
    SchemeOffered,
    /// The signature is right (RFC 8446 §4.4.3).
    Signature,
    /// Finished is right (RFC 8446 §4.4.4).
    Finished,
    /// There is no CertificateRequest after the handshake (RFC 9001 §4.4).
    PostHandshakeRequest,
    /// The max_early_data_size of a ticket is 2^32 - 1 (RFC 9001 §4.6.1).
    TicketEarlyData,
}

impl TlsRule {
    /// Returns all rules.
    pub fn all() -> impl Iterator<Item = Self> {
        CODES.into_iter().map(|(rule, _)| rule)
    }

    /// Returns the QUIC error code with which an endpoint closes a connection on which the rule
    /// was broken.
    pub fn code(self) -> u64 {
        let found = CODES.into_iter().find(|(rule, _)| *rule == self);
        found.expect("each rule has its line").1
    }
}

/// Each rule's error code.
const CODES: [(TlsRule, u64); 41] = [
    (TlsRule::LaterLevel, code::UNEXPECTED_MESSAGE),
    (TlsRule::EarlierLevel, PROTOCOL_VIOLATION),
    (TlsRule::KeyChange, PROTOCOL_VIOLATION),
    (TlsRule::Order, code::UNEXPECTED_MESSAGE),
    (TlsRule::KeyUpdate, code::UNEXPECTED_MESSAGE),
    (TlsRule::EndOfEarlyData, code::UNEXPECTED_MESSAGE),
    (TlsRule::Version, code::PROTOCOL_VERSION),
    (TlsRule::SelectedVersion, code::ILLEGAL_PARAMETER),
    (TlsRule::SessionId, PROTOCOL_VIOLATION),
    (TlsRule::SessionIdEcho, code::ILLEGAL_PARAMETER),
    (TlsRule::Compression, code::ILLEGAL_PARAMETER),
    (TlsRule::DuplicateExtension, code::ILLEGAL_PARAMETER),
    (TlsRule::UnsolicitedExtension, code::UNSUPPORTED_EXTENSION),
    (TlsRule::MisplacedExtension, code::ILLEGAL_PARAMETER),
    (TlsRule::RequiredExtension, code::MISSING_EXTENSION),
    (TlsRule::TransportParameters, code::MISSING_EXTENSION),
    (TlsRule::AlpnAgreed, NO_APPLICATION_PROTOCOL),
    (TlsRule::AlpnOffered, code::ILLEGAL_PARAMETER),
    (TlsRule::SuiteOffered, code::ILLEGAL_PARAMETER),
    (TlsRule::SuiteAfterRetry, code::ILLEGAL_PARAMETER),
    (TlsRule::DuplicateShare, code::ILLEGAL_PARAMETER),
    (TlsRule::ShareSupported, code::ILLEGAL_PARAMETER),
    (TlsRule::ShareOffered, code::ILLEGAL_PARAMETER),
    (TlsRule::SecondRetry, code::UNEXPECTED_MESSAGE),
    (TlsRule::RetryChanges, code::ILLEGAL_PARAMETER),
    (TlsRule::RetryGroup, code::ILLEGAL_PARAMETER),
    (TlsRule::SecondHello, code::ILLEGAL_PARAMETER),
    (TlsRule::RetryAnswered, code::ILLEGAL_PARAMETER),
    (TlsRule::PskLast, code::ILLEGAL_PARAMETER),
    (TlsRule::BinderCount, code::ILLEGAL_PARAMETER),
    (TlsRule::Binder, code::DECRYPT_ERROR),
    (TlsRule::SelectedPsk, code::ILLEGAL_PARAMETER),
    (TlsRule::EarlyDataAccepted, code::ILLEGAL_PARAMETER),
    (TlsRule::CertificateContext, code::ILLEGAL_PARAMETER),
    (TlsRule::CertificateShown, code::DECODE_ERROR),
    (TlsRule::CertificateTrusted, code::BAD_CERTIFICATE),
    (TlsRule::SchemeOffered, code::ILLEGAL_PARAMETER),
    (TlsRule::Signature, code::DECRYPT_ERROR),
    (TlsRule::Finished, code::DECRYPT_ERROR),
    (TlsRule::PostHandshakeRequest, PROTOCOL_VIOLATION),
    (TlsRule::TicketEarlyData, PROTOCOL_VIOLATION),
];

/// The rules that an endpoint keeps its peer to: all but some.
pub(super) struct Rules(Vec<TlsRule>);

impl Rules {
    pub(super) fn without(ignored: &[TlsRule]) -> Self {
        Self(ignored.to_vec())
    }

    /// Fails if the rule does not hold and is not ignored.
    pub(super) fn require(
        &self,
        rule: TlsRule,
        holds: bool,
        reason: impl fmt::Display,
    ) -> Result<(), TlsError> {
        self.require_or(rule, rule.code(), holds, reason)
    }

    /// The same, with a code that the rule does not tell.
    pub(super) fn require_or(
        &self,
        rule: TlsRule,
        code: u64,
        holds: bool,
        reason: impl fmt::Display,
    ) -> Result<(), TlsError> {
        if holds || self.0.contains(&rule) {
            return Ok(());
        }
        Err(TlsError {
            rule: Some(rule),
            ..TlsError::new(code, reason)
        })
    }
}
