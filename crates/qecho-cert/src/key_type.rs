//! Types of keys.

use std::fmt;

use rcgen::{KeyPair, RsaKeySize};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

const OID_ED25519: &str = "1.3.101.112";

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
            Self::Rsa(_) | Self::Other => Err(rcgen::Error::KeyGenerationUnavailable),
        }
    }

    pub(crate) fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        if key.algorithm.algorithm.to_id_string() == OID_ED25519 {
            return Self::Ed25519;
        }
        match key.parsed() {
            Ok(PublicKey::RSA(key)) => Self::Rsa(key.key_size()),
            Ok(PublicKey::EC(point)) => match point.key_size() {
                256 => Self::EcdsaP256,
                384 => Self::EcdsaP384,
                // 66 octets hold 521 bits.
                521 | 528 => Self::EcdsaP521,
                _ => Self::Other,
            },
            _ => Self::Other,
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
            Self::Other => f.write_str("of another kind"),
        }
    }
}
