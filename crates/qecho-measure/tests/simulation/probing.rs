//! A load's probe leaves the server with a whole handshake: of a client whose
//! Finished was lost, the server can open nothing that follows (RFC 9001 §5.7).

use std::time::Duration;

use qecho_echo::dial::{Alpn, Target};
use qecho_engine::{Shard, config::ShardConfig};
use qecho_measure::bench::{Config, Probe};
use qecho_netsim::{
    link::Conditions,
    simulation::{End, FAR, NEAR, Simulation},
};
use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    scenario::{Scenario, good_path},
};

/// Time after which a server has given up a handshake.
const LONG: Duration = Duration::from_secs(120);

#[test]
fn a_load_that_looks_first_who_is_there_does_so_by_a_whole_handshake() {
    let identity = Identity::generate();
    let target = Target {
        server_name: SERVER_NAME.into(),
        addresses: vec![FAR],
    };
    let config = Config::new(target, identity.verifier());
    // The first of the client's datagrams, among them that with its Finished.
    for number in 1..=6 {
        let offers = Alpn::Auto.offers(&config.verifier, None, None);
        let probe = Probe::new(&config, offers.expect("these settings work"));
        let client = ShardConfig::client(config.transport.clone());
        let near = Shard::new(&client, &[NEAR], probe).expect("these settings work");
        let far = Scenario::seeded(61).server(&identity);
        let mut simulation = Simulation::new(near, far, &good_path(), 61);
        let without = Conditions {
            drop: Some(number..=number),
            ..good_path()
        };
        simulation.links().0.set_conditions(without);
        let over = simulation.run_until(LONG, |both| both.is_finished(End::Near));
        assert!(over, "without {number}");
        simulation.run_for(LONG);
        let report = simulation.far.application().report();
        let counts = (report.connections, report.handshakes_failed());
        assert_eq!(counts, (1, 0), "without {number}");
        let outcome = simulation.near.into_application().into_outcome();
        assert!(matches!(outcome, Some(Ok(_))), "without {number}");
    }
}
