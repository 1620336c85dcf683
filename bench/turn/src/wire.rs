//! Two shards in memory: the callers and the echo server that is measured.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use qecho_echo::{
    ALPN_ECHO,
    server::{Echo, End},
};
use qecho_engine::{
    ClientTls, Datagram, Output, Received, Secrets, Shard,
    config::{AdmissionSettings, RetryPolicy, ShardConfig, Transport},
};
use qecho_netsim::simulation::{FAR, NEAR};
use qecho_testkit::identity::Identity;
use rustls::crypto::CryptoProvider;

use crate::{
    callers::{Callers, Order},
    workload::Workload,
};

/// Time that a datagram is under way.
const DELAY: Duration = Duration::from_micros(25);

/// Segments of a batch, as Linux takes them.
const GSO_SEGMENTS: usize = 64;

/// Handshakes at once: below the limits for one address.
const HANDSHAKES: usize = 32;

/// Both ends, and the datagrams between them.
pub(crate) struct Wire {
    near: Shard<Callers>,
    server: Shard<Echo>,
    now: Instant,
    active: usize,
    /// Datagrams on their way to the server.
    arrivals: Vec<Received>,
    /// Datagrams that the server has sent.
    departures: Vec<Datagram>,
    /// When the server wants another turn.
    deadline: Option<Instant>,
}

/// The part of the server's turns that is measured.
pub(crate) trait Meter {
    /// Runs a turn.
    fn measure(&mut self, turn: impl FnOnce());

    /// Notes what the turn has sent: each of these is one send.
    fn note_sends(&mut self, _: &[Datagram]) {}
}

/// Measures nothing.
struct Unmeasured;

impl Meter for Unmeasured {
    fn measure(&mut self, turn: impl FnOnce()) {
        turn();
    }
}

impl Wire {
    /// Makes both ends and lets them warm up.
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins somewhere; from here on it is an argument"
    )]
    pub(crate) fn new(workload: &Workload, provider: Option<Arc<CryptoProvider>>) -> Self {
        let identity = Identity::generate();
        let transport = Transport::default()
            .with_streams_max(1_000)
            .with_udp_payload_max(1_452);
        let mut wire = Self {
            near: callers(workload, &identity, provider.clone(), transport.clone()),
            server: server(&identity, provider, transport),
            now: Instant::now(),
            active: workload.active,
            arrivals: Vec::new(),
            departures: Vec::new(),
            deadline: None,
        };
        let mut connected = 0;
        while connected < workload.open {
            let more = HANDSHAKES.min(workload.open - connected);
            wire.near.handle_command(wire.now, Order::Connect(more));
            wire.run(&mut Unmeasured);
            connected += more;
        }
        for _ in 0..workload.warm_up {
            wire.round(&mut Unmeasured);
        }
        wire
    }

    /// Lets each active connection send a message and have it back.
    pub(crate) fn round(&mut self, meter: &mut impl Meter) {
        self.near.handle_command(self.now, Order::Send(self.active));
        self.run(meter);
    }

    /// Goes on until everything has come back and nothing is under way.
    fn run(&mut self, meter: &mut impl Meter) {
        loop {
            let deadline = self.near_turn();
            let is_idle = deadline.is_none_or(|deadline| deadline > self.now);
            let quiet = self.arrivals.is_empty() && is_idle;
            if quiet && self.near.application().are_done() {
                return;
            }
            self.now += DELAY;
            if quiet {
                // Waits for what the ends wait for.
                let next = [deadline, self.deadline].into_iter().flatten().min();
                self.now = self.now.max(next.expect("somebody waits for something"));
            }
            meter.measure(|| {
                self.deadline = turn(
                    &mut self.server,
                    self.now,
                    &mut self.arrivals,
                    &mut self.departures,
                );
            });
            meter.note_sends(&self.departures);
            self.now += DELAY;
        }
    }

    /// Lets the callers have a turn; returns their deadline.
    fn near_turn(&mut self) -> Option<Instant> {
        for datagram in self.departures.drain(..) {
            for received in split(&datagram, FAR) {
                self.near.handle_datagram(self.now, received);
            }
            let length = datagram.contents.len();
            self.server.note_sent(self.now, datagram, Ok(length));
        }
        self.near.handle_timeouts(self.now);
        loop {
            match self.near.poll_output(self.now) {
                Output::Datagram(datagram) => {
                    self.arrivals.extend(split(&datagram, NEAR));
                    let length = datagram.contents.len();
                    self.near.note_sent(self.now, datagram, Ok(length));
                }
                Output::Observation(..) => {}
                Output::Timeout(deadline) => return deadline,
            }
        }
    }
}

/// A turn of the shard, as the event loop has it, without sockets.
fn turn(
    server: &mut Shard<Echo>,
    now: Instant,
    arrivals: &mut Vec<Received>,
    departures: &mut Vec<Datagram>,
) -> Option<Instant> {
    for received in arrivals.drain(..) {
        server.handle_datagram(now, received);
    }
    server.handle_timeouts(now);
    loop {
        match server.poll_output(now) {
            Output::Datagram(datagram) => departures.push(datagram),
            Output::Observation(..) => {}
            Output::Timeout(deadline) => return deadline,
        }
    }
}

/// Returns the datagrams of a send, as the kernel cuts them.
pub(crate) fn segments(send: &Datagram) -> impl ExactSizeIterator<Item = &[u8]> {
    let size = send.segment_size.unwrap_or(send.contents.len());
    send.contents.chunks(size.max(1))
}

fn split(datagram: &Datagram, from: std::net::SocketAddr) -> impl Iterator<Item = Received> {
    let ecn = datagram.ecn;
    segments(datagram).map(move |part| {
        let mut received = Received::from_remote(from, part);
        received.ecn = ecn;
        received
    })
}

fn server(
    identity: &Identity,
    provider: Option<Arc<CryptoProvider>>,
    transport: Transport,
) -> Shard<Echo> {
    let tls = identity.server(&[ALPN_ECHO]).with_provider(provider);
    let admission = AdmissionSettings::default()
        .with_retry(RetryPolicy::Never)
        .with_connections_max(usize::MAX)
        .with_connections_per_address_max(usize::MAX);
    let config = ShardConfig::server(transport, tls)
        .with_admission(admission)
        .with_seed([2; 32])
        .with_secrets(Secrets::from_master(&[3; 32]));
    let echo = Echo::new(End::WithPeer, None);
    let mut shard = Shard::new(&config, &[FAR], echo).expect("these settings work");
    shard.set_gso_segments(0, GSO_SEGMENTS);
    shard
}

fn callers(
    workload: &Workload,
    identity: &Identity,
    provider: Option<Arc<CryptoProvider>>,
    transport: Transport,
) -> Shard<Callers> {
    let tls = ClientTls::new(identity.verifier())
        .with_alpn(&[ALPN_ECHO])
        .with_provider(provider);
    let connector = tls.connector().expect("these settings work");
    let connector = connector.without_resumption();
    let callers = Callers::new(connector, workload.way, workload.length);
    let config = ShardConfig::client(transport)
        .with_seed([1; 32])
        .with_secrets(Secrets::from_master(&[4; 32]));
    let mut shard = Shard::new(&config, &[NEAR], callers).expect("these settings work");
    shard.set_gso_segments(0, GSO_SEGMENTS);
    shard
}
