//! What other programs capture, as `qecho trace` reads it.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::peer::Peer;
use super::super::stage::Server;
use super::{Case, Stage};
use crate::setup::TSHARK;

const CAPTURE: &str = "loopback.pcapng";
const KEY_LOG: &str = "secrets.log";
const MESSAGE: &str = "to be seen in a capture";
const BULK: usize = 3_000_000;

/// When the file has not grown for so long, all that passed is in it: the kernel hands it to
/// captures a little later, and a capture that is stopped sooner lacks it.
const QUIET: Duration = Duration::from_secs(1);

pub(super) const CASES: &[Case] = &[
    Case::short(
        "qecho trace reads of aioquic's both ends what tshark reads",
        |stage| {
            let server = stage.peer_server("true_echo_server.py", &["--alpn", "echo"])?;
            let sniffer = sniff(stage, &server)?;
            let arguments = ["--alpn", "echo", "--keylog", KEY_LOG, "-m", MESSAGE];
            let client = stage.peer_client("message_client.py", &server, &arguments)?;
            client.exits(0)?.prints("done")?;
            stop(stage, sniffer)?;
            server.ends_well()?;

            let trace = traced(stage)?;
            let length = MESSAGE.len();
            let stream = format!("STREAM 0 [0..{length})");
            let (went, came) = frames_by_way(&trace, &stream);
            ensure!(went > 0 && came > 0, "no {stream} there and back");
            let (ours, theirs) = (packets(&trace)?, packets_by_tshark(stage)?);
            ensure!(ours.len() > 5, "only {} packets were captured", ours.len());
            ensure!(
                ours == theirs,
                "qecho trace and tshark differ:\n{ours:?}\n{theirs:?}"
            );
            Ok(())
        },
    )
    .with(&TSHARK),
    Case::short(
        "qecho trace cuts the batches of qecho's both ends apart",
        |stage| {
            let server = stage.qecho_server(&[])?;
            let sniffer = sniff(stage, &server)?;
            let arguments = ["--keylog", KEY_LOG, "--trace=packets"];
            let client = stage.qecho_client_of(&server, BULK, &arguments)?.exits(0)?;
            stop(stage, sniffer)?;
            server.ends_well()?;

            let trace = traced(stage)?;
            let captured = packets(&trace)?;
            let mut left: Vec<_> = captured.iter().collect();
            left.sort();
            for packet in packets(client.stderr())? {
                let at = left.binary_search(&&packet);
                let at = at.map_err(|_| packet.clone());
                let at = at.map_err(|packet| anyhow::anyhow!("{packet:?} is in no capture"))?;
                left.remove(at);
            }
            // What the client has not seen is what its socket had no room for.
            let sent = left.iter().find(|packet| packet.went);
            ensure!(sent.is_none(), "the client never sent {sent:?}");
            ensure!(captured.len() > 2 * BULK / 1_500, "it is not all there");
            Ok(())
        },
    )
    .with(&TSHARK),
];

/// Starts to capture what a server sends and receives.
fn sniff(stage: &Stage, server: &Server) -> Result<Peer> {
    let filter = format!("udp port {}", server.port());
    // A buffer for all of a bulk echo: here is no core to spare.
    let arguments = ["-n", "-i", "lo", "-f", &filter, "-B", "64", "-w", CAPTURE];
    let sniffer = stage.begin("tshark", &arguments)?;
    sniffer.says("Capture started").context(
        "tshark may not capture on the loopback device; this lets it: \
         sudo setcap cap_net_raw,cap_net_admin+eip \"$(command -v dumpcap)\" \
         (or run as root)",
    )?;
    Ok(sniffer)
}

fn stop(stage: &Stage, sniffer: Peer) -> Result<()> {
    let length = || fs::metadata(stage.folder().join(CAPTURE)).map(|file| file.len());
    let mut known = length()?;
    loop {
        thread::sleep(QUIET);
        match length()? {
            same if same == known => break,
            longer => known = longer,
        }
    }
    sniffer.stop()?.exits(0).map(drop)
}

/// Returns what `qecho trace` shows, of which every packet must be open.
fn traced(stage: &Stage) -> Result<String> {
    let arguments = [CAPTURE, "--keylog", KEY_LOG, "--detail", "frames"];
    let done = stage.qecho_trace(&arguments)?.exits(0)?;
    ensure!(done.stderr().is_empty(), "it says: {}", done.stderr());
    let trace = done.stdout();
    let mut closed = trace.lines().filter(|line| line.contains("not processed"));
    let closed = closed.find(|line| !line.contains(PADDING));
    ensure!(closed.is_none(), "a packet stays closed: {closed:?}");
    Ok(trace.to_owned())
}

/// A packet, as both can tell it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    /// Whether the client sent it.
    went: bool,
    packet_type: &'static str,
    number: u64,
}

/// Some pad a datagram after its packets.
const PADDING: &str = "no packet";

const TYPES: [&str; 5] = ["Initial", "0-RTT", "Handshake", "Retry", "1-RTT"];

/// Reads the lines of a trace that are about packets.
fn packets(trace: &str) -> Result<Vec<Packet>> {
    trace
        .lines()
        .filter_map(packet_line)
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
fn packets_by_tshark(stage: &Stage) -> Result<Vec<Packet>> {
    let keys = format!("tls.keylog_file:{KEY_LOG}");
    let fields = [
        "quic.header_form",
        "quic.long.packet_type",
        "quic.packet_number",
    ];
    let [form, packet_type, number] = fields;
    let arguments = [
        "-r",
        CAPTURE,
        // Some ports that the system hands out belong to other protocols.
        "-d",
        "udp.port==1-65535,quic",
        "-o",
        &keys,
        "-T",
        "fields",
        "-e",
        "udp.srcport",
        "-e",
        form,
        "-e",
        packet_type,
        "-e",
        number,
    ];
    let done = stage.run("tshark", &arguments)?.exits(0)?;
    let mut packets = Vec::new();
    let mut client = None;
    for line in done.stdout().lines() {
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
