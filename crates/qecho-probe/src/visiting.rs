//! Clients that come to a real UDP port.

mod beginning;
mod by_name;
mod command;
mod door;
mod telling;
mod visit;

use std::{
    cell::RefCell,
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use qecho_io::{BindError, Listen, ListeningPort};
use qecho_peer::{
    endpoint::ServerConfig,
    network::Network,
    tls::{self, ClientHello, InvalidKey},
};
use rustls::pki_types::CertificateDer;

pub use self::{
    by_name::{NamedVisit, VisitOutcome, VisitorsByName},
    command::{ClientCommand, Places},
    telling::{ANOTHER_VISIT, announcement, json_serving, words_for_visitor},
};
use self::{door::Door, visit::Visit};
use crate::{
    conform::{ClientSubject, Crash},
    remote::{LOOK_INTERVAL, SharedObserver},
};

/// A client, by its own words before it is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The host name that it asks for, if it does (RFC 6066 §3).
    pub server_name: Option<String>,
    /// The application protocols that it offers, the favourite first.
    pub protocols: Vec<Vec<u8>>,
}

/// Returns how a client is served; one of which nothing is known is [`Caller::default`].
pub type ServerFor = Arc<dyn Fn(&Caller) -> ServerConfig + Send + Sync>;

/// Returns how a server behaves that behaves well: it shows a chain, whose first certificate is for
/// a key of ECDSA P-256 (PKCS #8, DER), and agrees to these protocols, or to none.
///
/// All that is random derives of a seed, which is another one in each process.
///
/// # Errors
/// If the key is none of ECDSA P-256.
pub fn server(
    chain: Vec<CertificateDer<'static>>,
    key: &[u8],
    protocols: Vec<Vec<u8>>,
) -> Result<ServerConfig, InvalidKey> {
    let seed = RandomState::new().hash_one(key);
    let tls = tls::ServerConfig::new(chain, key, [])?.with(|tls| tls.alpn = protocols);
    Ok(ServerConfig::new(tls, seed))
}

/// Makes a client come, such as a command that is started.
pub trait Invitation {
    /// Makes it come to one of these addresses.
    ///
    /// # Errors
    /// If that cannot be done.
    fn invite(&mut self, addresses: &[SocketAddr]) -> io::Result<()>;

    /// Tells in words why it comes no more, once that is known; this is asked again and again.
    fn refusal(&mut self, _now: Instant) -> Option<String> {
        None
    }

    /// Ends what the client does, as that has been judged; returns how its program has crashed,
    /// if it has.
    fn dismiss(&mut self) -> Option<Crash> {
        None
    }
}

impl<F: FnMut(&[SocketAddr]) -> io::Result<()>> Invitation for F {
    fn invite(&mut self, addresses: &[SocketAddr]) -> io::Result<()> {
        self(addresses)
    }
}

impl<I: Invitation> Invitation for Rc<RefCell<I>> {
    fn invite(&mut self, addresses: &[SocketAddr]) -> io::Result<()> {
        self.borrow_mut().invite(addresses)
    }

    fn refusal(&mut self, now: Instant) -> Option<String> {
        self.borrow_mut().refusal(now)
    }

    fn dismiss(&mut self) -> Option<Crash> {
        self.borrow_mut().dismiss()
    }
}

/// A client that comes to a port of this host.
///
/// It comes by itself, or by an [`Invitation`] before each run. Each connection that it begins is
/// a visit, whatever ports it has used before; what remains of an earlier one is not mistaken
/// for another.
pub struct VisitingClient {
    door: Rc<RefCell<Door>>,
    server_for: ServerFor,
    /// The settings of the last visit.
    config: ServerConfig,
    patience: Duration,
    arrival_timeout: Duration,
    invitation: Option<Box<dyn Invitation>>,
    /// Says that a run takes another visit.
    again: Option<Box<dyn FnMut()>>,
    /// Visits of this run.
    visits: u32,
    is_stopped: Arc<AtomicBool>,
    observer: SharedObserver,
}

impl VisitingClient {
    /// Binds a place; port 0 lets the system choose. Clients are served as `server_for` says, and
    /// are given `patience` to come and for each answer.
    ///
    /// Once `is_stopped`, nothing is waited for any more, as if all time had passed: what a run
    /// then comes to says nothing.
    ///
    /// # Errors
    /// [`BindError`], for instance when another process has the port.
    pub fn bind(
        place: Listen,
        server_for: ServerFor,
        patience: Duration,
        is_stopped: Arc<AtomicBool>,
    ) -> Result<Self, BindError> {
        let port = ListeningPort::bind(place)?;
        Ok(Self {
            door: Rc::new(RefCell::new(Door::new(port))),
            config: server_for(&Caller::default()),
            server_for,
            patience,
            arrival_timeout: patience,
            invitation: None,
            again: None,
            visits: 0,
            is_stopped,
            observer: SharedObserver::default(),
        })
    }

    /// Lets something make the client come before each run.
    #[must_use]
    pub fn with_invitation(self, invitation: impl Invitation + 'static) -> Self {
        Self {
            invitation: Some(Box::new(invitation)),
            ..self
        }
    }

    /// Calls a function whenever a run takes another visit after its first, for which nobody would
    /// come who was told of none.
    #[must_use]
    pub fn with_again(self, again: impl FnMut() + 'static) -> Self {
        Self {
            again: Some(Box::new(again)),
            ..self
        }
    }

    /// Gives the client another time to come, as one that a person starts needs it.
    #[must_use]
    pub fn with_arrival_timeout(self, arrival_timeout: Duration) -> Self {
        Self {
            arrival_timeout,
            ..self
        }
    }

    /// Returns the addresses that clients come to.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.door.borrow().port.addresses()
    }

    /// Returns the place of what sees each datagram; what is put there sees those that follow.
    pub fn observer(&self) -> SharedObserver {
        Arc::clone(&self.observer)
    }

    /// Waits until the client comes.
    fn arrival(&mut self) -> io::Result<Visit<door::Inbox>> {
        let outlet = self.door.borrow().port.outlet();
        let until = outlet.now() + self.arrival_timeout;
        loop {
            let look = until.min(outlet.now() + LOOK_INTERVAL);
            let arrival = self.door.borrow_mut().arrival(look)?;
            if let Some(first) = arrival {
                let inbox = door::Inbox::new(&self.door, &first);
                let stopped = Arc::clone(&self.is_stopped);
                let observer = Arc::clone(&self.observer);
                return Ok(Visit::begin(outlet, first, inbox, stopped, observer));
            }
            let refusal = self.invitation.as_mut();
            let refusal = refusal.and_then(|host| host.refusal(outlet.now()));
            if let Some(why) = refusal {
                return Err(io::Error::other(why));
            }
            if look == until || self.is_stopped.load(SeqCst) {
                let time = self.arrival_timeout.as_secs_f64();
                let why = format!("no client has come within {time} s");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
    }
}

impl ClientSubject for VisitingClient {
    fn network(&mut self) -> io::Result<Box<dyn Network>> {
        let addresses = self.addresses();
        self.visits += 1;
        if self.visits > 1
            && let Some(again) = &mut self.again
        {
            again();
        }
        if let Some(invitation) = &mut self.invitation {
            // The one before is gone.
            invitation.dismiss();
            self.door.borrow_mut().clear()?;
            invitation.invite(&addresses)?;
        }
        let mut visit = self.arrival()?;
        let caller = visit.greet((self.server_for)(&Caller::default()), self.patience);
        self.config = (self.server_for)(&caller.unwrap_or_default());
        Ok(Box::new(visit))
    }

    fn config(&self) -> ServerConfig {
        self.config.clone()
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn pause(&mut self, time: Duration) {
        let mut door = self.door.borrow_mut();
        // A client that comes too early comes again.
        door.pass(time, &self.is_stopped);
    }

    fn dismiss(&mut self) -> Option<Crash> {
        self.visits = 0;
        self.invitation.as_mut()?.dismiss()
    }
}

impl fmt::Debug for VisitingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitingClient")
            .field("addresses", &self.addresses())
            .finish_non_exhaustive()
    }
}

impl Caller {
    fn of(hello: Option<&ClientHello>) -> Self {
        Self {
            server_name: hello.and_then(ClientHello::server_name),
            protocols: hello.map(ClientHello::protocols).unwrap_or_default(),
        }
    }
}
