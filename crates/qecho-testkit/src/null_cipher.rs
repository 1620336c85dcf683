//! Packets without protection: what then remains is the work of the shard and the
//! state machine, and the same on every processor.
//!
//! Tests and benchmarks alone have it; no program is built with it.

use std::sync::Arc;

use rustls::{
    CipherSuiteCommon, Error, SupportedCipherSuite, Tls13CipherSuite,
    crypto::{
        CryptoProvider,
        aws_lc_rs::{self, cipher_suite::TLS13_AES_128_GCM_SHA256},
        cipher::{AeadKey, Iv},
    },
    quic::{Algorithm, HeaderProtectionKey, PacketKey, Tag},
};

/// As long as AES-GCM's, so that packets are as long as protected ones.
const TAG_LENGTH: usize = 16;
const KEY_LENGTH: usize = 16;
const SAMPLE_LENGTH: usize = 16;

/// Returns aws-lc-rs's cryptography, which protects handshakes but nothing after them.
pub fn provider() -> Arc<CryptoProvider> {
    let suite = TLS13_AES_128_GCM_SHA256
        .tls13()
        .expect("the name says that it is a TLS 1.3 suite");
    let suite = Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: suite.common.suite,
            hash_provider: suite.common.hash_provider,
            confidentiality_limit: u64::MAX,
        },
        hkdf_provider: suite.hkdf_provider,
        aead_alg: suite.aead_alg,
        quic: Some(&NullCipher),
    };
    // rustls wants suites that live for ever; there is one in a process.
    let suite = SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)));
    Arc::new(CryptoProvider {
        cipher_suites: vec![suite],
        ..aws_lc_rs::default_provider()
    })
}

struct NullCipher;

impl Algorithm for NullCipher {
    fn packet_key(&self, _: AeadKey, _: Iv) -> Box<dyn PacketKey> {
        Box::new(NullCipher)
    }

    fn header_protection_key(&self, _: AeadKey) -> Box<dyn HeaderProtectionKey> {
        Box::new(NullCipher)
    }

    fn aead_key_len(&self) -> usize {
        KEY_LENGTH
    }
}

impl PacketKey for NullCipher {
    fn encrypt_in_place(&self, _: u64, _: &[u8], _: &mut [u8]) -> Result<Tag, Error> {
        Ok(Tag::from(&[0; TAG_LENGTH][..]))
    }

    fn decrypt_in_place<'a>(
        &self,
        _: u64,
        _: &[u8],
        payload: &'a mut [u8],
    ) -> Result<&'a [u8], Error> {
        let length = payload.len().checked_sub(TAG_LENGTH);
        Ok(&payload[..length.ok_or(Error::DecryptError)?])
    }

    fn tag_len(&self) -> usize {
        TAG_LENGTH
    }

    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }

    fn integrity_limit(&self) -> u64 {
        u64::MAX
    }
}

impl HeaderProtectionKey for NullCipher {
    fn encrypt_in_place(&self, _: &[u8], _: &mut u8, _: &mut [u8]) -> Result<(), Error> {
        Ok(())
    }

    fn decrypt_in_place(&self, _: &[u8], _: &mut u8, _: &mut [u8]) -> Result<(), Error> {
        Ok(())
    }

    fn sample_len(&self) -> usize {
        SAMPLE_LENGTH
    }
}
