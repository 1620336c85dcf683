//! A client's first packets, made by hand: anybody can, for anybody's address.

use std::sync::Arc;

use crate::identity::{Identity, SERVER_NAME};
use rustls::{
    ClientConfig,
    client::danger::ServerCertVerifier,
    crypto::aws_lc_rs::{cipher_suite, default_provider},
    quic,
};

/// An Initial packet of either side (RFC 9000 §17.2.2).
pub struct Initial<'a> {
    /// Who sends it.
    pub side: rustls::Side,
    /// The client's first destination connection ID, which gives the keys (RFC 9001 §5.2).
    pub original: &'a [u8],
    /// Whom it is addressed to.
    pub destination: &'a [u8],
    /// Bits of the first byte beside its form and type.
    pub bits: u8,
    /// The token, which a client alone may send.
    pub token: &'a [u8],
    /// The packet number.
    pub number: u8,
}

/// Returns an Initial datagram of `size` bytes, or more if `frames` are more; what is left
/// of it is PADDING.
pub fn initial(connection_id: [u8; 8], number: u8, frames: &[u8], size: usize) -> Vec<u8> {
    let initial = Initial {
        side: rustls::Side::Client,
        original: &connection_id,
        destination: &connection_id,
        bits: 0,
        token: &[],
        number,
    };
    initial.sealed(frames, size)
}

impl Initial<'_> {
    /// Returns a datagram of the packet with these frames, which has `size` bytes or more.
    pub fn sealed(&self, frames: &[u8], size: usize) -> Vec<u8> {
        let source = &self.original[..8];
        let mut header = vec![0xc0 | self.bits, 0, 0, 0, 1];
        for counted in [self.destination, source, self.token] {
            header.push(counted.len() as u8);
            header.extend(counted);
        }
        seal(self, header, frames, size)
    }
}

fn seal(initial: &Initial<'_>, mut header: Vec<u8>, frames: &[u8], size: usize) -> Vec<u8> {
    const TAG: usize = 16;
    let suite = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
    let suite = suite.and_then(|suite| suite.quic_suite()).expect("QUIC");
    let keys = suite.keys(initial.original, initial.side, quic::Version::V1);
    let number = initial.number;
    let mut payload = frames.to_vec();
    // The length takes four bytes and the number one.
    payload.resize(frames.len().max(size - header.len() - 5 - TAG), 0);
    let length = (1 + payload.len() + TAG) as u32 | 0x8000_0000;
    header.extend(length.to_be_bytes());
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
pub fn tls(verifier: Arc<dyn ServerCertVerifier>, alpn: &[&[u8]]) -> ClientConfig {
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
pub fn client_hello(alpn: &[&[u8]]) -> Vec<u8> {
    client_hello_with(alpn, &[])
}

/// As [`client_hello`], with these transport parameters beside the one that there must be.
pub fn client_hello_with(alpn: &[&[u8]], parameters: &[u8]) -> Vec<u8> {
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
