//! Networks that lose a connection whose client moves.

use crate::networks::{
    Scenario, WELL,
    namespaces::{Network, ROUTER_ADDRESS},
    scenarios,
};

/// Gives the client's host an address beside that of its route.
const OTHER_ADDRESS: &str = "ip address add 192.0.2.3/24 dev wire";

/// Checks that both addresses of the client's host reach the server's port 5000.
#[track_caller]
fn both_addresses_pass(network: &Network, server: &str) {
    for local in ["192.0.2.2", "192.0.2.3"] {
        let told = network.near(&format!(
            "{server} 5000 --local {local} --initial --size 1200"
        ));
        assert_eq!(told.answered, [0], "{local}: {told:?}");
    }
}

scenarios! {
    a_balancer_goes_by_the_address: Scenario {
        name: "a balancer goes by the client's address between two servers",
        client: OTHER_ADDRESS,
        router: "nft -f - <<'RULES'
table ip sick {
 chain come {
  type nat hook prerouting priority dstnat
  ip daddr 203.0.113.1 meta l4proto udp dnat to ip saddr map { 192.0.2.2 : 198.51.100.2, 192.0.2.3 : 198.51.100.4 }
 }
}
RULES",
        target: ROUTER_ADDRESS,
        cause: Some("migration-lost"),
        shows: |network| {
            both_addresses_pass(network, ROUTER_ADDRESS);
            network.answers(ROUTER_ADDRESS);
        },
        ..WELL
    },
    a_firewall_knows_connections_by_the_address: Scenario {
        name: "a firewall drops what comes from another address than a connection began at",
        client: OTHER_ADDRESS,
        // From the other address each port may send long headers, and after them whatever it likes.
        router: "nft -f - <<'RULES'
table ip sick {
 set begun {
  type ipv4_addr . inet_service
  flags dynamic,timeout
  timeout 20s
 }
 chain way {
  type filter hook forward priority 0
  iifname near ip saddr 192.0.2.2 accept
  iifname near udp dport 4433 @th,64,1 1 add @begun { ip saddr . udp sport } accept
  iifname near udp dport 4433 ip saddr . udp sport != @begun drop
 }
}
RULES",
        cause: Some("migration-lost"),
        shows: |network| {
            both_addresses_pass(network, "198.51.100.2");
            network.answers("server.test");
        },
        ..WELL
    },
}
