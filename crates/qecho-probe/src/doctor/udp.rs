//! The rung of UDP: whether datagrams get to each address, and answers back.

mod judging;

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
};

use qecho_packet::wire::{VersionRequest, packets};
use qecho_peer::network::{Ecn, PathId};
use serde_json::json;

use super::{
    Door, Rung, RungReport, RungResult,
    connecting::{self, Hello, Outcome},
    ladder::Climb,
    names::WEB_PORT,
    world::{Note, TcpAnswer, Told, Unreachable},
};

/// Requests for versions that are sent to one address.
const REQUESTS: u64 = 3;
/// Parts of the time for an answer after which the second request is sent; the third goes after
/// twice as much more.
const REQUEST_PARTS: u32 = 14;
/// Addresses that are tried at a port that was only guessed after another.
const GUESSED_ADDRESSES_MAX: usize = 2;
/// Addresses of which it is asked whether their host is there at all.
const ASKED_BY_TCP_MAX: usize = 3;

/// What came back from an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    /// An answer of QUIC.
    Quic,
    /// The host, or a firewall before it, says that the port is unreachable.
    Refused(Option<IpAddr>),
    /// Somebody on the way forbids it.
    Prohibited(Option<IpAddr>),
    /// Somebody on the way knows no way.
    Unreachable(Option<IpAddr>, Unreachable),
    /// A rule of this host forbids it.
    Forbidden(String),
    /// This host does not send it.
    NotSent(String),
    /// An answer of QUIC from another address.
    Elsewhere(SocketAddr),
    /// Datagrams that are no QUIC.
    Junk(usize),
    /// Nothing.
    Silent,
}

/// An address at which UDP was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tried {
    address: SocketAddr,
    reply: Reply,
    /// What came back when it was tried again, after something else worked.
    again: Option<Reply>,
    /// Whether its host answers by TCP on the same port, and on that of web servers.
    tcp: Option<TcpAnswer>,
    web: Option<TcpAnswer>,
}

/// What was seen at one port.
#[derive(Clone, Debug)]
struct Seen {
    host: String,
    door: Door,
    tried: Vec<Tried>,
    /// Ports that were tried beside it, and did not answer.
    others: Vec<u16>,
    /// Whether the web server announces HTTP/3, if it was asked and told.
    is_announced: Option<bool>,
    /// Whether the web server cannot be asked, as its version of TLS is old.
    is_tls_old: bool,
}

impl Seen {
    fn works(&self) -> bool {
        self.tried.iter().any(|tried| tried.reply == Reply::Quic)
    }
}

/// Climbs the rung.
pub(crate) fn climb(climb: &mut Climb<'_>) -> RungReport {
    let mut report = RungReport::new(Rung::Udp, RungResult::Passed);
    let seen = look(climb);
    let Some(seen) = seen else {
        let host = climb.target.map(|target| target.host.clone());
        let host = host.unwrap_or_default();
        let finding = judging::no_route(&host, &climb.unroutable);
        report.say(format!("this host has no route to {host}"));
        report.result = RungResult::Failed;
        climb.report.findings.push(finding);
        return report;
    };
    tell(&seen, &mut report);
    if let Some(round_trip) = climb.round_trip {
        let milliseconds = round_trip.as_secs_f64() * 1e3;
        report.say(format!("an answer takes {milliseconds:.1} ms"));
        report.fact("round_trip_us", round_trip.as_micros() as u64);
    }
    let works = seen.tried.iter().find(|it| it.reply == Reply::Quic);
    climb.reached = works.map(|it| (it.address, seen.door.clone()));
    let findings = judging::judge(&seen);
    report.result = match (findings.is_empty(), climb.reached.is_some()) {
        (false, _) => RungResult::Failed,
        (true, true) => RungResult::Passed,
        // It failed, and not twice in the same way.
        (true, false) => RungResult::Untold,
    };
    climb.report.findings.extend(findings);
    report
}

/// Tries one port after another until one answers; none if there is no route to any address.
fn look(climb: &mut Climb<'_>) -> Option<Seen> {
    let mut first: Option<Seen> = None;
    let mut others = Vec::new();
    for (number, door) in climb.doors().into_iter().enumerate() {
        let mut seen = look_at(climb, door, number > 0);
        if seen.tried.is_empty() || climb.world.is_stopped() {
            return first;
        }
        if seen.works() {
            look_again_beside_others(climb, &mut seen);
            return Some(seen);
        }
        match first.is_none() {
            true => first = Some(seen),
            false => others.push(seen.door.port),
        }
    }
    let mut seen = first?;
    seen.others = others;
    look_again_alone(climb, &mut seen);
    if seen.works() {
        // It was chance, so what is said of the others begins anew.
        seen.tried.iter_mut().for_each(|tried| tried.again = None);
        look_again_beside_others(climb, &mut seen);
    }
    Some(seen)
}

fn look_at(climb: &mut Climb<'_>, door: Door, is_guessed: bool) -> Seen {
    let mut addresses: Vec<_> = climb.routes.iter().map(|(address, _)| *address).collect();
    if is_guessed {
        addresses = one_of_each_family(&addresses);
    }
    let mut tried = Vec::new();
    for address in addresses {
        let address = SocketAddr::new(address, door.port);
        climb.tries(format!("UDP to {address}"));
        let reply = ask(climb, address, &door);
        tried.push(Tried {
            address,
            reply,
            again: None,
            tcp: None,
            web: None,
        });
    }
    let announced = climb.announced.as_ref();
    let is_tls_old = announced.is_some_and(|it| it.as_ref().is_err_and(|why| why.is_tls_old));
    let announced = announced.and_then(|it| it.as_ref().ok());
    Seen {
        host: climb.target.map(|it| it.host.clone()).unwrap_or_default(),
        door,
        tried,
        others: Vec::new(),
        is_announced: announced.map(super::names::Announced::is_any),
        is_tls_old,
    }
}

fn one_of_each_family(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut chosen: Vec<IpAddr> = Vec::new();
    for address in addresses {
        let is_new = chosen.iter().all(|it| it.is_ipv4() != address.is_ipv4());
        if is_new && chosen.len() < GUESSED_ADDRESSES_MAX {
            chosen.push(*address);
        }
    }
    chosen
}

/// Tries the addresses again that did not answer, once one that did has answered again.
fn look_again_beside_others(climb: &mut Climb<'_>, seen: &mut Seen) {
    let door = seen.door.clone();
    let works = seen.tried.iter().find(|it| it.reply == Reply::Quic);
    let Some(works) = works.map(|it| it.address) else {
        return;
    };
    for index in 0..seen.tried.len() {
        let address = seen.tried[index].address;
        if seen.tried[index].reply == Reply::Quic || ask(climb, works, &door) != Reply::Quic {
            continue;
        }
        climb.tries(format!("UDP to {address} again"));
        let again = ask(climb, address, &door);
        note_again(&mut seen.tried[index], again);
        seen.tried[index].tcp = Some(ask_by_tcp(climb, address));
    }
}

/// Asks by TCP whether the hosts are there at all, and tries again by UDP.
fn look_again_alone(climb: &mut Climb<'_>, seen: &mut Seen) {
    let door = seen.door.clone();
    for tried in seen.tried.iter_mut().take(ASKED_BY_TCP_MAX) {
        let address = tried.address;
        climb.tries(format!("TCP to {address}"));
        let answer = ask_by_tcp(climb, address);
        if answer != TcpAnswer::Open && address.port() != WEB_PORT {
            let web = SocketAddr::new(address.ip(), WEB_PORT);
            tried.web = Some(ask_by_tcp(climb, web));
        }
        tried.tcp = Some(answer);
        climb.tries(format!("UDP to {address} again"));
        let again = ask(climb, address, &door);
        note_again(tried, again);
    }
}

fn note_again(tried: &mut Tried, again: Reply) {
    // What answers at last was lost by chance.
    match again {
        Reply::Quic => tried.reply = Reply::Quic,
        again => tried.again = Some(again),
    }
}

fn ask_by_tcp(climb: &mut Climb<'_>, address: SocketAddr) -> TcpAnswer {
    let patience = climb.options.patience;
    climb.world.tcp(address, patience)
}

/// Sends what any QUIC server answers: a request for its versions, and where that is not
/// answered, as some balancers do not, a connection attempt.
fn ask(climb: &mut Climb<'_>, address: SocketAddr, door: &Door) -> Reply {
    let requested = request_versions(climb, address);
    if requested == Reply::Quic || climb.world.is_stopped() {
        return requested;
    }
    let attempted = attempt(climb, address, door);
    match (&requested, &attempted) {
        // Some networks answer only the first of a kind.
        (_, Reply::Silent) => requested,
        (Reply::Junk(a), Reply::Junk(b)) => Reply::Junk(a + b),
        _ => attempted,
    }
}

/// Asks for the server's versions alone.
pub(super) fn negotiates(climb: &mut Climb<'_>, address: SocketAddr) -> bool {
    request_versions(climb, address) == Reply::Quic
}

fn request_versions(climb: &mut Climb<'_>, address: SocketAddr) -> Reply {
    let (mut network, notes) = match climb.world.network(address) {
        Ok(opened) => opened,
        Err(error) => return Reply::NotSent(error.to_string()),
    };
    let nonce = RandomState::new().hash_one(address);
    let answered = |datagram: &[u8]| {
        let packet = packets(datagram, 0).next()?.ok()?;
        VersionRequest::answered_by(nonce, &packet.header)
    };
    let mut sent = Vec::new();
    let mut junk = 0;
    let mut wait = climb.patience() / REQUEST_PARTS;
    for sequence in 0..REQUESTS {
        let request = VersionRequest { nonce, sequence };
        sent.push(network.now());
        network.send(PathId::default(), &request.datagram(), Ecn::NotEct);
        let until = network.now() + wait;
        while let Some(received) = network.receive(until) {
            let Some(request) = answered(&received.datagram) else {
                junk += 1;
                continue;
            };
            let asked = usize::try_from(request.sequence).ok();
            let asked = asked.and_then(|sequence| sent.get(sequence));
            let took = asked.map(|asked| network.now().duration_since(*asked));
            climb.answered_after(took);
            return Reply::Quic;
        }
        wait *= 2;
    }
    reply(&notes.all(), junk, |contents| answered(contents).is_some())
}

fn attempt(climb: &mut Climb<'_>, address: SocketAddr, door: &Door) -> Reply {
    let Some(target) = climb.target else {
        return Reply::Silent;
    };
    let hello = Hello::usual(door.alpn.as_deref());
    let Ok(config) = hello.config(target) else {
        return Reply::Silent;
    };
    let patience = climb.patience();
    let attempt = match connecting::connect(climb.world, address, config, patience) {
        Ok(attempt) => attempt,
        Err(why) => return Reply::NotSent(why),
    };
    climb.answered_after(attempt.answered_after);
    let reply = match (&attempt.outcome, attempt.answered_elsewhere()) {
        (Outcome::Silent, Some(from)) => Reply::Elsewhere(from),
        (Outcome::Silent, None) => reply(&attempt.notes.all(), attempt.junk, |_| false),
        _ => Reply::Quic,
    };
    attempt.close();
    reply
}

/// Judges by what the network told, where no answer came.
fn reply(notes: &[Note], junk: usize, is_answer: impl Fn(&[u8]) -> bool) -> Reply {
    let mut reply = match junk {
        0 => Reply::Silent,
        junk => Reply::Junk(junk),
    };
    for note in notes {
        reply = match &note.what {
            Told::Foreign { from, contents } if is_answer(contents) => {
                return Reply::Elsewhere(*from);
            }
            Told::Unreachable { from, why } => match why {
                Unreachable::Port => Reply::Refused(*from),
                Unreachable::Prohibited => Reply::Prohibited(*from),
                why => Reply::Unreachable(*from, *why),
            },
            Told::NotSent {
                is_forbidden,
                words,
            } => match is_forbidden {
                true => Reply::Forbidden(words.clone()),
                false => Reply::NotSent(words.clone()),
            },
            Told::Foreign { .. } | Told::TooLarge { .. } => continue,
        };
    }
    reply
}

fn tell(seen: &Seen, report: &mut RungReport) {
    for tried in &seen.tried {
        report.say(format!("{}: {}", tried.address, words(&tried.reply)));
        if let Some(tcp) = &tried.tcp {
            report.say(format!("by TCP: {}", tcp_words(tcp)));
        }
    }
    let addresses = seen.tried.iter().map(|tried| {
        json!({
            "address": tried.address.to_string(),
            "answers": tried.reply == Reply::Quic,
            "reply": words(&tried.reply),
            "tcp": tried.tcp.as_ref().map(tcp_words),
        })
    });
    report.fact("addresses", addresses.collect::<Vec<_>>());
    report.fact("port", seen.door.port);
}

fn words(reply: &Reply) -> String {
    let by = |from: &Option<IpAddr>| from.map_or("the network".into(), |from| from.to_string());
    match reply {
        Reply::Quic => "QUIC answers".into(),
        Reply::Refused(from) => format!("{} says that the port is unreachable", by(from)),
        Reply::Prohibited(from) => format!("{} says that it is forbidden", by(from)),
        Reply::Unreachable(from, why) => {
            format!("{} says that there is no way ({why:?})", by(from))
        }
        Reply::Forbidden(words) => format!("a rule of this host forbids it: {words}"),
        Reply::NotSent(words) => format!("this host does not send it: {words}"),
        Reply::Elsewhere(from) => format!("{from} answers instead"),
        Reply::Junk(count) => format!("{count} datagrams came that are no QUIC"),
        Reply::Silent => "no answer".into(),
    }
}

fn tcp_words(answer: &TcpAnswer) -> String {
    match answer {
        TcpAnswer::Open => "somebody listens".into(),
        TcpAnswer::Refused => "the host says that nobody listens".into(),
        TcpAnswer::Silent => "no answer".into(),
        TcpAnswer::Unreachable(words) => words.clone(),
    }
}
