//! `qecho trace`: the packets in a file, whatever it is.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::{
    cmd::{Cmd, Output},
    env::TestEnv,
    tshark,
};

/// The types of pcapng's blocks (draft-ietf-opsawg-pcapng §4).
pub(crate) const PACKET: u32 = 6;
pub(crate) const SECRETS: u32 = 10;
const INTERFACE: u32 = 1;

/// Link types (<https://www.tcpdump.org/linktypes.html>).
const PPP: u16 = 9;
const RADIO: u16 = 105;

/// A client's capture of one message, and its key log.
pub(crate) struct Recording {
    pub(crate) env: TestEnv,
    pub(crate) bytes: Vec<u8>,
    pub(crate) keys: PathBuf,
}

impl Recording {
    pub(crate) fn make() -> Self {
        let env = TestEnv::new();
        let (capture, keys) = (env.path("capture"), env.path("keys"));
        let server = env.server("");
        let client = env.client(&server, "-m hello --pcap");
        let client = client.arg(&capture).arg("--keylog").arg(&keys);
        client.ok();
        server.ends_well();
        let bytes = fs::read(capture).expect("it was written");
        Self { env, bytes, keys }
    }

    /// Shows a file of these bytes.
    pub(crate) fn trace(&self, bytes: &[u8], arguments: &str) -> Output {
        let path = self.write(bytes);
        self.env.qecho("trace").arg(path).args(arguments).run()
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> PathBuf {
        let path = self.env.path("file");
        fs::write(&path, bytes).expect("the folder takes files");
        path
    }

    /// Returns the capture with those blocks alone whose type is wanted.
    fn only(&self, wanted: impl Fn(u32) -> bool) -> Vec<u8> {
        let blocks = blocks(&self.bytes).into_iter();
        let wanted = blocks.filter(|(kind, _)| wanted(*kind));
        wanted
            .flat_map(|(_, range)| self.bytes[range].to_vec())
            .collect()
    }
}

/// Returns the type and the place of each block.
pub(crate) fn blocks(bytes: &[u8]) -> Vec<(u32, std::ops::Range<usize>)> {
    let word = |at: usize| {
        let bytes = bytes[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes)
    };
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + word(at + 4) as usize;
        blocks.push((word(at), at..end));
        at = end;
    }
    blocks
}

/// Returns a capture of the same packets on a link of another type, behind its header.
fn behind(capture: &[u8], link: u16, header: &[u8]) -> Vec<u8> {
    let mut changed = Vec::new();
    for (kind, range) in blocks(capture) {
        let block = &capture[range];
        let mut body = block[8..block.len() - 4].to_vec();
        match kind {
            INTERFACE => body[..2].copy_from_slice(&link.to_le_bytes()),
            PACKET => body = packet_behind(&body, header),
            _ => {}
        }
        let length = (body.len() as u32 + 12).to_le_bytes();
        changed.extend([&kind.to_le_bytes()[..], &length, &body, &length].concat());
    }
    changed
}

fn packet_behind(body: &[u8], header: &[u8]) -> Vec<u8> {
    let length = |at: usize| {
        let bytes = body[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    let lengths = [12, 16].map(|at| (length(at) + header.len()) as u32);
    let (packet, rest) = body[20..].split_at(length(12));
    let mut changed = body[..12].to_vec();
    changed.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
    changed.extend([header, packet].concat());
    changed.resize(changed.len().next_multiple_of(4), 0);
    changed.extend(&rest[packet.len().next_multiple_of(4) - packet.len()..]);
    changed
}

#[test]
fn a_capture_is_shown_from_a_file_and_from_a_pipe_alike() {
    let recording = Recording::make();
    let file = recording.trace(&recording.bytes, "");
    file.exits(0)
        .prints("STREAM 0 [0..5)")
        .prints("CONNECTION_CLOSE");
    assert_eq!(file.stderr, "");
    let pipe = recording.env.qecho("trace -").run_with(&recording.bytes);
    pipe.exits(0);
    assert_eq!(pipe.stdout, file.stdout);
    let handshake = recording.trace(&recording.bytes, "--detail handshake");
    handshake.exits(0).prints("HANDSHAKE_DONE");
    // Probes for the MTU come after it.
    assert!(!handshake.stdout.contains("PING"), "{handshake:#?}");
    let frames = recording.trace(&recording.bytes, "--detail frames");
    frames
        .exits(0)
        .prints("key phase 0")
        .prints("max_idle_timeout");
}

#[test]
fn what_is_complete_of_a_cut_file_is_shown_and_the_offset_said() {
    let recording = Recording::make();
    let length = recording.bytes.len();
    for cut in (length / 4..length).step_by(length / 20) {
        // Blocks end at multiples of four.
        let cut = cut / 4 * 4 + 1;
        let done = recording.trace(&recording.bytes[..cut], "");
        done.prints("ClientHello");
        done.fails(2, "to its end: cut off in the block at byte ", None);
        let (_, offset) = done.stderr.trim().rsplit_once(' ').expect("words");
        let offset: usize = offset.parse().expect("a number");
        let begins = |range: &std::ops::Range<usize>| range.start == offset;
        let blocks = blocks(&recording.bytes);
        let (_, block) = blocks
            .iter()
            .find(|(_, range)| begins(range))
            .expect("a block");
        assert!(block.contains(&cut), "{cut}: {done:#?}");
    }
}

#[test]
fn a_length_that_is_a_lie_is_told_with_its_offset() {
    let recording = Recording::make();
    let blocks = blocks(&recording.bytes);
    let (_, last) = blocks.last().expect("there is one");
    for (length, words) in [
        (u32::MAX, "more than 16 MiB"),
        (0, "impossible length"),
        (0x0100_0000, "cut off"),
    ] {
        let mut bytes = recording.bytes.clone();
        bytes[last.start + 4..last.start + 8].copy_from_slice(&length.to_le_bytes());
        let done = recording.trace(&bytes, "");
        done.prints("ClientHello").fails(2, words, None);
        done.complains(&format!("at byte {}", last.start));
    }
}

#[test]
fn a_packet_that_was_changed_is_shown_as_such() {
    let recording = Recording::make();
    let blocks = blocks(&recording.bytes);
    let last = blocks.iter().rfind(|(kind, _)| *kind == PACKET);
    let (_, last) = last.expect("there is one");
    let mut bytes = recording.bytes.clone();
    // Behind the block's own fields, the IP header and the UDP header.
    bytes[last.start + 28 + 20 + 8 + 20] ^= 1;
    let done = recording.trace(&bytes, "");
    done.exits(0).prints("not processed: ");
}

#[test]
fn what_is_no_capture_is_refused_with_what_to_do() {
    let recording = Recording::make();
    let env = &recording.env;
    let folder = env.home();
    for (path, reason) in [
        (Path::new("nothing"), "cannot read nothing: No such file"),
        (&folder, "it is a folder"),
        (Path::new("/dev/null"), "it is empty"),
    ] {
        env.qecho("trace").arg(path).run().fails(2, reason, None);
    }
    for (bytes, hint) in [
        (&b"plain text"[..], "Wireshark"),
        (b"x", "Wireshark"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip -dc "),
        (b"\x28\xb5\x2f\xfd\0\0\0\0", "zstd -dc "),
    ] {
        let done = recording.trace(bytes, "");
        done.fails(2, "it is neither pcapng nor pcap", Some(hint));
        let done = env.qecho("trace -").run_with(bytes);
        done.fails(2, "cannot read stdin: ", Some(hint.trim()));
    }
    let other = recording.only(|kind| kind != PACKET);
    let done = recording.trace(&other, "");
    done.fails(1, "there is no QUIC of version 1 in ", None);
}

#[test]
fn a_capture_of_ppp_is_shown_as_that_of_a_network_is() {
    let recording = Recording::make();
    let shown = recording.trace(&recording.bytes, "--detail frames");
    for header in [&[0xff, 0x03, 0, 0x21][..], &[0, 0x21], &[0x21]] {
        let ppp = behind(&recording.bytes, PPP, header);
        let done = recording.trace(&ppp, "--detail frames");
        done.exits(0);
        assert_eq!((&*done.stderr, &done.stdout), ("", &shown.stdout));
        let seen = |bytes: &[u8]| tshark::datagrams(&recording.env, &recording.write(bytes));
        assert_eq!(seen(&ppp), seen(&recording.bytes), "tshark, {header:x?}");
    }
}

#[test]
fn what_is_left_out_is_counted_with_its_reason() {
    let recording = Recording::make();
    let packets = blocks(&recording.bytes).into_iter();
    let packets = packets.filter(|(kind, _)| *kind == PACKET).count();
    let radio = behind(&recording.bytes, RADIO, &[0; 24]);
    let done = recording.trace(&radio, "");
    let of_radio =
        format!("{packets} packets of link type 105 (802.11), which qecho does not read");
    let none = "there is no QUIC of version 1 in ";
    done.fails(1, none, None)
        .complains(&format!(", but {of_radio}\n"));
    let both = recording.trace(&[&radio[..], &recording.bytes].concat(), "");
    both.exits(0).prints("STREAM 0 [0..5)");
    assert_eq!(both.stderr, format!("not shown: {of_radio}\n"));
    let mut changed = recording.bytes.clone();
    let blocks = blocks(&changed).into_iter();
    let places = blocks.filter(|(kind, _)| *kind == PACKET);
    // The protocol in the IPv4 header: two packets of TCP, one of ICMP.
    for ((_, place), protocol) in places.zip([6, 6, 1]) {
        changed[place.start + 28 + 9] = protocol;
    }
    let done = recording.trace(&changed, "");
    done.complains("2 packets of other IP protocols than UDP; 1 packet of ICMP");
}

#[test]
fn without_secrets_it_is_said_how_much_stays_closed_and_a_key_log_opens_it() {
    let recording = Recording::make();
    let env = &recording.env;
    let bare = recording.only(|kind| kind != SECRETS);
    let closed = " packets stay closed: their TLS secrets are neither inside nor in a --keylog";
    let done = recording.trace(&bare, "");
    done.exits(0).prints("ClientHello").complains(closed);
    assert!(!done.stdout.contains("STREAM"), "{done:#?}");
    let not_opened = done.stdout.matches("its secrets are not known").count();
    done.complains(&format!("{not_opened}{closed}"));
    let with = |keys: &Path| {
        let path = recording.write(&bare);
        env.qecho("trace").arg(path).arg("--keylog").arg(keys)
    };
    let opened = with(&recording.keys).ok();
    assert_eq!(opened.stderr, "");
    assert_eq!(opened.stdout, recording.trace(&recording.bytes, "").stdout);
    let text = env.file("text", "# no secrets\n");
    with(&text)
        .ok()
        .complains("warning: no TLS secrets in ")
        .complains(closed);
    let broken = env.file("broken", "CLIENT_TRAFFIC_SECRET_0 00 11\n");
    with(&broken)
        .ok()
        .complains("broken that make no sense: 1\n")
        .complains(closed);
    let other = Recording::make();
    let done = with(&other.keys).run();
    done.exits(0).complains(closed);
    assert!(!done.stderr.contains("warning"), "{done:#?}");
    let both = with(&other.keys).arg("--keylog").arg(&recording.keys).run();
    both.exits(0).prints("STREAM 0 [0..5)");
    let missing = with(Path::new("nothing")).run();
    missing.fails(2, "cannot read TLS secrets from nothing: ", None);
}

#[test]
fn a_named_pipe_is_opened_once_even_if_its_writer_ends_at_once() {
    let recording = Recording::make();
    let env = &recording.env;
    let shown = recording.trace(&recording.bytes, "");
    for (name, bytes) in [("pipe", &recording.bytes[..]), ("other", b"\x0a")] {
        let pipe = env.path(name);
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).expect("the folder takes pipes");
        let tracing = env.qecho("trace").arg(&pipe).start();
        // Opening waits for the reader; whoever opens the pipe again finds nobody.
        let mut writer = File::options()
            .write(true)
            .open(&pipe)
            .expect("it is a pipe");
        writer.write_all(bytes).expect("somebody reads");
        drop(writer);
        let done = tracing.done();
        match bytes.len() {
            1 => {
                done.fails(2, "it is neither pcapng nor pcap", Some("Wireshark"));
            }
            _ => assert_eq!(done.exits(0).stdout, shown.stdout),
        }
    }
}

#[test]
fn secrets_behind_the_packets_are_found_whatever_key_log_is_given() {
    let recording = Recording::make();
    let env = &recording.env;
    let shown = recording.trace(&recording.bytes, "").stdout;
    let late = [
        recording.only(|kind| kind != SECRETS),
        recording.only(|kind| kind == SECRETS),
    ];
    let late = late.concat();
    let other = Recording::make();
    let path = recording.write(&late);
    let with_other = |file: &Path| {
        env.qecho("trace")
            .arg(file)
            .arg("--keylog")
            .arg(&other.keys)
    };
    let none: [Cmd; 2] = [env.qecho("trace").arg(&path), with_other(&path)];
    for done in none.map(Cmd::run) {
        done.exits(0);
        assert_eq!((&*done.stderr, &done.stdout), ("", &shown));
    }
    // A file is no less one when the shell has opened it.
    let mut redirected = env.command(env!("CARGO_BIN_EXE_qecho"));
    redirected.args(["trace", "-"]);
    redirected.stdin(File::open(&path).expect("it was written"));
    let output = redirected.output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown);
    let pipe = env.qecho("trace -").run_with(&late);
    pipe.exits(0)
        .complains("their TLS secrets are neither before them nor in a --keylog");
}

#[test]
fn a_key_log_that_an_editor_or_a_shell_has_saved_anew_loses_no_secret() {
    let recording = Recording::make();
    let env = &recording.env;
    let shown = recording.trace(&recording.bytes, "").stdout;
    let bare = recording.write(&recording.only(|kind| kind != SECRETS));
    let text = fs::read_to_string(&recording.keys).expect("it was written");
    let utf16 = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let utf16 = utf16.encode_utf16().flat_map(u16::to_le_bytes);
    for bytes in [format!("\u{feff}{text}").into_bytes(), utf16.collect()] {
        let keys = env.path("saved");
        fs::write(&keys, bytes).expect("the folder takes files");
        let done = env
            .qecho("trace")
            .arg(&bare)
            .arg("--keylog")
            .arg(keys)
            .run();
        done.exits(0);
        assert_eq!((&*done.stderr, &done.stdout), ("", &shown));
    }
}

#[test]
fn a_sequence_shows_who_sent_what_to_whom() {
    let recording = Recording::make();
    let done = recording.trace(&recording.bytes, "--sequence");
    done.exits(0)
        .prints("ClientHello")
        .prints("─▶│")
        .prints("│◀─");
    for line in done.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn qlog_files_are_never_overwritten() {
    let recording = Recording::make();
    let folder = recording.env.path("qlog");
    let write = || {
        let path = recording.write(&recording.bytes);
        let trace = recording.env.qecho("trace").arg(path);
        trace.arg("--qlog").arg(&folder).ok();
    };
    let contents = || {
        let files = fs::read_dir(&folder).expect("it is there");
        let paths = files.map(|file| file.expect("it can be read").path());
        let mut paths: Vec<_> = paths.collect();
        paths.sort();
        let read = |path: &PathBuf| fs::read(path).expect("it is ours");
        paths.iter().map(read).collect::<Vec<_>>()
    };
    write();
    let first = contents();
    assert_eq!(first.len(), 1);
    write();
    let both = contents();
    assert_eq!(both.len(), 2);
    assert!(both.contains(&first[0]));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let recording = Recording::make();
    let path = recording.write(&recording.bytes);
    for arguments in ["", "--detail frames", "--sequence"] {
        let launch = recording.env.qecho("trace").arg(&path).args(arguments);
        let (running, stdout) = launch.start_unread();
        drop(stdout);
        let done = running.done();
        done.exits(0);
        assert_eq!(done.stderr, "");
    }
}
