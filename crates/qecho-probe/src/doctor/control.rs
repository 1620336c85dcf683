//! A server that is known to work, beside one that does not: whether it is this network or that
//! server.

use std::net::SocketAddr;

use serde_json::Value;

use super::{Cause, Report, Rung, RungResult};

/// Side on which a cause lies, this one or the server's, as far as a control tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultSide {
    /// On this host, or in the network that it is in: the control fails in the same way.
    Network,
    /// At the server, or on the way that only it has: the control is well.
    Server,
    /// The control does not tell.
    Untold,
}

impl FaultSide {
    /// Returns the name by which programs know it, which never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Server => "server",
            Self::Untold => "untold",
        }
    }
}

/// Tells on which side the cause of a report lies, by what became of a control, which is climbed up
/// to the handshake.
pub fn compare(report: &Report, control: &Report) -> FaultSide {
    let Some(cause) = report.cause() else {
        return FaultSide::Untold;
    };
    if control.findings.iter().any(|found| found.cause == cause) {
        return match cause.is_alike(report, control) {
            true => FaultSide::Network,
            false => FaultSide::Untold,
        };
    }
    // Whoever answers by UDP shows that UDP passes, whatever becomes of its handshake.
    let needed = match cause {
        Cause::HostUnreachable | Cause::UdpFiltered | Cause::UdpRefused => Rung::Udp,
        _ => Rung::Handshake,
    };
    let mut rungs = control.rungs.iter();
    let is_well = rungs.any(|rung| rung.rung == needed && rung.result == RungResult::Passed);
    match is_well && cause.is_excluded(report, control) {
        true => FaultSide::Server,
        false => FaultSide::Untold,
    }
}

impl Cause {
    /// Tells whether two servers with it have it for the same reason.
    fn is_alike(self, report: &Report, control: &Report) -> bool {
        match self {
            // Each server may be as it is.
            Self::AlpnRefused
            | Self::HandshakeRefused
            | Self::H3NotAnnounced
            | Self::UdpRefused => false,
            // Whoever is in between shows certificates of its own issuer.
            Self::CertificateRefused => {
                let issuer = |report| {
                    fact(report, Rung::Handshake, "certificate_issuer").filter(|it| *it != "")
                };
                issuer(report).is_some() && issuer(report) == issuer(control)
            }
            Self::FamilyBroken => {
                let others = broken_families(control);
                let mut families = broken_families(report).into_iter();
                families.any(|family| others.contains(&family))
            }
            _ => true,
        }
    }

    /// Tells whether a control whose handshake completes shows that it is not the network that has
    /// it. What comes after a handshake was not tried, and causes of this host are its own.
    fn is_excluded(self, report: &Report, control: &Report) -> bool {
        match self {
            // A network that blocks one name lets others pass.
            Self::NameBlocked | Self::NoRoute | Self::RouteTooSmall | Self::LocalDrops => false,
            // Firewalls go by the port.
            Self::UdpFiltered | Self::UdpRefused => {
                let port = |report| fact(report, Rung::Udp, "port").cloned();
                port(report).is_some() && port(report) == port(control)
            }
            Self::FamilyBroken => {
                let families = broken_families(report);
                let is_well = |family: &bool| answers(control).contains(&(*family, true));
                !families.is_empty() && families.iter().all(is_well)
            }
            Self::LargeHandshakeLost => {
                let large = fact(control, Rung::Handshake, "large_client_hello_completes");
                large.is_some_and(|large| *large == Value::Bool(true))
            }
            _ => (Self::NoAddress..=Self::StalledAfterReply).contains(&self),
        }
    }
}

fn fact<'a>(report: &'a Report, rung: Rung, key: &str) -> Option<&'a Value> {
    let rung = report.rungs.iter().find(|it| it.rung == rung)?;
    rung.facts.get(key)
}

/// Returns of each address that was tried whether it is of IPv4, and whether it answers.
fn answers(report: &Report) -> Vec<(bool, bool)> {
    let addresses = fact(report, Rung::Udp, "addresses").and_then(Value::as_array);
    let answers = addresses.into_iter().flatten().filter_map(|tried| {
        let address: SocketAddr = tried.get("address")?.as_str()?.parse().ok()?;
        Some((address.is_ipv4(), tried.get("answers")?.as_bool()?))
    });
    answers.collect()
}

/// Returns the families that were tried and of which no address answers: whether it is IPv4.
fn broken_families(report: &Report) -> Vec<bool> {
    let answers = answers(report);
    let is_broken = |is_ipv4: &bool| {
        answers.contains(&(*is_ipv4, false)) && !answers.contains(&(*is_ipv4, true))
    };
    [true, false].into_iter().filter(is_broken).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::{Finding, RungReport};

    fn report(causes: &[Cause], handshake: RungResult) -> Report {
        at(443, &[], causes, handshake)
    }

    /// Returns the report of a server of such addresses, of which it is said whether they answer.
    fn at(
        port: u16,
        addresses: &[(&str, bool)],
        causes: &[Cause],
        handshake: RungResult,
    ) -> Report {
        let findings = causes.iter();
        let mut udp = RungReport::new(Rung::Udp, RungResult::Passed);
        let addresses = addresses
            .iter()
            .map(|(address, answers)| json!({ "address": address, "answers": answers }));
        udp.fact("addresses", addresses.collect::<Vec<_>>());
        udp.fact("port", port);
        Report {
            rungs: vec![udp, RungReport::new(Rung::Handshake, handshake)],
            findings: findings
                .map(|cause| Finding::new(*cause, "it is so", "mend it"))
                .collect(),
            untried: Vec::new(),
        }
    }

    #[test]
    fn a_control_that_fails_alike_means_the_network_and_one_that_is_well_the_server() {
        use Cause::{CertificateRefused, Loss, NatForgets, RouteTooSmall, UdpFiltered};
        use RungResult::{Failed, Passed, Untold};
        for (cause, control, handshake, side) in [
            (UdpFiltered, &[UdpFiltered][..], Untold, FaultSide::Network),
            (UdpFiltered, &[], Passed, FaultSide::Server),
            (UdpFiltered, &[], Untold, FaultSide::Server),
            (
                UdpFiltered,
                &[CertificateRefused],
                Failed,
                FaultSide::Server,
            ),
            (CertificateRefused, &[], Passed, FaultSide::Server),
            (Loss, &[], Passed, FaultSide::Untold),
            (NatForgets, &[], Passed, FaultSide::Untold),
            (RouteTooSmall, &[], Passed, FaultSide::Untold),
        ] {
            let (of, control) = (report(&[cause], Failed), report(control, handshake));
            assert_eq!(compare(&of, &control), side, "{cause}");
        }
        let well = report(&[], Passed);
        assert_eq!(compare(&well, &well), FaultSide::Untold);
    }
    #[test]
    fn a_control_at_another_port_says_nothing_of_a_filter() {
        use Cause::{UdpFiltered, UdpRefused};
        for cause in [UdpFiltered, UdpRefused] {
            let sick = at(4_433, &[], &[cause], RungResult::Untold);
            for (port, side) in [(4_433, FaultSide::Server), (443, FaultSide::Untold)] {
                let control = at(port, &[], &[], RungResult::Passed);
                assert_eq!(compare(&sick, &control), side, "{cause} {port}");
            }
        }
    }

    #[test]
    fn a_broken_family_is_the_servers_only_if_the_control_answers_in_it() {
        let (v4, v6) = ("192.0.2.1:443", "[2001:db8::1]:443");
        let broken = [Cause::FamilyBroken];
        let sick = at(443, &[(v4, true), (v6, false)], &broken, RungResult::Passed);
        for (addresses, causes, side) in [
            (&[(v4, true)][..], &[][..], FaultSide::Untold),
            (&[(v4, true), (v6, true)], &[], FaultSide::Server),
            (&[(v4, true), (v6, false)], &broken, FaultSide::Network),
            (&[(v4, false), (v6, true)], &broken, FaultSide::Untold),
        ] {
            let control = at(443, addresses, causes, RungResult::Passed);
            assert_eq!(compare(&sick, &control), side, "{addresses:?}");
        }
    }

    #[test]
    fn certificates_are_the_networks_only_if_they_are_of_one_issuer() {
        let shows = |issuer: &str| {
            let mut report = report(&[Cause::CertificateRefused], RungResult::Failed);
            report.rungs[1].fact("certificate_issuer", issuer);
            report
        };
        for (issuer, side) in [
            ("CN=Proxy", FaultSide::Network),
            ("CN=Other", FaultSide::Untold),
        ] {
            assert_eq!(compare(&shows("CN=Proxy"), &shows(issuer)), side);
        }
    }

    #[test]
    fn what_each_server_may_have_for_itself_is_not_the_networks() {
        use Cause::{AlpnRefused, H3NotAnnounced, HandshakeRefused, NameBlocked, UdpRefused};
        for cause in [AlpnRefused, H3NotAnnounced, HandshakeRefused, UdpRefused] {
            let sick = report(&[cause], RungResult::Failed);
            assert_eq!(compare(&sick, &sick), FaultSide::Untold, "{cause}");
        }
        let sick = report(&[NameBlocked], RungResult::Failed);
        let well = report(&[], RungResult::Passed);
        assert_eq!(compare(&sick, &well), FaultSide::Untold);
    }
}
