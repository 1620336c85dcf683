//! The server's answer to a ClientHello: ServerHello to Finished (RFC 8446 §2).

use qecho_packet::protection::Suite;
use rustls::SignatureScheme;

use super::{ServerTls, client_hello::Choice, resumption::Resumed};
use crate::tls::{
    EarlyData, Level, TlsError,
    exchange::{APPLICATION_LABELS, HANDSHAKE_LABELS},
    groups,
    key_schedule::{KeySchedule, suite_number, suite_of, verify_data},
    message::{
        Certificate, CertificateVerify, ClientHello, Extension, LEGACY_VERSION, Message,
        ServerHello, TLS_1_3, extension_type as kind, write_protocol_names, write_share,
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
        let answer = groups::respond(choice.group, &choice.share, &mut self.seeds);
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
        let transcript = self.exchange.transcript.hash(suite);
        let secrets = schedule.traffic("hs traffic", &transcript);
        self.exchange.log(HANDSHAKE_LABELS, hello.random, &secrets);
        let (local, remote) = (Some(&*secrets.server), Some(&*secrets.client));
        self.exchange
            .install(Level::Handshake, suite, local, remote);
        self.handshake = secrets;

        self.send_encrypted_extensions();
        if resumed.is_none() {
            self.send_identity(suite);
        }
        let transcript = self.exchange.transcript.hash(suite);
        let data = verify_data(suite, &self.handshake.server, &transcript);
        self.exchange
            .send(Level::Handshake, Message::Finished(data));

        let master = schedule.into_master();
        let transcript = self.exchange.transcript.hash(suite);
        let secrets = master.traffic("ap traffic", &transcript);
        self.exchange
            .log(APPLICATION_LABELS, hello.random, &secrets);
        // RFC 9001 §5.7: what the client sends is read once the handshake is complete.
        let (local, remote) = (Some(&*secrets.server), Some(&*secrets.client));
        let remote = remote.filter(|_| self.config.reads_early);
        self.exchange.install(Level::OneRtt, suite, local, remote);
        self.application = secrets;
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
        let share = write_share(choice.group.number(), share);
        let version = TLS_1_3.to_be_bytes().to_vec();
        let mut extensions = vec![
            (kind::SUPPORTED_VERSIONS, version),
            (kind::KEY_SHARE, share),
        ];
        if let Some(resumed) = resumed {
            let index = resumed.index.to_be_bytes().to_vec();
            extensions.push((kind::PRE_SHARED_KEY, index));
        }
        let hello = Message::ServerHello(ServerHello {
            legacy_version: LEGACY_VERSION,
            random: self.seeds.draw(),
            session_id: hello.session_id.clone(),
            suite: suite_number(choice.suite),
            compression: 0,
            extensions,
        });
        match self.exchange.send(Level::Initial, hello) {
            Message::ServerHello(sent) => suite_of(sent.suite).unwrap_or(choice.suite),
            _ => choice.suite,
        }
    }

    fn send_encrypted_extensions(&mut self) {
        let mut extensions: Vec<Extension> = Vec::new();
        if let Some(name) = &self.negotiated.alpn {
            let names = std::slice::from_ref(name);
            extensions.push((kind::ALPN, write_protocol_names(names)));
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
