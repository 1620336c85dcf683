//! Pins: public keys, identified by their hash.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls_pki_types::CertificateDer;

use crate::malformed::MalformedCertificate;
use crate::public_key;

const PREFIX: &str = "sha256:";
/// Beginning of a pin as curl's `--pinnedpubkey` has it.
const BASE64_PREFIX: &str = "sha256//";
const HEX_DIGITS: usize = 2 * digest::SHA256_OUTPUT_LEN;

/// The SHA-256 hash of a key's SubjectPublicKeyInfo, written `sha256:` and 64
/// hex digits; it is read too as curl has it, `sha256//` and base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; digest::SHA256_OUTPUT_LEN]);

impl Pin {
    /// Returns the pin of the key in a certificate.
    ///
    /// # Errors
    /// The certificate is malformed.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, MalformedCertificate> {
        Ok(Self::of_public_key(&public_key::of_certificate(
            certificate,
        )?))
    }

    /// Returns whether a certificate's fingerprint, the SHA-256 hash of all of it, has been
    /// taken for the pin of its key.
    pub(crate) fn is_fingerprint_of(&self, certificate: &CertificateDer<'_>) -> bool {
        digest::digest(&digest::SHA256, certificate).as_ref() == self.0
    }

    /// Returns the pin of a key given as SubjectPublicKeyInfo in DER.
    pub fn of_public_key(subject_public_key_info: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, subject_public_key_info);
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// Returns the first digits of the pin and an ellipsis: enough to recognise the pin,
    /// not to check it.
    pub fn abbreviated(&self) -> String {
        let [a, b, c, d, ..] = self.0;
        format!("{PREFIX}{a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl FromStr for Pin {
    type Err = ParsePinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((prefix, digits)) = text.split_at_checked(BASE64_PREFIX.len())
            && prefix.eq_ignore_ascii_case(BASE64_PREFIX)
        {
            let hash = BASE64_STANDARD.decode(digits).ok();
            let hash = hash.and_then(|hash| hash.try_into().ok());
            return hash.map(Self).ok_or(ParsePinError::Base64);
        }
        let digits = match text.split_at_checked(PREFIX.len()) {
            Some((prefix, digits)) if prefix.eq_ignore_ascii_case(PREFIX) => digits,
            _ => return Err(ParsePinError::Prefix),
        };
        if let Some(character) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(ParsePinError::Digit(character));
        }
        if digits.len() != HEX_DIGITS {
            return Err(ParsePinError::Length(digits.len()));
        }
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).expect("hex digits are ASCII");
            *byte = u8::from_str_radix(pair, 16).expect("checked to be hex digits");
        }
        Ok(Self(hash))
    }
}

/// Error of parsing a [`Pin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePinError {
    /// The text does not begin with `sha256:`.
    #[error("a pin begins with \"sha256:\", followed by 64 hex digits")]
    Prefix,
    /// A character is no hex digit; the first such.
    #[error("a pin is \"sha256:\" and 64 hex digits, but {0:?} is not one")]
    Digit(char),
    /// What follows `sha256//` is not the base64 of one hash.
    #[error("\"sha256//\" is followed by one hash in base64: 44 characters")]
    Base64,
    /// The text has this number of digits: too few or too many.
    #[error("a pin is \"sha256:\" and 64 hex digits, but here are {0}")]
    Length(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    // SHA-256 of the empty input, FIPS 180-4.
    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_pin_is_the_sha256_of_the_key() {
        assert_eq!(Pin::of_public_key(&[]).to_string(), EMPTY);
        assert_eq!(Pin::of_public_key(&[]).abbreviated(), "sha256:e3b0c442…");
    }

    #[test]
    fn a_pin_survives_text_in_any_case() {
        let pin = Pin::of_public_key(&[]);
        assert_eq!(EMPTY.parse(), Ok(pin));
        assert_eq!(EMPTY.to_uppercase().parse(), Ok(pin));
    }

    #[test]
    fn a_pin_is_read_in_the_form_of_curl() {
        let curl = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(curl.parse(), Ok(Pin::of_public_key(&[])));
        for wrong in ["sha256//", &curl[..50], &format!("{curl};{curl}")] {
            assert_eq!(wrong.parse::<Pin>(), Err(ParsePinError::Base64), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_pin_is_told_apart() {
        let reason = |text: &str| text.parse::<Pin>().unwrap_err().to_string();
        let prefix = "a pin begins with \"sha256:\", followed by 64 hex digits";
        assert_eq!(reason(""), prefix);
        assert_eq!(reason("sha25é:00"), prefix);
        assert_eq!(reason(&EMPTY[7..]), prefix);
        assert_eq!(
            reason(&EMPTY[..EMPTY.len() - 1]),
            "a pin is \"sha256:\" and 64 hex digits, but here are 63"
        );
        assert_eq!(
            reason(&EMPTY.replace("55", "5é")),
            "a pin is \"sha256:\" and 64 hex digits, but 'é' is not one"
        );
        assert_eq!(
            reason("sha256:…"),
            "a pin is \"sha256:\" and 64 hex digits, but '…' is not one"
        );
    }
}
