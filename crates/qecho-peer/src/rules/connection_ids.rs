//! Connection IDs that the peer issues and retires (RFC 9000 §5.1).

use std::collections::HashMap;

use qecho_packet::{
    TransportParameters,
    wire::{ConnectionId, Frame},
};

use super::{Enforced, Granted, Rule};

/// What the peer may set active_connection_id_limit to at least, and has if it does not (RFC
/// 9000 §18.2).
const LIMIT_MIN: u64 = 2;

/// Connection IDs of the peer.
#[derive(Debug, Default)]
pub(super) struct ConnectionIds {
    /// By their sequence numbers; one that a transport parameter or a header told has no token
    /// that is known.
    issued: HashMap<u64, (ConnectionId, Option<[u8; 16]>)>,
    retire_prior_to: u64,
}

impl ConnectionIds {
    /// Notes the source of the peer's first packet.
    pub(super) fn begin(&mut self, source: ConnectionId) {
        self.issued.entry(0).or_insert((source, None));
    }

    /// Notes the connection ID of a preferred_address (RFC 9000 §5.1.1).
    pub(super) fn prefer(&mut self, preferred_address: &[u8]) {
        let id = preferred_address.get(24..).and_then(|rest| {
            let (length, rest) = rest.split_first()?;
            ConnectionId::new(rest.get(..usize::from(*length))?)
        });
        if let Some(id) = id {
            self.issued.insert(1, (id, None));
        }
    }

    /// Checks a frame, if it is one of connection IDs; `destination` is that of its packet.
    pub(super) fn receive(
        &mut self,
        frame: &Frame<'_>,
        destination: &ConnectionId,
        granted: &Granted,
        enforced: &Enforced,
    ) -> Result<(), Rule> {
        match *frame {
            Frame::NewConnectionId {
                sequence,
                retire_prior_to,
                id,
                reset_token,
            } => {
                enforced.demand(Rule::NewConnectionIdLength, !id.is_empty())?;
                enforced.demand(Rule::RetirePriorTo, retire_prior_to <= sequence)?;
                let is_zero_length = self.issued.get(&0).is_some_and(|(id, _)| id.is_empty());
                enforced.demand(Rule::NewConnectionIdOfNone, !is_zero_length)?;
                self.issue(sequence, id, reset_token, enforced)?;
                self.retire_prior_to = self.retire_prior_to.max(retire_prior_to);
                let limit = granted
                    .parameters
                    .integer(TransportParameters::ACTIVE_CONNECTION_ID_LIMIT);
                let limit = limit.unwrap_or(LIMIT_MIN);
                enforced.demand(Rule::ConnectionIdLimit, self.active(granted) <= limit)
            }
            Frame::RetireConnectionId { sequence } => {
                let issued = granted.connection_ids.get(&sequence);
                let is_issued = issued.is_some_and(|id| !id.is_empty());
                enforced.demand(Rule::RetireNeverIssued, is_issued)?;
                enforced.demand(Rule::RetireInUse, issued != Some(destination))
            }
            _ => Ok(()),
        }
    }

    fn issue(
        &mut self,
        sequence: u64,
        id: ConnectionId,
        reset_token: [u8; 16],
        enforced: &Enforced,
    ) -> Result<(), Rule> {
        let is_same = self.issued.iter().all(|(known, (known_id, known_token))| {
            let is_token = known_token.is_none_or(|token| token == reset_token);
            match *known == sequence {
                true => *known_id == id && is_token,
                false => *known_id != id,
            }
        });
        enforced.demand(Rule::SameConnectionId, is_same)?;
        let issued = self.issued.entry(sequence);
        issued.or_insert((id, Some(reset_token)));
        Ok(())
    }

    /// Returns how many connection IDs of the peer may be used.
    fn active(&self, granted: &Granted) -> u64 {
        let sequences = self.issued.keys();
        let active = sequences.filter(|sequence| {
            **sequence >= self.retire_prior_to && !granted.retired.contains(*sequence)
        });
        active.count() as u64
    }
}
