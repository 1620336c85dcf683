//! TLS messages, and handshakes with either end of the scripted TLS.

use std::{cell::RefCell, sync::OnceLock};

use qecho_peer::tls::{
    ClientConfig, ClientTls, Level, Message, Output, ServerConfig, ServerTls, TlsRule,
};

const LEVELS: [Level; 4] = [
    Level::Initial,
    Level::EarlyData,
    Level::Handshake,
    Level::OneRtt,
];

/// Bytes of a piece's head: level, and length of what follows.
const HEAD_LENGTH: usize = 3;

/// Reads CRYPTO data: the first byte says by which end, and whether it is strict; each piece has
/// its level and two bytes of length before it.
pub fn read_tls(input: &[u8]) {
    let Some((&end, pieces)) = input.split_first() else {
        return;
    };
    let ignored: Vec<TlsRule> = if end & 2 == 0 {
        TlsRule::all().collect()
    } else {
        Vec::new()
    };
    if end & 1 == 0 {
        let config = ClientConfig::new([]).with(|it| it.ignore = ignored);
        let mut client = ClientTls::new(config, &mut |bytes| bytes.fill(1));
        for_each_piece(pieces, |level, bytes| client.read(level, bytes).is_ok());
        while client.output().is_some() {}
    } else {
        let config = server_config().with(|it| it.ignore = ignored);
        let mut server = ServerTls::new(config, &mut |bytes| bytes.fill(2));
        for_each_piece(pieces, |level, bytes| server.read(level, bytes).is_ok());
        while server.output().is_some() {}
    }
}

fn for_each_piece(mut pieces: &[u8], mut read: impl FnMut(Level, &[u8]) -> bool) {
    while let Some((&[level, high, low], rest)) = pieces.split_first_chunk::<HEAD_LENGTH>() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        // What is read is read the same from what it writes.
        if let Ok(message) = Message::read(bytes) {
            assert_eq!(Message::read(&message.encode()), Ok(message));
        }
        if !read(LEVELS[usize::from(level) % LEVELS.len()], bytes) {
            return;
        }
        pieces = rest;
    }
}

/// What each end reads of a good handshake, by either kind of reader.
pub fn handshakes() -> Vec<Vec<u8>> {
    let mut client = ClientTls::new(ClientConfig::new([]), &mut |bytes| bytes.fill(1));
    let mut server = ServerTls::new(server_config(), &mut |bytes| bytes.fill(2));
    let read = RefCell::new([Vec::new(), Vec::new()]);
    let keep = |end: usize, level: Level, bytes: &[u8]| {
        let level = LEVELS
            .iter()
            .position(|other| *other == level)
            .expect("one of them");
        let input = &mut read.borrow_mut()[end];
        input.push(level as u8);
        input.extend((bytes.len() as u16).to_be_bytes());
        input.extend(bytes);
    };
    for _ in 0..2 {
        while let Some(output) = client.output() {
            if let Output::Message { level, bytes } = output {
                keep(1, level, &bytes);
                server.read(level, &bytes).expect("the client behaves well");
            }
        }
        while let Some(output) = server.output() {
            if let Output::Message { level, bytes } = output {
                keep(0, level, &bytes);
                client.read(level, &bytes).expect("the server behaves well");
            }
        }
    }
    let [by_client, by_server] = read.into_inner();
    [
        (0, &by_client),
        (1, &by_server),
        (2, &by_client),
        (3, &by_server),
    ]
    .map(|(end, pieces)| [&[end][..], pieces].concat())
    .to_vec()
}

fn server_config() -> ServerConfig {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
        key.expect("randomness").serialize_der()
    });
    let chain = vec![vec![0x30; 200].into()];
    ServerConfig::new(chain, key, []).expect("the key is one of P-256")
}
