//! The rung of this machine: routes, buffers, and what its kernel can do.

use std::net::{IpAddr, SocketAddr};

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

/// What was seen of this machine.
#[derive(Clone, Debug, Default)]
struct Seen {
    machine: Option<Machine>,
    /// Routes to the target's addresses; or why there is none.
    routes: Vec<(IpAddr, Result<Route, String>)>,
}

/// Climbs the rung.
pub(crate) fn climb(climb: &mut Climb<'_>) -> RungReport {
    let mut report = RungReport::new(Rung::Machine, RungResult::Passed);
    let mut seen = Seen::default();
    match climb.world.machine() {
        Ok(machine) => seen.machine = Some(machine),
        Err(error) => report.say(format!("this host does not tell what it can do: {error}")),
    }
    let port = climb.doors().first().map_or(443, |door| door.port);
    for address in climb.addresses() {
        let route = climb.world.route(SocketAddr::new(address, port));
        let route = route.map_err(|error| error.to_string());
        let route = route.and_then(|route| with_source(address, route));
        seen.routes.push((address, route));
    }
    tell(&seen, &mut report);
    let findings = judge(&seen);
    if !findings.is_empty() {
        report.result = RungResult::Failed;
    }
    climb.report.findings.extend(findings);
    let reachable = seen.routes.iter();
    let reachable = reachable.filter(|(_, route)| route.as_ref().is_ok_and(|it| !is_small(it)));
    climb.routes = reachable
        .filter_map(|(address, route)| Some((*address, route.clone().ok()?)))
        .collect();
    let unroutable = seen.routes.iter().filter_map(|(address, route)| {
        let why = route.as_ref().err()?;
        Some((*address, why.clone()))
    });
    climb.unroutable = unroutable.collect();
    report
}

fn tell(seen: &Seen, report: &mut RungReport) {
    for (address, route) in &seen.routes {
        match route {
            Ok(Route { source, mtu, .. }) => {
                let size = mtu.map(|mtu| format!(", packets of {mtu} B at most"));
                let size = size.unwrap_or_default();
                report.say(format!("to {address} from {source}{size}"));
            }
            Err(why) => report.say(format!("no route to {address}: {why}")),
        }
    }
    let routes = seen.routes.iter().map(|(address, route)| match route {
        Ok(route) => json!({
            "address": address.to_string(),
            "source": route.source.to_string(),
            "mtu_bytes": route.mtu,
        }),
        Err(why) => json!({ "address": address.to_string(), "error": why }),
    });
    report.fact("routes", routes.collect::<Vec<_>>());
    let Some(machine) = &seen.machine else {
        return;
    };
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
fn needed(source: &IpAddr) -> usize {
    let header = match source {
        IpAddr::V4(_) => 20,
        IpAddr::V6(_) => 40,
    };
    PAYLOAD_MIN + UDP_HEADER + header
}

fn is_small(route: &Route) -> bool {
    route.mtu.is_some_and(|mtu| mtu < needed(&route.source))
}

fn judge(seen: &Seen) -> Vec<Finding> {
    let routes = seen.routes.iter();
    let routes = routes.filter_map(|(address, route)| Some((address, route.as_ref().ok()?)));
    let small: Vec<_> = routes.filter(|(_, route)| is_small(route)).collect();
    let Some((address, route)) = small.first() else {
        return Vec::new();
    };
    let mtu = route.mtu.unwrap_or_default();
    let needed = needed(&route.source);
    let sentence =
        format!("The route to {address} carries packets of {mtu} B, and QUIC needs {needed} B.");
    // RFC 8200 §5: IPv6 wants more of every link than QUIC does.
    let wanted = match route.source {
        IpAddr::V4(_) => needed,
        IpAddr::V6(_) => needed.max(IPV6_MTU_MIN),
    };
    let advice = format!("Set the MTU of the interface, tunnel or route to {wanted} B or more.");
    let evidence = small.iter().map(|(address, route)| {
        let mtu = route.mtu.unwrap_or_default();
        format!("this host's route to {address} has an MTU of {mtu} B")
    });
    let finding = Finding::new(Cause::RouteTooSmall, sentence, advice).with_evidence(evidence);
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(address: &str, mtu: Option<usize>) -> (IpAddr, Result<Route, String>) {
        let address = address.parse().expect("an address");
        (address, Ok(Route::new(address, mtu)))
    }

    #[test]
    fn only_a_route_that_carries_no_1200_bytes_is_too_small() {
        for (address, mtu, is_small) in [
            ("192.0.2.1", Some(1_200), true),
            ("192.0.2.1", Some(1_227), true),
            ("192.0.2.1", Some(1_228), false),
            ("192.0.2.1", None, false),
            ("2001:db8::1", Some(1_247), true),
            ("2001:db8::1", Some(1_280), false),
        ] {
            let routes = vec![route(address, mtu)];
            let findings = judge(&Seen {
                machine: None,
                routes,
            });
            let causes: Vec<_> = findings.iter().map(|finding| finding.cause).collect();
            let expected: &[Cause] = match is_small {
                true => &[Cause::RouteTooSmall],
                false => &[],
            };
            assert_eq!(causes, expected, "{address}, {mtu:?}");
        }
    }
}
