//! Firewalls and routers, in network namespaces that the tests make.

use std::{net::IpAddr, process::Command};

use super::*;
use crate::doctor::world::SendFailure;

/// Variable that is set where a test runs in its namespace.
const INSIDE: &str = "QECHO_TEST_NAMESPACE";

/// A client at 10.0.1.2 behind a router that has 10.0.1.1 and 10.0.2.1; before a shell goes on as
/// the client, the script `$1` makes the network what it shall be, where `router` begins what is
/// done on the router.
const NETWORK: &str = r#"
    unshare --net sleep 600 &
    sleeper=$!
    trap 'kill $sleeper' EXIT
    while [ "$(readlink /proc/$sleeper/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
    router() { nsenter --target $sleeper --net "$@"; }
    ip link set lo up
    ip link add near type veth peer name far netns $sleeper
    ip address add 10.0.1.2/24 dev near
    ip address add fd01::2/64 dev near nodad
    ip link set near up
    router ip link set lo up
    router ip link add onward type veth peer name end
    router ip link set end up
    router ip address add 10.0.1.1/24 dev far
    router ip address add fd01::1/64 dev far nodad
    router ip link set far up
    router ip address add 10.0.2.1/24 dev onward
    router ip address add fd02::1/64 dev onward nodad
    router ip link set onward up
    router ip neighbour add 10.0.2.2 lladdr 02:00:00:00:00:02 dev onward
    router ip neighbour add fd02::2 lladdr 02:00:00:00:00:02 dev onward
    router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    router sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
    ip route add default via 10.0.1.1
    ip route add default via fd01::1
    eval "$1"
    shift
    "$@"
"#;

/// Runs `body` in a network of its own: the test runs itself once more there.
fn within(test: &str, script: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let program = std::env::current_exe().expect("a test has a file");
    let name = format!("doctor::world::host::tests::namespaces::{test}");
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--net", "sh", "-euc", NETWORK, "sh", script])
        .arg(program)
        .args(["--exact", &name, "--nocapture"])
        .env(INSIDE, "yes");
    let output = command.output().expect("there is unshare");
    let told = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{wrong}");
    assert!(told.contains("1 passed"), "{told}{wrong}");
}

/// Sends a datagram of so many bytes; returns what was noted first.
fn sent(remote: &str, bytes: usize) -> Told {
    let remote = remote.parse().expect("an address");
    let (mut network, notes) = world().network(remote).expect("there are ports");
    network.send(PATH, &vec![7; bytes], Ecn::NotEct);
    let notes = noted(&mut *network, &notes);
    notes.into_iter().next().expect("something is noted")
}

fn ip(address: &str) -> Option<IpAddr> {
    Some(address.parse().expect("an address"))
}

#[test]
fn a_route_that_forbids_is_a_rule_of_this_host_and_no_route_is_none() {
    let script = "ip route add prohibit 10.0.3.0/24; ip route add unreachable 10.0.4.0/24";
    let test = "a_route_that_forbids_is_a_rule_of_this_host_and_no_route_is_none";
    within(test, script, || {
        for (remote, expected) in [("10.0.3.1:4433", true), ("10.0.4.1:4433", false)] {
            let told = sent(remote, 1_200);
            assert!(matches!(told, Told::NotSent { .. }), "{told:?}");
            assert_eq!(is_forbidden(&told), expected, "{told:?}");
        }
    });
}

/// Script that adds a rule for datagrams to port 4433 that leave this host.
const FIREWALL: &str = "nft add table inet t
    nft add chain inet t out '{ type filter hook output priority 0; }'
    nft add rule inet t out udp dport 4433";

#[test]
fn a_firewall_of_this_host_forbids() {
    let script = format!("{FIREWALL} drop");
    within("a_firewall_of_this_host_forbids", &script, || {
        for remote in ["10.0.2.2:4433", "[fd02::2]:4433"] {
            assert!(is_forbidden(&sent(remote, 1_200)), "{remote}");
        }
    });
}

#[test]
fn a_firewall_of_this_host_that_answers_forbids_each_datagram() {
    let script = format!("{FIREWALL} reject with icmpx admin-prohibited");
    let test = "a_firewall_of_this_host_that_answers_forbids_each_datagram";
    within(test, &script, || {
        for remote in ["10.0.2.2:4433", "[fd02::2]:4433"] {
            let remote = remote.parse().expect("an address");
            let (mut network, notes) = world().network(remote).expect("there are ports");
            for _ in 0..3 {
                network.send(PATH, b"hello", Ecn::NotEct);
            }
            let notes = notes.all();
            assert_eq!(notes.len(), 3);
            assert!(
                notes.iter().all(|note| is_forbidden(&note.what)),
                "{notes:?}"
            );
        }
    });
}

fn is_forbidden(told: &Told) -> bool {
    let why = SendFailure::Forbidden;
    matches!(told, Told::NotSent { why: of, .. } if *of == why)
}

#[test]
fn a_router_that_prohibits_says_so() {
    let script = "router ip route add prohibit 10.0.3.0/24
        router ip route add prohibit fd03::/64
        router ip route add unreachable 10.0.4.0/24";
    within("a_router_that_prohibits_says_so", script, || {
        for (remote, from, why) in [
            ("10.0.3.1:4433", "10.0.1.1", Unreachable::Prohibited),
            ("[fd03::1]:4433", "fd01::1", Unreachable::Prohibited),
            ("10.0.4.1:4433", "10.0.1.1", Unreachable::Host),
        ] {
            let from = ip(from);
            assert_eq!(sent(remote, 1_200), Told::Unreachable { from, why });
        }
    });
}

#[test]
fn a_router_with_a_narrow_way_tells_its_mtu_and_a_small_datagram_leaves_after_that() {
    let test = "a_router_with_a_narrow_way_tells_its_mtu_and_a_small_datagram_leaves_after_that";
    within(test, "router ip link set onward mtu 1300", || {
        for (remote, from) in [("10.0.2.2:4433", "10.0.1.1"), ("[fd02::2]:4433", "fd01::1")] {
            let remote = remote.parse().expect("an address");
            let (mut network, notes) = world().network(remote).expect("there are ports");
            network.send(PATH, &[7; 1_400], Ecn::NotEct);
            network.send(PATH, &[7; 1_200], Ecn::NotEct);
            let (from, mtu) = (ip(from), Some(1_300));
            let expected = Told::TooLarge { from, mtu };
            assert_eq!(noted(&mut *network, &notes), [expected]);
            // What is larger than the interface takes never leaves.
            network.send(PATH, &[7; 1_500], Ecn::NotEct);
            let last = notes.all().pop().expect("it is noted");
            let is_expected = matches!(
                &last.what,
                Told::NotSent {
                    why: SendFailure::Other,
                    ..
                }
            );
            assert!(is_expected, "{last:?}");
        }
    });
}

#[test]
fn tcp_is_silent_where_it_is_dropped_and_unreachable_where_a_router_says_so() {
    let script = "router ip route add blackhole 10.0.3.0/24
        router ip route add prohibit 10.0.4.0/24";
    let test = "tcp_is_silent_where_it_is_dropped_and_unreachable_where_a_router_says_so";
    within(test, script, || {
        let mut world = world();
        let (dropped, refused) = ("10.0.3.1:443", "10.0.4.1:443");
        let [dropped, refused] = [dropped, refused].map(|to| to.parse().expect("an address"));
        let patience = Duration::from_millis(200);
        assert_eq!(world.tcp(dropped, patience), TcpAnswer::Silent);
        let answer = world.tcp(refused, PATIENCE);
        assert!(matches!(answer, TcpAnswer::Unreachable(_)), "{answer:?}");
        let mut stopped = HostWorld::new(Arc::new(AtomicBool::new(true)));
        assert!(stopped.is_stopped());
        // An hour would be noticed.
        let patience = Duration::from_secs(3_600);
        assert_eq!(stopped.tcp(dropped, patience), TcpAnswer::Silent);
    });
}
