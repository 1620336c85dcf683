//! The rung of UDP: whether datagrams get to each address, and answers back.

mod judging;
mod reply;

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
};

use qecho_packet::wire::{VersionRequest, packets};
use qecho_peer::network::{Ecn, PathId};
use serde_json::json;

use self::reply::Reply;
use super::{
    Door, Rung, RungReport, RungResult,
    connecting::{self, Hello, Outcome},
    ladder::Climb,
    names::{Announced, WEB_PORT},
    world::{Note, SendFailure, TcpAnswer},
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

impl Tried {
    fn works(&self) -> bool {
        self.reply == Reply::Quic
    }

    /// Returns what it replied twice.
    fn agreed(&self) -> Option<&Reply> {
        self.reply.agreed(self.again.as_ref()?)
    }

    /// Tells whether its host answers by TCP.
    fn is_there(&self) -> bool {
        let mut answers = [&self.tcp, &self.web].into_iter().flatten();
        answers.any(|answer| matches!(answer, TcpAnswer::Open | TcpAnswer::Refused))
    }

    /// Keeps what came back when it was tried again.
    fn note_again(&mut self, again: Reply) {
        // What answers at last was lost by chance.
        match again {
            Reply::Quic => self.reply = Reply::Quic,
            again => self.again = Some(again),
        }
    }
}

/// Results at one port.
#[derive(Clone, Debug)]
struct PortResults {
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

impl PortResults {
    fn working(&self) -> Option<SocketAddr> {
        let tried = self.tried.iter().find(|tried| tried.works());
        tried.map(|tried| tried.address)
    }
}

/// Climbs the rung.
pub(crate) fn climb(climb: &mut Climb<'_>) -> RungReport {
    let mut report = RungReport::new(Rung::Udp, RungResult::Passed);
    let seen = look(climb);
    if climb.world.is_stopped() {
        // What was not waited for says nothing.
        report.result = RungResult::Untold;
        report.say("stopped before its end");
        return report;
    }
    let Some(seen) = seen else {
        let host = climb.target.map_or("", |target| &target.host);
        report.say(format!("this host has no route to {host}"));
        report.result = RungResult::Failed;
        let finding = judging::no_route(host, &climb.unroutable);
        climb.report.findings.push(finding);
        return report;
    };
    tell(&seen, &mut report);
    if let Some(round_trip) = climb.round_trip {
        let milliseconds = round_trip.as_secs_f64() * 1e3;
        report.say(format!("an answer takes {milliseconds:.1} ms"));
        report.fact("round_trip_us", round_trip.as_micros() as u64);
    }
    climb.reached = seen.working().map(|address| (address, seen.door.clone()));
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
fn look(climb: &mut Climb<'_>) -> Option<PortResults> {
    let mut first: Option<PortResults> = None;
    let mut others = Vec::new();
    for (number, door) in climb.doors().into_iter().enumerate() {
        let mut seen = look_at(climb, door, number > 0);
        if seen.tried.is_empty() || climb.world.is_stopped() {
            return first;
        }
        if seen.working().is_some() {
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
    if seen.working().is_some() {
        // It was chance, so what is said of the others begins anew.
        seen.tried.iter_mut().for_each(|tried| tried.again = None);
        look_again_beside_others(climb, &mut seen);
    }
    Some(seen)
}

fn look_at(climb: &mut Climb<'_>, door: Door, is_guessed: bool) -> PortResults {
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
    PortResults {
        host: climb.target.map(|it| it.host.clone()).unwrap_or_default(),
        door,
        tried,
        others: Vec::new(),
        is_announced: announced.map(Announced::is_any),
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
fn look_again_beside_others(climb: &mut Climb<'_>, seen: &mut PortResults) {
    let door = seen.door.clone();
    let Some(working) = seen.working() else {
        return;
    };
    for tried in seen.tried.iter_mut().filter(|tried| !tried.works()) {
        if ask(climb, working, &door) != Reply::Quic {
            continue;
        }
        climb.tries(format!("UDP to {} again", tried.address));
        tried.note_again(ask(climb, tried.address, &door));
        tried.tcp = Some(ask_by_tcp(climb, tried.address));
    }
}

/// Asks by TCP whether the hosts are there at all, and tries again by UDP.
fn look_again_alone(climb: &mut Climb<'_>, seen: &mut PortResults) {
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
        tried.note_again(ask(climb, address, &door));
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
    // Some networks answer only the first of a kind.
    requested.or(attempt(climb, address, door))
}

/// Asks for the server's versions alone.
pub(super) fn negotiates(climb: &mut Climb<'_>, address: SocketAddr) -> bool {
    request_versions(climb, address) == Reply::Quic
}

fn request_versions(climb: &mut Climb<'_>, address: SocketAddr) -> Reply {
    let (mut network, notes) = match climb.world.network(address) {
        Ok(opened) => opened,
        Err(error) => return Reply::NotSent(SendFailure::Other, error.to_string()),
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
    let is_answer = |contents: &[u8]| answered(contents).is_some();
    told(climb, address, (&notes.all(), junk), is_answer)
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
        Err(why) => return Reply::NotSent(SendFailure::Other, why),
    };
    climb.answered_after(attempt.answered_after);
    let reply = match (&attempt.outcome, attempt.answered_elsewhere()) {
        (Outcome::Silent, Some(from)) => Reply::Elsewhere(from),
        (Outcome::Silent, None) => {
            let all = (&*attempt.notes.all(), attempt.junk);
            told(climb, address, all, |_| false)
        }
        _ => Reply::Quic,
    };
    attempt.close();
    reply
}

/// Returns what notes and so many datagrams of something else say, where no answer came.
fn told(
    climb: &Climb<'_>,
    address: SocketAddr,
    (notes, junk): (&[Note], usize),
    is_answer: impl Fn(&[u8]) -> bool,
) -> Reply {
    let mut routes = climb.routes.iter();
    let route = routes.find(|(ip, _)| *ip == address.ip());
    let source = route.map(|(_, route)| route.source);
    Reply::of(notes, junk, address.ip(), source, is_answer)
}

fn tell(seen: &PortResults, report: &mut RungReport) {
    for tried in &seen.tried {
        report.say(format!("{}: {}", tried.address, tried.reply));
        if let Some(tcp) = &tried.tcp {
            report.say(format!("by TCP: {}", tcp_words(tcp)));
        }
    }
    let addresses = seen.tried.iter().map(|tried| {
        json!({
            "address": tried.address.to_string(),
            "answers": tried.works(),
            "reply": tried.reply.to_string(),
            "tcp": tried.tcp.as_ref().map(tcp_words),
        })
    });
    report.fact("addresses", addresses.collect::<Vec<_>>());
    report.fact("port", seen.door.port);
}

fn tcp_words(answer: &TcpAnswer) -> String {
    match answer {
        TcpAnswer::Open => "somebody listens".into(),
        TcpAnswer::Refused => "the host says that nobody listens".into(),
        TcpAnswer::Silent => "no answer".into(),
        TcpAnswer::Unreachable(words) => words.clone(),
    }
}
