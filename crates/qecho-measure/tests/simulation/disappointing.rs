//! Pings of servers that are not there, refuse or do wrong.

use bytes::Bytes;
use qecho_echo::{
    ALPN_ECHO,
    dial::{Alpn, DialFailure},
};
use qecho_engine::Event;
use qecho_measure::ping::{Failure, Mode, PingEvent, UNANSWERED_MAX};
use qecho_testkit::{
    identity::Identity,
    scenario::{Scenario, good_path},
    scripted::{Script, ScriptedServer},
};

use crate::{
    pinging::{deaf, milliseconds},
    responses::{Pinging, config, echo},
};

/// Whether the right failure is found.
type Expected = fn(&Failure) -> bool;

#[test]
fn an_echo_that_comes_twice_is_counted_once() {
    let identity = Identity::generate();
    let far = ScriptedServer::shard(&identity, &[ALPN_ECHO], |connection, event| {
        if matches!(event, Event::DatagramReceived) {
            while let Some(data) = connection.receive_datagram() {
                for copy in [data.clone(), data] {
                    let _ = connection.send_datagram(copy);
                }
            }
        }
    });
    let config = config(&identity, Mode::Datagram, 10);
    let mut ping = Pinging::new(&config, far, &good_path(), 1);
    let report = ping.report();
    assert_eq!(report.counts.received, 10);
    // The last one's copy may come after the end.
    assert!(
        (9..=10).contains(&report.counts.duplicates),
        "{:?}",
        report.counts
    );
}

#[test]
fn handshakes_go_on_when_a_server_comes_back() {
    let mut ping = echo(Mode::Handshake, 6, |config| {
        config.interval = milliseconds(500)
    });
    ping.run(milliseconds(1_250));
    ping.path(&deaf());
    ping.run(milliseconds(1_000));
    ping.path(&good_path());
    let report = ping.report();
    assert_eq!(report.outcome, Ok(()));
    assert_eq!(report.counts.sent, 6);
    assert!(report.counts.received >= 5, "{:?}", report.counts);
}

#[test]
fn a_server_that_ends_changes_or_breaks_is_found_out_and_what_came_is_kept() {
    let cases: [(Script, Expected); 4] = [
        (
            |connection, event| {
                if let Event::Opened(id) | Event::Readable(id) = event {
                    let data = connection.read(*id, 1_000).data;
                    let fifth = data.first_chunk() == Some(&5_u64.to_be_bytes());
                    connection.write(*id, data);
                    if fifth {
                        connection.finish(*id);
                    }
                }
            },
            |failure| *failure == Failure::StreamEnded,
        ),
        (
            |connection, event| {
                if let Event::Opened(id) | Event::Readable(id) = event {
                    let mut data = connection.read(*id, 1_000).data.to_vec();
                    if data.first_chunk() == Some(&6_u64.to_be_bytes()) {
                        data[40] ^= 1;
                    }
                    connection.write(*id, data.into());
                }
            },
            |failure| *failure == Failure::Differs { sequence: 6 },
        ),
        (
            |connection, event| {
                if let Event::Opened(id) | Event::Readable(id) = event {
                    let data = connection.read(*id, 1_000).data;
                    let sixth = data.first_chunk() == Some(&6_u64.to_be_bytes());
                    connection.write(*id, data);
                    if sixth {
                        connection.close(9, "go away");
                    }
                }
            },
            |failure| matches!(failure, Failure::Closed(_)),
        ),
        (
            |connection, event| {
                if let Event::Opened(id) | Event::Readable(id) = event {
                    let data = connection.read(*id, 1_000).data;
                    let fifth = data.first_chunk() == Some(&5_u64.to_be_bytes());
                    connection.write(*id, data);
                    if fifth {
                        connection.write(*id, Bytes::from_static(b"more"));
                    }
                }
            },
            |failure| *failure == Failure::TooMuch,
        ),
    ];
    for (act, expected) in cases {
        let identity = Identity::generate();
        let far = ScriptedServer::shard(&identity, &[ALPN_ECHO], act);
        let config = config(&identity, Mode::Stream, 10);
        let mut ping = Pinging::new(&config, far, &good_path(), 1);
        let report = ping.report();
        let failure = report.outcome.expect_err("the server does wrong");
        assert!(expected(&failure), "{failure:?}");
        assert_eq!(report.counts.received, 5, "{failure:?}");
    }
}

#[test]
fn who_takes_no_datagrams_or_answers_nothing_is_named() {
    let identity = Identity::generate();
    let far = ScriptedServer::shard(&identity, &[ALPN_ECHO], |_, _| {});
    let mut silent = config(&identity, Mode::Stream, 3);
    silent.timeout = milliseconds(500);
    let mut ping = Pinging::new(&silent, far, &good_path(), 1);
    let report = ping.report();
    assert_eq!((report.counts.received, report.counts.lost), (0, 3));
    assert_eq!(report.times.summary(), None);

    // Who asks for more than can wait ends it.
    let far = ScriptedServer::shard(&identity, &[ALPN_ECHO], |_, _| {});
    let mut eager = config(&identity, Mode::Stream, 30_000);
    eager.timeout = milliseconds(500);
    eager.interval = milliseconds(1);
    let mut ping = Pinging::new(&eager, far, &good_path(), 1);
    let report = ping.report();
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
    let nobody = || {
        let identity = Identity::generate();
        (Scenario::seeded(1).server(&identity), identity)
    };
    let (far, identity) = nobody();
    let mut ping = Pinging::new(&config(&identity, Mode::Stream, 3), far, &deaf(), 1);
    let failure = ping.report().outcome.expect_err("nobody is there");
    assert!(matches!(
        failure,
        Failure::Dial(DialFailure::NoAnswer { .. })
    ));

    let (far, identity) = nobody();
    let mut ping = Pinging::new(&config(&identity, Mode::Handshake, 3), far, &deaf(), 1);
    let report = ping.report();
    assert_eq!(report.outcome, Ok(()));
    assert_eq!(ping.lost(), [1, 2, 3]);

    // One that refuses is not asked again.
    let (far, _) = nobody();
    let stranger = config(&Identity::generate(), Mode::Handshake, 3);
    let mut ping = Pinging::new(&stranger, far, &good_path(), 1);
    let report = ping.report();
    assert!(matches!(
        report.outcome,
        Err(Failure::Dial(DialFailure::Handshake { .. }))
    ));
    assert_eq!(report.counts.sent, 1);
}

#[test]
fn a_server_that_closes_before_it_confirms_is_quoted_each_time() {
    let identity = Identity::generate();
    let far = ScriptedServer::shard(&identity, &[ALPN_ECHO], |connection, event| {
        if matches!(event, Event::Connected) {
            connection.close(7, "not you");
        }
    });
    let config = config(&identity, Mode::Handshake, 3);
    let mut ping = Pinging::new(&config, far, &good_path(), 1);
    let report = ping.report();
    assert_eq!((report.counts.lost, report.outcome), (3, Ok(())));
    let quoted = ping.seen.iter().filter(|event| match event {
        PingEvent::Lost(lost) => {
            let reason = lost.reason.as_deref();
            reason.is_some_and(|reason| reason.contains("not you"))
        }
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
