//! Packets with frames of the attacker's making: a DATAGRAM frame that begins
//! with a mark is replaced, just before encryption, by what follows the mark.

use std::{any::Any, sync::Arc};

use bytes::BytesMut;
use quinn_proto::{
    ConnectError, ConnectionId, Side, TransportError,
    crypto::{
        ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey,
        Session, rustls::QuicClientConfig,
    },
    transport_parameters::TransportParameters,
};

const MARK: &[u8] = b"\xa5forged\x5a";

/// Returns the DATAGRAM payload that becomes `frames` in a packet.
pub(crate) fn forged(frames: &[u8]) -> Vec<u8> {
    // At least 64 bytes, so that the frame's length has two of them.
    let padding = 64_usize.saturating_sub(MARK.len() + frames.len());
    [MARK, frames, &vec![0; padding]].concat()
}

/// Returns the length of the DATAGRAM frame whose data begins with a mark, and how many bytes
/// its type and length have (RFC 9221 §4).
fn datagram_length(payload: &[u8], mark: usize) -> (usize, usize) {
    // A length of two bytes begins with the bits 01, one of four with 10.
    match payload[mark - 2] >> 6 {
        1 => {
            let length = u16::from_be_bytes([payload[mark - 2], payload[mark - 1]]) & 0x3fff;
            (length.into(), 3)
        }
        _ => {
            let length = payload[mark - 4..mark].try_into().expect("four bytes");
            ((u32::from_be_bytes(length) & 0x3fff_ffff) as usize, 5)
        }
    }
}

/// Replaces a marked DATAGRAM frame by the frames in it, and what remains of
/// its room by PADDING frames.
fn forge(payload: &mut [u8]) {
    let Some(mark) = payload.windows(MARK.len()).position(|bytes| bytes == MARK) else {
        return;
    };
    let (length, header) = datagram_length(payload, mark);
    let (begin, end) = (mark - header, mark + length);
    payload.copy_within(mark + MARK.len()..end, begin);
    payload[end - header - MARK.len()..end].fill(0);
}

/// TLS as an attacker.
pub(crate) struct ForgingTls(pub(crate) Arc<QuicClientConfig>);

impl ClientConfig for ForgingTls {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let session = self
            .0
            .clone()
            .start_session(version, server_name, parameters)?;
        Ok(Box::new(ForgingSession(session)))
    }
}

struct ForgingSession(Box<dyn Session>);

struct ForgingKey(Box<dyn PacketKey>);

fn forging(keys: KeyPair<Box<dyn PacketKey>>) -> KeyPair<Box<dyn PacketKey>> {
    KeyPair {
        local: Box::new(ForgingKey(keys.local)),
        remote: keys.remote,
    }
}

impl PacketKey for ForgingKey {
    fn encrypt(&self, packet: u64, buffer: &mut [u8], header_length: usize) {
        let end = buffer.len() - self.tag_len();
        forge(&mut buffer[header_length..end]);
        self.0.encrypt(packet, buffer, header_length);
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        self.0.decrypt(packet, header, payload)
    }

    fn tag_len(&self) -> usize {
        self.0.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.0.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.0.integrity_limit()
    }
}

impl Session for ForgingSession {
    fn initial_keys(&self, destination_cid: &ConnectionId, side: Side) -> Keys {
        self.0.initial_keys(destination_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.0.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.0.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        let (header, packet) = self.0.early_crypto()?;
        Some((header, Box::new(ForgingKey(packet))))
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.0.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        self.0.read_handshake(bytes)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.0.transport_parameters()
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        let keys = self.0.write_handshake(buffer)?;
        Some(Keys {
            header: keys.header,
            packet: forging(keys.packet),
        })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        Some(forging(self.0.next_1rtt_keys()?))
    }

    fn is_valid_retry(&self, original: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.0.is_valid_retry(original, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.0.export_keying_material(output, label, context)
    }
}
