//! A client that has nothing to send hangs up only when the server has its whole
//! handshake: of a client whose Finished was lost, the server can open nothing
//! that follows (RFC 9001 §5.7).

use std::time::Duration;

use qecho_echo::client::{ClientEvent, Command};
use qecho_netsim::link::Conditions;
use qecho_testkit::scenario::{dead_path, good_path};

use crate::talk::with_echo;

/// Time after which a server has given up a handshake.
const LONG: Duration = Duration::from_secs(120);

#[test]
fn a_client_with_nothing_to_say_completes_its_handshake_whichever_datagram_is_lost() {
    // The first of the client's datagrams, among them that with its Finished.
    for number in 1..=6 {
        let mut conversation = with_echo(60, &good_path());
        let without = Conditions {
            drop: Some(number..=number),
            ..good_path()
        };
        conversation.simulation.links().0.set_conditions(without);
        conversation.tell(Command::Finish);
        let (outcome, took) = conversation.outcome();
        assert!(outcome.is_ok(), "without {number}: {outcome:?}");
        assert!(took < Duration::from_secs(10), "without {number}: {took:?}");
        conversation.simulation.run_for(LONG);
        let report = conversation.simulation.far.application().report();
        let counts = (report.connections, report.handshakes_failed());
        assert_eq!(counts, (1, 0), "without {number}");
    }
}

#[test]
fn a_server_that_never_confirms_a_handshake_does_not_keep_a_client_for_long() {
    let mut conversation = with_echo(62, &good_path());
    let events = &mut conversation.events;
    let connected = conversation.simulation.run_until(LONG, |_| {
        let mut events = events.try_iter();
        events.any(|event| matches!(event, ClientEvent::Connected(_)))
    });
    assert!(connected);
    conversation
        .simulation
        .links()
        .1
        .set_conditions(dead_path());
    conversation.tell(Command::Finish);
    let (outcome, took) = conversation.outcome();
    assert!(outcome.is_ok(), "{outcome:?}");
    // The server confirms it in its next datagram, which is lost already.
    let expected = Duration::from_secs(5)..Duration::from_secs(9);
    assert!(expected.contains(&took), "{took:?}");
}
