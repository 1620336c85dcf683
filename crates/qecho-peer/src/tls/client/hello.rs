//! The ClientHello (RFC 8446 §4.1.2).

use std::time::Duration;

use rustls::SignatureScheme;

use super::ClientTls;
use crate::tls::{
    EarlyData, Level, Output, Resumption,
    exchange::EARLY_LABEL,
    groups::Group,
    key_schedule::{KeySchedule, hash_length, suite_number},
    message::{
        ClientHello, Extension, LEGACY_VERSION, Message, PSK_DHE_KE, TLS_1_3,
        extension_type as kind, vector, write_host_name, write_numbers, write_protocol_names,
        write_share, write_vector,
    },
};

/// Signature schemes that are offered where nobody verifies signatures.
const SIGNATURE_SCHEMES: [SignatureScheme; 9] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

impl ClientTls {
    /// Sends a ClientHello: the first, or the one that a HelloRetryRequest wants.
    pub(super) fn send_hello(&mut self) {
        let resumption = self.offered_resumption().cloned();
        let hello = ClientHello {
            legacy_version: LEGACY_VERSION,
            random: self.random,
            session_id: Vec::new(),
            suites: self
                .config
                .suites
                .iter()
                .copied()
                .map(suite_number)
                .collect(),
            compression: vec![0],
            extensions: self.extensions(resumption.as_ref()),
        };
        let message = self.exchange.edited(Message::ClientHello(hello.clone()));
        let mut bytes = message.encode();
        // A raw message may well be a ClientHello: what it offers is what counts.
        self.hello = match Message::read(&bytes) {
            Ok(Message::ClientHello(sent)) => sent,
            _ => hello,
        };
        self.random = self.hello.random;
        if let Some(resumption) = resumption {
            self.bind(&mut bytes, &resumption);
        }
        self.exchange.send_bytes(Level::Initial, bytes);
    }

    fn extensions(&self, resumption: Option<&Resumption>) -> Vec<Extension> {
        let config = &self.config;
        let mut list: Vec<Extension> = Vec::new();
        if let Some(name) = &config.server_name {
            list.push((kind::SERVER_NAME, write_host_name(name)));
        }
        let groups: Vec<u16> = config.groups.iter().copied().map(Group::number).collect();
        list.push((kind::SUPPORTED_GROUPS, write_numbers(&groups, 2)));
        let schemes = self.signature_schemes();
        list.push((kind::SIGNATURE_ALGORITHMS, write_numbers(&schemes, 2)));
        if !config.alpn.is_empty() {
            list.push((kind::ALPN, write_protocol_names(&config.alpn)));
        }
        list.push((kind::SUPPORTED_VERSIONS, write_numbers(&[TLS_1_3], 1)));
        // Without it a server gives no tickets.
        list.push((kind::PSK_KEY_EXCHANGE_MODES, write_vector(&[PSK_DHE_KE], 1)));
        let shares = self.shares.iter();
        let shares: Vec<_> = shares
            .map(|share| write_share(share.group.number(), &share.public))
            .collect();
        list.push((kind::KEY_SHARE, write_vector(&shares.concat(), 2)));
        let parameters = config.parameters.clone();
        list.push((kind::QUIC_TRANSPORT_PARAMETERS, parameters));
        if let Some(cookie) = self.retry.as_ref().and_then(|retry| retry.cookie.as_ref()) {
            list.push((kind::COOKIE, write_vector(cookie, 2)));
        }
        if let Some(resumption) = resumption {
            if resumption.early_data && self.retry.is_none() {
                list.push((kind::EARLY_DATA, Vec::new()));
            }
            list.push((kind::PRE_SHARED_KEY, pre_shared_key(resumption)));
        }
        list
    }

    fn signature_schemes(&self) -> Vec<u16> {
        let schemes = match &self.config.verification {
            Some(verification) => verification.verifier.supported_verify_schemes(),
            None => SIGNATURE_SCHEMES.to_vec(),
        };
        schemes.into_iter().map(u16::from).collect()
    }

    /// Returns the session that is offered: not one of another hash than the HelloRetryRequest's
    /// suite has (RFC 8446 §4.1.4).
    pub(super) fn offered_resumption(&self) -> Option<&Resumption> {
        let resumption = self.config.resumption.as_ref()?;
        let length = hash_length(resumption.session.suite);
        let retry = self.retry.as_ref();
        retry
            .is_none_or(|retry| hash_length(retry.suite) == length)
            .then_some(resumption)
    }

    /// Fills in the binder at the message's end, unless an edit has.
    fn bind(&self, message: &mut [u8], resumption: &Resumption) {
        let session = &resumption.session;
        let placeholder = binders(hash_length(session.suite));
        if !message.ends_with(&placeholder) {
            return;
        }
        let (beginning, binders) = message.split_at_mut(message.len() - placeholder.len());
        let transcript = self.exchange.transcript.hash_with(session.suite, beginning);
        let binder = KeySchedule::new(session.suite, Some(&session.key)).binder(&transcript);
        let start = binders.len() - binder.len();
        binders[start..].copy_from_slice(&binder);
    }

    /// Gives out the keys of 0-RTT packets, if such are offered.
    pub(super) fn begin_early_data(&mut self) {
        let Some(resumption) = &self.config.resumption else {
            return;
        };
        if !resumption.early_data {
            return;
        }
        self.negotiated.early_data = EarlyData::Offered;
        let session = &resumption.session;
        let transcript = self.exchange.transcript.hash(session.suite);
        let schedule = KeySchedule::new(session.suite, Some(&session.key));
        let secret = schedule.derive(b"c e traffic", &transcript);
        let (level, suite) = (Level::EarlyData, session.suite);
        self.exchange.install(level, suite, Some(&secret), None);
        self.exchange.output(Output::KeyLog {
            label: EARLY_LABEL,
            client_random: self.random,
            secret,
        });
    }
}

fn pre_shared_key(resumption: &Resumption) -> Vec<u8> {
    let Resumption { session, age, .. } = resumption;
    let mut out = Vec::new();
    vector(&mut out, 2, |out| {
        vector(out, 2, |out| out.extend_from_slice(&session.ticket));
        out.extend(obfuscated(*age, session.age_add).to_be_bytes());
    });
    out.extend(binders(hash_length(session.suite)));
    out
}

/// RFC 8446 §4.2.11.1.
fn obfuscated(age: Duration, age_add: u32) -> u32 {
    (age.as_millis() as u32).wrapping_add(age_add)
}

/// Returns a list of one binder that is still to be filled in.
fn binders(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    vector(&mut out, 2, |out| {
        vector(out, 1, |out| out.resize(out.len() + length, 0));
    });
    out
}
