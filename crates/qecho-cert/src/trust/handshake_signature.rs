//! The signature of a handshake, verified with nothing but the key in the certificate.

use aws_lc_rs::signature::{
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    UnparsedPublicKey,
};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::key_type::KeyType;
use crate::public_key;

/// The schemes of RSA-PSS keys (RFC 8446 §4.2.3: `rsa_pss_pss_sha256` and its like), by
/// which a server with such a key shows its certificate. The library does not know them.
pub(super) const RSA_PSS_KEY_SCHEMES: [SignatureScheme; 3] = [
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
];

/// Verifies the signature of a TLS 1.3 handshake with the key of a certificate, whatever
/// else the certificate says.
///
/// # Errors
/// The signature is not the key's, or the key is of a kind or size that cannot be used.
pub(super) fn verify(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let malformed = |_| Error::from(CertificateError::BadEncoding);
    let key_info = public_key::of_certificate(certificate).map_err(malformed)?;
    let (_, key) = SubjectPublicKeyInfo::from_der(&key_info)
        .map_err(|_| Error::from(CertificateError::BadEncoding))?;
    if let (KeyType::RsaPss(_), Some(parameters)) = (KeyType::of(&key), rsa_pss(signed.scheme)) {
        // An RSA-PSS key is an RSA key that says what it is for (RFC 4055 §1.2).
        return UnparsedPublicKey::new(parameters, &*key.subject_public_key.data)
            .verify(message, signed.signature())
            .map_err(|_| CertificateError::BadSignature.into());
    }
    verify_tls13_signature_with_raw_key(message, &key_info, signed, algorithms).map(|_| ())
}

/// Returns the algorithm of a scheme with RSA-PSS. Some servers name the scheme of an
/// ordinary RSA key (`rsa_pss_rsae_sha256`) for an RSA-PSS key: the signature is the same.
fn rsa_pss(scheme: SignatureScheme) -> Option<&'static RsaParameters> {
    let [sha256, sha384, sha512] = RSA_PSS_KEY_SCHEMES;
    match scheme {
        SignatureScheme::RSA_PSS_SHA256 => Some(&RSA_PSS_2048_8192_SHA256),
        SignatureScheme::RSA_PSS_SHA384 => Some(&RSA_PSS_2048_8192_SHA384),
        SignatureScheme::RSA_PSS_SHA512 => Some(&RSA_PSS_2048_8192_SHA512),
        other if other == sha256 => Some(&RSA_PSS_2048_8192_SHA256),
        other if other == sha384 => Some(&RSA_PSS_2048_8192_SHA384),
        other if other == sha512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}
