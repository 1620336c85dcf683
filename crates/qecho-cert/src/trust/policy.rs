//! Choice of the anchors that a server is verified by.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, Error};
use rustls_pki_types::ServerName;

use super::TrustSettings;
use super::anchors::{Anchor, AnchorVerifier, CertificateContext, PlatformRoots, TrustError, note};
use super::failure::{VerifyFailure, more_specific};
use crate::details::CertificateDetails;
use crate::pin::Pin;

#[derive(Debug)]
pub(super) enum TrustPolicy {
    Pin(Pin),
    Insecure,
    CaFiles(Vec<AnchorVerifier>),
    LocalAndPlatform {
        local: Vec<AnchorVerifier>,
        platform: PlatformRoots,
        notes: Vec<String>,
    },
}

impl TrustPolicy {
    pub(super) fn of(
        settings: TrustSettings,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TrustError> {
        if let Some(pin) = settings.pin {
            return Ok(Self::Pin(pin));
        }
        if settings.insecure {
            return Ok(Self::Insecure);
        }
        if !settings.ca_files.is_empty() {
            let files = settings.ca_files.into_iter();
            let anchors = files.map(|path| AnchorVerifier::file(path, &provider));
            return Ok(Self::CaFiles(anchors.collect::<Result<_, _>>()?));
        }
        let mut local = Vec::new();
        let mut notes = Vec::new();
        for authority in settings.local_authorities {
            match AnchorVerifier::local(&authority, &provider) {
                Ok(found) => local.extend(found),
                Err(error) => notes.push(note(&authority, &error)),
            }
        }
        Ok(Self::LocalAndPlatform {
            local,
            platform: PlatformRoots::new(provider),
            notes,
        })
    }

    /// Returns whether the key alone counts, whatever else stands in the certificate.
    pub(super) fn is_for_any_certificate(&self) -> bool {
        matches!(self, Self::Pin(_) | Self::Insecure)
    }

    /// Returns the anchor that the chain leads to, or why there is none.
    pub(super) fn verify_chain(
        &self,
        context: &CertificateContext<'_>,
    ) -> Result<Anchor, Box<VerifyFailure>> {
        let refused = |error, anchors: &[AnchorVerifier]| {
            let anchors: Vec<_> = anchors
                .iter()
                .flat_map(AnchorVerifier::certificates)
                .cloned()
                .collect();
            Box::new(VerifyFailure::of_certificate(error, context, &anchors))
        };
        match self {
            Self::Pin(pin) => verify_key(*pin, context),
            Self::Insecure => Ok(Anchor::Unverified),
            Self::CaFiles(anchors) => verify_by(anchors, context)
                .map_err(|error| refused(error, anchors))
                .and_then(|anchor| with_accepted_key(anchor, context)),
            Self::LocalAndPlatform {
                local,
                platform,
                notes,
            } => {
                let (local, notes) = match is_loopback(context.name) {
                    true => (&local[..], &notes[..]),
                    false => (&[][..], &[][..]),
                };
                let error = match verify_by(local, context) {
                    Ok(anchor) => return with_accepted_key(anchor, context),
                    Err(error) => error,
                };
                let (error, missing) = match platform.verifier() {
                    Ok(roots) => match verify_by([roots], context) {
                        Ok(anchor) => return with_accepted_key(anchor, context),
                        Err(second) => (more_specific(error, second), None),
                    },
                    Err(note) => (error, Some(note.to_owned())),
                };
                let notes = notes.iter().cloned().chain(missing).collect();
                Err(Box::new(refused(error, local).with_notes(notes)))
            }
        }
    }
}

fn verify_key(asked: Pin, context: &CertificateContext<'_>) -> Result<Anchor, Box<VerifyFailure>> {
    match Pin::of_certificate(context.end_entity) {
        Ok(seen) if seen == asked => Ok(Anchor::Pin(seen)),
        Ok(seen) => Err(Box::new(VerifyFailure::of_pin(asked, seen, context))),
        Err(_) => {
            let error = CertificateError::BadEncoding.into();
            Err(VerifyFailure::of_certificate(error, context, &[]).into())
        }
    }
}

// The chain says nothing of whether the signature of the leaf's key can be verified.
fn with_accepted_key(
    anchor: Anchor,
    context: &CertificateContext<'_>,
) -> Result<Anchor, Box<VerifyFailure>> {
    match CertificateDetails::of(context.end_entity) {
        Ok(details) if !details.key_type.is_accepted() => Err(Box::new(VerifyFailure::of_key(
            context.end_entity,
            details.key_type,
        ))),
        _ => Ok(anchor),
    }
}

fn verify_by<'a>(
    anchors: impl IntoIterator<Item = &'a AnchorVerifier>,
    context: &CertificateContext<'_>,
) -> Result<Anchor, Error> {
    let mut most_specific = CertificateError::UnknownIssuer.into();
    for anchor in anchors {
        match anchor.verify(context) {
            Ok(()) => return Ok(anchor.anchor.clone()),
            Err(error) => most_specific = more_specific(most_specific, error),
        }
    }
    Err(most_specific)
}

// Local authorities are trusted for these names alone: one without name constraints,
// such as mkcert's, must not be for others.
fn is_loopback(name: &ServerName<'_>) -> bool {
    match name {
        ServerName::DnsName(name) => {
            let name = name.as_ref();
            let name = name.strip_suffix('.').unwrap_or(name);
            // With all that is below it (RFC 6761 §6.3).
            let last = name.rsplit('.').next();
            last.is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
        }
        ServerName::IpAddress(address) => IpAddr::from(*address).is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_localhost_with_all_below_it_and_the_loopback_addresses() {
        let loopback = |name: &'static str| is_loopback(&ServerName::try_from(name).unwrap());
        for name in [
            "localhost",
            "LocalHost",
            "a.localhost",
            "127.0.0.1",
            "127.255.0.9",
            "::1",
        ] {
            assert!(loopback(name), "{name}");
        }
        for name in [
            "example.com",
            "localhost.example.com",
            "alocalhost",
            "192.0.2.1",
            "::2",
        ] {
            assert!(!loopback(name), "{name}");
        }
    }
}
