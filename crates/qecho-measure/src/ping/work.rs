//! What is done on a connection once it is there, way by way.

use std::time::{Duration, Instant};

use qecho_engine::{Connection, Event};

use super::{
    config::Mode,
    datagram::Datagrams,
    early::EarlyMessage,
    onlooker::Findings,
    payload::{Payload, stamp},
    probes::{Answer, Probe, Probes},
    report::{Content, Early, Failure, HostEvent, Measure, Phases, Reply},
    stream::Stream,
    times::Times,
};

/// Pings that are sent in one turn; more wait for the next.
const SENDS_PER_TURN_MAX: usize = 64;

/// Time for which the first PING frame waits for the handshake to be
/// confirmed.
const CONFIRMATION_PATIENCE: Duration = Duration::from_secs(1);

/// The transport parameter that says in what units the peer tells for how
/// long it held an acknowledgement back, and its default (RFC 9000 §18.2).
const ACK_DELAY_EXPONENT: u64 = 0x0a;
const ACK_DELAY_EXPONENT_DEFAULT: u64 = 3;
const ACK_DELAY_EXPONENT_MAX: u64 = 20;

/// What is done, and how it stands.
#[derive(Debug)]
pub(super) enum Work {
    Stream(Stream),
    Datagrams(Datagrams),
    Frames(Frames),
    Handshakes(Box<Handshakes>),
}

/// PING frames, one at a time.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// How much later than intended the last one was sent.
    lateness: Duration,
    less_ack_delay: Times,
    /// When the first is sent although the handshake is not confirmed.
    begins_at: Option<Instant>,
    has_begun: bool,
}

/// Connections, one at a time.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// When the one under way was complete, from its beginning.
    pub(super) complete: Option<Duration>,
    /// How much later than intended it was begun.
    pub(super) lateness: Duration,
    /// What was sent on it as early as possible.
    pub(super) early: Option<EarlyMessage>,
    first_reply: Times,
    confirmed: Times,
    echoed: Times,
}

/// What the work is done with.
pub(super) struct Context<'c, 'a> {
    pub(super) connection: &'c mut Connection<'a>,
    pub(super) probes: &'c mut Probes,
    pub(super) findings: &'c Findings,
    /// When the ping began: stamps count from there.
    pub(super) epoch: Instant,
    /// Bytes of a message.
    pub(super) size: usize,
    /// Whether a message is sent as early as possible.
    pub(super) early_data: bool,
    pub(super) tell: &'c mut dyn FnMut(HostEvent),
}

impl Context<'_, '_> {
    fn payload(&self, probe: Probe) -> Payload {
        Payload::of(probe, self.epoch, self.size)
    }

    /// Notes that a message has come back, and tells of it.
    fn echoed(&mut self, payload: Payload) -> Result<(), Failure> {
        let Payload {
            sequence,
            stamp: came,
            size,
        } = payload;
        if let Some(intended) = self.probes.intended(sequence)
            && (stamp(self.epoch, intended), self.size) != (came, size)
        {
            return Err(Failure::Differs { sequence });
        }
        let answer = self.probes.answer(self.connection.now(), sequence);
        let bytes = size;
        self.tell(sequence, answer, Content::Echo { bytes });
        Ok(())
    }

    fn tell(&mut self, sequence: u64, answer: Answer, content: Content) {
        let reply = |time| Reply {
            sequence,
            time,
            address: self.connection.remote_address(),
            content,
        };
        let news = match answer {
            Answer::Reply(time) => HostEvent::Reply(reply(time)),
            Answer::Late(time) => HostEvent::Late(reply(time)),
            Answer::Duplicate => HostEvent::Duplicate { sequence },
            Answer::Unknown => return,
        };
        (self.tell)(news);
    }
}

impl Work {
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
            Self::Frames(_) | Self::Handshakes(_) => true,
        }
    }

    /// Returns when the work itself wants to go on.
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
                if !datagrams.are_possible(context.connection, context.size)? {
                    return Ok(());
                }
                context.probes.begin(now);
            }
            Self::Frames(frames) => {
                if !frames.may_begin(context) {
                    return Ok(());
                }
                context.probes.begin(now);
                frames.look(context);
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
                datagrams.advance(context.connection)?;
            }
            Self::Handshakes(handshakes) => {
                if let (Some(early), Event::Readable(id)) = (&mut handshakes.early, event) {
                    early.read(context.connection, *id)?;
                }
            }
            Self::Frames(_) => {}
        }
        self.advance(context)
    }

    /// Tells why nothing can be hoped for any more, now that a ping was given
    /// up.
    pub(super) fn despair(&self, probes: &Probes) -> Option<Failure> {
        let Self::Stream(stream) = self else {
            return None;
        };
        if !stream.is_open() {
            return Some(Failure::NoStream);
        }
        let stuck = !stream.has_room() && probes.current().is_none();
        stuck.then_some(Failure::Silent(super::config::UNANSWERED_MAX))
    }

    /// Returns the times that were measured beside those that count.
    pub(super) fn other_times(&self) -> Vec<(Measure, Times)> {
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

impl Frames {
    /// Tells whether the handshake is out of the way: what is sent before it is
    /// confirmed shares datagrams with it, and waits for the peer's TLS.
    fn may_begin(&mut self, context: &Context<'_, '_>) -> bool {
        if self.has_begun {
            return true;
        }
        let now = context.connection.now();
        let number = context.connection.number();
        let phases = number.map(|number| context.findings.phases(number));
        let is_confirmed = phases.is_some_and(|(_, confirmed)| confirmed.is_some());
        let begins_at = *self.begins_at.get_or_insert(now + CONFIRMATION_PATIENCE);
        self.has_begun = is_confirmed || begins_at <= now;
        if self.has_begun {
            self.begins_at = None;
        }
        self.has_begun
    }

    fn send(&mut self, context: &mut Context<'_, '_>, probe: Probe) {
        let now = context.connection.now();
        self.lateness = now.saturating_duration_since(probe.intended);
        if let Some(number) = context.connection.number() {
            context.findings.expect_ping(number);
        }
        context.connection.ping();
    }

    /// Looks whether the PING under way was acknowledged.
    fn look(&mut self, context: &mut Context<'_, '_>) {
        let number = context.connection.number();
        let acknowledged = number.and_then(|number| context.findings.acknowledged(number));
        let (Some(acknowledged), Some(probe)) = (acknowledged, context.probes.current()) else {
            return;
        };
        let delay = acknowledged
            .delay
            .map(|units| ack_delay(context.connection, units));
        let time = acknowledged.round_trip + self.lateness;
        if let Some(delay) = delay {
            self.less_ack_delay.add(time.saturating_sub(delay));
        }
        let now = context.connection.now();
        let answer = context.probes.answer_after(now, probe.sequence, time);
        context.tell(probe.sequence, answer, Content::Acknowledgement { delay });
    }
}

/// Returns for how long the peer says that it held an acknowledgement back.
fn ack_delay(connection: &Connection<'_>, units: u64) -> Duration {
    let exponent = connection
        .handshake()
        .and_then(|handshake| handshake.peer_parameters.integer(ACK_DELAY_EXPONENT))
        .unwrap_or(ACK_DELAY_EXPONENT_DEFAULT)
        .min(ACK_DELAY_EXPONENT_MAX);
    Duration::from_micros(units.saturating_mul(1 << exponent))
}

impl Handshakes {
    /// Notes that the connection under way is complete.
    pub(super) fn completed(&mut self, connection: &Connection<'_>) {
        self.complete = Some(connection.now() - connection.began());
    }

    /// Tells of the connection under way if it is confirmed, or if it is
    /// complete and `patience_ends`; tells whether that was so.
    pub(super) fn finish(&mut self, context: &mut Context<'_, '_>, patience_ends: bool) -> bool {
        let (Some(complete), Some(probe)) = (self.complete, context.probes.current()) else {
            return false;
        };
        let number = context.connection.number();
        let phases = number.map(|number| context.findings.phases(number));
        let (first_reply, confirmed) = phases.unwrap_or_default();
        let is_awaited = matches!(&self.early, Some(early) if early.is_awaited());
        if (confirmed.is_none() || is_awaited) && !patience_ends {
            return false;
        }
        self.complete = None;
        let early = self.early.take();
        let echoed = early.as_ref().and_then(|early| early.echoed);
        for (time, times) in [
            (echoed, &mut self.echoed),
            (first_reply, &mut self.first_reply),
            (confirmed, &mut self.confirmed),
        ] {
            if let Some(time) = time {
                times.add(time);
            }
        }
        let now = context.connection.now();
        let time = complete + self.lateness;
        let answer = context.probes.answer_after(now, probe.sequence, time);
        let handshake = context.connection.handshake();
        let phases = Phases {
            first_reply,
            complete,
            confirmed,
            resumed: handshake.is_some_and(|handshake| handshake.resumed),
            early: context.early_data.then(|| Early {
                early_data: handshake.and_then(|handshake| handshake.early_data),
                echoed,
            }),
        };
        context.tell(probe.sequence, answer, Content::Handshake(phases));
        true
    }
}
