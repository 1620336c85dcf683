//! Pings of servers that are not there, refuse or do wrong.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use qecho_echo::{
    ALPN_ECHO,
    dial::{Alpn, DialFailure},
};
use qecho_engine::{Connection, Event, StreamId};
use qecho_measure::ping::{Config, Failure, Lost, Mode, PingEvent, UNANSWERED_MAX};
use qecho_netsim::simulation::NEAR;
use qecho_testkit::{
    identity::Identity,
    scenario::{Scenario, dead_path, good_path},
    scripted::{Script, ScriptedServer},
};

use crate::{
    bench_server::Slow,
    pinging::milliseconds,
    responses::{Pinging, config, echo},
};

/// Whether the right failure is found.
type Expected = fn(&Failure) -> bool;

/// Begins to ping a server that does as the script says.
fn scripted(
    script: Script,
    mode: Mode,
    count: u64,
    change: impl FnOnce(&mut Config),
) -> Pinging<ScriptedServer> {
    let identity = Identity::generate();
    let mut config = config(&identity, mode, count);
    change(&mut config);
    let far = ScriptedServer::shard(&identity, &[ALPN_ECHO], script);
    Pinging::new(&config, far, &good_path(), 1)
}

/// Sends back what came on a stream, as `change` leaves it; returns the stream and the number of
/// the message.
fn echo_one(
    connection: &mut Connection<'_>,
    event: &Event,
    change: impl FnOnce(&mut [u8]),
) -> Option<(StreamId, u64)> {
    let (Event::Opened(id) | Event::Readable(id)) = event else {
        return None;
    };
    let mut data = connection.read(*id, 1_000).data.to_vec();
    change(&mut data);
    let number = number(&data);
    connection.write(*id, data.into());
    Some((*id, number?))
}

fn number(message: &[u8]) -> Option<u64> {
    message.first_chunk().copied().map(u64::from_be_bytes)
}

#[test]
fn an_echo_that_comes_twice_is_counted_once() {
    let twice: Script = |connection, event| {
        if matches!(event, Event::DatagramReceived) {
            while let Some(data) = connection.receive_datagram() {
                for copy in [data.clone(), data] {
                    let _ = connection.send_datagram(copy);
                }
            }
        }
    };
    let counts = scripted(twice, Mode::Datagram, 10, |_| ()).report().counts;
    assert_eq!(counts.received, 10);
    // The last one's copy may come after the end.
    assert!((9..=10).contains(&counts.duplicates), "{counts:?}");
}

#[test]
fn handshakes_go_on_when_a_server_comes_back() {
    let mut ping = echo(Mode::Handshake, 6, |config| {
        config.interval = milliseconds(500)
    });
    ping.run(milliseconds(1_250));
    ping.simulation.set_conditions(&dead_path());
    ping.run(milliseconds(1_000));
    ping.simulation.set_conditions(&good_path());
    let report = ping.report();
    assert_eq!(report.outcome, Ok(()));
    assert_eq!(report.counts.sent, 6);
    assert!(report.counts.received >= 5, "{:?}", report.counts);
}

/// As with `qecho server --end after-message`: what a packet brought is the message, and it may
/// end within a ping.
#[test]
fn a_server_that_answers_once_on_a_stream_answers_every_ping_that_has_piled_up() {
    let once: Script = |connection, event| {
        if let Event::Opened(id) | Event::Readable(id) = event {
            let data = connection.read(*id, 1_000).data;
            connection.write(*id, data);
            connection.finish(*id);
        }
    };
    for size in [24, 64, 300] {
        let mut ping = scripted(once, Mode::Stream, 40, |config| {
            config.interval = Duration::from_micros(100);
            config.size = size;
        });
        let report = ping.report();
        assert_eq!(report.outcome, Ok(()), "{size} bytes");
        assert_eq!(report.counts.received, 40, "{size} bytes");
    }
}

#[test]
fn a_server_that_ends_changes_or_breaks_is_found_out_and_what_came_is_kept() {
    let cases: [(Script, Expected); 4] = [
        (
            |connection, event| {
                if let Some((id, 5)) = echo_one(connection, event, |_| ()) {
                    connection.finish(id);
                }
            },
            |failure| *failure == Failure::StreamEnded,
        ),
        (
            |connection, event| {
                echo_one(connection, event, |data| {
                    if number(data) == Some(6) {
                        data[40] ^= 1;
                    }
                });
            },
            |failure| *failure == Failure::Differs { sequence: 6 },
        ),
        (
            |connection, event| {
                if let Some((_, 6)) = echo_one(connection, event, |_| ()) {
                    connection.close(9, "go away");
                }
            },
            |failure| matches!(failure, Failure::Closed(_)),
        ),
        (
            |connection, event| {
                if let Some((id, 5)) = echo_one(connection, event, |_| ()) {
                    connection.write(id, Bytes::from_static(b"more"));
                }
            },
            |failure| *failure == Failure::TooMuch,
        ),
    ];
    for (act, expected) in cases {
        let report = scripted(act, Mode::Stream, 10, |config| config.gives_up = true).report();
        let failure = report.outcome.expect_err("the server does wrong");
        assert!(expected(&failure), "{failure:?}");
        assert_eq!(report.counts.received, 5, "{failure:?}");
    }
}

#[test]
fn who_takes_no_datagrams_or_answers_nothing_is_named() {
    let impatient = |config: &mut Config| config.timeout = milliseconds(500);
    let report = scripted(|_, _| {}, Mode::Stream, 3, impatient).report();
    assert_eq!((report.counts.received, report.counts.lost), (0, 3));
    assert_eq!(report.times.summary(), None);

    // Who asks for more than can wait ends it.
    let mut eager = scripted(
        |_, _| {},
        Mode::Stream,
        30_000,
        |config| {
            impatient(config);
            config.interval = milliseconds(1);
        },
    );
    let report = eager.report();
    assert_eq!(report.outcome, Err(Failure::Silent(UNANSWERED_MAX)));
    assert_eq!(report.counts.lost, UNANSWERED_MAX as u64);

    let mut ping = echo(Mode::Datagram, 3, |config| config.size = 2_000);
    let failure = ping.report().outcome.expect_err("it is too large");
    assert!(
        matches!(failure, Failure::DatagramTooLarge { length: 2_000, most } if most > 1_100),
        "{failure:?}"
    );
}

#[test]
fn nobody_there_is_one_failure_or_a_lost_ping_each_time() {
    let identity = Identity::generate();
    let ping = |identity: &_, mode, path: &_| {
        let far = Scenario::seeded(1).server(&Identity::generate());
        let mut config = config(identity, mode, 3);
        config.gives_up = true;
        Pinging::new(&config, far, path, 1)
    };
    let outcome = ping(&identity, Mode::Stream, &dead_path()).report().outcome;
    let is_silence = matches!(outcome, Err(Failure::Dial(DialFailure::NoAnswer { .. })));
    assert!(is_silence, "{outcome:?}");

    let mut nobody = ping(&identity, Mode::Handshake, &dead_path());
    assert_eq!(nobody.report().outcome, Ok(()));
    assert_eq!(nobody.lost(), [1, 2, 3]);

    // One that refuses is not asked again.
    let report = ping(&identity, Mode::Handshake, &good_path()).report();
    let refused = &report.outcome;
    let is_refusal = matches!(refused, Err(Failure::Dial(DialFailure::Handshake { .. })));
    assert!(is_refusal, "{refused:?}");
    assert_eq!(report.counts.sent, 1);
}

#[test]
fn a_server_that_closes_before_it_confirms_is_quoted_each_time() {
    let close: Script = |connection, event| {
        if matches!(event, Event::Connected) {
            connection.close(7, "not you");
        }
    };
    let mut ping = scripted(close, Mode::Handshake, 3, |_| ());
    let report = ping.report();
    assert_eq!((report.counts.lost, report.outcome), (3, Ok(())));
    let quoted = ping.seen.iter().filter(|event| match event {
        PingEvent::Lost(Lost {
            reason: Some(reason),
            ..
        }) => reason.contains("not you"),
        _ => false,
    });
    assert_eq!(quoted.count(), 3);
}

#[test]
fn handshakes_offer_no_alpn_once_that_was_refused() {
    let identity = Identity::generate();
    let far = ScriptedServer::shard(&identity, &[b"other"], |_, _| {});
    let mut config = config(&identity, Mode::Handshake, 3);
    config.alpn = Alpn::Auto;
    let mut ping = Pinging::new(&config, far, &good_path(), 1);
    let report = ping.report();
    let refusals = ping.seen.iter();
    let refusals = refusals.filter(|event| matches!(event, PingEvent::WithoutAlpn));
    assert_eq!((report.counts.received, refusals.count()), (3, 1));
}

#[test]
fn a_ping_goes_on_when_its_server_goes_away_and_comes_back() {
    for mode in [Mode::Stream, Mode::Datagram, Mode::Frame] {
        let close: Script = |connection, event| {
            if let Event::DatagramReceived = event {
                while let Some(data) = connection.receive_datagram() {
                    let _ = connection.send_datagram(data);
                }
            }
            let number = echo_one(connection, event, |_| ());
            let is_old = connection.now() - connection.began() > milliseconds(450);
            if number.is_some_and(|(_, number)| number % 5 == 0) || is_old {
                connection.close(9, "go away");
            }
        };
        let mut ping = scripted(close, mode, 30, |_| ());
        // Frames alone make no event: its server is away for a while.
        ping.run(milliseconds(1_000));
        ping.simulation.set_conditions(&dead_path());
        ping.run(Duration::from_secs(200));
        ping.simulation.set_conditions(&good_path());
        let report = ping.report();
        assert_eq!(report.outcome, Ok(()), "{mode:?}");
        assert_eq!(report.counts.sent, 30, "{mode:?}");
        assert!(report.counts.received > 0, "{mode:?}: {:?}", report.counts);
        assert!(report.counts.lost > 0, "{mode:?}: {:?}", report.counts);
    }
}

#[test]
fn a_ping_whose_address_changes_while_it_waits_gets_its_answer() {
    let identity = Identity::generate();
    let mut config = config(&identity, Mode::Stream, 3);
    config.interval = Duration::ZERO;
    config.timeout = Duration::from_secs(20);
    let far = Slow::shard(&identity, |_, _| Duration::from_secs(2));
    let mut ping = Pinging::new(&config, far, &good_path(), 1);
    for port in 0..3 {
        // In the middle of each service, when nothing is under way.
        ping.run(milliseconds(1_000));
        ping.simulation
            .rebind(SocketAddr::new(NEAR.ip(), 50_000 + port));
        ping.run(milliseconds(1_000));
    }
    assert_eq!(ping.report().counts.received, 3);
}
