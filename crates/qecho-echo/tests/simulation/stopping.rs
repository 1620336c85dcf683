//! A client that is stopped in the turn in which its handshake is complete.

use std::{cell::RefCell, rc::Rc, time::Duration};

use qecho_echo::{
    ALPN_ECHO,
    client::{ClientEvent, Command},
    dial::Alpn,
};
use qecho_engine::{Observation, Received};
use qecho_netsim::simulation::{End, FAR};
use qecho_packet::{
    Direction,
    wire::{self, Frame},
};
use qecho_testkit::{
    identity::Identity,
    scenario::{dead_path, good_path},
    scripted::ScriptedServer,
};

use crate::talk::{Conversation, config};

/// Stops a client together with the datagrams that complete its handshake, which it is told of
/// after the command.
fn stopped_while_it_connects() -> Conversation<ScriptedServer> {
    let identity = Identity::generate();
    let config = config(&identity, &[FAR], Alpn::Auto);
    let far = ScriptedServer::shard(&identity, &[ALPN_ECHO], |_, _| {});
    let mut conversation = Conversation::traced(&config, far, 95);
    let answers = Rc::new(RefCell::new(Vec::new()));
    let sent = answers.clone();
    conversation.simulation.observe(move |event| {
        if (event.end, event.direction) == (End::Far, Direction::Sent) {
            sent.borrow_mut().push(event.data.to_vec());
        }
    });
    let (_, down) = conversation.simulation.links();
    down.set_conditions(dead_path());
    conversation.simulation.run_for(Duration::from_millis(8));
    conversation.simulation.set_conditions(&good_path());
    let now = conversation.simulation.now();
    for answer in answers.borrow().iter() {
        let received = Received::from_remote(FAR, answer);
        conversation.simulation.near.handle_datagram(now, received);
    }
    conversation.tell(Command::Stop);
    conversation
}

#[test]
fn nothing_is_told_of_a_connection_after_the_end() {
    let mut conversation = stopped_while_it_connects();
    assert!(conversation.outcome().0.is_ok());
    // What is left of the connection passes.
    conversation.simulation.run_for(Duration::from_secs(10));
    conversation.seen.extend(conversation.events.try_iter());
    let is_end = matches!(conversation.seen.as_slice(), [ClientEvent::Ended(Ok(_))]);
    assert!(is_end, "{:#?}", conversation.seen);
}

#[test]
fn a_client_that_is_stopped_while_it_dials_closes_with_its_own_reason() {
    let mut conversation = stopped_while_it_connects();
    assert!(conversation.outcome().0.is_ok());
    let observations = conversation.simulation.take_observations(End::Near);
    let mut closes = Vec::new();
    for (_, observation) in &observations {
        if let Observation::Datagram(datagram) = observation
            && datagram.direction == Direction::Sent
        {
            let packets = datagram.packets.iter();
            let opened = packets.filter_map(|packet| packet.decrypted.as_ref());
            closes.extend(opened.flat_map(|opened| closes_in(&opened.payload)));
        }
    }
    // The handshake's packets may not tell it (RFC 9000 §10.2.3).
    assert!(closes.contains(&(true, String::new())), "{closes:?}");
    closes.retain(|(is_application, reason)| *is_application && !reason.is_empty());
    assert!(closes.is_empty(), "{closes:?}");
}

/// Returns of each CONNECTION_CLOSE frame whether it is the application's, and its reason.
fn closes_in(payload: &[u8]) -> Vec<(bool, String)> {
    let closes = wire::frames(payload).filter_map(|frame| match frame {
        Ok(Frame::ConnectionClose {
            application,
            reason,
            ..
        }) => Some((application, String::from_utf8_lossy(reason).into_owned())),
        _ => None,
    });
    closes.collect()
}
