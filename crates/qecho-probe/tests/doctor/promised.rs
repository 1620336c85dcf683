//! What nobody promised: names in place of addresses, and web servers without QUIC.

use std::{io, net::SocketAddr};

use qecho_probe::doctor::{Cause, Door, Rung, world::TcpAnswer};

use crate::{
    servers::{ADDRESS, chosen_door, examine_target, good_server, loses_hello, one, target},
    world::Simulation,
};

#[test]
fn a_server_that_is_silent_to_whoever_names_none_blocks_no_name_where_there_is_none() {
    let is_unnamed = |hello: &qecho_peer::tls::ClientHello| hello.server_name().is_none();
    let mut world = one(good_server()).behind(loses_hello(is_unnamed));
    let mut target = target(&[ADDRESS], vec![chosen_door()]);
    (target.host, target.server_name) = (ADDRESS.into(), ADDRESS.into());
    let report = examine_target(&mut world, &target);
    assert_eq!(report.cause(), Some(Cause::IgnoresUs), "{report:#?}");
}

#[test]
fn a_web_server_that_cannot_be_asked_is_not_called_filtered_unless_its_port_was_chosen() {
    for (is_chosen, expected) in [(false, Cause::H3NotAnnounced), (true, Cause::UdpFiltered)] {
        let mut world = Simulation::new();
        let web = SocketAddr::new(ADDRESS.parse().unwrap(), 443);
        world.tcp = vec![(web, TcpAnswer::Open)];
        let doors = vec![Door::new(443, Some(b"h3".to_vec()), is_chosen)];
        let report = examine_target(&mut world, &target(&[ADDRESS], doors));
        assert_eq!(report.cause(), Some(expected), "{report:#?}");
        assert!(report.verdict().unwrap().or_else.is_some());
    }
}

#[test]
fn a_web_server_that_speaks_tls_1_2_alone_is_not_said_to_announce_nothing() {
    let mut world = Simulation::new();
    world.announced = Err(io::ErrorKind::Unsupported);
    let web = SocketAddr::new(ADDRESS.parse().unwrap(), 443);
    world.tcp = vec![(web, TcpAnswer::Open)];
    let doors = vec![Door::new(443, Some(b"h3".to_vec()), false)];
    let report = examine_target(&mut world, &target(&[ADDRESS], doors));
    assert_eq!(report.cause(), None, "{report:#?}");
    let mut untried = report.untried.iter();
    assert!(untried.any(|it| it.contains("TLS 1.3")), "{report:#?}");
}

#[test]
fn a_web_server_does_not_decide_how_many_ports_are_tried() {
    let mut world = Simulation::new();
    let ports = (1_000..9_000).map(|port| format!("h3=\":{port}\""));
    world.announced = Ok(vec![ports.collect::<Vec<_>>().join(", ")]);
    let doors = vec![Door::new(443, Some(b"h3".to_vec()), false)];
    let report = examine_target(&mut world, &target(&[ADDRESS], doors));
    assert!(world.datagrams() < 100, "{}", world.datagrams());
    let names = report.rungs.iter().find(|rung| rung.rung == Rung::Names);
    let said = names.unwrap().lines.join("; ");
    assert!(said.contains("other places") && said.len() < 300, "{said}");
}

#[test]
fn a_host_without_any_route_is_told_so() {
    let mut world = Simulation::new();
    world.is_ipv6_routed = false;
    let target = target(&["2001:db8::1"], vec![chosen_door()]);
    let report = examine_target(&mut world, &target);
    assert_eq!(report.cause(), Some(Cause::NoRoute), "{report:#?}");
    assert_eq!(world.datagrams(), 0);
}
