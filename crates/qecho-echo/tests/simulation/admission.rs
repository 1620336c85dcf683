//! Who is let in, and what those who are not can make the server do.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use qecho_engine::{config::RetryPolicy, limits};
use qecho_netsim::simulation::{End, NEAR};
use qecho_packet::{Direction, close::CONNECTION_REFUSED};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use qecho_testkit::{
    load::Command,
    scenario::{KIB, Scenario, World, dead_path},
};

/// Returns the clients' first datagrams: Initial packets from strangers.
fn first_datagrams(count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut world = Scenario::seeded(seed).clients(count).begin();
    let seen = record(&mut world, End::Near, Direction::Sent);
    world.run_for(Duration::ZERO);
    seen.take()
}

/// Keeps every datagram that is seen from now on.
fn record(world: &mut World, end: End, direction: Direction) -> Rc<RefCell<Vec<Vec<u8>>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let kept = seen.clone();
    world.observe(move |sighting| {
        if (sighting.end, sighting.direction) == (end, direction) {
            kept.borrow_mut().push(sighting.data.to_vec());
        }
    });
    seen
}

fn stranger(number: usize) -> SocketAddr {
    let address = Ipv4Addr::from_bits((10 << 24) + number as u32);
    SocketAddr::new(address.into(), 1_024)
}

#[test]
fn one_connection_over_the_limit_is_refused_at_once() {
    let mut world = Scenario::seeded(1)
        .connections_max(3)
        .clients(3)
        .echo(KIB)
        .finish();
    world.tell(Command::Connect);
    world.within(Duration::from_secs(1), "the fourth is refused", |both| {
        both.near.application().connections[3].closed.is_some()
    });
    let reason = world.load().connections[3].closed.clone();
    let code = reason.and_then(|reason| reason.transport_code());
    assert_eq!(code, Some(CONNECTION_REFUSED));
    let mut others = world.load().connections[..3].iter();
    assert!(others.all(|client| client.closed.is_none()));
    // The place of one that has left is free for another.
    world.tell(Command::Close(0));
    world.until("all have left", |both| both.far.connections() == 0);
    world.tell(Command::Connect);
    world.within(Duration::from_secs(1), "the fifth is let in", |both| {
        both.near.application().connections[4].is_done()
    });
}

#[test]
fn a_client_proves_its_address_by_retry_and_gets_everything() {
    for (seed, loss) in [(10, 0.0), (11, 0.1), (12, 0.1), (13, 0.1), (14, 0.3)] {
        let world = Scenario::seeded(seed)
            .retry(RetryPolicy::Always)
            .loss(loss)
            .echo(100 * KIB)
            .finish();
        world.check_all_returned();
    }
    assert_eq!(retries(RetryPolicy::Always), 1);
    assert_eq!(retries(RetryPolicy::Never), 0);
    assert_eq!(retries(RetryPolicy::Auto), 0, "there is no crowd");
}

/// Counts the Retry packets that a lone client gets.
fn retries(policy: RetryPolicy) -> usize {
    let mut world = Scenario::seeded(15).retry(policy).echo(KIB).begin();
    let sent = record(&mut world, End::Far, Direction::Sent);
    world.until("all is done", |both| both.near.application().is_done());
    // RFC 9000 §17.2.5: a long header of type 3.
    let sent = sent.borrow();
    sent.iter().filter(|data| data[0] & 0xf0 == 0xf0).count()
}

#[test]
fn silent_handshakes_are_gone_after_the_deadline() {
    for policy in [RetryPolicy::Auto, RetryPolicy::Never] {
        let mut world = Scenario::seeded(20).retry(policy).clients(0).begin();
        for (number, data) in first_datagrams(50, 21).into_iter().enumerate() {
            world.inject(stranger(number), data);
        }
        world.run_for(limits::HANDSHAKE_DEADLINE - Duration::from_millis(1));
        assert_eq!(world.far.connections(), 50);
        assert_eq!(world.far.half_open(), 50);
        world.run_for(Duration::from_millis(2));
        let failed = world.far.application().report().handshakes_failed();
        assert_eq!(failed, 50, "the deadline ends them");
        // Their CONNECTION_CLOSE is repeated for three probe timeouts, and
        // until then they count.
        world.run_for(Duration::from_secs(30));
        assert_eq!(world.far.connections(), 0);
        assert_eq!(world.far.half_open(), 0);
    }
}

#[test]
fn clients_that_fall_silent_after_their_first_flight_are_gone_after_the_deadline() {
    let mut world = Scenario::seeded(25).clients(20).begin();
    // The first flight passes; then nothing does from there.
    world.run_for(Duration::from_millis(6));
    world.links().0.set_conditions(dead_path());
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.far.half_open(), 20);
    world.run_for(limits::HANDSHAKE_DEADLINE);
    assert_eq!(world.far.half_open(), 0);
}

#[test]
fn a_flood_from_invented_addresses_brings_retry_and_a_real_client_still_gets_in() {
    let mut world = Scenario::seeded(30).echo(KIB).clients(0).begin();
    let flood = first_datagrams(limits::HALF_OPEN_MAX + 500, 31);
    for (number, data) in flood.into_iter().enumerate() {
        world.inject(stranger(number), data);
    }
    world.run_for(Duration::from_millis(1));
    assert_eq!(world.far.half_open(), limits::HALF_OPEN_UNVALIDATED_MAX);
    let sent = record(&mut world, End::Far, Direction::Sent);
    world.tell(Command::Connect);
    world.within(Duration::from_secs(2), "it is served", |both| {
        both.near.application().is_done()
    });
    world.check_all_returned();
    let retried = sent.borrow().iter().any(|data| data[0] & 0xf0 == 0xf0);
    assert!(retried, "it had to prove its address");
}

#[test]
fn one_address_cannot_take_the_room_of_others() {
    let mut world = Scenario::seeded(35).clients(0).begin();
    for data in first_datagrams(200, 36) {
        world.inject(stranger(1), data);
    }
    world.run_for(Duration::from_millis(1));
    let most = limits::HALF_OPEN_UNVALIDATED_PER_ADDRESS_MAX;
    assert_eq!(world.far.half_open(), most);
}

#[test]
fn before_validation_nobody_gets_more_than_three_times_what_he_sent() {
    for seed in 40..60 {
        let mut world = Scenario::seeded(seed)
            .loss(0.1)
            .duplication(0.1)
            .corruption(0.05)
            .clients(20)
            .begin();
        // Bytes from and to each address; no client ever gets an answer, so
        // no address is ever validated.
        let bytes = Rc::new(RefCell::new(BTreeMap::<SocketAddr, (usize, usize)>::new()));
        let counted = bytes.clone();
        world.observe(move |sighting| {
            if sighting.end != End::Far {
                return;
            }
            let mut counted = counted.borrow_mut();
            let (came, went) = counted.entry(sighting.peer).or_default();
            match sighting.direction {
                Direction::Received => *came += sighting.data.len(),
                Direction::Sent => *went += sighting.data.len(),
            }
            assert!(*went <= 3 * *came, "{sighting:?}: {came} came, {went} went");
        });
        world.links().1.set_conditions(dead_path());
        for (number, data) in first_datagrams(20, seed + 1_000).into_iter().enumerate() {
            let cut = data.len() - number % 3;
            world.inject(stranger(number), data[..cut].to_vec());
        }
        world.run_for(Duration::from_secs(60));
        let bytes = bytes.borrow();
        let (came, went) = bytes[&NEAR];
        assert!(came > 0 && went > 0, "seed {seed}: {bytes:?}");
    }
}

#[test]
fn garbage_is_never_answered_by_more_than_it_is() {
    let mut world = Scenario::seeded(70).clients(0).begin();
    let mut random = StdRng::seed_from_u64(70);
    let bytes = Rc::new(RefCell::new((0, 0)));
    let counted = bytes.clone();
    world.observe(move |sighting| {
        let (came, went) = &mut *counted.borrow_mut();
        match sighting.direction {
            Direction::Received => *came += sighting.data.len(),
            Direction::Sent => *went += sighting.data.len(),
        }
    });
    for number in 0..20_000 {
        let mut data = vec![0; random.random_range(0..1_500)];
        random.fill_bytes(&mut data);
        world.inject(stranger(number), data);
        world.run_for(Duration::from_micros(100));
    }
    world.run_for(Duration::from_secs(60));
    let (came, went) = *bytes.borrow();
    assert!(went <= came, "{came} bytes came, {went} went");
    assert_eq!(world.far.connections(), 0);
}

#[test]
fn mutations_of_real_datagrams_harm_neither_server_nor_client() {
    for seed in 100..400 {
        let mut world = Scenario::seeded(seed).echo(20 * KIB).echo(KIB).begin();
        let seen = record(&mut world, End::Near, Direction::Sent);
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..10 {
            world.run_for(Duration::from_millis(5));
            let mut data = match &seen.borrow()[..] {
                [] => continue,
                seen => seen[random.random_range(0..seen.len())].clone(),
            };
            mutate(&mut data, &mut random);
            let from = match random.random_range(0..3) {
                0 => stranger(1),
                _ => NEAR,
            };
            world.inject(from, data);
        }
        world.until("all is done", |both| both.near.application().is_done());
        world.check_all_returned();
    }
}

/// Changes bytes, cuts, lengthens or joins.
fn mutate(data: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(0..4) {
        match random.random_range(0..5) {
            0 => data.truncate(random.random_range(1..=data.len().max(1))),
            1 => data.extend(data.clone()),
            2 if !data.is_empty() => {
                // The header is what is read before it is authenticated.
                let at = random.random_range(0..data.len().min(40));
                data[at] = random.random();
            }
            _ if !data.is_empty() => {
                let at = random.random_range(0..data.len());
                data[at] ^= 1 << random.random_range(0..8);
            }
            _ => data.push(random.random()),
        }
    }
}
