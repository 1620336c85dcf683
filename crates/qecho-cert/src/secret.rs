//! Secrets that live as long as a server's key.

use aws_lc_rs::hkdf;

/// Derives a secret from a private key (RFC 5869): the same on every machine with the
/// key, and the key cannot be found from it.
pub(crate) fn of_key(private_key: &[u8]) -> [u8; 32] {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"qecho server secret v1");
    let mut secret = [0; 32];
    salt.extract(private_key)
        .expand(&[b"secret"], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut secret))
        .expect("32 bytes are within HKDF-SHA256's output limit");
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_secret_and_another_key_another() {
        assert_eq!(of_key(b"one key"), of_key(b"one key"));
        assert_ne!(of_key(b"one key"), of_key(b"another"));
    }
}
