//! Addresses and routes of every kind, in a network of its own for each test.

use crate::{
    cmd::{Cmd, Output},
    env::TestEnv,
};

/// Runs a shell script as root of a network that has loopback, and an interface `near` with
/// the addresses 192.0.2.1 and fe80::a.
fn in_a_network_of_its_own(env: &TestEnv, script: &str) -> Output {
    let script = format!(
        "ip link set lo up
         ip link add near type veth peer name far
         ip link set near up
         ip link set far up
         ip address add 192.0.2.1/24 dev near
         ip address add fe80::a/64 dev near nodad
         {script}"
    );
    let mut command = env.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--net", "sh", "-euc", &script])
        .env("QECHO", env!("CARGO_BIN_EXE_qecho"))
        .current_dir(env.path(""));
    Cmd::new(command).run()
}

/// Part of a script that starts a server or relay in the background, waits until it says where
/// it listens, and ends it with the script.
const START: &str = r#"
    pids=
    trap 'kill $pids; wait' EXIT
    start() {
        log=$1; shift
        "$QECHO" "$@" --format json >$log &
        pids="$pids $!"
        until grep -q addresses $log; do sleep 0.1; done
    }
"#;

#[test]
fn a_link_local_address_is_reached_by_its_zone_in_every_command() {
    let env = TestEnv::new();
    let script = format!(
        r#"{START}
        start server.log server --listen '[fe80::a%near]:5000'
        start relay.log relay --listen '[fe80::a%near]:6000' --to '[fe80::a%near]:5000'
        "$QECHO" client '[fe80::a%near]:5000' -m direct --insecure
        "$QECHO" client '[fe80::a%near]:6000' -m relayed --insecure
        "$QECHO" client "[fe80::a%$(ip -o link show near | cut -d: -f1)]:5000" -m number --insecure
        "$QECHO" ping '[fe80::a%near]:5000' -n 2 -i 10ms --insecure
        "$QECHO" ping '[fe80::a%near]:5000' -n 1 --over vn
        "$QECHO" bench '[fe80::a%near]:5000' -d 100ms --insecure
        "$QECHO" cert show '[fe80::a%near]:5000'
        "#
    );
    let done = in_a_network_of_its_own(&env, &script);
    for words in [
        "\"direct\"",
        "\"relayed\"",
        "\"number\"",
        "2 sent, 2 received",
        "1 sent, 1 received",
        "every byte compared",
        "for fe80::a: ",
    ] {
        done.exits(0).prints(words);
    }
}

#[test]
fn a_link_local_address_without_its_zone_is_told() {
    let env = TestEnv::new();
    for command in [
        "client [fe80::a]:5000 -m a",
        "ping fe80::a",
        "bench fe80::a",
        "server --listen [fe80::a]:5000",
        "relay --to [fe80::a]:5000",
    ] {
        let done = env.qecho(command).run();
        done.exits(2)
            .complains("name its interface, for instance fe80::a%eth0");
    }
    for command in ["client fe80::a%none -m a", "relay --to [fe80::a%none]:9"] {
        let reason = "this host has no network interface none";
        env.qecho(command).run().fails(2, reason, Some("ip link"));
    }
    let listening = env.qecho("server --listen [fe80::a%none]:5000").run();
    listening
        .exits(2)
        .complains("this host has no network interface `none`");
}

#[test]
fn a_route_that_leads_nowhere_is_told_as_that() {
    let env = TestEnv::new();
    for (route, reason) in [
        ("unreachable", "the host is unreachable"),
        ("prohibit", "this host forbids to send there"),
        ("blackhole", "this host has no way there"),
    ] {
        for command in [
            "client 203.0.113.1 -m a",
            "ping 203.0.113.1 -n 1 --over frame",
            "bench 203.0.113.1 -d 100ms",
        ] {
            let script = format!(r#"ip route add {route} 203.0.113.1; "$QECHO" {command}"#);
            let done = in_a_network_of_its_own(&env, &script);
            done.fails(1, reason, Some("this host's route there"));
        }
    }
    let done = in_a_network_of_its_own(&env, r#""$QECHO" client 203.0.113.1 -m a"#);
    done.fails(
        1,
        "the network is unreachable",
        Some("this host's route there"),
    );
}

#[test]
fn a_route_that_carries_too_little_for_quic_is_told() {
    let env = TestEnv::new();
    let reason = "carries too little for QUIC, which takes UDP payloads of 1,200 bytes";
    for command in [
        "client 192.0.2.9 -m a",
        "ping 192.0.2.9 -n 1",
        "bench 192.0.2.9 -d 100ms",
        "cert show 192.0.2.9",
    ] {
        let script = format!(
            r#"ip link set near mtu 1200
            ip neighbour add 192.0.2.9 lladdr 02:00:00:00:00:01 dev near
            "$QECHO" {command}"#
        );
        let done = in_a_network_of_its_own(&env, &script);
        done.fails(1, reason, Some("its MTU"));
    }
}

#[test]
fn an_address_in_an_old_form_is_the_address() {
    let env = TestEnv::new();
    let server = env.server("");
    let port = server.port();
    for host in [
        "127.1",
        "2130706433",
        "0X7F000001",
        "[::ffff:127.0.0.1]",
        "LocalHost.",
    ] {
        let done = env.qecho(format!("client {host}:{port} -m a")).run();
        done.exits(0).complains("verified by qecho's local CA");
    }
}

#[test]
fn an_address_that_is_nobodys_is_told_as_that() {
    let env = TestEnv::new();
    for host in ["0.0.0.0", "[::]", "0"] {
        for command in ["client", "ping", "bench", "relay --to", "cert show"] {
            let done = env.qecho(format!("{command} {host}:4433")).run();
            done.exits(2)
                .complains("stands for all addresses of a host");
            done.complains("hint: a server on this host is at localhost");
        }
    }
    let script = r#""$QECHO" client ::1:4433 -m a"#;
    let done = in_a_network_of_its_own(&env, script);
    let hint = "a port goes behind brackets, as in [::1]:4433";
    done.fails(1, "cannot connect to [::1:4433]:4433", Some(hint));
}

#[test]
fn places_to_listen_on_that_take_each_others_port_are_told_apart_from_other_programs() {
    let env = TestEnv::new();
    let hint = "two of the --listen take the same port";
    for command in ["server", "relay --to localhost"] {
        let script = format!(r#""$QECHO" {command} --listen '*:5000' --listen localhost:5000"#);
        let done = in_a_network_of_its_own(&env, &script);
        done.fails(2, "cannot listen on", Some(hint));
        let unnamed = env.qecho(format!("{command} --listen :4433")).run();
        unnamed
            .exits(2)
            .complains("write 4433 for localhost, or '*:4433' for every address");
    }
}

#[test]
fn a_host_is_named_in_any_script() {
    let env = TestEnv::new();
    let script = r#"
        mount --bind hosts /etc/hosts
        trap 'kill $pid' EXIT
        "$QECHO" cert new münchen.test localhost --cert-file cert.pem --key-file key.pem
        "$QECHO" server --listen localhost:5000 --cert cert.pem --key key.pem >log &
        pid=$!
        until grep -q listening log; do sleep 0.1; done
        ca="$QECHO_HOME/ca/rootCA.pem"
        "$QECHO" client münchen.test:5000 -m direct --ca "$ca"
        "$QECHO" ping MÜNCHEN.test:5000 -n 1 --ca "$ca"
        "$QECHO" cert verify cert.pem münchen.test --ca "$ca"
        "$QECHO" cert show münchen.test:5000
    "#;
    env.file("hosts", "127.0.0.1 localhost xn--mnchen-3ya.test\n");
    let mut command = env.command("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--mount", "--net", "sh", "-euc"])
        .arg(format!("ip link set lo up\n{script}"))
        .env("QECHO", env!("CARGO_BIN_EXE_qecho"))
        .current_dir(env.path(""));
    let done = Cmd::new(command).run();
    for words in [
        "\"direct\"",
        "1 sent, 1 received",
        "ok: good for xn--mnchen-3ya.test",
        "not trusted  for xn--mnchen-3ya.test",
    ] {
        done.exits(0).prints(words);
    }
}
