//! `qecho trace`: the packets in a file, whatever it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{process::Done, stage::Stage};

/// The types of pcapng's blocks (draft-ietf-opsawg-pcapng §4).
const PACKET: u32 = 6;
const SECRETS: u32 = 10;

/// A client's capture of one message, and its key log.
struct Recording {
    stage: Stage,
    bytes: Vec<u8>,
    keys: PathBuf,
}

impl Recording {
    fn make() -> Self {
        let stage = Stage::new();
        let (capture, keys) = (stage.path("capture"), stage.path("keys"));
        let server = stage.server("");
        let client = stage.client(&server, "-m hello --pcap");
        let client = client.arg(&capture).arg("--keylog").arg(&keys);
        client.run().exits(0);
        server.ends_well();
        let bytes = fs::read(capture).expect("it was written");
        Self { stage, bytes, keys }
    }

    /// Shows a file of these bytes.
    fn trace(&self, bytes: &[u8], arguments: &str) -> Done {
        let path = self.write(bytes);
        self.stage.qecho("trace").arg(path).args(arguments).run()
    }

    fn write(&self, bytes: &[u8]) -> PathBuf {
        let path = self.stage.path("file");
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
fn blocks(bytes: &[u8]) -> Vec<(u32, std::ops::Range<usize>)> {
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

#[test]
fn a_capture_is_shown_from_a_file_and_from_a_pipe_alike() {
    let recording = Recording::make();
    let file = recording.trace(&recording.bytes, "");
    file.exits(0)
        .prints("STREAM 0 [0..5)")
        .prints("CONNECTION_CLOSE");
    assert_eq!(file.stderr, "");
    let pipe = recording.stage.qecho("trace -").run_with(&recording.bytes);
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
    let stage = &recording.stage;
    let folder = stage.home();
    for (path, reason) in [
        (Path::new("nothing"), "cannot read nothing: No such file"),
        (&folder, "it is a folder"),
        (Path::new("/dev/null"), "it is empty"),
    ] {
        stage.qecho("trace").arg(path).run().fails(2, reason, None);
    }
    for (bytes, hint) in [
        (&b"plain text"[..], "Wireshark"),
        (b"x", "Wireshark"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gzip -dc "),
        (b"\x28\xb5\x2f\xfd\0\0\0\0", "zstd -dc "),
    ] {
        let done = recording.trace(bytes, "");
        done.fails(2, "it is neither pcapng nor pcap", Some(hint));
        let done = stage.qecho("trace -").run_with(bytes);
        done.fails(2, "cannot read stdin: ", Some(hint.trim()));
    }
    let other = recording.only(|kind| kind != PACKET);
    let done = recording.trace(&other, "");
    done.fails(1, "there is no QUIC of version 1 in ", None);
}

#[test]
fn without_secrets_it_is_said_how_much_stays_closed_and_a_key_log_opens_it() {
    let recording = Recording::make();
    let stage = &recording.stage;
    let bare = recording.only(|kind| kind != SECRETS);
    let closed = " packets stay closed: their TLS secrets are neither inside nor in a --keylog";
    let done = recording.trace(&bare, "");
    done.exits(0).prints("ClientHello").complains(closed);
    assert!(!done.stdout.contains("STREAM"), "{done:#?}");
    let not_opened = done.stdout.matches("its secrets are not known").count();
    done.complains(&format!("{not_opened}{closed}"));
    let with = |keys: &Path| {
        let path = recording.write(&bare);
        stage.qecho("trace").arg(path).arg("--keylog").arg(keys)
    };
    let opened = with(&recording.keys).run();
    opened.exits(0);
    assert_eq!(opened.stderr, "");
    assert_eq!(opened.stdout, recording.trace(&recording.bytes, "").stdout);
    let text = stage.file("text", "# no secrets\n");
    with(&text)
        .run()
        .exits(0)
        .complains("warning: no TLS secrets in ")
        .complains(closed);
    let broken = stage.file("broken", "CLIENT_TRAFFIC_SECRET_0 00 11\n");
    with(&broken)
        .run()
        .exits(0)
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
    let folder = recording.stage.path("qlog");
    let write = || {
        let path = recording.write(&recording.bytes);
        let trace = recording.stage.qecho("trace").arg(path);
        trace.arg("--qlog").arg(&folder).run().exits(0);
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
        let launch = recording.stage.qecho("trace").arg(&path).args(arguments);
        let (running, stdout) = launch.start_unread();
        drop(stdout);
        let done = running.done();
        done.exits(0);
        assert_eq!(done.stderr, "");
    }
}
