//! TLS secrets, as the NSS key log format hands them down.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{
    Side,
    protection::{Secret, hexadecimal},
    wire::PacketType,
};

/// Bytes of a client random (RFC 8446 §4.1.2).
pub(super) const RANDOM_LENGTH: usize = 32;

/// Bytes of lines that are kept of one session; TLS 1.3 has less.
pub(crate) const LINES_MAX: usize = 2_048;

/// Packets that are tried to be opened, in all, to find out whose secrets a connection has whose
/// ClientHello is missing: some seconds.
const SEARCH_WORK_MAX: usize = 2_000_000;

/// The client random, which names a TLS session in a key log.
pub(super) type ClientRandom = [u8; RANDOM_LENGTH];

/// The secrets that protect packets, as they are labelled.
pub(super) const LABELS: [&str; 5] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "CLIENT_EARLY_TRAFFIC_SECRET",
];

/// Secrets by session. At most so many sessions wait unclaimed; the oldest of
/// them makes room. A session that a connection has claimed stays until that
/// connection is forgotten.
pub(super) struct KeyLog {
    unclaimed_max: usize,
    keeps_lines: bool,
    sessions: HashMap<ClientRandom, Session>,
    /// The oldest first.
    unclaimed: VecDeque<ClientRandom>,
    pub(super) malformed: u64,
    /// Packets that may still be tried where nothing names their secrets.
    pub(super) search_work: Cell<usize>,
}

#[derive(Default)]
struct Session {
    secrets: [Option<Secret>; LABELS.len()],
    /// All of its lines, whatever their labels, if they are kept.
    lines: String,
    /// Time of its first line.
    since: Duration,
    claimed_by: Option<u64>,
}

impl KeyLog {
    pub(super) fn new(unclaimed_max: usize, keeps_lines: bool) -> Self {
        Self {
            unclaimed_max: unclaimed_max.max(1),
            keeps_lines,
            sessions: HashMap::new(),
            unclaimed: VecDeque::new(),
            malformed: 0,
            // Whoever writes a capture has seen every ClientHello.
            search_work: Cell::new(if keeps_lines { 0 } else { SEARCH_WORK_MAX }),
        }
    }

    /// Tells whether there are secrets that may be tried.
    pub(super) fn is_searchable(&self) -> bool {
        !self.unclaimed.is_empty() && self.search_work.get() > 0
    }

    /// Returns the secrets of all sessions that may protect such packets, the newest first.
    pub(super) fn secrets(
        &self,
        sender: Side,
        packet_type: PacketType,
    ) -> impl Iterator<Item = (ClientRandom, &Secret)> {
        self.unclaimed.iter().rev().filter_map(move |random| {
            let secret = self.secret(random, sender, packet_type)?;
            Some((*random, secret))
        })
    }

    pub(super) fn add(&mut self, now: Duration, text: &str) {
        for line in text.split(['\r', '\n']) {
            let mut words = line.split_ascii_whitespace();
            let label = words.next();
            let label = LABELS.iter().position(|one| Some(*one) == label);
            if label.is_none() && !self.keeps_lines {
                continue;
            }
            let Some((random, secret)) = read(words) else {
                self.malformed += u64::from(label.is_some());
                continue;
            };
            let keeps_lines = self.keeps_lines;
            let session = self.session(now, random);
            if let Some(label) = label {
                session.secrets[label] = Some(secret);
            }
            if keeps_lines && session.lines.len() + line.len() < LINES_MAX {
                session.lines.push_str(line);
                session.lines.push('\n');
            }
        }
    }

    fn session(&mut self, now: Duration, random: ClientRandom) -> &mut Session {
        if !self.sessions.contains_key(&random) {
            if self.unclaimed.len() >= self.unclaimed_max
                && let Some(oldest) = self.unclaimed.pop_front()
            {
                self.sessions.remove(&oldest);
            }
            self.unclaimed.push_back(random);
        }
        self.sessions.entry(random).or_insert_with(|| Session {
            since: now,
            ..Session::default()
        })
    }

    /// Returns the secret from which the keys of `sender`'s packets derive.
    pub(super) fn secret(
        &self,
        random: &ClientRandom,
        sender: Side,
        packet_type: PacketType,
    ) -> Option<&Secret> {
        let label = match (packet_type, sender) {
            (PacketType::Handshake, Side::Client) => 0,
            (PacketType::Handshake, Side::Server) => 1,
            (PacketType::OneRtt, Side::Client) => 2,
            (PacketType::OneRtt, Side::Server) => 3,
            (PacketType::ZeroRtt, Side::Client) => 4,
            _ => return None,
        };
        self.sessions.get(random)?.secrets[label].as_ref()
    }

    /// Gives a session to a connection, unless another has claimed it.
    pub(super) fn claim(&mut self, random: &ClientRandom, connection: u64) {
        if let Some(session) = self.sessions.get_mut(random)
            && session.claimed_by.is_none()
        {
            session.claimed_by = Some(connection);
            self.unclaimed.retain(|unclaimed| unclaimed != random);
        }
    }

    /// Forgets the session that a connection has claimed.
    pub(super) fn forget(&mut self, random: &ClientRandom, connection: u64) {
        let session = self.sessions.get(random);
        if session.is_some_and(|session| session.claimed_by == Some(connection)) {
            self.sessions.remove(random);
        }
    }

    /// Forgets the sessions that nobody has claimed and that began before `then`.
    pub(super) fn forget_unclaimed(&mut self, then: Duration) {
        self.sessions
            .retain(|_, session| session.claimed_by.is_some() || session.since >= then);
        let sessions = &self.sessions;
        self.unclaimed
            .retain(|random| sessions.contains_key(random));
    }

    /// Returns the lines of all sessions, as far as they are kept.
    pub(super) fn lines(&self) -> String {
        let sessions = self.sessions.values();
        sessions.map(|session| session.lines.as_str()).collect()
    }
}

/// The mark that some editors and shells put before text (Unicode, U+FEFF), as UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Decodes the bytes of a key log, for [`Dissector::add_secrets`](super::Dissector::add_secrets).
///
/// UTF-8 and, since PowerShell redirects so, UTF-16 are read, with byte order mark or without.
/// Labels and digits are ASCII: any other character becomes `?`, so that the text is
/// never longer than its bytes.
pub fn key_log_text(bytes: &[u8]) -> String {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [1..=0x7f, 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, 1..=0x7f, ..] => utf16(bytes, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let pairs = bytes.as_chunks::<2>().0.iter();
    let units = pairs.map(|pair| u8::try_from(unit(*pair)).unwrap_or(u8::MAX));
    units.map(ascii).collect()
}

fn utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        // Logs that were joined have a mark within.
        let marked = rest.strip_prefix(BYTE_ORDER_MARK);
        if marked.is_none() {
            text.push(ascii(*first));
        }
        rest = marked.unwrap_or(after);
    }
    text
}

fn ascii(byte: u8) -> char {
    if byte.is_ascii() { byte.into() } else { '?' }
}

/// Reads the client random and the secret that follow a label.
fn read<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<(ClientRandom, Secret)> {
    let mut bytes = [0; RANDOM_LENGTH];
    let random = hexadecimal(words.next()?, &mut bytes)?;
    let random = ClientRandom::try_from(random).ok()?;
    let secret = Secret::read(words.next()?)?;
    words.next().is_none().then_some((random, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn line(label: &str, random: u8, secret: &str) -> String {
        format!("{label} {} {secret}\n", format!("{random:02x}").repeat(32))
    }

    #[test]
    fn secrets_are_found_by_what_they_protect() {
        let mut log = KeyLog::new(10, false);
        let secret = "ab".repeat(32);
        let longer = "CD".repeat(48);
        let text = line(LABELS[1], 1, &secret) + "# a comment\r\n" + &line(LABELS[2], 1, &longer);
        log.add(NOW, &text.replace('\n', "\r\n"));
        let found = |sender, packet_type| log.secret(&[1; 32], sender, packet_type).is_some();
        assert!(found(Side::Server, PacketType::Handshake));
        assert!(found(Side::Client, PacketType::OneRtt));
        assert!(!found(Side::Client, PacketType::Handshake));
        assert!(!found(Side::Server, PacketType::ZeroRtt));
        assert!(!found(Side::Server, PacketType::Initial));
        assert_eq!(log.malformed, 0);
    }

    #[test]
    fn a_key_log_is_read_in_whatever_encoding_an_editor_or_a_shell_left_it() {
        let plain = line(LABELS[2], 1, &"ab".repeat(32)) + "# é 🦀\n";
        let utf16 = |order: fn(u16) -> [u8; 2], text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        };
        let marked = format!("\u{feff}{plain}");
        for bytes in [
            plain.clone().into_bytes(),
            marked.clone().into_bytes(),
            format!("{marked}{marked}").into_bytes(),
            utf16(u16::to_le_bytes, &plain),
            utf16(u16::to_be_bytes, &plain),
            utf16(u16::to_le_bytes, &marked),
            utf16(u16::to_be_bytes, &marked),
            plain.replace('\n', "\r").into_bytes(),
        ] {
            let text = key_log_text(&bytes);
            assert!(text.len() <= bytes.len());
            let mut log = KeyLog::new(10, false);
            log.add(NOW, &text);
            let secret = log.secret(&[1; 32], Side::Client, PacketType::OneRtt);
            assert!(secret.is_some(), "{bytes:x?}");
            assert_eq!(log.malformed, 0);
        }
        for odd in [
            &b""[..],
            b"\xff",
            b"\xff\xfe\x41",
            b"\xef\xbb",
            b"\0",
            b"\xfe\xff",
        ] {
            assert!(key_log_text(odd).is_ascii());
        }
    }

    #[test]
    fn malformed_lines_are_counted_and_others_passed_over() {
        let mut log = KeyLog::new(10, false);
        let secret = "ab".repeat(32);
        log.add(
            NOW,
            "CLIENT_RANDOM 00 11\nEXPORTER_SECRET x y\n\n#\n \u{e9}\n",
        );
        assert_eq!(log.malformed, 0);
        log.add(NOW, LABELS[0]);
        log.add(NOW, &line(LABELS[0], 1, &secret[1..]));
        log.add(NOW, &line(LABELS[0], 1, &secret[2..]));
        log.add(NOW, &line(LABELS[0], 1, &secret.replace('b', "g")));
        log.add(NOW, &line(LABELS[0], 1, &"ab".repeat(49)));
        log.add(NOW, &line(LABELS[0], 1, &format!("{secret} {secret}")));
        log.add(NOW, &format!("{} 00 {secret}", LABELS[0]));
        assert_eq!(log.malformed, 7);
        assert!(log.sessions.is_empty());
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let mut log = KeyLog::new(2, false);
        let secret = "ab".repeat(32);
        for random in [1, 2, 1, 3] {
            log.add(NOW, &line(LABELS[0], random, &secret));
            log.add(NOW, &line(LABELS[1], random, &secret));
        }
        assert_eq!((log.sessions.len(), log.unclaimed.len()), (2, 2));
        let known = |random| {
            let random = [random; 32];
            log.secret(&random, Side::Client, PacketType::Handshake)
                .is_some()
        };
        assert_eq!([1, 2, 3].map(known), [false, true, true]);
    }
    #[test]
    fn a_claimed_session_keeps_all_of_its_lines_until_its_connection_is_forgotten() {
        let mut log = KeyLog::new(2, true);
        let secret = "ab".repeat(32);
        log.add(NOW, &line(LABELS[2], 1, &secret));
        log.add(NOW, &line("EXPORTER_SECRET", 1, &secret));
        log.add(NOW, &line(LABELS[3], 1, &secret));
        log.claim(&[1; 32], 7);
        log.claim(&[1; 32], 8);
        for random in 2..=4 {
            log.add(NOW, &line(LABELS[0], random, &secret));
        }
        assert_eq!(log.sessions.len(), 3, "one that nobody claimed made room");
        log.forget_unclaimed(NOW);
        assert_eq!(log.sessions.len(), 3);
        log.forget_unclaimed(NOW + Duration::from_nanos(1));
        assert_eq!((log.sessions.len(), log.unclaimed.len()), (1, 0));
        log.forget(&[1; 32], 8);
        assert_eq!(log.lines().lines().count(), 3);
        log.forget(&[1; 32], 7);
        assert_eq!(log.lines(), "");
    }

    #[test]
    fn lines_without_end_are_cut() {
        let mut log = KeyLog::new(2, true);
        for _ in 0..1_000 {
            log.add(NOW, &line("A", 0, &"11".repeat(32)));
        }
        assert!(log.lines().len() <= LINES_MAX);
    }
}
