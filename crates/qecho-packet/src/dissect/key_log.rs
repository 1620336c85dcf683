//! TLS secrets, as the NSS key log format hands them down.

use std::collections::{HashMap, VecDeque};

use crate::{
    Side,
    protection::{Secret, hexadecimal},
    wire::PacketType,
};

/// Bytes of a client random (RFC 8446 §4.1.2).
pub(super) const RANDOM_LENGTH: usize = 32;

/// What names a TLS session in a key log.
pub(super) type ClientRandom = [u8; RANDOM_LENGTH];

/// The secrets that protect packets, as they are labelled.
const LABELS: [&str; 5] = [
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "CLIENT_EARLY_TRAFFIC_SECRET",
];

/// Secrets of at most so many sessions.
pub(super) struct KeyLog {
    sessions_max: usize,
    sessions: HashMap<ClientRandom, [Option<Secret>; LABELS.len()]>,
    /// The oldest first.
    order: VecDeque<ClientRandom>,
    pub(super) malformed: u64,
}

impl KeyLog {
    pub(super) fn new(sessions_max: usize) -> Self {
        Self {
            sessions_max: sessions_max.max(1),
            sessions: HashMap::new(),
            order: VecDeque::new(),
            malformed: 0,
        }
    }

    pub(super) fn add(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let label = words.next();
            let Some(label) = LABELS.iter().position(|one| Some(*one) == label) else {
                continue;
            };
            match read(words) {
                Some((random, secret)) => self.insert(label, random, secret),
                None => self.malformed += 1,
            }
        }
    }

    fn insert(&mut self, label: usize, random: ClientRandom, secret: Secret) {
        if !self.sessions.contains_key(&random) {
            if self.sessions.len() >= self.sessions_max
                && let Some(oldest) = self.order.pop_front()
            {
                self.sessions.remove(&oldest);
            }
            self.order.push_back(random);
        }
        let session = self.sessions.entry(random).or_default();
        session[label] = Some(secret);
    }

    /// Returns what the keys of `sender`'s packets derive from.
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
        self.sessions.get(random)?[label].as_ref()
    }
}

/// Reads what stands after a label.
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

    fn line(label: &str, random: u8, secret: &str) -> String {
        format!("{label} {} {secret}\n", format!("{random:02x}").repeat(32))
    }

    #[test]
    fn secrets_are_found_by_what_they_protect() {
        let mut log = KeyLog::new(10);
        let secret = "ab".repeat(32);
        let longer = "CD".repeat(48);
        let text = line(LABELS[1], 1, &secret) + "# a comment\r\n" + &line(LABELS[2], 1, &longer);
        log.add(&text.replace('\n', "\r\n"));
        let found = |sender, packet_type| log.secret(&[1; 32], sender, packet_type).is_some();
        assert!(found(Side::Server, PacketType::Handshake));
        assert!(found(Side::Client, PacketType::OneRtt));
        assert!(!found(Side::Client, PacketType::Handshake));
        assert!(!found(Side::Server, PacketType::ZeroRtt));
        assert!(!found(Side::Server, PacketType::Initial));
        assert_eq!(log.malformed, 0);
    }

    #[test]
    fn malformed_lines_are_counted_and_others_passed_over() {
        let mut log = KeyLog::new(10);
        let secret = "ab".repeat(32);
        log.add("CLIENT_RANDOM 00 11\nEXPORTER_SECRET x y\n\n#\n \u{e9}\n");
        assert_eq!(log.malformed, 0);
        log.add(LABELS[0]);
        log.add(&line(LABELS[0], 1, &secret[1..]));
        log.add(&line(LABELS[0], 1, &secret[2..]));
        log.add(&line(LABELS[0], 1, &secret.replace('b', "g")));
        log.add(&line(LABELS[0], 1, &"ab".repeat(49)));
        log.add(&line(LABELS[0], 1, &format!("{secret} {secret}")));
        log.add(&format!("{} 00 {secret}", LABELS[0]));
        assert_eq!(log.malformed, 7);
        assert!(log.sessions.is_empty());
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let mut log = KeyLog::new(2);
        let secret = "ab".repeat(32);
        for random in [1, 2, 1, 3] {
            log.add(&line(LABELS[0], random, &secret));
            log.add(&line(LABELS[1], random, &secret));
        }
        assert_eq!((log.sessions.len(), log.order.len()), (2, 2));
        let known = |random| {
            let random = [random; 32];
            log.secret(&random, Side::Client, PacketType::Handshake)
                .is_some()
        };
        assert_eq!([1, 2, 3].map(known), [false, true, true]);
    }
}
