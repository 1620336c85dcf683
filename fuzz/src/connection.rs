//! A connection, both ends of which are ours, and somebody who knows its keys: there is no
//! encryption here, so packets can be forged for either end.

use std::time::{Duration, Instant};

use qecho_echo::{
    ALPN_ECHO,
    server::{Echo, End},
};
use qecho_engine::{
    Application, ClientTls, Dir, Output, Received, Secrets, Shard,
    config::{ShardConfig, Transport},
};
use qecho_netsim::simulation::{FAR, NEAR};
use qecho_testkit::{
    load::{Command, Load},
    null_cipher,
    stream::Plan,
};

use crate::handshake::{identity, start};

/// Time that a datagram is under way.
const DELAY: Duration = Duration::from_millis(1);

/// Turns in which both ends come to rest.
const TURNS_MAX: usize = 2_000;

/// Number of the first forged packet: beyond those that the ends have sent.
const FIRST_NUMBER: u32 = 10_000;

/// Length of connection IDs that the ends choose, and of an authentication tag.
const ID_LENGTH: usize = 8;
const TAG_LENGTH: usize = 16;

/// Forges 1-RTT packets: again and again a byte that says for whom, two with the length, and
/// frames. Afterwards another client has its echo.
pub fn forge(input: &[u8]) {
    let mut pair = Pair::connected();
    let mut rest = input;
    let mut number = FIRST_NUMBER;
    while let Some((&[to, high, low], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(after.len());
        let (frames, after) = after.split_at(length);
        rest = after;
        number += 1;
        pair.receive_forged(to % 2 == 0, number, frames);
        pair.rest();
    }
    pair.client.handle_command(pair.now, Command::Connect);
    pair.rest();
    let second = &pair.client.application().connections[1];
    assert!(second.is_done(), "another client has no echo: {second:?}");
}

/// Both ends, and the datagrams between them.
struct Pair {
    client: Shard<Load>,
    server: Shard<Echo>,
    now: Instant,
    to_client: Vec<Vec<u8>>,
    to_server: Vec<Vec<u8>>,
    /// Connection IDs of the first connection: by which the client and the server are addressed.
    client_id: Option<Vec<u8>>,
    server_id: Option<Vec<u8>>,
}

impl Pair {
    fn connected() -> Self {
        let provider = null_cipher::provider();
        let tls = ClientTls::new(identity().verifier()).with_alpn(&[ALPN_ECHO]);
        let connector = tls.with_provider(Some(provider.clone())).connector();
        let connector = connector.expect("these settings work").without_resumption();
        let plans = vec![Plan::bidirectional(100), Plan::new(Dir::Unidirectional, 10)];
        let load = Load::new(connector, plans, Vec::new());
        let config = ShardConfig::client(Transport::default())
            .with_seed([1; 32])
            .with_secrets(Secrets::from_master(&[4; 32]));
        let client = Shard::new(&config, &[NEAR], load).expect("these settings work");
        let tls = identity()
            .server(&[ALPN_ECHO])
            .with_provider(Some(provider));
        let config = ShardConfig::server(Transport::default(), tls)
            .with_seed([2; 32])
            .with_secrets(Secrets::from_master(&[3; 32]));
        let echo = Echo::new(End::WithPeer, None);
        let server = Shard::new(&config, &[FAR], echo).expect("these settings work");
        let mut pair = Self {
            client,
            server,
            now: start(),
            to_client: Vec::new(),
            to_server: Vec::new(),
            client_id: None,
            server_id: None,
        };
        pair.client.handle_command(pair.now, Command::Connect);
        pair.rest();
        assert!(
            pair.client.application().is_done(),
            "nobody has forged anything yet"
        );
        pair
    }

    /// Lets an end receive a packet of frames (RFC 9000 §17.3.1).
    fn receive_forged(&mut self, by_server: bool, number: u32, frames: &[u8]) {
        let id = match by_server {
            true => &self.server_id,
            false => &self.client_id,
        };
        let id = id.as_deref().expect("both have sent 1-RTT packets");
        // Four bytes of number.
        let packet = [&[0x43], id, &number.to_be_bytes(), frames, &[0; TAG_LENGTH]].concat();
        match by_server {
            true => self.to_server.push(packet),
            false => self.to_client.push(packet),
        }
    }

    /// Goes on until nothing is under way and nobody wants a turn soon.
    fn rest(&mut self) {
        for _ in 0..TURNS_MAX {
            self.now += DELAY;
            for datagram in self.to_server.drain(..) {
                let received = Received::from_remote(NEAR, &datagram);
                self.server.handle_datagram(self.now, received);
            }
            for datagram in self.to_client.drain(..) {
                let received = Received::from_remote(FAR, &datagram);
                self.client.handle_datagram(self.now, received);
            }
            let deadlines = [
                turn(&mut self.server, self.now, &mut self.to_client),
                turn(&mut self.client, self.now, &mut self.to_server),
            ];
            if self.client_id.is_none() {
                self.client_id = self
                    .to_client
                    .iter()
                    .rev()
                    .find_map(|one| short_header(one));
            }
            if self.server_id.is_none() {
                self.server_id = self
                    .to_server
                    .iter()
                    .rev()
                    .find_map(|one| short_header(one));
            }
            let soon = self.now + Duration::from_millis(100);
            let waits = deadlines
                .into_iter()
                .flatten()
                .all(|deadline| deadline > soon);
            if waits && self.to_client.is_empty() && self.to_server.is_empty() {
                return;
            }
        }
        panic!("the ends do not come to rest");
    }
}

/// Returns the connection ID of a datagram that begins with a 1-RTT packet.
fn short_header(datagram: &[u8]) -> Option<Vec<u8>> {
    let is_short = datagram.first().is_some_and(|first| first & 0x80 == 0);
    is_short.then(|| datagram.get(1..=ID_LENGTH).map(<[u8]>::to_vec))?
}

fn turn<A: Application>(
    shard: &mut Shard<A>,
    now: Instant,
    sent: &mut Vec<Vec<u8>>,
) -> Option<Instant> {
    shard.handle_timeouts(now);
    loop {
        match shard.poll_output(now) {
            Output::Datagram(datagram) => {
                let size = datagram.segment_size.unwrap_or(datagram.contents.len());
                sent.extend(datagram.contents.chunks(size.max(1)).map(<[u8]>::to_vec));
                let length = datagram.contents.len();
                shard.note_sent(now, datagram, Ok(length));
            }
            Output::Observation(..) => {}
            Output::Timeout(deadline) => return deadline,
        }
    }
}

/// Returns frames of every kind for both ends.
pub(crate) fn forgeries() -> Vec<Vec<u8>> {
    let payloads = crate::packets::payloads();
    let for_both = payloads.iter().flat_map(|frames| {
        [0, 1].map(|to| {
            let length = (frames.len() as u16).to_be_bytes();
            [&[to][..], &length, frames].concat()
        })
    });
    for_both.collect()
}
