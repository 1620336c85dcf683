//! The reporter of a client.

use std::{
    io::{self, IsTerminal},
    sync::Arc,
};

use anyhow::{Error, anyhow};
use qecho_cert::{HostPort, TrustVerifier};
use qecho_echo::{
    client::{self, ClientEvent, Report},
    dial::{Alpn, DialFailure},
};

use super::super::{dialing, show, trust};
use crate::{
    args::{ClientArguments, Format},
    exit::{ExitStatus, Failure},
    render::{
        Object,
        client::{self as render, LostDatagram},
    },
    stderr::{INSECURE, say, say_part},
};

/// Writes the events of one run in the format that was asked for.
pub(super) struct Reporter {
    server: HostPort,
    format: Format,
    alpn: Alpn,
    insecure: bool,
    shows_certificate: bool,
    verifier: Arc<TrustVerifier>,
    /// Whether `Connecting to …` waits for the rest of its line.
    line_open: bool,
    /// Whether other lines come in between, so that none may wait.
    traced: bool,
}

impl Reporter {
    pub(super) fn new(arguments: &ClientArguments, verifier: Arc<TrustVerifier>) -> Self {
        Self {
            server: arguments.server.clone(),
            format: arguments.format,
            alpn: arguments.dial.alpn.clone(),
            insecure: arguments.dial.insecure,
            shows_certificate: arguments.cert.is_some(),
            verifier,
            line_open: false,
            traced: arguments.observe.trace.is_some(),
        }
    }

    /// Says whom the client is about to reach.
    pub(super) fn connecting(&mut self) {
        if self.insecure {
            say(INSECURE);
        }
        if self.format == Format::Text {
            self.say_on(&format!("Connecting to {} …", self.server));
        }
    }

    /// Says words whose line goes on, unless other lines may come in between.
    fn say_on(&mut self, words: &str) {
        if self.traced {
            say(words.trim_start());
        } else {
            say_part(words);
            self.line_open = true;
        }
    }

    /// Ends a line that waits for its rest.
    pub(super) fn end_line(&mut self) {
        if std::mem::take(&mut self.line_open) {
            say("");
        }
    }

    /// Says what the client tells; its end is for [`ended`](Self::ended).
    pub(super) fn report(&mut self, event: &ClientEvent) -> io::Result<()> {
        match event {
            ClientEvent::WithoutAlpn => self.without_alpn(),
            ClientEvent::Connected(connected) => self.connected(connected),
            ClientEvent::Echoed(echoed) => show(echoed, self.format),
            ClientEvent::Lost { number, .. } => {
                show(&LostDatagram { number: *number }, self.format)
            }
            _ => Ok(()),
        }
    }

    fn without_alpn(&mut self) -> io::Result<()> {
        match self.format {
            Format::Json => Object::event("without_alpn").line(&mut io::stdout()),
            Format::Text => {
                self.say_on(" the server refuses ALPN echo; once more without ALPN …");
                Ok(())
            }
        }
    }

    fn connected(&mut self, connected: &client::Connected) -> io::Result<()> {
        let anchor = trust::anchor(&self.verifier);
        match self.format {
            Format::Json => render::connected_json(connected, &anchor).line(&mut io::stdout()),
            Format::Text => {
                let mut line = Vec::new();
                render::connected_text(connected, &anchor, &mut line)?;
                let line = String::from_utf8_lossy(&line);
                let goes_on = std::mem::take(&mut self.line_open);
                say_part(if goes_on { &line } else { line.trim_start() });
                Ok(())
            }
        }
    }

    /// Says how the client ended.
    pub(super) fn ended(
        &mut self,
        outcome: Result<Report, client::Failure>,
    ) -> Result<ExitStatus, Failure> {
        let failure = match outcome {
            Ok(report) => {
                match self.format {
                    Format::Text if io::stderr().is_terminal() => say("done"),
                    Format::Text => {}
                    Format::Json => {
                        render::done_json(&report).line(&mut io::stdout())?;
                    }
                }
                return Ok(ExitStatus::Done);
            }
            Err(failure) => failure,
        };
        self.end_line();
        let (error, hint) = self.explain(&failure);
        if self.format == Format::Json {
            let reason = format!("{error:#}");
            render::failure_json(&failure, &reason, hint.as_deref()).line(&mut io::stdout())?;
        }
        let exit = match &failure {
            client::Failure::Dial(DialFailure::Impossible { .. })
            | client::Failure::Broken(_)
            | client::Failure::DatagramTooLarge { .. } => ExitStatus::CouldNotRun,
            _ => ExitStatus::Negative,
        };
        Err(Failure {
            exit,
            error: Some(error),
            hint,
        })
    }

    /// Finds the words for a failure, and what to do.
    fn explain(&self, failure: &client::Failure) -> (Error, Option<String>) {
        let shows_certificate = self.shows_certificate;
        match failure {
            client::Failure::Dial(dial) => dialing::explain(
                &self.server,
                &self.alpn,
                &self.verifier,
                shows_certificate,
                dial,
            ),
            // A server looks at our certificate when our side of the handshake
            // is done.
            client::Failure::Closed(reason) => {
                match dialing::refused_hint(reason, shows_certificate) {
                    Some(hint) => {
                        let server = &self.server;
                        (
                            anyhow!("{server} refuses this client: {reason}"),
                            Some(hint),
                        )
                    }
                    None => (anyhow!("{failure}"), None),
                }
            }
            _ => (anyhow!("{failure}"), None),
        }
    }
}
