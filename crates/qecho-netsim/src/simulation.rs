//! Two shards and the path between them, on virtual time.
//!
//! Hours pass in milliseconds and a seed repeats everything that the shards
//! and the path decide. Ciphertext differs between runs: TLS draws its own
//! randomness.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use qecho_engine::{Application, Datagram, Observation, Output, Received, Shard};

use crate::link::{Conditions, DelayQueue, Link};
pub use qecho_packet::Direction;

/// Two shards, `near` and `far`, each on one address, and the two directions
/// of the path between them.
pub struct Simulation<N: Application, F: Application> {
    /// The shard at the near end, usually the client.
    pub near: Shard<N>,
    /// The shard at the far end, usually the server.
    pub far: Shard<F>,
    now: Instant,
    up: Link,
    down: Link,
    in_transit: DelayQueue<Delivery>,
    /// The near end's address as the far end sees it.
    near_address: SocketAddr,
    observer: Option<Observer>,
    /// Of the near end, and of the far one.
    observations: [Vec<(Instant, Observation)>; 2],
}

/// Function that is called with every datagram that is sent or received.
type Observer = Box<dyn FnMut(DatagramEvent<'_>)>;

/// A datagram that one of the ends has sent or received.
#[derive(Clone, Copy, Debug)]
pub struct DatagramEvent<'a> {
    /// The instant.
    pub at: Instant,
    /// The end that has sent or received it.
    pub end: End,
    /// Whether it was received or sent.
    pub direction: Direction,
    /// Address at the other side: the sender's if it was received, else the destination.
    pub peer: SocketAddr,
    /// The UDP payload.
    pub data: &'a [u8],
}

/// The near end's address at first.
pub const NEAR: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    40_000,
);

/// The far end's address.
pub const FAR: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)),
    4_433,
);

struct Delivery {
    to: End,
    from: SocketAddr,
    ecn: u8,
    data: Vec<u8>,
}

/// One end of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The end of [`Simulation::near`].
    Near,
    /// The end of [`Simulation::far`].
    Far,
}

/// Turns that may follow one another while time stands still: a shard that
/// wants more will never let time pass.
const TURNS_PER_INSTANT_MAX: usize = 1_000_000;

impl<N: Application, F: Application> Simulation<N, F> {
    /// Connects two shards by a path that is equally bad in both directions.
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins somewhere; from here on it is an argument"
    )]
    pub fn new(near: Shard<N>, far: Shard<F>, conditions: &Conditions, seed: u64) -> Self {
        let mut simulation = Self {
            near,
            far,
            now: Instant::now(),
            up: Link::new(conditions.clone(), seed),
            down: Link::new(conditions.clone(), seed ^ u64::MAX),
            in_transit: DelayQueue::default(),
            near_address: NEAR,
            observer: None,
            observations: Default::default(),
        };
        simulation.up.begin(simulation.now);
        simulation.down.begin(simulation.now);
        simulation.near.start(simulation.now);
        simulation.far.start(simulation.now);
        simulation
    }

    /// Returns the virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Returns the links, from near to far and back.
    pub fn links(&mut self) -> (&mut Link, &mut Link) {
        (&mut self.up, &mut self.down)
    }

    /// Changes the conditions of both directions for what is sent from now on.
    pub fn set_conditions(&mut self, conditions: &Conditions) {
        self.up.set_conditions(conditions.clone());
        self.down.set_conditions(conditions.clone());
    }

    /// Tells whether the shard at an end has ended.
    pub fn is_finished(&mut self, end: End) -> bool {
        match end {
            End::Near => self.near.is_finished(self.now),
            End::Far => self.far.is_finished(self.now),
        }
    }

    /// Shows every datagram from now on to `observer`.
    pub fn observe(&mut self, observer: impl FnMut(DatagramEvent<'_>) + 'static) {
        self.observer = Some(Box::new(observer));
    }

    /// Takes the observations that the shard at an end has made so far, if it traces packets.
    pub fn take_observations(&mut self, end: End) -> Vec<(Instant, Observation)> {
        std::mem::take(&mut self.observations[end as usize])
    }

    /// Gives the near end a new address, as a NAT does after a pause.
    pub fn rebind(&mut self, address: SocketAddr) {
        self.near_address = address;
    }

    /// Sends a datagram of any origin to the far end, past the link.
    pub fn inject(&mut self, from: SocketAddr, data: Vec<u8>) {
        let (to, ecn) = (End::Far, 0);
        let delivery = Delivery {
            to,
            from,
            ecn,
            data,
        };
        self.in_transit.push(self.now, delivery);
    }

    /// Lets time pass until `done` says so; tells whether it did within
    /// `limit` of virtual time.
    ///
    /// # Panics
    /// If a shard keeps time from passing: it wants turn after turn at once.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        let mut turns = 0;
        loop {
            self.turn();
            if done(self) {
                return true;
            }
            // What `done` has done may have to be sent.
            match self.send() {
                Some(next) if next <= end => {
                    turns = if next > self.now { 0 } else { turns + 1 };
                    assert!(turns < TURNS_PER_INSTANT_MAX, "time stands still");
                    self.now = self.now.max(next);
                }
                _ => {
                    self.now = end;
                    return false;
                }
            }
        }
    }

    /// Lets `duration` of virtual time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(duration, |_| false);
    }

    /// Does everything that is due now.
    fn turn(&mut self) {
        while let Some(delivery) = self.in_transit.pop(self.now) {
            self.receive(delivery);
        }
        self.near.handle_timeouts(self.now);
        self.far.handle_timeouts(self.now);
        self.send();
    }

    /// Sends what the shards have; returns the instant of the next turn.
    fn send(&mut self) -> Option<Instant> {
        let (near, far) = (self.send_from(End::Near), self.send_from(End::Far));
        let turns = [near, far, self.in_transit.next()];
        turns.into_iter().flatten().min()
    }

    fn send_from(&mut self, end: End) -> Option<Instant> {
        loop {
            let output = match end {
                End::Near => self.near.poll_output(self.now),
                End::Far => self.far.poll_output(self.now),
            };
            match output {
                Output::Datagram(datagram) => self.send_one(end, datagram),
                Output::Observation(at, observation) => {
                    self.observations[end as usize].push((at, observation));
                }
                Output::Timeout(deadline) => return deadline,
            }
        }
    }

    fn receive(&mut self, delivery: Delivery) {
        let Delivery {
            to,
            from,
            ecn,
            data,
        } = delivery;
        self.note(to, Direction::Received, from, &data);
        let mut received = Received::from_remote(from, &data);
        received.ecn = ecn;
        match to {
            End::Near => self.near.handle_datagram(self.now, received),
            End::Far => self.far.handle_datagram(self.now, received),
        }
    }

    fn send_one(&mut self, end: End, mut datagram: Datagram) {
        // The contents leave; a shard that keeps their buffer would seem to need that memory.
        let contents = std::mem::take(&mut datagram.contents);
        let (to, from, there) = match end {
            End::Near => (End::Far, self.near_address, FAR),
            End::Far => (End::Near, FAR, self.near_address),
        };
        let size = datagram.segment_size.unwrap_or(contents.len());
        for part in contents.chunks(size.max(1)) {
            self.note(end, Direction::Sent, datagram.destination, part);
            // What is addressed to an address where nobody is, or that the near
            // end has left, is lost.
            if datagram.destination != there {
                continue;
            }
            let link = match end {
                End::Near => &mut self.up,
                End::Far => &mut self.down,
            };
            link.send_marked(self.now, datagram.ecn, part.to_vec(), |at, ecn, data| {
                let delivery = Delivery {
                    to,
                    from,
                    ecn,
                    data,
                };
                self.in_transit.push(at, delivery);
            });
        }
        let length = contents.len();
        match end {
            End::Near => self.near.note_sent(self.now, datagram, Ok(length)),
            End::Far => self.far.note_sent(self.now, datagram, Ok(length)),
        }
    }

    fn note(&mut self, end: End, direction: Direction, peer: SocketAddr, data: &[u8]) {
        let at = self.now;
        if let Some(observer) = &mut self.observer {
            observer(DatagramEvent {
                at,
                end,
                direction,
                peer,
                data,
            });
        }
    }
}
