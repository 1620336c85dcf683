//! Types of keys.

use std::fmt;

use rcgen::{KeyPair, RsaKeySize};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::{PublicKey, RSAPublicKey};
use x509_parser::x509::SubjectPublicKeyInfo;

const OID_ED25519: &str = "1.3.101.112";
const OID_ED448: &str = "1.3.101.113";
const OID_RSA_PSS: &str = "1.2.840.113549.1.1.10";
const OID_EC: &str = "1.2.840.10045.2.1";

/// Sizes of RSA keys, in bits, whose signatures are verified.
const RSA_BITS_ACCEPTED: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The keys of certificates that are accepted, in words.
pub(crate) const ACCEPTED: &str =
    "ECDSA P-256, P-384 and P-521, Ed25519, and RSA from 2048 to 8192 bits";

/// Type of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyType {
    /// ECDSA on P-256: small, quick, and known everywhere.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// ECDSA on P-521.
    EcdsaP521,
    /// Ed25519; browsers do not know it.
    Ed25519,
    /// RSA with this number of bits.
    Rsa(usize),
    /// RSA with this number of bits, for signatures with RSA-PSS alone (RFC 4055 §1.2);
    /// browsers do not know it.
    RsaPss(usize),
    /// Ed448; hardly anybody knows it.
    Ed448,
    /// Another type, which cannot be generated.
    Other,
}

impl KeyType {
    pub(crate) fn generate(self) -> Result<KeyPair, rcgen::Error> {
        let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
        match self {
            Self::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            Self::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            Self::EcdsaP521 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512),
            Self::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
            Self::Rsa(2048) => rsa(RsaKeySize::_2048),
            Self::Rsa(3072) => rsa(RsaKeySize::_3072),
            Self::Rsa(4096) => rsa(RsaKeySize::_4096),
            Self::Rsa(_) | Self::RsaPss(_) | Self::Ed448 | Self::Other => {
                Err(rcgen::Error::KeyGenerationUnavailable)
            }
        }
    }

    pub(crate) fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        match key.algorithm.algorithm.to_id_string().as_str() {
            OID_ED25519 => Self::Ed25519,
            OID_ED448 => Self::Ed448,
            OID_RSA_PSS => RSAPublicKey::from_der(&key.subject_public_key.data)
                .map_or(Self::Other, |(_, key)| Self::RsaPss(key.key_size())),
            OID_EC => Self::of_curve(key),
            _ => match key.parsed() {
                Ok(PublicKey::RSA(key)) => Self::Rsa(key.key_size()),
                _ => Self::Other,
            },
        }
    }

    // RFC 5480 §2.1.1.1: other curves have keys of the same sizes.
    fn of_curve(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let curve = key.algorithm.parameters.as_ref();
        let curve = curve.and_then(|curve| curve.as_oid().ok());
        match curve.map(|curve| curve.to_id_string()).as_deref() {
            Some("1.2.840.10045.3.1.7") => Self::EcdsaP256,
            Some("1.3.132.0.34") => Self::EcdsaP384,
            Some("1.3.132.0.35") => Self::EcdsaP521,
            _ => Self::Other,
        }
    }

    /// Returns whether a certificate with such a key is accepted.
    pub(crate) fn is_accepted(self) -> bool {
        match self {
            Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 | Self::Ed25519 => true,
            Self::Rsa(bits) => RSA_BITS_ACCEPTED.contains(&bits),
            Self::RsaPss(_) | Self::Ed448 | Self::Other => false,
        }
    }

    /// Returns whether the signature of such a key can be verified.
    pub(crate) fn is_verifiable(self) -> bool {
        match self {
            Self::RsaPss(bits) => RSA_BITS_ACCEPTED.contains(&bits),
            other => other.is_accepted(),
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::EcdsaP521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::RsaPss(bits) => write!(f, "RSA-PSS {bits}"),
            Self::Ed448 => f.write_str("Ed448"),
            Self::Other => f.write_str("of another kind"),
        }
    }
}
