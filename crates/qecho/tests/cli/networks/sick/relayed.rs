//! Networks that `qecho relay` makes sick.

use crate::networks::{Scenario, WELL, namespaces::ROUTER_ADDRESS, scenarios};

scenarios! {
    a_relay_bleaches: Scenario {
        name: "a relay clears ECN bits",
        relay: "--ecn clear",
        target: ROUTER_ADDRESS,
        cause: Some("ecn-bleached"),
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 3");
            assert_eq!((told.up, told.down), (vec![0; 3], vec![0; 3]));
            network.answers(ROUTER_ADDRESS);
        },
        ..WELL
    },
    a_relay_marks_everything: Scenario {
        name: "a relay makes every mark CE",
        relay: "--ecn ce",
        target: ROUTER_ADDRESS,
        cause: Some("ecn-all-ce"),
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 3");
            assert_eq!((told.up, told.down), (vec![3; 3], vec![3; 3]));
            network.answers(ROUTER_ADDRESS);
        },
        ..WELL
    },
    a_relay_lets_five_pass_in_100_ms: Scenario {
        name: "a relay lets five datagrams pass in 100 ms",
        relay: "--police 5/100ms",
        target: ROUTER_ADDRESS,
        cause: Some("policer"),
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 64");
            assert_eq!(told.answered.get(..5), Some(&[0, 1, 2, 3, 4][..]), "{told:?}");
            assert!(told.answered.len() < 40, "{told:?}");
            let told = network.near("203.0.113.1 5000 --count 16 --gap 0.1");
            assert_eq!(told.answered.len(), 16, "{told:?}");
            network.answers(ROUTER_ADDRESS);
        },
        ..WELL
    },
    a_relay_forgets_after_twenty_seconds: Scenario {
        name: "a relay forgets its clients after 20 s",
        relay: "--nat-timeout 20s",
        target: ROUTER_ADDRESS,
        // So that nobody waits for longer silences.
        server: "--idle-timeout 35s",
        arguments: "--nat",
        cause: Some("nat-forgets"),
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 2 --gap 0.5");
            assert_eq!(told.answered.len(), 2, "{told:?}");
            assert_eq!(told.ports[0], told.ports[1], "{told:?}");
            let told = network.near("203.0.113.1 5000 --count 2 --gap 21");
            assert_eq!(told.answered.len(), 2, "{told:?}");
            assert_ne!(told.ports[0], told.ports[1], "{told:?}");
        },
        ..WELL
    },
    a_relay_loses_three_of_ten: Scenario {
        name: "a relay loses 30 % each way",
        relay: "--loss 30%",
        target: ROUTER_ADDRESS,
        cause: Some("loss"),
        shows: |network| {
            let told = network.near("203.0.113.1 5000 --count 500 --gap 0.004");
            // 245 and at most five standard deviations of 11.
            assert!((190..=300).contains(&told.answered.len()), "{told:?}");
        },
        ..WELL
    },
}
