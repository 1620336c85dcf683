//! Drives a shard, or a forwarder, on real sockets: the only place that reads
//! the clock.

mod forwarding;
mod observers;
mod routes;
mod shard_group;
mod spin;

use std::{
    io,
    net::SocketAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use self::{
    forwarding::ForwardingLoop,
    shard_group::{ShardHandle, shard_group},
    spin::{SPIN_MAX, Spin, SpinPermits},
};
use self::{observers::ObserverSet, spin::Spinning};
pub use crate::mailbox::{Inbox, mailbox};
use crate::socket::{ReceiveBuffers, Socket};
use qecho_engine::{
    Application, Datagram, Output, Received, Shard,
    limits::{
        COMMANDS_PER_TURN_MAX, OUTBOX_TRANSMITS_MAX, RECEIVE_BATCHES_PER_TURN,
        RECEIVE_BYTES_PER_TURN,
    },
};
use qecho_packet::DatagramObserver;

/// A shard with its sockets and mailbox.
pub struct EventLoop<A: Application> {
    shard: Shard<A>,
    sockets: Vec<Socket>,
    /// Whether each of them may have something to receive.
    readable: Vec<bool>,
    inbox: Inbox<A::Command>,
    buffers: ReceiveBuffers,
    /// The binding whose kernel buffer was full.
    send_blocked: Option<usize>,
    /// Whether letters were left for the next turn.
    mail_left: bool,
    observer: Option<ObserverSet>,
    group: Option<ShardHandle>,
    spinning: Spinning,
    /// Datagrams were received in this turn.
    received: bool,
}

impl<A: Application> EventLoop<A> {
    /// Puts a shard on the sockets of its addresses, in the same order.
    pub fn new(mut shard: Shard<A>, sockets: Vec<Socket>, inbox: Inbox<A::Command>) -> Self {
        for (binding, socket) in sockets.iter().enumerate() {
            shard.set_gso_segments(binding, socket.gso_segments());
        }
        shard.set_route_mtu(routes::route_mtu());
        Self {
            shard,
            readable: vec![true; sockets.len()],
            sockets,
            inbox,
            buffers: ReceiveBuffers::new(),
            send_blocked: None,
            mail_left: false,
            observer: None,
            group: None,
            spinning: Spinning::new(Spin::Off, SpinPermits::of_this_machine()),
            received: false,
        }
    }

    /// Looks for the next datagram before it sleeps; the event loops of a process
    /// share the seats.
    pub fn spinning(self, spin: Spin, seats: SpinPermits) -> Self {
        Self {
            spinning: Spinning::new(spin, seats),
            ..self
        }
    }

    /// Ends with the others of a group: until then, it refuses newcomers.
    pub fn with_group(self, member: ShardHandle) -> Self {
        Self {
            group: Some(member),
            ..self
        }
    }

    /// Shows to `taps` every datagram that passes.
    pub fn observed_by(self, taps: Vec<Box<dyn DatagramObserver>>) -> Self {
        Self {
            observer: (!taps.is_empty()).then(|| ObserverSet::new(taps, clock)),
            ..self
        }
    }

    /// Runs until the shard has shut down; gives its application back.
    ///
    /// # Errors
    /// The system's, if waiting fails.
    pub fn run(mut self) -> io::Result<A> {
        self.shard.start(clock());
        // When the work with the last datagrams was done.
        let mut last_received = None;
        loop {
            let now = clock();
            // Before the timers: what has arrived may be what they wait for.
            self.receive(now);
            self.shard.handle_timeouts(now);
            self.read_mail(now);
            let deadline = self.send(now);
            if self.is_over(now) {
                return Ok(self.shard.into_application());
            }
            if self.received {
                if let Some(last) = last_received {
                    self.spinning.note_wait(last, now);
                }
                last_received = Some(clock());
            }
            if let Some(last) = last_received
                && self.looks_on(last)
            {
                self.readable.fill(true);
                continue;
            }
            self.spinning.stand_up();
            self.wait(now, deadline)?;
        }
    }

    /// Tells whether to look for the next datagram at once; whoever else wants this
    /// core had it before that.
    fn looks_on(&mut self, last_received: Instant) -> bool {
        let before = clock();
        if !self.spinning.looks_on(last_received, before) {
            return false;
        }
        std::thread::yield_now();
        self.spinning.note_yield(clock() - before);
        true
    }

    fn is_over(&mut self, now: Instant) -> bool {
        let is_finished = self.shard.is_finished(now);
        match &mut self.group {
            None => is_finished,
            Some(member) if is_finished => member.end(),
            Some(member) => member.has_failed(),
        }
    }

    fn receive(&mut self, now: Instant) {
        self.received = false;
        let handed_over = self.group.as_ref().map(ShardHandle::handed_over);
        for received in handed_over.into_iter().flatten() {
            self.received = true;
            let address = self.sockets[received.binding].address();
            take(&mut self.shard, &mut self.observer, address, now, received);
        }
        let steering = self.shard.steering();
        let (shard, group) = (&mut self.shard, self.group.as_ref());
        let group = group.filter(|_| steering.shards() > 1);
        for (binding, socket) in self.sockets.iter().enumerate() {
            if !self.readable[binding] {
                continue;
            }
            while let Some((peer, reason)) = socket.next_error() {
                shard.handle_unreachable(now, peer, &reason);
            }
            let mut bytes = 0;
            for _ in 0..RECEIVE_BATCHES_PER_TURN {
                let received = socket.receive(binding, &mut self.buffers, |received, joined| {
                    // What came alone, the kernel has steered.
                    let owner = match group {
                        Some(member) if joined => Some((member, steering.owner(&received.data))),
                        _ => None,
                    };
                    match owner {
                        Some((member, owner)) if owner != shard.index() => {
                            member.hand_over(owner, received);
                        }
                        _ => take(shard, &mut self.observer, socket.address(), now, received),
                    }
                });
                // Errors of single datagrams are the network's losses; a
                // socket that is broken for good shows as a connection that
                // times out.
                let Ok(batch) = received else {
                    break;
                };
                self.received = true;
                bytes += batch.bytes;
                if !batch.is_full || bytes >= RECEIVE_BYTES_PER_TURN {
                    break;
                }
            }
        }
    }

    fn read_mail(&mut self, now: Instant) {
        let rang = self.inbox.answer();
        self.mail_left = true;
        for _ in 0..COMMANDS_PER_TURN_MAX {
            let Some(mail) = self.inbox.next() else {
                self.mail_left = false;
                break;
            };
            self.shard.handle_command(now, mail);
        }
        if rang {
            self.shard.handle_wake(now);
        }
    }

    /// Sends what the shard has until it is quiet or the kernel takes no more; returns the
    /// shard's deadline.
    fn send(&mut self, now: Instant) -> Option<Instant> {
        self.send_blocked = None;
        let mut transmits = 0;
        loop {
            match self.shard.poll_output(now) {
                Output::Datagram(datagram) => {
                    self.send_one(now, datagram);
                    transmits += 1;
                    if transmits % OUTBOX_TRANSMITS_MAX == 0 {
                        self.flush_observers();
                    }
                }
                Output::Observation(at, observation) => {
                    if let Some(observer) = &mut self.observer {
                        observer.observe(at, observation);
                    }
                }
                Output::Timeout(deadline) => {
                    self.flush_observers();
                    return deadline;
                }
            }
        }
    }

    fn flush_observers(&mut self) {
        if let Some(observer) = &mut self.observer {
            observer.flush();
        }
    }

    fn send_one(&mut self, now: Instant, datagram: Datagram) {
        let socket = &self.sockets[datagram.binding];
        // Before it is sent: nobody may seem to receive it earlier.
        let at = self.observer.as_ref().map(|_| clock());
        let mut sent = socket.send(&datagram);
        if sent.as_ref().is_err_and(|error| !is_final(error)) {
            // The error may be an ICMP report of another datagram, or that
            // the kernel does not cut batches, which the socket now knows.
            self.shard
                .set_gso_segments(datagram.binding, socket.gso_segments());
            sent = match datagram.segment_size {
                Some(_) if socket.gso_segments() == 1 => socket.send_singly(&datagram),
                _ => socket.send(&datagram),
            };
        }
        let error = match sent {
            Ok(length) => {
                if let (Some(observer), Some(at)) = (&mut self.observer, at) {
                    observer.sent(at, socket.address(), &datagram, length);
                }
                let at = at.unwrap_or(now);
                return self.shard.note_sent(at, datagram, Ok(length));
            }
            Err(error) => error,
        };
        if error.kind() == io::ErrorKind::WouldBlock {
            self.send_blocked = Some(datagram.binding);
            return self.shard.put_back(datagram);
        }
        let peer = datagram.destination;
        self.shard.note_sent(now, datagram, Err(&error));
        // To the state machine every failure is a lost datagram, and one that
        // is too long for the path a failed MTU probe.
        if is_about_the_peer(&error) {
            self.shard.handle_unreachable(now, peer, &error);
        }
    }

    fn wait(&mut self, now: Instant, deadline: Option<Instant>) -> io::Result<()> {
        let deadline = match self.mail_left {
            true => Some(now),
            false => deadline,
        };
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(clock()));
        let mut descriptors = Vec::with_capacity(self.sockets.len() + 1);
        descriptors.push(PollFd::from_borrowed_fd(self.inbox.as_fd(), PollFlags::IN));
        for (binding, socket) in self.sockets.iter().enumerate() {
            let interest = match self.send_blocked == Some(binding) {
                true => PollFlags::IN | PollFlags::OUT,
                false => PollFlags::IN,
            };
            descriptors.push(PollFd::from_borrowed_fd(socket.as_fd(), interest));
        }
        poll_for(&mut descriptors, timeout)?;
        for (readable, descriptor) in self.readable.iter_mut().zip(&descriptors[1..]) {
            *readable = !descriptor.revents().is_empty();
        }
        Ok(())
    }
}

/// Hands a datagram to the shard, before the eyes of the taps.
fn take<A: Application>(
    shard: &mut Shard<A>,
    observer: &mut Option<ObserverSet>,
    address: SocketAddr,
    now: Instant,
    received: Received,
) {
    if let Some(observer) = observer {
        observer.received(address, &received);
    }
    shard.handle_datagram(now, received);
}

/// Waits for an event, precisely: QUIC paces in less than milliseconds.
fn poll_for(descriptors: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(descriptors, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tells whether sending once more is of no use.
fn is_final(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || quinn_udp::is_msg_size_err(error)
}

/// Tells whether an error says that this host cannot reach a peer, and not
/// that it lacks memory for a moment.
fn is_about_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "the event loop is where time comes in"
)]
fn clock() -> Instant {
    Instant::now()
}

/// Binds one socket for each address.
///
/// # Errors
/// The first [`BindError`](crate::BindError).
pub fn bind_all(
    addresses: &[SocketAddr],
    errors: crate::ReceiveErrors,
) -> Result<Vec<Socket>, crate::BindError> {
    addresses
        .iter()
        .map(|address| Socket::bind(*address, errors))
        .collect()
}
