//! A ping on virtual time, and what it told.

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
    Command, Config, Destination, HostEvent, Mode, PingApplication, PingEvent, PingObserver, Reply,
    Report,
};
use qecho_netsim::{
    link::Conditions,
    simulation::{End, FAR, NEAR, Simulation},
};
use qecho_packet::DatagramObserver;
use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    scenario::Scenario,
    seed::ShowsSeed,
};

use crate::talk::good_path;

/// A ping, a server and the path between them.
pub(crate) struct Pinging<F: Application> {
    pub(crate) simulation: Simulation<PingApplication, F>,
    onlooker: PingObserver,
    began: Instant,
    events: Receiver<PingEvent>,
    pub(crate) seen: Vec<HostEvent>,
    _shows_seed: ShowsSeed,
}

/// Returns a configuration that sends `count` pings, one each 100 ms.
pub(crate) fn config(identity: &Identity, over: Mode, count: u64) -> Config {
    let target = Target {
        server_name: SERVER_NAME.into(),
        addresses: vec![FAR],
    };
    let verifier = identity.verifier();
    Config {
        over,
        count: Some(count),
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(2),
        ..Config::new(vec![Destination { target, verifier }])
    }
}

/// Begins to ping an echo server on a good path of 5 ms.
pub(crate) fn echo(over: Mode, count: u64, change: impl FnOnce(&mut Config)) -> Pinging<Echo> {
    let identity = Identity::generate();
    let mut config = config(&identity, over, count);
    change(&mut config);
    let far = Scenario::seeded(count).server(&identity);
    Pinging::new(&config, far, &good_path(), count)
}

impl<F: Application> Pinging<F> {
    pub(crate) fn new(config: &Config, far: Shard<F>, conditions: &Conditions, seed: u64) -> Self {
        let (tell, events) = channel();
        let listener = move |event| {
            // The test may have seen enough.
            let _ = tell.send(event);
        };
        let application =
            PingApplication::new(config, Box::new(listener)).expect("these settings work");
        let onlooker = application.onlooker();
        let near = Scenario::seeded(seed).trace_packets().client_config();
        let near = Shard::new(&near, &[NEAR], application).expect("these settings work");
        let simulation = Simulation::new(near, far, conditions, seed);
        Self {
            began: simulation.now(),
            simulation,
            onlooker,
            events,
            seen: Vec::new(),
            _shows_seed: ShowsSeed(seed),
        }
    }

    /// Lets time pass until the ping has ended, or for so long.
    pub(crate) fn run(&mut self, limit: Duration) -> bool {
        let (onlooker, began) = (&mut self.onlooker, self.began);
        let ended = self.simulation.run_until(limit, |both| {
            let now = both.now();
            let observations = both.take_observations(End::Near);
            if !observations.is_empty() {
                for (at, observation) in observations {
                    onlooker.observe(at - began, &Arc::new(observation));
                }
                both.near.handle_wake(now);
            }
            both.near.is_finished(now)
        });
        for event in self.events.try_iter() {
            if let PingEvent::Host { news, .. } = event {
                self.seen.push(news);
            }
        }
        ended
    }

    /// Runs to the end and returns what came of it.
    pub(crate) fn report(&mut self) -> Report {
        assert!(
            self.run(Duration::from_secs(3_600)),
            "it does not end: {:#?}",
            self.seen
        );
        let Some(HostEvent::Ended(report)) = self.seen.last() else {
            panic!("the last news is not the end: {:#?}", self.seen);
        };
        let counts = report.counts;
        assert_eq!(
            counts.received + counts.lost + counts.unanswered,
            counts.sent
        );
        assert_eq!(self.replies().len() as u64, counts.received);
        assert_eq!(self.lost().len() as u64, counts.lost);
        (**report).clone()
    }

    /// Makes the path worse or better, both ways.
    pub(crate) fn path(&mut self, conditions: &Conditions) {
        let (up, down) = self.simulation.links();
        up.set_conditions(conditions.clone());
        down.set_conditions(conditions.clone());
    }

    pub(crate) fn stop(&mut self) {
        let now = self.simulation.now();
        self.simulation.near.handle_command(now, Command::Stop);
    }

    pub(crate) fn replies(&self) -> Vec<&Reply> {
        let replies = self.seen.iter();
        let replies = replies.filter_map(|news| match news {
            HostEvent::Reply(reply) => Some(reply),
            _ => None,
        });
        replies.collect()
    }

    pub(crate) fn lost(&self) -> Vec<u64> {
        let lost = self.seen.iter();
        let lost = lost.filter_map(|news| match news {
            HostEvent::Lost(lost) => Some(lost.sequence),
            _ => None,
        });
        lost.collect()
    }
}
