//! What follows from the handshakes that were tried.

use qecho_packet::close::{CERTIFICATE_REQUIRED, CONNECTION_REFUSED};

use super::{Attempts, LARGE_FAILED_MIN, SILENT_MIN, STALLED_MIN};
use crate::doctor::{
    Cause, Finding,
    connecting::{AskedName, Hello, Outcome},
};

/// Error of a TLS alert (RFC 9001 §4.8): no parameters that both sides take, which some servers say
/// of a protocol, too.
const HANDSHAKE_FAILURE: u64 = 0x128;

/// Judges by all that was tried.
pub(super) fn judge(attempts: &Attempts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(judge_certificate(attempts));
    if let Some((usual, _)) = attempts.tried.first() {
        findings.extend(judge_hello(attempts, usual));
    }
    findings
}

/// A certificate is what it is: it needs no second look.
fn judge_certificate(attempts: &Attempts) -> Option<Finding> {
    let shown = attempts.certificate.as_ref()?;
    let refusal = shown.refusal.as_ref()?;
    let sentence = format!("{} cannot be trusted: {}.", attempts.host, refusal.reason);
    let finding = Finding::new(
        Cause::CertificateRefused,
        sentence,
        sentence_of(&refusal.advice),
    );
    Some(finding.with_evidence([shown.line.clone()]))
}

/// Makes a sentence of what begins in the middle of one.
fn sentence_of(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

fn judge_hello(attempts: &Attempts, usual: &Hello) -> Option<Finding> {
    let finding = if attempts.passed(usual) {
        large_lost(attempts, usual)?
    } else {
        name_blocked(attempts, usual)
            .or_else(|| alpn_refused(attempts, usual))
            .or_else(|| small_only(attempts, usual))
            .or_else(|| never_completes(attempts, usual))?
    };
    Some(finding.with_evidence(attempts.evidence()))
}

impl Attempts {
    fn outcomes<'a>(&'a self, hello: &'a Hello) -> impl Iterator<Item = &'a Outcome> {
        let tried = self.tried.iter().filter(move |(it, _)| it == hello);
        tried.map(|(_, outcome)| outcome)
    }

    fn passed(&self, hello: &Hello) -> bool {
        self.outcomes(hello).any(|it| it.is_completed())
    }

    /// Tells whether a handshake completed as a usual client would have it: of any protocol, but in
    /// the server's own name, and of datagrams of any size.
    pub(super) fn has_completed(&self) -> bool {
        let mut completed = self.tried.iter().filter(|(_, it)| it.is_completed());
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

    /// Returns the protocol, if there is any, that was agreed on where others than the usual were
    /// offered.
    pub(super) fn other_protocol(&self) -> Option<&Option<Vec<u8>>> {
        let (usual, _) = self.tried.first()?;
        let mut others = self
            .tried
            .iter()
            .filter(|(hello, _)| hello.alpn != usual.alpn);
        others.find_map(|(_, outcome)| match outcome {
            Outcome::Completed(alpn) => Some(alpn),
            _ => None,
        })
    }

    /// Returns a line for each attempt; those that repeat the one before are counted.
    fn evidence(&self) -> Vec<String> {
        let mut lines: Vec<(String, usize)> = Vec::new();
        for (hello, outcome) in &self.tried {
            let line = attempt_words(hello, outcome);
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
fn large_lost(attempts: &Attempts, usual: &Hello) -> Option<Finding> {
    let large = Hello {
        is_large: true,
        ..usual.clone()
    };
    let large = || attempts.outcomes(&large);
    // One whose handshake completes got there, whatever becomes of what follows.
    let is_lost = |it: &Outcome| it.is_lost() && *it != Outcome::Unconfirmed;
    if large().count() < LARGE_FAILED_MIN || !large().all(is_lost) {
        return None;
    }
    if !attempts.outcomes(usual).all(|it| it.is_completed()) {
        return None;
    }
    Some(Finding::new(
        Cause::LargeHandshakeLost,
        format!(
            "A ClientHello of two datagrams does not get to {}, and one of a single datagram does.",
            attempts.host
        ),
        "Repair the middlebox or server that cannot put a ClientHello together; until then \
         clients need X25519 without ML-KEM.",
    ))
}

fn name_blocked(attempts: &Attempts, usual: &Hello) -> Option<Finding> {
    let is_silent = attempts.outcomes(usual).all(|it| *it == Outcome::Silent);
    let passes = |hello: &Hello, outcome: &Outcome| {
        let is_varied = hello.name != AskedName::Own && hello.alpn == usual.alpn;
        let is_answer = match is_silent {
            true => *outcome != Outcome::Silent,
            false => outcome.is_completed(),
        };
        is_varied && is_answer
    };
    let times = SILENT_MIN as usize + 1;
    let host = &attempts.host;
    attempts
        .is_confirmed(usual, times, Outcome::is_lost, passes)
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
fn alpn_refused(attempts: &Attempts, usual: &Hello) -> Option<Finding> {
    let taken = attempts.other_protocol();
    // Whoever says no to what was merely guessed does right; to be silent is a fault.
    let is_guess = !attempts.is_alpn_chosen && taken.is_some();
    let says_no = |outcome: &Outcome| {
        let is_failure = matches!(outcome, Outcome::Refused(HANDSHAKE_FAILURE, _));
        is_failure || outcome.is_alpn_refused()
    };
    if is_guess && attempts.outcomes(usual).any(says_no) {
        return None;
    }
    let is_said = attempts.outcomes(usual).all(Outcome::is_alpn_refused);
    // Any other refusal may have any other reason.
    let fails = |outcome: &Outcome| says_no(outcome) || *outcome == Outcome::Silent;
    let passes = |hello: &Hello, outcome: &Outcome| {
        hello.alpn != usual.alpn && hello.name == usual.name && outcome.is_completed()
    };
    let is_confirmed = taken.is_some() && attempts.is_confirmed(usual, 2, fails, passes);
    if !is_confirmed && (!is_said || attempts.outcomes(usual).count() < 2) {
        return None;
    }
    let offered = match usual.alpn.first() {
        Some(offered) => format!("does not take {}", alpn_words(&Some(offered.clone()))),
        None => "takes no connection without ALPN".into(),
    };
    let host = &attempts.host;
    let (sentence, advice) = match taken {
        Some(Some(taken)) => {
            let taken = taken.escape_ascii();
            let advice =
                format!("Ask for what it takes by --alpn {taken}, or let the server take more.");
            (format!("{host} {offered}, but ALPN {taken}."), advice)
        }
        Some(None) => (
            format!("{host} {offered}, but connections without ALPN."),
            "Offer none by --alpn none, or let the server take this one.".into(),
        ),
        None => (
            format!("{host} {offered}."),
            "Name the protocol that the server speaks by --alpn: none of the usual ones is.".into(),
        ),
    };
    Some(Finding::new(Cause::AlpnRefused, sentence, advice))
}

/// The server's datagrams get here only if they are small.
fn small_only(attempts: &Attempts, usual: &Hello) -> Option<Finding> {
    let passes = |hello: &Hello, outcome: &Outcome| hello.asks_small && outcome.is_completed();
    let times = STALLED_MIN as usize + 1;
    let host = &attempts.host;
    attempts
        .is_confirmed(usual, times, Outcome::is_lost, passes)
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
fn never_completes(attempts: &Attempts, usual: &Hello) -> Option<Finding> {
    if attempts.has_completed() && !attempts.is_alpn_chosen {
        return None;
    }
    let host = &attempts.host;
    let outcomes: Vec<_> = attempts.outcomes(usual).collect();
    let last = *outcomes.last()?;
    let are_all = |is_it: fn(&Outcome) -> bool| outcomes.iter().all(|it| is_it(it));
    let ignores = |sentence: String| {
        let advice =
            "Check that the server speaks QUIC version 1 on this port, and is not overloaded.";
        Some(Finding::new(Cause::IgnoresUs, sentence, advice))
    };
    if are_all(|it| matches!(it, Outcome::OtherVersions(_))) && outcomes.len() >= 2 {
        let words = last.words();
        let spoken = words.strip_prefix("the server speaks ").unwrap_or(&words);
        return ignores(format!("{host} speaks {spoken}: version 1 is asked for."));
    }
    let is_silent = attempts.tried.iter().all(|(_, it)| *it == Outcome::Silent);
    if is_silent && outcomes.len() > SILENT_MIN as usize && attempts.negotiates == Some(true) {
        return ignores(format!(
            "{host} answers which versions it speaks, and no connection attempt."
        ));
    }
    let is_ended = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Refused(..) | Outcome::Closed(_) | Outcome::Broken(_)
        )
    };
    if are_all(is_ended) && outcomes.len() >= 2 {
        return Some(refused(host, last));
    }
    let has_passed = attempts.tried.iter().any(|(_, it)| it.is_completed());
    let stalled = outcomes.iter().filter(|it| it.is_stalled()).count();
    if has_passed || stalled < STALLED_MIN as usize {
        return None;
    }
    if are_all(|it| *it == Outcome::Unconfirmed) {
        return Some(
            Finding::new(
                Cause::BlackholeAfterHandshake,
                format!(
                    "The handshake with {host} completes, and after it nothing comes any more."
                ),
                "Look for a firewall that follows QUIC handshakes and drops what comes after them.",
            )
            .with_evidence(["a server that hangs after the handshake looks alike"]),
        );
    }
    if are_all(|it| *it == Outcome::OnlyRetry) {
        return Some(Finding::new(
            Cause::StalledAfterReply,
            format!("{host} asks for a Retry each time, and answers nothing that has its token."),
            "Look whether servers behind one balancer know each other's Retry tokens, and whether \
             a NAT gives each datagram another port.",
        ));
    }
    let sentence = format!("{host} begins to answer, and the handshake never completes.");
    let advice = "Look at the server's log and load, and at what lies between: the first answer \
                  passes, and what follows does not.";
    Some(Finding::new(Cause::StalledAfterReply, sentence, advice).or_else(
        Cause::MtuCliff,
        "have the server send datagrams of 1,200 bytes at most: if it completes then, larger ones \
         are lost",
    ))
}

/// The handshake is ended by one of the sides, in words.
fn refused(host: &str, last: &Outcome) -> Finding {
    let words = last.words();
    let (sentence, advice) = match last {
        Outcome::Refused(CONNECTION_REFUSED, _) => (
            format!("{host} refuses new connections: {words}."),
            "Look at the server's log, load and limits: it takes no new connection from here.",
        ),
        Outcome::Refused(CERTIFICATE_REQUIRED, _) => (
            format!("{host} takes only clients that show a certificate: {words}."),
            "Ask whoever runs the server for a client's certificate: `qecho client` and `qecho ping` \
             show it by --cert and --key.",
        ),
        Outcome::Refused(HANDSHAKE_FAILURE, _) => (
            format!("The handshake with {host} is broken off: {words}."),
            "Look at the server's log: most often both sides have no group, cipher suite or \
             signature scheme in common. Offered are X25519, P-256 and P-384, and what TLS 1.3 demands.",
        ),
        Outcome::Closed(_) => (
            format!("{host} keeps no connection: {words}."),
            "Look at the server's log for this moment: its application closes what it has accepted.",
        ),
        _ => (
            format!("The handshake with {host} is broken off: {words}."),
            "Look at the server's log for this moment.",
        ),
    };
    Finding::new(Cause::HandshakeRefused, sentence, advice)
}

/// Returns a protocol's name, fit for people.
pub(super) fn alpn_words(alpn: &Option<Vec<u8>>) -> String {
    match alpn {
        Some(name) => format!("ALPN {}", name.escape_ascii()),
        None => "no ALPN".into(),
    }
}

/// Says what was offered and what came of it.
pub(super) fn attempt_words(hello: &Hello, outcome: &Outcome) -> String {
    let names = hello
        .alpn
        .iter()
        .map(|name| name.escape_ascii().to_string());
    let names: Vec<_> = names.collect();
    let offered = match names.is_empty() {
        true => "no ALPN".to_owned(),
        false => format!("ALPN {}", names.join(", ")),
    };
    format!(
        "offered {offered}{}: {}",
        varied_words(hello),
        outcome.words()
    )
}

/// Says how a ClientHello differs from the usual one, but for the protocols that it offers.
pub(super) fn varied_words(hello: &Hello) -> String {
    let name = match hello.name {
        AskedName::Own => "",
        AskedName::None => ", without a name",
        AskedName::Other => ", with another name",
    };
    let large = if hello.is_large {
        ", ClientHello of two datagrams"
    } else {
        ""
    };
    let small = if hello.asks_small {
        ", asking for small datagrams"
    } else {
        ""
    };
    format!("{name}{large}{small}")
}

#[cfg(test)]
mod tests;
