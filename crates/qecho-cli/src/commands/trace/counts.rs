//! Counts of the packets of a file that are shown and left out.

use std::{cmp::Reverse, collections::BTreeMap};

use qecho_packet::{DecodedDatagram, DropReason, capture::SkipReason, wire::version_name};

use crate::stderr::say;

/// Reasons that are told; those with the most packets.
const REASONS_MAX: usize = 8;

/// Versions that are told, those with the most datagrams, and that are told apart at all.
const VERSIONS_SHOWN_MAX: usize = 8;
const VERSIONS_MAX: usize = 1_000;

/// Numbers of packets and datagrams.
#[derive(Default)]
pub(super) struct Counts {
    /// Datagrams with QUIC in them.
    datagrams: u64,
    /// Packets that only missing secrets keep closed.
    closed: u64,
    /// Packets whose secrets nothing names.
    nameless: u64,
    /// Packets of connections that began before.
    late_packets: u64,
    /// Datagrams without QUIC.
    other_udp: u64,
    /// Datagrams that may be of QUIC connections that began before.
    late: u64,
    /// Datagrams of other versions than 1.
    versions: BTreeMap<u32, u64>,
    /// Datagrams of yet other versions.
    more_versions: u64,
    /// Packets without a datagram that can be shown.
    skipped: BTreeMap<SkipReason, u64>,
}

impl Counts {
    /// Counts a datagram with QUIC in it.
    pub(super) fn count(&mut self, datagram: &DecodedDatagram) {
        self.datagrams += 1;
        for packet in &datagram.packets {
            match packet.dropped {
                Some(DropReason::NoSecrets) => self.closed += 1,
                Some(DropReason::ClientHelloNotCaptured) => self.nameless += 1,
                Some(DropReason::BeginningNotCaptured) => self.late_packets += 1,
                _ => {}
            }
        }
    }

    /// Counts a datagram of UDP without QUIC.
    pub(super) fn count_other(&mut self) {
        self.other_udp += 1;
    }

    /// Counts a datagram of another version than 1.
    pub(super) fn count_version(&mut self, version: u32) {
        let is_known = self.versions.contains_key(&version);
        match is_known || self.versions.len() < VERSIONS_MAX {
            true => *self.versions.entry(version).or_default() += 1,
            false => self.more_versions += 1,
        }
    }

    /// Notes that so many datagrams that were counted as others may be QUIC after all.
    pub(super) fn note_late(&mut self, late: u64) {
        self.late = late.min(self.other_udp);
        self.other_udp -= self.late;
    }

    /// Counts a packet that cannot be shown.
    pub(super) fn leave_out(&mut self, why: SkipReason) {
        *self.skipped.entry(why).or_default() += 1;
    }

    /// Tells whether anything was shown.
    pub(super) fn has_quic(&self) -> bool {
        self.datagrams > 0
    }

    /// Returns how much was left out and why, if anything was.
    pub(super) fn left_out(&self) -> Option<String> {
        let skipped = self.skipped.iter();
        let mut reasons: Vec<_> = skipped
            .map(|(why, count)| (*count, why.to_string()))
            .collect();
        for (count, why) in [
            (self.other_udp, "of UDP that is not QUIC"),
            (
                self.late,
                "of UDP that may be QUIC connections which began before the capture",
            ),
        ] {
            reasons.extend((count > 0).then(|| (count, why.to_owned())));
        }
        let rest = most(&mut reasons, REASONS_MAX);
        if rest > 0 {
            reasons.push((rest, "for other reasons".to_owned()));
        }
        let words = reasons
            .iter()
            .map(|(count, why)| told(*count, "packet", why));
        let words: Vec<_> = words.collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Returns which other versions of QUIC there are, if there are any.
    pub(super) fn other_versions(&self) -> Option<String> {
        let name =
            |version: &u32| version_name(*version).unwrap_or_else(|| format!("{version:#010x}"));
        let versions = self.versions.iter();
        let mut versions: Vec<_> = versions
            .map(|(version, count)| (*count, format!("of version {}", name(version))))
            .collect();
        let rest = most(&mut versions, VERSIONS_SHOWN_MAX) + self.more_versions;
        if rest > 0 {
            versions.push((rest, "of yet others".to_owned()));
        }
        let words = versions
            .iter()
            .map(|(count, which)| told(*count, "datagram", which));
        let words: Vec<_> = words.collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Says what could not be shown; of a stream, secrets open only what comes after them.
    pub(super) fn tell(&self, is_stream: bool) {
        if let Some(words) = self.left_out() {
            say(format_args!("not shown: {words}"));
        }
        if let Some(words) = self.other_versions() {
            say(format_args!(
                "not opened, since qecho opens version 1: {words}"
            ));
        }
        let closed = |count: u64, why: &str| match count {
            0 => {}
            1 => say(format_args!("1 packet stays closed: {why}")),
            count => say(format_args!("{count} packets stay closed: {why}")),
        };
        closed(
            self.late_packets,
            "the capture begins after their connections, and no secrets that it has or that \
             --keylog gives open them",
        );
        closed(
            self.nameless,
            "no secrets fit, and the ClientHello that would name them was not captured whole",
        );
        let words = match self.closed {
            0 => return,
            1 => "1 packet stays closed: its TLS secrets are".to_owned(),
            count => format!("{count} packets stay closed: their TLS secrets are"),
        };
        let place = if is_stream { "before them" } else { "inside" };
        say(format_args!(
            "{words} neither {place} nor in a --keylog; programs write them to $SSLKEYLOGFILE"
        ));
    }
}

/// Leaves the reasons with the largest counts; returns the sum of the others' counts. Equal
/// ones stay in their order.
fn most(reasons: &mut Vec<(u64, String)>, limit: usize) -> u64 {
    reasons.sort_by_key(|(count, _)| Reverse(*count));
    let rest = reasons.iter().skip(limit).map(|(count, _)| count).sum();
    reasons.truncate(limit);
    rest
}

fn told(count: u64, unit: &str, which: &str) -> String {
    match count {
        1 => format!("1 {unit} {which}"),
        count => format!("{count} {unit}s {which}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_most_is_told_first() {
        let mut counts = Counts::default();
        assert_eq!(counts.left_out(), None);
        counts.leave_out(SkipReason::Icmp);
        counts.leave_out(SkipReason::LinkType(147));
        counts.count_other();
        counts.count_other();
        assert_eq!(
            counts.left_out().as_deref(),
            Some(
                "2 packets of UDP that is not QUIC; 1 packet of link type 147, which qecho \
                 does not read; 1 packet of ICMP"
            )
        );
    }

    #[test]
    fn other_versions_are_counted_by_their_names() {
        let mut counts = Counts::default();
        assert_eq!(counts.other_versions(), None);
        for version in [0xff00_001d, 0x6b33_43cf, 0xff00_001d, 0xdead_beef] {
            counts.count_version(version);
        }
        assert_eq!(
            counts.other_versions().as_deref(),
            Some(
                "2 datagrams of version draft-29; 1 datagram of version 2; \
                 1 datagram of version 0xdeadbeef"
            )
        );
        (0..5_000).for_each(|version| counts.count_version(version));
        assert!(counts.versions.len() <= VERSIONS_MAX);
        let words = counts.other_versions().unwrap();
        assert!(words.ends_with("; 4995 datagrams of yet others"), "{words}");
    }

    #[test]
    fn a_file_of_many_link_types_is_told_in_a_few_words() {
        let mut counts = Counts::default();
        (1_000..2_000).for_each(|link| counts.leave_out(SkipReason::LinkType(link)));
        let words = counts.left_out().unwrap();
        assert!(
            words.ends_with("; 992 packets for other reasons"),
            "{words}"
        );
        assert_eq!(words.matches("link type").count(), REASONS_MAX);
    }
}
