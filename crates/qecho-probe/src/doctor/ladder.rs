//! Climbs the ladder.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use qecho_cert::TrustVerifier;
use qecho_io::host::PATIENCE_MAX;
use qecho_peer::{endpoint::ClientConfig, script::Probe};

use super::{
    Cause, Report, Rung, RungReport, RungResult, World, connecting, handshake, machine,
    names::{self, Announced, NotAnnounced},
    path,
    reached::Reached,
    staying, udp,
    world::{Notes, Route},
};

/// A server, as it was named.
#[derive(Clone)]
#[non_exhaustive]
pub struct Target {
    /// Its name or address, as people know it.
    pub host: String,
    /// The name that its certificate has.
    pub server_name: String,
    /// Its addresses, in the order in which the system gave them; or why there are none.
    pub addresses: Result<Vec<IpAddr>, String>,
    /// Where to try it, one after another until one answers.
    pub doors: Vec<Door>,
    /// Verifier of its certificate, which is asked for the reason where it is refused.
    pub verifier: Arc<TrustVerifier>,
}

/// A port, and the application protocol that is expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Door {
    /// The UDP port.
    pub port: u16,
    /// The protocol to offer; `None` offers none.
    pub alpn: Option<Vec<u8>>,
    /// Whether somebody chose the port. Where nobody did, a web server is asked for what it
    /// announces, too.
    pub is_chosen: bool,
    /// Whether somebody chose the protocol. Where nobody did, a server that takes another one is
    /// well.
    pub is_protocol_chosen: bool,
}

impl Door {
    /// Names a port and a protocol.
    pub fn new(port: u16, alpn: Option<Vec<u8>>, is_chosen: bool) -> Self {
        Self {
            port,
            alpn,
            is_chosen,
            is_protocol_chosen: false,
        }
    }

    /// Says that somebody chose the protocol.
    #[must_use]
    pub fn with_chosen_protocol(self) -> Self {
        Self {
            is_protocol_chosen: true,
            ..self
        }
    }
}

impl Target {
    /// Names a server.
    pub fn new(
        host: impl Into<String>,
        server_name: impl Into<String>,
        addresses: Result<Vec<IpAddr>, String>,
        doors: Vec<Door>,
        verifier: Arc<TrustVerifier>,
    ) -> Self {
        Self {
            host: host.into(),
            server_name: server_name.into(),
            addresses,
            doors,
            verifier,
        }
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.host)
            .field("addresses", &self.addresses)
            .field("doors", &self.doors)
            .finish_non_exhaustive()
    }
}

/// Settings of a climb.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Time for which an answer is awaited before it is called silence: [`PATIENCE_MAX`] at most.
    pub patience: Duration,
    /// Whether only what takes some seconds is tried.
    pub is_quick: bool,
    /// Whether silences of growing length are tried, which takes minutes.
    pub tries_silences: bool,
    /// The highest rung that is climbed: those above it are in no report.
    pub highest: Rung,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(3),
            is_quick: false,
            tries_silences: false,
            highest: Rung::Staying,
        }
    }
}

/// What is being done, for whoever waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A rung begins.
    Begins(Rung),
    /// Something is tried on it.
    Tries(String),
}

/// Addresses of the target that are tried.
const ADDRESSES_MAX: usize = 8;

/// State of a climb: what a rung may use, and what it leaves for the next.
pub(crate) struct Climb<'a> {
    pub(crate) world: &'a mut dyn World,
    pub(crate) target: Option<&'a Target>,
    pub(crate) options: &'a Options,
    pub(crate) tell: &'a mut dyn FnMut(Progress),
    pub(crate) report: Report,
    /// Routes to those of the target's addresses that can be tried.
    pub(crate) routes: Vec<(IpAddr, Route)>,
    /// Addresses to which this host has no route, and the system's words.
    pub(crate) unroutable: Vec<(IpAddr, String)>,
    /// What the web server announces, if it was asked; or why it does not tell.
    pub(crate) announced: Option<Result<Announced, NotAnnounced>>,
    /// The address at which the server answered, and its door, once it did.
    pub(crate) reached: Option<(SocketAddr, Door)>,
    /// The shortest time after which an answer came.
    pub(crate) round_trip: Option<Duration>,
    /// The way to connections that complete, once one did.
    pub(crate) way: Option<Way>,
}

/// The way to a connection that completes.
pub(crate) struct Way {
    /// The address.
    pub(crate) address: SocketAddr,
    /// Settings that work, with a certificate that is looked at but not insisted on.
    pub(crate) config: ClientConfig,
    /// Time for which a handshake is waited for.
    pub(crate) patience: Duration,
}

impl Way {
    /// Opens a connection with changed settings; none if its handshake does not complete.
    pub(crate) fn connect(
        &self,
        world: &mut dyn World,
        edit: &dyn Fn(&mut ClientConfig),
    ) -> Option<(Probe<'static>, Notes)> {
        let mut config = self.config.clone();
        // Another seed makes other connection IDs.
        config.seed = RandomState::new().hash_one(self.address);
        edit(&mut config);
        let attempt = connecting::connect(world, self.address, config, self.patience).ok()?;
        if !attempt.probe.endpoint().is_complete() {
            attempt.close();
            return None;
        }
        Some((attempt.probe, attempt.notes))
    }
}

impl Climb<'_> {
    /// Says what is tried.
    pub(crate) fn tries(&mut self, what: impl Into<String>) {
        (self.tell)(Progress::Tries(what.into()));
    }

    /// Returns the time after which an answer is not waited for any more.
    pub(crate) fn patience(&self) -> Duration {
        connecting::patience(self.options.patience, self.round_trip)
    }

    /// Returns the target's addresses that are tried.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let addresses = self
            .target
            .and_then(|target| target.addresses.as_ref().ok());
        let addresses = addresses.into_iter().flatten().copied();
        addresses.take(ADDRESSES_MAX).collect()
    }

    /// Returns the ports to try, with those that the web server announces before those that were
    /// merely guessed.
    pub(crate) fn doors(&self) -> Vec<Door> {
        let mut doors = self.target.map(|target| target.doors.clone());
        let mut doors = doors.take().unwrap_or_default();
        if let Some(Ok(announced)) = &self.announced {
            for port in announced.ports.iter().rev() {
                if doors.iter().all(|door| door.port != *port) {
                    let alpn = Some(b"h3".to_vec());
                    doors.insert(doors.len().min(1), Door::new(*port, alpn, false));
                }
            }
        }
        doors
    }

    /// Keeps the shortest time after which an answer came.
    pub(crate) fn answered_after(&mut self, time: Option<Duration>) {
        self.round_trip = self.round_trip.into_iter().chain(time).min();
    }

    /// Returns the reason for which a rung says nothing, if there is one.
    fn hindrance(&self, rung: Rung) -> Option<&'static str> {
        if self.world.is_stopped() {
            return Some("stopped before");
        }
        match rung {
            Rung::Machine => None,
            _ if self.target.is_none() => Some("no server was named"),
            Rung::Names => None,
            Rung::Udp if self.addresses().is_empty() => Some("there is no address"),
            Rung::Udp if self.is_route_too_small() => Some("the route is too small for QUIC"),
            Rung::Udp => None,
            _ if self.reached.is_none() => Some("nothing was reached by UDP"),
            Rung::Handshake => None,
            _ if self.way.is_none() => Some("no handshake completes"),
            _ => None,
        }
    }

    /// Tells whether there are routes, and each is too small.
    fn is_route_too_small(&self) -> bool {
        let mut findings = self.report.findings.iter();
        self.routes.is_empty() && findings.any(|it| it.cause == Cause::RouteTooSmall)
    }
}

/// Climbs the ladder: this machine alone if there is no target.
///
/// `tell` hears what is being done, and `each` sees a rung's report as soon as there is one. A rung
/// that says nothing since the one below it failed is [`RungResult::Untold`].
pub fn climb(
    world: &mut dyn World,
    target: Option<&Target>,
    options: &Options,
    tell: &mut dyn FnMut(Progress),
    each: &mut dyn FnMut(&RungReport),
) -> Report {
    let options = Options {
        patience: options.patience.min(PATIENCE_MAX),
        ..options.clone()
    };
    let mut climb = Climb {
        world,
        target,
        options: &options,
        tell,
        report: Report::default(),
        routes: Vec::new(),
        unroutable: Vec::new(),
        announced: None,
        reached: None,
        round_trip: None,
        way: None,
    };
    let highest = climb.options.highest;
    for rung in Rung::ALL.into_iter().filter(|rung| *rung <= highest) {
        let report = match climb.hindrance(rung) {
            Some(why) => {
                let mut report = RungReport::new(rung, RungResult::Untold);
                report.say(format!("not tried: {why}"));
                report
            }
            None => {
                (climb.tell)(Progress::Begins(rung));
                climb_rung(&mut climb, rung)
            }
        };
        each(&report);
        climb.report.rungs.push(report);
    }
    climb.report
}

/// Climbs a rung that stands on connections which complete.
fn climb_reached(
    climb: &mut Climb<'_>,
    rung: Rung,
    climb_rung: fn(&mut Reached<'_>, &mut Report) -> RungReport,
) -> RungReport {
    let Some(way) = &climb.way else {
        return RungReport::new(rung, RungResult::Untold);
    };
    let remote = way.address;
    let mut connect =
        |world: &mut dyn World, edit: &dyn Fn(&mut ClientConfig)| way.connect(world, edit);
    let mut routes = climb.routes.iter();
    let route = routes.find(|(address, _)| *address == remote.ip());
    let mut reached = Reached {
        world: climb.world,
        connect: &mut connect,
        remote,
        route: route.map(|(_, route)| *route),
        round_trip: climb.round_trip.unwrap_or_default(),
        options: climb.options,
        tell: climb.tell,
    };
    climb_rung(&mut reached, &mut climb.report)
}

/// Climbs one rung. What it comes to once somebody wants it to end says nothing.
fn climb_rung(climb: &mut Climb<'_>, rung: Rung) -> RungReport {
    let findings = climb.report.findings.len();
    let mut report = match rung {
        Rung::Machine => machine::climb(climb),
        Rung::Names => names::climb(climb),
        Rung::Udp => udp::climb(climb),
        Rung::Handshake => handshake::climb(climb),
        Rung::Path => climb_reached(climb, rung, path::climb),
        Rung::Staying => climb_reached(climb, rung, staying::climb),
    };
    if climb.world.is_stopped() {
        climb.report.findings.truncate(findings);
        report = RungReport::new(rung, RungResult::Untold);
        report.say("stopped before its end");
    }
    report
}
