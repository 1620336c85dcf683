//! Connections that are tried: with which ClientHello, and what became of it.

mod hello;
mod outcome;

use std::{net::SocketAddr, time::Duration};

use qecho_packet::Direction;
use qecho_peer::{
    endpoint::{ClientConfig, Endpoint},
    received::Unopened,
    script::Probe,
};

pub(crate) use self::{
    hello::{AskedName, Hello},
    outcome::Outcome,
};
use super::{
    World,
    world::{Notes, Told},
};

/// Round-trip times that are waited for beside the time of the options: a handshake with a Retry
/// takes three until it is confirmed, and some may be lost.
const ROUND_TRIPS: u32 = 8;
/// Time in which an application that takes no connection closes it.
const CLOSE_WAIT: Duration = Duration::from_millis(50);

/// A connection that was tried.
pub(crate) struct Attempt {
    pub(crate) outcome: Outcome,
    pub(crate) probe: Probe<'static>,
    pub(crate) notes: Notes,
    /// Time from the sending of the first datagrams to the first answer: a bound of the round-trip
    /// time.
    pub(crate) answered_after: Option<Duration>,
    /// Time until the handshake came to its end, if it did.
    pub(crate) took: Duration,
    /// Datagrams of the server's address that are no QUIC.
    pub(crate) junk: usize,
}

/// Returns the time after which an answer is not waited for any more.
pub(crate) fn patience(least: Duration, round_trip: Option<Duration>) -> Duration {
    least + round_trip.unwrap_or_default() * ROUND_TRIPS
}

/// Connects, and waits until that has come to its end, or for so long.
///
/// # Errors
/// The system opens no port, in words.
pub(crate) fn connect(
    world: &mut dyn World,
    remote: SocketAddr,
    config: ClientConfig,
    patience: Duration,
) -> Result<Attempt, String> {
    let (network, notes) = world.network(remote).map_err(|error| error.to_string())?;
    let mut probe = Probe::client(network, config);
    probe.patience = patience;
    // What it takes to make the ClientHello is no part of the time that an answer takes.
    probe.flush();
    let asked = probe.now();
    let opened = probe.open();
    let record = probe.endpoint().record();
    let unopened = record.unopened.iter();
    let is_quic = |why| matches!(why, Unopened::Retry | Unopened::VersionNegotiation);
    let has_answered = !record.packets.is_empty()
        || unopened.clone().any(|it| is_quic(it.why))
        || has_unopened_answer(&probe);
    let junk = match has_answered {
        true => 0,
        false => record.directed(Direction::Received).count(),
    };
    let answered = record.directed(Direction::Received).next();
    let answered_after = answered
        .filter(|_| has_answered)
        .map(|answer| answer.at.saturating_duration_since(asked));
    let took = probe.now().duration_since(asked);
    let outcome = Outcome::of(&probe, opened, has_answered);
    Ok(Attempt {
        outcome,
        probe,
        notes,
        answered_after,
        took,
        junk,
    })
}

/// Closes a connection that has not ended, so that the server need not wait for its idle timeout.
pub(crate) fn close(probe: &mut Probe<'_>) {
    if probe.endpoint().ended().is_none() {
        probe.endpoint_mut().close(false, 0, "");
        probe.flush();
    }
}

impl Attempt {
    /// Waits a little for the close of a server whose application takes no connection.
    pub(crate) fn await_close(&mut self) {
        let is_closed = |endpoint: &Endpoint| endpoint.closed().is_some();
        self.probe.wait_for(is_closed, CLOSE_WAIT);
        if let (Outcome::Completed(_), Some(close)) =
            (&self.outcome, self.probe.endpoint().closed())
        {
            self.outcome = Outcome::closed(close);
        }
    }

    /// Ends the connection, so that the server need not wait for that.
    pub(crate) fn close(mut self) {
        close(&mut self.probe);
    }

    /// Returns who answered instead of the one that was asked, by our connection ID.
    pub(crate) fn answered_elsewhere(&self) -> Option<SocketAddr> {
        let ids = &self.probe.endpoint().connection_ids().local;
        self.notes.all().iter().find_map(|note| match &note.what {
            Told::Foreign { from, contents } => {
                let is_ours = |id: &[u8]| ids.iter().any(|issued| *issued.id == *id);
                long_destination(contents)
                    .is_some_and(is_ours)
                    .then_some(*from)
            }
            _ => None,
        })
    }
}

/// Returns the destination connection ID of a long header (RFC 8999 §5.1).
fn long_destination(datagram: &[u8]) -> Option<&[u8]> {
    const BEFORE: usize = 5;
    let (head, rest) = datagram.split_at_checked(BEFORE)?;
    let (length, rest) = rest.split_first()?;
    let is_long = head.first()? & 0x80 != 0;
    rest.get(..usize::from(*length)).filter(|_| is_long)
}

/// Tells whether a packet came that is to the endpoint, though it could not be opened.
fn has_unopened_answer(probe: &Probe<'_>) -> bool {
    let ids = &probe.endpoint().connection_ids().local;
    let unopened = probe.endpoint().record().unopened.iter();
    unopened
        .filter_map(|packet| long_destination(&packet.bytes))
        .any(|id| ids.iter().any(|issued| *issued.id == *id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_of_a_long_header_is_found_and_nothing_else() {
        let long = [&[0xc0, 0, 0, 0, 1, 2, 7, 8][..], &[0; 9]].concat();
        assert_eq!(long_destination(&long), Some(&[7, 8][..]));
        assert_eq!(
            long_destination(&[0x40, 0, 0, 0, 1, 2, 7, 8]),
            None,
            "short"
        );
        assert_eq!(long_destination(&[0xc0, 0, 0, 0, 1, 9, 7, 8]), None, "cut");
        assert_eq!(long_destination(b""), None);
    }

    #[test]
    fn whoever_is_far_away_is_waited_for_longer() {
        let least = Duration::from_secs(3);
        assert_eq!(patience(least, None), least);
        let far = patience(least, Some(Duration::from_millis(600)));
        assert_eq!(far, Duration::from_millis(7_800));
    }
}
