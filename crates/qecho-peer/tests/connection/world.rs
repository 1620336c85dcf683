//! Two ends and the path between them, on virtual time.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use qecho_engine::{Application, Output, Shard};
use qecho_netsim::simulation::{FAR, NEAR};
use qecho_packet::{Direction, Side};
use qecho_peer::{
    endpoint::{ClientConfig, Endpoint, ServerConfig},
    network::{Ecn, PathId, Received},
    tls,
};
use rustls::pki_types::CertificateDer;

pub(crate) const ALPN: &[u8] = b"echo";
/// The time that a datagram takes.
const DELAY: Duration = Duration::from_millis(10);
/// Virtual time in which everything must have happened.
const LIMIT: Duration = Duration::from_secs(60);

/// One end.
pub(crate) trait End {
    fn receive(&mut self, now: Instant, received: &Received);
    fn timeout(&mut self, now: Instant);
    /// Returns what is to be sent, and the deadline.
    fn transmit(&mut self, now: Instant) -> (Vec<Received>, Option<Instant>);
}

impl End for Endpoint {
    fn receive(&mut self, now: Instant, received: &Received) {
        self.receive(now, received);
    }

    fn timeout(&mut self, now: Instant) {
        self.timeout(now);
    }

    fn transmit(&mut self, now: Instant) -> (Vec<Received>, Option<Instant>) {
        let sent = std::iter::from_fn(|| self.transmit(now)).map(|sent| Received {
            path: sent.path,
            datagram: sent.bytes,
            ecn: sent.ecn,
        });
        (sent.collect(), self.deadline())
    }
}

/// The repository's engine.
pub(crate) struct Engine<A: Application> {
    pub(crate) shard: Shard<A>,
    side: Side,
    /// The client's path, if the shard is the client.
    pub(crate) path: PathId,
}

impl<A: Application> Engine<A> {
    pub(crate) fn new(mut shard: Shard<A>, side: Side, now: Instant) -> Self {
        shard.start(now);
        Self {
            shard,
            side,
            path: PathId(0),
        }
    }
}

impl<A: Application> End for Engine<A> {
    fn receive(&mut self, now: Instant, received: &Received) {
        let remote = match self.side {
            Side::Client => FAR,
            Side::Server => address(received.path),
        };
        let datagram = qecho_engine::Received::from_remote(remote, &received.datagram);
        self.shard.handle_datagram(now, datagram);
    }

    fn timeout(&mut self, now: Instant) {
        self.shard.handle_timeouts(now);
    }

    fn transmit(&mut self, now: Instant) -> (Vec<Received>, Option<Instant>) {
        let mut sent = Vec::new();
        loop {
            match self.shard.poll_output(now) {
                Output::Datagram(mut datagram) => {
                    let contents = std::mem::take(&mut datagram.contents);
                    let size = datagram.segment_size.unwrap_or(contents.len()).max(1);
                    let path = match self.side {
                        Side::Client => self.path,
                        Side::Server => path_of(datagram.destination),
                    };
                    sent.extend(contents.chunks(size).map(|part| Received {
                        path,
                        datagram: part.to_vec(),
                        ecn: Ecn::NotEct,
                    }));
                    self.shard.note_sent(now, datagram, Ok(contents.len()));
                }
                Output::Observation(..) => {}
                Output::Timeout(deadline) => return (sent, deadline),
            }
        }
    }
}

/// The client's address on a path, as a shard knows it: the port tells them apart.
fn address(path: PathId) -> SocketAddr {
    let mut address = NEAR;
    address.set_port(NEAR.port() + path.0 as u16);
    address
}

fn path_of(client: SocketAddr) -> PathId {
    PathId(usize::from(client.port() - NEAR.port()))
}

/// What becomes of a datagram that is sent: its number among those of its sender.
pub(crate) type Fate = Box<dyn FnMut(Direction, usize) -> bool>;

/// Two ends and the path between them.
pub(crate) struct World<N, F> {
    pub(crate) near: N,
    pub(crate) far: F,
    pub(crate) now: Instant,
    /// Tells whether a datagram is lost; those of the near end are `Sent`.
    pub(crate) is_lost: Fate,
    sent: [usize; 2],
    in_transit: Vec<(Instant, Direction, Received)>,
}

impl<N: End, F: End> World<N, F> {
    pub(crate) fn new(now: Instant, near: N, far: F) -> Self {
        Self {
            near,
            far,
            now,
            is_lost: Box::new(|_, _| false),
            sent: [0; 2],
            in_transit: Vec::new(),
        }
    }

    /// Lets time pass until something holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let end = self.now + LIMIT;
        loop {
            self.turn();
            if holds(self) {
                return;
            }
            // What `holds` has done may have to be sent.
            let next = self.turn();
            assert!(
                next.is_some_and(|next| next <= end),
                "it never came about: {what}"
            );
            self.now = next.unwrap_or(end).max(self.now);
        }
    }

    /// Lets so much time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.turn().filter(|next| *next <= end) {
            self.now = next.max(self.now);
        }
        self.now = end;
    }

    /// Does all that is due; returns the time of the next turn.
    fn turn(&mut self) -> Option<Instant> {
        let now = self.now;
        while let Some(at) = self.in_transit.iter().position(|(at, ..)| *at <= now) {
            let (_, direction, received) = self.in_transit.remove(at);
            match direction {
                Direction::Sent => self.far.receive(now, &received),
                Direction::Received => self.near.receive(now, &received),
            }
        }
        self.near.timeout(now);
        self.far.timeout(now);
        let (near, near_deadline) = self.near.transmit(now);
        let (far, far_deadline) = self.far.transmit(now);
        self.put(Direction::Sent, near);
        self.put(Direction::Received, far);
        let arrivals = self.in_transit.iter().map(|(at, ..)| *at);
        arrivals.chain(near_deadline).chain(far_deadline).min()
    }

    fn put(&mut self, direction: Direction, sent: Vec<Received>) {
        for received in sent {
            let number = self.sent[direction as usize];
            self.sent[direction as usize] += 1;
            if !(self.is_lost)(direction, number) {
                self.in_transit
                    .push((self.now + DELAY, direction, received));
            }
        }
    }
}

/// A server's key and certificate, of ECDSA P-256.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    pub(crate) fn generate() -> Self {
        let names = vec!["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("the name is a name");
        Self {
            certificate: made.cert.der().clone(),
            key: made.signing_key.serialize_der(),
        }
    }

    pub(crate) fn tls(&self) -> tls::ServerConfig {
        let chain = vec![self.certificate.clone()];
        let tls = tls::ServerConfig::new(chain, &self.key, []).expect("it is a P-256 key");
        tls.with(|tls| tls.alpn = vec![ALPN.to_vec()])
    }

    pub(crate) fn server(&self) -> ServerConfig {
        ServerConfig::new(self.tls(), 2)
    }
}

pub(crate) fn client() -> ClientConfig {
    let tls = tls::ClientConfig::new([]).with(|tls| {
        tls.alpn = vec![ALPN.to_vec()];
        tls.server_name = Some("localhost".into());
    });
    ClientConfig::new(tls, 1)
}

/// Returns the time at which a world begins.
#[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
pub(crate) fn beginning() -> Instant {
    Instant::now()
}

/// Two scripted endpoints.
pub(crate) type Pair = World<Endpoint, Endpoint>;

/// Lets a scripted client and a scripted server meet, who differ from usual ones so.
pub(crate) fn pair(
    change: impl FnOnce(&mut ClientConfig, &mut ServerConfig),
) -> World<Endpoint, Endpoint> {
    let now = beginning();
    let (mut client, mut server) = (client(), Identity::generate().server());
    change(&mut client, &mut server);
    World::new(
        now,
        Endpoint::client(client, now),
        Endpoint::server(server, now),
    )
}

/// Lets two usual ones have confirmed their handshake and issued their connection IDs.
pub(crate) fn open_pair() -> Pair {
    let mut pair = pair(|_, _| {});
    pair.until("both have confirmed", |pair| {
        pair.near.is_confirmed() && pair.far.is_confirmed()
    });
    pair.run(Duration::from_millis(100));
    pair
}

/// Checks that an endpoint was not refused and refuses nothing.
pub(crate) fn assert_lives(endpoint: &Endpoint) {
    assert_eq!(endpoint.closed(), None);
    assert_eq!(endpoint.ended(), None);
    assert_eq!(endpoint.tls_error(), None);
}
