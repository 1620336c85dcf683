//! Follows what shards tell, on a thread of its own: whoever looks never holds
//! a connection up.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use crate::{DatagramObserver, Observation, ObservedDatagram};

use super::{
    Sink,
    event::{Event, EventKind},
    tracer::{LossSource, Tracer},
};

/// Bytes of observations that wait to be looked at; more are left out.
pub const QUEUE_BYTES_MAX: usize = 32 << 20;

/// Bytes that an observation takes beside the packets in it.
const OBSERVATION_BYTES: usize = 512;

/// Time for which nothing may be looked at before the end is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A trace that is under way. Clones are the same one.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    commands: Sender<Command>,
    state: Arc<State>,
    ended: Mutex<Receiver<Vec<io::Error>>>,
}

#[derive(Default)]
struct State {
    waiting: AtomicUsize,
    left_out: AtomicU64,
}

enum Command {
    Observed(Vec<ObservedAt>),
    EventsDropped(Duration, u64),
    End,
}

type ObservedAt = (Duration, Arc<Observation>);

/// The result of a trace.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TraceReport {
    /// Observations that were left out because they came faster than they
    /// could be shown.
    pub left_out: u64,
    /// Errors of its sinks.
    pub failures: Vec<io::Error>,
}

impl Trace {
    /// Starts to pass what is seen on to `sinks`.
    ///
    /// # Errors
    /// The system's, if it gives no thread.
    pub fn start(sinks: Vec<Box<dyn Sink>>) -> io::Result<Self> {
        let (commands, taken) = channel();
        let (tell, ended) = channel();
        let state = Arc::<State>::default();
        let shared = state.clone();
        thread::Builder::new().name("trace".into()).spawn(move || {
            let failures = follow(sinks, &taken, &shared);
            // Whoever started it may have gone without finishing it.
            let _ = tell.send(failures);
        })?;
        Ok(Self(Arc::new(Inner {
            commands,
            state,
            ended: Mutex::new(ended),
        })))
    }

    /// Returns what shows the packets of one event loop to the trace; its
    /// shard must trace packets (`ShardConfig::with_packet_tracing` of the engine).
    pub fn observer(&self) -> Box<dyn DatagramObserver> {
        Box::new(TraceObserver {
            trace: self.clone(),
            seen: Vec::new(),
            bytes: 0,
            gap: 0,
        })
    }

    /// Shows what waits and ends the trace. What passes later is not in it.
    ///
    /// Sinks that take nothing for five seconds are given up.
    pub fn finish(&self) -> TraceReport {
        let Inner {
            commands,
            state,
            ended,
        } = &*self.0;
        // A thread that has ended has told why.
        let _ = commands.send(Command::End);
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = state.waiting.load(Relaxed);
        let failures = loop {
            match ended.recv_timeout(PATIENCE) {
                Ok(failures) => break failures,
                Err(RecvTimeoutError::Disconnected) => break Vec::new(),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = state.waiting.load(Relaxed);
            if now >= waiting {
                break vec![io::ErrorKind::TimedOut.into()];
            }
            waiting = now;
        };
        TraceReport {
            left_out: state.left_out.load(Relaxed),
            failures,
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace(…)")
    }
}

/// Makes events until the end; returns what could not be written.
fn follow(
    sinks: Vec<Box<dyn Sink>>,
    commands: &Receiver<Command>,
    state: &State,
) -> Vec<io::Error> {
    let mut tracer = Tracer::new(LossSource::Reported);
    let mut sinks: Vec<Option<Box<dyn Sink>>> = sinks.into_iter().map(Some).collect();
    let mut failures = Vec::new();
    let mut pass_on = |event: &Event<'_>| {
        for place in &mut sinks {
            let Some(sink) = place else {
                continue;
            };
            if let Err(error) = sink.take(event) {
                failures.push(error);
                *place = None;
            }
        }
    };
    for command in commands {
        match command {
            Command::Observed(seen) => {
                for (at, observation) in seen {
                    tracer.observe(at, &observation, &mut pass_on);
                    state.waiting.fetch_sub(weight(&observation), Relaxed);
                }
            }
            Command::EventsDropped(at, count) => {
                // What was acknowledged meanwhile will not be said again.
                tracer.lighten();
                pass_on(&Event {
                    at,
                    connection: None,
                    kind: EventKind::EventsDropped { count },
                });
            }
            Command::End => break,
        }
    }
    for sink in sinks.iter_mut().flatten() {
        failures.extend(sink.finish().err());
    }
    failures
}

fn weight(observation: &Observation) -> usize {
    match observation {
        Observation::Datagram(datagram) => {
            OBSERVATION_BYTES + 2 * datagram.size + size_of_val(&*datagram.packets)
        }
        _ => OBSERVATION_BYTES,
    }
}

/// Shows the packets of one event loop to a trace.
struct TraceObserver {
    trace: Trace,
    /// Observations since the last flush.
    seen: Vec<ObservedAt>,
    bytes: usize,
    /// Observations that were left out since the last that was not.
    gap: u64,
}

impl TraceObserver {
    fn command(&self, command: Command) {
        // Nobody looks any more once the trace has ended.
        let _ = self.trace.0.commands.send(command);
    }
}

impl DatagramObserver for TraceObserver {
    fn see(&mut self, _: &ObservedDatagram<'_>) {}

    fn observe(&mut self, at: Duration, observation: &Arc<Observation>) {
        let state = &self.trace.0.state;
        let bytes = weight(observation);
        if state.waiting.load(Relaxed) + self.bytes + bytes > QUEUE_BYTES_MAX {
            self.gap += 1;
            state.left_out.fetch_add(1, Relaxed);
            return;
        }
        if self.gap > 0 {
            self.flush();
            self.command(Command::EventsDropped(at, self.gap));
            self.gap = 0;
        }
        self.bytes += bytes;
        self.seen.push((at, observation.clone()));
    }

    fn flush(&mut self) {
        if !self.seen.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            self.trace.0.state.waiting.fetch_add(bytes, Relaxed);
            let seen = std::mem::take(&mut self.seen);
            self.command(Command::Observed(seen));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use crate::{DecodedDatagram, Direction};

    use super::*;

    /// Takes an event when it is told to, and all once nobody can tell it.
    struct SlowSink {
        allowed: Receiver<()>,
        told: Sender<String>,
    }

    impl Sink for SlowSink {
        fn take(&mut self, event: &Event<'_>) -> io::Result<()> {
            let _ = self.allowed.recv();
            let words = match &event.kind {
                EventKind::Datagram(datagram) => format!("{} bytes", datagram.size),
                EventKind::EventsDropped { count } => format!("{count} left out"),
                what => format!("{what:?}"),
            };
            let _ = self.told.send(words);
            Ok(())
        }
    }

    struct FailingSink;

    impl Sink for FailingSink {
        fn take(&mut self, _: &Event<'_>) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    fn datagram(size: usize) -> Arc<Observation> {
        Arc::new(Observation::Datagram(DecodedDatagram {
            connection: None,
            direction: Direction::Received,
            local: "127.0.0.1:1".parse().expect("an address"),
            remote: "127.0.0.1:2".parse().expect("an address"),
            ecn: 0,
            size,
            packets: Vec::new(),
            unsent: None,
        }))
    }

    #[test]
    fn a_slow_look_leaves_out_and_says_how_much_and_never_waits() {
        let (allow, allowed) = channel();
        let (told, heard) = channel();
        let sinks: Vec<Box<dyn Sink>> =
            vec![Box::new(FailingSink), Box::new(SlowSink { allowed, told })];
        let trace = Trace::start(sinks).expect("there is a thread");
        let mut observer = trace.observer();
        let each = weight(&datagram(60_000));
        let fits = QUEUE_BYTES_MAX / each;
        for _ in 0..fits + 10 {
            observer.observe(Duration::ZERO, &datagram(60_000));
            observer.flush();
        }
        drop(allow);
        for _ in 0..fits {
            assert_eq!(heard.recv().expect("it goes on"), "60000 bytes");
        }
        while trace.0.state.waiting.load(Relaxed) > 0 {
            thread::yield_now();
        }
        observer.observe(Duration::ZERO, &datagram(1));
        observer.flush();
        let report = trace.finish();
        let rest: Vec<String> = heard.iter().collect();
        assert_eq!(rest, ["10 left out", "1 bytes"]);
        assert_eq!(report.left_out, 10);
        assert_eq!(report.failures.len(), 1, "the other sink has failed once");
    }
}
