//! Networks in which one of the two hosts is at fault.

use crate::networks::{
    Scenario, Vouched, WELL,
    namespaces::{NAMES, Network},
    scenarios,
};

/// A server that takes `hq-interop` alone, and says nothing to whoever offers something else.
const SILENT_SERVER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/python/bin/python ",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/cli/networks/silent_server.py 198.51.100.2 4433 cert.pem key.pem hq-interop",
);

#[track_caller]
fn is_silent_on_other_protocols(network: &mut Network) {
    network.fails("server.test", "no answer");
    let typed = "ping server.test -n 1 --over handshake --alpn hq-interop --timeout 20s";
    network.qecho(typed).exits(0).prints("1 sent, 1 received");
}

scenarios! {
    udp_is_refused_and_tcp_is_open: Scenario {
        name: "UDP is refused by ICMP where TCP is open on the same port",
        forward: "meta l4proto udp reject with icmpx port-unreachable",
        beside: &["greet 198.51.100.2 4433"],
        cause: Some("udp-refused"),
        shows: |network| {
            assert!(network.connects_by_tcp());
            network.fails("server.test", "nobody listens");
        },
        ..WELL
    },
    a_rule_of_the_own_host_forbids_udp: Scenario {
        name: "the client's own firewall lets no UDP out",
        client: "nft -f - <<'RULES'
table inet sick {
 chain leave {
  type filter hook output priority 0
  meta l4proto udp drop
 }
}
RULES",
        cause: Some("udp-filtered"),
        shows: |network| {
            let told = network.near("198.51.100.2 5000 --wait 1");
            assert_eq!(told.said, ["Operation not permitted"], "{told:?}");
            assert!(network.connects_by_tcp());
        },
        ..WELL
    },
    a_name_has_no_address: Scenario {
        name: "DNS knows no such name",
        beside: &[NAMES],
        target: "nobody.test",
        cause: Some("no-address"),
        shows: |network| {
            network.answers("four.test");
            let done = network.qecho("ping nobody.test -n 1 --timeout 2s");
            done.exits(2).complains("nobody.test");
        },
        ..WELL
    },
    the_certificate_has_expired: Scenario {
        name: "the certificate expired long ago",
        vouched: Vouched::UntilLongAgo,
        cause: Some("certificate-refused"),
        shows: |network| network.fails("server.test", "expired on 2020-02-01"),
        ..WELL
    },
    nobody_known_vouches_for_the_server: Scenario {
        name: "the certificate is of a CA that nobody trusts here",
        vouched: Vouched::ByAStranger,
        cause: Some("certificate-refused"),
        shows: |network| network.fails("server.test", "certificate"),
        ..WELL
    },
    a_server_is_silent_on_a_protocol_that_was_chosen: Scenario {
        name: "a server says nothing to a protocol that it does not take, and somebody chose it",
        stack: SILENT_SERVER,
        arguments: "--alpn wrong",
        cause: Some("alpn-refused"),
        shows: is_silent_on_other_protocols,
        ..WELL
    },
    a_server_is_silent_on_a_protocol_that_was_guessed: Scenario {
        name: "a server says nothing to the usual protocol",
        stack: SILENT_SERVER,
        cause: Some("alpn-refused"),
        shows: is_silent_on_other_protocols,
        ..WELL
    },
}
