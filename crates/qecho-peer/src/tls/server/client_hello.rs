//! The client's offer, and the choice from it (RFC 8446 §4.1.2, §4.2).

use qecho_packet::protection::Suite;
use rustls::SignatureScheme;

use super::{
    ServerTls, State,
    flight::{server_hello, suite_in},
};
use crate::tls::{
    EarlyData, Level, Output, TlsError, TlsRule,
    groups::Group,
    key_schedule::suite_number,
    message::{
        ClientHello, ServerHello, Share, TLS_1_3, decoded, extension_type as kind, list_of_shorts,
        protocol_names, server_names, shares,
    },
    rules::code,
};

/// A HelloRetryRequest that was sent.
pub(super) struct Retried {
    suite: Suite,
    group: Group,
}

/// Choice from a client's offer.
pub(super) struct Choice {
    pub(super) suite: Suite,
    pub(super) group: Group,
    /// The client's share of the group.
    pub(super) share: Vec<u8>,
}

impl ServerTls {
    pub(super) fn read_client_hello(
        &mut self,
        hello: ClientHello,
        message: &[u8],
    ) -> Result<(), TlsError> {
        self.hello = Some(hello.clone());
        self.check_hello(&hello)?;
        let (groups, shares) = self.groups_and_shares(&hello)?;
        self.negotiated.alpn = self.choose_protocol(&hello)?;
        if hello.extension(kind::EARLY_DATA).is_some() && self.retried.is_none() {
            self.negotiated.early_data = EarlyData::Offered;
        }
        let suite = self.choose_suite(&hello)?;
        let group = self.choose_group(&groups, &shares)?;
        let share = shares.iter().find(|(number, _)| *number == group.number());
        let Some((_, share)) = share else {
            return self.send_retry_request(&hello, message, suite, group);
        };
        let choice = Choice {
            suite,
            group,
            share: share.clone(),
        };
        let parameters = hello.extension(kind::QUIC_TRANSPORT_PARAMETERS);
        let rule = TlsRule::TransportParameters;
        self.exchange.require(rule, parameters.is_some())?;
        if let Some(parameters) = parameters {
            let parameters = Output::PeerParameters(parameters.to_vec());
            self.exchange.output(parameters);
        }
        self.answer(&hello, message, choice)?;
        self.state = State::Finished;
        Ok(())
    }

    /// Checks what needs no choice.
    fn check_hello(&self, hello: &ClientHello) -> Result<(), TlsError> {
        let (exchange, extensions) = (&self.exchange, &hello.extensions);
        let versions = decoded(extensions, kind::SUPPORTED_VERSIONS, list_of_shorts(1))?;
        let speaks = versions.is_some_and(|versions| versions.contains(&TLS_1_3));
        exchange.require(TlsRule::Version, speaks)?;
        exchange.require(TlsRule::SessionId, hello.session_id.is_empty())?;
        let schemes = decoded(extensions, kind::SIGNATURE_ALGORITHMS, list_of_shorts(2))?;
        let ours = u16::from(SignatureScheme::ECDSA_NISTP256_SHA256);
        if schemes.is_some_and(|schemes| !schemes.contains(&ours)) {
            let reason = "client verifies no signature of ECDSA P-256";
            return Err(TlsError::new(code::HANDSHAKE_FAILURE, reason));
        }
        decoded(extensions, kind::SERVER_NAME, server_names)?;
        Ok(())
    }

    fn groups_and_shares(&self, hello: &ClientHello) -> Result<(Vec<u16>, Vec<Share>), TlsError> {
        let groups = decoded(&hello.extensions, kind::SUPPORTED_GROUPS, list_of_shorts(2))?;
        let shares = decoded(&hello.extensions, kind::KEY_SHARE, shares)?;
        Ok((groups.unwrap_or_default(), shares.unwrap_or_default()))
    }

    fn choose_protocol(&self, hello: &ClientHello) -> Result<Option<Vec<u8>>, TlsError> {
        let Some(offered) = decoded(&hello.extensions, kind::ALPN, protocol_names)? else {
            return Ok(None);
        };
        let chosen = self.config.alpn.iter().find(|name| offered.contains(name));
        let reason = "client offers no application protocol that is spoken here";
        let rule = TlsRule::AlpnAgreed;
        self.exchange.require_as(rule, chosen.is_some(), reason)?;
        Ok(chosen.cloned())
    }

    fn choose_suite(&self, hello: &ClientHello) -> Result<Suite, TlsError> {
        let spoken = |suite: &Suite| {
            hello.suites.contains(&suite_number(*suite)) && self.config.suites.contains(suite)
        };
        if let Some(retried) = &self.retried {
            return Ok(retried.suite);
        }
        // A session goes on with its own suite, that early data may.
        let chosen = self.resumed_suite(hello).filter(spoken);
        let chosen = chosen.or_else(|| self.config.suites.iter().copied().find(spoken));
        let reason = "client offers no cipher suite that is spoken here";
        chosen.ok_or(TlsError::new(code::HANDSHAKE_FAILURE, reason))
    }

    fn choose_group(&self, groups: &[u16], shares: &[Share]) -> Result<Group, TlsError> {
        if let Some(retried) = &self.retried {
            return Ok(retried.group);
        }
        let shared = |group: &&Group| shares.iter().any(|(other, _)| *other == group.number());
        let supported = |group: &&Group| groups.contains(&group.number());
        let ours = &self.config.groups;
        let chosen = ours.iter().find(shared);
        let chosen = chosen.or_else(|| ours.iter().find(supported));
        let reason = "client offers no group that is spoken here";
        chosen
            .copied()
            .ok_or(TlsError::new(code::HANDSHAKE_FAILURE, reason))
    }

    fn send_retry_request(
        &mut self,
        hello: &ClientHello,
        message: &[u8],
        suite: Suite,
        group: Group,
    ) -> Result<(), TlsError> {
        if self.retried.is_some() {
            let reason = "second ClientHello without the share that was asked for";
            return Err(TlsError::new(code::ILLEGAL_PARAMETER, reason));
        }
        let version = TLS_1_3.to_be_bytes().to_vec();
        let share = group.number().to_be_bytes().to_vec();
        let extensions = vec![
            (kind::SUPPORTED_VERSIONS, version),
            (kind::KEY_SHARE, share),
        ];
        let request = server_hello(hello, ServerHello::RETRY_RANDOM, suite, extensions);
        let request = self.exchange.edited(request);
        let suite = suite_in(&request, suite);
        self.exchange.transcript.add(message);
        self.exchange.transcript.restart(suite);
        self.exchange.send_bytes(Level::Initial, request.encode());
        self.negotiated.retried = true;
        self.negotiated.reject_early_data();
        self.retried = Some(Retried { suite, group });
        Ok(())
    }
}
