//! Networks in which nothing gets to the server, and something says why.

use super::TO_ANOTHER_PORT;
use crate::networks::{Scenario, WELL, namespaces::Network, scenarios};

/// Checks that the system says this of a datagram to an address, six seconds later at most.
#[track_caller]
fn is_said(network: &mut Network, address: &str, words: &str) {
    let told = network.near(&format!("{address} 5000 --connected --wait 6"));
    assert_eq!(told.said, [words], "{told:?}");
}

scenarios! {
    a_host_on_the_own_link_is_down: Scenario {
        name: "a host on the client's own link is down",
        target: "near.test",
        cause: Some("host-unreachable"),
        shows: |network| is_said(network, "192.0.2.9", "No route to host"),
        ..WELL
    },
    the_clients_router_is_down: Scenario {
        name: "the router of the client's host is down",
        client: "ip route replace default via 192.0.2.9",
        cause: Some("host-unreachable"),
        shows: |network| is_said(network, "198.51.100.2", "No route to host"),
        ..WELL
    },
    a_host_behind_the_router_is_down: Scenario {
        name: "a host behind the router is down",
        target: "far.test",
        cause: Some("host-unreachable"),
        shows: |network| is_said(network, "198.51.100.9", "No route to host"),
        ..WELL
    },
    a_host_behind_the_router_is_down_in_ipv6: Scenario {
        name: "a host of IPv6 behind the router is down",
        target: "far-six.test",
        cause: Some("host-unreachable"),
        shows: |network| is_said(network, "2001:db8:2::9", "No route to host"),
        ..WELL
    },
    the_router_has_no_route: Scenario {
        name: "the router has no route to the server, and says so now and then",
        router: "ip route del 198.51.100.0/24",
        cause: Some("host-unreachable"),
        shows: |network| is_said(network, "198.51.100.2", "Network is unreachable"),
        ..WELL
    },
    datagrams_go_in_a_circle: Scenario {
        name: "datagrams have passed too many routers",
        // As the last router of a circle sees them.
        router: "nft -f - <<'RULES'
table inet sick {
 chain come {
  type filter hook prerouting priority 0
  iifname near ip ttl set 1
 }
}
RULES",
        cause: Some("host-unreachable"),
        shows: |network| is_said(network, "198.51.100.2", "No route to host"),
        ..WELL
    },
    udp_alone_is_refused_as_if_the_host_were_down: Scenario {
        name: "UDP is refused as if the host were down, and TCP passes",
        forward: "meta l4proto udp reject with icmpx host-unreachable",
        beside: &["greet 198.51.100.2 4433"],
        cause: Some("udp-filtered"),
        shows: |network| {
            assert!(network.connects_by_tcp());
            is_said(network, "198.51.100.2", "No route to host");
        },
        ..WELL
    },
    tcp_is_reset_and_udp_is_forbidden: Scenario {
        name: "a firewall resets TCP, and forbids UDP by ICMP",
        forward: "meta l4proto tcp reject with tcp reset
            meta l4proto udp reject with icmpx admin-prohibited",
        cause: Some("udp-filtered"),
        shows: |network| {
            assert!(!network.connects_by_tcp());
            is_said(network, "198.51.100.2", "No route to host");
        },
        ..WELL
    },
    a_firewall_says_once_that_the_port_is_unreachable: Scenario {
        name: "a firewall drops UDP, and says once in a minute that the port is unreachable",
        forward: "meta l4proto udp limit rate 1/minute burst 1 packets reject with icmpx port-unreachable
            meta l4proto udp drop",
        cause: Some("udp-refused"),
        shows: |network| {
            is_said(network, "198.51.100.2", "Connection refused");
            let told = network.near("198.51.100.2 5000 --connected --wait 1");
            assert!(told.said.is_empty() && told.answered.is_empty(), "{told:?}");
        },
        ..WELL
    },
    the_own_firewall_answers_that_the_port_is_unreachable: Scenario {
        name: "the client's own firewall refuses UDP by ICMP",
        client: "nft -f - <<'RULES'
table inet sick {
 chain leave {
  type filter hook output priority 0
  meta l4proto udp reject
 }
}
RULES",
        cause: Some("udp-filtered"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --wait 1");
            assert_eq!(told.said, ["Operation not permitted"], "{told:?}");
        },
        ..WELL
    },
    a_link_on_the_way_is_too_small_for_quic: Scenario {
        name: "a link carries IP packets of 1,000 bytes, and its router says so by ICMP",
        router: "ip link set dev far mtu 1000",
        cause: Some("route-too-small"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --connected --size 1200 --wait 1");
            assert_eq!(told.said, ["Message too long"], "{told:?}");
            let told = network.near("198.51.100.2 5000 --size 900");
            assert_eq!(told.answered, [0], "{told:?}");
        },
        ..WELL
    },
    empty_datagrams_answer: Scenario {
        name: "something answers by empty datagrams",
        router: TO_ANOTHER_PORT,
        beside: &["junk 198.51.100.2 7 --answer 0"],
        cause: Some("not-quic"),
        shows: |network| {
            let told = network.near("198.51.100.2 4433 --wait 1");
            assert_eq!(told.said, ["something else came"], "{told:?}");
            network.fails("server.test", "no answer");
        },
        ..WELL
    },
}
