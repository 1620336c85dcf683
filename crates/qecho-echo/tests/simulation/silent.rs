//! Servers that let no handshake come about, and what the client tells of each.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use qecho_echo::{
    client::Failure,
    dial::{DialFailure, Silence},
    server::Echo,
};
use qecho_engine::{Received, config::RetryPolicy};
use qecho_netsim::simulation::{End, FAR};
use qecho_packet::Direction;
use qecho_testkit::{
    identity::Identity,
    scenario::{Scenario, dead_path, good_path},
};

use crate::{
    dialing::NOBODY,
    talk::{Conversation, TIMEOUT, config, with_echo_at},
};

/// Bytes of a version in a packet, after the first byte.
const VERSION: std::ops::Range<usize> = 1..5;

/// Datagrams that an end has sent.
type Sent = Rc<RefCell<Vec<Vec<u8>>>>;

/// Begins to dial a server whose answers are all lost; returns what each end sends.
fn unanswered() -> (Conversation<Echo>, Sent, Sent) {
    let mut conversation = with_echo_at(&[FAR], 90, &good_path());
    let (near, far) = (Sent::default(), Sent::default());
    let (by_near, by_far) = (near.clone(), far.clone());
    conversation.simulation.observe(move |event| {
        let sent = match event.end {
            End::Near => &by_near,
            End::Far => &by_far,
        };
        if event.direction == Direction::Sent {
            sent.borrow_mut().push(event.data.to_vec());
        }
    });
    let (_, down) = conversation.simulation.links();
    down.set_conditions(dead_path());
    (conversation, near, far)
}

/// Lets the client receive a datagram.
fn receive(conversation: &mut Conversation<Echo>, from: SocketAddr, data: &[u8]) {
    let now = conversation.simulation.now();
    let received = Received::from_remote(from, data);
    conversation.simulation.near.handle_datagram(now, received);
}

/// Returns what the client says of the silence.
fn silence(conversation: &mut Conversation<Echo>) -> Silence {
    let (outcome, took) = conversation.outcome();
    assert!(took <= TIMEOUT, "{took:?}");
    match outcome {
        Err(Failure::Dial(DialFailure::NoAnswer { silence, .. })) => silence,
        other => panic!("not silent: {other:?}"),
    }
}

#[test]
fn a_server_whose_answers_are_lost_is_silent() {
    let (mut conversation, _, _) = unanswered();
    assert_eq!(silence(&mut conversation), Silence::Complete);
}

#[test]
fn something_that_answers_but_is_no_quic_is_told_apart() {
    let (mut conversation, near, _) = unanswered();
    conversation.simulation.run_for(Duration::from_millis(1));
    // What a service for echoes returns: the client's own packet.
    let own = near.borrow()[0].clone();
    receive(&mut conversation, FAR, &own);
    assert_eq!(silence(&mut conversation), Silence::NotQuic);
    for junk in [&b"ICY 200 OK\r\n"[..], &[0; 1_200], &[0xff; 60]] {
        let (mut conversation, _, _) = unanswered();
        conversation.simulation.run_for(Duration::from_millis(1));
        receive(&mut conversation, FAR, junk);
        assert_eq!(silence(&mut conversation), Silence::NotQuic, "{junk:?}");
        // Strangers are none of the server's business.
        let (mut conversation, _, _) = unanswered();
        receive(&mut conversation, NOBODY, junk);
        assert_eq!(silence(&mut conversation), Silence::Complete, "{junk:?}");
    }
}

#[test]
fn answers_from_another_address_are_told_with_it() {
    let (mut conversation, _, far) = unanswered();
    conversation.simulation.run_for(Duration::from_millis(10));
    let answer = far.borrow()[0].clone();
    receive(&mut conversation, NOBODY, &answer);
    assert_eq!(silence(&mut conversation), Silence::From(NOBODY));
}

#[test]
fn a_server_that_began_to_answer_is_told_apart() {
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Default::default());
    let retrying = Scenario::seeded(91).retry(RetryPolicy::Always);
    let mut conversation = Conversation::new(&config, retrying.server(&identity), &good_path(), 91);
    conversation.simulation.run_for(Duration::from_millis(12));
    conversation.simulation.set_conditions(&dead_path());
    assert_eq!(silence(&mut conversation), Silence::Begun);
}

#[test]
fn a_server_that_only_tells_its_versions_is_told_apart() {
    let (mut conversation, near, far) = unanswered();
    // Shortly before the client gives up it asks for them.
    let asked = |sent: &Sent| {
        let sent = sent.borrow();
        let mut others = sent.iter().filter(|sent| sent[VERSION] != [0, 0, 0, 1]);
        others.next().cloned()
    };
    conversation.simulation.run_for(TIMEOUT * 3 / 4);
    assert_eq!(asked(&near), None);
    conversation.simulation.run_for(TIMEOUT / 6);
    assert!(asked(&near).is_some());
    let is_negotiation = |sent: &&Vec<u8>| sent[VERSION] == [0; 4];
    let answer = far.borrow().iter().find(is_negotiation).cloned();
    let answer = answer.expect("every server answers that");
    // Nobody else can answer it.
    let (mut other, _, _) = unanswered();
    other.simulation.run_for(TIMEOUT * 11 / 12);
    receive(
        &mut other,
        FAR,
        &[&answer[..6], &[1; 38], &answer[44..]].concat(),
    );
    assert_ne!(silence(&mut other), Silence::OnlyVersions);
    receive(&mut conversation, FAR, &answer);
    assert_eq!(silence(&mut conversation), Silence::OnlyVersions);
}
