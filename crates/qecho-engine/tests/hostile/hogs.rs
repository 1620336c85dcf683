//! Many clients that make a server hold as much as they can, at a limit on its memory: what it
//! holds, in bytes that a counting allocator has seen, and who is still served.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use qecho_engine::{
    CloseReason, Output, Received, Shard,
    config::{ShardConfig, Transport},
    limits,
};
use qecho_testkit::{counting::live, identity::Identity};
use quinn_proto::{Dir, StreamId, VarInt};

use crate::{
    attack::{Client, Server},
    forgery::forged,
    frames::{gap, packed},
};

const MB: u64 = 1_000_000;

/// The server's limit in these tests.
const MEMORY_MAX: u64 = 12 * MB;

/// What may be held beyond the limit, until the next look.
const OVERSHOOT: u64 = 2 * MB;

/// Bytes that each of them sends in a turn: 80 MB a second from forty.
const PIECE: usize = 10_000;

/// Time between two turns.
const TURN: Duration = Duration::from_millis(5);

/// A server with a limit on its memory, and clients at a distance of nothing.
struct Crowd {
    server: Shard<Server>,
    identity: Identity,
    now: Instant,
    looked: Instant,
    /// Bytes that the server holds, and the most that it ever did.
    held: isize,
    most: u64,
    /// Bytes that nobody needs any more and the allocator has not given back.
    kept_by_allocator: u64,
}

/// A client that hears and says nothing unless it is told.
struct Hog {
    client: Client,
    /// Whether it takes no notice of what the server sends.
    is_deaf: bool,
    heard: Vec<Vec<u8>>,
    closed: Option<String>,
}

impl Hog {
    fn is_gone(&self) -> bool {
        self.closed.is_some()
    }

    /// Sends packets with these frames.
    fn forge(&mut self, packets: impl IntoIterator<Item = Vec<u8>>) {
        for frames in packets {
            let mut datagrams = self.client.connection.datagrams();
            let sent = datagrams.send(forged(&frames).into(), false);
            sent.expect("the queue is long and the frames are few");
        }
    }

    /// Opens a stream and writes to it as much as the server allows.
    fn write(&mut self, id: Option<StreamId>, bytes: usize) -> (StreamId, usize) {
        let id = id.or_else(|| self.client.connection.streams().open(Dir::Bi));
        let id = id.expect("it is allowed");
        let mut stream = self.client.connection.send_stream(id);
        let written = stream.write_chunks(&mut [Bytes::from(vec![b'x'; bytes])]);
        (id, written.map_or(0, |written| written.bytes))
    }

    /// Reads what has come back on a stream.
    fn read(&mut self, id: StreamId) -> usize {
        let mut stream = self.client.connection.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else {
            return 0;
        };
        let mut bytes = 0;
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            bytes += chunk.bytes.len();
        }
        let _ = chunks.finalize();
        bytes
    }
}

impl Crowd {
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn on(application: Server) -> Self {
        let identity = Identity::generate();
        let config = ShardConfig::server(Transport::default(), identity.server(&[b"echo"]));
        let before = live();
        let server = application.shard(config.with_memory_max(MEMORY_MAX));
        let held = live() - before;
        let now = Instant::now();
        let mut crowd = Self {
            server,
            identity,
            now,
            looked: now,
            held,
            most: 0,
            kept_by_allocator: 0,
        };
        crowd.look();
        crowd
    }

    /// Lets the server do something, and counts what it holds afterwards.
    fn at_server<T>(&mut self, act: impl FnOnce(&mut Shard<Server>, Instant) -> T) -> T {
        let before = live();
        let done = act(&mut self.server, self.now);
        self.held += live() - before;
        self.most = self.most.max(self.held());
        done
    }

    fn held(&self) -> u64 {
        self.held.max(0) as u64
    }

    fn look(&mut self) {
        let bytes = self.held() + self.kept_by_allocator;
        self.at_server(|server, now| server.note_resident_memory(now, bytes));
        self.looked = self.now;
    }

    fn connect(&mut self, number: u16) -> Hog {
        let address: SocketAddr = ([10, 0, (number >> 8) as u8, number as u8], 1_024).into();
        let client = Client::connect(self.now, &self.identity, 1_200, address);
        let mut hog = Hog {
            client,
            is_deaf: false,
            heard: Vec::new(),
            closed: None,
        };
        for _ in 0..10 {
            self.turn(std::slice::from_mut(&mut hog));
        }
        assert!(!hog.client.connection.is_handshaking(), "client {number}");
        hog
    }

    fn connect_all(&mut self, count: u16) -> Vec<Hog> {
        (0..count).map(|number| self.connect(number)).collect()
    }

    /// Lets some time pass.
    fn turn(&mut self, hogs: &mut [Hog]) {
        self.now += TURN;
        let now = self.now;
        for hog in hogs.iter_mut() {
            self.hear(hog);
            let mut data = Vec::new();
            while let connection = &mut hog.client.connection
                && connection.poll_transmit(now, 1, &mut data).is_some()
            {
                let from = hog.client.address;
                let datagram = std::mem::take(&mut data);
                self.at_server(|server, now| {
                    let received = Received::from_remote(from, &datagram);
                    server.handle_datagram(now, received);
                });
            }
        }
        if self.now >= self.looked + limits::MEMORY_LOOK_INTERVAL {
            self.look();
        }
        self.at_server(|server, now| server.handle_timeouts(now));
        while let Output::Datagram(mut datagram) =
            self.at_server(|server, now| server.poll_output(now))
        {
            let contents = std::mem::take(&mut datagram.contents);
            let to = datagram.destination;
            if let Some(hog) = hogs.iter_mut().find(|hog| hog.client.address == to) {
                let size = datagram.segment_size.unwrap_or(contents.len());
                hog.heard.extend(contents.chunks(size).map(<[u8]>::to_vec));
            }
            // The server gives up its buffer here, and so its memory.
            self.held -= contents.capacity() as isize;
            let length = contents.len();
            self.at_server(|server, now| server.note_sent(now, datagram, Ok(length)));
        }
    }

    fn hear(&mut self, hog: &mut Hog) {
        let heard = std::mem::take(&mut hog.heard);
        for data in heard {
            // Even who takes no notice of anything is told when all is over.
            if !hog.is_deaf || data.len() < 200 {
                hog.client.hear(self.now, &data);
            }
        }
        let connection = &mut hog.client.connection;
        if connection.poll_timeout().is_some_and(|due| due <= self.now) {
            connection.handle_timeout(self.now);
        }
        while connection.poll_endpoint_events().is_some() {}
        while let Some(event) = connection.poll() {
            if let quinn_proto::Event::ConnectionLost { reason } = event {
                hog.closed = Some(reason.to_string());
            }
        }
    }

    /// Echoes a small message on a connection, and on another that is new.
    fn check_served(&mut self, honest: &mut Hog, number: u16) {
        let mut newcomer = self.connect(number);
        for client in [honest, &mut newcomer] {
            let (id, written) = client.write(None, 100);
            assert_eq!(written, 100);
            let mut came = 0;
            for _ in 0..20 {
                self.turn(std::slice::from_mut(client));
                came += client.read(id);
            }
            assert_eq!((came, &client.closed), (100, &None), "client {number}");
        }
        newcomer
            .client
            .connection
            .close(self.now, VarInt::from_u32(0), Bytes::new());
        self.turn(std::slice::from_mut(&mut newcomer));
    }

    /// Returns how many were closed for the memory that they held.
    fn closed_for_memory(&self) -> usize {
        let closed = &self.server.application().closed;
        let short = |reason: &&CloseReason| matches!(reason, CloseReason::ShortOfMemory { .. });
        closed.iter().filter(short).count()
    }

    fn check_bound(&self) {
        let most = self.most;
        assert!(most <= MEMORY_MAX + OVERSHOOT, "{most} bytes were held");
    }
}

#[test]
fn gaps_on_a_hundred_streams_of_many_connections_stay_within_the_limit_of_all() {
    let mut crowd = Crowd::on(Server::parrot());
    let mut honest = crowd.connect(5_000);
    let mut hogs = crowd.connect_all(30);
    // More streams are allowed as they are used; a thousand gaps on each are more than any
    // connection may have.
    for stream in 0..100_u16 {
        for hog in hogs.iter_mut().filter(|hog| !hog.is_gone()) {
            hog.forge(packed(0..40, gap(Some(u64::from(stream) << 2))));
        }
        crowd.turn(&mut hogs);
        crowd.turn(&mut hogs);
        if stream % 10 == 0 {
            crowd.check_served(&mut honest, 6_000 + stream);
        }
    }
    crowd.check_bound();
    assert!(crowd.closed_for_memory() > 0, "nobody was in the way");
    for _ in 0..5 {
        crowd.turn(&mut hogs);
    }
    let told = hogs.iter().filter_map(|hog| hog.closed.as_deref());
    let told = told
        .filter(|words| words.contains("short of memory"))
        .count();
    assert!(told > 0, "the reason reaches them");
}

/// Lets clients send all that they can and acknowledge, or read, nothing of it.
fn flood(crowd: &mut Crowd, hogs: &mut [Hog], honest: &mut Hog) {
    let mut streams: Vec<Option<StreamId>> = vec![None; hogs.len()];
    for round in 0..250_u16 {
        for (hog, stream) in hogs.iter_mut().zip(&mut streams) {
            if !hog.is_gone() {
                let (id, _) = hog.write(*stream, PIECE);
                *stream = Some(id);
            }
        }
        crowd.turn(hogs);
        if round % 50 == 0 {
            crowd.check_served(honest, 7_000 + round);
        }
    }
}

#[test]
fn echoes_that_nobody_acknowledges_stay_within_the_limit_of_all() {
    let mut crowd = Crowd::on(Server::parrot());
    let mut honest = crowd.connect(5_000);
    let mut hogs = crowd.connect_all(40);
    hogs.iter_mut().for_each(|hog| hog.is_deaf = true);
    flood(&mut crowd, &mut hogs, &mut honest);
    crowd.check_bound();
    assert!(crowd.closed_for_memory() > 0);
    let told = hogs.iter().filter_map(|hog| hog.closed.as_deref());
    assert!(told.clone().count() > 0);
    for words in told {
        assert!(words.contains("short of memory"), "{words}");
    }
}

#[test]
fn data_that_the_server_does_not_read_stays_within_the_limit_of_all() {
    let mut crowd = Crowd::on(Server::deaf());
    let mut hogs = crowd.connect_all(40);
    let mut streams = vec![None; hogs.len()];
    for _ in 0..200 {
        for (hog, stream) in hogs.iter_mut().zip(&mut streams) {
            if !hog.is_gone() {
                *stream = Some(hog.write(*stream, PIECE).0);
            }
        }
        crowd.turn(&mut hogs);
    }
    crowd.check_bound();
    assert!(crowd.closed_for_memory() > 0);
}

#[test]
fn connections_that_are_closed_with_all_that_they_hold_stay_within_the_limit_of_all() {
    let mut crowd = Crowd::on(Server::deaf());
    for number in 0..80 {
        let mut hog = [crowd.connect(number)];
        hog[0].write(None, 900_000);
        for _ in 0..10 {
            crowd.turn(&mut hog);
        }
        let connection = &mut hog[0].client.connection;
        connection.close(crowd.now, VarInt::from_u32(0), Bytes::new());
        crowd.turn(&mut hog);
    }
    crowd.check_bound();
}

#[test]
fn nobody_is_closed_for_memory_that_the_allocator_keeps() {
    let mut crowd = Crowd::on(Server::parrot());
    let mut honest = crowd.connect_all(20);
    // Twice the limit, and none of it is anybody's.
    crowd.kept_by_allocator = 2 * MEMORY_MAX;
    let ids: Vec<StreamId> = honest.iter_mut().map(|one| one.write(None, 1).0).collect();
    for _ in 0..200 {
        for (one, id) in honest.iter_mut().zip(&ids) {
            one.write(Some(*id), 2_000);
            one.read(*id);
        }
        crowd.turn(&mut honest);
    }
    assert_eq!(crowd.closed_for_memory(), 0);
    assert!(honest.iter().all(|one| !one.is_gone()));
}

#[test]
fn who_only_sends_fast_is_slowed_and_served_and_not_closed() {
    let mut crowd = Crowd::on(Server::parrot());
    let mut bulk = crowd.connect_all(30);
    let ids: Vec<StreamId> = bulk.iter_mut().map(|one| one.write(None, 1).0).collect();
    let (mut sent, mut came) = (bulk.len(), 0);
    // With their usual windows they could hold 240 MB.
    crowd.kept_by_allocator = MEMORY_MAX * limits::MEMORY_CROWDED_PERCENT / 100;
    for _ in 0..400 {
        for (one, id) in bulk.iter_mut().zip(&ids) {
            sent += one.write(Some(*id), PIECE).1;
            came += one.read(*id);
        }
        crowd.turn(&mut bulk);
    }
    assert_eq!(crowd.closed_for_memory(), 0);
    assert!(came > 30 * 1_000_000, "{came} of {sent} bytes came back");
    let most = crowd.most;
    assert!(most <= 3 * MB, "{most} bytes were held");
}

#[test]
fn an_echo_that_is_not_read_stalls_no_other_after_the_windows_were_small() {
    let mut crowd = Crowd::on(Server::parrot());
    let mut one = [crowd.connect(0)];
    let unread = one[0].write(None, 1).0;
    for _ in 0..400 {
        one[0].write(Some(unread), PIECE);
        crowd.turn(&mut one);
    }
    crowd.kept_by_allocator = MEMORY_MAX * limits::MEMORY_CROWDED_PERCENT / 100;
    (0..50).for_each(|_| crowd.turn(&mut one));
    crowd.kept_by_allocator = 0;
    let id = one[0].write(None, 1).0;
    let mut came = 0;
    for _ in 0..3_000 {
        one[0].write(Some(id), PIECE);
        came += one[0].read(id);
        crowd.turn(&mut one);
    }
    // Several times what the client may have under way.
    assert!(came as u64 > 12 * MB, "{came} bytes came back");
    assert_eq!(crowd.closed_for_memory(), 0);
}

#[test]
fn windows_that_are_small_again_and_again_stall_nobody() {
    let mut crowd = Crowd::on(Server::parrot());
    let mut one = [crowd.connect(0)];
    let id = one[0].write(None, 1).0;
    let mut came = 0;
    for round in 0..8 {
        // So that the windows are small again before they have all come back.
        for (kept, turns) in [(MEMORY_MAX, 100), (0, 60)] {
            crowd.kept_by_allocator = kept * limits::MEMORY_CROWDED_PERCENT / 100;
            for _ in 0..turns {
                one[0].write(Some(id), PIECE);
                came += one[0].read(id) as u64;
                crowd.turn(&mut one);
            }
        }
        assert!(came > round * MB / 2, "{came} bytes by round {round}");
    }
    assert_eq!(crowd.closed_for_memory(), 0);
}

#[test]
fn windows_are_what_they_were_once_there_is_memory_again() {
    let mut crowd = Crowd::on(Server::parrot());
    let mut one = [crowd.connect(0)];
    let id = one[0].write(None, 1).0;
    crowd.kept_by_allocator = MEMORY_MAX * limits::MEMORY_CROWDED_PERCENT / 100;
    let mut came = 0;
    for _ in 0..1_000 {
        one[0].write(Some(id), PIECE);
        came += one[0].read(id);
        crowd.turn(&mut one);
    }
    // As much as the client had been allowed to send, so that this is taken back.
    assert!(came as u64 > 4 * MB, "{came} bytes came back");
    crowd.kept_by_allocator = 0;
    for _ in 0..300 {
        crowd.turn(&mut one);
    }
    one[0].is_deaf = true;
    for _ in 0..300 {
        one[0].write(Some(id), PIECE);
        crowd.turn(&mut one);
    }
    // A stream's usual window, and not a tenth of it.
    let held = crowd.held();
    assert!(held > 900_000, "{held} bytes are held");
    assert_eq!(crowd.closed_for_memory(), 0);
}
