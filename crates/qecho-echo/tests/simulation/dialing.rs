//! How the client tool finds its server, or says why not.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use qecho_echo::{
    client::{ClientEvent, Failure, Mode},
    dial::{Alpn, DialFailure, Silence},
    server::Echo,
};
use qecho_engine::{Connection, Event, ReadEnd, config::RetryPolicy};
use qecho_netsim::{link::Conditions, simulation::FAR};
use qecho_packet::close::{CONNECTION_REFUSED, NO_APPLICATION_PROTOCOL};

use qecho_testkit::{
    identity::Identity,
    scenario::{Scenario, dead_path, good_path},
    scripted::ScriptedServer,
};

use crate::talk::{Conversation, TIMEOUT, config, with_echo, with_echo_at};

/// An address at which nobody is.
pub(crate) const NOBODY: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 99)), 4_433);

#[test]
fn a_server_without_echo_in_its_alpn_is_asked_again_without_alpn() {
    let identity = Identity::generate();
    let echo_all: fn(&mut Connection<'_>, &Event) = |connection, event| {
        if let Event::Opened(id) | Event::Readable(id) = event {
            let read = connection.read(*id, 1_000);
            connection.write(*id, read.data);
            if read.end == ReadEnd::Fin {
                connection.finish(*id);
            }
        }
    };
    let far = ScriptedServer::shard(&identity, &[b"other"], echo_all);
    let auto = config(&identity, &[FAR], Alpn::Auto);
    let mut conversation = Conversation::new(&auto, far, &good_path(), 30);
    assert_eq!(conversation.hello().0, Ok(1));
    assert!(conversation.tried_without_alpn());

    let far = ScriptedServer::shard(&identity, &[b"other"], echo_all);
    let named = config(&identity, &[FAR], Alpn::Name(b"echo".to_vec()));
    let mut conversation = Conversation::new(&named, far, &good_path(), 31);
    let Failure::Dial(DialFailure::Handshake { reason, .. }) = conversation.failure() else {
        panic!("refused: {:?}", conversation.seen);
    };
    assert_eq!(reason.transport_code(), Some(NO_APPLICATION_PROTOCOL));
    assert!(!conversation.tried_without_alpn());
}

#[test]
fn a_certificate_that_is_not_the_right_one_ends_it_before_anything_is_sent() {
    let config = config(&Identity::generate(), &[FAR], Alpn::Auto);
    let far = Scenario::seeded(35).server(&Identity::generate());
    let mut conversation = Conversation::new(&config, far, &good_path(), 35);
    conversation.say(Mode::Stream, b"a secret");
    let failure = conversation.failure();
    let is_refused = matches!(failure, Failure::Dial(DialFailure::Handshake { .. }));
    assert!(is_refused, "{failure:?}");
    conversation.simulation.run_for(Duration::from_secs(1));
    let report = conversation.simulation.far.application().report();
    assert_eq!((report.streams, report.bytes_echoed), (0, 0));
}

#[test]
fn nobody_there_is_said_after_the_timeout_and_no_hope_is_said_at_once() {
    let mut conversation = with_echo_at(&[NOBODY], 40, &good_path());
    let (outcome, took) = conversation.outcome();
    let no_answer = DialFailure::NoAnswer {
        address: NOBODY,
        after: TIMEOUT,
        silence: Silence::Complete,
    };
    assert_eq!(outcome, Err(no_answer.into()));
    assert!(took <= TIMEOUT + Duration::from_secs(1), "{took:?}");

    let mut conversation = with_echo_at(&[NOBODY], 41, &good_path());
    conversation.simulation.run_for(Duration::from_millis(1));
    report_refusal(&mut conversation, NOBODY);
    let (outcome, took) = conversation.outcome();
    let nobody_listens = DialFailure::NobodyListens { address: NOBODY };
    assert_eq!(outcome, Err(nobody_listens.into()));
    assert!(took <= Duration::from_secs(1), "{took:?}");
}

/// Tells the client that a host refuses datagrams.
fn report_refusal(conversation: &mut Conversation<Echo>, address: SocketAddr) {
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let simulation = &mut conversation.simulation;
    let now = simulation.now();
    simulation.near.handle_unreachable(now, address, &refused);
}

#[test]
fn a_server_that_has_gone_is_believed_gone_only_if_it_stays_silent() {
    let mut conversation = with_echo(45, &good_path());
    conversation.say(Mode::Stream, b"hello");
    conversation.simulation.run_for(Duration::from_secs(1));
    // A forged report: the server still answers.
    report_refusal(&mut conversation, FAR);
    conversation.simulation.run_for(Duration::from_millis(10));
    conversation.say(Mode::Stream, b"still there");
    conversation.simulation.run_for(Duration::from_secs(20));
    conversation.seen.extend(conversation.events.try_iter());
    let echoed = |event: &&ClientEvent| matches!(event, ClientEvent::Echoed(_));
    assert_eq!(conversation.seen.iter().filter(echoed).count(), 2);

    conversation
        .simulation
        .links()
        .1
        .set_conditions(dead_path());
    conversation.say(Mode::Stream, b"and now");
    report_refusal(&mut conversation, FAR);
    let (outcome, took) = conversation.outcome();
    assert_eq!(outcome, Err(Failure::Gone));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_second_address_is_tried_while_the_first_keeps_silent() {
    let nobody_at_all = SocketAddr::from(([192, 0, 2, 98], 4_433));
    let no_socket = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 4_433));
    for addresses in [
        vec![NOBODY, FAR],
        vec![no_socket, FAR],
        vec![no_socket, NOBODY, nobody_at_all, FAR],
        vec![FAR, NOBODY],
    ] {
        let (echoed, took) = with_echo_at(&addresses, 50, &good_path()).hello();
        assert_eq!(echoed, Ok(1), "{addresses:?}");
        assert!(took < Duration::from_secs(2), "{addresses:?} took {took:?}");
    }
}

#[test]
fn a_second_address_is_left_alone_if_the_first_has_answered_just_in_time() {
    // The answer is there when the second address is due, as it is for a client
    // that was stopped meanwhile.
    let slow = Conditions {
        delay: Duration::from_millis(125),
        ..Conditions::default()
    };
    let mut conversation = with_echo_at(&[FAR, NOBODY], 52, &slow);
    let tried = count_to(NOBODY, &mut conversation);
    assert_eq!(conversation.hello().0, Ok(1));
    assert_eq!(tried.get(), 0);
}

#[test]
fn an_answer_that_leads_to_nothing_puts_the_second_address_off_once() {
    let identity = Identity::generate();
    let config = config(&identity, &[FAR, NOBODY], Alpn::Auto);
    let retrying = Scenario::seeded(53).retry(RetryPolicy::Always);
    let mut conversation = Conversation::new(&config, retrying.server(&identity), &good_path(), 53);
    let tried = count_to(NOBODY, &mut conversation);
    // The Retry packet comes; what the client sends then does not.
    conversation.simulation.run_for(Duration::from_millis(7));
    conversation
        .simulation
        .links()
        .0
        .set_conditions(dead_path());
    conversation.simulation.run_for(Duration::from_millis(450));
    assert_eq!(tried.get(), 0);
    conversation.simulation.run_for(Duration::from_millis(50));
    assert!(tried.get() > 0);
}

/// Counts the datagrams to an address from now on.
fn count_to(address: SocketAddr, conversation: &mut Conversation<Echo>) -> Rc<Cell<u32>> {
    let count = Rc::new(Cell::new(0));
    let counted = count.clone();
    conversation.simulation.observe(move |sighting| {
        counted.set(counted.get() + u32::from(sighting.peer == address));
    });
    count
}

#[test]
fn what_icmp_says_again_of_one_address_is_not_believed_of_the_other() {
    let mut conversation = with_echo_at(&[FAR, NOBODY], 51, &dead_path());
    let by_icmp = SocketAddr::new(NOBODY.ip(), 0);
    conversation.simulation.run_for(Duration::from_millis(300));
    for _ in 0..2 {
        // Once for the first packet, once for another.
        report_refusal(&mut conversation, by_icmp);
        conversation.simulation.run_for(Duration::from_millis(10));
    }
    conversation.simulation.set_conditions(&good_path());
    assert_eq!(conversation.hello().0, Ok(1));
}

#[test]
fn a_full_server_is_reported_as_such_at_once() {
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Alpn::Auto);
    let far = Scenario::seeded(55).connections_max(0).server(&identity);
    let mut conversation = Conversation::new(&config, far, &good_path(), 55);
    let (outcome, took) = conversation.outcome();
    let Err(Failure::Dial(DialFailure::Handshake { reason, .. })) = outcome else {
        panic!("refused: {outcome:?}");
    };
    assert_eq!(reason.transport_code(), Some(CONNECTION_REFUSED));
    assert!(took < Duration::from_secs(1), "{took:?}");
}
