//! The secrets that a next file of a capture may need, by client random.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::protection::Secret;

/// Connections whose secrets wait until one of their packets shows which
/// connection it is; beyond that the oldest are forgotten. As many handshakes
/// may be under way.
const WAITING_MAX: usize = 1_024;

/// Bytes of lines that are kept of one connection; TLS 1.3 has less.
pub(super) const LINES_MAX: usize = 2_048;

/// The secrets of one connection.
#[derive(Default)]
pub(super) struct Entry {
    /// As they stood in the key log.
    pub(super) lines: String,
    /// What protects the client's 1-RTT packets.
    pub(super) client: Option<Secret>,
    /// What protects the server's.
    pub(super) server: Option<Secret>,
    /// The number of the batch that the first of them came with.
    pub(super) batch: u64,
    at: Duration,
    claimed: bool,
}

/// All of them.
pub(super) struct SecretStore {
    entries: HashMap<String, Entry>,
    /// Those that no connection has claimed, the oldest first.
    waiting: VecDeque<String>,
    waiting_max: usize,
    batch: u64,
}

impl SecretStore {
    /// Begins one in which those that wait take at most so many bytes.
    pub(super) fn new(waiting_bytes: usize) -> Self {
        Self {
            entries: HashMap::new(),
            waiting: VecDeque::new(),
            waiting_max: (waiting_bytes / LINES_MAX).min(WAITING_MAX),
            batch: 0,
        }
    }

    /// Adds lines of a key log.
    pub(super) fn add(&mut self, now: Duration, key_log: &str) {
        self.batch += 1;
        for line in key_log.lines() {
            let mut words = line.split(' ');
            let (Some(label), Some(random), Some(secret)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if !self.entries.contains_key(random) {
                self.begin(now, random);
            }
            let Some(entry) = self.entries.get_mut(random) else {
                continue;
            };
            if entry.lines.len() + line.len() < LINES_MAX {
                entry.lines.push_str(line);
                entry.lines.push('\n');
            }
            match label {
                "CLIENT_TRAFFIC_SECRET_0" => entry.client = Secret::read(secret),
                "SERVER_TRAFFIC_SECRET_0" => entry.server = Secret::read(secret),
                _ => {}
            }
        }
    }

    fn begin(&mut self, now: Duration, random: &str) {
        if self.waiting.len() >= self.waiting_max
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.entries.remove(&oldest);
        }
        let entry = Entry {
            batch: self.batch,
            at: now,
            ..Entry::default()
        };
        self.entries.insert(random.to_owned(), entry);
        self.waiting.push_back(random.to_owned());
    }

    /// Returns the number of the last batch.
    pub(super) fn batch(&self) -> u64 {
        self.batch
    }

    /// Returns those that no connection has claimed, the oldest first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&String, &Entry)> {
        let known = |random| Some((random, self.entries.get(random)?));
        self.waiting.iter().filter_map(known)
    }

    /// Takes a connection's secrets from those that wait; they stay until
    /// they are forgotten.
    pub(super) fn claim(&mut self, random: &str) {
        self.waiting.retain(|waiting| waiting != random);
        if let Some(entry) = self.entries.get_mut(random) {
            entry.claimed = true;
        }
    }

    /// Forgets a connection's secrets.
    pub(super) fn forget(&mut self, random: &str) {
        self.entries.remove(random);
    }

    /// Forgets those that have waited since before `then`.
    pub(super) fn forget_waiting(&mut self, then: Duration) {
        self.entries
            .retain(|_, entry| entry.claimed || entry.at >= then);
        let entries = &self.entries;
        self.waiting.retain(|random| entries.contains_key(random));
    }

    /// Returns a key log of all that are not forgotten.
    pub(super) fn key_log(&self) -> String {
        self.entries
            .values()
            .map(|entry| entry.lines.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: usize = 8 * LINES_MAX;
    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn secrets_are_kept_until_they_are_forgotten() {
        let mut ledger = SecretStore::new(WAITING);
        let secret = "01".repeat(32);
        let client = format!("CLIENT_TRAFFIC_SECRET_0 aa {secret}\n");
        ledger.add(NOW, &(client + "EXPORTER_SECRET aa 03\n"));
        ledger.add(NOW, "SERVER_TRAFFIC_SECRET_0 aa 04\n");
        let (random, entry) = ledger.waiting().next().expect("one waits");
        assert_eq!((random.as_str(), entry.batch), ("aa", 1));
        assert!(entry.client.is_some());
        assert!(entry.server.is_none(), "it has no hash's length");
        ledger.claim("aa");
        assert_eq!(ledger.waiting().count(), 0);
        assert_eq!(ledger.key_log().lines().count(), 3);
        ledger.forget("aa");
        assert_eq!(ledger.key_log(), "");
    }

    #[test]
    fn secrets_that_nobody_claims_are_bounded_in_number_and_time() {
        let mut ledger = SecretStore::new(WAITING);
        for random in 0..=8 {
            ledger.add(NOW, &format!("A {random:04x} 00\n"));
        }
        assert_eq!(ledger.entries.len(), 8);
        assert!(!ledger.key_log().contains("A 0000 "));
        ledger.claim("0007");
        ledger.forget_waiting(NOW);
        assert_eq!(ledger.waiting().count(), 7);
        ledger.forget_waiting(NOW + Duration::from_nanos(1));
        assert_eq!(ledger.key_log(), "A 0007 00\n");
    }

    #[test]
    fn lines_without_end_are_cut() {
        let mut ledger = SecretStore::new(WAITING);
        for _ in 0..1_000 {
            ledger.add(NOW, "A 00 11\n");
        }
        assert!(ledger.key_log().len() <= LINES_MAX);
    }
}
