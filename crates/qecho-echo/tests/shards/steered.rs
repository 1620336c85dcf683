//! Clients go to one shard, and stay there.

use std::{
    collections::BTreeMap,
    io,
    sync::mpsc::{Sender, channel},
    time::Duration,
};

use bytes::Bytes;
use qecho_echo::server::Report;
use qecho_engine::config::RetryPolicy;
use qecho_io::listen::Listen;
use qecho_netsim::relay::{self, Relay};
use qecho_packet::{
    Observers,
    trace::{Event, EventKind, Sink, Trace},
};
use rand::Rng;

use crate::sharded::{Sharded, Talk};

fn total(reports: Vec<Report>) -> Report {
    reports.into_iter().sum()
}

/// Bytes that are nowhere alike.
fn data(length: usize) -> Bytes {
    (0..length as u32)
        .map(|at| (at.wrapping_mul(at) >> 7) as u8)
        .collect()
}

/// Lets a client change its port in the middle of many messages.
fn wanders(shards: usize) {
    let sharded = Sharded::start(shards);
    let to = sharded.server.addresses()[0];
    let relay = Relay::start(&relay::Config::new(to, 1)).expect("loopback has ports");
    let talk = sharded.client_to(relay.addresses()[0]);
    talk.say("hello");
    assert_eq!(talk.echoed(), "hello");
    let message = data(100_000);
    for _ in 0..20 {
        talk.say(message.clone());
        relay.rebind();
        assert!(talk.echoed() == message, "the same bytes");
    }
    assert_eq!(talk.finish().messages, 21);
    let seen = relay.stop().expect("it waits well");
    assert_eq!(seen.rebinds, 20);
    let reports = sharded.stop();
    let busy = reports.iter().filter(|report| report.bytes_echoed > 0);
    assert_eq!(busy.count(), 1, "one shard did it all: {reports:?}");
    let total = total(reports);
    assert_eq!((total.connections, total.bytes_echoed), (1, 2_000_005));
}

#[test]
fn a_client_that_changes_its_port_stays_on_its_shard_of_two_and_loses_nothing() {
    wanders(2);
}

#[test]
fn a_client_that_changes_its_port_stays_on_its_shard_of_eight_and_loses_nothing() {
    wanders(8);
}

/// Lets so many clients have a message echoed at once.
fn crowd(sharded: &Sharded, clients: usize) {
    let talks: Vec<Talk> = (0..clients).map(|_| sharded.client()).collect();
    for talk in &talks {
        talk.say("to each its shard");
    }
    for talk in talks {
        assert_eq!(talk.echoed(), "to each its shard");
        talk.finish();
    }
}

#[test]
fn connections_spread_over_all_shards() {
    let sharded = Sharded::start(8);
    crowd(&sharded, 120);
    let reports = sharded.stop();
    // That a shard has none of them happens once in some millions.
    assert!(
        reports.iter().all(|report| report.connections > 0),
        "{reports:?}"
    );
    let total = total(reports);
    assert_eq!((total.connections, total.streams), (120, 120));
    assert_eq!((total.handshakes_failed(), total.refused()), (0, 0));
}

#[test]
fn a_retry_leads_to_the_shard_that_demanded_it() {
    let sharded = Sharded::with(8, |config| config.admission.retry = RetryPolicy::Always);
    crowd(&sharded, 30);
    let total = total(sharded.stop());
    assert_eq!((total.connections, total.handshakes_failed()), (30, 0));
}

#[test]
fn the_limit_of_connections_is_one_for_all_shards() {
    let sharded = Sharded::with(8, |config| config.admission.connections_max = 10);
    let talks: Vec<Talk> = (0..10).map(|_| sharded.client()).collect();
    for talk in &talks {
        talk.say("in");
        assert_eq!(talk.echoed(), "in");
    }
    for _ in 0..5 {
        let why = sharded.client().fails();
        assert!(why.contains("CONNECTION_REFUSED"), "{why}");
    }
    for talk in talks {
        talk.finish();
    }
    let total = total(sharded.stop());
    assert_eq!((total.connections, total.refused()), (10, 5));
}

#[test]
fn while_one_shard_drains_every_other_refuses_newcomers() {
    let sharded = Sharded::start(8);
    let last = sharded.client();
    last.say("first");
    assert_eq!(last.echoed(), "first");
    sharded.drain(Duration::from_secs(600));
    let mut refused = 0;
    for _ in 0..20 {
        let why = sharded.client().fails();
        // Its shard may not have heard yet that nobody is to be let in.
        match why.contains("CONNECTION_REFUSED") {
            true => refused += 1,
            // RFC 9000 §10.2.3: a handshake hears no application's reason.
            false => assert!(why.contains("APPLICATION_ERROR"), "{why}"),
        }
    }
    last.say("last");
    assert_eq!(last.echoed(), "last");
    last.finish();
    let total = total(sharded.wait());
    assert_eq!((total.connections, total.refused()), (1, refused));
    assert!(refused > 0);
}

#[test]
fn all_addresses_of_a_wildcard_are_steered() {
    let sharded = Sharded::with(4, |config| {
        config.listen = vec![Listen::Everywhere { port: 0 }];
    });
    for address in sharded.server.addresses().to_vec() {
        let loopback: std::net::IpAddr = match address.is_ipv4() {
            true => std::net::Ipv4Addr::LOCALHOST.into(),
            false => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let to = (loopback, address.port()).into();
        let relay = Relay::start(&relay::Config::new(to, 1)).expect("loopback has ports");
        let talk = sharded.client_to(relay.addresses()[0]);
        for _ in 0..5 {
            talk.say("anywhere");
            assert_eq!(talk.echoed(), "anywhere");
            relay.rebind();
        }
        talk.finish();
        relay.stop().expect("it waits well");
    }
    let total = total(sharded.stop());
    assert_eq!(total.handshakes_failed(), 0);
}

/// Tells which connections begin.
struct Beginnings(Sender<u64>);

impl Sink for Beginnings {
    fn take(&mut self, event: &Event<'_>) -> io::Result<()> {
        if let (EventKind::Began, Some(connection)) = (&event.kind, event.connection) {
            self.0.send(connection.number).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

#[test]
fn a_trace_of_all_shards_gives_each_connection_a_number_of_its_own() {
    let (tell, told) = channel();
    let trace = Trace::start(vec![Box::new(Beginnings(tell))]).expect("there is a thread");
    let sharded = Sharded::with(4, |config| {
        config.observers = Observers {
            trace: Some(trace.clone()),
            ..Observers::default()
        };
    });
    crowd(&sharded, 40);
    sharded.stop();
    let report = trace.finish();
    assert_eq!((report.left_out, report.failures.len()), (0, 0));
    let mut numbers = BTreeMap::new();
    for number in told {
        *numbers.entry(number).or_insert(0) += 1;
    }
    assert_eq!(numbers.len(), 40);
    assert!(numbers.values().all(|times| *times == 1), "{numbers:?}");
}

#[test]
fn datagrams_of_several_shards_that_come_in_one_batch_reach_each_of_them() {
    let sharded = Sharded::start(2);
    let server = sharded.server.addresses()[0];
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("there is a port");
    let state = quinn_udp::UdpSocketState::new((&socket).into()).expect("it is a socket");
    // Short headers of connections that nobody has: each shard answers by a
    // stateless reset, the first at once and the others not so soon.
    const SIZE: usize = 100;
    let mut contents = vec![0x40; 32 * SIZE];
    // At random: those that count up in equal steps all belong to one shard
    // under every sixtieth key. These do once in some billions.
    for datagram in contents.chunks_mut(SIZE) {
        rand::rng().fill_bytes(&mut datagram[1..5]);
    }
    let batch = quinn_udp::Transmit {
        destination: server,
        ecn: None,
        contents: &contents,
        segment_size: Some(SIZE),
        src_ip: None,
    };
    state
        .try_send((&socket).into(), &batch)
        .expect("loopback takes it");
    socket.set_nonblocking(false).expect("it is a socket");
    socket
        .set_read_timeout(Some(crate::sharded::LIMIT))
        .expect("it is a socket");
    for shard in 1..=2 {
        let answer = socket.recv(&mut [0; 200]);
        assert!(answer.is_ok(), "answer {shard} of 2: {answer:?}");
    }
}
