//! `qecho trace` of captures that lack a part: the beginning of a connection, the end of packets.

use crate::trace_file::{PACKET, Recording, SECRETS, blocks};

/// Returns a capture without its first packets; the secrets stand at the end.
fn begun_late(recording: &Recording, left_out: usize) -> Vec<u8> {
    let mut packets = 0;
    let mut rest = Vec::new();
    for (kind, range) in blocks(&recording.bytes) {
        packets += usize::from(kind == PACKET);
        if kind != SECRETS && (kind != PACKET || packets > left_out) {
            rest.extend(&recording.bytes[range]);
        }
    }
    rest
}

/// Returns a capture of which each packet has `length` bytes at most, as `tcpdump -s` makes it.
fn snapped(capture: &[u8], length: usize) -> Vec<u8> {
    let mut changed = Vec::new();
    for (kind, range) in blocks(capture) {
        let block = &capture[range];
        let mut body = block[8..block.len() - 4].to_vec();
        if kind == PACKET {
            let captured = u32::from_le_bytes(body[12..16].try_into().expect("four bytes"));
            let captured = (captured as usize).min(length);
            body[12..16].copy_from_slice(&(captured as u32).to_le_bytes());
            body.truncate(20 + captured);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let length = (body.len() as u32 + 12).to_le_bytes();
        changed.extend([&kind.to_le_bytes()[..], &length, &body, &length].concat());
    }
    changed
}

#[test]
fn a_capture_that_begins_late_says_so_and_what_can_be_opened_is() {
    let recording = Recording::make();
    let env = &recording.env;
    let packets = blocks(&recording.bytes).into_iter();
    let packets = packets.filter(|(kind, _)| *kind == PACKET).count();
    let arrows = |shown: &str| -> Vec<char> {
        let lines = shown.lines().filter(|line| line.contains("1-RTT"));
        lines
            .filter_map(|line| line.chars().find(|c| "→←".contains(*c)))
            .collect()
    };
    let whole = recording.trace(&recording.bytes, "");
    for left_out in 1..packets - 2 {
        let late = begun_late(&recording, left_out);
        let path = recording.write(&late);
        let with = env
            .qecho("trace")
            .arg(&path)
            .arg("--keylog")
            .arg(&recording.keys);
        let done = with.run();
        done.exits(0)
            .prints("connection 1, which began before the capture")
            .prints("CONNECTION_CLOSE");
        assert!(whole.stdout.contains("→ 1-RTT"), "{whole:#?}");
        let (shown, all) = (arrows(&done.stdout), arrows(&whole.stdout));
        assert_eq!(
            shown,
            all[all.len() - shown.len()..],
            "{left_out}: {done:#?}"
        );
        // The server's first packets have long headers; of others nobody could be sure.
        if left_out == 1 {
            let without = env.qecho("trace").arg(&path).run();
            without
                .exits(0)
                .prints("its connection began before the capture")
                .complains("stay closed: the capture begins after their connections");
        }
    }
}

#[test]
fn a_capture_that_was_cut_by_a_snap_length_says_so_and_what_can_be_opened_is() {
    let recording = Recording::make();
    // IPv4 and UDP have 28 bytes; a long header with connection IDs of eight 23.
    for length in [28 + 23, 28 + 40, 28 + 100] {
        let done = recording.trace(&snapped(&recording.bytes, length), "");
        done.exits(0)
            .prints("connection 1, original destination connection ID ")
            .prints("Initial")
            .prints("the capture has only a part of it");
        assert_eq!(done.stdout.matches("connection 1").count(), 1);
        for wrong in [
            "connection 2",
            "no such connection",
            "its secrets are not known",
        ] {
            assert!(!done.stdout.contains(wrong), "{length}: {done:#?}");
        }
        assert!(
            !done.stderr.contains("neither inside"),
            "{length}: {done:#?}"
        );
        if length == 28 + 100 {
            done.prints("CONNECTION_CLOSE");
        }
    }
}
