//! Rules for the extensions of a message (RFC 8446 §4.2).

use std::collections::HashSet;

use super::{Rules, TlsError, TlsRule};
use crate::tls::message::{Extension, extension_type as kind};

/// Messages that have extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) enum Place {
    ClientHello,
    ServerHello,
    HelloRetryRequest,
    EncryptedExtensions,
    CertificateRequest,
    Certificate,
    NewSessionTicket,
}

impl Place {
    /// Tells whether a message answers the extensions of another.
    fn is_answer(self) -> bool {
        match self {
            Self::ServerHello
            | Self::HelloRetryRequest
            | Self::EncryptedExtensions
            | Self::Certificate => true,
            Self::ClientHello | Self::CertificateRequest | Self::NewSessionTicket => false,
        }
    }
}

impl Rules {
    /// Checks which extensions there are in a message to a client that has offered some, or to a
    /// server.
    pub(in crate::tls) fn check_extensions(
        &self,
        place: Place,
        extensions: &[Extension],
        offered: &[Extension],
    ) -> Result<(), TlsError> {
        let mut seen = HashSet::new();
        for (kind, _) in extensions {
            let reason = format!("extension {kind} twice in {place:?}");
            self.require(TlsRule::DuplicateExtension, seen.insert(*kind), reason)?;
            let solicited = !place.is_answer()
                || (place, *kind) == (Place::HelloRetryRequest, kind::COOKIE)
                || offered.iter().any(|(other, _)| other == kind);
            let reason = format!("extension {kind} in {place:?}, which was not offered");
            self.require(TlsRule::UnsolicitedExtension, solicited, reason)?;
            let reason = format!("extension {kind} in {place:?}, where it has no place");
            let in_place = places(*kind).is_none_or(|places| places.contains(&place));
            self.require(TlsRule::MisplacedExtension, in_place, reason)?;
        }
        Ok(())
    }
}

/// Returns the messages in which an extension may stand, if it is known.
fn places(kind: u16) -> Option<&'static [Place]> {
    use Place::*;
    Some(match kind {
        kind::PADDING | kind::PSK_KEY_EXCHANGE_MODES | kind::POST_HANDSHAKE_AUTH => &[ClientHello],
        kind::SERVER_NAME
        | kind::SUPPORTED_GROUPS
        | kind::ALPN
        | kind::QUIC_TRANSPORT_PARAMETERS => &[ClientHello, EncryptedExtensions],
        kind::STATUS_REQUEST | kind::SIGNED_CERTIFICATE_TIMESTAMP => {
            &[ClientHello, CertificateRequest, Certificate]
        }
        kind::SIGNATURE_ALGORITHMS
        | kind::SIGNATURE_ALGORITHMS_CERT
        | kind::CERTIFICATE_AUTHORITIES => &[ClientHello, CertificateRequest],
        kind::OID_FILTERS => &[CertificateRequest],
        kind::PRE_SHARED_KEY => &[ClientHello, ServerHello],
        kind::EARLY_DATA => &[ClientHello, EncryptedExtensions, NewSessionTicket],
        kind::SUPPORTED_VERSIONS | kind::KEY_SHARE => {
            &[ClientHello, ServerHello, HelloRetryRequest]
        }
        kind::COOKIE => &[ClientHello, HelloRetryRequest],
        _ => return None,
    })
}
