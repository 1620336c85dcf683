//! The public key of a certificate.

use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::malformed::MalformedCertificate;

/// Returns the SubjectPublicKeyInfo of a certificate.
///
/// Pins are made from it and handshakes' signatures verified with it, so both look at the
/// same key. A certificate that the verifier of chains does not take, such as one of X.509
/// version 1, has a key all the same.
///
/// # Errors
/// The certificate is malformed.
pub(crate) fn of_certificate(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, MalformedCertificate> {
    if let Ok(parsed) = ParsedCertificate::try_from(certificate) {
        return Ok(parsed.subject_public_key_info().into_owned());
    }
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(MalformedCertificate::new)?;
    Ok(parsed.public_key().raw.to_vec().into())
}
