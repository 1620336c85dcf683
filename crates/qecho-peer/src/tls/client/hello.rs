//! The ClientHello (RFC 8446 §4.1.2).

use rustls::SignatureScheme;

use super::ClientTls;
use crate::tls::{
    EarlyData, Level, Resumption, Session,
    groups::Group,
    key_schedule::{KeySchedule, hash_length, suite_number},
    message::{
        ClientHello, Extension, HOST_NAME, LEGACY_VERSION, Message, OfferedKeys, PSK_DHE_KE,
        TLS_1_3, binders, bytes, encode, extension_type as kind, list_of_shorts, offered_keys,
        protocol_names, server_names, shares,
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
        let suites = self.config.suites.iter().copied();
        let hello = ClientHello {
            legacy_version: LEGACY_VERSION,
            random: self.random,
            session_id: Vec::new(),
            suites: suites.map(suite_number).collect(),
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
            let names = vec![(HOST_NAME, name.clone().into_bytes())];
            list.push((kind::SERVER_NAME, encode(names, server_names)));
        }
        let groups = config.groups.iter().copied().map(Group::number).collect();
        list.push((kind::SUPPORTED_GROUPS, encode(groups, list_of_shorts(2))));
        let schemes = encode(self.signature_schemes(), list_of_shorts(2));
        list.push((kind::SIGNATURE_ALGORITHMS, schemes));
        if !config.alpn.is_empty() {
            list.push((kind::ALPN, encode(config.alpn.clone(), protocol_names)));
        }
        let versions = encode(vec![TLS_1_3], list_of_shorts(1));
        list.push((kind::SUPPORTED_VERSIONS, versions));
        // Without it a server gives no tickets.
        let modes = encode(vec![PSK_DHE_KE], bytes(1));
        list.push((kind::PSK_KEY_EXCHANGE_MODES, modes));
        let ours = self.shares.iter();
        let ours = ours.map(|share| (share.group.number(), share.public.clone()));
        list.push((kind::KEY_SHARE, encode(ours.collect(), shares)));
        let parameters = config.parameters.clone();
        list.push((kind::QUIC_TRANSPORT_PARAMETERS, parameters));
        if let Some(cookie) = self.retry.as_ref().and_then(|retry| retry.cookie.as_ref()) {
            list.push((kind::COOKIE, encode(cookie.clone(), bytes(2))));
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
        let placeholder = encode(empty_binders(session), binders);
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
        self.exchange
            .install_early(session.suite, &session.key, self.random);
    }
}

fn pre_shared_key(resumption: &Resumption) -> Vec<u8> {
    let Resumption { session, age, .. } = resumption;
    // RFC 8446 §4.2.11.1.
    let obfuscated = (age.as_millis() as u32).wrapping_add(session.age_add);
    let offered = OfferedKeys {
        identities: vec![(session.ticket.clone(), obfuscated)],
        binders: empty_binders(session),
    };
    encode(offered, offered_keys)
}

/// Returns a list of one binder that is still to be filled in.
fn empty_binders(session: &Session) -> Vec<Vec<u8>> {
    vec![vec![0; hash_length(session.suite)]]
}
