//! A new connection each time.

use std::time::Duration;

use qecho_engine::{Connection, Control, TlsError};

use super::{
    super::{
        config::{Config, Destination},
        report::Failure,
        work::{Context, Work},
    },
    CODE_DONE, Host, Stage, Tell,
};
use crate::dial::Offers;

impl Host {
    /// Begins the next handshake if it is due.
    pub(super) fn begin_handshake(&mut self, control: &mut Control<'_, ()>, tell: Tell<'_>) {
        let Some(probe) = self.probes.take(control.now()) else {
            return;
        };
        if let Work::Handshakes(handshakes) = &mut self.work {
            handshakes.complete = None;
            // Until the right address is found, that search is no lateness.
            handshakes.lateness = match self.was_connected {
                true => control.now().saturating_duration_since(probe.intended),
                false => Duration::ZERO,
            };
        }
        if let Err(error) = self.renew_offers() {
            let failure = Failure::Broken(error.to_string());
            return self.end(None, control.now(), Err(failure), tell);
        }
        self.dial(control, tell);
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
    let Destination { verifier, .. } = destination;
    settings
        .alpn
        .offers(verifier, None, settings.key_log.as_ref())
}
