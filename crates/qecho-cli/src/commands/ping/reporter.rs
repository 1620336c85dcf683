//! The reporter of a ping.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use anyhow::anyhow;
use qecho_cert::{HostPort, TrustVerifier};
use qecho_echo::dial::{Alpn, DialFailure};
use qecho_measure::ping::{self, Connected, PingEvent, Report};
use qecho_packet::text;
use qecho_terminal::prose::Prose;

use super::super::{dialing, trust};
use crate::{
    args::{PingArguments, PingFormat, PingOver},
    exit::{ExitStatus, Failure},
    render::{
        Object,
        ping::{self as render, PingTarget, rows},
    },
    stderr::{INSECURE, say, say_failure},
};

/// Writes the events of one run in the format that was asked for.
pub(super) struct Reporter {
    hosts: Vec<Host>,
    format: PingFormat,
    over: PingOver,
    size: Option<usize>,
    interval: Duration,
    timeout: String,
    alpn: Alpn,
    insecure: bool,
    quiet: bool,
    /// Answers that came, whatever the host.
    received: u64,
    ending: ExitStatus,
    shows_certificate: bool,
    /// Reports of hosts while others are still pinged.
    ended: BTreeMap<usize, Report>,
    /// Hosts that are not pinged, and why.
    absent: Vec<String>,
}

/// A host, as the reporter knows it.
struct Host {
    server: HostPort,
    verifier: Arc<TrustVerifier>,
    subject: PingTarget,
}

impl Reporter {
    /// Begins to speak of messages of so many bytes.
    pub(super) fn new(arguments: &PingArguments, size: usize) -> Self {
        let sends_messages = matches!(arguments.over, PingOver::Stream | PingOver::Datagram);
        Self {
            hosts: Vec::new(),
            format: arguments.format,
            over: arguments.over,
            size: sends_messages.then_some(size),
            interval: arguments.interval,
            timeout: text::duration(arguments.timeout),
            alpn: arguments.dial.alpn.clone(),
            insecure: arguments.dial.insecure,
            quiet: arguments.quiet,
            received: 0,
            ending: ExitStatus::Done,
            shows_certificate: arguments.cert.is_some(),
            ended: BTreeMap::new(),
            absent: Vec::new(),
        }
    }

    /// Comes to know the next host.
    pub(super) fn add(&mut self, server: &HostPort, verifier: Arc<TrustVerifier>) {
        self.hosts.push(Host {
            server: server.clone(),
            verifier,
            subject: PingTarget {
                host: server.to_string(),
                over: self.over.name(),
                size: self.size,
                interval: self.interval,
                timeout: self.timeout.clone(),
            },
        });
    }

    /// Returns a line for each host that is not pinged.
    pub(super) fn absent(&self) -> Vec<String> {
        self.absent.clone()
    }

    /// Returns the hosts as they are shown.
    pub(super) fn subjects(&self) -> impl Iterator<Item = PingTarget> {
        self.hosts.iter().map(|host| host.subject.clone())
    }

    /// Writes what the format begins with.
    pub(super) fn header(&self) -> io::Result<()> {
        match self.format {
            PingFormat::Csv => writeln!(io::stdout(), "{}", rows::COLUMNS),
            PingFormat::Text | PingFormat::Json => Ok(()),
        }
    }

    /// Writes a row, in a format that has rows.
    fn row(&self, row: &Object) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.format {
            PingFormat::Text => Ok(()),
            PingFormat::Json => row.line(&mut out),
            PingFormat::Csv => rows::csv(row, &mut out),
        }
    }

    /// Says what comes before the first answer.
    pub(super) fn begin(&self) -> io::Result<()> {
        if self.insecure && self.over != PingOver::Vn {
            say(INSECURE);
        }
        // Of others the connection tells.
        if self.over == PingOver::Vn && self.format == PingFormat::Text {
            let mut out = io::stdout().lock();
            let mut hosts = self.hosts.iter();
            hosts.try_for_each(|host| render::begin(&host.subject, &mut out))?;
        }
        Ok(())
    }

    /// Says why a host is not even tried.
    pub(super) fn cannot_ping(&mut self, server: &HostPort, failure: &Failure) -> io::Result<()> {
        self.ending = ExitStatus::CouldNotRun;
        let reason = failure.error.as_ref();
        let reason = reason.map_or_else(String::new, |error| format!("{error:#}"));
        self.absent.push(format!(" {server}: {reason}"));
        self.failed(&server.to_string(), &reason, failure.hint.as_deref())
    }

    fn failed(&self, host: &str, reason: &str, hint: Option<&str>) -> io::Result<()> {
        say_failure(reason, hint);
        self.row(&rows::failed(host, reason, hint))
    }

    /// Says what the ping tells of a host.
    pub(super) fn report(&mut self, host: usize, event: &PingEvent) -> io::Result<()> {
        match event {
            PingEvent::Connected(connected) => self.connected(host, connected),
            PingEvent::Ended(report) => self.ended(host, report),
            PingEvent::Disconnected(failure) => self.disconnected(host, failure),
            PingEvent::WithoutAlpn if self.format == PingFormat::Text => {
                let Host { server, .. } = &self.hosts[host];
                say(format_args!(
                    "{server} refuses ALPN echo; once more without ALPN"
                ));
                Ok(())
            }
            _ if self.quiet => Ok(()),
            _ => {
                let Host { subject, .. } = &self.hosts[host];
                match self.format {
                    PingFormat::Text => render::event(subject, event, &mut stdout()),
                    _ => rows::event(subject, event).map_or(Ok(()), |row| self.row(&row)),
                }
            }
        }
    }

    fn connected(&self, host: usize, connected: &Connected) -> io::Result<()> {
        let Host {
            subject, verifier, ..
        } = &self.hosts[host];
        let anchor = trust::anchor(verifier);
        match self.format {
            PingFormat::Text => render::connected(subject, connected, &anchor, &mut stdout()),
            _ => self.row(&rows::connected(subject, connected, &anchor)),
        }
    }

    /// Says that pings of a host are lost, and until when.
    fn disconnected(&self, host: usize, failure: &ping::Failure) -> io::Result<()> {
        let (reason, hint) = self.explain(host, failure);
        let goes_on = format!("{reason}; trying again");
        say_failure(goes_on, hint.as_deref());
        let server = self.hosts[host].server.to_string();
        self.row(&rows::disconnected(&server, &reason, hint.as_deref()))
    }

    fn ended(&mut self, host: usize, report: &Report) -> io::Result<()> {
        self.received += report.counts.received;
        let (mut ending, mut said) = (ExitStatus::Done, None);
        if report.counts.received == 0 {
            ending = ExitStatus::Negative;
        }
        if let Err(failure) = &report.outcome {
            ending = match failure {
                ping::Failure::Dial(DialFailure::Impossible { .. })
                | ping::Failure::DatagramTooLarge { .. }
                | ping::Failure::Broken(_) => ExitStatus::CouldNotRun,
                _ => ExitStatus::Negative,
            };
            said = Some(self.explain(host, failure));
        }
        if ending as u8 > self.ending as u8 {
            self.ending = ending;
        }
        if let Some((reason, hint)) = said {
            let server = self.hosts[host].server.to_string();
            self.failed(&server, &reason, hint.as_deref())?;
        }
        self.ended.insert(host, report.clone());
        if self.ended.len() < self.hosts.len() {
            // Summaries follow the last row, of whatever host.
            return Ok(());
        }
        let ended = std::mem::take(&mut self.ended);
        ended
            .iter()
            .try_for_each(|(host, report)| self.sum_up(*host, report))
    }

    fn sum_up(&self, host: usize, report: &Report) -> io::Result<()> {
        let subject = &self.hosts[host].subject;
        match self.format {
            // Of a host that was never reached there is nothing to sum up.
            PingFormat::Text if report.counts.sent == 0 => {
                if report.outcome.is_ok() {
                    say(format_args!(
                        "qecho: stopped before {} answered",
                        subject.host
                    ));
                }
                Ok(())
            }
            PingFormat::Text => render::ended(subject, report, &mut stdout()),
            _ => self.row(&rows::ended(subject, report)),
        }
    }

    /// Finds the words for a failure, and what to do.
    fn explain(&self, host: usize, failure: &ping::Failure) -> (String, Option<String>) {
        let Host {
            server, verifier, ..
        } = &self.hosts[host];
        let (error, hint) = match failure {
            ping::Failure::Dial(dial) => {
                dialing::explain(server, &self.alpn, verifier, self.shows_certificate, dial)
            }
            ping::Failure::NoDatagrams | ping::Failure::NoStream => {
                let hint = "--over frame and --over handshake take any QUIC server".to_owned();
                (anyhow!("{server}: {failure}"), Some(hint))
            }
            ping::Failure::DatagramTooLarge { most, .. } => {
                let hint = format!("give a size of {most} or less: -s {most}");
                (anyhow!("{server}: {failure}"), Some(hint))
            }
            ping::Failure::Closed(reason) => {
                let hint = dialing::refused_hint(reason, self.shows_certificate);
                (anyhow!("{server}: {failure}"), hint)
            }
            _ => (anyhow!("{server}: {failure}"), None),
        };
        (format!("{error:#}"), hint)
    }

    /// Says how many rows were not written, if any.
    pub(super) fn left_out(&self, rows: u64) {
        if rows > 0 {
            say(format_args!(
                "warning: {rows} lines were left out: they were written too slowly; the summary has all"
            ));
        }
    }

    /// Returns how the run ends, if a signal has not ended it.
    pub(super) fn ending(&self, stopped: Option<ExitStatus>) -> ExitStatus {
        match stopped {
            // As every ping does at Ctrl-C.
            Some(ExitStatus::Interrupted) if self.received > 0 => ExitStatus::Done,
            Some(ExitStatus::Interrupted) => ExitStatus::Negative,
            Some(ending) => ending,
            None => self.ending,
        }
    }
}

/// Returns stdout for lines that are broken where a terminal ends.
fn stdout() -> Prose<io::StdoutLock<'static>> {
    Prose::new(io::stdout().lock())
}
