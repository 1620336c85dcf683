//! The rung of this machine: routes, buffers, and what its kernel can do.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use serde_json::json;

use super::{
    Cause, Finding, Rung, RungReport, RungResult,
    ladder::Climb,
    world::{Machine, Route},
};

/// Bytes of UDP payload that every path has to carry (RFC 9000 §14).
const PAYLOAD_MIN: usize = 1_200;
/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;
/// Bytes of received datagrams that a socket should keep, as some hundred datagrams come at once.
const BUFFER_GOOD: usize = 200 << 10;

/// Bytes of an IP packet that every link of IPv6 carries (RFC 8200 §5).
const IPV6_MTU_MIN: usize = 1_280;

/// Routes to the target's addresses; or why there is none.
type Routes = [(IpAddr, Result<Route, String>)];

/// Climbs the rung.
pub(crate) fn climb(climb: &mut Climb<'_>) -> RungReport {
    let mut report = RungReport::new(Rung::Machine, RungResult::Passed);
    let machine = climb.world.machine();
    let port = climb.doors().first().map_or(443, |door| door.port);
    let mut routes = Vec::new();
    for address in climb.addresses() {
        let route = climb.world.route(SocketAddr::new(address, port));
        let route = route.map_err(|error| without_route(&error));
        routes.push((address, route.and_then(|it| with_source(address, it))));
    }
    tell_routes(&routes, &mut report);
    match machine {
        Ok(machine) => tell(&machine, &mut report),
        Err(error) => report.say(format!("this host does not tell what it can do: {error}")),
    }
    if let Some(finding) = judge(&routes) {
        report.result = RungResult::Failed;
        climb.report.findings.push(finding);
    }
    for (address, route) in routes {
        match route {
            Ok(route) if is_small(&route) => {}
            Ok(route) => climb.routes.push((address, route)),
            Err(why) => climb.unroutable.push((address, why)),
        }
    }
    report
}

/// Says why there is no route: Linux has errors of their own for routes that let nothing pass.
fn without_route(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "a route of this host forbids it (prohibit)".into(),
        io::ErrorKind::InvalidInput => "a route of this host drops it (blackhole)".into(),
        io::ErrorKind::HostUnreachable => "a route of this host refuses it (unreachable)".into(),
        _ => error.to_string(),
    }
}

fn tell_routes(routes: &Routes, report: &mut RungReport) {
    for (address, route) in routes {
        match route {
            Ok(Route { source, mtu, .. }) => {
                let size = mtu.map(|mtu| format!(", packets of {mtu} B at most"));
                let size = size.unwrap_or_default();
                report.say(format!("to {address} from {source}{size}"));
            }
            Err(why) => report.say(format!("no route to {address}: {why}")),
        }
    }
    let routes = routes.iter().map(|(address, route)| match route {
        Ok(route) => json!({
            "address": address.to_string(),
            "source": route.source.to_string(),
            "mtu_bytes": route.mtu,
        }),
        Err(why) => json!({ "address": address.to_string(), "error": why }),
    });
    report.fact("routes", routes.collect::<Vec<_>>());
}

fn tell(machine: &Machine, report: &mut RungReport) {
    let families = match (machine.has_ipv4, machine.has_ipv6) {
        (true, true) => "IPv4 and IPv6",
        (true, false) => "IPv4, no IPv6",
        (false, true) => "IPv6, no IPv4",
        (false, false) => "neither IPv4 nor IPv6",
    };
    report.say(format!(
        "{families}; socket buffers of {} and {} kB; {} and {} datagrams a batch",
        machine.receive_buffer_bytes >> 10,
        machine.send_buffer_bytes >> 10,
        machine.gso_segments,
        machine.gro_segments,
    ));
    if machine.receive_buffer_bytes < BUFFER_GOOD.min(machine.asked_buffer_bytes) {
        report.say("the kernel gives small buffers: large transfers lose datagrams there");
    }
    report.fact("asked_buffer_bytes", machine.asked_buffer_bytes);
    report.fact("receive_buffer_bytes", machine.receive_buffer_bytes);
    report.fact("send_buffer_bytes", machine.send_buffer_bytes);
    report.fact("gso_segments", machine.gso_segments);
    report.fact("gro_segments", machine.gro_segments);
    report.fact("has_ipv4", machine.has_ipv4);
    report.fact("has_ipv6", machine.has_ipv6);
}

/// Takes a route that has an address to send from. Where a host has none for a way out, Linux names
/// loopback's, from which nothing leaves it.
fn with_source(address: IpAddr, route: Route) -> Result<Route, String> {
    if route.source.is_loopback() && !address.is_loopback() {
        return Err("this host has no address to send from".into());
    }
    Ok(route)
}

/// Returns the bytes of the IP packet around the smallest datagram that QUIC needs.
fn needed(is_ipv4: bool) -> usize {
    let header = if is_ipv4 { 20 } else { 40 };
    PAYLOAD_MIN + UDP_HEADER + header
}

fn is_small(route: &Route) -> bool {
    let needed = needed(route.source.is_ipv4());
    route.mtu.is_some_and(|mtu| mtu < needed)
}

fn judge(routes: &Routes) -> Option<Finding> {
    let routes = routes.iter();
    let routes = routes.filter_map(|(address, route)| Some((address, route.as_ref().ok()?)));
    let mut small = routes.filter(|(_, route)| is_small(route)).peekable();
    let (address, route) = *small.peek()?;
    let evidence = small.map(|(address, route)| {
        let mtu = route.mtu.unwrap_or_default();
        format!("this host's route to {address} has an MTU of {mtu} B")
    });
    Some(route_too_small(*address, route.mtu).with_evidence(evidence))
}

/// Says that the route to an address carries too little.
pub(super) fn route_too_small(address: IpAddr, mtu: Option<usize>) -> Finding {
    let needed = needed(address.is_ipv4());
    let carried = mtu.filter(|mtu| *mtu < needed);
    let carried = carried.map_or("too small packets".into(), |mtu| {
        format!("packets of {mtu} B")
    });
    // RFC 8200 §5: IPv6 wants more of every link than QUIC does.
    let wanted = match address {
        IpAddr::V4(_) => needed,
        IpAddr::V6(_) => needed.max(IPV6_MTU_MIN),
    };
    Finding::new(
        Cause::RouteTooSmall,
        format!("The route to {address} carries {carried}, and QUIC needs {needed} B."),
        format!("Set the MTU of the interface, tunnel or route to {wanted} B or more."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_route_that_carries_no_1200_bytes_is_too_small() {
        for (address, mtu, expected) in [
            ("192.0.2.1", Some(1_200), true),
            ("192.0.2.1", Some(1_227), true),
            ("192.0.2.1", Some(1_228), false),
            ("192.0.2.1", None, false),
            ("2001:db8::1", Some(1_247), true),
            ("2001:db8::1", Some(1_280), false),
        ] {
            let address = address.parse().expect("an address");
            let finding = judge(&[(address, Ok(Route::new(address, mtu)))]);
            let is_small = finding.is_some_and(|it| it.cause == Cause::RouteTooSmall);
            assert_eq!(is_small, expected, "{address}, {mtu:?}");
        }
    }

    #[test]
    fn a_route_that_lets_nothing_pass_is_named_and_other_reasons_are_the_systems() {
        for (kind, words) in [
            (io::ErrorKind::PermissionDenied, "prohibit"),
            (io::ErrorKind::InvalidInput, "blackhole"),
            (io::ErrorKind::NetworkUnreachable, "network unreachable"),
        ] {
            let told = without_route(&kind.into());
            assert!(told.contains(words), "{told}");
        }
    }
}
