//! The server's answer to a ClientHello: ServerHello to Finished (RFC 8446 §2).

use qecho_packet::{Side, protection::Suite};
use rustls::SignatureScheme;

use super::{ServerTls, client_hello::Choice, resumption::Resumed};
use crate::tls::{
    EarlyData, Level, TlsError, groups,
    key_schedule::{KeySchedule, suite_number, suite_of},
    message::{
        Certificate, CertificateVerify, ClientHello, Extension, LEGACY_VERSION, Message,
        ServerHello, TLS_1_3, encode, extension_type as kind, protocol_names, share as coded_share,
    },
    rules::code,
    signed_content,
};

impl ServerTls {
    pub(super) fn answer(
        &mut self,
        hello: &ClientHello,
        bytes: &[u8],
        choice: Choice,
    ) -> Result<(), TlsError> {
        let resumed = self.resumed(hello, bytes, choice.suite)?;
        let answer = groups::respond(choice.group, &choice.share, &mut self.exchange.random);
        let reason = "client's key share is invalid";
        let error = TlsError::new(code::ILLEGAL_PARAMETER, reason);
        let (share, secret) = answer.ok_or(error)?;
        self.exchange.advance(Level::Handshake)?;
        self.exchange.transcript.add(bytes);
        self.decide_early_data(hello, choice.suite, resumed.as_ref());
        self.negotiated.group = Some(choice.group);
        self.negotiated.resumed = resumed.is_some();

        let suite = self.send_server_hello(hello, &choice, &share, resumed.as_ref());
        self.negotiated.suite = Some(suite);
        let psk = resumed.as_ref().map(|resumed| &*resumed.ticket.key);
        let schedule = KeySchedule::new(suite, psk).into_handshake(&secret);
        let (level, random) = (Level::Handshake, hello.random);
        self.handshake = self.exchange.derive(level, &schedule, random);
        let both = [Side::Client, Side::Server];
        self.exchange.install(level, suite, &self.handshake, &both);

        self.send_encrypted_extensions();
        if resumed.is_none() {
            self.send_identity(suite);
        }
        self.exchange.send_finished(suite, &self.handshake);

        let master = schedule.into_master();
        self.application = self.exchange.derive(Level::OneRtt, &master, random);
        // RFC 9001 §5.7: what the client sends is read once the handshake is complete.
        let senders = match self.config.reads_early {
            true => &both[..],
            false => &[Side::Server],
        };
        self.exchange
            .install(Level::OneRtt, suite, &self.application, senders);
        self.master = Some(master);
        Ok(())
    }

    /// Sends ServerHello; returns the suite that it names.
    fn send_server_hello(
        &mut self,
        hello: &ClientHello,
        choice: &Choice,
        share: &[u8],
        resumed: Option<&Resumed>,
    ) -> Suite {
        let share = encode((choice.group.number(), share.to_vec()), coded_share);
        let version = TLS_1_3.to_be_bytes().to_vec();
        let mut extensions = vec![
            (kind::SUPPORTED_VERSIONS, version),
            (kind::KEY_SHARE, share),
        ];
        if let Some(resumed) = resumed {
            let index = resumed.index.to_be_bytes().to_vec();
            extensions.push((kind::PRE_SHARED_KEY, index));
        }
        let random = self.exchange.draw();
        let hello = server_hello(hello, random, choice.suite, extensions);
        suite_in(&self.exchange.send(Level::Initial, hello), choice.suite)
    }

    fn send_encrypted_extensions(&mut self) {
        let mut extensions: Vec<Extension> = Vec::new();
        if let Some(name) = &self.negotiated.alpn {
            extensions.push((kind::ALPN, encode(vec![name.clone()], protocol_names)));
        }
        let parameters = self.config.parameters.clone();
        extensions.push((kind::QUIC_TRANSPORT_PARAMETERS, parameters));
        if self.negotiated.early_data == EarlyData::Accepted {
            extensions.push((kind::EARLY_DATA, Vec::new()));
        }
        let message = Message::EncryptedExtensions(extensions);
        self.exchange.send(Level::Handshake, message);
    }

    /// Sends the chain, and the signature that shows that its key is here.
    fn send_identity(&mut self, suite: Suite) {
        let chain = self.config.chain.iter();
        let certificate = Certificate {
            context: Vec::new(),
            entries: chain.map(|der| (der.to_vec(), Vec::new())).collect(),
        };
        self.exchange
            .send(Level::Handshake, Message::Certificate(certificate));
        let transcript = self.exchange.transcript.hash(suite);
        let verify = CertificateVerify {
            scheme: SignatureScheme::ECDSA_NISTP256_SHA256.into(),
            signature: self.config.sign(&signed_content(&transcript)),
        };
        self.exchange
            .send(Level::Handshake, Message::CertificateVerify(verify));
    }
}

/// Returns a ServerHello, or a HelloRetryRequest by its random, that answers a ClientHello.
pub(super) fn server_hello(
    answered: &ClientHello,
    random: [u8; 32],
    suite: Suite,
    extensions: Vec<Extension>,
) -> Message {
    Message::ServerHello(ServerHello {
        legacy_version: LEGACY_VERSION,
        random,
        session_id: answered.session_id.clone(),
        suite: suite_number(suite),
        compression: 0,
        extensions,
    })
}

/// Returns the suite that a ServerHello names as it was sent; else the one that was chosen.
pub(super) fn suite_in(sent: &Message, chosen: Suite) -> Suite {
    match sent {
        Message::ServerHello(sent) => suite_of(sent.suite).unwrap_or(chosen),
        _ => chosen,
    }
}
