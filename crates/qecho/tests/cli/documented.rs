//! docs/json.md beside what the program writes: every member is documented, and every
//! documented one is there or said to be optional.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::env::{self, TestEnv, VacantPort};

const PAGE: &str = include_str!("../../../../docs/json.md");

/// Events that nothing here can bring about at will: they need another stack's server, a
/// crowd, or a store of this machine.
const RARE: [&str; 8] = [
    "client lost",
    "client without_alpn",
    "ping without_alpn",
    "server left_out",
    "server refused",
    "cert store",
    "relay client_replaced",
    "relay client_refused",
];

/// Members that every object may have.
const COMMON: [&str; 3] = ["event", "time", "schema"];

/// The members of each event by command and event, and whether they are optional.
type Documented = BTreeMap<String, BTreeMap<String, bool>>;

/// Reads the page.
fn documented() -> Documented {
    let (mut command, mut event) = (String::new(), String::new());
    let mut page = Documented::new();
    for line in PAGE.lines() {
        if let Some(name) = line.strip_prefix("## qecho ") {
            command = name.into();
        } else if let Some(name) = line.strip_prefix("### ") {
            event = format!("{command} {name}");
            page.entry(event.clone()).or_default();
        } else if let Some(row) = line.strip_prefix("| `") {
            let (member, rest) = row.split_once('`').expect("a member ends");
            let is_optional = rest.starts_with(" (optional)");
            let members = page.get_mut(&event).expect("a table stands under an event");
            members.insert(member.into(), is_optional);
        }
    }
    let replies = page["ping reply"].clone();
    page.insert("ping late".into(), replies);
    page
}

/// What was written, checked against the page.
struct Checked {
    page: Documented,
    seen: BTreeSet<String>,
}

impl Checked {
    /// Checks all objects of a command.
    #[track_caller]
    fn take(&mut self, command: &str, objects: &[Value]) {
        assert!(!objects.is_empty(), "{command}");
        for object in objects {
            let time = object["time"].as_str().expect("each has a time");
            OffsetDateTime::parse(time, &Rfc3339).expect("it is as RFC 3339 says");
            self.check(command, object);
        }
    }

    #[track_caller]
    fn check(&mut self, command: &str, object: &Value) {
        let event = object["event"].as_str().expect("each is an event");
        let event = format!("{command} {event}");
        let members = self
            .page
            .get(&event)
            .unwrap_or_else(|| panic!("{event}: {object:#}"));
        let (mut found, mut nested) = (BTreeMap::new(), Vec::new());
        flatten("", object, members, &mut found, &mut nested);
        for (path, is_empty) in &found {
            let has_parts = || {
                let mut names = members.keys();
                *is_empty && names.any(|name| is_part(name, path))
            };
            let is_documented = members.contains_key(path) || COMMON.contains(&path.as_str());
            assert!(
                is_documented || has_parts(),
                "{event}: {path} in {object:#}"
            );
        }
        let empty = || found.iter().filter(|(_, is_empty)| **is_empty);
        for (name, is_optional) in members {
            let is_there = found.contains_key(name) || empty().any(|(path, _)| is_part(name, path));
            assert!(is_there || *is_optional, "{event}: no {name} in {object:#}");
        }
        self.seen.insert(event);
        for report in nested {
            self.check(command, &report);
        }
    }
}

/// Tells whether a documented member is inside of another.
fn is_part(name: &str, of: &str) -> bool {
    let rest = name.strip_prefix(of);
    rest.is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// Finds the members of a value, and whether each is empty; what is documented as a whole
/// report is put beside.
fn flatten(
    path: &str,
    value: &Value,
    members: &BTreeMap<String, bool>,
    found: &mut BTreeMap<String, bool>,
    nested: &mut Vec<Value>,
) {
    match value {
        Value::Object(parts) if members.contains_key(path) => {
            // What is no report has other members each time.
            let is_report = parts.contains_key("event");
            nested.extend(is_report.then(|| value.clone()));
            found.insert(path.into(), false);
        }
        Value::Object(parts) => {
            for (name, part) in parts {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), part, members, found, nested);
            }
        }
        Value::Array(parts) => {
            let path = format!("{path}[]");
            if parts.is_empty() {
                found.insert(path.clone(), true);
            }
            for part in parts {
                flatten(&path, part, members, found, nested);
            }
        }
        other => {
            let is_empty = other.is_null();
            found.insert(path.into(), is_empty);
        }
    }
}

#[test]
fn every_member_of_every_command_is_documented_and_the_other_way_round() {
    let page = documented();
    let mut checked = Checked {
        page,
        seen: BTreeSet::new(),
    };
    clients_and_servers(&mut checked);
    files_that_change(&mut checked);
    pings(&mut checked);
    loads(&mut checked);
    certificates(&mut checked);
    verdicts(&mut checked);
    diagnoses(&mut checked);
    let events = checked
        .page
        .keys()
        .filter(|event| !RARE.contains(&event.as_str()));
    let unseen: Vec<_> = events
        .filter(|event| !checked.seen.contains(*event))
        .collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

fn clients_and_servers(checked: &mut Checked) {
    let (env, server) = TestEnv::with_server("--messages always --also tls,udp --metrics 0");
    for message in [&b"text\n"[..], b"\xff\xfe\n"] {
        let client = env.client(&server, "-m text --format json");
        checked.take("client", &client.ok().events());
        let piped = env.client(&server, "--over datagram --format json");
        checked.take("client", &piped.run_with(message).events());
    }
    let refused = env.client(&server, "-m a --alpn other --format json").run();
    checked.take("client", &refused.exits(1).events());
    checked.take("server", &server.ends().events());
    checked.take("server", &[listening_for_clients(&env)]);
}

/// Returns the first line of a server that knows its clients.
fn listening_for_clients(env: &TestEnv) -> Value {
    env.qecho("cert ca new").run();
    let ca = env.qecho("cert ca show --format json").ok().last_event();
    let ca = ca["ca"].as_str().expect("a text").to_owned();
    let server = env.server(&format!("--client-ca {ca}"));
    let listening = server.listening.clone();
    server.ends();
    listening
}

fn diagnoses(checked: &mut Checked) {
    let (env, server) = TestEnv::with_server("");
    let place = server.place();
    for arguments in [
        format!("{place} --quick --timeout 1s"),
        format!("nosuch.invalid --quick --control {place}"),
        String::new(),
    ] {
        let doctor = env.qecho(format!("doctor {arguments} --format json"));
        checked.take("doctor", &doctor.run().events());
    }
}

fn verdicts(checked: &mut Checked) {
    let (env, server) = TestEnv::with_server("");
    let (place, nobody) = (server.place(), VacantPort::keep());
    let hosts = format!("{place} 127.0.0.1:{}", nobody.number());
    let done = env.qecho(format!("conform {hosts} --only F12 --format json"));
    checked.take("conform", &done.run().exits(1).events());
    env.file("home/v.txt", "F12 fail\n");
    let expecting = format!("conform {place} --only F12,F13 --expect v.txt --format json");
    let events = env.qecho(expecting).ok().events();
    let told = |name: &str| [&events[0][name], &events[1][name]];
    assert_eq!(told("comparison"), ["better", "new"]);
    let summary = &events[2]["comparison"];
    assert!(summary["better"] == 1 && summary["new"] == 1, "{summary:#}");
    checked.take("conform", &events);
    let list = env
        .qecho("conform --list --only F12,V02 --format json")
        .ok();
    assert_eq!(list.events().len(), 2);
    checked.take("conform", &list.events());
    let env = TestEnv::new();
    let awaiting = "conform --client --by-name --listen localhost:0 --format json";
    let server = env.await_server(env.qecho(awaiting));
    env.client(&server, "-m hello").ok();
    checked.take("conform", &server.ends().events());
}

fn files_that_change(checked: &mut Checked) {
    let env = TestEnv::new();
    env.qecho("cert new localhost 127.0.0.1 --cert-file c.pem --key-file c-key.pem")
        .ok();
    let ca = env.qecho("cert ca show --format json").ok().last_event();
    let ca = ca["ca"].as_str().expect("a text");
    std::fs::copy(ca, env.home().join("clients.pem")).expect("it is a file");
    let server = env.server("--cert c.pem --key c-key.pem --client-ca clients.pem");
    server.process.signal(Signal::HUP);
    server.event("certificate_reloaded");
    server.event("client_ca_reloaded");
    for name in ["c.pem", "clients.pem"] {
        std::fs::write(env.home().join(name), "garbage").expect("it is ours");
    }
    server.event("certificate_kept");
    server.event("client_ca_kept");
    checked.take("server", &server.ends().events());
}

fn pings(checked: &mut Checked) {
    let (env, server) = TestEnv::with_server("--early-data on");
    let place = server.place();
    for options in [
        "-n 2",
        "-n 2 --over datagram",
        "-n 2 --over frame",
        "-n 3 --over handshake --resume --early-data",
        "-n 2 --over vn",
    ] {
        let ping = env.qecho(format!("ping {place} -i 0 {options} --format json"));
        checked.take("ping", &ping.ok().events());
    }
    let nobody = VacantPort::keep();
    for options in ["--timeout 1s", "--give-up"] {
        let port = nobody.number();
        let ping = format!("ping 127.0.0.1:{port} -n 1 {options} --format json");
        checked.take("ping", &env.qecho(ping).run().events());
    }
    let stopped = env.qecho(format!("ping {place} -n 9 -i 100ms --format json"));
    let stopped = stopped.start();
    stopped.stdout.says("reply");
    stopped.halt();
    // A pause is told of that takes a second.
    thread::sleep(Duration::from_millis(1_100));
    stopped.signal(Signal::CONT);
    checked.take("ping", &stopped.done().events());
    let relay = env.relay(&place, "--duplicate 100% --delay 300ms");
    let slow = format!("ping {} --over vn -n 3 -i 2s --format json", relay.place());
    for timeout in ["5s", "400ms"] {
        let ping = env.qecho(format!("{slow} --timeout {timeout}"));
        checked.take("ping", &ping.run().events());
    }
    checked.take("relay", &relay.ends().events());
    let bad = "--blackhole 1h/1s --rate 1mbit --queue 9 --mtu 1300 --rebind-port 1h --drop 7-9";
    checked.take("relay", &env.relay(&place, bad).ends().events());
    let worse = "--nat-timeout 20s --police 5/100ms --ecn ce";
    checked.take("relay", &env.relay(&place, worse).ends().events());
}

fn loads(checked: &mut Checked) {
    let (env, server) = TestEnv::with_server("--also tls --early-data on");
    let (place, pid) = (server.place(), server.process.id());
    let file = env.path("report.json");
    for options in [
        format!("-n 200 --fail-if p99.9>1h --server-pid {pid}"),
        format!("-n 20 -s 1..100 --output {}", file.display()),
        "-n 20 --baseline tls".into(),
        "-n 20 --step 100,200 --idle-connections 2".into(),
        "-n 20 --over handshake --resume --early-data".into(),
        "-d 100ms --warmup 0s --find-limit p50<1ns --rate 2".into(),
        "-d 100ms --over idle --connections 2".into(),
    ] {
        let done = env
            .qecho(format!("bench {place} {options} --format json"))
            .run();
        checked.take("bench", &done.events());
    }
    checked.take("bench", &[env::read_json(&file)]);
}

fn certificates(checked: &mut Checked) {
    let env = TestEnv::new();
    for command in [
        "ca new",
        "ca show",
        "new localhost --cert-file c.pem --key-file c-key.pem --chain",
        "new localhost --cert-file c.pem --key-file c-key.pem",
        "renew c.pem",
        "show c.pem",
        "verify c.pem localhost",
        "list",
        "install --dry-run --system debian",
    ] {
        let done = env.qecho(format!("cert {command} --format json")).run();
        checked.take("cert", &done.events());
        let all = done.events();
        let has_schema = all.iter().all(|object| object["schema"].is_number());
        assert!(has_schema, "{command}: {all:#?}");
    }
}
