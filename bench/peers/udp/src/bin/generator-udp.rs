//! Puts load on an echo server on bare UDP. A message is a datagram; the first eight bytes say
//! which, the others are compared. One that does not come back within a second is lost.
#![expect(
    clippy::disallowed_methods,
    reason = "this program is its own event loop"
)]

use std::{
    io,
    time::{Duration, Instant},
};

use peer_scaffold::{
    BatchSocket, Failure, SEND_MAX,
    generator::{Load, Meter},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Silence after which a datagram counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// How often lost datagrams are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Bytes of what says which datagram it is.
const NUMBER: usize = 8;

fn main() -> Result<(), Failure> {
    let mut load = Load::parse()?;
    if load.is_bulk {
        let under_way = load.size * load.in_flight;
        load.size = load.payload_max;
        load.in_flight = under_way.div_ceil(load.size);
    }
    let sockets = match load.has_many_sockets {
        true => load.connections,
        false => 1,
    };
    let each = load.connections * load.in_flight / sockets;
    let now = Instant::now();
    let lanes = (0..sockets).map(|_| Lane::new(&load, each, now));
    let mut lanes: Vec<Lane> = lanes.collect::<io::Result<_>>()?;
    let mut meter = Meter::start(&load, now)?;
    let mut look = now + LOOK_EVERY;
    let mut now = now;
    while meter.goes_on(now)? {
        for lane in &mut lanes {
            lane.send(&load, now)?;
        }
        wait(&lanes)?;
        now = Instant::now();
        for lane in &mut lanes {
            lane.receive(&load, now, &mut meter)?;
        }
        if now >= look {
            look = now + LOOK_EVERY;
            let all = lanes.iter_mut();
            all.for_each(|lane| lane.give_up(now, &mut meter));
        }
    }
    println!("{}", meter.report(now, None)?);
    Ok(())
}

/// A socket and its datagrams: when each was sent, and how often its place was used.
struct Lane {
    socket: BatchSocket,
    places: Vec<(Instant, u32)>,
    free: Vec<u32>,
    batch: Vec<u8>,
}

impl Lane {
    fn new(load: &Load, in_flight: usize, now: Instant) -> io::Result<Self> {
        let any = (load.server.ip(), 0).into();
        Ok(Self {
            socket: BatchSocket::bind(any)?,
            places: vec![(now, 0); in_flight],
            free: (0..in_flight as u32).collect(),
            batch: Vec::with_capacity(SEND_MAX),
        })
    }

    /// Sends a datagram for each free place.
    fn send(&mut self, load: &Load, now: Instant) -> io::Result<()> {
        let most = self.socket.segments_max().min(SEND_MAX / load.size).max(1);
        while !self.free.is_empty() {
            self.batch.clear();
            let rest = self.free.len().saturating_sub(most);
            for place in self.free.drain(rest..) {
                let (sent, turn) = &mut self.places[place as usize];
                *sent = now;
                *turn = turn.wrapping_add(1);
                let number = (u64::from(*turn) << 32) | u64::from(place);
                self.batch.extend_from_slice(&number.to_be_bytes());
                let rest = load.pattern.piece(number, load.size - NUMBER);
                self.batch.extend_from_slice(rest);
            }
            self.socket.send(load.server, &self.batch, load.size)?;
        }
        Ok(())
    }

    fn receive(&mut self, load: &Load, now: Instant, meter: &mut Meter) -> Result<(), Failure> {
        let mut differs = false;
        let (places, free) = (&mut self.places, &mut self.free);
        self.socket.receive(|datagram, _| {
            let Some((number, rest)) = datagram.split_first_chunk() else {
                differs = true;
                return;
            };
            let number = u64::from_be_bytes(*number);
            differs |= rest != load.pattern.piece(number, load.size - NUMBER);
            let (place, turn) = (number as u32, (number >> 32) as u32);
            match places.get(place as usize) {
                Some((sent, current)) if *current == turn => {
                    meter.echoed(*sent, now, load.size);
                    free.push(place);
                    // It is not counted twice, if it comes twice.
                    places[place as usize].1 = turn.wrapping_add(1);
                }
                _ => {}
            }
        })?;
        match differs {
            true => Err("what came back differs".into()),
            false => Ok(()),
        }
    }

    fn give_up(&mut self, now: Instant, meter: &mut Meter) {
        for (place, (sent, turn)) in self.places.iter_mut().enumerate() {
            if now.saturating_duration_since(*sent) > LOST_AFTER {
                meter.lost(*sent);
                *sent = now;
                *turn = turn.wrapping_add(1);
                self.free.push(place as u32);
            }
        }
    }
}

fn wait(lanes: &[Lane]) -> io::Result<()> {
    let mut descriptors: Vec<PollFd<'_>> = lanes
        .iter()
        .map(|lane| PollFd::from_borrowed_fd(lane.socket.descriptor(), PollFlags::IN))
        .collect();
    let limit = Timespec::try_from(LOOK_EVERY).ok();
    poll(&mut descriptors, limit.as_ref())?;
    Ok(())
}
