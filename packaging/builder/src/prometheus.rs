//! A real Prometheus scrapes a real server, and promtool reads what lies in `packaging/prometheus`.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xtask::home::Home;
use xtask::process::{self, Group};
use xtask::report::Report;
use xtask::setup::{self, Program};
use xtask::{clock, workspace};

use crate::binaries;

/// Scrapes metrics.
const PROMETHEUS: Program = Program::on_path(&["prometheus"], ["prometheus", "", "prometheus"]);
/// Checks metrics and alerts; comes with Prometheus.
const PROMTOOL: Program = Program::on_path(&["promtool"], ["prometheus", "", "prometheus"]);

/// Time for all of it on a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(120);

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(200);

const MESSAGE: &str = "scraped";

/// Files of the checked-in folder that stand for themselves.
const RULES: &str = "qecho.rules.yml";
const TESTS: &str = "qecho.rules.test.yml";
const CONFIG: &str = "prometheus.yml";

/// Runs the check with the program that is packed.
pub(crate) fn run() -> Result<Report> {
    setup::obtain(&[PROMETHEUS, PROMTOOL])?;
    let binary = &binaries::shared();
    let home = Home::new("prometheus")?;
    let confined = |program: &Path, line: &str| {
        let mut command = Command::new(program);
        home.confine(command.args(line.split_whitespace()));
        command
    };
    let promtool = |line: &str| confined(Path::new(PROMTOOL.name()), line);
    let packaged = workspace::root().join("packaging/prometheus");
    for (check, file) in [
        ("check rules", RULES),
        ("test rules", TESTS),
        ("check config", CONFIG),
    ] {
        let mut command = promtool(check);
        command.arg(file).current_dir(&packaged);
        let checked = process::answer(command, LIMIT);
        checked.with_context(|| format!("promtool {check} {file}"))?;
    }

    let line = "server --format json --listen localhost:0 --metrics 0";
    let mut server = Group::spawn_piped(&mut confined(binary, line))?;
    let listening: Value = serde_json::from_str(&first_line(server.stdout()?)?)?;
    let address = |name: &str| {
        listening[name][0]
            .as_str()
            .context("the server has no address")
    };
    let (place, metrics) = (address("addresses")?, address("metrics")?);
    process::answer(
        confined(binary, &format!("client {place} -m {MESSAGE}")),
        LIMIT,
    )?;

    let exposition = workspace::target().join("interop/prometheus/metrics.txt");
    fs::write(&exposition, get(metrics, "/metrics")?)?;
    let mut check = promtool("check metrics");
    check.stdin(File::open(&exposition)?).stdout(Stdio::null());
    let checked = check.status().context("cannot start promtool")?;
    ensure!(checked.success(), "promtool check metrics: {checked}");

    let config = configured(&packaged, metrics)?;
    let web = free_address()?;
    let line = format!(
        "--config.file={} --storage.tsdb.path={} --web.listen-address={web} --log.level=warn",
        config.display(),
        config.with_file_name("tsdb").display()
    );
    let _prometheus = Group::spawn_piped(&mut confined(Path::new(PROMETHEUS.name()), &line))?;
    let expected = MESSAGE.len().to_string();
    await_value(&web, "sum(qecho_stream_echoed_bytes_total)", &expected)?;
    await_value(&web, "up{job=\"qecho\"}", "1")?;
    await_value(
        &web,
        "sum(qecho_handshakes_total{outcome=\"complete\"})",
        "1",
    )?;
    Ok(Report::default())
}

/// Writes the packaged configuration anew, for a server at this address that is scraped often;
/// returns its path.
fn configured(packaged: &Path, metrics: &str) -> Result<PathBuf> {
    let folder = workspace::target().join("interop/prometheus");
    fs::copy(packaged.join(RULES), folder.join(RULES))?;
    let text = fs::read_to_string(packaged.join(CONFIG))?;
    let changed = text.replace("localhost:9433", metrics).replace("15s", "1s");
    ensure!(
        changed.contains(metrics),
        "{CONFIG} names no localhost:9433"
    );
    let path = folder.join(CONFIG);
    fs::write(&path, changed)?;
    Ok(path)
}

/// Returns an address that was free a moment ago: Prometheus cannot choose one.
fn free_address() -> Result<String> {
    let socket = TcpListener::bind("127.0.0.1:0").context("there is no free port")?;
    Ok(socket.local_addr()?.to_string())
}

/// Waits until Prometheus answers a query by one value, which must come to be this one.
fn await_value(web: &str, query: &str, expected: &str) -> Result<()> {
    let deadline = clock::now() + LIMIT;
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    loop {
        let answer = get(web, &format!("/api/v1/query?query={encoded}"));
        let answer: Option<Value> = answer
            .ok()
            .and_then(|body| serde_json::from_str(&body).ok());
        let value = answer
            .as_ref()
            .map(|answer| &answer["data"]["result"][0]["value"][1]);
        if value.is_some_and(|value| value == expected) {
            println!("{query} is {expected}");
            return Ok(());
        }
        ensure!(
            clock::now() < deadline,
            "{query}: {answer:?}, not {expected}"
        );
        thread::sleep(INTERVAL);
    }
}

/// Returns the body of an answer.
fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    // In version 1.0, so that the body is not cut into chunks.
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let line = head.lines().next().unwrap_or_default();
    ensure!(line.contains(" 200 "), "{address}{path}: {line}");
    Ok(body.to_owned())
}

/// Reads the first line of a server, and leaves it to say more to nobody.
fn first_line(stdout: impl Read + Send + 'static) -> Result<String> {
    let (sender, line) = std::sync::mpsc::channel();
    process::read_lines(stdout, move |line| drop(sender.send(line.to_owned())));
    line.recv_timeout(LIMIT).context("the server says nothing")
}
