//! Workload of a host, mode by mode.

use std::time::Instant;

use qecho_engine::Event;

use super::{
    config::{Config, Mode, UNANSWERED_MAX},
    context::Context,
    datagram::Datagrams,
    frames::Frames,
    handshakes::Handshakes,
    probes::Probes,
    report::{Failure, Measure},
    stream::Stream,
};
use crate::latency::LatencyRecorder;

/// Pings that are sent in one turn; more wait for the next.
const SENDS_PER_TURN_MAX: usize = 64;

/// Workload of a host, and its state.
#[derive(Debug)]
pub(super) enum Workload {
    Stream(Stream),
    Datagrams(Datagrams),
    Frames(Frames),
    Handshakes(Box<Handshakes>),
}

impl Workload {
    pub(super) fn new(over: Mode) -> Self {
        match over {
            Mode::Datagram => Self::Datagrams(Datagrams::default()),
            Mode::Frame => Self::Frames(Frames::default()),
            Mode::Handshake => Self::Handshakes(Box::default()),
            // Version negotiation needs no connection, and is not done here.
            Mode::Stream | Mode::VersionNegotiation => Self::Stream(Stream::default()),
        }
    }

    /// Tells whether a ping that is due can be sent.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.has_room(),
            Self::Datagrams(datagrams) => datagrams.has_room(),
            Self::Frames(frames) => frames.has_begun,
            Self::Handshakes(_) => true,
        }
    }

    /// Forgets the connection, of which no answer can come any more.
    pub(super) fn restart(&mut self) {
        match self {
            Self::Stream(stream) => *stream = Stream::default(),
            Self::Datagrams(datagrams) => *datagrams = Datagrams::default(),
            Self::Frames(frames) => frames.restart(),
            Self::Handshakes(_) => {}
        }
    }

    /// Returns when the workload itself wants a turn.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Datagrams(datagrams) => datagrams.deadline(),
            Self::Frames(frames) => frames.begins_at,
            _ => None,
        }
    }

    /// Sends what is due and can be sent.
    pub(super) fn advance(&mut self, context: &mut Context<'_, '_>) -> Result<(), Failure> {
        let now = context.connection.now();
        match self {
            Self::Stream(_) => context.probes.begin(now),
            Self::Datagrams(datagrams) => {
                let Config { size, timeout, .. } = *context.settings;
                if !datagrams.are_possible(context.connection, size, timeout)? {
                    return Ok(());
                }
                context.probes.begin(now);
            }
            Self::Frames(frames) => {
                if !frames.may_begin(context) {
                    return Ok(());
                }
                context.probes.begin(now);
                frames.poll(context);
            }
            // Its pings begin before there is a connection.
            Self::Handshakes(_) => return Ok(()),
        }
        for _ in 0..SENDS_PER_TURN_MAX {
            if !self.has_room() {
                break;
            }
            let Some(probe) = context.probes.take(now) else {
                break;
            };
            let payload = context.payload(probe);
            match self {
                Self::Stream(stream) => stream.send(context.connection, payload)?,
                Self::Datagrams(datagrams) => datagrams.send(context.connection, payload)?,
                Self::Frames(frames) => frames.send(context, probe),
                Self::Handshakes(_) => {}
            }
        }
        Ok(())
    }

    /// Handles an event of the connection.
    pub(super) fn handle_event(
        &mut self,
        context: &mut Context<'_, '_>,
        event: &Event,
    ) -> Result<(), Failure> {
        match self {
            Self::Stream(stream) => {
                let mut whole = Vec::new();
                let read = stream.handle_event(context.connection, event, &mut whole);
                for payload in whole {
                    context.echoed(payload)?;
                }
                read?;
            }
            Self::Datagrams(datagrams) => {
                if matches!(event, Event::DatagramReceived) {
                    for payload in Datagrams::receive(context.connection)? {
                        context.echoed(payload)?;
                    }
                }
                datagrams.send_blocked(context.connection)?;
            }
            Self::Handshakes(handshakes) => match (&mut handshakes.early, event) {
                (_, Event::Connected) => handshakes.connected(context),
                (Some(early), Event::Readable(id)) => early.read(context.connection, *id)?,
                _ => {}
            },
            Self::Frames(_) => {}
        }
        self.advance(context)
    }

    /// Returns the fatal error if, after this timeout, no later ping can succeed.
    pub(super) fn fatal_error(&self, probes: &Probes) -> Option<Failure> {
        let Self::Stream(stream) = self else {
            return None;
        };
        if !stream.is_open() {
            return Some(Failure::NoStream);
        }
        let stuck = !stream.has_room() && probes.current().is_none();
        stuck.then_some(Failure::Silent(UNANSWERED_MAX))
    }

    /// Returns the times that were measured beside the pings' own.
    pub(super) fn other_times(&self) -> Vec<(Measure, LatencyRecorder)> {
        match self {
            Self::Stream(_) | Self::Datagrams(_) => Vec::new(),
            Self::Frames(frames) => vec![(Measure::LessAckDelay, frames.less_ack_delay.clone())],
            Self::Handshakes(handshakes) => vec![
                (Measure::FirstReply, handshakes.first_reply.clone()),
                (Measure::Confirmed, handshakes.confirmed.clone()),
                (Measure::Echoed, handshakes.echoed.clone()),
            ],
        }
    }
}
