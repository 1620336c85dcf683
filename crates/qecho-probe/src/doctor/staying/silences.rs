//! Silences: whether the way back is still known after one.
//!
//! Connections are silent beside one another, so that the longest silence is what it takes.

mod judging;

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use qecho_packet::{
    TransportParameters,
    wire::{Frame, VersionRequest},
};
use qecho_peer::{
    endpoint::{ClientConfig, integer_value},
    network::Ecn,
    packet::{Packet, one_rtt},
};

pub(super) use self::judging::judge;
use crate::doctor::reached::{Connection, Reached};

/// Silences of the first round.
const SECONDS: [u64; 8] = [5, 10, 20, 30, 45, 60, 90, 120];
/// Silences after which the way back is not known any more: after so many, no longer ones are waited
/// for.
const TOO_LONG_ENOUGH: usize = 2;
/// Silences between two of them in the second, at most.
const BETWEEN_MAX: u64 = 9;
/// The idle timeout that is asked for: longer than all silences together with what is around.
const IDLE_TIMEOUT_MS: u64 = 600_000;
/// Time by which a silence ends before the idle timeout does, at least.
const MARGIN: Duration = Duration::from_secs(2);
/// Round-trip times for the same: ends do not agree on the moment of the last packet.
const MARGIN_ROUND_TRIPS: u32 = 4;
/// Time in which a server says all that it has to say at the beginning.
const FIRST_WORDS: Duration = Duration::from_millis(500);
/// Bytes of the PING that ends a silence: three times as many are room for PATH_CHALLENGE.
const PING_SIZE: usize = 600;

/// Outcome of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The PING after it is answered as before.
    Kept,
    /// The server sees another address: it sends PATH_CHALLENGE.
    Moved,
    /// Nothing comes, and new connections pass.
    Silent,
    /// It cannot be told: the server has ended the connection, or nothing passes any more.
    Untold,
}

impl Outcome {
    fn is_forgotten(self) -> bool {
        matches!(self, Self::Moved | Self::Silent)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Kept => "the answer comes as before",
            Self::Moved => "the server sees another address (PATH_CHALLENGE)",
            Self::Silent => "no answer comes, while new connections pass",
            Self::Untold => "nothing can be said",
        }
    }
}

/// Outcome of a silence as long as the shortest that is not kept, beside connections of the same
/// age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Confirmation {
    /// One that is kept alive.
    pub(super) alive: Outcome,
    /// One that is silent, too, while datagrams that are not of it go on from its port: a NAT knows
    /// the port then, so that only the server can have given it up.
    pub(super) beside: Outcome,
    pub(super) silent: Outcome,
    /// True length of the silence.
    pub(super) length: Duration,
}

/// Silences and what came of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Silences {
    /// By the length that they really had.
    pub(super) tried: Vec<(Duration, Outcome)>,
    /// Outcome of the shortest that is not kept once more, if there is one.
    pub(super) confirmed: Option<Confirmation>,
    /// The idle timeout that both ends agree on.
    pub(super) idle_timeout: Option<Duration>,
}

/// A connection in its silence.
struct Silent {
    connection: Connection,
    since: Instant,
    length: Duration,
}

/// Lets connections be silent, for longer and longer.
///
/// # Errors
/// Nothing can be said of silences, and why.
pub(super) fn observe(reached: &mut Reached<'_>) -> Result<Silences, &'static str> {
    let first = connect(reached).ok_or("no further connection comes about")?;
    let idle_timeout = idle_timeout(&first);
    let longest = idle_timeout.map(|it| it.saturating_sub(margin(reached.round_trip)));
    let longest = longest.unwrap_or(Duration::MAX);
    drop(first);
    if longest < Duration::from_secs(SECONDS[0]) {
        return Err("the idle timeout is too short");
    }
    let mut lengths: Vec<_> = SECONDS.map(Duration::from_secs).into();
    let is_cut = lengths.last().is_some_and(|last| *last > longest);
    lengths.retain(|length| *length < longest);
    lengths.extend(is_cut.then_some(longest));
    let mut silences = Silences {
        idle_timeout,
        ..Silences::default()
    };
    // The shortest begins last: it would be over before the others have begun.
    lengths.reverse();
    reached.tries(&format!("silences of up to {} s", lengths[0].as_secs()));
    round(reached, &lengths, &mut silences);
    if let Some((kept, forgotten)) = silences.edge() {
        let (low, high) = (kept.as_secs(), forgotten.as_secs());
        let step = (high - low).div_ceil(BETWEEN_MAX + 1);
        let step = step.max(least_step(reached.round_trip));
        let between = (low + 1..high).filter(|second| (second - low).is_multiple_of(step));
        let between: Vec<_> = between.map(Duration::from_secs).collect();
        reached.tries(&format!("silences between {low} and {high} s"));
        round(reached, &between, &mut silences);
    }
    if let Some((_, forgotten)) = silences.edge() {
        reached.tries(&format!("a silence of {} s once more", forgotten.as_secs()));
        silences.confirmed = confirm(reached, forgotten);
    }
    match silences.tried.is_empty() {
        true => Err("no connection lives long enough"),
        false => Ok(silences),
    }
}

/// Returns the idle timeout that both ends agree on: the server's, which is shorter.
fn idle_timeout(connection: &Connection) -> Option<Duration> {
    let parameters = connection.endpoint().peer_parameters();
    parameters.and_then(TransportParameters::max_idle_timeout)
}

/// Returns the time by which a silence ends before the idle timeout does.
fn margin(round_trip: Duration) -> Duration {
    MARGIN.max(round_trip * MARGIN_ROUND_TRIPS)
}

/// Returns the seconds between two silences: no fewer than it takes to end one, or the next would be
/// longer than it ought to be.
fn least_step(round_trip: Duration) -> u64 {
    const SLACK: Duration = Duration::from_millis(200);
    let least = round_trip * 4 + SLACK;
    least.as_secs() + u64::from(least.subsec_nanos() > 0)
}

/// Tries silences beside one another, from the first that ends on, until two are too long.
fn round(reached: &mut Reached<'_>, lengths: &[Duration], silences: &mut Silences) {
    let mut silent: Vec<_> = lengths
        .iter()
        .filter_map(|length| fall_silent(connect(reached)?, *length))
        .collect();
    silent.sort_by_key(|one| one.since + one.length);
    let mut too_long = 0;
    for one in silent {
        let (length, outcome) = end(reached, one);
        silences.tried.push((length, outcome));
        too_long += usize::from(outcome.is_forgotten());
        if too_long == TOO_LONG_ENOUGH {
            break;
        }
    }
    silences.tried.sort_by_key(|(length, _)| *length);
}

/// Keeps one connection alive, and the port of another one, beside one that is silent; returns what
/// comes of all.
///
/// The silent ones begin after a third of their time, and the other is judged just before they end:
/// then none waits for another.
fn confirm(reached: &mut Reached<'_>, forgotten: Duration) -> Option<Confirmation> {
    let mut alive = fall_silent(connect(reached)?, keep_alive(forgotten))?;
    alive.connection.probe.settle(forgotten / 3);
    let mut beside = fall_silent(connect(reached)?, forgotten)?;
    let silent = fall_silent(connect(reached)?, forgotten)?;
    let until = alive.since + alive.length;
    wait(&mut alive.connection, until);
    let ping = |packet: Packet| packet.pad_to(PING_SIZE);
    if !alive.connection.answers_to(ping) {
        return None;
    }
    let alive = fall_silent(alive.connection, alive.length)?;
    for part in 1..3 {
        let until = beside.since + forgotten * part / 3;
        request_versions(&mut beside.connection, until);
    }
    let (_, alive) = end(reached, alive);
    let (_, beside) = end(reached, beside);
    let (length, silent) = end(reached, silent);
    Some(Confirmation {
        alive,
        beside,
        silent,
        length,
    })
}

/// Sends a request for versions, which is no packet of the connection, from its port at a time.
fn request_versions(connection: &mut Connection, at: Instant) {
    let rest = at.saturating_duration_since(connection.now());
    connection.probe.settle(rest);
    let endpoint = connection.probe.endpoint_mut();
    let nonce = RandomState::new().hash_one(at);
    let request = VersionRequest { nonce, sequence: 0 };
    endpoint.send_raw(endpoint.path(), request.datagram(), Ecn::NotEct);
    connection.probe.flush();
}

/// Returns the interval of PING frames that keeps a mapping of this life alive.
fn keep_alive(forgotten: Duration) -> Duration {
    Duration::from_secs((forgotten.as_secs() * 2 / 3).max(1))
}

fn connect(reached: &mut Reached<'_>) -> Option<Connection> {
    let is_idle_timeout = |id: u64| id == TransportParameters::MAX_IDLE_TIMEOUT;
    let patient = |config: &mut ClientConfig| {
        config.parameters.retain(|(id, _)| !is_idle_timeout(*id));
        let value = integer_value(IDLE_TIMEOUT_MS);
        config
            .parameters
            .push((TransportParameters::MAX_IDLE_TIMEOUT, value));
    };
    reached.connect_with(&patient)
}

/// Says nothing more on a connection, once the server has said what it has to say: neither
/// acknowledgements nor answers.
fn fall_silent(mut connection: Connection, length: Duration) -> Option<Silent> {
    if !connection.answers() {
        return None;
    }
    connection.probe.settle(FIRST_WORDS);
    let behaviour = &mut connection.probe.endpoint_mut().behaviour;
    behaviour.acknowledges = false;
    behaviour.resends = false;
    behaviour.answers_path_challenges = false;
    behaviour.gives_credit = false;
    let datagrams = &connection.endpoint().record().datagrams;
    let since = datagrams.last().map_or(connection.now(), |last| last.at);
    Some(Silent {
        connection,
        since,
        length,
    })
}

/// Waits in silence.
fn wait(connection: &mut Connection, until: Instant) {
    let rest = until.saturating_duration_since(connection.now());
    connection.probe.settle(rest);
    let behaviour = &mut connection.probe.endpoint_mut().behaviour;
    behaviour.acknowledges = true;
    behaviour.answers_path_challenges = true;
}

/// Ends a silence by a PING; returns how long it really was, and what comes of it.
fn end(reached: &mut Reached<'_>, silent: Silent) -> (Duration, Outcome) {
    let Silent {
        mut connection,
        since,
        length,
    } = silent;
    wait(&mut connection, since + length);
    let length = connection.now().saturating_duration_since(since);
    // Where others took long, the idle timeout may be too near.
    let latest = idle_timeout(&connection).map(|it| it - margin(reached.round_trip).min(it) / 2);
    let is_late = latest.is_some_and(|latest| length > latest);
    let outcome = match is_late || connection.is_over() || reached.world.is_stopped() {
        true => Outcome::Untold,
        false => ask(reached, &mut connection),
    };
    (length, outcome)
}

/// Asks a connection that was silent, and tells what comes of it.
fn ask(reached: &mut Reached<'_>, connection: &mut Connection) -> Outcome {
    let before = connection.endpoint().received().len();
    let is_answered = connection.answers_to(|packet| packet.pad_to(PING_SIZE));
    // PATH_CHALLENGE may come behind the acknowledgement.
    connection.send(one_rtt([Frame::Ping]).pad_to(PING_SIZE));
    let rest = connection.usual_wait() * 2;
    connection.probe.settle(rest);
    if connection.is_over() {
        return Outcome::Untold;
    }
    let packets = connection.endpoint().received().iter().skip(before);
    let is_challenge = |frame: &Frame<'_>| matches!(frame, Frame::PathChallenge { .. });
    let mut frames = packets.flat_map(|packet| packet.frames());
    let is_challenged = frames.any(|frame| is_challenge(&frame));
    if is_challenged {
        return Outcome::Moved;
    }
    if is_answered {
        return Outcome::Kept;
    }
    match connect(reached).is_some_and(|mut other| other.answers()) {
        true => Outcome::Silent,
        false => Outcome::Untold,
    }
}

impl Silences {
    /// Returns the longest silence that is kept and the shortest that is not, if all that are
    /// shorter are kept and all that are longer are not.
    fn edge(&self) -> Option<(Duration, Duration)> {
        let told = self
            .tried
            .iter()
            .filter(|(_, outcome)| *outcome != Outcome::Untold);
        let (kept, forgotten): (Vec<_>, Vec<_>) =
            told.partition(|(_, outcome)| *outcome == Outcome::Kept);
        let kept = kept.iter().map(|(length, _)| *length).max();
        let kept = kept.unwrap_or(Duration::ZERO);
        let forgotten = forgotten.iter().map(|(length, _)| *length).min()?;
        (kept < forgotten).then_some((kept, forgotten))
    }

    fn outcome(&self, length: Duration) -> Outcome {
        let tried = self.tried.iter().find(|(tried, _)| *tried == length);
        tried.map_or(Outcome::Untold, |(_, outcome)| *outcome)
    }
}
