//! A server that an unknown client begins to talk to.

use std::time::{Duration, Instant};

use qecho_echo::{
    ALPN_ECHO,
    server::{Echo, End},
};
use qecho_engine::{
    Output, Received, Secrets, Shard,
    config::{ShardConfig, Transport},
};
use qecho_netsim::simulation::{FAR, NEAR};
use qecho_packet::dissect::{CapturedDatagram, Dissector};
use qecho_testkit::{
    identity::Identity,
    initial::{client_hello, initial},
};

/// Bytes of the handshake in one packet.
const PIECE: usize = 1_000;

/// Turns in which a server comes to rest after a datagram.
const TURNS_MAX: usize = 64;

const CONNECTION_ID: [u8; 8] = [7; 8];

/// Sends Initial packets: those with the frames after a first byte that is even, or those whose
/// CRYPTO frames have the bytes after it.
pub fn begin(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    let payloads: Vec<Vec<u8>> = match kind % 2 {
        0 => vec![rest.to_vec()],
        _ => rest.chunks(PIECE).enumerate().map(crypto).collect(),
    };
    let mut server = server();
    let mut dissector = Dissector::default();
    let mut now = start();
    let (mut received, mut sent) = (0, 0);
    // What fits in no datagram is sent by nobody.
    let payloads = payloads.iter().filter(|payload| payload.len() < 60_000);
    for (number, payload) in payloads.enumerate() {
        let datagram = initial(CONNECTION_ID, number as u8, payload, 1_200);
        let mut seen = CapturedDatagram::new(NEAR, FAR, &datagram);
        dissector.datagram(&seen, &mut |_| ());
        received += datagram.len();
        now += Duration::from_millis(1);
        server.handle_datagram(now, Received::from_remote(NEAR, &datagram));
        for answer in turns(&mut server, &mut now) {
            sent += answer.len();
            seen = CapturedDatagram::new(FAR, NEAR, &answer);
            dissector.datagram(&seen, &mut |_| ());
        }
        // RFC 9000 §8.1.
        assert!(sent <= 3 * received, "{sent} bytes for {received}");
    }
}

/// Returns what a shard sends until it has nothing to do at once.
fn turns(server: &mut Shard<Echo>, now: &mut Instant) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    for _ in 0..TURNS_MAX {
        server.handle_timeouts(*now);
        let deadline = loop {
            match server.poll_output(*now) {
                Output::Datagram(datagram) => {
                    let size = datagram.segment_size.unwrap_or(datagram.contents.len());
                    let segments = datagram.contents.chunks(size.max(1));
                    sent.extend(segments.map(<[u8]>::to_vec));
                    let length = datagram.contents.len();
                    server.note_sent(*now, datagram, Ok(length));
                }
                Output::Observation(..) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        if deadline.is_none_or(|deadline| deadline > *now) {
            return sent;
        }
    }
    panic!("it does not come to rest");
}

/// Makes the `index`-th CRYPTO frame (RFC 9000 §19.6).
fn crypto((index, piece): (usize, &[u8])) -> Vec<u8> {
    let offset = (index * PIECE) as u32 | 0x8000_0000;
    let length = piece.len() as u16 | 0x4000;
    [
        &[6][..],
        &offset.to_be_bytes(),
        &length.to_be_bytes(),
        piece,
    ]
    .concat()
}

fn server() -> Shard<Echo> {
    let tls = identity().server(&[ALPN_ECHO]);
    let config = ShardConfig::server(Transport::default(), tls)
        .with_seed([2; 32])
        .with_secrets(Secrets::from_master(&[3; 32]));
    Shard::new(&config, &[FAR], Echo::new(End::WithPeer, None)).expect("these settings work")
}

/// Returns the certificate of all inputs: to make one for each would take longer than the rest.
pub(crate) fn identity() -> &'static Identity {
    static IDENTITY: std::sync::LazyLock<Identity> = std::sync::LazyLock::new(Identity::generate);
    &IDENTITY
}

/// Returns the instant at which virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time begins somewhere; from here on it is an argument"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) fn openings() -> Vec<Vec<u8>> {
    let hello = client_hello(&[ALPN_ECHO]);
    vec![
        [&[1], &hello[..]].concat(),
        [&[0], &crypto((0, &hello))[..]].concat(),
        b"\0\x01\0\0\x1c\0\0\0".to_vec(),
    ]
}
