//! A ping on virtual time, and its events.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

use qecho_echo::{dial::Target, server::Echo};
use qecho_engine::{Application, Shard};
use qecho_measure::ping::{
    Command, Config, Destination, Mode, PingApplication, PingEvent, PingObserver, Reply, Report,
};
use qecho_netsim::{
    link::Conditions,
    simulation::{End, FAR, NEAR, Simulation},
};
use qecho_packet::DatagramObserver;
use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    scenario::{Scenario, good_path},
    seed::ShowsSeed,
};

/// A ping, a server and the path between them.
pub(crate) struct Pinging<F: Application> {
    pub(crate) simulation: Simulation<PingApplication, F>,
    observer: PingObserver,
    began: Instant,
    events: Receiver<PingEvent>,
    pub(crate) seen: Vec<PingEvent>,
    _shows_seed: ShowsSeed,
}

/// Returns a configuration that sends `count` pings, one each 100 ms.
pub(crate) fn config(identity: &Identity, mode: Mode, count: u64) -> Config {
    let target = Target {
        server_name: SERVER_NAME.into(),
        addresses: vec![FAR],
    };
    let verifier = identity.verifier();
    let mut config = Config::new(vec![Destination { target, verifier }]);
    config.mode = mode;
    config.count = Some(count);
    config.interval = Duration::from_millis(100);
    config.timeout = Duration::from_secs(2);
    config
}

/// Begins to ping an echo server on a good path of 5 ms.
pub(crate) fn echo(mode: Mode, count: u64, change: impl FnOnce(&mut Config)) -> Pinging<Echo> {
    let identity = Identity::generate();
    let mut config = config(&identity, mode, count);
    change(&mut config);
    let far = Scenario::seeded(count).server(&identity);
    Pinging::new(&config, far, &good_path(), count)
}

impl<F: Application> Pinging<F> {
    pub(crate) fn new(config: &Config, far: Shard<F>, conditions: &Conditions, seed: u64) -> Self {
        let (tell, events) = channel();
        let sink = move |_, event| {
            // The test may have seen enough.
            let _ = tell.send(event);
        };
        let application =
            PingApplication::new(config, Box::new(sink)).expect("these settings work");
        let observer = application.observer();
        let near = Scenario::seeded(seed).trace_packets().client_config();
        let near = Shard::new(&near, &[NEAR], application).expect("these settings work");
        let simulation = Simulation::new(near, far, conditions, seed);
        Self {
            began: simulation.now(),
            simulation,
            observer,
            events,
            seen: Vec::new(),
            _shows_seed: ShowsSeed(seed),
        }
    }

    /// Lets time pass until the ping has ended, or for so long.
    pub(crate) fn run(&mut self, limit: Duration) -> bool {
        let (observer, began) = (&mut self.observer, self.began);
        let ended = self.simulation.run_until(limit, |both| {
            let now = both.now();
            let observations = both.take_observations(End::Near);
            if !observations.is_empty() {
                for (at, observation) in observations {
                    observer.observe(at - began, &Arc::new(observation));
                }
                both.near.handle_wake(now);
            }
            both.near.is_finished(now)
        });
        self.seen.extend(self.events.try_iter());
        ended
    }

    /// Runs to the end and returns the report.
    pub(crate) fn report(&mut self) -> Report {
        let has_ended = self.run(Duration::from_secs(3_600));
        assert!(has_ended, "it does not end: {:#?}", self.seen);
        let Some(PingEvent::Ended(report)) = self.seen.last() else {
            panic!("the last event is not the end: {:#?}", self.seen);
        };
        let counts = report.counts;
        let known = counts.received + counts.lost + counts.unanswered + counts.left_out;
        assert_eq!(known, counts.sent);
        assert_eq!(self.replies().len() as u64, counts.received);
        assert_eq!(self.lost().len() as u64, counts.lost);
        (**report).clone()
    }

    pub(crate) fn stop(&mut self) {
        let now = self.simulation.now();
        self.simulation.near.handle_command(now, Command::Stop);
    }

    /// Returns what `find` finds in the events so far.
    pub(crate) fn all<'a, T>(&'a self, find: impl Fn(&'a PingEvent) -> Option<T>) -> Vec<T> {
        self.seen.iter().filter_map(find).collect()
    }

    pub(crate) fn replies(&self) -> Vec<&Reply> {
        self.all(|event| match event {
            PingEvent::Reply(reply) => Some(reply),
            _ => None,
        })
    }

    pub(crate) fn lost(&self) -> Vec<u64> {
        self.all(|event| match event {
            PingEvent::Lost(lost) => Some(lost.sequence),
            _ => None,
        })
    }
}
