//! A client's first packets, made by hand: anybody can, for anybody's address.

use std::sync::Arc;

use qecho_testkit::identity::{Identity, SERVER_NAME};
use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    crypto::aws_lc_rs::{cipher_suite, default_provider},
    quic,
};

/// Returns an Initial datagram of `size` bytes, or more if `frames` are more; what is left
/// of it is PADDING (RFC 9000 §17.2.2, RFC 9001 §5.2).
pub(crate) fn initial(connection_id: [u8; 8], number: u8, frames: &[u8], size: usize) -> Vec<u8> {
    const TAG: usize = 16;
    // Version 1, both connection IDs, no token, the length in four bytes, the number in one.
    const HEADER: usize = 1 + 4 + 2 * 9 + 1 + 4 + 1;
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
    let suite = suite.and_then(|suite| suite.quic_suite()).expect("QUIC");
    let keys = suite.keys(&connection_id, rustls::Side::Client, quic::Version::V1);
    let mut payload = frames.to_vec();
    payload.resize(frames.len().max(size - HEADER - TAG), 0);
    let length = (1 + payload.len() + TAG) as u32 | 0x8000_0000;
    let id = [&[8][..], &connection_id].concat();
    let mut header = [
        &[0xc0, 0, 0, 0, 1][..],
        &id,
        &id,
        &[0],
        &length.to_be_bytes(),
    ]
    .concat();
    header.push(number);
    let key = &keys.local.packet;
    let tag = key.encrypt_in_place(number.into(), &header, &mut payload);
    payload.extend_from_slice(tag.expect("it fits").as_ref());
    let (first, rest) = header.split_at_mut(1);
    let number = rest.last_mut().expect("there is a number");
    let key = &keys.local.header;
    // The sample begins four bytes after the number does (RFC 9001 §5.4.2).
    key.encrypt_in_place(&payload[3..19], &mut first[0], std::slice::from_mut(number))
        .expect("the sample has its length");
    [header, payload].concat()
}

/// Returns TLS of a client that offers these protocols.
pub(crate) fn tls(verifier: Arc<dyn ServerCertVerifier>, alpn: &[&[u8]]) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

/// Returns a ClientHello that offers these protocols.
pub(crate) fn client_hello(alpn: &[&[u8]]) -> Vec<u8> {
    client_hello_with(alpn, &[])
}

/// As [`client_hello`], with these transport parameters beside the one that there must be.
pub(crate) fn client_hello_with(alpn: &[&[u8]], parameters: &[u8]) -> Vec<u8> {
    let config = Arc::new(tls(Identity::generate().verifier(), alpn));
    let name = SERVER_NAME.try_into().expect("a name");
    // initial_source_connection_id (RFC 9000 §18.2) must be what the packet says.
    let parameters = [&[0x0f, 8][..], &[7; 8], parameters].concat();
    let version = quic::Version::V1;
    let mut connection = quic::ClientConnection::new(config, version, name, parameters)
        .expect("these settings work");
    let mut hello = Vec::new();
    connection.write_hs(&mut hello);
    hello
}
