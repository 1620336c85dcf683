//! Three network namespaces in a row: a client's host, a router, and a server's host.
//!
//! No namespace has a name: each lives as long as a process in it, which ends with the test, also
//! where that panics or is killed. So nothing is left, and tests do not meet.

mod serving;

use std::{path::PathBuf, process::Command, time::Duration};

use serde_json::Value;

use super::Scenario;
use crate::{
    cmd::{Cmd, Output, Process},
    env::{Server, TestEnv},
    transcript::LIMIT,
};

/// Time that a diagnosis may take: silences last for minutes.
const DIAGNOSIS_LIMIT: Duration = Duration::from_secs(600);

/// Address at which the router relays, or balances.
pub(in crate::networks) const ROUTER_ADDRESS: &str = "203.0.113.1";

/// Addresses by name, for the client's host.
pub(in crate::networks) const HOSTS: &str = "127.0.0.1 localhost
198.51.100.2 server.test
198.51.100.2 stranger.test
198.51.100.2 both.test
2001:db8:2::2 both.test
2001:db8:2::2 six.test
198.51.100.2 three.test
198.51.100.3 three.test
198.51.100.4 three.test
192.0.2.9 near.test
198.51.100.9 far.test
2001:db8:2::9 far-six.test
";

/// Role of `datagrams.py` that is asked for names which are not among [`HOSTS`].
pub(in crate::networks) const NAMES: &str = "names 198.51.100.2 53";

/// Makes the router, which connects the two hosts. Devices cut batches (GSO) themselves, so that a
/// rule sees each datagram.
const ROUTER: &str = r#"
    ip link set lo up
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    ip link add near type veth peer name wire netns "$1"
    ip link add far type veth peer name wire netns "$2"
    for device in near far; do
        ip link set dev $device gso_max_segs 1
        ip link set dev $device up
    done
    ip address add 192.0.2.1/24 dev near
    ip address add 2001:db8:1::1/64 dev near nodad
    ip address add 198.51.100.1/24 dev far
    ip address add 203.0.113.1/32 dev lo
    ip address add 2001:db8:2::1/64 dev far nodad
"#;

/// Makes one of the hosts: `$1` is its network, the other arguments are its addresses.
const HOST: &str = r#"
    network=$1; shift
    ip link set lo up
    ip link set dev wire gso_max_segs 1
    ip link set dev wire up
    for address in "$@"; do
        case $address in
            *:*) ip address add "$address" dev wire nodad ;;
            *) ip address add "$address" dev wire ;;
        esac
    done
    ip route add default via "$network.1"
    case $network in
        192*) ip route add default via 2001:db8:1::1 ;;
        *) ip route add default via 2001:db8:2::1 ;;
    esac
"#;

/// Has a program ask the files in the folder `$0` for names, and then the server's host.
const NAMED: &str = r#"
    for file in hosts resolv.conf nsswitch.conf; do
        [ ! -e /etc/$file ] || mount --bind "$0/$file" /etc/$file
    done
    exec "$@"
"#;

/// Program in a namespace that keeps it and says when it is there.
const KEEP: &str = "echo ready; exec cat";

/// The client's host, a router, and the server's host.
pub(in crate::networks) struct Network {
    env: TestEnv,
    /// CA that the client trusts, in place of those that the system does.
    trusted: Option<PathBuf>,
    /// Programs that run until the network ends, before which they are to end.
    running: Vec<Process>,
    servers: Vec<Server>,
    client_host: Process,
    server_host: Process,
    router: Process,
}

/// One of the namespaces.
#[derive(Clone, Copy, Debug)]
pub(in crate::networks) enum Place {
    Client,
    Router,
    Server,
}

/// What became of plain datagrams, as `datagrams.py` tells it.
#[derive(Debug)]
pub(in crate::networks) struct Told {
    /// Numbers of those that were answered, in order of the answers.
    pub(in crate::networks) answered: Vec<u64>,
    /// ECN bits with which they came there.
    pub(in crate::networks) up: Vec<u64>,
    /// ECN bits with which the answers came.
    pub(in crate::networks) down: Vec<u64>,
    /// Ports that they came from.
    pub(in crate::networks) ports: Vec<u64>,
    /// Last 16 bits of the addresses at which servers took them.
    pub(in crate::networks) servers: Vec<u64>,
    /// Senders of the answers.
    pub(in crate::networks) from: Vec<String>,
    /// What the system said.
    pub(in crate::networks) said: Vec<String>,
}

impl Network {
    /// Makes a network with two servers on port 4433, one of them at 198.51.100.4 alone.
    pub(in crate::networks) fn new(scenario: &Scenario) -> Self {
        let env = TestEnv::new();
        env.file("hosts", HOSTS);
        env.file(
            "resolv.conf",
            "nameserver 198.51.100.2\noptions timeout:1\n",
        );
        env.file("nsswitch.conf", "hosts: files dns\n");
        let router = keeper(env.command("unshare"), true);
        let [client_host, server_host] = [(); 2].map(|()| {
            let mut command = enter(&env, &router, false);
            command.arg("unshare");
            keeper(command, false)
        });
        let mut network = Self {
            trusted: Some(env.home().join("qecho/ca/rootCA.pem")),
            env,
            running: Vec::new(),
            servers: Vec::new(),
            client_host,
            server_host,
            router,
        };
        network.connect();
        network.serve(scenario);
        network.change(scenario);
        network
    }

    /// Connects the namespaces.
    fn connect(&self) {
        let pids = [&self.client_host, &self.server_host].map(|host| host.id().to_string());
        self.script(Place::Router, ROUTER, &pids);
        let own = ["192.0.2", "192.0.2.2/24", "2001:db8:1::2/64"].map(String::from);
        self.script(Place::Client, HOST, &own);
        let mut own = vec!["198.51.100".to_owned()];
        for number in 2..=4 {
            own.push(format!("198.51.100.{number}/24"));
            own.push(format!("2001:db8:2::{number}/64"));
        }
        self.script(Place::Server, HOST, &own);
    }

    /// Makes the network what the scenario says.
    fn change(&mut self, scenario: &Scenario) {
        if !scenario.forward.is_empty() {
            let rules = scenario.forward;
            let rules = format!(
                "table inet sick {{\n chain way {{\n type filter hook forward priority 0\n {rules}\n \
                 }}\n}}\n"
            );
            let file = self.env.file("rules", &rules);
            let script = format!("nft -f {}", file.display());
            self.script(Place::Router, &script, &[]);
        }
        self.script(Place::Router, scenario.router, &[]);
        self.script(Place::Client, scenario.client, &[]);
        if !scenario.relay.is_empty() {
            self.relay(scenario.relay);
        }
    }

    /// Starts a role of `datagrams.py` on the server's host, and waits until it is ready.
    pub(in crate::networks) fn starts(&mut self, typed: &str) {
        let process = self.datagrams(Place::Server, typed).start();
        process.stdout.says("ready");
        self.running.push(process);
    }

    fn datagrams(&self, place: Place, typed: &str) -> Cmd {
        let mut command = self.command(place, "python3");
        let program = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/cli/networks/datagrams.py"
        );
        command.arg(program).args(typed.split_whitespace());
        Cmd::new(command)
    }

    /// Prepares a program in a namespace.
    fn command(&self, place: Place, program: &str) -> Command {
        let keeper = match place {
            Place::Client => &self.client_host,
            Place::Router => &self.router,
            Place::Server => &self.server_host,
        };
        let mut command = enter(&self.env, keeper, true);
        command.arg(program);
        command
    }

    /// Runs a shell script in a namespace, which must end well.
    #[track_caller]
    pub(in crate::networks) fn script(&self, place: Place, script: &str, arguments: &[String]) {
        let mut command = self.command(place, "sh");
        command.args(["-euc", script, "sh"]).args(arguments);
        Cmd::new(command).ok();
    }

    /// Runs `qecho` on the client's host.
    pub(in crate::networks) fn qecho(&self, typed: &str) -> Output {
        self.qecho_within(typed, LIMIT)
    }

    /// The same, for so long.
    fn qecho_within(&self, typed: &str, limit: Duration) -> Output {
        let mut command = self.command(Place::Client, "unshare");
        command.args(["--mount", "sh", "-euc", NAMED]);
        command.arg(self.env.path(""));
        command.arg(env!("CARGO_BIN_EXE_qecho"));
        command.args(typed.split_whitespace());
        if let Some(trusted) = &self.trusted {
            command.arg("--ca").arg(trusted);
        }
        Cmd::new(command).start().done_within(limit)
    }

    /// Checks that a ping is answered.
    #[track_caller]
    pub(in crate::networks) fn answers(&self, host: &str) {
        let done = self.qecho(&format!("ping {host} -n 1 --timeout 20s"));
        done.exits(0).prints("1 sent, 1 received");
    }

    /// Checks that a web server completes a handshake.
    #[track_caller]
    pub(in crate::networks) fn shakes_hands_by_h3(&mut self) {
        let typed = "ping server.test -n 1 --over handshake --alpn h3 --timeout 20s";
        self.qecho(typed).exits(0).prints("1 sent, 1 received");
    }

    /// Checks that `qecho doctor` names the cause, or none.
    #[track_caller]
    pub(in crate::networks) fn is_diagnosed(&self, scenario: &Scenario) {
        let (target, arguments) = (scenario.target, scenario.arguments);
        let typed = format!("doctor {target}:4433 --format json {arguments}");
        let done = self.qecho_within(&typed, DIAGNOSIS_LIMIT);
        let cause = done.last_event()["cause"].as_str().map(str::to_owned);
        assert_eq!(
            cause.as_deref(),
            scenario.cause,
            "{}: {done:#?}",
            scenario.name
        );
        done.exits(i32::from(scenario.cause.is_some()));
    }

    /// Checks that no connection comes about, with these words.
    #[track_caller]
    pub(in crate::networks) fn fails(&self, host: &str, words: &str) {
        let done = self.qecho(&format!("ping {host} -n 1 --timeout 2s"));
        done.exits(1).complains(words);
    }

    /// Sends plain datagrams from the client's host.
    #[track_caller]
    pub(in crate::networks) fn near(&self, typed: &str) -> Told {
        let done = self.datagrams(Place::Client, &format!("near {typed}")).ok();
        let told = done.last_event();
        let numbers = |name: &str| {
            let all = told[name].as_array().into_iter().flatten();
            all.filter_map(Value::as_u64).collect()
        };
        let texts = |name: &str| {
            let all = told[name].as_array().into_iter().flatten();
            all.filter_map(|text| text.as_str().map(str::to_owned))
                .collect()
        };
        Told {
            answered: numbers("answered"),
            up: numbers("up"),
            down: numbers("down"),
            ports: numbers("ports"),
            servers: numbers("servers"),
            from: texts("from"),
            said: texts("said"),
        }
    }

    /// Tells whether a TCP connection to port 80 comes about, which a server takes.
    pub(in crate::networks) fn connects_by_tcp(&mut self) -> bool {
        self.starts("greet 198.51.100.2 80");
        let done = self
            .datagrams(Place::Client, "connect 198.51.100.2 80")
            .ok();
        done.last_event()["answered"] == "hello"
    }
}

/// Starts what keeps a new network namespace, by `unshare` that is to be its first argument.
fn keeper(mut command: Command, is_outermost: bool) -> Process {
    if is_outermost && !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--net", "sh", "-c", KEEP]);
    let process = Cmd::new(command).start();
    process.stdout.says("ready");
    process
}

/// Prepares what enters a namespace, or only its users.
fn enter(env: &TestEnv, keeper: &Process, with_network: bool) -> Command {
    let mut command = env.command("nsenter");
    command.arg("--target").arg(keeper.id().to_string());
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    } else if !with_network {
        command = env.command("env");
        return command;
    }
    if with_network {
        command.arg("--net");
    }
    command.arg("--");
    command
}
