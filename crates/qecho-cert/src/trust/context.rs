//! A certificate chain to verify, and what is known of its leaf.

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Certificate chain of a server, with the name that it must be valid for and the time.
pub(super) struct CertificateContext<'a> {
    pub(super) end_entity: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    pub(super) name: &'a ServerName<'a>,
    pub(super) ocsp_response: &'a [u8],
    pub(super) now: UnixTime,
}

/// Relation of a leaf to the trust anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrustStanding {
    /// The leaf is one of the anchors itself.
    Anchor,
    /// The leaf is no anchor.
    Unknown,
}
