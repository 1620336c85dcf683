//! Drives a shard, or a forwarder, on real sockets: the only place that reads
//! the clock.

mod forwarding;
mod memory;
mod observers;
mod receive_times;
mod routes;
mod shard_group;
mod spin;
mod wait;

use std::{io, net::SocketAddr, time::Instant};

use rustix::event::PollFlags;

pub use self::{
    forwarding::ForwardingLoop,
    spin::{SPIN_MAX, Spin},
};
use self::{
    memory::MemoryLooks, observers::ObserverSet, receive_times::ReceiveTimes,
    shard_group::ShardHandle, spin::Spinning, wait::wait_for,
};
pub(crate) use self::{shard_group::shard_group, spin::SpinPermits};
use crate::{
    Mailbox, Runner, SocketCounts, StartError,
    inspect::Questions,
    mailbox::{Inbox, mailbox},
    socket::{ReceiveBuffers, Socket},
};
use qecho_engine::{
    Application, Datagram, Output, Received, Shard,
    config::ShardConfig,
    limits::{
        COMMANDS_PER_TURN_MAX, INITIAL_DATAGRAM_MIN, OUTBOX_TRANSMITS_MAX,
        RECEIVE_BATCHES_PER_TURN, RECEIVE_BYTES_PER_TURN,
    },
};
use qecho_packet::DatagramObserver;

/// Reason for which nothing is reached by a route whose MTU is too small for QUIC.
const ROUTE_TOO_SMALL: &str = "the route of this host carries too little for QUIC, which takes \
                               UDP payloads of 1,200 bytes (RFC 9000 §14)";

/// A shard with its sockets and mailbox.
pub struct EventLoop<A: Application> {
    thread: &'static str,
    mailbox: Mailbox<A::Command>,
    shard: Shard<A>,
    sockets: Vec<Socket>,
    /// Whether each of them may have something to receive.
    readable: Vec<bool>,
    inbox: Inbox<A::Command>,
    buffers: ReceiveBuffers,
    /// The binding whose kernel buffer was full.
    send_blocked: Option<usize>,
    /// Whether commands were left for the next turn.
    commands_left: bool,
    observer: Option<ObserverSet>,
    /// `None` where the time of a turn is enough.
    times: Option<ReceiveTimes>,
    group: Option<ShardHandle>,
    spinning: Spinning,
    memory: Option<MemoryLooks>,
    /// `None` where nobody asks.
    questions: Option<Questions<A>>,
    counts: SocketCounts,
    /// Datagrams were received in this turn.
    received: bool,
}

impl<A: Application> EventLoop<A> {
    /// Makes a shard on these sockets for a thread that errors describe, as in "the client's
    /// thread".
    ///
    /// # Errors
    /// [`StartError`] if the TLS settings cannot work or there is no file descriptor.
    pub fn new(
        thread: &'static str,
        config: &ShardConfig,
        sockets: Vec<Socket>,
        application: A,
    ) -> Result<Self, StartError> {
        let addresses: Vec<_> = sockets.iter().map(Socket::address).collect();
        let mut shard = Shard::new(config, &addresses, application)?;
        for (binding, socket) in sockets.iter().enumerate() {
            shard.set_gso_segments(binding, socket.gso_segments());
        }
        shard.set_route_mtu(routes::route_mtu());
        let (mailbox, inbox) = mailbox().map_err(StartError::thread(thread))?;
        Ok(Self {
            thread,
            mailbox,
            shard,
            readable: vec![true; sockets.len()],
            sockets,
            inbox,
            buffers: ReceiveBuffers::new(),
            send_blocked: None,
            commands_left: false,
            observer: None,
            times: None,
            group: None,
            spinning: Spinning::new(Spin::Off, SpinPermits::of_this_machine()),
            memory: None,
            questions: None,
            counts: SocketCounts::default(),
            received: false,
        })
    }

    /// Returns the way to send commands from other threads.
    pub fn mailbox(&self) -> Mailbox<A::Command> {
        self.mailbox.clone()
    }

    /// Ends with the others of a group, and until then refuses newcomers; spins by permits that
    /// they share.
    pub(crate) fn in_group(
        mut self,
        handle: ShardHandle,
        spin: Spin,
        permits: SpinPermits,
    ) -> Self {
        self.group = Some(handle);
        self.spinning = Spinning::new(spin, permits);
        self
    }

    /// Hands on each datagram with the instant at which it was received: by the kernel's
    /// stamp where there is one, else when its batch was read. For what measures; it costs
    /// more than a time for each turn.
    pub fn with_receive_times(mut self) -> Self {
        for socket in &self.sockets {
            // Else the batches' times are taken.
            socket.tell_times();
        }
        self.times = Some(ReceiveTimes::new());
        self
    }

    /// Shows to `observers` every datagram that passes.
    pub fn observed_by(mut self, observers: Vec<Box<dyn DatagramObserver>>) -> Self {
        self.observer = (!observers.is_empty()).then(|| ObserverSet::new(observers, clock));
        self
    }

    /// Tells the shard now and then what the process holds, if it is to limit that.
    pub(crate) fn limiting_memory(mut self, is_limited: bool) -> Self {
        self.memory = is_limited.then(MemoryLooks::begin).flatten();
        self
    }

    /// Answers questions of other threads, which wake it by its mailbox's waker.
    pub(crate) fn answering(mut self, questions: Questions<A>) -> Self {
        self.questions = Some(questions);
        self
    }

    /// Calls `work`, which is to [`run`](Self::run) the event loop, on a thread of this name.
    ///
    /// # Errors
    /// [`StartError`] if the system gives no thread.
    pub fn start<T: Send + 'static>(
        self,
        name: impl Into<String>,
        work: impl FnOnce(Self) -> io::Result<T> + Send + 'static,
    ) -> Result<Runner<T, A::Command>, StartError>
    where
        A: Application<State: Send> + Send + 'static,
    {
        let mailbox = self.mailbox();
        Runner::start(self.thread, name.into(), mailbox, || work(self))
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
            if let Some(memory) = &mut self.memory {
                memory.look(now, &mut self.shard);
            }
            self.handle_commands(now);
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
                && self.should_spin(last)
            {
                self.readable.fill(true);
                continue;
            }
            self.spinning.release();
            self.wait(now, deadline)?;
        }
    }

    /// Tells whether to look for the next datagram at once; whoever else wants this
    /// core had it before that.
    fn should_spin(&mut self, last_received: Instant) -> bool {
        let before = clock();
        if !self.spinning.should_spin(last_received, before) {
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
            Some(handle) if is_finished => handle.end(),
            Some(handle) => handle.has_failed(),
        }
    }

    fn receive(&mut self, now: Instant) {
        self.received = false;
        let forwarded = self.group.as_ref().map(ShardHandle::take_forwarded);
        for received in forwarded.into_iter().flatten() {
            self.received = true;
            let address = self.sockets[received.binding].address();
            hand_on(
                &mut self.shard,
                &mut self.observer,
                address,
                (now, None),
                received,
            );
        }
        if let Some(times) = &mut self.times {
            times.begin_turn(now);
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
            let (mut bytes, mut datagrams, mut dropped) = (0, 0, 0);
            for _ in 0..RECEIVE_BATCHES_PER_TURN {
                if let Some(times) = &mut self.times {
                    times.begin_batch();
                }
                let received = socket.receive(binding, &mut self.buffers, |received, receipt| {
                    datagrams += 1;
                    // What came alone, the kernel has steered.
                    let owner = match group {
                        Some(handle) if receipt.joined => {
                            Some((handle, steering.owner(&received.data)))
                        }
                        _ => None,
                    };
                    match owner {
                        Some((handle, owner)) if owner != shard.index() => {
                            dropped += u64::from(!handle.forward(owner, received));
                        }
                        _ => {
                            let at = self.times.as_mut().map(|times| times.of(receipt.stamp));
                            let address = socket.address();
                            hand_on(shard, &mut self.observer, address, (now, at), received);
                        }
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
            self.counts.datagrams_received += datagrams;
            self.counts.bytes_received += bytes as u64;
            self.counts.handovers_dropped += dropped;
        }
    }

    fn handle_commands(&mut self, now: Instant) {
        let rang = self.inbox.answer();
        self.commands_left = true;
        for _ in 0..COMMANDS_PER_TURN_MAX {
            let Some(command) = self.inbox.next() else {
                self.commands_left = false;
                break;
            };
            self.shard.handle_command(now, command);
        }
        if rang {
            if let Some(questions) = &self.questions {
                questions.answer(&self.shard, &self.counts);
            }
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
                self.counts.bytes_sent += length as u64;
                self.counts.datagrams_sent += match datagram.segment_size {
                    Some(size) => length.div_ceil(size.max(1)) as u64,
                    None => 1,
                };
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
        self.counts.sends_failed += 1;
        let peer = datagram.destination;
        // Larger ones look for the path's MTU, and may be too large for it.
        let size = datagram.segment_size.unwrap_or(datagram.contents.len());
        let is_smallest = size <= INITIAL_DATAGRAM_MIN.into();
        self.shard.note_sent(now, datagram, Err(&error));
        // To the state machine every failure is a lost datagram, and one that
        // is too long for the path a failed MTU probe.
        if is_about_the_peer(&error) {
            self.shard.handle_unreachable(now, peer, &error);
        } else if is_smallest && quinn_udp::is_msg_size_err(&error) {
            self.shard
                .handle_unreachable(now, peer, &io::Error::other(ROUTE_TOO_SMALL));
        }
    }

    fn wait(&mut self, now: Instant, deadline: Option<Instant>) -> io::Result<()> {
        let deadline = match (self.commands_left, &self.memory) {
            (true, _) => Some(now),
            (false, Some(memory)) => memory.sooner(deadline),
            (false, None) => deadline,
        };
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(clock()));
        let sockets = self.sockets.iter().enumerate().map(|(binding, socket)| {
            let mut interest = PollFlags::IN;
            interest.set(PollFlags::OUT, self.send_blocked == Some(binding));
            (socket, interest)
        });
        let readable = &mut self.readable;
        wait_for(&self.inbox, sockets, timeout, |binding, is_ready| {
            readable[binding] = is_ready;
        })
    }
}

/// Shows a datagram to the observers and hands it to the shard, with the instant at which
/// it was received if that is known beside the turn's.
fn hand_on<A: Application>(
    shard: &mut Shard<A>,
    observer: &mut Option<ObserverSet>,
    address: SocketAddr,
    (now, at): (Instant, Option<Instant>),
    received: Received,
) {
    if let Some(observer) = observer {
        observer.received(address, &received);
    }
    match at {
        None => shard.handle_datagram(now, received),
        Some(at) => shard.handle_datagram_at(now, at, received),
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
pub(crate) fn clock() -> Instant {
    Instant::now()
}
