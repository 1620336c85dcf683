//! The key schedule of TLS 1.3 (RFC 8446 §7.1), and what is computed with its secrets.

use aws_lc_rs::{
    digest,
    hkdf::{self, KeyType, Prk, Salt},
    hmac,
};
use qecho_packet::{Side, protection::Suite};

/// All suites, the favourite first.
pub(super) const SUITES: [Suite; 3] = [
    Suite::Aes128GcmSha256,
    Suite::Aes256GcmSha384,
    Suite::ChaCha20Poly1305Sha256,
];

/// One stage of the schedule, after its HKDF-Extract.
pub(super) struct KeySchedule {
    suite: Suite,
    secret: Prk,
}

/// Secrets of both directions of one level.
#[derive(Clone, Default)]
pub(super) struct TrafficSecrets {
    pub(super) client: Vec<u8>,
    pub(super) server: Vec<u8>,
}

/// Bytes that are asked of HKDF.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl TrafficSecrets {
    pub(super) fn of(&self, sender: Side) -> &[u8] {
        match sender {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

impl KeySchedule {
    /// Begins with the Early Secret of a pre-shared key, or of none.
    pub(super) fn new(suite: Suite, psk: Option<&[u8]>) -> Self {
        let zeros = vec![0; hash_length(suite)];
        let secret = Salt::new(hkdf(suite), &zeros).extract(psk.unwrap_or(&zeros));
        Self { suite, secret }
    }

    pub(super) fn suite(&self) -> Suite {
        self.suite
    }

    /// Goes on to the Handshake Secret.
    pub(super) fn into_handshake(self, shared: &[u8]) -> Self {
        self.advance(shared)
    }

    /// Goes on to the Master Secret.
    pub(super) fn into_master(self) -> Self {
        let zeros = vec![0; hash_length(self.suite)];
        self.advance(&zeros)
    }

    fn advance(self, input: &[u8]) -> Self {
        let salt = self.derive(b"derived", &hash(self.suite, &[]));
        Self {
            secret: Salt::new(hkdf(self.suite), &salt).extract(input),
            ..self
        }
    }

    /// Derive-Secret, with the hash of the transcript that it covers.
    pub(super) fn derive(&self, label: &[u8], transcript: &[u8]) -> Vec<u8> {
        let length = hash_length(self.suite);
        expand_label(&self.secret, label, transcript, length)
    }

    /// Derives the secrets of both directions under the label's end: "hs traffic", "ap traffic".
    pub(super) fn traffic(&self, label: &str, transcript: &[u8]) -> TrafficSecrets {
        let derive = |side: &str| self.derive(format!("{side} {label}").as_bytes(), transcript);
        TrafficSecrets {
            client: derive("c"),
            server: derive("s"),
        }
    }

    /// Returns the binder that shows that its sender has the pre-shared key of this Early Secret
    /// (RFC 8446 §4.2.11.2).
    pub(super) fn binder(&self, transcript: &[u8]) -> Vec<u8> {
        let key = self.derive(b"res binder", &hash(self.suite, &[]));
        verify_data(self.suite, &key, transcript)
    }
}

/// Returns what Finished holds (RFC 8446 §4.4.4).
pub(super) fn verify_data(suite: Suite, base_key: &[u8], transcript: &[u8]) -> Vec<u8> {
    let base = Prk::new_less_safe(hkdf(suite), base_key);
    let key = expand_label(&base, b"finished", &[], hash_length(suite));
    let key = hmac::Key::new(hkdf(suite).hmac_algorithm(), &key);
    hmac::sign(&key, transcript).as_ref().to_vec()
}

/// Returns the pre-shared key of a ticket (RFC 8446 §4.6.1).
pub(super) fn resumption_key(suite: Suite, master: &[u8], nonce: &[u8]) -> Vec<u8> {
    let master = Prk::new_less_safe(hkdf(suite), master);
    expand_label(&master, b"resumption", nonce, hash_length(suite))
}

/// Hashes with the suite's hash.
pub(super) fn hash(suite: Suite, bytes: &[u8]) -> Vec<u8> {
    digest::digest(digest(suite), bytes).as_ref().to_vec()
}

/// Returns the bytes of a suite's hash.
pub(super) fn hash_length(suite: Suite) -> usize {
    digest(suite).output_len()
}

/// Returns the number of a suite (RFC 8446 §B.4).
pub(super) fn suite_number(suite: Suite) -> u16 {
    match suite {
        Suite::Aes128GcmSha256 => 0x1301,
        Suite::Aes256GcmSha384 => 0x1302,
        Suite::ChaCha20Poly1305Sha256 => 0x1303,
    }
}

/// Returns the suite of a number, if it is one of these.
pub(super) fn suite_of(number: u16) -> Option<Suite> {
    let mut suites = SUITES.into_iter();
    suites.find(|suite| suite_number(*suite) == number)
}

fn digest(suite: Suite) -> &'static digest::Algorithm {
    match suite {
        Suite::Aes256GcmSha384 => &digest::SHA384,
        Suite::Aes128GcmSha256 | Suite::ChaCha20Poly1305Sha256 => &digest::SHA256,
    }
}

fn hkdf(suite: Suite) -> hkdf::Algorithm {
    match suite {
        Suite::Aes256GcmSha384 => hkdf::HKDF_SHA384,
        Suite::Aes128GcmSha256 | Suite::ChaCha20Poly1305Sha256 => hkdf::HKDF_SHA256,
    }
}

/// HKDF-Expand-Label (RFC 8446 §7.1).
fn expand_label(secret: &Prk, label: &[u8], context: &[u8], length: usize) -> Vec<u8> {
    const PREFIX: &[u8] = b"tls13 ";
    let head = (length as u16).to_be_bytes();
    let label_length = [(PREFIX.len() + label.len()) as u8];
    let context_length = [context.len() as u8];
    let info: [&[u8]; 6] = [
        &head,
        &label_length,
        PREFIX,
        label,
        &context_length,
        context,
    ];
    let mut out = vec![0; length];
    secret
        .expand(&info, Length(length))
        .and_then(|expanded| expanded.fill(&mut out))
        .expect("a hash is far shorter than 255 hashes");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(digits: &str) -> Vec<u8> {
        let digits = digits.as_bytes().as_chunks::<2>().0.iter();
        digits
            .map(|pair| std::str::from_utf8(pair).expect("ASCII"))
            .map(|pair| u8::from_str_radix(pair, 16).expect("a digit"))
            .collect()
    }

    #[test]
    fn secrets_of_rfc_8448_section_3_are_derived() {
        let schedule = KeySchedule::new(Suite::Aes128GcmSha256, None);
        let empty = hash(Suite::Aes128GcmSha256, &[]);
        assert_eq!(
            schedule.derive(b"derived", &empty),
            bytes("6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba")
        );
        let shared = bytes("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
        let schedule = schedule.into_handshake(&shared);
        assert_eq!(
            schedule.derive(b"derived", &empty),
            bytes("43de77e0c77713859a944db9db2590b53190a65b3ee2e4f12dd7a0bb7ce254b4")
        );
    }
}
