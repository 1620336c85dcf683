//! A server of faults: clients choose what goes wrong by the name that they ask for.

mod racing;
mod returning;
mod routes;
mod telling;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use qecho_io::{BindError, Listen, ListeningPort, Outlet};
use qecho_packet::text::counted;
use qecho_peer::{
    echo::Echo,
    endpoint::ServerConfig,
    network::Network,
    script::{Opened, Probe},
    tls::Level,
};

use self::{
    racing::{Attempt, Racing},
    returning::{Greeted, Known, Returning, Unmet},
    routes::{Delivered, Inbox, Routes},
};
use super::{Caller, ServerFor, visit::Visit};
use crate::{
    conform::{
        ClientProber, ClientSubject, Requirement, Row, Runner, Target, close_words, opened_words,
    },
    remote::{LOOK_INTERVAL, SharedObserver},
};

/// The alert unrecognized_name (RFC 6066 §3), as a code of QUIC (RFC 9001 §4.8).
const UNRECOGNIZED_NAME: u64 = 0x170;
/// Time from one look at an ordinary connection to the next.
const ECHO_INTERVAL: Duration = Duration::from_millis(10);

/// A port at which each client chooses the requirement by the server name that it asks for, whose
/// first label is the identifier: `c12.localhost`. Each client is judged by itself, and many may
/// be under way. Where one connection tells too little, the client has to come again with that name.
/// Clients of one host that do so at once need a name each, `c143.one.localhost`: others cannot be
/// told apart, and are not judged.
///
/// Of a client that tries two addresses of this host (RFC 8305) one visit is told.
///
/// A client that asks for `localhost` or for no name has an ordinary connection, on which streams
/// are echoed; one that asks for another name is refused.
#[derive(Debug)]
pub struct VisitorsByName {
    port: ListeningPort,
    service: Service,
}

/// A visit that is over.
#[derive(Debug)]
#[non_exhaustive]
pub struct NamedVisit {
    /// Address of the client.
    pub remote: SocketAddr,
    /// The name that it asked for.
    pub server_name: Option<String>,
    /// The verdict, or the reason that there is none.
    pub outcome: VisitOutcome,
}

/// The outcome of a visit.
#[derive(Debug)]
pub enum VisitOutcome {
    /// A requirement was tried.
    Judged(Row),
    /// A requirement was tried, and takes another connection.
    Awaited(&'static Requirement),
    /// Nothing was odd; in words.
    Ordinary(String),
    /// No requirement has that name: the client was refused.
    Unknown,
    /// There is no place for it; the reason in words.
    NoPlace(String),
}

/// Settings by which visitors are served.
struct Service {
    rows: Vec<&'static Requirement>,
    server_for: ServerFor,
    patience: Duration,
    runner: Runner,
    returning: Returning,
    racing: Racing,
    outlet: Outlet,
    is_stopped: Arc<AtomicBool>,
}

/// Tells of a visit.
type Tell<'t> = &'t (dyn Fn(NamedVisit) + Sync);

impl VisitorsByName {
    /// Binds a place at which these requirements can be chosen, until it is stopped. The runner says
    /// what fails; `patience` is the time for answers.
    ///
    /// # Errors
    /// [`BindError`], for instance when another process has the port.
    pub fn bind(
        place: Listen,
        rows: Vec<&'static Requirement>,
        server_for: ServerFor,
        patience: Duration,
        runner: Runner,
        is_stopped: Arc<AtomicBool>,
    ) -> Result<Self, BindError> {
        let port = ListeningPort::bind(place)?;
        let service = Service {
            rows,
            server_for,
            patience,
            runner,
            returning: Returning::default(),
            racing: Racing::default(),
            outlet: port.outlet(),
            is_stopped,
        };
        Ok(Self { port, service })
    }

    /// Returns the addresses that clients come to.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.port.addresses()
    }

    /// Says how clients choose; `place` is where, and `ca` the file of the CA that they have to
    /// trust.
    pub fn announcement(&self, place: &str, ca: &str) -> String {
        // 99 comes before 100.
        let mut ids: Vec<_> = self.service.rows.iter().map(|row| row.id).collect();
        ids.sort_by_key(|id| (id.len(), *id));
        let [first, last] = [ids.first(), ids.last()].map(|id| id.copied().unwrap_or_default());
        format!(
            "serving {} at {place} until Ctrl-C: a client that asks for {}.localhost meets {first}, \
             and so on to {}.localhost; on localhost nothing is odd (CA: {ca})",
            counted(ids.len() as u64, "requirement"),
            first.to_lowercase(),
            last.to_lowercase()
        )
    }

    /// Serves until it is stopped, and tells of each visit that is over.
    ///
    /// # Errors
    /// If the system cannot wait for datagrams.
    pub fn serve(self, tell: &(dyn Fn(NamedVisit) + Sync)) -> io::Result<()> {
        let Self { mut port, service } = self;
        let service = &service;
        let outlet = &service.outlet;
        let routes = Arc::new(Mutex::new(Routes::default()));
        thread::scope(|scope| {
            while !service.is_stopped.load(SeqCst) {
                let Some(arrival) = port.receive(outlet.now() + LOOK_INTERVAL)? else {
                    continue;
                };
                let (first, inbox) = match Routes::deliver(&routes, outlet, arrival) {
                    Delivered::Begun(first, inbox) => (first, inbox),
                    Delivered::NoPlace(remote, why) => {
                        tell(NamedVisit {
                            remote,
                            server_name: None,
                            outcome: VisitOutcome::NoPlace(why),
                        });
                        continue;
                    }
                    Delivered::Nothing => continue,
                };
                let serve = move || {
                    let (outlet, stopped) = (outlet.clone(), Arc::clone(&service.is_stopped));
                    let observer = SharedObserver::default();
                    let remote = first.remote;
                    let visit = Visit::begin(outlet, first, inbox, stopped, observer);
                    service.serve(remote, visit, tell);
                };
                // Without a thread the client comes again.
                let _ = thread::Builder::new().spawn_scoped(scope, serve);
            }
            Ok(())
        })
    }
}

impl Service {
    /// Serves one client, and tells what came of it.
    fn serve(&self, remote: SocketAddr, mut visit: Visit<Inbox>, tell: Tell<'_>) {
        let unknown = (self.server_for)(&Caller::default());
        // Whoever does not say what it wants gets nothing, and keeps its place no longer.
        let Some(caller) = visit.greet(unknown, self.patience) else {
            let seen = "the ClientHello has not come".to_owned();
            return tell(NamedVisit {
                remote,
                server_name: None,
                outcome: VisitOutcome::Ordinary(seen),
            });
        };
        let config = (self.server_for)(&caller);
        let server_name = caller.server_name;
        let asked = self.asked_by(server_name.as_deref());
        let greeted = Greeted { visit, config };
        let known = Known::of(remote.ip(), server_name.as_deref().unwrap_or_default());
        let attempt = self.racing.begin(&known, remote.ip(), self.outlet.now());
        let visit = |outcome| NamedVisit {
            remote,
            server_name: server_name.clone(),
            outcome,
        };
        let (outcome, is_whole) = match asked {
            Asked::Row(row) => {
                let first = match attempt.is_first {
                    true => self.returning.deliver(&known, greeted),
                    false => Some(greeted),
                };
                let Some(first) = first else {
                    return self.racing.join(attempt.race);
                };
                let client = NamedClient {
                    service: self,
                    known: &known,
                    attempt,
                    awaited: &|| tell(visit(VisitOutcome::Awaited(row))),
                    is_new: true,
                    config: first.config.clone(),
                    first: Some(first),
                };
                (VisitOutcome::Judged(self.judge(row, client)), true)
            }
            Asked::Nothing => {
                let (seen, is_whole) = self.echo(greeted);
                (VisitOutcome::Ordinary(seen), is_whole)
            }
            Asked::Unknown => {
                self.refuse(greeted);
                (VisitOutcome::Unknown, true)
            }
        };
        if let Some(visit) = self.racing.end(attempt.race, visit(outcome), is_whole) {
            tell(visit);
        }
    }

    /// Tries a requirement on a client that has asked for it.
    fn judge(&self, row: &'static Requirement, client: NamedClient<'_>) -> Row {
        let finding = ClientProber::new(client).run(row);
        Row {
            requirement: row,
            finding: self.runner.tempered(row, finding),
        }
    }

    /// Refuses a client that asks for what is not there.
    fn refuse(&self, Greeted { visit, mut config }: Greeted) {
        config.behaviour.sends_crypto = false;
        let mut probe = Probe::server(visit, config);
        probe.wait_for(|endpoint| endpoint.has_keys(Level::Initial), self.patience);
        let reason = "no requirement has this name";
        probe.endpoint_mut().close(false, UNRECOGNIZED_NAME, reason);
        probe.flush();
    }

    fn asked_by(&self, name: Option<&str>) -> Asked {
        let Some(name) = name.map(|name| name.trim_end_matches('.')) else {
            return Asked::Nothing;
        };
        // It must not be one, but is sent by some.
        if name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok() {
            return Asked::Nothing;
        }
        let label = name.split('.').next().unwrap_or_default();
        let mut rows = self.rows.iter();
        let row = rows.find(|row| row.id.eq_ignore_ascii_case(label));
        row.map_or(Asked::Unknown, |row| Asked::Row(row))
    }

    /// Serves a client as any echo server does; returns in words what came of it, and whether a
    /// connection did.
    fn echo(&self, Greeted { visit, config }: Greeted) -> (String, bool) {
        let mut probe = Probe::server(visit, config);
        probe.patience = self.patience;
        let opened = probe.open();
        if opened != Opened::Confirmed {
            return (opened_words(&opened), false);
        }
        let mut echo = Echo::default();
        while !probe.wait_for(|endpoint| endpoint.ended().is_some(), ECHO_INTERVAL) {
            echo.advance(probe.endpoint_mut());
            probe.flush();
        }
        let seen = match probe.endpoint().closed() {
            Some(close) => format!("an ordinary connection, {}", close_words(close)),
            None => "an ordinary connection, until nothing came any more".into(),
        };
        (seen, true)
    }
}

/// The meaning of a server name.
enum Asked {
    Row(&'static Requirement),
    Nothing,
    Unknown,
}

/// A client that has come, and comes again if it takes that.
struct NamedClient<'s> {
    service: &'s Service,
    known: &'s Known,
    attempt: Attempt,
    /// Says that it has to come again.
    awaited: &'s dyn Fn(),
    /// Whether it has come once so far.
    is_new: bool,
    first: Option<Greeted>,
    config: ServerConfig,
}

impl NamedClient<'_> {
    /// Waits until the client comes again.
    fn return_of_it(&self) -> Result<Greeted, Unmet> {
        let Service {
            returning,
            racing,
            outlet,
            is_stopped,
            ..
        } = self.service;
        // The other attempt of this client is its visit.
        if self.is_new && !racing.may_await(self.attempt.race) {
            return Err(Unmet::Absent);
        }
        let place = returning.expect(self.known, outlet.now())?;
        (self.awaited)();
        place.wait(outlet, is_stopped)
    }
}

impl ClientSubject for NamedClient<'_> {
    fn network(&mut self) -> io::Result<Box<dyn Network>> {
        let greeted = match self.first.take() {
            Some(first) => first,
            None => {
                let greeted = self.return_of_it();
                self.is_new = false;
                greeted.map_err(|unmet| io::Error::other(unmet.words(self.known)))?
            }
        };
        self.config = greeted.config;
        Ok(Box::new(greeted.visit))
    }

    fn doubt(&self) -> Option<String> {
        (!self.known.is_of_one_client()).then(|| self.known.advice())
    }

    fn config(&self) -> ServerConfig {
        self.config.clone()
    }

    fn patience(&self) -> Duration {
        self.service.patience
    }

    fn pause(&mut self, _: Duration) {}
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}
