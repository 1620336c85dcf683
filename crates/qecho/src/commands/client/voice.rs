//! What the client's command says, in the form that was asked for.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use anyhow::{Error, anyhow};
use qecho_cert::TrustVerifier;
use qecho_engine::{CloseReason, event};
use qecho_tools::{
    client::{self, ClientEvent, Echoed, Report},
    dial::{Alpn, DialFailure},
};

use crate::{
    args::{ClientArguments, Format, Place},
    ending::{Ending, Failure},
    render,
};

/// The voice of one run.
pub(super) struct Voice {
    place: Place,
    format: Format,
    alpn: Alpn,
    insecure: bool,
    shows_certificate: bool,
    verifier: Arc<TrustVerifier>,
    /// Whether `Connecting to …` waits for the rest of its line.
    line_open: bool,
}

impl Voice {
    pub(super) fn new(arguments: &ClientArguments, verifier: Arc<TrustVerifier>) -> Self {
        Self {
            place: arguments.place.clone(),
            format: arguments.format,
            alpn: arguments.alpn.clone(),
            insecure: arguments.insecure,
            shows_certificate: arguments.cert.is_some(),
            verifier,
            line_open: false,
        }
    }

    /// Says whom the client is about to reach.
    pub(super) fn connecting(&mut self) {
        if self.insecure {
            say(
                "warning: --insecure trusts anybody; anyone in between can read and change everything\n",
            );
        }
        if self.format == Format::Text {
            say(&format!("Connecting to {} …", self.place));
            self.line_open = true;
        }
    }

    /// Ends a line that waits for its rest.
    pub(super) fn end_line(&mut self) {
        if std::mem::take(&mut self.line_open) {
            say("\n");
        }
    }

    /// Says what the client tells; its end is for [`ended`](Self::ended).
    pub(super) fn tell(&mut self, event: &ClientEvent) -> io::Result<()> {
        match event {
            ClientEvent::WithoutAlpn => self.without_alpn(),
            ClientEvent::Connected(connected) => self.connected(connected),
            ClientEvent::Echoed(echoed) => self.echoed(echoed),
            ClientEvent::Lost { number, .. } => {
                let mut out = io::stdout().lock();
                match self.format {
                    Format::Text => render::client::lost_text(*number, &mut out),
                    Format::Json => render::client::lost_json(*number, &mut out),
                }
            }
            _ => Ok(()),
        }
    }

    fn without_alpn(&mut self) -> io::Result<()> {
        match self.format {
            Format::Json => render::client::without_alpn_json(&mut io::stdout().lock()),
            Format::Text => {
                say(" the server refuses ALPN echo; once more without ALPN …");
                Ok(())
            }
        }
    }

    fn connected(&mut self, connected: &client::Connected) -> io::Result<()> {
        let anchor = self.verifier.verified_by();
        let anchor = anchor.map_or_else(String::new, |anchor| anchor.to_string());
        match self.format {
            Format::Json => {
                render::client::connected_json(connected, &anchor, &mut io::stdout().lock())
            }
            Format::Text => {
                self.line_open = false;
                let mut line = Vec::new();
                render::client::connected_text(connected, &anchor, &mut line)?;
                say(&String::from_utf8_lossy(&line));
                Ok(())
            }
        }
    }

    fn echoed(&mut self, echoed: &Echoed) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.format {
            Format::Text => render::client::echoed_text(echoed, &mut out)?,
            Format::Json => render::client::echoed_json(echoed, &mut out)?,
        }
        out.flush()
    }

    /// Says how the client ended.
    pub(super) fn ended(
        &mut self,
        outcome: Result<Report, client::Failure>,
    ) -> Result<Ending, Failure> {
        let failure = match outcome {
            Ok(report) => {
                match self.format {
                    Format::Text if io::stderr().is_terminal() => say("done\n"),
                    Format::Text => {}
                    Format::Json => {
                        render::client::done_json(&report, &mut io::stdout().lock())?;
                    }
                }
                return Ok(Ending::Done);
            }
            Err(failure) => failure,
        };
        self.end_line();
        let (error, hint) = self.explain(&failure);
        if self.format == Format::Json {
            let reason = format!("{error:#}");
            let mut out = io::stdout().lock();
            render::client::failure_json(&failure, &reason, hint.as_deref(), &mut out)?;
        }
        let exit = match &failure {
            client::Failure::Dial(DialFailure::Impossible { .. })
            | client::Failure::Broken(_)
            | client::Failure::DatagramTooLarge { .. } => Ending::CouldNotRun,
            _ => Ending::Negative,
        };
        Err(Failure {
            exit,
            error: Some(error),
            hint,
        })
    }

    /// Finds the words for a failure, and what to do.
    fn explain(&self, failure: &client::Failure) -> (Error, Option<String>) {
        let place = &self.place;
        let cannot =
            |reason: &dyn std::fmt::Display| anyhow!("cannot connect to {place}: {reason}");
        let dial = match failure {
            client::Failure::Dial(dial) => dial,
            // A server looks at our certificate when our side of the handshake is done.
            client::Failure::Closed(reason) => {
                return match self.refused_hint(reason) {
                    Some(hint) => (cannot(reason), Some(hint)),
                    None => (anyhow!("{failure}"), None),
                };
            }
            _ => return (anyhow!("{failure}"), None),
        };
        match dial {
            DialFailure::NobodyListens { .. }
            | DialFailure::Unreachable { .. }
            | DialFailure::NoAnswer { .. } => {
                let hint = format!("is a server running there, on UDP port {}?", place.port);
                (cannot(dial), Some(hint))
            }
            DialFailure::Handshake { reason, .. } => {
                if let Some(distrust) = self.verifier.failure()
                    && matches!(reason, CloseReason::Violation { .. })
                {
                    let error = anyhow!("cannot trust {place}: {distrust}");
                    return (error, Some(distrust.hint()));
                }
                let hint = match reason.transport_code() {
                    Some(event::NO_APPLICATION_PROTOCOL) => Some(self.alpn_hint()),
                    _ if self.refused_hint(reason).is_some() => self.refused_hint(reason),
                    Some(event::CONNECTION_REFUSED | event::APPLICATION_ERROR) => {
                        Some("the server is full or shutting down; try again later".into())
                    }
                    _ => None,
                };
                (cannot(dial), hint)
            }
            _ => (cannot(dial), None),
        }
    }

    /// Finds what to do if the server has refused our certificate, or wanted one.
    fn refused_hint(&self, reason: &CloseReason) -> Option<String> {
        let CloseReason::Peer { code, .. } = reason else {
            return None;
        };
        match (*code, self.shows_certificate) {
            (event::CERTIFICATE_REQUIRED, _) => Some(
                "the server lets in clients with a certificate alone; show one by --cert FILE --key FILE"
                    .into(),
            ),
            (code, true) if event::CERTIFICATE_REFUSED.contains(&code) => {
                Some("show a certificate that the server's --client-ca has signed for clients".into())
            }
            _ => None,
        }
    }

    fn alpn_hint(&self) -> String {
        match &self.alpn {
            Alpn::Auto => "the server wants another protocol; name it by --alpn NAME".into(),
            Alpn::None => "the server wants a protocol to be named; try --alpn auto".into(),
            Alpn::Name(name) => format!(
                "the server does not agree to {}; try --alpn auto",
                String::from_utf8_lossy(name).escape_debug()
            ),
        }
    }
}

/// Says something on stderr; with that gone there is nobody to tell.
pub(super) fn say(words: &str) {
    let _ = io::stderr().write_all(words.as_bytes());
}
