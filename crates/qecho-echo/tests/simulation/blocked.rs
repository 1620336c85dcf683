//! A server whose socket takes nothing goes on with what it receives.

use std::time::Duration;

use qecho_engine::{Output, Received};
use qecho_netsim::simulation::NEAR;
use qecho_testkit::{load::Command, scenario::Scenario, stream::Plan};

#[test]
fn what_is_received_is_handled_while_the_socket_takes_nothing() {
    const MESSAGE: u64 = 1_000;
    let mut world = Scenario::seeded(1)
        .stream(Plan::bidirectional(MESSAGE).unread())
        .begin();
    world.run_for(Duration::from_secs(1));
    for messages in 1..5 {
        let now = world.now();
        assert_eq!(
            world.far.application().report().bytes_echoed,
            messages * MESSAGE,
            "the application has read what came while nothing could leave"
        );
        world
            .near
            .handle_command(now, Command::Open(Plan::bidirectional(MESSAGE).unread()));
        world.near.handle_timeouts(now);
        while let Output::Datagram(datagram) = world.near.poll_output(now) {
            let received = Received::from_remote(NEAR, &datagram.contents);
            world.far.handle_datagram(now, received);
            world.near.note_sent(now, datagram, Ok(1));
        }
        world.far.handle_timeouts(now);
        while let Output::Datagram(datagram) = world.far.poll_output(now) {
            world.far.put_back(datagram);
        }
    }
}
