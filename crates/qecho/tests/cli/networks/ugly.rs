//! Networks that are slow, shaky or odd, and in which nothing is wrong.

use std::collections::BTreeSet;

use super::{
    Scenario, WELL,
    namespaces::{NAMES, Place, ROUTER_ADDRESS},
    scenarios,
};

/// Role of `datagrams.py` that keeps a processor busy.
const BUSY: &str = "busy 198.51.100.2 1";

scenarios! {
    nothing_is_done_to_what_passes: WELL,
    one_of_a_hundred_is_lost: Scenario {
        name: "1 % of all datagrams are lost",
        forward: "meta l4proto udp numgen random mod 100 < 1 drop",
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --count 500 --gap 0.004");
            // 490 and at most six standard deviations of 3.
            assert!((470..500).contains(&told.answered.len()), "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    a_round_trip_takes_600_ms: Scenario {
        name: "a round trip takes 600 ms",
        relay: "--delay 300ms",
        target: "203.0.113.1",
        shows: |network| {
            let typed = "ping 203.0.113.1 -n 2 -i 50ms --timeout 20s --format json";
            let told = network.qecho(typed).exits(0).last_event();
            assert_eq!(told["received"], 2, "{told}");
            let least = told["min_rtt_us"].as_f64();
            assert!(least.is_some_and(|least| least >= 600_000.0), "{told}");
        },
        ..WELL
    },
    datagrams_come_late_and_in_another_order: Scenario {
        name: "jitter of 20 ms, and 5 % come in another order",
        relay: "--delay 10ms --jitter 20ms --reorder 5%",
        target: "203.0.113.1",
        shows: |network| {
            let done = network.qecho("ping 203.0.113.1 -n 20 -i 10ms --timeout 20s");
            done.exits(0).prints("20 sent, 20 received");
        },
        ..WELL
    },
    a_slow_link_has_a_long_queue: Scenario {
        name: "a link of 64 kbit/s with a long queue",
        relay: "--rate 64kbit",
        target: "203.0.113.1",
        shows: |network| {
            let done = network.qecho("ping 203.0.113.1 -n 3 -i 300ms --timeout 20s");
            done.exits(0).prints("3 sent, 3 received");
        },
        ..WELL
    },
    a_slow_link_has_a_short_queue: Scenario {
        name: "a link of 64 kbit/s with a queue of ten datagrams",
        relay: "--rate 64kbit --queue 10",
        target: "203.0.113.1",
        shows: |network| {
            let done = network.qecho("ping 203.0.113.1 -n 3 -i 300ms --timeout 20s");
            done.exits(0).prints("3 sent, 3 received");
        },
        ..WELL
    },
    a_nat_that_remembers_for_long: Scenario {
        name: "a NAT that keeps its clients",
        router: "nft -f - <<'RULES'
table ip ugly {
 chain leave {
  type nat hook postrouting priority srcnat
  oifname far masquerade fully-random
 }
}
RULES",
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --count 3 --gap 1");
            assert_eq!(told.answered.len(), 3, "{told:?}");
            assert!(told.ports.iter().all(|port| *port == told.ports[0]), "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    a_server_of_two_shards_goes_by_connection_ids: Scenario {
        name: "a balancer by connection ID before two shards",
        server: "--shards 2",
        ..WELL
    },
    a_server_that_always_retries: Scenario {
        name: "a server that always sends Retry",
        server: "--retry always",
        ..WELL
    },
    a_server_on_gnutls: Scenario {
        name: "ngtcp2's server",
        stack: "gtlsserver --quiet 198.51.100.2 4433 key.pem cert.pem",
        arguments: "--alpn h3",
        shows: |network| network.shakes_hands_by_h3(),
        ..WELL
    },
    a_server_on_quic_go: Scenario {
        name: "caddy",
        stack: "caddy run --adapter caddyfile --config Caddyfile",
        arguments: "--alpn h3",
        shows: |network| network.shakes_hands_by_h3(),
        ..WELL
    },
    a_server_on_aioquic: Scenario {
        name: "aioquic's server",
        stack: concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/python/bin/python ",
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/python/echo_server.py --host 198.51.100.2 --port 4433 \
             --cert cert.pem --key key.pem",
        ),
        shows: |network| network.answers("server.test"),
        ..WELL
    },
    a_host_that_is_busy: Scenario {
        name: "four programs keep the processors busy",
        beside: &[BUSY; 4],
        shows: |network| network.answers("server.test"),
        ..WELL
    },
    a_server_of_several_protocols: Scenario {
        name: "a server that takes other protocols beside echo",
        server: "--alpn hq-interop,h3",
        shows: |network| {
            let typed = "ping server.test -n 1 --over handshake --alpn hq-interop --timeout 20s";
            network.qecho(typed).exits(0).prints("1 sent, 1 received");
        },
        ..WELL
    },
    a_server_that_gives_little: Scenario {
        name: "a server of one stream at once, which gives up after 5 s",
        server: "--max-streams 1 --idle-timeout 5s",
        shows: |network| network.answers("server.test"),
        ..WELL
    },
    a_shaper_of_10_mbit: Scenario {
        name: "10 Mbit/s each way, with a queue of 200 ms",
        router: "for device in near far; do
            tc qdisc add dev $device root tbf rate 10mbit burst 32kb latency 200ms
        done",
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --count 64 --size 1200 --answer 1200");
            assert_eq!(told.answered.len(), 64, "{told:?}");
            let told = network.near("198.51.100.2 5000 --count 1500 --size 1400");
            assert!((64..1500).contains(&told.answered.len()), "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    a_policer_that_lets_enough_pass: Scenario {
        name: "a policer lets 200 datagrams pass in 100 ms",
        relay: "--police 200/100ms",
        target: ROUTER_ADDRESS,
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 64");
            assert_eq!(told.answered.len(), 64, "{told:?}");
            network.answers(ROUTER_ADDRESS);
        },
        ..WELL
    },
    a_nat_that_changes_ports_every_two_seconds: Scenario {
        name: "a NAT gives a new port every 2 s",
        relay: "--rebind-port 2s",
        target: ROUTER_ADDRESS,
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 2 --gap 3");
            assert_eq!(told.answered, [0, 1], "{told:?}");
            assert_ne!(told.ports[0], told.ports[1], "{told:?}");
            network.answers(ROUTER_ADDRESS);
        },
        ..WELL
    },
    two_of_a_hundred_are_lost_each_way: Scenario {
        name: "2 % of all datagrams are lost each way",
        relay: "--loss 2%",
        target: ROUTER_ADDRESS,
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 500 --gap 0.004");
            // 480 and at most five standard deviations of 4.4.
            assert!((458..500).contains(&told.answered.len()), "{told:?}");
            network.answers(ROUTER_ADDRESS);
        },
        ..WELL
    },
    many_datagrams_come_twice: Scenario {
        name: "20 % of all datagrams come twice",
        relay: "--duplicate 20%",
        target: ROUTER_ADDRESS,
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 200 --gap 0.004");
            let different: BTreeSet<_> = told.answered.iter().collect();
            assert!(different.len() < told.answered.len(), "{told:?}");
            network.answers(ROUTER_ADDRESS);
        },
        ..WELL
    },
    a_device_that_says_that_it_carries_1400_bytes: Scenario {
        name: "the client's device carries IP packets of 1,400 bytes",
        client: "ip link set dev wire mtu 1400",
        router: "ip link set dev near mtu 1400",
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --size 1372 --answer 1372");
            assert_eq!(told.answered, [0], "{told:?}");
            let told = network.near("198.51.100.2 5000 --size 1373 --wait 1");
            assert_eq!(told.said, ["Message too long"], "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    a_client_of_two_addresses: Scenario {
        name: "a client's host has two addresses",
        client: "ip address add 192.0.2.3/24 dev wire",
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --local 192.0.2.3");
            assert_eq!(told.answered, [0], "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    a_client_of_two_addresses_one_of_which_leads_nowhere: Scenario {
        name: "a client's host has two addresses, and a router drops what comes from one",
        client: "ip address add 192.0.2.3/24 dev wire",
        forward: "ip saddr 192.0.2.3 drop",
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --local 192.0.2.3 --wait 1");
            assert!(told.answered.is_empty(), "{told:?}");
            network.answers("server.test");
        },
        ..WELL
    },
    a_server_that_has_ipv6_alone: Scenario {
        name: "a name that has an IPv6 address alone",
        target: "six.test",
        shows: |network| network.answers("six.test"),
        ..WELL
    },
    a_client_that_has_ipv4_alone: Scenario {
        name: "a name of both families, and a client that has IPv4 alone",
        client: "ip -6 route flush dev wire; ip -6 address flush dev wire",
        target: "both.test",
        shows: |network| {
            let told = network.near("2001:db8:2::2 5000 --wait 1");
            assert_eq!(told.said, ["Network is unreachable"], "{told:?}");
            network.answers("both.test");
        },
        ..WELL
    },
    a_client_that_has_an_ipv6_route_and_no_address: Scenario {
        name: "a client that has a route of IPv6 and no address for it",
        client: "ip -6 address flush dev wire",
        target: "both.test",
        shows: |network| {
            network.script(Place::Client, "ip -6 route get 2001:db8:2::2 | grep 'via 2001'", &[]);
            network.answers("both.test");
        },
        ..WELL
    },
    a_name_of_which_dns_knows_no_aaaa: Scenario {
        name: "a name of which DNS knows an IPv4 address, and no AAAA",
        beside: &[NAMES],
        target: "four.test",
        shows: |network| network.answers("four.test"),
        ..WELL
    },
}
