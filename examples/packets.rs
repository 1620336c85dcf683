//! Shows the data of streams and DATAGRAM frames in a capture.
//!
//! `qecho demo --pcap demo.pcapng`, and then
//! `cargo run --example packets -- demo.pcapng`.

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::fs::File;

use anyhow::Context;
use qecho_packet::{
    Observation,
    capture::{CaptureReader, Item},
    dissect::Dissector,
    wire::{Frame, frames},
};

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("name a capture")?;
    let mut reader = CaptureReader::new(File::open(path)?)?;
    let mut dissector = Dissector::default();
    while let Some(item) = reader.next()? {
        match item {
            // Secrets open the packets that come after them.
            Item::Secrets(lines) => dissector.add_secrets(&lines),
            Item::Datagram(captured) => dissector.datagram(&captured.datagram(), &mut show),
            _ => {}
        }
    }
    Ok(())
}

fn show(observation: Observation) {
    let Observation::Datagram(datagram) = observation else {
        return;
    };
    let direction = datagram.direction;
    let opened = datagram
        .packets
        .into_iter()
        .filter_map(|packet| packet.decrypted);
    for packet in opened {
        // Whoever sent the packet wrote these bytes: each frame may be malformed.
        for frame in frames(&packet.payload) {
            let (carrier, data) = match frame {
                Ok(Frame::Stream { id, data, .. }) => (format!("stream {id}"), data),
                Ok(Frame::Datagram { data }) => ("datagram".to_owned(), data),
                _ => continue,
            };
            let text = String::from_utf8_lossy(data);
            println!("{direction:?}, {carrier}: {text:?}");
        }
    }
}
