//! Drives a forwarder on real sockets.

use std::{collections::BTreeMap, io, time::Instant};

use qecho_engine::{
    Forwarder, ForwarderOutput,
    limits::{COMMANDS_PER_TURN_MAX, RECEIVE_BATCHES_PER_TURN},
};
use rustix::event::PollFlags;

use super::{clock, receive_times::ReceiveTimes, wait::wait_for};
use crate::{
    Mailbox, Runner, StartError,
    mailbox::{Inbox, mailbox},
    socket::{ReceiveBuffers, ReceiveErrors, Socket},
};

/// A forwarder with its sockets and mailbox.
pub struct ForwardingLoop<F: Forwarder> {
    thread: &'static str,
    mailbox: Mailbox<F::Command>,
    forwarder: F,
    /// By the forwarder's numbers.
    sockets: BTreeMap<usize, Socket>,
    inbox: Inbox<F::Command>,
    buffers: ReceiveBuffers,
    /// Whether something was left for the next turn.
    unread: bool,
    /// `None` where the time of a turn is enough.
    times: Option<ReceiveTimes>,
}

impl<F: Forwarder> ForwardingLoop<F> {
    /// Puts a forwarder on the sockets that it has from the start, numbered
    /// from 0, for a thread that errors describe, as in "the relay's thread".
    ///
    /// # Errors
    /// [`StartError`] if there is no file descriptor.
    pub fn new(
        thread: &'static str,
        forwarder: F,
        sockets: Vec<Socket>,
    ) -> Result<Self, StartError> {
        let (mailbox, inbox) = mailbox().map_err(StartError::thread(thread))?;
        Ok(Self {
            thread,
            mailbox,
            forwarder,
            sockets: sockets.into_iter().enumerate().collect(),
            inbox,
            buffers: ReceiveBuffers::new(),
            unread: false,
            times: None,
        })
    }

    /// Hands on each datagram that comes to the first sockets with the instant at which it
    /// was received, as [`EventLoop::with_receive_times`](super::EventLoop) does.
    pub fn with_receive_times(mut self) -> Self {
        for socket in self.sockets.values() {
            // Else the batches' times are taken.
            socket.tell_times();
        }
        self.times = Some(ReceiveTimes::new());
        self
    }

    /// Calls `work`, which is to [`run`](Self::run) the forwarder, on a thread of this name.
    ///
    /// # Errors
    /// [`StartError`] if the system gives no thread.
    pub fn start<T: Send + 'static>(
        self,
        name: impl Into<String>,
        work: impl FnOnce(Self) -> io::Result<T> + Send + 'static,
    ) -> Result<Runner<T, F::Command>, StartError>
    where
        F: Send + 'static,
    {
        let mailbox = self.mailbox.clone();
        Runner::start(self.thread, name.into(), mailbox, || work(self))
    }

    /// Runs until the forwarder has ended; gives it back.
    ///
    /// # Errors
    /// The system's, if waiting fails.
    pub fn run(mut self) -> io::Result<F> {
        loop {
            let now = clock();
            self.unread = false;
            // Before the datagrams: what is sent after a command comes after it.
            self.handle_commands(now);
            self.receive(now);
            self.forwarder.handle_timeouts(now);
            while let Some(output) = self.forwarder.poll_output() {
                self.carry_out(now, output);
            }
            if self.forwarder.is_finished() {
                return Ok(self.forwarder);
            }
            self.wait()?;
        }
    }

    fn receive(&mut self, now: Instant) {
        if let Some(times) = &mut self.times {
            times.begin_turn(now);
        }
        for (binding, socket) in &self.sockets {
            while let Some((peer, reason)) = socket.next_error() {
                self.forwarder.handle_unreachable(now, peer, &reason);
            }
            for _ in 0..RECEIVE_BATCHES_PER_TURN {
                if let Some(times) = &mut self.times {
                    times.begin_batch();
                }
                let received = socket.receive(*binding, &mut self.buffers, |received, receipt| {
                    let at = self.times.as_mut().map(|times| times.of(receipt.stamp));
                    self.forwarder.handle_datagram(at.unwrap_or(now), received);
                });
                // What is left is there in the next turn; errors of single
                // datagrams are the network's losses.
                if !received.is_ok_and(|batch| batch.is_full) {
                    break;
                }
            }
        }
    }

    fn handle_commands(&mut self, now: Instant) {
        self.inbox.answer();
        for _ in 0..COMMANDS_PER_TURN_MAX {
            let Some(command) = self.inbox.next() else {
                return;
            };
            self.forwarder.handle_command(now, command);
        }
        self.unread = true;
    }

    fn carry_out(&mut self, now: Instant, output: ForwarderOutput) {
        match output {
            ForwarderOutput::Open { binding, address } => {
                match Socket::bind(address, ReceiveErrors::No) {
                    Ok(socket) => drop(self.sockets.insert(binding, socket)),
                    Err(_) => self.forwarder.handle_open_failed(binding),
                }
            }
            ForwarderOutput::Close { binding } => drop(self.sockets.remove(&binding)),
            ForwarderOutput::Send(datagram) => {
                let socket = self.sockets.get(&datagram.binding);
                // The first error may report what became of an earlier one.
                let sent = match socket {
                    Some(socket) => socket.send(&datagram).or_else(|_| socket.send(&datagram)),
                    None => Err(io::ErrorKind::NotConnected.into()),
                };
                if let Err(reason) = sent {
                    self.forwarder.handle_unsent(now, &datagram, &reason);
                }
            }
        }
    }

    fn wait(&mut self) -> io::Result<()> {
        let deadline = match self.unread {
            true => Some(clock()),
            false => self.forwarder.deadline(),
        };
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(clock()));
        let sockets = self.sockets.values().map(|socket| (socket, PollFlags::IN));
        wait_for(&self.inbox, sockets, timeout, |_, _| {})
    }
}
