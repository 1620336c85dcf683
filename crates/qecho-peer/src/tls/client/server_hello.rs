//! The server's choice of keys: ServerHello and HelloRetryRequest (RFC 8446 §4.1.3, §4.1.4).

use qecho_packet::{Side, protection::Suite};

use super::{ClientTls, State};
use crate::tls::{
    Level, TlsError, TlsRule,
    groups::{Group, KeyShare},
    key_schedule::{KeySchedule, hash_length, suite_of},
    message::{ServerHello, TLS_1_3, bytes, decoded, extension_type as kind, share, short},
    rules::code,
};

/// A HelloRetryRequest that has come.
pub(super) struct Retry {
    pub(super) suite: Suite,
    pub(super) cookie: Option<Vec<u8>>,
}

impl ClientTls {
    pub(super) fn read_server_hello(
        &mut self,
        hello: &ServerHello,
        bytes: &[u8],
    ) -> Result<(), TlsError> {
        let suite = self.check_choices(hello)?;
        if hello.is_retry_request() {
            return self.read_retry_request(hello, bytes, suite);
        }
        self.exchange.transcript.add(bytes);

        let psk = self.selected_psk(hello, suite)?;
        let (group, secret) = self.agree(hello)?;
        let schedule = KeySchedule::new(suite, psk.as_deref()).into_handshake(&secret);
        self.negotiated.suite = Some(suite);
        self.negotiated.group = Some(group);
        self.negotiated.resumed = psk.is_some();
        self.exchange.advance(Level::Handshake)?;
        let (level, random) = (Level::Handshake, self.random);
        self.handshake = self.exchange.derive(level, &schedule, random);
        let senders = [Side::Client, Side::Server];
        self.exchange
            .install(level, suite, &self.handshake, &senders);
        self.schedule = Some(schedule);
        self.state = State::EncryptedExtensions;
        Ok(())
    }

    /// Checks what a ServerHello and a HelloRetryRequest have in common; returns the suite.
    fn check_choices(&self, hello: &ServerHello) -> Result<Suite, TlsError> {
        let exchange = &self.exchange;
        let version = decoded(&hello.extensions, kind::SUPPORTED_VERSIONS, short)?;
        let reason = "server speaks another version than TLS 1.3";
        exchange.require_as(TlsRule::Version, version == Some(TLS_1_3), reason)?;
        // A cookie comes unasked.
        let extensions = hello.extensions.iter().cloned();
        let answers: Vec<_> = extensions
            .filter(|(kind, _)| *kind != kind::COOKIE)
            .collect();
        exchange.check_answers(&answers, &self.hello.extensions)?;
        let reason = format!("server selects cipher suite {:#06x}", hello.suite);
        suite_of(hello.suite).ok_or(TlsError::new(code::ILLEGAL_PARAMETER, reason))
    }

    fn read_retry_request(
        &mut self,
        hello: &ServerHello,
        message: &[u8],
        suite: Suite,
    ) -> Result<(), TlsError> {
        if self.retry.is_some() {
            let reason = "second HelloRetryRequest";
            return Err(TlsError::new(code::UNEXPECTED_MESSAGE, reason));
        }
        let cookie = decoded(&hello.extensions, kind::COOKIE, bytes(2))?;
        let group = decoded(&hello.extensions, kind::KEY_SHARE, short)?;
        if let Some(group) = group {
            let reason = "HelloRetryRequest for a group that is unknown here";
            let error = TlsError::new(code::ILLEGAL_PARAMETER, reason);
            let group = Group::from_number(group).ok_or(error)?;
            self.shares = vec![KeyShare::generate(group, &mut self.exchange.random)];
        }
        self.exchange.transcript.restart(suite);
        self.exchange.transcript.add(message);
        self.negotiated.retried = true;
        self.negotiated.reject_early_data();
        self.retry = Some(Retry { suite, cookie });
        self.send_hello();
        Ok(())
    }

    /// Returns the pre-shared key that the server has selected.
    fn selected_psk(&self, hello: &ServerHello, suite: Suite) -> Result<Option<Vec<u8>>, TlsError> {
        let Some(selected) = decoded(&hello.extensions, kind::PRE_SHARED_KEY, short)? else {
            return Ok(None);
        };
        let session = self.offered_resumption().map(|offered| &offered.session);
        let session = session.filter(|it| hash_length(it.suite) == hash_length(suite));
        let reason = "server selects a key that was not offered";
        let error = TlsError::new(code::ILLEGAL_PARAMETER, reason);
        let session = session.filter(|_| selected == 0).ok_or(error)?;
        Ok(Some(session.key.clone()))
    }

    fn agree(&self, hello: &ServerHello) -> Result<(Group, Vec<u8>), TlsError> {
        let selected = decoded(&hello.extensions, kind::KEY_SHARE, share)?;
        let (group, key) = selected.unwrap_or_default();
        let ours = self.shares.iter().find(|ours| ours.group.number() == group);
        let secret = ours.and_then(|ours| Some((ours.group, ours.agree(&key)?)));
        let reason = format!("server's share of group {group:#06x} is invalid");
        secret.ok_or(TlsError::new(code::ILLEGAL_PARAMETER, reason))
    }
}
