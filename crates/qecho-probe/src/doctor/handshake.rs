//! The rung of the handshake: whether it completes, and with which ClientHello.

mod certificate;
mod judging;

use std::{iter, time::Duration};

use serde_json::json;

use super::{
    Rung, RungReport, RungResult,
    connecting::{self, AskedName, Hello, Outcome},
    ladder::{Climb, Way},
    udp,
};
use certificate::ShownCertificate;

/// Attempts of which each waits longer, before a handshake is said not to complete.
const STALLED_MIN: u32 = 3;
/// Attempts before a server is said not to answer.
const SILENT_MIN: u32 = 2;
/// Times that a large ClientHello has to fail, where a small one passes in between.
const LARGE_FAILED_MIN: usize = 3;
/// Times of the usual time for which the last attempt waits, before a server is said to ignore it.
const PATIENT_TIMES: u32 = 4;
/// A handshake that takes longer than so many round trips and this time is called slow.
const SLOW_ROUND_TRIPS: u32 = 4;
const SLOW_MIN: Duration = Duration::from_secs(2);
/// The application protocol of the echo.
const ECHO: &[u8] = b"echo";
/// Protocols that are offered where the first is not taken, all at once.
const PROTOCOLS: [&[u8]; 5] = [ECHO, b"h3", b"hq-interop", b"doq", b"perf"];

/// Handshakes that were tried, and what was seen of the server by them.
#[derive(Clone, Debug, Default)]
struct Attempts {
    host: String,
    /// Attempts in their order; the first is the usual one.
    tried: Vec<(Hello, Outcome)>,
    /// Whether somebody chose the protocol, rather than to guess it.
    is_alpn_chosen: bool,
    /// Whether the server still answers a request for its versions.
    negotiates: Option<bool>,
    has_retried: bool,
    certificate: Option<ShownCertificate>,
    /// Times until the first answer of a handshake that completed, and until its end, if these are
    /// much more than its round trips take.
    slow: Option<(Duration, Duration)>,
}

/// Climbs the rung.
pub(crate) fn climb(climb: &mut Climb<'_>) -> RungReport {
    let mut report = RungReport::new(Rung::Handshake, RungResult::Passed);
    let (Some(target), Some((_, door))) = (climb.target, climb.reached.clone()) else {
        return report;
    };
    let mut prober = Prober {
        attempts: Attempts {
            host: target.host.clone(),
            is_alpn_chosen: door.is_protocol_chosen,
            ..Attempts::default()
        },
        trouble: None,
        climb,
    };
    prober.look(&Hello::usual(door.alpn.as_deref()));
    let way = prober.way();
    let Prober {
        attempts, trouble, ..
    } = prober;
    if let Some(trouble) = trouble {
        report.result = RungResult::Untold;
        report.say(format!("not tried: {trouble}"));
        return report;
    }
    tell(&attempts, climb, &mut report);
    let findings = judging::judge(&attempts);
    report.result = match (findings.is_empty(), attempts.has_completed()) {
        (false, _) => RungResult::Failed,
        (true, true) => RungResult::Passed,
        // It failed, and not in a way that would say why.
        (true, false) => RungResult::Untold,
    };
    climb.report.findings.extend(findings);
    climb.way = way;
    report
}

/// Tries handshakes, each of which depends on what became of those before.
struct Prober<'c, 'a> {
    climb: &'c mut Climb<'a>,
    attempts: Attempts,
    /// Why nothing can be tried.
    trouble: Option<String>,
}

impl Prober<'_, '_> {
    /// Tries a usual ClientHello, and what tells why it fails if it does.
    fn look(&mut self, usual: &Hello) {
        match self.try_until_sure(usual) {
            Outcome::Completed(_) => self.look_at_size(usual),
            Outcome::Silent => self.look_at_silence(usual),
            Outcome::Refused(..) => self.look_at_refusal(usual),
            Outcome::Stalled | Outcome::Unconfirmed => self.look_at_stall(usual),
            Outcome::OnlyRetry
            | Outcome::Closed(_)
            | Outcome::OtherVersions(_)
            | Outcome::Broken(_) => {
                self.attempt(usual, 1);
            }
        }
    }

    /// Tries a ClientHello of two datagrams, and where it fails one of a single datagram between
    /// two more.
    fn look_at_size(&mut self, usual: &Hello) {
        let large = Hello {
            is_large: true,
            ..usual.clone()
        };
        for _ in 0..LARGE_FAILED_MIN {
            self.climb.tries("a ClientHello of two datagrams");
            if !self.attempt(&large, 2).is_lost() {
                return;
            }
            if !self.attempt(usual, 1).is_completed() {
                return;
            }
        }
    }

    /// Returns other names than the server's; none if it has none that a ClientHello could say
    /// (RFC 6066 §3: addresses are no names).
    fn other_names(&self) -> &'static [AskedName] {
        let target = self.climb.target;
        let config = target.and_then(|it| Hello::usual(None).config(it).ok());
        match config.and_then(|config| config.tls.server_name) {
            Some(_) => &[AskedName::None, AskedName::Other],
            None => &[],
        }
    }

    /// Nothing answers: tries without the name, with another, and other protocols.
    fn look_at_silence(&mut self, usual: &Hello) {
        for name in self.other_names().iter().copied() {
            self.climb.tries("a ClientHello without the server's name");
            let varied = Hello {
                name,
                ..usual.clone()
            };
            if self.attempt(&varied, 1) != Outcome::Silent {
                self.attempt(usual, 2);
                return;
            }
        }
        if self.look_at_protocols(usual) {
            return;
        }
        if let Some((address, _)) = self.climb.reached {
            self.attempts.negotiates = Some(udp::negotiates(self.climb, address));
        }
        self.attempt(usual, PATIENT_TIMES);
    }

    /// The server refuses: tries other protocols, and no name.
    fn look_at_refusal(&mut self, usual: &Hello) {
        if self.look_at_protocols(usual) {
            return;
        }
        if self.other_names().contains(&AskedName::None) {
            self.climb.tries("a ClientHello without the server's name");
            let unnamed = Hello {
                name: AskedName::None,
                ..usual.clone()
            };
            self.attempt(&unnamed, 1);
        }
        self.attempt(usual, 1);
    }

    /// The server begins to answer: tries small datagrams of its, and no name.
    fn look_at_stall(&mut self, usual: &Hello) {
        self.climb.tries("a handshake of small datagrams");
        let small = Hello {
            asks_small: true,
            ..usual.clone()
        };
        let unnamed = Hello {
            name: AskedName::None,
            ..usual.clone()
        };
        let is_named = self.other_names().contains(&AskedName::None);
        for varied in iter::once(small).chain(is_named.then_some(unnamed)) {
            if self.attempt(&varied, 2).is_completed() {
                self.attempt(usual, 2);
                return;
            }
        }
    }

    /// Tries other protocols than a ClientHello offers, all at once, and none; tells whether one
    /// is taken.
    fn look_at_protocols(&mut self, usual: &Hello) -> bool {
        self.climb.tries("other application protocols");
        let others = PROTOCOLS.iter().map(|name| name.to_vec());
        let others: Vec<_> = others.filter(|name| !usual.alpn.contains(name)).collect();
        for alpn in [others, Vec::new()] {
            if alpn == usual.alpn {
                continue;
            }
            let varied = Hello {
                alpn,
                ..usual.clone()
            };
            if self.attempt(&varied, 1).is_completed() {
                self.attempt(usual, 1);
                return true;
            }
        }
        false
    }

    /// Tries a ClientHello until it comes to an end that is no matter of chance: each time longer,
    /// as a server may need some seconds for its first answer.
    fn try_until_sure(&mut self, hello: &Hello) -> Outcome {
        let (mut silent, mut stalled) = (0, 0);
        loop {
            self.climb.tries("a handshake");
            let outcome = self.attempt(hello, 1 + silent + stalled);
            match outcome {
                Outcome::Silent => silent += 1,
                _ if outcome.is_stalled() => stalled += 1,
                _ => return outcome,
            }
            if silent >= SILENT_MIN && stalled == 0 {
                return Outcome::Silent;
            }
            if silent + stalled >= STALLED_MIN {
                return match outcome {
                    Outcome::Silent => Outcome::Stalled,
                    stalled => stalled,
                };
            }
        }
    }

    /// Tries a ClientHello once, and waits for so many times the usual time.
    fn attempt(&mut self, hello: &Hello, times: u32) -> Outcome {
        let outcome = self.connect(hello, times).unwrap_or_else(|trouble| {
            let outcome = Outcome::Broken(trouble.clone());
            self.trouble.get_or_insert(trouble);
            outcome
        });
        self.attempts.tried.push((hello.clone(), outcome.clone()));
        outcome
    }

    fn connect(&mut self, hello: &Hello, times: u32) -> Result<Outcome, String> {
        let (Some(target), Some((address, _))) = (self.climb.target, &self.climb.reached) else {
            return Err("there is no server".into());
        };
        let config = hello.config(target)?;
        let patience = self.climb.patience() * times;
        let mut attempt = connecting::connect(self.climb.world, *address, config, patience)?;
        self.climb.answered_after(attempt.answered_after);
        self.attempts.has_retried |= attempt.probe.endpoint().retry_source().is_some();
        if attempt.outcome.is_completed() {
            attempt.await_close();
            // What is shown to whoever asks for another name says nothing of this one's.
            if hello.name == AskedName::Own {
                self.attempts.certificate = ShownCertificate::last(&target.verifier);
            }
            let usual = self.climb.round_trip.unwrap_or_default() * SLOW_ROUND_TRIPS;
            if attempt.took > usual + SLOW_MIN {
                let answered = attempt.answered_after.unwrap_or_default();
                self.attempts.slow.get_or_insert((answered, attempt.took));
            }
        }
        let outcome = attempt.outcome.clone();
        attempt.close();
        Ok(outcome)
    }

    /// Returns the way to more connections: the first that completed is the most usual one.
    fn way(&self) -> Option<Way> {
        let mut tried = self.attempts.tried.iter();
        let (hello, alpn) = tried.find_map(|(hello, outcome)| match outcome {
            Outcome::Completed(alpn) => Some((hello, alpn)),
            _ => None,
        })?;
        let hello = Hello {
            // What the server took of several is what it is offered from now on.
            alpn: alpn.iter().cloned().collect(),
            ..hello.clone()
        };
        // A server that is slow is slow each time.
        let took = self.attempts.slow.map(|(_, took)| took).unwrap_or_default();
        Some(Way {
            address: self.climb.reached.as_ref()?.0,
            config: hello.config(self.climb.target?).ok()?,
            patience: self.climb.patience() + took,
        })
    }
}

fn tell(attempts: &Attempts, climb: &Climb<'_>, report: &mut RungReport) {
    let (completed, mut failed): (Vec<_>, Vec<_>) =
        attempts.tried.iter().partition(|(_, it)| it.is_completed());
    match completed.first() {
        Some((hello, Outcome::Completed(alpn))) => {
            let varied = judging::varied_words(hello);
            report.say(format!(
                "it completes with {}{varied}",
                judging::alpn_words(alpn)
            ));
            report.fact(
                "alpn",
                alpn.as_deref().map(|alpn| alpn.escape_ascii().to_string()),
            );
        }
        _ => report.say("it does not complete"),
    }
    failed.dedup();
    for (hello, outcome) in failed {
        report.say(judging::attempt_words(hello, outcome));
    }
    if attempts.has_retried {
        report.say("the server asks for a Retry first");
    }
    if let Some((answered, took)) = attempts.slow {
        let (answered, took) = (answered.as_secs_f64(), took.as_secs_f64());
        report.say(format!(
            "the server is slow, or much is lost: its first answer took {answered:.1} s, the \
             handshake {took:.1} s"
        ));
    }
    if let Some(shown) = &attempts.certificate {
        report.say(shown.line.clone());
        report
            .lines
            .extend(shown.refusal.iter().map(|it| it.reason.clone()));
        report.fact("certificate_issuer", shown.issuer.clone());
        report.fact("certificate_expires", shown.expires.clone());
        report.fact("certificate_trusted", shown.is_trusted);
    }
    let large = attempts.tried.iter().filter(|(hello, _)| hello.is_large);
    let is_large_well = large.map(|(_, outcome)| outcome.is_completed()).max();
    report.fact("large_client_hello_completes", json!(is_large_well));
    report.fact("retry", attempts.has_retried);
    let round_trip = climb.round_trip.map(|time| time.as_micros() as u64);
    report.fact("round_trip_us", json!(round_trip));
    if let Some(alpn) = attempts.other_protocol() {
        report.fact("alpn_taken", judging::alpn_words(alpn));
    }
}
