//! Captures built by hand, and what is read from them.

use std::io::Read;

use qecho_packet::capture::{CaptureReader, Captured, Item, ReadError};

pub(crate) const RAW: u16 = 101;
pub(crate) const TLS_KEY_LOG: u32 = 0x544c_534b;

/// The byte order of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) const BOTH: [Self; 2] = [Self::Little, Self::Big];

    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u32s(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }
}

/// A pcapng file, block by block.
pub(crate) struct Pcapng {
    order: Order,
    pub(crate) bytes: Vec<u8>,
}

impl Pcapng {
    /// Begins a file with a section.
    pub(crate) fn new(order: Order) -> Self {
        let bytes = Vec::new();
        Self { order, bytes }.section(order)
    }

    /// Begins a section, of a length that is not told.
    pub(crate) fn section(mut self, order: Order) -> Self {
        self.order = order;
        let mut body = order.u32(0x1a2b_3c4d).to_vec();
        body.extend([order.u16(1), order.u16(0)].concat());
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    pub(crate) fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let padded = body.len().next_multiple_of(4);
        let length = self.order.u32(padded as u32 + 12);
        self.bytes.extend(self.order.u32(kind));
        self.bytes.extend(length);
        self.bytes.extend(body);
        self.bytes.extend(vec![0; padded - body.len()]);
        self.bytes.extend(length);
        self
    }

    pub(crate) fn interface(self, link: u16, snap: u32, options: &[(u16, &[u8])]) -> Self {
        let order = self.order;
        let mut body = [order.u16(link), [0; 2]].concat();
        body.extend(order.u32(snap));
        body.extend(option_list(order, options));
        self.block(1, &body)
    }

    /// Adds an Enhanced Packet Block of a packet that is whole.
    pub(crate) fn packet(
        self,
        interface: u32,
        ticks: u64,
        packet: &[u8],
        options: &[(u16, &[u8])],
    ) -> Self {
        let order = self.order;
        let length = packet.len() as u32;
        let mut body = order.u32s(&[
            interface,
            (ticks >> 32) as u32,
            ticks as u32,
            length,
            length,
        ]);
        body.extend(packet);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(option_list(order, options));
        self.block(6, &body)
    }

    pub(crate) fn secrets(self, kind: u32, secrets: &str) -> Self {
        let mut body = self.order.u32s(&[kind, secrets.len() as u32]);
        body.extend(secrets.as_bytes());
        self.block(10, &body)
    }
}

fn option_list(order: Order, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (code, value) in options {
        out.extend([order.u16(*code), order.u16(value.len() as u16)].concat());
        out.extend(*value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out.extend([0; 4]);
    out
}

/// Returns a classic file of these packets, one each second.
pub(crate) fn pcap(order: Order, magic: u32, link: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut out = order.u32(magic).to_vec();
    out.extend([order.u16(2), order.u16(4)].concat());
    out.extend(order.u32s(&[0, 0, 65_535, link]));
    for (packet, second) in packets.iter().zip(1..) {
        let length = packet.len() as u32;
        out.extend(order.u32s(&[second, 7, length, length]));
        out.extend(*packet);
    }
    out
}

/// Returns an IPv4 packet from 192.0.2.1:4433 to 198.51.100.2:80.
pub(crate) fn v4_packet(payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u16;
    let mut out = vec![0x45, 0];
    out.extend((28 + length).to_be_bytes());
    out.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2]);
    out.extend([0x11, 0x51, 0, 80]);
    out.extend((8 + length).to_be_bytes());
    out.extend([0, 0]);
    out.extend(payload);
    out
}

/// Reads a file to its end, or as far as it goes.
pub(crate) fn read(file: impl Read) -> (Vec<Item>, Option<ReadError>) {
    let mut items = Vec::new();
    let mut reader = match CaptureReader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (items, Some(error)),
    };
    let error = loop {
        match reader.next() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let after = reader.next().expect("an error is told once");
    assert_eq!(after, None, "the end is the end");
    (items, error)
}

/// Reads a file that has nothing wrong.
pub(crate) fn items(file: &[u8]) -> Vec<Item> {
    let (items, error) = read(file);
    assert!(error.is_none(), "{error:?}");
    items
}

/// Reads a file of datagrams alone.
pub(crate) fn datagrams(file: &[u8]) -> Vec<Captured> {
    let datagram = |item| match item {
        Item::Datagram(captured) => captured,
        other => panic!("{other:?}"),
    };
    items(file).into_iter().map(datagram).collect()
}

/// Returns the words that a file is refused with.
pub(crate) fn refusal(file: &[u8]) -> String {
    let (_, error) = read(file);
    error.expect("something is wrong").to_string()
}
