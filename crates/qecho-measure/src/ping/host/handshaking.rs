//! A new connection each time.

use std::time::Duration;

use bytes::Bytes;
use qecho_echo::dial::{CODE_DONE, Offers};
use qecho_engine::{Connection, EarlyData, ShardContext, TlsError};

use super::{
    super::{
        config::{Config, Destination},
        early::{self, EarlyMessage},
        payload::Payload,
        probes::Probe,
        report::Failure,
        work::{Context, Work},
    },
    Host, Stage, Tell,
};

impl Host {
    /// Begins the next handshake if it is due.
    pub(super) fn begin_handshake(&mut self, context: &mut ShardContext<'_, ()>, tell: Tell<'_>) {
        let Some(probe) = self.probes.take(context.now()) else {
            return;
        };
        if let Work::Handshakes(handshakes) = &mut self.work {
            handshakes.complete = None;
            handshakes.early = None;
            // Until the right address is found, that search is no lateness.
            handshakes.lateness = match self.was_connected {
                true => context.now().saturating_duration_since(probe.intended),
                false => Duration::ZERO,
            };
        }
        if let Err(error) = self.renew_offers() {
            let failure = Failure::Broken(error.to_string());
            return self.end(None, context.now(), Err(failure), tell);
        }
        self.dial(context, tell);
        self.send_early(context, probe);
    }

    /// Sends a message with the first packets, where the server has allowed it.
    fn send_early(&mut self, context: &mut ShardContext<'_, ()>, probe: Probe) {
        if !matches!(self.stage, Stage::Dialing) || !self.settings.early_data {
            return;
        }
        let attempts: Vec<_> = self.dialer.connections().collect();
        for key in attempts {
            if let Some((mut connection, ())) = context.connection(key)
                && connection.can_send_early()
            {
                self.send_message(&mut connection, probe);
            }
        }
    }

    /// Sends what may be sent before anything is known of the server's mind.
    fn send_message(&mut self, connection: &mut Connection<'_>, probe: Probe) {
        let epoch = self.epoch.unwrap_or(probe.intended);
        let message = match early::is_echoed(&self.settings.alpn) {
            true => Payload::of(probe, epoch, self.settings.size).bytes(),
            false => Bytes::new(),
        };
        if let Work::Handshakes(handshakes) = &mut self.work {
            handshakes.early = EarlyMessage::send(connection, probe.sequence, message);
        }
    }

    /// Sends the message that could not be sent before, or was rejected.
    pub(super) fn send_now(&mut self, connection: &mut Connection<'_>) {
        let accepted = connection
            .handshake()
            .is_some_and(|handshake| handshake.early_data == Some(EarlyData::Accepted));
        let is_asked = self.settings.early_data && early::is_echoed(&self.settings.alpn);
        if let Work::Handshakes(handshakes) = &mut self.work
            && !accepted
        {
            handshakes.early = None;
        }
        if let (Some(probe), false, true) = (self.probes.current(), accepted, is_asked) {
            self.send_message(connection, probe);
        }
    }

    /// Decides what the next connection offers, and whether it knows of those
    /// before.
    fn renew_offers(&mut self) -> Result<(), TlsError> {
        let mut offers = match self.settings.resume {
            true => self.offers.clone(),
            false => offers(&self.settings, &self.destination)?,
        };
        if self.without_alpn {
            offers.first = offers.without_alpn.take().unwrap_or(offers.first);
        }
        self.offers = offers;
        Ok(())
    }

    /// Ends the connection of a handshake that has come as far as it will.
    pub(super) fn finish_handshake(
        &mut self,
        connection: &mut Connection<'_>,
        patience_ends: bool,
        tell: Tell<'_>,
    ) {
        let Work::Handshakes(handshakes) = &mut self.work else {
            return;
        };
        let now = connection.now();
        let mut context = Context {
            connection,
            probes: &mut self.probes,
            findings: &self.findings,
            epoch: self.epoch.unwrap_or(now),
            size: self.settings.size,
            early_data: self.settings.early_data,
            tell,
        };
        if handshakes.finish(&mut context, patience_ends) {
            connection.close(CODE_DONE, "");
            self.stage = Stage::Idle;
        }
    }
}

/// Returns what is offered, with no memory of an earlier connection.
pub(super) fn offers(settings: &Config, destination: &Destination) -> Result<Offers, TlsError> {
    let Config {
        identity, key_log, ..
    } = settings;
    let verifier = &destination.verifier;
    let mut offers = settings
        .alpn
        .offers(verifier, identity.as_ref(), key_log.as_ref())?;
    if settings.early_data {
        offers.first = offers.first.with_early_data();
        offers.without_alpn = offers.without_alpn.map(|other| other.with_early_data());
    }
    Ok(offers)
}
