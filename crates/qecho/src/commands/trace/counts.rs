//! Counts of the packets of a file that are shown and left out.

use std::{cmp::Reverse, collections::BTreeMap};

use qecho_packet::{DecodedDatagram, DropReason, capture::SkipReason};

use crate::stderr::say;

/// Reasons that are told; those with the most packets.
const REASONS_MAX: usize = 8;

/// Numbers of packets and datagrams.
#[derive(Default)]
pub(super) struct Counts {
    /// Datagrams with QUIC in them.
    datagrams: u64,
    /// Packets that only missing secrets keep closed.
    closed: u64,
    /// Datagrams without QUIC.
    pub(super) other_udp: u64,
    /// Packets without a datagram that can be shown.
    skipped: BTreeMap<SkipReason, u64>,
}

impl Counts {
    /// Counts a datagram with QUIC in it.
    pub(super) fn count(&mut self, datagram: &DecodedDatagram) {
        self.datagrams += 1;
        for packet in &datagram.packets {
            self.closed += u64::from(packet.dropped == Some(DropReason::NoSecrets));
        }
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
        if self.other_udp > 0 {
            reasons.push((self.other_udp, "of UDP that is not QUIC".to_owned()));
        }
        // Equally many stay in the order of their reasons.
        reasons.sort_by_key(|(count, _)| Reverse(*count));
        let rest: u64 = reasons
            .iter()
            .skip(REASONS_MAX)
            .map(|(count, _)| count)
            .sum();
        reasons.truncate(REASONS_MAX);
        if rest > 0 {
            reasons.push((rest, "for other reasons".to_owned()));
        }
        let words: Vec<_> = reasons
            .iter()
            .map(|(count, why)| match count {
                1 => format!("1 packet {why}"),
                count => format!("{count} packets {why}"),
            })
            .collect();
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Says what could not be shown; of a stream, secrets open only what comes after them.
    pub(super) fn tell(&self, is_stream: bool) {
        if let Some(words) = self.left_out() {
            say(format_args!("not shown: {words}"));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_most_is_told_first() {
        let mut counts = Counts::default();
        assert_eq!(counts.left_out(), None);
        counts.leave_out(SkipReason::Icmp);
        counts.leave_out(SkipReason::LinkType(147));
        counts.other_udp = 2;
        assert_eq!(
            counts.left_out().as_deref(),
            Some(
                "2 packets of UDP that is not QUIC; 1 packet of link type 147, which qecho \
                 does not read; 1 packet of ICMP"
            )
        );
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
