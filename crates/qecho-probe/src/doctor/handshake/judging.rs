//! What follows from the handshakes that were tried.

use qecho_packet::close::{CERTIFICATE_REQUIRED, CONNECTION_REFUSED};

use super::{LARGE_FAILED_MIN, SILENT_MIN, STALLED_MIN, Seen};
use crate::doctor::{
    Cause, Finding,
    connecting::{AskedName, Hello, Outcome},
};

/// Error of a TLS alert (RFC 9001 §4.8): no parameters that both sides take, which some servers say
/// of a protocol, too.
const HANDSHAKE_FAILURE: u64 = 0x128;

/// Judges by all that was tried.
pub(super) fn judge(seen: &Seen) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(judge_certificate(seen));
    if let Some((usual, _)) = seen.tried.first() {
        findings.extend(judge_hello(seen, usual));
    }
    findings
}

/// A certificate is what it is: it needs no second look.
fn judge_certificate(seen: &Seen) -> Option<Finding> {
    let shown = seen.certificate.as_ref()?;
    let why = shown.why_not.as_ref()?;
    let host = &seen.host;
    Some(
        Finding::new(
            Cause::CertificateRefused,
            format!("The certificate of {host} cannot be trusted: {why}."),
            "Give the server a certificate of its name that is valid now, or name its CA by --ca.",
        )
        .with_evidence([shown.line.clone()]),
    )
}

fn judge_hello(seen: &Seen, usual: &Hello) -> Option<Finding> {
    let finding = if seen.passed(usual) {
        large_lost(seen, usual)?
    } else {
        name_blocked(seen, usual)
            .or_else(|| alpn_refused(seen, usual))
            .or_else(|| small_only(seen, usual))
            .or_else(|| never_completes(seen, usual))?
    };
    Some(finding.with_evidence(seen.evidence()))
}

impl Seen {
    fn outcomes<'a>(&'a self, hello: &'a Hello) -> impl Iterator<Item = &'a Outcome> {
        let tried = self.tried.iter().filter(move |(it, _)| it == hello);
        tried.map(|(_, outcome)| outcome)
    }

    fn passed(&self, hello: &Hello) -> bool {
        self.outcomes(hello).any(|it| *it == Outcome::Completed)
    }

    /// Tells whether a handshake completed as a usual client would have it: of any protocol, but in
    /// the server's own name, and of datagrams of any size.
    pub(super) fn has_completed(&self) -> bool {
        let mut completed = self
            .tried
            .iter()
            .filter(|(_, it)| *it == Outcome::Completed);
        completed.any(|(hello, _)| hello.name == AskedName::Own && !hello.asks_small)
    }

    /// Tells whether a ClientHello fails each time: so often before another passes, and again
    /// after it.
    fn is_confirmed(
        &self,
        failing: &Hello,
        times: usize,
        fails: impl Fn(&Outcome) -> bool,
        passes: impl Fn(&Hello, &Outcome) -> bool,
    ) -> bool {
        let always = self.outcomes(failing).all(&fails);
        let passing = self.tried.iter();
        let passing = passing
            .clone()
            .position(|(hello, outcome)| hello != failing && passes(hello, outcome));
        let Some(passing) = passing else {
            return false;
        };
        let (before, after) = self.tried.split_at(passing);
        let count = |part: &[(Hello, Outcome)]| part.iter().filter(|(it, _)| it == failing).count();
        always && count(before) >= 1 && count(after) >= 1 && count(before) + count(after) >= times
    }

    /// Returns a line for each attempt; those that repeat the one before are counted.
    fn evidence(&self) -> Vec<String> {
        let mut lines: Vec<(String, usize)> = Vec::new();
        for (hello, outcome) in &self.tried {
            let line = format!("{}: {}", hello_words(hello), outcome.words());
            match lines.last_mut() {
                Some((last, count)) if *last == line => *count += 1,
                _ => lines.push((line, 1)),
            }
        }
        let lines = lines.into_iter().map(|(line, count)| match count {
            1 => line,
            count => format!("{line} ({count} times)"),
        });
        lines.collect()
    }
}

/// Large ones fail each time, small ones pass before, between and after them.
fn large_lost(seen: &Seen, usual: &Hello) -> Option<Finding> {
    let large = Hello {
        is_large: true,
        ..usual.clone()
    };
    let large = || seen.outcomes(&large);
    if large().count() < LARGE_FAILED_MIN || !large().all(Outcome::is_lost) {
        return None;
    }
    if !seen.outcomes(usual).all(|it| *it == Outcome::Completed) {
        return None;
    }
    Some(Finding::new(
        Cause::LargeHandshakeLost,
        format!(
            "A ClientHello of two datagrams does not get to {}, and one of a single datagram does.",
            seen.host
        ),
        "Repair the middlebox or server that cannot put a ClientHello together; until then \
         clients need X25519 without ML-KEM.",
    ))
}

fn name_blocked(seen: &Seen, usual: &Hello) -> Option<Finding> {
    let is_silent = seen.outcomes(usual).all(|it| *it == Outcome::Silent);
    let passes = |hello: &Hello, outcome: &Outcome| {
        let is_varied = hello.name != AskedName::Own && hello.alpn == usual.alpn;
        let is_answer = match is_silent {
            true => *outcome != Outcome::Silent,
            false => *outcome == Outcome::Completed,
        };
        is_varied && is_answer
    };
    let times = SILENT_MIN as usize + 1;
    let host = &seen.host;
    seen.is_confirmed(usual, times, Outcome::is_lost, passes)
        .then(|| {
            Finding::new(
                Cause::NameBlocked,
                format!(
                    "Connection attempts that name {host} are dropped, others to it are answered."
                ),
                "Ask whoever runs the network: something on the way reads the server's name.",
            )
        })
}

/// The server says so, or takes another protocol each time, and this one never.
fn alpn_refused(seen: &Seen, usual: &Hello) -> Option<Finding> {
    // Whoever says no to what was merely guessed does right; to be silent is a fault.
    let is_guess = !seen.is_alpn_chosen && seen.taken.is_some();
    let says_no = |outcome: &Outcome| {
        let is_failure = matches!(outcome, Outcome::Refused(HANDSHAKE_FAILURE, _));
        is_failure || outcome.is_alpn_refused()
    };
    if is_guess && seen.outcomes(usual).any(says_no) {
        return None;
    }
    let host = &seen.host;
    let offered = alpn_name(usual.alpn.first().map(Vec::as_slice));
    let is_said = seen.outcomes(usual).all(Outcome::is_alpn_refused);
    // Any other refusal may have any other reason.
    let fails = |outcome: &Outcome| says_no(outcome) || *outcome == Outcome::Silent;
    let passes = |hello: &Hello, outcome: &Outcome| {
        hello.alpn != usual.alpn && hello.name == usual.name && *outcome == Outcome::Completed
    };
    let is_confirmed = seen.taken.is_some() && seen.is_confirmed(usual, 2, fails, passes);
    if !is_confirmed && (!is_said || seen.outcomes(usual).count() < 2) {
        return None;
    }
    Some(match &seen.taken {
        Some(taken) => {
            let taken = alpn_name(taken.as_deref());
            Finding::new(
                Cause::AlpnRefused,
                format!("{host} does not take the application protocol {offered}, but {taken}."),
                format!("Ask for {taken} by --alpn, or teach the server {offered}."),
            )
        }
        None => Finding::new(
            Cause::AlpnRefused,
            format!("{host} does not take the application protocol {offered}."),
            "Name the protocol that the server speaks by --alpn: none of the usual ones is.",
        ),
    })
}

/// The server's datagrams get here only if they are small.
fn small_only(seen: &Seen, usual: &Hello) -> Option<Finding> {
    let passes =
        |hello: &Hello, outcome: &Outcome| hello.asks_small && *outcome == Outcome::Completed;
    let times = STALLED_MIN as usize + 1;
    let host = &seen.host;
    seen.is_confirmed(usual, times, Outcome::is_lost, passes)
        .then(|| {
            Finding::new(
                Cause::MtuCliff,
                format!(
                    "The handshake with {host} completes only if it sends datagrams of 1,200 bytes \
                 at most."
                ),
                "Let larger datagrams pass on the way, or ICMP \"packet too big\", or lower the \
             server's size.",
            )
        })
}

/// Nothing that was tried makes the handshake complete.
fn never_completes(seen: &Seen, usual: &Hello) -> Option<Finding> {
    let host = &seen.host;
    let outcomes: Vec<_> = seen.outcomes(usual).collect();
    if seen.has_completed() && !seen.is_alpn_chosen {
        return None;
    }
    let ignores = |sentence: String| {
        let advice =
            "Check that the server speaks QUIC version 1 on this port, and is not overloaded.";
        Finding::new(Cause::IgnoresUs, sentence, advice)
    };
    let last = outcomes.last()?;
    let are_all = |is_it: fn(&Outcome) -> bool| outcomes.iter().all(|it| is_it(it));
    if are_all(|it| matches!(it, Outcome::OtherVersions(_))) && outcomes.len() >= 2 {
        return Some(ignores(format!("{host} speaks QUIC, but not version 1.")));
    }
    let is_silent = seen.tried.iter().all(|(_, it)| *it == Outcome::Silent);
    if is_silent && outcomes.len() > SILENT_MIN as usize && seen.negotiates == Some(true) {
        return Some(ignores(format!(
            "{host} answers which versions it speaks, and no connection attempt."
        )));
    }
    let is_no_chance =
        |outcome: &Outcome| matches!(outcome, Outcome::Refused(..) | Outcome::Broken(_));
    if is_no_chance(last) && outcomes.iter().all(|it| is_no_chance(it)) && outcomes.len() >= 2 {
        return Some(refused(host, last));
    }
    let has_passed = seen.tried.iter().any(|(_, it)| *it == Outcome::Completed);
    let stalled = outcomes.iter().filter(|it| it.is_stalled()).count();
    if has_passed || stalled < STALLED_MIN as usize {
        return None;
    }
    if are_all(|it| *it == Outcome::Unconfirmed) {
        return Some(Finding::new(
            Cause::BlackholeAfterHandshake,
            format!("The handshake with {host} completes, and after it nothing comes any more."),
            "Look for a firewall that follows QUIC handshakes and drops what comes after them.",
        ));
    }
    Some(
        Finding::new(
            Cause::StalledAfterReply,
            format!("{host} begins to answer, and the handshake never completes."),
            "Look at the server's log and load, and at what lies between: the first answer \
             passes, and what follows does not.",
        )
        .or_else(
            Cause::MtuCliff,
            "have the server send datagrams of 1,200 bytes at most: if it completes then, \
             larger ones are lost",
        ),
    )
}

/// The handshake is ended by one of the sides, in words.
fn refused(host: &str, last: &Outcome) -> Finding {
    let advice = match last {
        Outcome::Refused(CONNECTION_REFUSED, _) => {
            "Look at the server's log, load and limits: it takes no new connection from here."
        }
        Outcome::Refused(CERTIFICATE_REQUIRED, _) => {
            "Ask whoever runs the server for a certificate: it takes only clients that have one."
        }
        _ => "Look at the server's log for this moment.",
    };
    Finding::new(
        Cause::HandshakeRefused,
        format!("The handshake with {host} is broken off: {}.", last.words()),
        advice,
    )
}

/// Returns a protocol's name, fit for people.
pub(super) fn alpn_name(alpn: Option<&[u8]>) -> String {
    alpn.map_or("none".into(), |name| name.escape_ascii().to_string())
}

/// Says how a ClientHello differs from others.
pub(super) fn hello_words(hello: &Hello) -> String {
    let names = hello.alpn.iter().map(|name| alpn_name(Some(name)));
    let names: Vec<_> = names.collect();
    let mut words = match names.is_empty() {
        true => "without ALPN".to_owned(),
        false => format!("ALPN {}", names.join(", ")),
    };
    words += match hello.name {
        AskedName::Own => "",
        AskedName::None => ", without a name",
        AskedName::Other => ", with another name",
    };
    if hello.is_large {
        words += ", ClientHello of two datagrams";
    }
    if hello.asks_small {
        words += ", asking for small datagrams";
    }
    words
}

#[cfg(test)]
mod tests;
