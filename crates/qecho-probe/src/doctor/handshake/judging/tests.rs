use super::{
    super::certificate::{Refusal, ShownCertificate},
    *,
};

/// Letters for what was tried: the usual ClientHello is u, a large one l, one without a name n,
/// one of other protocols a, and one that asks for small datagrams s.
fn hello(letter: char) -> Hello {
    let mut hello = Hello::usual(Some(b"h3"));
    match letter {
        'u' => {}
        'l' => hello.is_large = true,
        'n' => hello.name = AskedName::None,
        'a' => hello.alpn = vec![b"echo".to_vec()],
        's' => hello.asks_small = true,
        letter => panic!("{letter} is no ClientHello"),
    }
    hello
}

/// Letters for what became of it: completed +, silent -, stalled ., only Retry R, unconfirmed :, the
/// protocol refused !, the handshake refused x, the connection refused r, closed at once c, this
/// side finds fault b, other versions v.
fn outcome(letter: char) -> Outcome {
    match letter {
        '+' => Outcome::Completed(Some(b"echo".to_vec())),
        '-' => Outcome::Silent,
        '.' => Outcome::Stalled,
        'R' => Outcome::OnlyRetry,
        ':' => Outcome::Unconfirmed,
        '!' => Outcome::Refused(0x178, "closed".into()),
        'x' => Outcome::Refused(0x128, "closed".into()),
        'r' => Outcome::Refused(CONNECTION_REFUSED, "the server closed".into()),
        'c' => Outcome::Closed("the server closed at once".into()),
        'b' => Outcome::Broken("this side finds fault".into()),
        'v' => Outcome::OtherVersions(vec![0x1a2a_3a4a, 0xff00_001d, 0x6b33_43cf]),
        letter => panic!("{letter} is no outcome"),
    }
}

fn attempts(tried: &str) -> Attempts {
    let letters: Vec<char> = tried.chars().filter(|it| *it != ' ').collect();
    let tried = letters.chunks(2).map(|it| (hello(it[0]), outcome(it[1])));
    Attempts {
        host: "example.com".into(),
        tried: tried.collect(),
        is_alpn_chosen: true,
        ..Attempts::default()
    }
}

fn causes(attempts: &Attempts) -> Vec<Cause> {
    judge(attempts)
        .iter()
        .map(|finding| finding.cause)
        .collect()
}

#[test]
fn what_fails_passes_with_one_thing_changed_and_fails_again_is_a_cause() {
    for (tried, expected) in [
        // Well, if not at once.
        ("u+ l+", None),
        ("u. u+ l+", None),
        ("u- u+ l- u+ l+", None),
        ("u+ l- u+ l- u+", None),
        ("u+ l- u. ", None),
        // A large one is lost three times, and small ones never.
        ("u+ l- u+ l. u+ l- u+", Some(Cause::LargeHandshakeLost)),
        ("u- u+ l- u+ l- u+ l- u+", None),
        // It got there: what follows the handshake is lost.
        ("u+ l: u+ l: u+ l: u+", None),
        // Its name is dropped, in the ClientHello or behind it.
        ("u- u- n+ u-", Some(Cause::NameBlocked)),
        ("u- u- nx u-", Some(Cause::NameBlocked)),
        ("u- u- n+ u+", None),
        ("u. u. u. s. n+ u.", Some(Cause::NameBlocked)),
        // Its protocol is refused, in words or by silence.
        ("u! a+ u!", Some(Cause::AlpnRefused)),
        ("u! a! u!", Some(Cause::AlpnRefused)),
        ("u- u- n- a+ u-", Some(Cause::AlpnRefused)),
        ("ux a+ ux", Some(Cause::AlpnRefused)),
        ("u- u- n- a+ u+", None),
        ("u!", None),
        // Only small datagrams come back.
        ("u. u. u. s+ u.", Some(Cause::MtuCliff)),
        ("u. u. u. s+ u+", None),
        // Nothing helps.
        ("u. u. u. s. n.", Some(Cause::StalledAfterReply)),
        ("u: u. u: s. n.", Some(Cause::StalledAfterReply)),
        ("u: u: u: s: n:", Some(Cause::BlackholeAfterHandshake)),
        ("uR uR uR uR", Some(Cause::StalledAfterReply)),
        ("uc uc", Some(Cause::HandshakeRefused)),
        ("uc", None),
        ("u: u+ l+", None),
        ("u. u. u. s+", None),
        ("ux ax nx ux", Some(Cause::HandshakeRefused)),
        ("ub ub", Some(Cause::HandshakeRefused)),
        ("ur ar nr ur", Some(Cause::HandshakeRefused)),
        ("ur a+ ur", Some(Cause::HandshakeRefused)),
        // Others are served, whoever names it is not.
        ("ux ax n+ ux", Some(Cause::HandshakeRefused)),
        ("ur", None),
        ("ux", None),
        ("uv uv", Some(Cause::IgnoresUs)),
        ("uv", None),
        ("u- u- n- a- u-", None),
    ] {
        let expected = Vec::from_iter(expected);
        assert_eq!(causes(&attempts(tried)), expected, "{tried}");
    }
}

#[test]
fn a_server_ignores_us_only_if_it_still_tells_its_versions() {
    for (negotiates, expected) in [
        (Some(true), vec![Cause::IgnoresUs]),
        (Some(false), vec![]),
        (None, vec![]),
    ] {
        let mut attempts = attempts("u- u- n- a- u-");
        attempts.negotiates = negotiates;
        assert_eq!(causes(&attempts), expected);
    }
}

#[test]
fn a_protocol_that_was_guessed_is_nobodys_fault() {
    let mut attempts = attempts("u! a+ u!");
    attempts.is_alpn_chosen = false;
    assert!(causes(&attempts).is_empty());
}

#[test]
fn a_server_that_serves_others_than_it_is_asked_for_has_not_completed() {
    for (tried, expected) in [
        ("u+ l+", true),
        ("u! a+ u!", true),
        ("ux ax n+ ux", false),
        ("u. u. u. s+ u.", false),
        ("u- u- n- a-", false),
    ] {
        assert_eq!(attempts(tried).has_completed(), expected, "{tried}");
    }
    let mut refused = attempts("ux ax n+ ux");
    refused.is_alpn_chosen = false;
    assert_eq!(causes(&refused), [Cause::HandshakeRefused]);
}

#[test]
fn a_refusal_is_told_with_the_words_of_the_server() {
    for (tried, words) in [
        ("ur ur", "the server closed"),
        ("ub ub", "this side finds fault"),
        ("uc uc", "keeps no connection: the server closed at once"),
    ] {
        let findings = judge(&attempts(tried));
        assert!(findings[0].sentence.contains(words), "{findings:?}");
    }
}

#[test]
fn a_certificate_is_refused_for_what_the_verifier_says_of_it() {
    let mut attempts = attempts("u+ l+");
    attempts.certificate = Some(ShownCertificate::default());
    assert!(causes(&attempts).is_empty());
    let shown = attempts.certificate.as_mut().expect("it was shown");
    shown.refusal = Some(Refusal {
        reason: "the certificate expired on 2020-02-01".into(),
        advice: "check the clock".into(),
    });
    let findings = judge(&attempts);
    assert_eq!(findings[0].cause, Cause::CertificateRefused);
    let expected = "example.com cannot be trusted: the certificate expired on 2020-02-01.";
    assert_eq!(findings[0].sentence, expected);
    assert_eq!(findings[0].advice, "Check the clock.");
}

#[test]
fn who_speaks_other_versions_alone_is_told_with_those_that_somebody_speaks() {
    let findings = judge(&attempts("uv uv"));
    let expected = "example.com speaks QUIC version draft-29, 2 only: version 1 is asked for.";
    assert_eq!(findings[0].sentence, expected);
}

#[test]
fn a_protocol_that_is_refused_is_told_with_what_is_taken() {
    for (tried, expected) in [
        (
            "u! a+ u!",
            "example.com does not take ALPN h3, but ALPN echo.",
        ),
        ("u! a! u!", "example.com does not take ALPN h3."),
    ] {
        assert_eq!(judge(&attempts(tried))[0].sentence, expected);
    }
    let mut without = attempts("u! a+ u!");
    without.tried[1].1 = Outcome::Completed(None);
    let expected = "example.com does not take ALPN h3, but connections without ALPN.";
    assert_eq!(judge(&without)[0].sentence, expected);
}

#[test]
fn evidence_counts_what_repeats() {
    let lines = attempts("u- u- n+ u-").evidence();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].ends_with("(2 times)"), "{lines:?}");
}
