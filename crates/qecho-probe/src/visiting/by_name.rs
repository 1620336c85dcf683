//! A server of faults: clients choose what goes wrong by the name that they ask for.

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
    returning::{Greeted, Returning},
    routes::{Inbox, Routes},
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
}

/// Settings by which visitors are served.
struct Service {
    rows: Vec<&'static Requirement>,
    server_for: ServerFor,
    patience: Duration,
    runner: Runner,
    returning: Returning,
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
                let Some((first, inbox)) = Routes::deliver(&routes, outlet, arrival) else {
                    continue;
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
        let told = |outcome| {
            tell(NamedVisit {
                remote,
                server_name: server_name.clone(),
                outcome,
            });
        };
        match asked {
            Asked::Row(row) => {
                let awaited = || told(VisitOutcome::Awaited(row));
                if let Some(first) = self.returning.deliver(remote.ip(), row.id, greeted) {
                    told(VisitOutcome::Judged(self.judge(
                        remote.ip(),
                        row,
                        first,
                        &awaited,
                    )));
                }
            }
            Asked::Nothing => told(VisitOutcome::Ordinary(self.echo(greeted))),
            Asked::Unknown => {
                self.refuse(greeted);
                told(VisitOutcome::Unknown);
            }
        }
    }

    /// Tries a requirement on a client that has asked for it; `awaited` says that it has to come
    /// again.
    fn judge(
        &self,
        remote: IpAddr,
        row: &'static Requirement,
        first: Greeted,
        awaited: &dyn Fn(),
    ) -> Row {
        let subject = NamedClient {
            service: self,
            remote,
            row,
            awaited,
            config: first.config.clone(),
            first: Some(first),
        };
        let finding = ClientProber::new(subject).run(row);
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

    /// Serves a client as any echo server does; returns in words what came of it.
    fn echo(&self, Greeted { visit, config }: Greeted) -> String {
        let mut probe = Probe::server(visit, config);
        probe.patience = self.patience;
        let opened = probe.open();
        if opened != Opened::Confirmed {
            return opened_words(&opened);
        }
        let mut echo = Echo::default();
        while !probe.wait_for(|endpoint| endpoint.ended().is_some(), ECHO_INTERVAL) {
            echo.advance(probe.endpoint_mut());
            probe.flush();
        }
        match probe.endpoint().closed() {
            Some(close) => format!("an ordinary connection, {}", close_words(close)),
            None => "an ordinary connection, until nothing came any more".into(),
        }
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
    remote: IpAddr,
    row: &'static Requirement,
    awaited: &'s dyn Fn(),
    first: Option<Greeted>,
    config: ServerConfig,
}

impl ClientSubject for NamedClient<'_> {
    fn network(&mut self) -> io::Result<Box<dyn Network>> {
        let Service {
            returning,
            outlet,
            is_stopped,
            ..
        } = self.service;
        let greeted = self.first.take().or_else(|| {
            (self.awaited)();
            returning.wait(self.remote, self.row.id, outlet, is_stopped)
        });
        let greeted = greeted.ok_or_else(|| {
            let name = self.row.id.to_lowercase();
            io::Error::other(format!("the client does not come again as {name}"))
        })?;
        self.config = greeted.config;
        Ok(Box::new(greeted.visit))
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
