//! Drives a shard on real sockets: the only place that reads the clock.

use std::{
    io,
    net::SocketAddr,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use crate::mailbox::{Inbox, mailbox};
use crate::{
    application::Application,
    limits::RECEIVE_BATCHES_PER_TURN,
    outbox::Datagram,
    shard::Shard,
    socket::{ReceiveBuffers, Socket},
};

/// A shard with its sockets and mailbox.
pub struct EventLoop<A: Application> {
    shard: Shard<A>,
    sockets: Vec<Socket>,
    inbox: Inbox<A::Mail>,
    buffers: ReceiveBuffers,
    /// Whether the kernel's send buffer was full.
    send_blocked: bool,
}

impl<A: Application> EventLoop<A> {
    /// Puts a shard on the sockets of its addresses, in the same order.
    pub fn new(mut shard: Shard<A>, sockets: Vec<Socket>, inbox: Inbox<A::Mail>) -> Self {
        for (binding, socket) in sockets.iter().enumerate() {
            shard.set_gso_segments(binding, socket.gso_segments());
        }
        Self {
            shard,
            sockets,
            inbox,
            buffers: ReceiveBuffers::new(),
            send_blocked: false,
        }
    }

    /// Runs until the shard has shut down; gives its application back.
    ///
    /// # Errors
    /// The system's, if waiting fails.
    pub fn run(mut self) -> io::Result<A> {
        self.shard.start(clock());
        loop {
            let now = clock();
            self.shard.handle_timeouts(now);
            self.receive(now);
            self.read_mail(now);
            self.drive_and_send(now);
            if self.shard.is_finished(now) {
                return Ok(self.shard.into_application());
            }
            self.wait(now)?;
        }
    }

    fn receive(&mut self, now: Instant) {
        let shard = &mut self.shard;
        for (binding, socket) in self.sockets.iter().enumerate() {
            while let Some((peer, reason)) = socket.next_error() {
                shard.handle_unreachable(now, peer, &reason);
            }
            for _ in 0..RECEIVE_BATCHES_PER_TURN {
                let received = socket.receive(binding, &mut self.buffers, |received| {
                    shard.handle_datagram(now, received);
                });
                // Errors of single datagrams are the network's losses; a
                // socket that is broken for good shows as a connection that
                // times out.
                match received {
                    Ok(quinn_udp::BATCH_SIZE) => {}
                    Ok(_) | Err(_) => break,
                }
            }
        }
    }

    fn read_mail(&mut self, now: Instant) {
        let rang = self.inbox.answer();
        while let Some(mail) = self.inbox.next() {
            self.shard.handle_mail(now, mail);
        }
        if rang {
            self.shard.handle_wake(now);
        }
    }

    /// Drives the shard and sends what it has, until it is quiet or the
    /// kernel takes no more.
    fn drive_and_send(&mut self, now: Instant) {
        self.send_blocked = false;
        loop {
            self.shard.drive(now);
            let full = self.shard.is_full();
            while let Some(datagram) = self.shard.pop_datagram() {
                match self.send(now, &datagram) {
                    Sent::Done => self.shard.recycle(datagram.contents),
                    Sent::Blocked => {
                        self.shard.put_back(datagram);
                        self.send_blocked = true;
                        return;
                    }
                }
            }
            if !full {
                return;
            }
        }
    }

    fn send(&mut self, now: Instant, datagram: &Datagram) -> Sent {
        let socket = &self.sockets[datagram.binding];
        let Err(error) = socket.send(datagram) else {
            return Sent::Done;
        };
        if error.kind() == io::ErrorKind::WouldBlock {
            return Sent::Blocked;
        }
        // A datagram too long for the path is a failed MTU probe; to the
        // state machine every failure is a lost datagram.
        if quinn_udp::is_msg_size_err(&error) {
            return Sent::Done;
        }
        self.shard
            .set_gso_segments(datagram.binding, socket.gso_segments());
        if datagram.segment_size.is_some() && socket.send_singly(datagram).is_ok() {
            return Sent::Done;
        }
        self.shard
            .handle_unreachable(now, datagram.destination, &error);
        Sent::Done
    }

    fn wait(&mut self, now: Instant) -> io::Result<()> {
        let timeout = if self.shard.is_dirty() && !self.send_blocked {
            Some(Duration::ZERO)
        } else {
            let deadline = self.shard.deadline();
            deadline.map(|deadline| deadline.saturating_duration_since(now.max(clock())))
        };
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut interest = PollFlags::IN;
        if self.send_blocked {
            interest |= PollFlags::OUT;
        }
        let mut descriptors = Vec::with_capacity(self.sockets.len() + 1);
        descriptors.push(PollFd::from_borrowed_fd(self.inbox.as_fd(), PollFlags::IN));
        for socket in &self.sockets {
            descriptors.push(PollFd::from_borrowed_fd(socket.as_fd(), interest));
        }
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

enum Sent {
    Done,
    Blocked,
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
