//! What other programs capture, as `qecho trace` reads it.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{Case, ECHO_SERVER, TestEnv};
use crate::interop::child::Child;
use crate::interop::env::Server;
use crate::setup::TSHARK;

const CAPTURE: &str = "loopback.pcapng";
const KEY_LOG: &str = "secrets.log";
const MESSAGE: &str = "to-be-seen-in-a-capture";
const BULK: usize = 3_000_000;

/// Time after which, if the file has not grown, all that passed is in it: the kernel hands it to
/// captures a little later, and a capture that is stopped sooner lacks it.
const QUIET: Duration = Duration::from_secs(1);

pub(super) fn cases() -> Vec<Case> {
    let theirs = "qecho trace reads of aioquic's both ends what tshark reads";
    let ours = "qecho trace cuts the batches of qecho's both ends apart";
    vec![
        Case::new(theirs, their_ends).with(&TSHARK),
        Case::new(ours, our_ends).with(&TSHARK),
    ]
}

fn their_ends(env: &TestEnv) -> Result<()> {
    let server = env.server(ECHO_SERVER)?;
    let sniffer = sniff(env, &server)?;
    let line = format!("message_client.py --alpn echo --keylog {KEY_LOG} -m {MESSAGE}");
    env.client(&server, &line)?.succeeds(&["done"])?;
    stop(env, sniffer)?;
    server.ends_well()?;

    let trace = traced(env)?;
    let stream = format!("STREAM 0 [0..{})", MESSAGE.len());
    let (went, came) = frames_by_way(&trace, &stream);
    ensure!(went > 0 && came > 0, "no {stream} there and back");
    let (ours, theirs) = (packets(&trace)?, packets_by_tshark(env)?);
    ensure!(ours.len() > 5, "only {} packets were captured", ours.len());
    ensure!(
        ours == theirs,
        "qecho trace and tshark differ:\n{ours:?}\n{theirs:?}"
    );
    Ok(())
}

fn our_ends(env: &TestEnv) -> Result<()> {
    let server = env.server("qecho server")?;
    let sniffer = sniff(env, &server)?;
    let options = format!("--keylog {KEY_LOG} --trace=packets");
    let client = env.client_of(&server, BULK, &options)?.exits(0)?;
    stop(env, sniffer)?;
    server.ends_well()?;

    let trace = traced(env)?;
    let captured = packets(&trace)?;
    let mut left: Vec<_> = captured.iter().collect();
    left.sort();
    for packet in packets(&client.stderr)? {
        match left.binary_search(&&packet) {
            Ok(at) => drop(left.remove(at)),
            Err(_) => bail!("{packet:?} is in no capture"),
        }
    }
    // What the client has not seen is what its socket had no room for.
    let sent = left.iter().find(|packet| packet.went);
    ensure!(sent.is_none(), "the client never sent {sent:?}");
    ensure!(captured.len() > 2 * BULK / 1_500, "it is not all there");
    Ok(())
}

/// Starts to capture what a server sends and receives.
fn sniff(env: &TestEnv, server: &Server) -> Result<Child> {
    let filter = format!("udp port {}", server.port);
    // A buffer for all of a bulk echo: here is no core to spare.
    let arguments = ["-n", "-i", "lo", "-f", &filter, "-B", "64", "-w", CAPTURE];
    let sniffer = env.begin_with("tshark", &arguments)?;
    sniffer.says("Capture started").context(
        "tshark may not capture on the loopback device; this lets it: \
         sudo setcap cap_net_raw,cap_net_admin+eip \"$(command -v dumpcap)\" \
         (or run as root)",
    )?;
    Ok(sniffer)
}

fn stop(env: &TestEnv, sniffer: Child) -> Result<()> {
    let length = || fs::metadata(env.folder().join(CAPTURE)).map(|file| file.len());
    let mut known = None;
    while known != Some(length()?) {
        known = Some(length()?);
        thread::sleep(QUIET);
    }
    sniffer.stop()?.exits(0).map(drop)
}

/// Returns what `qecho trace` shows, of which every packet must be open.
fn traced(env: &TestEnv) -> Result<String> {
    let line = format!("qecho trace {CAPTURE} --keylog {KEY_LOG} --detail frames");
    let output = env.run(&line)?.exits(0)?;
    ensure!(output.stderr.is_empty(), "it says: {}", output.stderr);
    let trace = output.stdout;
    let mut closed = trace.lines().filter(|line| line.contains("not processed"));
    let closed = closed.find(|line| !line.contains(PADDING));
    ensure!(closed.is_none(), "a packet stays closed: {closed:?}");
    Ok(trace)
}

/// Packet, as far as both tell of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    /// True if the client sent it.
    went: bool,
    packet_type: &'static str,
    number: u64,
}

/// Some pad a datagram after its packets.
const PADDING: &str = "no packet";

const TYPES: [&str; 5] = ["Initial", "0-RTT", "Handshake", "Retry", "1-RTT"];

/// Reads the lines of a trace that are about packets.
fn packets(trace: &str) -> Result<Vec<Packet>> {
    let lines = trace.lines().filter_map(packet_line);
    lines
        .filter(|(_, rest)| !rest.starts_with(PADDING))
        .map(|(went, rest)| {
            let packet_type = TYPES.into_iter().find(|name| rest.starts_with(name));
            let packet_type = packet_type.with_context(|| format!("no type in {rest:?}"))?;
            let mut words = rest[packet_type.len()..].split_whitespace();
            let number = words.next().and_then(|word| word.parse().ok());
            let number = number.with_context(|| format!("no number in {rest:?}"))?;
            Ok(Packet {
                went,
                packet_type,
                number,
            })
        })
        .collect()
}

/// Returns which way a packet went and what stands after the arrow, if a line is about one.
fn packet_line(line: &str) -> Option<(bool, &str)> {
    let (before, rest) = line.split_once(['→', '←'])?;
    let stamp = before.trim();
    let is_packet = stamp == "+" || stamp.parse::<f64>().is_ok();
    is_packet.then(|| (line.contains('→'), rest.trim_start()))
}

/// Counts the frames of this form that went and came.
fn frames_by_way(trace: &str, frame: &str) -> (usize, usize) {
    let (mut went, mut came, mut is_going) = (0, 0, false);
    for line in trace.lines() {
        if let Some((goes, _)) = packet_line(line) {
            is_going = goes;
        } else if line.contains(frame) {
            match is_going {
                true => went += 1,
                false => came += 1,
            }
        }
    }
    (went, came)
}

/// Asks tshark for the packets in the capture, in their order.
fn packets_by_tshark(env: &TestEnv) -> Result<Vec<Packet>> {
    let fields = "-e udp.srcport -e quic.header_form -e quic.long.packet_type \
        -e quic.packet_number";
    // Some ports that the system hands out belong to other protocols.
    let all_is_quic = "-d udp.port==1-65535,quic";
    let keys = format!("-o tls.keylog_file:{KEY_LOG}");
    let line = format!("tshark -r {CAPTURE} {all_is_quic} {keys} -T fields {fields}");
    let output = env.run(&line)?.exits(0)?;
    let mut packets = Vec::new();
    let mut client = None;
    for line in output.stdout.lines() {
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or_default().split(',');
        let (port, forms, mut types, mut numbers) = (column(), column(), column(), column());
        let port = port.collect::<String>();
        let went = *client.get_or_insert_with(|| port.clone()) == port;
        for form in forms {
            let packet_type = match form {
                "1" => {
                    let index = types.next().and_then(|digit| digit.parse().ok());
                    *TYPES.get(index.unwrap_or(usize::MAX)).context("a type")?
                }
                _ => "1-RTT",
            };
            let number = numbers.next().and_then(|number| number.parse().ok());
            packets.push(Packet {
                went,
                packet_type,
                number: number.with_context(|| format!("no number in {line:?}"))?,
            });
        }
    }
    Ok(packets)
}
