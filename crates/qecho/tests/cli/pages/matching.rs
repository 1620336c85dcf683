//! Lines of a page beside those of a run: what no two runs have alike stands for any of its kind.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Stands for any lines where it is a line, and for any text within one.
const ANYTHING: char = '…';

/// Ports from here on are those that a system hands out.
const HANDED_OUT: u32 = 32_768;

/// Patterns of text that is different each time, and the word in the place of each.
static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let masks = [
        (r"[ ]+", " "),
        (
            r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(T[0-9:.]+Z| [0-9:]{5,8})?",
            "(date)",
        ),
        (r"([0-9A-Fa-f]{2}:){15,}[0-9A-Fa-f]{2}", "(hex)"),
        (r"[0-9a-f]{16,}|sha256:[0-9a-f]{8,}", "(hex)"),
        (r"^ ?[0-9]+[.][0-9]{3} ", "(time) "),
        (r"[0-9]+([.][0-9]+)? ?(ns|µs|ms|s|min)\b", "(time)"),
        (r"seed [0-9]+", "seed (number)"),
        // How long a signature is differs, and with it the packets that carry it.
        (r"[0-9,]+ B ", "(number) B "),
        (r"\[[0-9]+\.\.[0-9]+\)", "[(numbers))"),
        (r"PADDING [0-9]+", "PADDING (number)"),
        // A relay loses none of a few datagrams, or some.
        (r"bytes\)(, [0-9,]+ (lost|still on the way))+", "bytes)"),
    ];
    let compile = |(pattern, word): (&str, _)| {
        let pattern = pattern.replace(r"\b", r"(?-u:\b)");
        (Regex::new(&pattern).expect("it is a pattern"), word)
    };
    masks.map(compile).into()
});

/// An address of this host, of which a client takes the one that answers first.
static OWN_ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(127[.]0[.]0[.]1|\[::1\]|192[.]0[.]2[.]1):([0-9]{1,5})").expect("it is a pattern")
});

/// Lines whose every number is a measurement: of a load, of a path, of what a relay passed.
static FIGURES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^(measured|rate|transport|generator|up|down) ").expect("it is a pattern")
});

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("[0-9][0-9,.]*").expect("it is a pattern"));

/// Returns the first line of a page that a run does not have, counted from zero; the line after
/// the last where the run has more.
pub(super) fn difference(page: &[String], run: &[String]) -> Option<usize> {
    let ends = ends(page, run);
    match ends {
        Ok(ends) => (!ends.contains(&run.len())).then_some(page.len()),
        Err(line) => Some(line),
    }
}

/// Tells whether a run begins with the lines of a page.
pub(super) fn begins(page: &[String], run: &[String]) -> bool {
    ends(page, run).is_ok()
}

/// Returns the numbers of lines of a run that are all lines of a page, or the first line of the
/// page that is not there.
fn ends(page: &[String], run: &[String]) -> Result<Vec<usize>, usize> {
    let run: Vec<_> = run.iter().map(|line| masked(line)).collect();
    let mut ends = vec![0];
    for (number, line) in page.iter().enumerate() {
        if line.trim().strip_prefix(ANYTHING) == Some("") {
            let first = ends.iter().min().copied().unwrap_or_default();
            ends = (first..=run.len()).collect();
            continue;
        }
        let line = masked(line);
        ends.retain(|end| run.get(*end).is_some_and(|found| fits(&line, found)));
        ends.iter_mut().for_each(|end| *end += 1);
        if ends.is_empty() {
            return Err(number);
        }
    }
    Ok(ends)
}

fn masked(line: &str) -> String {
    let mut masked = line.trim_end().to_owned();
    for (pattern, word) in MASKS.iter() {
        masked = pattern.replace_all(&masked, *word).into_owned();
    }
    let own = |found: &Captures<'_>| match found[2].parse() {
        Ok(HANDED_OUT..) => "(host):(port)".to_owned(),
        _ => format!("(host):{}", &found[2]),
    };
    let masked = OWN_ADDRESS.replace_all(&masked, own);
    match FIGURES.is_match(&masked) {
        true => NUMBER.replace_all(&masked, "(number)").into_owned(),
        false => masked.into_owned(),
    }
}

/// Tells whether a line has the parts of another in its order, from its beginning to its end.
fn fits(line: &str, found: &str) -> bool {
    let mut parts = line.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = found.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn what_differs_each_time_fits_and_nothing_else_does() {
    let is_alike = |page: &str, run: &str| {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        difference(&lines(page), &lines(run)).is_none()
    };
    for (page, run) in [
        ("in 831 µs, 9.50 ms, 5 s", "in 1.2 ms, 12 µs, 61.3 s"),
        ("127.0.0.1:58857  connected", "[::1]:41000 connected"),
        ("until 2026-12-11 10:00", "until 2027-01-01 23:59"),
        ("sha256:2a2d8e2600112233", "sha256:00112233445566778899"),
        ("   21.758 → 1-RTT 4", "  1021.001 → 1-RTT 4"),
        (
            "← Handshake 0    807 B  CRYPTO [0..761)",
            "← Handshake 0 1,009 B CRYPTO [0..96)",
        ),
        (
            "rate  769 messages a second (1,772 in all)",
            "rate  1,769 messages a second (2 in all)",
        ),
        ("a … d", "a b c d"),
        ("a\n…\nd", "a\nb\nc\nd"),
        ("a\n…\nd", "a\nd"),
        ("a\n…", "a"),
    ] {
        assert!(is_alike(page, run), "{page:?} {run:?}");
    }
    for (page, run) in [
        ("3 echoes", "2 echoes"),
        ("127.0.0.1:4433", "127.0.0.1:4434"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("a\n…\nd\ne", "a\nb\nd"),
        ("a … d", "a b c"),
        ("in 831 µs, a", "in 831 µs, b"),
        ("← Handshake 0    807 B", "← Handshake 1    807 B"),
        ("2 lost", "3 lost"),
    ] {
        assert!(!is_alike(page, run), "{page:?} {run:?}");
    }
}
