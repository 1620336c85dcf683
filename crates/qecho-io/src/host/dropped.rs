//! Datagrams that this host has dropped itself.

/// Datagrams that a host has dropped itself, for all of its programs and since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Received ones for which a socket had no room.
    pub received: u64,
    /// Those to be sent for which there was no room. Some of them may have been sent later: Linux
    /// counts each attempt.
    pub sent: u64,
}

/// Counts them, where the system tells: on Linux, in the network namespace of this process.
pub fn dropped() -> Option<Dropped> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let v4 = of_ipv4(&std::fs::read_to_string("/proc/net/snmp").ok()?)?;
    // A host without IPv6 has no such file.
    let v6 = std::fs::read_to_string("/proc/net/snmp6").ok();
    let v6 = v6.map_or(Dropped::default(), |text| of_ipv6(&text));
    Some(Dropped {
        received: v4.received.saturating_add(v6.received),
        sent: v4.sent.saturating_add(v6.sent),
    })
}

/// Reads two lines of `Udp:`, of which the first has the names of what is in the second.
fn of_ipv4(text: &str) -> Option<Dropped> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let fields = names.split_whitespace().zip(values.split_whitespace());
    let field = |wanted| {
        let (_, value) = fields.clone().find(|(name, _)| *name == wanted)?;
        value.parse().ok()
    };
    Some(Dropped {
        received: field("RcvbufErrors")?,
        sent: field("SndbufErrors")?,
    })
}

/// Reads a name and a value in each line.
fn of_ipv6(text: &str) -> Dropped {
    let mut dropped = Dropped::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next(), words.next());
        let value = value.and_then(|value| value.parse().ok()).unwrap_or(0);
        match name {
            Some("Udp6RcvbufErrors") => dropped.received = value,
            Some("Udp6SndbufErrors") => dropped.sent = value,
            _ => {}
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNMP: &str = "\
Icmp: InMsgs InErrors
Icmp: 77 0
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
Udp: 100 2 9 200 7 3 2
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
UdpLite: 0 0 0 0 5 5 0
";
    const SNMP6: &str = "\
Ip6InReceives                   \t500
Udp6InErrors                    \t6
Udp6RcvbufErrors                \t4
Udp6SndbufErrors                \t1
UdpLite6RcvbufErrors            \t8
";

    #[test]
    fn both_families_are_read_by_the_names_of_their_counters() {
        let [received, sent] = [7, 3];
        assert_eq!(of_ipv4(SNMP), Some(Dropped { received, sent }));
        let [received, sent] = [4, 1];
        assert_eq!(of_ipv6(SNMP6), Dropped { received, sent });
        for text in ["", "Udp: InDatagrams\nUdp: 1\n", "Udp: RcvbufErrors\n"] {
            assert_eq!(of_ipv4(text), None, "{text}");
        }
        assert_eq!(of_ipv6("Udp6RcvbufErrors x\n\n"), Dropped::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_host_counts_them() {
        assert!(dropped().is_some());
    }
}
