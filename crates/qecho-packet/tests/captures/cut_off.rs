//! Files that end before they should.

use qecho_packet::capture::ReadError;

use crate::files::{Order, Pcapng, RAW, TLS_KEY_LOG, pcap, read, v4_packet};

/// Cuts a file at every byte. At the borders of blocks it ends well, elsewhere
/// in an error that names the border before; of the items there are those that
/// were complete.
fn check(file: &[u8], borders: &[usize], first: usize) {
    let (all, _) = read(file);
    for length in 4..=file.len() {
        let (items, error) = read(&file[..length]);
        let complete = borders.iter().filter(|border| **border <= length).count();
        let expected = all.len().min(complete.saturating_sub(first));
        assert_eq!(items, all[..expected], "{length}");
        match error {
            None => assert!(borders.contains(&length), "{length}"),
            Some(ReadError::CutOff { offset, .. }) => {
                assert!(!borders.contains(&length), "{length}");
                let border = borders.iter().rev().find(|border| **border < length);
                let start = border.copied().unwrap_or(0);
                assert_eq!(offset, start as u64, "{length}");
            }
            Some(other) => panic!("{length}: {other}"),
        }
    }
}

#[test]
fn a_pcapng_file_gives_what_is_complete_and_says_where_it_ends() {
    for order in Order::BOTH {
        let mut borders = Vec::new();
        let mut file = Pcapng::new(order);
        borders.push(file.bytes.len());
        file = file.interface(RAW, 0, &[(9, &[9])]);
        borders.push(file.bytes.len());
        for payload in [&b"a"[..], b"bcdef", b""] {
            file = file.packet(0, 1, &v4_packet(payload), &[(2, &[0; 4])]);
            borders.push(file.bytes.len());
            file = file.secrets(TLS_KEY_LOG, "LABEL 01 02\n");
            borders.push(file.bytes.len());
        }
        check(&file.bytes, &borders, 2);
    }
}

#[test]
fn a_classic_file_gives_what_is_complete_and_says_where_it_ends() {
    for order in Order::BOTH {
        let packets = [&v4_packet(b"a")[..], &v4_packet(b"bcdef"), &v4_packet(b"")];
        let file = pcap(order, 0xa1b2_c3d4, RAW.into(), &packets);
        let mut borders = vec![24];
        for packet in packets {
            let last = borders[borders.len() - 1];
            borders.push(last + 16 + packet.len());
        }
        check(&file, &borders, 1);
    }
}
