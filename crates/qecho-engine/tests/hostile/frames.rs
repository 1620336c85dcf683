//! Frames, and packets full of them, as an attacker writes them.

/// Builds frames by hand (RFC 9000 §19).
#[derive(Default)]
pub(crate) struct Frames(Vec<u8>);

/// Bytes that fit into one packet beside its headers.
pub(crate) const PACKET_ROOM: usize = 1_050;

impl Frames {
    pub(crate) fn varint(mut self, value: u64) -> Self {
        assert!(value < 1 << 30, "four bytes are enough here");
        match value {
            0..64 => self.0.push(value as u8),
            64..16_384 => self.0.extend((value as u16 | 0x4000).to_be_bytes()),
            _ => self.0.extend((value as u32 | 0x8000_0000).to_be_bytes()),
        }
        self
    }

    /// STREAM with offset and length.
    pub(crate) fn stream(self, id: u64, offset: u64, data: &[u8]) -> Self {
        let frames = self.varint(0x0e).varint(id).varint(offset);
        frames.varint(data.len() as u64).bytes(data)
    }

    /// DATAGRAM with length.
    pub(crate) fn datagram(self, data: &[u8]) -> Self {
        self.varint(0x31).varint(data.len() as u64).bytes(data)
    }

    pub(crate) fn crypto(self, offset: u64, data: &[u8]) -> Self {
        let frames = self.varint(0x06).varint(offset).varint(data.len() as u64);
        frames.bytes(data)
    }

    /// NEW_CONNECTION_ID with a connection ID and token made of its number.
    pub(crate) fn new_connection_id(self, number: u64, retire_prior_to: u64) -> Self {
        let id = number.to_be_bytes();
        let frames = self.varint(0x18).varint(number).varint(retire_prior_to);
        frames.varint(8).bytes(&id).bytes(&id).bytes(&id)
    }

    pub(crate) fn reset_stream(self, id: u64, code: u64, final_size: u64) -> Self {
        self.varint(0x04).varint(id).varint(code).varint(final_size)
    }

    pub(crate) fn max_stream_data(self, id: u64, most: u64) -> Self {
        self.varint(0x11).varint(id).varint(most)
    }

    /// STREAMS_BLOCKED for bidirectional streams.
    pub(crate) fn streams_blocked(self, limit: u64) -> Self {
        self.varint(0x16).varint(limit)
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() > PACKET_ROOM - 40
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_packet(self) -> Vec<u8> {
        self.0
    }

    /// Fills the packet with PADDING.
    pub(crate) fn padded(mut self) -> Vec<u8> {
        self.0.resize(PACKET_ROOM, 0);
        self.0
    }
}

/// Frames with a gap before each: of a stream, or of CRYPTO.
pub(crate) fn gap(stream: Option<u64>) -> impl Fn(Frames, u64) -> Frames {
    move |frames, number| match stream {
        Some(id) => frames.stream(id, 1 + 2 * number, b"x"),
        None => frames.crypto(1 + 2 * number, b"x"),
    }
}

/// Fills packets with frames, as many as fit into each.
pub(crate) fn packed<T>(
    items: impl IntoIterator<Item = T>,
    frame: impl Fn(Frames, T) -> Frames,
) -> Vec<Vec<u8>> {
    packed_to(PACKET_ROOM, items, frame)
}

/// As [`packed`], for packets with room for so many bytes.
pub(crate) fn packed_to<T>(
    room: usize,
    items: impl IntoIterator<Item = T>,
    frame: impl Fn(Frames, T) -> Frames,
) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut frames = Frames::default();
    for item in items {
        frames = frame(frames, item);
        if frames.len() > room - 40 {
            packets.push(std::mem::take(&mut frames).into_packet());
        }
    }
    if frames.len() > 0 {
        packets.push(frames.into_packet());
    }
    packets
}
