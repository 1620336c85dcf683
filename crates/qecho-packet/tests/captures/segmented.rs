//! A capture of batches that their senders' kernel had not cut apart yet.
//!
//! `segmented.pcapng` was made by tshark on a loopback device, of a client and
//! server that echo 7,000 bytes; the TLS secrets were added, and what names the
//! machine taken out.

use qecho_packet::{Direction, Observation, dissect::Dissector};

use crate::files::items;

const CAPTURE: &[u8] = include_bytes!("segmented.pcapng");

#[test]
fn the_datagrams_of_a_batch_are_told_one_by_one() {
    let mut dissector = Dissector::default();
    let mut told = Vec::new();
    let mut longest = 0;
    for item in items(CAPTURE) {
        let captured = match item {
            qecho_packet::capture::Item::Datagram(captured) => captured,
            qecho_packet::capture::Item::Secrets(secrets) => {
                dissector.add_secrets(&secrets);
                continue;
            }
            skipped => panic!("{skipped:?}"),
        };
        longest = longest.max(captured.payload.len());
        dissector.datagram(&captured.datagram(), &mut |observation| {
            if let Observation::Datagram(datagram) = observation {
                told.push(datagram);
            }
        });
    }
    assert_eq!(longest, 7_478);
    let sizes = |direction: Direction| -> Vec<usize> {
        let datagrams = told
            .iter()
            .filter(|datagram| datagram.direction == direction);
        datagrams.map(|datagram| datagram.size).collect()
    };
    let batch = [1_200; 6];
    let went = [&[1_200], &batch[..], &[278, 1_326, 62, 1_389, 38]].concat();
    assert_eq!(sizes(Direction::Sent), went);
    let came = [&[1_200], &batch[..], &[189, 1_326, 38]].concat();
    assert_eq!(sizes(Direction::Received), came);
    for datagram in &told {
        let size: usize = datagram.packets.iter().map(|packet| packet.size).sum();
        assert_eq!(size, datagram.size);
        for packet in &datagram.packets {
            assert!(packet.decrypted.is_some(), "{packet:?}");
        }
    }
}
