//! The server's choice of keys: ServerHello and HelloRetryRequest (RFC 8446 §4.1.3, §4.1.4).

use qecho_packet::protection::Suite;

use super::{ClientTls, State};
use crate::tls::{
    Level, TlsError, TlsRule,
    exchange::HANDSHAKE_LABELS,
    groups::{Group, KeyShare},
    key_schedule::{KeySchedule, hash_length, suite_number, suite_of},
    message::{
        ServerHello, TLS_1_3, client_shares, cookie, extension_type as kind, number, numbers,
        server_share,
    },
    rules::{Place, code},
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
        let rules = &self.exchange.rules;
        let same = self.retry.as_ref().is_none_or(|retry| retry.suite == suite);
        let reason = "another cipher suite than in HelloRetryRequest";
        rules.require(TlsRule::SuiteAfterRetry, same, reason)?;
        self.exchange.transcript.add(bytes);

        let psk = self.selected_psk(hello, suite)?;
        let (group, secret) = self.agree(hello)?;
        let schedule = KeySchedule::new(suite, psk.as_deref()).into_handshake(&secret);
        let transcript = self.exchange.transcript.hash(suite);
        self.handshake = schedule.traffic("hs traffic", &transcript);
        self.schedule = Some(schedule);
        self.negotiated.suite = Some(suite);
        self.negotiated.group = Some(group);
        self.negotiated.resumed = psk.is_some();

        self.exchange.advance(Level::Handshake)?;
        let secrets = self.handshake.clone();
        self.exchange.log(HANDSHAKE_LABELS, self.random, &secrets);
        let (local, remote) = (Some(&*secrets.client), Some(&*secrets.server));
        self.exchange
            .install(Level::Handshake, suite, local, remote);
        self.state = State::EncryptedExtensions;
        Ok(())
    }

    /// Checks what a ServerHello and a HelloRetryRequest have in common; returns the suite.
    fn check_choices(&self, hello: &ServerHello) -> Result<Suite, TlsError> {
        let rules = &self.exchange.rules;
        let version = hello.extension(kind::SUPPORTED_VERSIONS);
        let reason = "server speaks TLS 1.2 or older";
        rules.require(TlsRule::Version, version.is_some(), reason)?;
        let version = version.map(number).transpose()?.unwrap_or(TLS_1_3);
        let reason = format!("server selects version {version:#06x}");
        rules.require(TlsRule::SelectedVersion, version == TLS_1_3, reason)?;
        let same = hello.session_id == self.hello.session_id;
        let reason = "server gives back another session ID";
        rules.require(TlsRule::SessionIdEcho, same, reason)?;
        let reason = format!("server selects compression {}", hello.compression);
        rules.require(TlsRule::Compression, hello.compression == 0, reason)?;
        let offered = self.hello.suites.contains(&hello.suite);
        let reason = format!("server selects cipher suite {:#06x}", hello.suite);
        rules.require(TlsRule::SuiteOffered, offered, &reason)?;
        let place = if hello.is_retry_request() {
            Place::HelloRetryRequest
        } else {
            Place::ServerHello
        };
        rules.check_extensions(place, &hello.extensions, &self.hello.extensions)?;
        suite_of(hello.suite).ok_or(TlsError::new(code::ILLEGAL_PARAMETER, reason))
    }

    fn read_retry_request(
        &mut self,
        hello: &ServerHello,
        bytes: &[u8],
        suite: Suite,
    ) -> Result<(), TlsError> {
        let rules = &self.exchange.rules;
        let reason = "second HelloRetryRequest";
        if self.retry.is_some() {
            return rules.require(TlsRule::SecondRetry, false, reason);
        }
        let cookie = hello.extension(kind::COOKIE).map(cookie).transpose()?;
        let group = hello.extension(kind::KEY_SHARE).map(number).transpose()?;
        let changes = cookie.is_some() || group.is_some();
        let reason = "HelloRetryRequest that changes nothing";
        rules.require(TlsRule::RetryChanges, changes, reason)?;
        if let Some(group) = group {
            self.check_retry_group(group)?;
            let reason = "HelloRetryRequest for a group that is unknown here";
            let error = TlsError::new(code::ILLEGAL_PARAMETER, reason);
            let group = Group::from_number(group).ok_or(error)?;
            self.shares = vec![KeyShare::generate(group, &mut self.seeds)];
        }
        self.exchange.transcript.restart(suite);
        self.exchange.transcript.add(bytes);
        self.negotiated.retried = true;
        self.negotiated.reject_early_data();
        self.retry = Some(Retry { suite, cookie });
        self.send_hello();
        Ok(())
    }

    fn check_retry_group(&self, group: u16) -> Result<(), TlsError> {
        let supported = self.hello.extension(kind::SUPPORTED_GROUPS);
        let supported = supported.and_then(|list| numbers(list, 2).ok());
        let shares = self.hello.extension(kind::KEY_SHARE);
        let shares = shares.and_then(|list| client_shares(list).ok());
        let holds = supported.is_some_and(|supported| supported.contains(&group))
            && !shares.is_some_and(|shares| shares.iter().any(|(other, _)| *other == group));
        let reason = format!("HelloRetryRequest for group {group:#06x}");
        let rules = &self.exchange.rules;
        rules.require(TlsRule::RetryGroup, holds, reason)
    }

    /// Returns the pre-shared key that the server has selected.
    fn selected_psk(&self, hello: &ServerHello, suite: Suite) -> Result<Option<Vec<u8>>, TlsError> {
        let Some(selected) = hello.extension(kind::PRE_SHARED_KEY) else {
            return Ok(None);
        };
        let selected = number(selected)?;
        let session = self.offered_resumption().map(|offered| &offered.session);
        let fitting = session.filter(|session| hash_length(session.suite) == hash_length(suite));
        let holds = selected == 0 && fitting.is_some();
        let reason = format!(
            "server selects pre-shared key {selected} with suite {:#06x}",
            suite_number(suite)
        );
        let rules = &self.exchange.rules;
        rules.require(TlsRule::SelectedPsk, holds, reason)?;
        Ok(session.map(|session| session.key.clone()))
    }

    fn agree(&self, hello: &ServerHello) -> Result<(Group, Vec<u8>), TlsError> {
        let rules = &self.exchange.rules;
        let share = hello.extension(kind::KEY_SHARE);
        let reason = "ServerHello without key_share";
        rules.require(TlsRule::RequiredExtension, share.is_some(), reason)?;
        let (group, key) = server_share(share.unwrap_or_default())?;
        let ours = self.shares.iter().find(|ours| ours.group.number() == group);
        let reason = format!("server's share is of group {group:#06x}");
        rules.require(TlsRule::ShareOffered, ours.is_some(), reason)?;
        let secret = ours.and_then(|ours| Some((ours.group, ours.agree(&key)?)));
        let reason = format!("server's share of group {group:#06x} is invalid");
        secret.ok_or(TlsError::new(code::ILLEGAL_PARAMETER, reason))
    }
}
