//! Networks in which one thing is wrong.

mod ends;
mod moved;
mod relayed;
mod unreached;

use std::collections::BTreeSet;

use super::{Scenario, WELL, namespaces::Place, scenarios};

pub(super) use self::{
    ends::ALL as ENDS, moved::ALL as MOVED, relayed::ALL as RELAYED, unreached::ALL as UNREACHED,
};

/// Leads what is sent to the server to another port of its host.
const TO_ANOTHER_PORT: &str = "nft -f - <<'RULES'
table ip sick {
 chain come {
  type nat hook prerouting priority dstnat
  ip daddr 198.51.100.2 udp dport 4433 dnat to 198.51.100.2:7
 }
}
RULES";

/// Bits 8 to 15 of the servers' addresses.
const SERVERS: u64 = 100 << 8;

scenarios! {
    udp_is_dropped_and_tcp_passes: Scenario {
        name: "UDP is dropped, and only TCP passes",
        forward: "meta l4proto udp drop",
        cause: Some("udp-filtered"),
        shows: |network| {
            assert!(network.connects_by_tcp());
            let told = network.near("198.51.100.2 5000 --count 3 --wait 1");
            assert!(told.answered.is_empty() && told.said.is_empty(), "{told:?}");
            network.fails("server.test", "no answer");
        },
        ..WELL
    },
    a_firewall_says_that_udp_is_forbidden: Scenario {
        name: "a firewall forbids UDP, and says so by ICMP",
        forward: "meta l4proto udp reject with icmpx admin-prohibited",
        cause: Some("udp-filtered"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --connected --wait 1");
            assert_eq!(told.said, ["No route to host"], "{told:?}");
        },
        ..WELL
    },
    a_router_refuses_udp_as_if_nobody_listened: Scenario {
        name: "UDP is refused by ICMP",
        forward: "meta l4proto udp reject with icmpx port-unreachable",
        cause: Some("udp-refused"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --connected --wait 1");
            assert_eq!(told.said, ["Connection refused"], "{told:?}");
        },
        ..WELL
    },
    nobody_listens_and_the_host_says_so: Scenario {
        name: "nobody listens on the UDP port, and the host says so by ICMP",
        // The message comes back in the name of the address that was asked.
        router: "nft -f - <<'RULES'
table ip sick {
 chain come {
  type nat hook prerouting priority dstnat
  ip daddr 198.51.100.2 udp dport 4433 dnat to 198.51.100.2:9
 }
}
RULES",
        cause: Some("udp-refused"),
        shows: |network| {
            let told = network.near("198.51.100.2 4433 --connected --wait 1");
            assert_eq!(told.said, ["Connection refused"], "{told:?}");
            network.fails("server.test", "nobody listens there");
        },
        ..WELL
    },
    large_datagrams_vanish_without_a_word: Scenario {
        name: "IP packets of more than 1,300 bytes are dropped without ICMP",
        forward: "meta length > 1300 drop",
        cause: Some("mtu-cliff"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --size 1272 --answer 1272");
            assert_eq!(told.answered, [0], "{told:?}");
            for size in ["--size 1273", "--answer 1273"] {
                let told = network.near(&format!("198.51.100.2 5000 --wait 1 {size}"));
                assert!(told.answered.is_empty() && told.said.is_empty(), "{told:?}");
            }
            network.answers("server.test");
        },
        ..WELL
    },
    large_datagrams_are_refused_by_icmp: Scenario {
        name: "a link carries 1,300 bytes, and its router says so by ICMP",
        router: "ip link set dev far mtu 1300",
        cause: Some("mtu-cliff"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --connected --size 1273 --wait 1");
            assert_eq!(told.said, ["Message too long"], "{told:?}");
            let told = network.near("198.51.100.2 5000 --size 1272");
            assert_eq!(told.answered, [0], "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    a_flight_of_two_datagrams_is_lost: Scenario {
        name: "who sends two Initial packets at once is cut off",
        // By the connection ID that a client has chosen; what is sent again comes later than that.
        router: "nft -f - <<'RULES'
table inet sick {
 set seen {
  typeof @th,112,64
  flags dynamic,timeout
  timeout 200ms
 }
 chain way {
  type filter hook forward priority 0
  ct mark 1 drop
  meta l4proto udp @th,64,4 0xc @th,112,64 @seen ct mark set 1 drop
  meta l4proto udp @th,64,4 0xc add @seen { @th,112,64 }
 }
}
RULES",
        cause: Some("large-handshake-lost"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --initial --size 1200");
            assert_eq!(told.answered, [0], "{told:?}");
            let told = network.near("198.51.100.2 5000 --initial --size 1200 --count 2 --wait 1");
            assert!(!told.answered.contains(&1), "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    marks_are_bleached: Scenario {
        name: "ECN bits are cleared",
        forward: "ip ecn set not-ect\n ip6 ecn set not-ect",
        cause: Some("ecn-bleached"),
        shows: |network| {
            for host in ["198.51.100.2", "2001:db8:2::2"] {
                let told = network.near(&format!("{host} 5000 --count 3"));
                assert_eq!((told.up, told.down), (vec![0; 3], vec![0; 3]));
            }
            let done = network.qecho("ping server.test -n 3 -i 50ms");
            done.exits(0).prints("no ECN");
        },
        ..WELL
    },
    everything_is_marked: Scenario {
        name: "every datagram arrives with CE",
        forward: "ip ecn != not-ect ip ecn set ce\n ip6 ecn != not-ect ip6 ecn set ce",
        cause: Some("ecn-all-ce"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --count 3");
            assert_eq!((told.up, told.down), (vec![3; 3], vec![3; 3]));
            let told = network.near("198.51.100.2 5000 --count 3 --ecn 0");
            assert_eq!((told.up, told.down), (vec![0; 3], vec![3; 3]));
            network.answers("server.test");
        },
        ..WELL
    },
    three_of_ten_are_lost: Scenario {
        name: "30 % of all datagrams towards the server are lost",
        forward: "iifname near meta l4proto udp numgen random mod 100 < 30 drop",
        cause: Some("loss"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --count 500 --gap 0.004");
            // 350 and at most five standard deviations of 10.
            assert!((300..=400).contains(&told.answered.len()), "{told:?}");
        },
        ..WELL
    },
    the_sixth_of_a_burst_is_dropped: Scenario {
        name: "a policer lets five datagrams pass at once",
        forward: "iifname near meta l4proto udp limit rate over 50/second burst 5 packets drop",
        cause: Some("policer"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --count 64");
            assert_eq!(told.answered.get(..5), Some(&[0, 1, 2, 3, 4][..]), "{told:?}");
            assert!(told.answered.len() < 40, "{told:?}");
            let told = network.near("198.51.100.2 5000 --count 16 --gap 0.1");
            assert_eq!(told.answered.len(), 16, "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    a_nat_forgets_after_twenty_seconds: Scenario {
        name: "a NAT forgets its clients after 20 s",
        router: "
            silence=/proc/sys/net/netfilter/nf_conntrack_udp_timeout
            echo 20 >$silence
            echo 20 >${silence}_stream
            nft -f - <<'RULES'
table ip sick {
 chain leave {
  type nat hook postrouting priority srcnat
  oifname far masquerade fully-random
 }
 chain own {
  type filter hook input priority 0
  meta l4proto udp drop
 }
}
RULES",
        // So that nobody waits for longer silences.
        server: "--idle-timeout 35s",
        arguments: "--nat",
        cause: Some("nat-forgets"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --count 3 --gap 0.5");
            assert_eq!(told.answered.len(), 3, "{told:?}");
            assert!(told.ports.iter().all(|port| *port == told.ports[0]), "{told:?}");
            network.answers("server.test");
            // The same rules with a shorter memory.
            let shorter = "silence=/proc/sys/net/netfilter/nf_conntrack_udp_timeout
                           echo 2 >$silence
                           echo 2 >${silence}_stream";
            network.script(Place::Router, shorter, &[]);
            let told = network.near("198.51.100.2 5000 --count 2 --gap 5");
            assert_eq!(told.answered.len(), 2, "{told:?}");
            assert_ne!(told.ports[0], told.ports[1], "{told:?}");
        },
        ..WELL
    },
    a_balancer_goes_by_the_port: Scenario {
        name: "a balancer goes by address and port between two servers",
        router: "nft -f - <<'RULES'
table ip sick {
 chain come {
  type nat hook prerouting priority dstnat
  ip daddr 203.0.113.1 meta l4proto udp dnat to udp sport & 1 map { 0 : 198.51.100.2, 1 : 198.51.100.4 }
 }
}
RULES",
        target: "203.0.113.1",
        cause: Some("migration-lost"),
        shows: |network| {
            let mut seen = BTreeSet::new();
            for _ in 0..64 {
                let told = network.near("203.0.113.1 5000 --count 3");
                assert_eq!(told.from, ["203.0.113.1"; 3], "{told:?}");
                let server = if told.ports[0] % 2 == 0 { 2 } else { 4 };
                assert_eq!(told.servers, [SERVERS | server; 3], "{told:?}");
                seen.insert(server);
                if seen.len() == 2 {
                    break;
                }
            }
            assert_eq!(seen.len(), 2);
            network.answers("203.0.113.1");
        },
        ..WELL
    },
    answers_come_from_another_address: Scenario {
        name: "answers come from another address",
        router: "nft -f - <<'RULES'
table ip sick {
 chain come {
  type filter hook prerouting priority raw
  meta l4proto udp notrack
 }
 chain way {
  type filter hook forward priority 0
  ip saddr 198.51.100.2 meta l4proto udp ip saddr set 198.51.100.3
 }
}
RULES",
        cause: Some("answers-elsewhere"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --count 2");
            assert_eq!(told.from, ["198.51.100.3"; 2], "{told:?}");
            let told = network.near("198.51.100.2 5000 --connected --wait 1");
            assert!(told.from.is_empty(), "{told:?}");
            network.fails("server.test", "no answer");
        },
        ..WELL
    },
    nothing_passes_after_the_handshake: Scenario {
        name: "nothing passes after the handshake",
        forward: "udp dport 4433 @th,64,1 0 drop\n udp sport 4433 @th,64,1 0 drop",
        cause: Some("blackhole-after-handshake"),
        shows: |network| {
            let done = network.qecho("ping server.test -n 1 --timeout 3s");
            done.exits(1).prints("; connected in ");
            done.prints("1 sent, 0 received");
        },
        ..WELL
    },
    ipv6_is_broken_and_ipv4_is_well: Scenario {
        name: "IPv6 is dropped, and IPv4 passes",
        forward: "meta nfproto ipv6 drop",
        target: "both.test",
        cause: Some("family-broken"),
        shows: |network| {
            let told = network.near("2001:db8:2::2 5000 --wait 1");
            assert!(told.answered.is_empty() && told.said.is_empty(), "{told:?}");
            let told = network.near("198.51.100.2 5000");
            assert_eq!(told.answered, [0], "{told:?}");
            network.answers("both.test");
        },
        ..WELL
    },
    one_of_three_addresses_is_dead: Scenario {
        name: "one of three addresses is dead",
        forward: "ip daddr 198.51.100.3 drop",
        target: "three.test",
        cause: Some("address-dead"),
        shows: |network| {
            let told = network.near("198.51.100.3 5000 --wait 1");
            assert!(told.answered.is_empty() && told.said.is_empty(), "{told:?}");
            network.answers("three.test");
        },
        ..WELL
    },
    the_route_carries_too_little: Scenario {
        name: "the route carries IP packets of 1,200 bytes",
        // By its device: sockets that probe for the MTU heed no MTU of a route.
        client: "ip link set dev wire mtu 1200",
        cause: Some("route-too-small"),
        shows: |network| {
            let too_little = "carries too little for QUIC";
            network.fails("server.test", too_little);
        },
        ..WELL
    },
    the_certificate_is_of_another_name: Scenario {
        name: "the certificate is of another name",
        target: "stranger.test",
        cause: Some("certificate-refused"),
        shows: |network| {
            network.answers("server.test");
            network.fails("stranger.test", "not valid for stranger.test");
        },
        ..WELL
    },
    something_else_answers: Scenario {
        name: "something answers that is no QUIC",
        router: TO_ANOTHER_PORT,
        beside: &["junk 198.51.100.2 7"],
        cause: Some("not-quic"),
        shows: |network| {
            let told = network.near("198.51.100.2 4433 --wait 1");
            assert_eq!(told.said, ["something else came"], "{told:?}");
            network.fails("server.test", "no answer");
        },
        ..WELL
    },
}
