//! What follows from what came back by UDP.

use std::net::{IpAddr, SocketAddr};

use super::{Reply, Seen, Tried, tcp_words, words};
use crate::doctor::{Cause, Finding, names::WEB_PORT, world::TcpAnswer};

/// Judges a port: addresses beside others that work, or all of them.
pub(super) fn judge(seen: &Seen) -> Vec<Finding> {
    match seen.works() {
        true => judge_beside(seen),
        false => judge_alone(seen).into_iter().collect(),
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

/// Judges addresses that fail where others work: it is the family if all of it fail, and none of
/// the other.
fn judge_beside(seen: &Seen) -> Vec<Finding> {
    let works = |tried: &&Tried| tried.reply == Reply::Quic;
    let has_failed = |tried: &&Tried| tried.reply != Reply::Quic && tried.again.is_some();
    let failed: Vec<&Tried> = seen.tried.iter().filter(has_failed).collect();
    let mut findings = Vec::new();
    for is_ipv4 in [false, true] {
        let of_family = |tried: &&Tried| tried.address.is_ipv4() == is_ipv4;
        let here: Vec<_> = failed.iter().copied().filter(of_family).collect();
        let Some(first) = here.first() else {
            continue;
        };
        let family = match is_ipv4 {
            true => ("IPv4", "IPv6"),
            false => ("IPv6", "IPv4"),
        };
        let has_works = seen.tried.iter().filter(works).any(|it| of_family(&it));
        // A family is broken only if that is sure of all of it.
        if !has_works && seen.tried.iter().filter(of_family).count() > here.len() {
            continue;
        }
        let finding = match has_works {
            true => Finding::new(
                Cause::AddressDead,
                format!(
                    "{} does not answer, where other addresses of {} do.",
                    first.address.ip(),
                    seen.host
                ),
                "Take the address out of the name's records, or repair the server behind it.",
            ),
            false => Finding::new(
                Cause::FamilyBroken,
                format!(
                    "{} does not get to {}, where {} does.",
                    family.0, seen.host, family.1
                ),
                format!(
                    "Repair {}, here or at the server, or take its addresses out of the \
                     name's records.",
                    family.0
                ),
            ),
        };
        let mut evidence: Vec<_> = here.iter().flat_map(|tried| evidence(tried)).collect();
        if let Some(other) = seen.tried.iter().find(works) {
            evidence.insert(1, format!("{}: QUIC answers, each time", other.address));
        }
        findings.push(finding.with_evidence(evidence));
    }
    findings
}

/// Judges by the reply that says most.
fn judge_alone(seen: &Seen) -> Option<Finding> {
    let has_failed = |tried: &&Tried| {
        let again = tried.again.as_ref();
        again.is_some_and(|again| is_alike(again, &tried.reply))
    };
    let failed = seen.tried.iter().filter(has_failed);
    let tried = failed.min_by_key(|tried| rank(&tried.reply))?;
    if is_not_announced(seen, tried) {
        // What could not be read may well say that QUIC answers.
        return (!seen.is_tls_old).then(|| not_announced(seen, tried));
    }
    let finding = match &tried.reply {
        Reply::Quic => return None,
        Reply::Elsewhere(from) => elsewhere(tried.address, *from),
        Reply::Junk(_) => junk(tried.address),
        Reply::Refused(from) => refused(tried, *from),
        Reply::Forbidden(_) => own_rule(tried.address),
        Reply::NotSent(_) => not_sent(tried.address),
        Reply::Prohibited(from) => prohibited(tried.address, *from),
        Reply::Unreachable(..) => unreachable(tried.address),
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

/// Tells whether two replies mean the same.
fn is_alike(one: &Reply, other: &Reply) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

fn rank(reply: &Reply) -> usize {
    match reply {
        Reply::Quic => 0,
        Reply::Elsewhere(_) => 1,
        Reply::Junk(_) => 2,
        Reply::Refused(_) => 3,
        Reply::Forbidden(_) => 4,
        Reply::NotSent(_) => 5,
        Reply::Prohibited(_) => 6,
        Reply::Silent => 7,
        Reply::Unreachable(..) => 8,
    }
}

/// Tells whether there is a web server that has nothing to say of HTTP/3, or was not understood:
/// then nobody promised that QUIC would answer.
fn is_not_announced(seen: &Seen, tried: &Tried) -> bool {
    let may_be = matches!(
        tried.reply,
        Reply::Silent | Reply::Refused(_) | Reply::Prohibited(_)
    );
    let is_guessed = !seen.door.is_chosen && seen.door.port == WEB_PORT;
    let is_unannounced = match seen.is_announced {
        Some(is_announced) => !is_announced,
        None => tried.tcp == Some(TcpAnswer::Open),
    };
    may_be && is_guessed && is_unannounced
}

fn not_announced(seen: &Seen, tried: &Tried) -> Finding {
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
    let mut lines = vec![format!("{}: {}", tried.address, words(&tried.reply))];
    let port = tried.address.port();
    if let Some(tcp) = &tried.tcp {
        lines.push(format!("TCP port {port}: {}", tcp_words(tcp)));
    }
    if let Some(web) = &tried.web {
        lines.push(format!("TCP port {WEB_PORT}: {}", tcp_words(web)));
    }
    if let Some(again) = &tried.again {
        lines.push(format!("{} again: {}", tried.address, words(again)));
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

/// Port unreachable is what a host says where nobody listens, and what firewalls say by default of
/// what they refuse: these in their own name, or in that of the host that they run on.
fn refused(tried: &Tried, from: Option<IpAddr>) -> Finding {
    let (ip, port) = (tried.address.ip(), tried.address.port());
    let by_tcp = match tried.tcp {
        Some(TcpAnswer::Open) => " By TCP somebody does.",
        _ => "",
    };
    match from.map(|from| from.to_canonical()) {
        Some(from) if from != ip.to_canonical() => Finding::new(
            Cause::UdpRefused,
            format!("{from}, a router or firewall on the way, refuses UDP port {port} of {ip}."),
            format!("Ask whoever runs {from} to let UDP port {port} pass there."),
        ),
        from => Finding::new(
            Cause::UdpRefused,
            match from {
                Some(_) => format!("{ip} says that nobody listens on its UDP port {port}.{by_tcp}"),
                None => format!("ICMP says that nobody listens on UDP port {port} of {ip}.{by_tcp}"),
            },
            "Start the QUIC server, or check its port and that it listens on this address.",
        )
        .or_else(
            Cause::UdpFiltered,
            format!(
                "see at the server whether somebody listens (ss -lun sport = :{port}): then its own \
                 firewall refuses"
            ),
        ),
    }
}

fn own_rule(address: SocketAddr) -> Finding {
    Finding::new(
        Cause::UdpFiltered,
        format!("This host's own firewall forbids UDP to {address}."),
        "Allow it in the rules of this host: nft list ruleset shows them.",
    )
}

fn not_sent(address: SocketAddr) -> Finding {
    Finding::new(
        Cause::LocalDrops,
        format!("This host does not send datagrams to {address}."),
        "Look at this host's interface, queues and memory: the system's words are below.",
    )
}

fn prohibited(address: SocketAddr, from: Option<IpAddr>) -> Finding {
    let who = from.map_or("The network".into(), |from| from.to_string());
    Finding::new(
        Cause::UdpFiltered,
        format!("{who} forbids UDP to {address}."),
        format!(
            "Ask whoever runs {who} to let UDP port {} pass.",
            address.port()
        ),
    )
}

fn unreachable(address: SocketAddr) -> Finding {
    Finding::new(
        Cause::UdpFiltered,
        format!("The network knows no way to {address}."),
        "Check the address, and that its host is up.",
    )
}

/// Says of silence what is known: whether the host is there.
fn silent(tried: &Tried, is_announced: bool) -> Finding {
    let (ip, port) = (tried.address.ip(), tried.address.port());
    let listens = tried.tcp == Some(TcpAnswer::Open);
    let is_there = [&tried.tcp, &tried.web].into_iter().flatten();
    let mut is_there = is_there.filter(|it| matches!(it, TcpAnswer::Open | TcpAnswer::Refused));
    let is_there = is_there.next().is_some();
    let sentence = match (listens, is_there) {
        (true, _) => format!("{ip} answers on TCP port {port}, and nothing comes back by UDP."),
        (false, true) => format!("{ip} is there, and nothing comes back from its UDP port {port}."),
        (false, false) => format!(
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
