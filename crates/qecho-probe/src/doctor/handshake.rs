//! The rung of the handshake: whether it completes, and with which ClientHello.

mod certificate;
mod judging;

use std::{iter, sync::Arc};

use serde_json::json;

use super::{
    Rung, RungReport, RungResult,
    connecting::{self, AskedName, Hello, Judged, Outcome, Witness},
    ladder::{Climb, Way},
    udp,
};
use certificate::Shown;

/// Attempts of which each waits longer, before a handshake is said not to complete.
const STALLED_MIN: u32 = 3;
/// Attempts before a server is said not to answer.
const SILENT_MIN: u32 = 2;
/// Times that a large ClientHello has to fail, where a small one passes in between.
const LARGE_FAILED_MIN: usize = 3;
/// The application protocol of the echo.
const ECHO: &[u8] = b"echo";
/// Protocols that are offered where the first is not taken, all at once.
const PROTOCOLS: [&[u8]; 5] = [ECHO, b"h3", b"hq-interop", b"doq", b"perf"];

/// What was tried, and what was seen.
#[derive(Clone, Debug, Default)]
struct Seen {
    host: String,
    /// Attempts in their order.
    tried: Vec<(Hello, Outcome)>,
    /// Whether somebody chose the protocol, rather than to guess it.
    is_alpn_chosen: bool,
    /// The protocol that a server took: of one that was named after another, or none.
    taken: Option<Option<Vec<u8>>>,
    /// Whether the server still answers a request for its versions.
    negotiates: Option<bool>,
    has_retried: bool,
    certificate: Option<Shown>,
}

/// What is used of a connection that completed.
struct Completed {
    hello: Hello,
    alpn: Option<Vec<u8>>,
}

/// Climbs the rung.
pub(crate) fn climb(climb: &mut Climb<'_>) -> RungReport {
    let mut report = RungReport::new(Rung::Handshake, RungResult::Passed);
    let (Some(target), Some((_, door))) = (climb.target, climb.reached.clone()) else {
        return report;
    };
    let mut rung = Trying {
        witness: Witness::new(Arc::clone(&target.verifier)),
        seen: Seen {
            host: target.host.clone(),
            is_alpn_chosen: door.is_protocol_chosen,
            ..Seen::default()
        },
        completed: None,
        trouble: None,
        climb,
    };
    rung.look(&Hello::usual(door.alpn.as_deref()));
    let way = rung.way();
    let Trying { seen, trouble, .. } = rung;
    if let Some(trouble) = trouble {
        report.result = RungResult::Untold;
        report.say(format!("not tried: {trouble}"));
        return report;
    }
    tell(&seen, climb, &mut report);
    let findings = judging::judge(&seen);
    report.result = match (findings.is_empty(), seen.has_completed()) {
        (false, _) => RungResult::Failed,
        (true, true) => RungResult::Passed,
        // It failed, and not in a way that would say why.
        (true, false) => RungResult::Untold,
    };
    climb.report.findings.extend(findings);
    climb.way = way;
    report
}

/// The rung, while it is climbed.
struct Trying<'c, 'a> {
    climb: &'c mut Climb<'a>,
    seen: Seen,
    witness: Arc<Witness>,
    completed: Option<Completed>,
    /// Why nothing can be tried.
    trouble: Option<String>,
}

impl Trying<'_, '_> {
    /// Tries a usual ClientHello, and what tells why it fails if it does.
    fn look(&mut self, usual: &Hello) {
        match self.try_until_sure(usual) {
            Outcome::Completed => self.look_at_size(usual),
            Outcome::Silent => self.look_at_silence(usual),
            Outcome::Refused(..) => self.look_at_refusal(usual),
            Outcome::Stalled | Outcome::Unconfirmed => self.look_at_stall(usual),
            Outcome::OtherVersions(_) | Outcome::Broken(_) => {
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
            if self.attempt(usual, 1) != Outcome::Completed {
                return;
            }
        }
    }

    /// Returns other names than the server's; none if it has none that a ClientHello could say
    /// (RFC 6066 §3: addresses are no names).
    fn other_names(&self) -> &'static [AskedName] {
        let target = self.climb.target;
        let config = target.and_then(|it| Hello::usual(None).config(it, &self.witness).ok());
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
            self.seen.negotiates = Some(udp::negotiates(self.climb, address));
        }
        self.attempt(usual, 2);
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
            if self.attempt(&varied, 2) == Outcome::Completed {
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
            if self.attempt(&varied, 1) == Outcome::Completed {
                let taken = self.completed.as_ref().and_then(|it| it.alpn.clone());
                self.seen.taken = Some(taken);
                self.attempt(usual, 1);
                return true;
            }
        }
        false
    }

    /// Tries a ClientHello until it comes to an end that is no matter of chance.
    fn try_until_sure(&mut self, hello: &Hello) -> Outcome {
        let mut silent = 0;
        let mut stalled = 0;
        loop {
            self.climb.tries("a handshake");
            let outcome = self.attempt(hello, 1 + stalled);
            match outcome {
                Outcome::Silent => silent += 1,
                Outcome::Stalled | Outcome::Unconfirmed => stalled += 1,
                _ => return outcome,
            }
            if silent >= SILENT_MIN && stalled == 0 || silent + stalled >= STALLED_MIN {
                return match stalled {
                    0 => Outcome::Silent,
                    _ => Outcome::Stalled,
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
        self.seen.tried.push((hello.clone(), outcome.clone()));
        outcome
    }

    fn connect(&mut self, hello: &Hello, times: u32) -> Result<Outcome, String> {
        let (Some(target), Some((address, _))) = (self.climb.target, &self.climb.reached) else {
            return Err("there is no server".into());
        };
        let config = hello.config(target, &self.witness)?;
        let patience = self.climb.patience() * times;
        let attempt = connecting::connect(self.climb.world, *address, config, patience)?;
        self.climb.answered_after(attempt.answered_after);
        let endpoint = attempt.probe.endpoint();
        self.seen.has_retried |= endpoint.retry_source().is_some();
        let outcome = attempt.outcome.clone();
        let alpn = endpoint.negotiated().and_then(|it| it.alpn.clone());
        attempt.close();
        if outcome == Outcome::Completed {
            // What is shown to whoever asks for another name says nothing of this one's.
            if hello.name == AskedName::Own {
                let judged: Option<Judged> = self.witness.judged();
                self.seen.certificate = judged.map(|judged| Shown::of(&judged, target));
            }
            // The first that completes is the most usual one.
            self.completed.get_or_insert(Completed {
                hello: hello.clone(),
                alpn,
            });
        }
        Ok(outcome)
    }

    /// Returns the way to more connections.
    fn way(&self) -> Option<Way> {
        let completed = self.completed.as_ref()?;
        let hello = Hello {
            // What the server took of several is what it is offered from now on.
            alpn: completed.alpn.iter().cloned().collect(),
            ..completed.hello.clone()
        };
        let config = hello.config(self.climb.target?, &self.witness).ok()?;
        Some(Way {
            address: self.climb.reached.as_ref()?.0,
            config,
        })
    }
}

fn tell(seen: &Seen, climb: &Climb<'_>, report: &mut RungReport) {
    let completed = seen.tried.iter().find(|(_, it)| *it == Outcome::Completed);
    match completed {
        Some((hello, _)) => report.say(format!("it completes, {}", judging::hello_words(hello))),
        None => report.say("it does not complete"),
    }
    let failed = seen
        .tried
        .iter()
        .filter(|(_, it)| *it != Outcome::Completed);
    let mut failed: Vec<_> = failed.collect();
    failed.dedup();
    for (hello, outcome) in failed {
        report.say(format!(
            "{}: {}",
            judging::hello_words(hello),
            outcome.words()
        ));
    }
    if seen.has_retried {
        report.say("the server asks for a Retry first");
    }
    if let Some(shown) = &seen.certificate {
        report.say(shown.line.clone());
        report.fact("certificate_issuer", shown.issuer.clone());
        report.fact("certificate_expires", shown.expires.clone());
        report.fact("certificate_trusted", shown.is_trusted);
    }
    let is_large_well = seen.tried.iter().find(|(hello, _)| hello.is_large);
    let is_large_well = is_large_well.map(|(_, outcome)| *outcome == Outcome::Completed);
    report.fact("large_client_hello_completes", json!(is_large_well));
    report.fact("retry", seen.has_retried);
    let round_trip = climb.round_trip.map(|time| time.as_micros() as u64);
    report.fact("round_trip_us", json!(round_trip));
    if let Some(alpn) = &seen.taken {
        let alpn = judging::alpn_name(alpn.as_deref());
        report.say(format!("of other protocols it takes {alpn}"));
        report.fact("alpn_taken", alpn);
    }
}
