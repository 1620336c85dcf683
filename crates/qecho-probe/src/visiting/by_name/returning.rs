//! Clients that are to come again, for what one connection cannot tell.

use std::{
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use qecho_io::Outlet;
use qecho_packet::text;
use qecho_peer::endpoint::ServerConfig;

use super::routes::{Inbox, VISITS_MAX, VISITS_PER_ADDRESS_MAX, network_of};
use crate::{
    remote::{LOOK_INTERVAL, locked},
    visiting::visit::Visit,
};

/// Time in which a client has to come again: one that was left unanswered needs some to end.
pub(super) const RETURN_TIMEOUT: Duration = Duration::from_secs(60);

/// A visit whose client has said what it wants, and how it is to be served.
pub(super) struct Greeted {
    pub(super) visit: Visit<Inbox>,
    pub(super) config: ServerConfig,
}

/// All by which a client is known again: its host, and the name that it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    network: IpAddr,
    name: String,
}

/// The reason that a client does not come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    /// It has not come in time.
    Absent,
    /// Another client of its host asks for the same name: nobody can tell them apart.
    Crowd,
    /// As many are waited for as there may be.
    Full,
}

/// The clients that are waited for; `G` is what they bring.
pub(super) struct Returning<G = Greeted> {
    places: Mutex<Places<G>>,
    begun: AtomicU64,
}

struct Places<G> {
    awaited: Vec<Awaited<G>>,
    /// Names for which two clients of a host have been waited for at once, and the time until
    /// which one of them may still come.
    crowds: Vec<(Known, Instant)>,
}

struct Awaited<G> {
    number: u64,
    known: Known,
    sender: SyncSender<G>,
}

/// A client that is waited for, until this is dropped.
pub(super) struct Place<'r, G = Greeted> {
    returning: &'r Returning<G>,
    number: u64,
    receiver: Receiver<G>,
}

impl Known {
    /// Makes that of a client which comes from here and asks for this; case and a dot at the end
    /// say nothing.
    pub(super) fn of(remote: IpAddr, name: &str) -> Self {
        Self {
            network: network_of(remote),
            name: name.trim_end_matches('.').to_ascii_lowercase(),
        }
    }

    /// Says by which name it would be known for sure.
    pub(super) fn advice(&self) -> String {
        let label = self.name.split('.').next().unwrap_or_default();
        let label = text::name(label);
        format!("only a name of its own, as {label}.one.localhost, tells a client from others")
    }

    /// Tells whether the client has a name that it shares with no other, unless its owner lets it:
    /// with a label between that of the requirement and `localhost`.
    pub(super) fn is_of_one_client(&self) -> bool {
        self.name.ends_with(".localhost") && self.name.split('.').count() > 2
    }
}

impl Unmet {
    /// Says so of a client.
    pub(super) fn words(self, known: &Known) -> String {
        let name = text::name(&known.name);
        match self {
            Self::Absent => format!("the client does not come again as {name}"),
            Self::Crowd => {
                let advice = known.advice();
                format!("clients of one host ask for {name} at once; {advice}")
            }
            Self::Full => format!("too many clients are awaited to await another {name}"),
        }
    }
}

impl<G> Default for Returning<G> {
    fn default() -> Self {
        Self {
            places: Mutex::new(Places {
                awaited: Vec::new(),
                crowds: Vec::new(),
            }),
            begun: AtomicU64::new(0),
        }
    }
}

impl<G> Returning<G> {
    /// Gives a visit to whoever waits for it; returns it if nobody does.
    pub(super) fn deliver(&self, known: &Known, greeted: G) -> Option<G> {
        let awaited = &mut locked(&self.places).awaited;
        let Some(place) = awaited.iter().position(|it| it.known == *known) else {
            return Some(greeted);
        };
        let sent = awaited.remove(place).sender.send(greeted);
        sent.err().map(|unsent| unsent.0)
    }

    /// Begins to wait for another visit of a client.
    ///
    /// # Errors
    /// The reason that it is not waited for. Of a crowd none is, also not who was before.
    pub(super) fn expect(&self, known: &Known, now: Instant) -> Result<Place<'_, G>, Unmet> {
        let places = &mut *locked(&self.places);
        places.crowds.retain(|(_, until)| *until > now);
        let before = places.awaited.len();
        places.awaited.retain(|it| it.known != *known);
        let is_crowd = |(crowd, _): &(Known, Instant)| crowd == known;
        if places.awaited.len() < before || places.crowds.iter().any(is_crowd) {
            places.crowds.retain(|crowd| !is_crowd(crowd));
            if places.crowds.len() == VISITS_MAX {
                places.crowds.remove(0);
            }
            places.crowds.push((known.clone(), now + RETURN_TIMEOUT));
            return Err(Unmet::Crowd);
        }
        let theirs = places.awaited.iter();
        let theirs = theirs.filter(|it| it.known.network == known.network);
        if before >= VISITS_MAX || theirs.count() >= VISITS_PER_ADDRESS_MAX {
            return Err(Unmet::Full);
        }
        // One has room: to send is never to wait.
        let (sender, receiver) = sync_channel(1);
        let number = self.begun.fetch_add(1, SeqCst);
        places.awaited.push(Awaited {
            number,
            known: known.clone(),
            sender,
        });
        Ok(Place {
            returning: self,
            number,
            receiver,
        })
    }
}

impl<G> Place<'_, G> {
    /// Waits until the client comes.
    ///
    /// # Errors
    /// The reason that it does not.
    pub(super) fn wait(self, outlet: &Outlet, is_stopped: &AtomicBool) -> Result<G, Unmet> {
        let until = outlet.now() + RETURN_TIMEOUT;
        while outlet.now() < until && !is_stopped.load(SeqCst) {
            match self.receiver.recv_timeout(LOOK_INTERVAL) {
                Ok(greeted) => return Ok(greeted),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Unmet::Crowd),
            }
        }
        self.leave();
        // It may have come in the meantime.
        self.receiver.try_recv().map_err(|_| Unmet::Absent)
    }

    fn leave(&self) {
        let awaited = &mut locked(&self.returning.places).awaited;
        awaited.retain(|it| it.number != self.number);
    }
}

impl<G> Drop for Place<'_, G> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::TryRecvError;

    use super::*;

    fn known(host: u8, name: &str) -> Known {
        Known::of([192, 0, 2, host].into(), name)
    }

    #[expect(clippy::disallowed_methods, reason = "a test has some time")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn two_clients_of_one_host_and_name_are_waited_for_by_neither() {
        let returning = Returning::<u32>::default();
        let (now, crowd) = (now(), known(1, "c143.localhost"));
        let first = returning.expect(&crowd, now).expect("it is alone");
        let second = returning.expect(&crowd, now);
        assert_eq!(second.err(), Some(Unmet::Crowd));
        assert_eq!(first.receiver.try_recv(), Err(TryRecvError::Disconnected));
        // Whoever comes now may be either.
        assert_eq!(returning.deliver(&crowd, 1), Some(1));
        let third = returning.expect(&crowd, now + RETURN_TIMEOUT / 2);
        assert_eq!(third.err(), Some(Unmet::Crowd));
        let later = now + RETURN_TIMEOUT * 2;
        assert!(returning.expect(&crowd, later).is_ok());
    }

    #[test]
    fn clients_are_told_apart_by_host_and_name_but_not_by_case_or_a_last_dot() {
        let returning = Returning::default();
        let now = now();
        let all = [
            known(1, "c143.localhost"),
            known(2, "c143.localhost"),
            known(1, "c143.one.localhost"),
            known(1, "c144.localhost"),
        ];
        let expect = |known| returning.expect(known, now).expect("it is alone");
        let places = all.each_ref().map(expect);
        let same = known(1, "C143.One.localhost.");
        assert_eq!(returning.deliver(&same, 1), None);
        let delivered = places.map(|place| place.receiver.try_recv().ok());
        assert_eq!(delivered, [None, None, Some(1), None]);
    }

    #[test]
    fn a_name_is_of_one_client_if_it_has_a_label_of_its_own() {
        let is_own = |name| known(1, name).is_of_one_client();
        assert!(
            ["c45.a.localhost", "C45.a.b.LOCALHOST."]
                .into_iter()
                .all(is_own)
        );
        let shared = ["c45.localhost", "c45.example.org", "c45", "localhost"];
        assert!(!shared.into_iter().any(is_own));
    }

    #[test]
    fn one_host_has_48_of_the_64_clients_that_are_waited_for() {
        let returning = Returning::<u32>::default();
        let now = now();
        let awaited = |host: u8| {
            let all = (0..100).map(|number| known(host, &format!("c143.{number}.localhost")));
            let all = all.filter_map(|known| returning.expect(&known, now).ok());
            all.collect::<Vec<_>>()
        };
        let places = [1, 2, 3].map(awaited);
        assert_eq!(places.each_ref().map(Vec::len), [48, 16, 0]);
        drop(places);
        // Nobody keeps a place who does not wait any more.
        assert_eq!(awaited(3).len(), 48);
    }
}
