//! The load generator on virtual time: every message is counted, and the times
//! that it tells are those that the server took.

use std::{net::SocketAddr, num::NonZeroU64, sync::mpsc, time::Duration};

use qecho_echo::{
    ALPN_ECHO,
    dial::{Alpn, Target},
    server::Echo,
};
use qecho_engine::{Application, Connector, Shard, config::ShardConfig};
use qecho_measure::bench::{
    Arrival, Command, Config, EarlyCounts, ErrorKind, Generator, GeneratorEvent, Goal, Mode,
    Outcome, Sessions, ShardPlan, Sizes, Sockets, StopReason, Workload,
};
use qecho_netsim::{
    link::Conditions,
    simulation::{End, FAR, NEAR, Simulation},
};
use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    scenario::Scenario,
};

use crate::bench_server::Slow;

/// Virtual time that any load may take.
const LIMIT: Duration = Duration::from_secs(600);

fn config(identity: &Identity, mode: Mode) -> Config {
    let target = Target {
        server_name: SERVER_NAME.into(),
        addresses: vec![FAR],
    };
    let mut config = Config::new(target, identity.verifier());
    config.workload = Workload {
        mode,
        sizes: Sizes::fixed(100),
        in_flight: 1,
        streams: 1,
    };
    config.warmup = Duration::ZERO;
    config.sockets = Sockets::One;
    config
}

fn messages(count: u64) -> Goal {
    Goal::Messages(NonZeroU64::new(count).expect("it is not zero"))
}

fn path(delay: Duration, loss: f64) -> Conditions {
    Conditions {
        delay,
        loss,
        ..Conditions::default()
    }
}

/// Runs a load to its end; returns what was measured and the server.
fn run<F: Application>(config: &Config, far: Shard<F>, path: &Conditions) -> (Outcome, Shard<F>) {
    let offers = Alpn::Auto.offers(&config.verifier, None, None);
    let connector = offers.expect("these settings work").first;
    run_by(&connector.without_resumption(), config, far, path)
}

/// The same with connections that may know of others.
fn run_by<F: Application>(
    connector: &Connector,
    config: &Config,
    far: Shard<F>,
    path: &Conditions,
) -> (Outcome, Shard<F>) {
    run_while(connector, config, far, path, |_| ())
}

/// The same while something is done to the network.
fn run_while<F: Application>(
    connector: &Connector,
    config: &Config,
    far: Shard<F>,
    path: &Conditions,
    mut act: impl FnMut(&mut Simulation<Generator, F>),
) -> (Outcome, Shard<F>) {
    let plan = ShardPlan {
        remote: FAR,
        connector: connector.clone(),
        sockets: 1,
        number: 0,
        interval: Duration::from_secs(1),
    };
    let (tell, told) = mpsc::channel();
    let sink = Box::new(move |event| drop(tell.send(event)));
    let generator = Generator::new(config, plan, sink, || Duration::ZERO);
    let client = ShardConfig::client(config.transport.clone());
    let near = Shard::new(&client, &[NEAR], generator).expect("these settings work");
    let mut simulation = Simulation::new(near, far, path, 7);
    let over = simulation.run_until(LIMIT, |both| {
        let is_ready = |event| matches!(event, GeneratorEvent::Ready { .. });
        if told.try_iter().any(is_ready) {
            both.near.handle_command(both.now(), Command::Begin);
        }
        act(both);
        both.is_finished(End::Near)
    });
    assert!(over, "the load ends");
    let Simulation { near, far, .. } = simulation;
    (near.into_application().into_outcome(), far)
}

fn with_echo(config: &Config, identity: &Identity, path: &Conditions) -> (Outcome, Shard<Echo>) {
    let far = Scenario::seeded(7).server(identity);
    run(config, far, path)
}

#[test]
fn every_message_over_every_way_is_counted_as_the_server_counts_it() {
    let identity = Identity::generate();
    for mode in [Mode::Stream, Mode::StreamPerMessage, Mode::Handshake] {
        let mut config = config(&identity, mode);
        config.connections = 3;
        config.goal = messages(50);
        let (outcome, far) = with_echo(&config, &identity, &path(Duration::from_millis(5), 0.0));
        assert_eq!(outcome.errors(), [], "{mode:?}");
        assert_eq!(outcome.latency().count, 50, "{mode:?}");
        let (totals, server) = (outcome.totals(), far.application().report());
        assert_eq!((totals.messages, totals.bytes), (50, 5_000), "{mode:?}");
        assert_eq!(server.bytes_echoed, 5_000, "{mode:?}");
        assert_eq!(server.connections, totals.connections, "{mode:?}");
        let streams = match mode {
            Mode::Stream => 3,
            _ => 50,
        };
        assert_eq!(server.streams, streams, "{mode:?}");
    }
}

#[test]
fn messages_of_early_data_come_back_sooner_and_are_sent_again_if_they_are_rejected() {
    let identity = Identity::generate();
    let connector = identity.connector(&[ALPN_ECHO]).with_early_data();
    // Of two that are alike in time, one ends the load and the other leaves a session
    // to the next server, which was started anew and knows nothing of it.
    for (connections, accepted, rejected) in [(2, 3, 0), (1, 4, 1)] {
        let mut config = config(&identity, Mode::Handshake);
        config.connections = connections;
        config.goal = messages(5);
        config.sessions = Sessions::EarlyData;
        let far = Scenario::seeded(7).early_data().server(&identity);
        let path = path(Duration::from_millis(5), 0.0);
        let (outcome, far) = run_by(&connector, &config, far, &path);
        assert_eq!(outcome.errors(), []);
        let counts = EarlyCounts { accepted, rejected };
        assert_eq!(outcome.early_data(), counts);
        // One round trip; the first message of each takes two.
        let times = outcome.latency();
        let (p50, max) = (times.p50_us.map(ms), times.max_us.map(ms));
        assert_eq!((times.count, p50, max), (5, Some(10), Some(20)));
        assert_eq!(far.application().report().bytes_echoed, 500);
    }
}

/// Returns the nearest whole number of milliseconds.
fn ms(microseconds: f64) -> u64 {
    (microseconds / 1e3).round() as u64
}

#[test]
fn many_messages_under_way_on_many_streams_all_come_back_through_loss() {
    let identity = Identity::generate();
    let mut config = config(&identity, Mode::Stream);
    config.connections = 2;
    config.goal = messages(3_000);
    config.workload = Workload {
        mode: Mode::Bulk,
        sizes: Sizes::fixed(5_000),
        in_flight: 20,
        streams: 3,
    };
    let (outcome, far) = with_echo(&config, &identity, &path(Duration::from_millis(5), 0.02));
    assert_eq!(outcome.errors(), []);
    assert_eq!(outcome.latency().count, 3_000);
    assert_eq!(far.application().report().bytes_echoed, 15_000_000);
}

#[test]
fn datagrams_that_are_lost_are_counted_and_the_others_too() {
    let identity = Identity::generate();
    let mut config = config(&identity, Mode::Datagram);
    config.goal = messages(1_000);
    config.workload.in_flight = 10;
    // Small ones have no room for a whole number.
    for size in [1, 5, 100] {
        config.workload.sizes = Sizes::fixed(size);
        let (outcome, _) = with_echo(&config, &identity, &path(Duration::from_millis(5), 0.05));
        assert_eq!(outcome.errors(), [], "{size}");
        assert_eq!(outcome.latency().count + outcome.lost(), 1_000, "{size}");
        assert!((50..200).contains(&outcome.lost()), "{size}: {outcome:?}");
    }
}

#[test]
fn messages_of_many_sizes_are_compared_byte_for_byte_and_repeat_with_their_seed() {
    let identity = Identity::generate();
    let path = path(Duration::from_millis(5), 0.02);
    for mode in [Mode::Stream, Mode::StreamPerMessage, Mode::Datagram] {
        let mut config = config(&identity, mode);
        config.goal = messages(500);
        config.seed = 7;
        config.workload.sizes = Sizes {
            least: 1,
            most: 900,
        };
        config.workload.in_flight = 3;
        let bytes = |config: &Config| {
            let (outcome, _) = with_echo(config, &identity, &path);
            assert_eq!(outcome.errors(), [], "{mode:?}");
            assert_eq!(outcome.latency().count + outcome.lost(), 500, "{mode:?}");
            (outcome.lost(), outcome.totals().bytes)
        };
        let (lost, first) = bytes(&config);
        let mean = first as f64 / (500 - lost) as f64;
        assert!((400.0..500.0).contains(&mean), "{mode:?}: {mean}");
        if mode != Mode::Datagram {
            assert_eq!(bytes(&config), (0, first), "{mode:?}");
            config.seed = 8;
            assert_ne!(bytes(&config), (0, first), "{mode:?}");
        }
    }
}

#[test]
fn known_service_times_give_the_right_percentiles() {
    let identity = Identity::generate();
    let mut config = config(&identity, Mode::Stream);
    config.goal = messages(1_000);
    // Each of 1 ms to 100 ms ten times, in an order of its own; and 2 ms on
    // the way.
    let far = Slow::shard(&identity, |number, _| {
        Duration::from_millis(number * 37 % 100 + 1)
    });
    let (outcome, _) = run(&config, far, &path(Duration::from_millis(1), 0.0));
    let latency = outcome.latency();
    for (measured_us, expected_ms) in [
        (latency.min_us, 3.0),
        (latency.p50_us, 52.0),
        (latency.p90_us, 92.0),
        (latency.p99_us, 101.0),
        (latency.p99_9_us, 102.0),
        (latency.max_us, 102.0),
        (latency.mean_us, 52.5),
    ] {
        let measured_ms = measured_us.expect("messages came back") / 1e3;
        // Three digits, and the microseconds of packing and pacing.
        let difference = (measured_ms / expected_ms - 1.0).abs();
        assert!(difference < 2e-3, "{latency:?}");
    }
}

/// A server that answers at once, but not from the fifth to the sixth second.
fn stalling(identity: &Identity) -> Shard<Slow> {
    Slow::shard(identity, |_, since| {
        let (begins, ends) = (Duration::from_secs(5), Duration::from_secs(6));
        match since >= begins {
            true => ends.saturating_sub(since),
            false => Duration::ZERO,
        }
    })
}

#[test]
fn an_open_loop_shows_the_stall_of_a_server_that_a_closed_loop_hides() {
    let identity = Identity::generate();
    let mut closed = config(&identity, Mode::Stream);
    closed.goal = Goal::Duration(Duration::from_secs(20));
    let path = path(Duration::from_millis(1), 0.0);
    let (hidden, _) = run(&closed, stalling(&identity), &path);
    let p99_us = hidden.latency().p99_us;
    assert!(p99_us.is_some_and(|time| time < 3_000.0), "{p99_us:?}");
    for arrival in [Arrival::Constant(200.0), Arrival::Poisson(200.0)] {
        let mut open = closed.clone();
        open.arrival = arrival;
        let (shown, _) = run(&open, stalling(&identity), &path);
        let latency = shown.latency();
        // One second in twenty: a twentieth waits, half a second on average.
        assert!((3_700..4_300).contains(&latency.count), "{latency:?}");
        let (p50_us, p99_us) = latency.p50_us.zip(latency.p99_us).expect("they are there");
        assert!(p50_us < 3_000.0, "{latency:?}");
        assert!((700_000.0..1_010_000.0).contains(&p99_us), "{latency:?}");
        assert_eq!(shown.errors(), []);
    }
}

#[test]
fn a_server_that_falls_silent_ends_the_load_and_what_was_measured_stays() {
    let identity = Identity::generate();
    let mut config = config(&identity, Mode::Stream);
    config.goal = Goal::Duration(Duration::from_secs(60));
    config.connections = 2;
    let far = Slow::shard(&identity, |number, _| match number {
        0..1_000 => Duration::ZERO,
        _ => Duration::from_secs(3_600),
    });
    let (outcome, _) = run(&config, far, &path(Duration::from_millis(1), 0.0));
    assert_eq!(outcome.stop(), Some(StopReason::NoConnection));
    assert_eq!(outcome.latency().count, 1_000);
    assert_eq!(outcome.errors(), [(ErrorKind::NoEcho, 2)]);
}

#[test]
fn a_load_whose_address_changes_while_it_waits_gets_its_echoes() {
    let identity = Identity::generate();
    let mut config = config(&identity, Mode::Stream);
    config.goal = messages(3);
    config.timeout = Duration::from_secs(20);
    let connector = identity.connector(&[ALPN_ECHO]);
    let far = Slow::shard(&identity, |_, _| Duration::from_secs(2));
    let path = path(Duration::from_millis(20), 0.0);
    let (mut began, mut port) = (None, 50_000);
    let (outcome, _) = run_while(&connector, &config, far, &path, |both| {
        // In the middle of each service, when nothing is under way.
        let next = began.get_or_insert(both.now() + Duration::from_secs(1));
        if *next <= both.now() {
            *next += Duration::from_secs(2);
            port += 1;
            both.rebind(SocketAddr::new(NEAR.ip(), port));
        }
    });
    assert_eq!(outcome.errors(), []);
    assert_eq!(outcome.latency().count, 3);
    assert!(port > 50_001, "it had but one address");
}
