//! What follows from what came back by UDP.

use std::net::{IpAddr, SocketAddr};

use super::{PortResults, Tried, reply::IcmpSender, reply::Reply, tcp_words};
use crate::doctor::{
    Cause, Finding, machine,
    names::WEB_PORT,
    world::{SendFailure, TcpAnswer, Unreachable},
};

const OWN_FIREWALL: &str = "This host's own firewall";
const OWN_RULES: &str = "Allow it in the rules of this host: nft list ruleset shows them.";

/// Judges a port: addresses beside others that work, or all of them.
pub(super) fn judge(seen: &PortResults) -> Vec<Finding> {
    match seen.working() {
        Some(working) => [false, true]
            .into_iter()
            .filter_map(|is_ipv4| judge_family(seen, working, is_ipv4))
            .collect(),
        None => judge_alone(seen).into_iter().collect(),
    }
}

/// Judges that there is no route to any address.
pub(super) fn no_route(host: &str, unroutable: &[(IpAddr, String)]) -> Finding {
    let evidence = unroutable
        .iter()
        .map(|(address, why)| format!("{address}: {why}"));
    let sentence = format!("This host has no route to {host}.");
    let advice = "Look at this host's addresses and routes: it may have no network at all.";
    Finding::new(Cause::NoRoute, sentence, advice).with_evidence(evidence)
}

/// Judges the addresses of a family that fail where another works: it is the family if all of it
/// fail.
fn judge_family(seen: &PortResults, working: SocketAddr, is_ipv4: bool) -> Option<Finding> {
    let of_family = seen.tried.iter();
    let of_family: Vec<_> = of_family
        .filter(|tried| tried.address.is_ipv4() == is_ipv4)
        .collect();
    let has_failed = |tried: &&&Tried| !tried.works() && tried.again.is_some();
    let failed: Vec<_> = of_family.iter().filter(has_failed).collect();
    let first = failed.first()?;
    let host = &seen.host;
    let finding = if of_family.iter().any(|tried| tried.works()) {
        let ip = first.address.ip();
        Finding::new(
            Cause::AddressDead,
            format!("{ip} does not answer, where other addresses of {host} do."),
            "Take the address out of the name's records, or repair the server behind it.",
        )
    } else if failed.len() == of_family.len() {
        let (family, other) = match is_ipv4 {
            true => ("IPv4", "IPv6"),
            false => ("IPv6", "IPv4"),
        };
        Finding::new(
            Cause::FamilyBroken,
            format!("{family} does not get to {host}, where {other} does."),
            format!(
                "Repair {family}, here or at the server, or take its addresses out of the name's \
                 records."
            ),
        )
    } else {
        // It is not sure of all of the family.
        return None;
    };
    let mut evidence: Vec<_> = failed.iter().flat_map(|tried| evidence(tried)).collect();
    evidence.insert(1, format!("{working}: QUIC answers, each time"));
    Some(finding.with_evidence(evidence))
}

/// Judges by the reply that says most; a way that somebody does not know says least of a name.
fn judge_alone(seen: &PortResults) -> Option<Finding> {
    let failed = seen.tried.iter();
    let failed = failed.filter_map(|tried| Some((tried, tried.agreed()?)));
    let (tried, reply) = failed.min_by_key(|(_, reply)| match reply {
        Reply::Unreachable(_, why) if !why.is_refusal() => u8::MAX,
        reply => reply.rank(),
    })?;
    if is_not_announced(seen, tried, reply) {
        // What could not be read may well say that QUIC answers.
        return (!seen.is_tls_old).then(|| not_announced(seen, tried));
    }
    let address = tried.address;
    let finding = match reply {
        Reply::Quic => return None,
        Reply::Elsewhere(from) => elsewhere(address, *from),
        Reply::Junk(_) => junk(address),
        Reply::NotSent(why, _) => not_sent(address, *why),
        Reply::Unreachable(from, why) => unreachable(tried, *from, *why),
        Reply::TooLarge(_, mtu) => machine::route_too_small(address.ip(), *mtu),
        Reply::Silent => silent(tried, seen.is_announced == Some(true)),
    };
    let mut finding = finding.with_evidence(evidence(tried));
    if !seen.others.is_empty() {
        let others: Vec<_> = seen.others.iter().map(u16::to_string).collect();
        finding
            .evidence
            .push(format!("UDP port {}: no answer either", others.join(", ")));
    }
    Some(finding)
}

/// Tells whether there is a web server that has nothing to say of HTTP/3, or was not understood:
/// then nobody promised that QUIC would answer.
fn is_not_announced(seen: &PortResults, tried: &Tried, reply: &Reply) -> bool {
    let may_be = matches!(reply, Reply::Silent | Reply::Unreachable(..));
    let is_guessed = !seen.door.is_chosen && seen.door.port == WEB_PORT;
    let is_unannounced = match seen.is_announced {
        Some(is_announced) => !is_announced,
        None => tried.tcp == Some(TcpAnswer::Open),
    };
    may_be && is_guessed && is_unannounced
}

fn not_announced(seen: &PortResults, tried: &Tried) -> Finding {
    let host = &seen.host;
    let (sentence, told) = match seen.is_announced {
        Some(_) => (
            format!("The web server of {host} offers no HTTP/3, and no QUIC answers."),
            "the web server answers by TCP and TLS, without Alt-Svc for h3",
        ),
        None => (
            format!("Nothing says that {host} offers HTTP/3, and no QUIC answers."),
            "a web server is there, and cannot be asked for its Alt-Svc",
        ),
    };
    Finding::new(
        Cause::H3NotAnnounced,
        sentence,
        "Switch HTTP/3 on at the server, or name the port of another QUIC server.",
    )
    .with_evidence([told])
    .with_evidence(evidence(tried))
    .or_else(
        Cause::UdpFiltered,
        "ask the server's administrator whether HTTP/3 is switched on",
    )
}

fn evidence(tried: &Tried) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", tried.address, tried.reply)];
    let port = tried.address.port();
    if let Some(tcp) = &tried.tcp {
        lines.push(format!("TCP port {port}: {}", tcp_words(tcp)));
    }
    if let Some(web) = &tried.web {
        lines.push(format!("TCP port {WEB_PORT}: {}", tcp_words(web)));
    }
    if let Some(again) = &tried.again {
        lines.push(format!("{} again: {again}", tried.address));
    }
    lines
}

fn elsewhere(address: SocketAddr, from: SocketAddr) -> Finding {
    Finding::new(
        Cause::AnswersElsewhere,
        format!("{address} was asked, and {from} answers."),
        "Bind the server to the address that it is asked at, or repair the NAT or balancer \
         before it.",
    )
}

fn junk(address: SocketAddr) -> Finding {
    Finding::new(
        Cause::NotQuic,
        format!("Something listens at {address} that is no QUIC server."),
        "Check the port: another protocol of UDP answers there.",
    )
}

fn not_sent(address: SocketAddr, why: SendFailure) -> Finding {
    match why {
        SendFailure::Forbidden => Finding::new(
            Cause::UdpFiltered,
            format!("{OWN_FIREWALL} forbids UDP to {address}."),
            OWN_RULES,
        ),
        SendFailure::NoRoute => Finding::new(
            Cause::NoRoute,
            format!("This host has lost its route to {}.", address.ip()),
            "Look at this host's interface, its addresses and its routes.",
        ),
        SendFailure::Other => Finding::new(
            Cause::LocalDrops,
            format!("This host does not send datagrams to {address}."),
            "Look at this host's interface, queues and memory: the system's words are below.",
        ),
    }
}

/// Judges by an ICMP message: its sender would not let the datagram pass, or has no way for it. Who
/// has a way for TCP will not let it pass.
fn unreachable(tried: &Tried, from: IcmpSender, why: Unreachable) -> Finding {
    match why {
        Unreachable::Port if from != IcmpSender::ThisHost => refused(tried, from),
        why if why.is_refusal() || tried.is_there() => forbidden(tried.address, from, why),
        why => host_unreachable(tried.address.ip(), from, why),
    }
}

fn forbidden(address: SocketAddr, from: IcmpSender, why: Unreachable) -> Finding {
    let port = address.port();
    let (who, advice) = match from {
        IcmpSender::Target(ip) => (
            format!("The firewall of {ip}"),
            format!("Let UDP port {port} pass in the firewall of {ip}."),
        ),
        IcmpSender::ThisHost => (OWN_FIREWALL.into(), OWN_RULES.into()),
        IcmpSender::Other(ip) => (
            ip.to_string(),
            format!("Ask whoever runs {ip} to let UDP port {port} pass."),
        ),
        IcmpSender::Unknown => (
            "The network".into(),
            format!("Ask whoever runs the network to let UDP port {port} pass."),
        ),
    };
    let sentence = match why {
        Unreachable::Prohibited => format!("{who} forbids UDP to {address}."),
        _ => format!("{who} refuses UDP to {address}: it says that {why}."),
    };
    Finding::new(Cause::UdpFiltered, sentence, advice)
}

fn host_unreachable(ip: IpAddr, from: IcmpSender, why: Unreachable) -> Finding {
    let (sentence, advice) = match (why, from) {
        (Unreachable::Host, IcmpSender::ThisHost) => (
            format!(
                "Nobody on this host's link answers for {ip}: its host is down, or the router."
            ),
            format!("See which of them is asked there, and that it is up: ip route get {ip}"),
        ),
        (Unreachable::HopLimit, _) => (
            format!("Datagrams to {ip} go in a circle, until {from} drops them."),
            format!("Repair the routes in the circle: traceroute {ip} shows it."),
        ),
        (Unreachable::Scope, _) => (
            format!("Nothing gets to {ip} from this host's address: {from} says that {why}."),
            "Give this host an address that is valid everywhere.".into(),
        ),
        (Unreachable::Network, _) => (
            format!("Nothing gets to {ip}: {from} says that {why}."),
            "Check the address, and the routes of the one that says so.".into(),
        ),
        _ => (
            format!("Nothing gets to {ip}: {from} says that {why}."),
            "Check the address, and that its host is up.".into(),
        ),
    };
    Finding::new(Cause::HostUnreachable, sentence, advice)
}

/// Port unreachable is what a host says where nobody listens, and what firewalls say by default of
/// what they refuse: these in their own name, or in that of the host that they run on.
fn refused(tried: &Tried, from: IcmpSender) -> Finding {
    let (ip, port) = (tried.address.ip(), tried.address.port());
    if let IcmpSender::Other(from) = from {
        return Finding::new(
            Cause::UdpRefused,
            format!("{from}, a router or firewall on the way, refuses UDP port {port} of {ip}."),
            format!("Ask whoever runs {from} to let UDP port {port} pass there."),
        );
    }
    let by_tcp = match tried.tcp {
        Some(TcpAnswer::Open) => " By TCP somebody does.",
        _ => "",
    };
    let sentence = match from {
        IcmpSender::Target(_) => format!("{ip} says that nobody listens on its UDP port {port}."),
        _ => format!("ICMP says that nobody listens on UDP port {port} of {ip}."),
    };
    Finding::new(
        Cause::UdpRefused,
        sentence + by_tcp,
        "Start the QUIC server, or check its port and that it listens on this address.",
    )
    .or_else(
        Cause::UdpFiltered,
        format!(
            "see at the server whether somebody listens (ss -lun sport = :{port}): then its own \
             firewall refuses"
        ),
    )
}

/// Says of silence what is known: whether the host is there.
fn silent(tried: &Tried, is_announced: bool) -> Finding {
    let (ip, port) = (tried.address.ip(), tried.address.port());
    let sentence = match (&tried.tcp, tried.is_there()) {
        (Some(TcpAnswer::Open), _) => {
            format!("{ip} answers on TCP port {port}, and nothing comes back by UDP.")
        }
        (_, true) => format!("{ip} is there, and nothing comes back from its UDP port {port}."),
        (_, false) => format!(
            "Nothing comes back from {ip}, by UDP or by TCP: it is filtered, or its host is down."
        ),
    };
    let finding = Finding::new(
        Cause::UdpFiltered,
        sentence,
        format!("Let UDP port {port} pass in the firewalls between here and there."),
    );
    match is_announced {
        true => finding.with_evidence(["the web server announces HTTP/3"]),
        false => finding.or_else(
            Cause::UdpRefused,
            format!("see at the server whether anybody listens: ss -lun sport = :{port}"),
        ),
    }
}

#[cfg(test)]
mod tests;
