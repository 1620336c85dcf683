//! Protection of packets before TLS has keys: Initial secrets (RFC 9001 §5.2). Version 1 alone.

use qecho_packet::wire;
use quinn_proto::{ConnectionId, Side, crypto};
use rustls::{crypto::aws_lc_rs::cipher_suite, quic};

/// Derives the Initial keys from the client's first destination connection ID.
pub(super) fn keys(destination_cid: &ConnectionId, side: Side) -> crypto::Keys {
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .and_then(|suite| suite.quic_suite())
        .expect("TLS_AES_128_GCM_SHA256 is a TLS 1.3 suite with QUIC support");
    let side = match side {
        Side::Client => rustls::Side::Client,
        Side::Server => rustls::Side::Server,
    };
    boxed(suite.keys(destination_cid, side, quic::Version::V1))
}

/// Hands rustls keys to the QUIC state machine.
pub(super) fn boxed(keys: quic::Keys) -> crypto::Keys {
    crypto::Keys {
        header: crypto::KeyPair {
            local: Box::new(keys.local.header),
            remote: Box::new(keys.remote.header),
        },
        packet: crypto::KeyPair {
            local: Box::new(keys.local.packet),
            remote: Box::new(keys.remote.packet),
        },
    }
}

/// Returns a connection ID as `qecho_packet` has it.
pub(super) fn on_the_wire(id: &ConnectionId) -> wire::ConnectionId {
    wire::ConnectionId::new(id).expect("both have 20 bytes at most")
}
