//! The client's offer, and the choice from it (RFC 8446 §4.1.2, §4.2).

use qecho_packet::protection::Suite;
use rustls::SignatureScheme;

use super::{ServerTls, State};
use crate::tls::{
    EarlyData, Level, Output, TlsError, TlsRule,
    groups::Group,
    key_schedule::{suite_number, suite_of},
    message::{
        self, ClientHello, Extension, LEGACY_VERSION, Message, ServerHello, TLS_1_3, client_shares,
        extension_type as kind, numbers, protocol_names, write_vector,
    },
    rules::{Place, code},
};

/// A HelloRetryRequest that was sent.
pub(super) struct Retried {
    hello: ClientHello,
    suite: Suite,
    group: Group,
    /// Whether a share of the group was asked for.
    asked: bool,
}

/// What is chosen of a client's offer.
pub(super) struct Choice {
    pub(super) suite: Suite,
    pub(super) group: Group,
    /// The client's share of the group.
    pub(super) share: Vec<u8>,
}

/// Groups and keys of a client's shares.
type Shares = Vec<(u16, Vec<u8>)>;

impl ServerTls {
    pub(super) fn read_client_hello(
        &mut self,
        hello: ClientHello,
        bytes: &[u8],
    ) -> Result<(), TlsError> {
        self.hello = Some(hello.clone());
        self.check_hello(&hello)?;
        let (groups, shares) = self.groups_and_shares(&hello)?;
        if let Some(retried) = &self.retried {
            self.check_second_hello(retried, &hello, &shares)?;
        }
        self.negotiated.alpn = self.choose_protocol(&hello)?;
        if hello.extension(kind::EARLY_DATA).is_some() && self.retried.is_none() {
            self.negotiated.early_data = EarlyData::Offered;
        }
        let suite = self.choose_suite(&hello)?;
        let group = self.choose_group(&groups, &shares)?;
        let share = shares.iter().find(|(number, _)| *number == group.number());
        let cookie_due = self.config.cookie.is_some() && self.retried.is_none();
        let (Some((_, share)), false) = (share, cookie_due) else {
            let asked = share.is_none();
            return self.send_retry_request(hello, bytes, suite, group, asked);
        };
        let choice = Choice {
            suite,
            group,
            share: share.clone(),
        };
        let parameters = hello.extension(kind::QUIC_TRANSPORT_PARAMETERS);
        let reason = "ClientHello without quic_transport_parameters";
        let rules = &self.exchange.rules;
        rules.require(TlsRule::TransportParameters, parameters.is_some(), reason)?;
        if let Some(parameters) = parameters {
            self.exchange
                .output(Output::PeerParameters(parameters.to_vec()));
        }
        self.answer(&hello, bytes, choice)?;
        self.state = State::Finished;
        Ok(())
    }

    /// Checks what needs no choice.
    fn check_hello(&self, hello: &ClientHello) -> Result<(), TlsError> {
        let rules = &self.exchange.rules;
        let versions = hello.extension(kind::SUPPORTED_VERSIONS);
        let versions = versions.map(|list| numbers(list, 1)).transpose()?;
        let speaks = versions.is_some_and(|versions| versions.contains(&TLS_1_3));
        rules.require(TlsRule::Version, speaks, "client does not speak TLS 1.3")?;
        let reason = "client's legacy_session_id is not empty";
        rules.require(TlsRule::SessionId, hello.session_id.is_empty(), reason)?;
        let reason = "client offers compression";
        rules.require(TlsRule::Compression, hello.compression == [0], reason)?;
        rules.check_extensions(Place::ClientHello, &hello.extensions, &[])?;
        let psk = hello
            .extensions
            .iter()
            .position(|(kind, _)| *kind == kind::PRE_SHARED_KEY);
        let last = psk.is_none_or(|position| position + 1 == hello.extensions.len());
        let reason = "pre_shared_key is not the last extension";
        rules.require(TlsRule::PskLast, last, reason)?;
        let schemes = hello.extension(kind::SIGNATURE_ALGORITHMS);
        let schemes = schemes.map(|list| numbers(list, 2)).transpose()?;
        let named = psk.is_some() || schemes.is_some();
        let reason = "ClientHello without signature_algorithms";
        rules.require(TlsRule::RequiredExtension, named, reason)?;
        let ours = u16::from(SignatureScheme::ECDSA_NISTP256_SHA256);
        if schemes.is_some_and(|schemes| !schemes.contains(&ours)) {
            let reason = "client verifies no signature of ECDSA P-256";
            return Err(TlsError::new(code::HANDSHAKE_FAILURE, reason));
        }
        let modes = hello.extension(kind::PSK_KEY_EXCHANGE_MODES);
        let reason = "pre_shared_key without psk_key_exchange_modes";
        let holds = psk.is_none() || modes.is_some();
        rules.require(TlsRule::RequiredExtension, holds, reason)?;
        if let Some(names) = hello.extension(kind::SERVER_NAME) {
            message::host_name(names)?;
        }
        Ok(())
    }

    fn groups_and_shares(&self, hello: &ClientHello) -> Result<(Vec<u16>, Shares), TlsError> {
        let rules = &self.exchange.rules;
        let groups = hello.extension(kind::SUPPORTED_GROUPS);
        let groups = groups.map(|list| numbers(list, 2)).transpose()?;
        // RFC 8446 §9.2: only one that offers nothing but a pre-shared key needs none of both.
        let psk_alone = hello.extension(kind::PRE_SHARED_KEY).is_some()
            && groups.is_none()
            && hello.extension(kind::KEY_SHARE).is_none();
        let holds = psk_alone || groups.is_some();
        let reason = "ClientHello without supported_groups";
        rules.require(TlsRule::RequiredExtension, holds, reason)?;
        let shares = hello
            .extension(kind::KEY_SHARE)
            .map(client_shares)
            .transpose()?;
        let reason = "ClientHello without key_share";
        let holds = psk_alone || shares.is_some();
        rules.require(TlsRule::RequiredExtension, holds, reason)?;
        let (groups, shares) = (groups.unwrap_or_default(), shares.unwrap_or_default());
        for (index, (group, _)) in shares.iter().enumerate() {
            let repeated = shares[..index].iter().any(|(other, _)| other == group);
            let reason = format!("two key shares of group {group:#06x}");
            rules.require(TlsRule::DuplicateShare, !repeated, reason)?;
            let reason = format!("key share of group {group:#06x}, which is not supported");
            rules.require(TlsRule::ShareSupported, groups.contains(group), reason)?;
        }
        Ok((groups, shares))
    }

    fn check_second_hello(
        &self,
        retried: &Retried,
        hello: &ClientHello,
        shares: &Shares,
    ) -> Result<(), TlsError> {
        let rules = &self.exchange.rules;
        let same = unchangeable(&retried.hello) == unchangeable(hello)
            && hello.extension(kind::EARLY_DATA).is_none();
        let reason = "second ClientHello differs from the first";
        rules.require(TlsRule::SecondHello, same, reason)?;
        let shares: Vec<u16> = shares.iter().map(|(group, _)| *group).collect();
        let cookie = hello
            .extension(kind::COOKIE)
            .map(message::cookie)
            .transpose()?;
        let answered =
            cookie == self.config.cookie && (!retried.asked || shares == [retried.group.number()]);
        let reason = "second ClientHello is not what HelloRetryRequest asked for";
        rules.require(TlsRule::RetryAnswered, answered, reason)
    }

    fn choose_protocol(&self, hello: &ClientHello) -> Result<Option<Vec<u8>>, TlsError> {
        let offered = hello
            .extension(kind::ALPN)
            .map(protocol_names)
            .transpose()?;
        let rules = &self.exchange.rules;
        let Some(offered) = offered else {
            let reason = "client offers no application protocol";
            rules.require(TlsRule::AlpnAgreed, self.config.alpn_optional, reason)?;
            return Ok(None);
        };
        let chosen = self.config.alpn.iter().find(|name| offered.contains(name));
        let reason = "client offers no application protocol that is spoken here";
        rules.require(TlsRule::AlpnAgreed, chosen.is_some(), reason)?;
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
        let resumed = self.first_ticket(hello).map(|ticket| ticket.suite);
        let chosen = resumed.filter(spoken);
        let chosen = chosen.or_else(|| self.config.suites.iter().copied().find(spoken));
        let reason = "client offers no cipher suite that is spoken here";
        chosen.ok_or(TlsError::new(code::HANDSHAKE_FAILURE, reason))
    }

    fn choose_group(&self, groups: &[u16], shares: &Shares) -> Result<Group, TlsError> {
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
        hello: ClientHello,
        bytes: &[u8],
        suite: Suite,
        group: Group,
        asked: bool,
    ) -> Result<(), TlsError> {
        if self.retried.is_some() {
            let reason = "second ClientHello without the share that was asked for";
            return Err(TlsError::new(code::ILLEGAL_PARAMETER, reason));
        }
        let version = TLS_1_3.to_be_bytes().to_vec();
        let mut extensions: Vec<Extension> = vec![(kind::SUPPORTED_VERSIONS, version)];
        if asked {
            let group = group.number().to_be_bytes().to_vec();
            extensions.push((kind::KEY_SHARE, group));
        }
        if let Some(cookie) = &self.config.cookie {
            extensions.push((kind::COOKIE, write_vector(cookie, 2)));
        }
        let request = Message::ServerHello(ServerHello {
            legacy_version: LEGACY_VERSION,
            random: ServerHello::RETRY_RANDOM,
            session_id: hello.session_id.clone(),
            suite: suite_number(suite),
            compression: 0,
            extensions,
        });
        let request = self.exchange.edited(request);
        let suite = match &request {
            Message::ServerHello(sent) => suite_of(sent.suite).unwrap_or(suite),
            _ => suite,
        };
        self.exchange.transcript.add(bytes);
        self.exchange.transcript.restart(suite);
        self.exchange.send_bytes(Level::Initial, request.encode());
        self.negotiated.retried = true;
        self.negotiated.early_data = match self.negotiated.early_data {
            EarlyData::Offered => EarlyData::Rejected,
            other => other,
        };
        self.retried = Some(Retried {
            hello,
            suite,
            group,
            asked,
        });
        Ok(())
    }
}

/// Returns a ClientHello without what a second one may change (RFC 8446 §4.1.2, draft-ietf-tls-esni §6.1.5),
/// and without the order of its extensions, of which nothing is said there.
fn unchangeable(hello: &ClientHello) -> ClientHello {
    let mut hello = hello.clone();
    hello.extensions.retain(|(kind, _)| {
        !matches!(
            *kind,
            kind::KEY_SHARE
                | kind::COOKIE
                | kind::PRE_SHARED_KEY
                | kind::PADDING
                | kind::EARLY_DATA
                | kind::ENCRYPTED_CLIENT_HELLO
        )
    });
    hello.extensions.sort();
    hello
}
