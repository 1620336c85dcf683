//! The handshake: CRYPTO frames and Retry (RFC 9000 §7.5, §17.2.5, §19.6).

use qecho_packet::{
    close::{CRYPTO_BUFFER_EXCEEDED, FRAME_ENCODING_ERROR},
    wire::{ConnectionId, Frame, INTEGER_MAX},
};
use qecho_peer::{
    endpoint::retry,
    packet::{Packet, one_rtt},
};

use crate::conform::{
    Expected,
    requirement::{
        Requirement,
        Side::{Client, Server},
        must, rfc,
    },
};

const BUFFER: Expected = Expected::close(&[CRYPTO_BUFFER_EXCEEDED]);
const BUFFER_OR_ENCODING: Expected =
    Expected::close(&[CRYPTO_BUFFER_EXCEEDED, FRAME_ENCODING_ERROR]);
/// Bytes that CRYPTO data is ahead of all that a server keeps.
const FAR_AHEAD: u64 = 1 << 20;

pub(super) static ROWS: &[Requirement] = &[
    must("F32", Server, rfc(9000, "19.6"))
        .text("CRYPTO data ends at 2^62-1 bytes: what is beyond closes the connection.")
        .stimulus("CRYPTO data beyond 2^62-1")
        .expected("CRYPTO_BUFFER_EXCEEDED, or FRAME_ENCODING_ERROR")
        .script(|run| run.open()?.expect(crypto(INTEGER_MAX), BUFFER_OR_ENCODING)),
    must("F33", Server, rfc(9000, "7.5"))
        .text("CRYPTO data that there is no room for is acknowledged or closes the connection.")
        .stimulus("CRYPTO data 1 MB ahead of what was received, after the handshake")
        .expected("CRYPTO_BUFFER_EXCEEDED, or the packet is acknowledged")
        .script(|run| {
            run.open()?
                .expect(crypto(FAR_AHEAD), BUFFER.or_acknowledges())
        }),
    must("C25", Client, rfc(9000, "7.5"))
        .text("CRYPTO data that there is no room for is acknowledged or closes the connection.")
        .stimulus("CRYPTO data far ahead of what was received, after the handshake")
        .expected("CRYPTO_BUFFER_EXCEEDED, or the packet is acknowledged")
        .script(|run| {
            run.open()?
                .expect(crypto(FAR_AHEAD), BUFFER.or_acknowledges())
        }),
    must("C33", Client, rfc(9000, "17.2.5.2"))
        .also(&[rfc(9001, "5.8")])
        .text("A Retry packet whose integrity tag is wrong is discarded.")
        .stimulus("Retry with a wrong integrity tag")
        .expected("the handshake goes on as if it had not come")
        .script(|run| {
            run.goes_on_after(|first| {
                let mut packet = retry(first, retry_source(), b"token");
                if let Some(last) = packet.last_mut() {
                    *last ^= 1;
                }
                packet
            })
        }),
    must("C34", Client, rfc(9000, "17.2.5.2"))
        .text("A Retry packet without a token is discarded.")
        .stimulus("Retry with an empty token and a good integrity tag")
        .expected("the handshake goes on as if it had not come")
        .script(|run| run.goes_on_after(|first| retry(first, retry_source(), b""))),
];

/// The source connection ID of a Retry packet.
fn retry_source() -> ConnectionId {
    ConnectionId::new(&[0xa5; 8]).unwrap_or_default()
}

/// A byte of CRYPTO data after the handshake.
fn crypto(offset: u64) -> Packet {
    let data = b"\x04";
    one_rtt([Frame::Crypto { offset, data }])
}
