//! Sessions that go on: pre-shared keys, 0-RTT data, new tickets (RFC 8446 §4.2.10, §4.2.11,
//! §4.6.1).

use qecho_packet::protection::Suite;

use super::ServerTls;
use crate::tls::{
    EarlyData, Level, TlsError,
    key_schedule::{KeySchedule, hash_length, resumption_key, suite_number},
    message::{
        ClientHello, EARLY_DATA_ALLOWED, Message, NewSessionTicket, OfferedKeys, PSK_DHE_KE, bytes,
        decoded, extension_type as kind, offered_keys,
    },
    rules::code,
    tickets::TicketContent,
};

/// A session that goes on.
pub(super) struct Resumed {
    /// Number of the key among those that were offered.
    pub(super) index: u16,
    pub(super) suite: Suite,
    pub(super) ticket: TicketContent,
}

impl ServerTls {
    /// Returns the suite of the session that a ClientHello would resume, whether its binder is
    /// right or not.
    pub(super) fn resumed_suite(&self, hello: &ClientHello) -> Option<Suite> {
        let offered = decoded(&hello.extensions, kind::PRE_SHARED_KEY, offered_keys);
        let found = self.find_ticket(&offered.ok()??, |_| true);
        found.map(|resumed| resumed.suite)
    }

    /// Returns the session that a ClientHello resumes with a suite.
    pub(super) fn resumed(
        &self,
        hello: &ClientHello,
        hello_bytes: &[u8],
        suite: Suite,
    ) -> Result<Option<Resumed>, TlsError> {
        let offered = decoded(&hello.extensions, kind::PRE_SHARED_KEY, offered_keys)?;
        let Some(offered) = offered else {
            return Ok(None);
        };
        if !has_key_exchange(hello)? {
            return Ok(None);
        }
        let fits = |other| hash_length(other) == hash_length(suite);
        let Some(resumed) = self.find_ticket(&offered, fits) else {
            return Ok(None);
        };
        let binders: usize = offered.binders.iter().map(|binder| 1 + binder.len()).sum();
        let end = hello_bytes.len().saturating_sub(2 + binders);
        let transcript = &self.exchange.transcript;
        let transcript = transcript.hash_with(suite, &hello_bytes[..end]);
        let expected = KeySchedule::new(suite, Some(&resumed.ticket.key)).binder(&transcript);
        let binder = offered.binders.get(usize::from(resumed.index));
        let error = TlsError::new(code::DECRYPT_ERROR, "client has not the key of its ticket");
        match binder == Some(&expected) {
            true => Ok(Some(resumed)),
            false => Err(error),
        }
    }

    fn find_ticket(&self, offered: &OfferedKeys, fits: impl Fn(Suite) -> bool) -> Option<Resumed> {
        let key = &self.config.tickets.as_ref()?.key;
        let mut identities = (0..).zip(&offered.identities);
        identities.find_map(|(index, (identity, _))| {
            let ticket = TicketContent::open(key, identity)?;
            let suite = ticket.suite().filter(|suite| fits(*suite))?;
            Some(Resumed {
                index,
                suite,
                ticket,
            })
        })
    }

    /// Decides about 0-RTT data, and gives out their keys if they are taken.
    pub(super) fn decide_early_data(
        &mut self,
        hello: &ClientHello,
        suite: Suite,
        resumed: Option<&Resumed>,
    ) {
        if self.negotiated.early_data != EarlyData::Offered {
            return;
        }
        self.negotiated.early_data = EarlyData::Rejected;
        let (Some(resumed), Some(tickets)) = (resumed, &self.config.tickets) else {
            return;
        };
        let ticket = &resumed.ticket;
        let is_possible = tickets.early_data && ticket.early_data == 1 && resumed.index == 0;
        let alpn = self.negotiated.alpn.as_deref().unwrap_or_default();
        if is_possible
            && (resumed.suite, &ticket.alpn[..]) == (suite, alpn)
            && ticket.state == tickets.state
        {
            self.negotiated.early_data = EarlyData::Accepted;
            self.exchange
                .install_early(suite, &ticket.key, hello.random);
        }
    }

    /// Sends the tickets of a connection, if its client can use them.
    pub(super) fn send_tickets(&mut self, suite: Suite, resumption_master: &[u8]) {
        let Some(tickets) = self.config.tickets.clone() else {
            return;
        };
        let hello = self.hello.as_ref();
        if !hello.is_some_and(|hello| has_key_exchange(hello).unwrap_or(false)) {
            return;
        }
        for number in 0..tickets.count {
            let content = TicketContent {
                suite: suite_number(suite),
                key: resumption_key(suite, resumption_master, &[number]),
                alpn: self.negotiated.alpn.clone().unwrap_or_default(),
                early_data: tickets.early_data.into(),
                state: tickets.state.clone(),
            };
            let [seal_nonce, age_add] = [self.exchange.draw(), self.exchange.draw()];
            let seal_nonce = *seal_nonce.first_chunk().expect("it is longer");
            let age_add = u32::from_be_bytes(*age_add.first_chunk().expect("it is longer"));
            let early_data = (kind::EARLY_DATA, EARLY_DATA_ALLOWED.to_be_bytes().to_vec());
            let message = Message::NewSessionTicket(NewSessionTicket {
                lifetime: tickets.lifetime.as_secs().try_into().unwrap_or(u32::MAX),
                age_add,
                nonce: vec![number],
                ticket: content.seal(&tickets.key, seal_nonce),
                extensions: tickets
                    .early_data
                    .then_some(early_data)
                    .into_iter()
                    .collect(),
            });
            self.exchange.send(Level::OneRtt, message);
        }
    }
}

/// Tells whether a client resumes with a key exchange, the only way that is spoken here.
fn has_key_exchange(hello: &ClientHello) -> Result<bool, TlsError> {
    let modes = decoded(&hello.extensions, kind::PSK_KEY_EXCHANGE_MODES, bytes(1))?;
    Ok(modes.is_some_and(|modes| modes.contains(&PSK_DHE_KE)))
}
