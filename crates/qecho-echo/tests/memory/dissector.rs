//! Memory that reading a capture keeps.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc};

use qecho_netsim::simulation::{End, FAR};
use qecho_packet::{
    Direction, Observation,
    dissect::{CapturedDatagram, Dissector},
};

use qecho_testkit::{
    counting::freed_by_dropping,
    key_log::KeyLogText,
    scenario::{KIB, Scenario},
};

const KB: usize = 1_000;

/// A datagram that the server received or sent, and which way it went.
type Captured = (Direction, SocketAddr, Vec<u8>);

/// Captures at the server what so many clients and it say.
fn capture(clients: usize) -> (Vec<Captured>, String) {
    let secrets = Arc::new(KeyLogText::default());
    let scenario = Scenario::seeded(21).clients(clients).echo(KIB);
    let mut world = scenario.key_log(secrets.clone()).begin();
    let captured = Rc::<RefCell<Vec<Captured>>>::default();
    let capture = captured.clone();
    world.observe(move |sighting| {
        if sighting.end == End::Far {
            let datagram = (sighting.direction, sighting.peer, sighting.data.to_vec());
            capture.borrow_mut().push(datagram);
        }
    });
    // The server turns away those that are too many at once.
    world.until("all is over", |both| {
        let mut clients = both.near.application().connections.iter();
        clients.all(|one| one.is_done() || one.closed.is_some())
    });
    (captured.take(), secrets.text())
}

/// Reads a capture; returns the kept bytes and how many connections began and
/// how many of them were forgotten.
fn kept(captured: &[Captured], secrets: &str, most: usize) -> (usize, usize, usize) {
    let mut dissector = Dissector::new(most, most);
    dissector.add_secrets(secrets);
    let (mut begun, mut forgotten) = (0, 0);
    for (direction, peer, payload) in captured {
        let (source, destination) = match direction {
            Direction::Received => (*peer, FAR),
            Direction::Sent => (FAR, *peer),
        };
        let mut seen = CapturedDatagram::new(source, destination, payload);
        seen.direction = Some(*direction);
        dissector.datagram(&seen, &mut |observation| match observation {
            Observation::ConnectionStarted { .. } => begun += 1,
            Observation::ConnectionRemoved { .. } => forgotten += 1,
            _ => {}
        });
    }
    (freed_by_dropping(dissector), begun, forgotten)
}

#[test]
fn reading_a_capture_keeps_at_most_8_kb_for_each_connection_that_is_followed() {
    let (captured, secrets) = capture(1_000);
    let (all, begun, forgotten) = kept(&captured, &secrets, 2_000);
    assert_eq!((begun, forgotten), (1_000, 0));
    assert!(all <= 1_000 * 8 * KB, "{all} bytes");
    let (some, begun, forgotten) = kept(&captured, &secrets, 100);
    assert!(begun >= 1_000, "{begun} began");
    assert_eq!(forgotten, begun - 100);
    assert!(some <= 100 * 8 * KB, "{some} bytes");
    println!("{all} bytes for 1,000, {some} for 100");
}
