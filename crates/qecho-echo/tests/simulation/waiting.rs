//! A client that waits: for a server that grants nothing, that has lost its address, or that
//! gives connections up soon; and for the MTU of the path.

use std::{net::SocketAddr, time::Duration};

use qecho_echo::{
    ALPN_ECHO,
    client::{ClientEvent, Command, Config, Failure, Mode},
    dial::{Alpn, KEEP_ALIVE},
};
use qecho_engine::{CloseReason, Event, config::Transport};
use qecho_netsim::{
    link::Conditions,
    simulation::{End, FAR, NEAR},
};
use qecho_testkit::{
    identity::Identity,
    scenario::{Scenario, good_path},
    scripted::{Script, ScriptedServer},
};

use crate::talk::{Conversation, TIMEOUT, config, with_echo, with_scripted};

/// Returns the outcome of a pipe of four bytes to a server that does as the script says.
fn piped(transport: Transport, script: Script) -> (Failure, Duration) {
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Alpn::Auto);
    let far = ScriptedServer::shard_with(transport, &identity, &[ALPN_ECHO], script);
    let mut pipe = Conversation::pipe(&config, far, b"four", &good_path(), 1);
    let (outcome, took) = pipe.outcome();
    (outcome.expect_err("nothing comes back"), took)
}

#[test]
fn a_pipe_to_a_server_that_grants_no_stream_or_no_room_ends_in_time() {
    let after = TIMEOUT;
    let none = Transport::default().with_streams_max(0);
    let (failure, took) = piped(none, |_, _| {});
    assert_eq!(failure, Failure::NoStream { after });
    assert!(took < TIMEOUT + Duration::from_secs(2), "{took:?}");

    let mut closed = Transport::default();
    closed.stream_receive_window = 0;
    let (failure, took) = piped(closed, |_, _| {});
    let (missing, total) = (4, 4);
    let no_progress = Failure::NoProgress {
        after,
        missing,
        total,
    };
    assert_eq!(failure, no_progress);
    assert!(took < TIMEOUT + Duration::from_secs(2), "{took:?}");
}

#[test]
fn an_empty_pipe_to_a_server_that_grants_no_stream_ends_in_time() {
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Alpn::Auto);
    let none = Transport::default().with_streams_max(0);
    let far = ScriptedServer::shard_with(none, &identity, &[ALPN_ECHO], |_, _| {});
    let mut pipe = Conversation::pipe(&config, far, b"", &good_path(), 1);
    assert_eq!(pipe.failure(), Failure::NoStream { after: TIMEOUT });
}

#[test]
fn a_pipe_whose_peer_never_ends_the_stream_is_told_so() {
    let (failure, _) = piped(Transport::default(), |connection, event| {
        if let Event::Opened(id) | Event::Readable(id) = event {
            let data = connection.read(*id, 1_000).data;
            connection.write(*id, data);
        }
    });
    assert_eq!(failure, Failure::NoFin { after: TIMEOUT });
}

#[test]
fn a_pipe_whose_peer_stops_the_stream_and_sends_nothing_is_told_so() {
    let (failure, _) = piped(Transport::default(), |connection, event| {
        if let Event::Opened(id) = event {
            connection.stop(*id, 8);
        }
    });
    let (missing, total) = (4, 4);
    // Our end has come already, which the peer's code is nothing to.
    assert_eq!(failure, Failure::StoppedAfterEnd { missing, total });
}

#[test]
fn an_echo_comes_from_a_peer_that_throws_its_half_of_the_stream_away() {
    let script: Script = |connection, event| {
        if let Event::Opened(id) | Event::Readable(id) = event {
            let data = connection.read(*id, 1_000).data;
            connection.stop(*id, 0);
            connection.write(*id, data);
            connection.finish(*id);
        }
    };
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Alpn::Auto);
    let shard = || ScriptedServer::shard(&identity, &[ALPN_ECHO], script);
    let mut pipe = Conversation::pipe(&config, shard(), b"four", &slow_path(), 1);
    let received = pipe.outcome().0.map(|report| report.bytes_received);
    assert_eq!(received, Ok(4));
    let mut conversation = Conversation::new(&config, shard(), &slow_path(), 1);
    for _ in 0..3 {
        conversation.say(Mode::StreamPerMessage, b"hello");
    }
    conversation.tell(Command::Finish);
    let messages = conversation.outcome().0.map(|report| report.messages);
    assert_eq!(messages, Ok(3));
}

/// Returns a path of 60 ms whose way back loses a quarter.
fn lossy_way_back(conversation: &mut Conversation<qecho_echo::server::Echo>) {
    let lossy = Conditions {
        loss: 0.25,
        ..slow_path()
    };
    let (_, down) = conversation.simulation.links();
    down.set_conditions(lossy);
}

fn slow_path() -> Conditions {
    Conditions {
        delay: Duration::from_millis(60),
        ..Conditions::default()
    }
}

/// Gives the client another port each 400 ms, once it is connected.
fn rebind_again_and_again(conversation: &mut Conversation<qecho_echo::server::Echo>) {
    let events = &mut conversation.events;
    let connected = conversation.simulation.run_until(TIMEOUT, |_| {
        let mut events = events.try_iter();
        events.any(|event| matches!(event, ClientEvent::Connected(_)))
    });
    assert!(connected);
    for port in 0..50 {
        let address = SocketAddr::new(NEAR.ip(), 50_000 + port);
        let pause = Duration::from_millis(400);
        let ended = conversation
            .simulation
            .run_until(pause, |both| both.is_finished(End::Near));
        if ended {
            return;
        }
        conversation.simulation.rebind(address);
    }
}

#[test]
fn a_pipe_whose_address_changes_while_it_waits_gets_the_rest() {
    for seed in 0..12 {
        let identity = Identity::generate();
        // What is lost of the middle can hold the rest up for longer than a path lives.
        let config = config(&identity, &[FAR], Alpn::Auto).with_timeout(4 * TIMEOUT);
        let far = Scenario::seeded(seed).server(&identity);
        let input = vec![b'x'; 400_000];
        let mut pipe = Conversation::pipe(&config, far, &input, &slow_path(), seed);
        lossy_way_back(&mut pipe);
        rebind_again_and_again(&mut pipe);
        let outcome = pipe.outcome().0;
        let received = outcome.map(|report| report.bytes_received);
        assert_eq!(received, Ok(400_000), "seed {seed}");
    }
}

#[test]
fn a_message_whose_sender_changes_its_address_while_it_waits_comes_back() {
    for seed in 0..12 {
        let mut conversation = with_echo(seed, &slow_path());
        lossy_way_back(&mut conversation);
        conversation.say(Mode::Stream, &[b'x'; 10_000]);
        conversation.tell(Command::Finish);
        rebind_again_and_again(&mut conversation);
        let outcome = conversation.outcome().0;
        let messages = outcome.map(|report| report.messages);
        assert_eq!(messages, Ok(1), "seed {seed}");
    }
}

#[test]
fn a_client_that_waits_for_a_slow_server_sends_few_packets() {
    let mut conversation = with_scripted(|_, _| {});
    conversation.say(Mode::Stream, b"hello");
    conversation.simulation.run_for(Duration::from_secs(1));
    let before = conversation.simulation.links().0.counts().arriving();
    conversation.simulation.run_for(Duration::from_secs(8));
    let after = conversation.simulation.links().0.counts().arriving();
    // A PING frame each second.
    assert!((6..=18).contains(&(after - before)), "{before} to {after}");
}

/// Begins a conversation with a server that gives up after some silence.
fn with_idle_timeout(
    idle_timeout: Duration,
    keep_alive: Option<Duration>,
) -> Conversation<qecho_echo::server::Echo> {
    let identity = Identity::generate();
    let transport = Transport::default().with_keep_alive(keep_alive);
    let config = Config::with_transport(config(&identity, &[FAR], Alpn::Auto), transport);
    let mut scenario = Scenario::seeded(70);
    scenario.far = Transport::default().with_idle_timeout(idle_timeout);
    Conversation::new(&config, scenario.server(&identity), &good_path(), 70)
}

#[test]
fn a_connection_is_kept_alive_for_a_peer_that_gives_up_soon() {
    let short = Duration::from_secs(5);
    let mut conversation = with_idle_timeout(short, Some(KEEP_ALIVE));
    for pause in [8, 30, 120] {
        conversation.say(Mode::Stream, b"hello");
        conversation.simulation.run_for(Duration::from_secs(pause));
    }
    let sent = conversation.simulation.links().0.counts().arriving();
    assert!(sent < 160, "{sent} datagrams are more than one a second");
    assert_eq!(conversation.hello().0, Ok(4));

    let mut left_alone = with_idle_timeout(short, None);
    left_alone.say(Mode::Stream, b"hello");
    let failure = left_alone.failure();
    assert_eq!(failure, Failure::Closed(CloseReason::TimedOut));
}

#[test]
fn a_peer_that_gives_up_at_once_does_not_make_a_client_busy() {
    for idle_timeout in [Duration::from_millis(1), Duration::ZERO] {
        let mut conversation = with_idle_timeout(idle_timeout, Some(KEEP_ALIVE));
        conversation.say(Mode::Stream, b"hello");
        conversation.simulation.run_for(Duration::from_secs(10));
        let sent = conversation.simulation.links().0.counts().arriving();
        assert!(sent < 500, "{sent} datagrams in ten seconds");
    }
}

#[test]
fn a_first_message_that_only_the_searched_path_carries_waits_for_the_search() {
    for (delay, length) in [(5, 1_163), (5, 1_300), (5, 1_414), (300, 1_414)] {
        let path = Conditions {
            delay: Duration::from_millis(delay),
            ..Conditions::default()
        };
        let mut conversation = with_echo(80, &path);
        conversation.say(Mode::Datagram, &vec![b'x'; length]);
        conversation.tell(Command::Finish);
        let outcome = conversation.outcome().0;
        let messages = outcome.map(|report| report.messages);
        assert_eq!(messages, Ok(1), "{length} bytes after {delay} ms");
    }
}

#[test]
fn a_message_that_no_path_will_carry_is_refused_at_once() {
    let identity = Identity::generate();
    let transport = Transport::default().with_udp_payload_max(1_452);
    let config = config(&identity, &[FAR], Alpn::Auto).with_transport(transport);
    let far = Scenario::seeded(81).server(&identity);
    let mut conversation = Conversation::new(&config, far, &good_path(), 81);
    conversation.say(Mode::Datagram, &[b'x'; 1_415]);
    let (outcome, took) = conversation.outcome();
    let is_too_large = matches!(
        outcome,
        Err(Failure::DatagramTooLarge { length: 1_415, .. })
    );
    assert!(is_too_large, "{outcome:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn an_empty_message_on_a_stream_of_its_own_is_timed_to_the_fin() {
    let mut conversation = with_echo(82, &good_path());
    conversation.say(Mode::StreamPerMessage, b"");
    conversation.tell(Command::Finish);
    assert_eq!(
        conversation.outcome().0.map(|report| report.messages),
        Ok(1)
    );
    let echo_time = conversation.seen.iter().find_map(|event| match event {
        ClientEvent::Echoed(echoed) => Some(echoed.echo_time),
        _ => None,
    });
    assert_eq!(echo_time, Some(Duration::from_millis(10)));

    let mut unanswered = with_scripted(|_, _| {});
    unanswered.say(Mode::StreamPerMessage, b"");
    assert_eq!(unanswered.failure(), Failure::NoFin { after: TIMEOUT });
}
