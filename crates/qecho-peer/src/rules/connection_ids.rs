//! Connection IDs that the peer issues and retires (RFC 9000 §5.1).

use qecho_packet::{
    TransportParameters,
    wire::{ConnectionId, Frame},
};

use super::{Rule, Rules};
use crate::endpoint::Endpoint;

/// The least active_connection_id_limit, which is that of an endpoint that tells none (RFC 9000
/// §18.2).
const LIMIT_MIN: u64 = 2;

impl Rules {
    /// Checks a frame, if it is one of connection IDs; `destination` is that of its packet.
    pub(super) fn check_connection_id(
        &self,
        endpoint: &Endpoint,
        destination: &ConnectionId,
        frame: &Frame<'_>,
    ) -> Result<(), Rule> {
        let ids = endpoint.connection_ids();
        match *frame {
            Frame::NewConnectionId {
                sequence,
                retire_prior_to,
                id,
                reset_token,
            } => {
                self.demand(Rule::NewConnectionIdLength, !id.is_empty())?;
                self.demand(Rule::RetirePriorTo, retire_prior_to <= sequence)?;
                let mut known = ids.remote.iter();
                let has_id = !known.any(|known| known.sequence == 0 && known.id.is_empty());
                self.demand(Rule::NewConnectionIdOfNone, has_id)?;
                let is_same = ids.remote.iter().all(|known| {
                    let is_token = known.reset_token.is_none_or(|token| token == reset_token);
                    match known.sequence == sequence {
                        true => known.id == id && is_token,
                        false => known.id != id,
                    }
                });
                self.demand(Rule::SameConnectionId, is_same)?;
                let retire_prior_to = retire_prior_to.max(ids.retire_prior_to);
                let is_active = |other: &u64| {
                    let retirement = Frame::RetireConnectionId { sequence: *other };
                    *other >= retire_prior_to && !endpoint.has_sent(&retirement)
                };
                let known = ids.remote.iter().map(|known| known.sequence);
                let others = known.filter(|other| *other != sequence && is_active(other));
                let active = others.count() as u64 + u64::from(is_active(&sequence));
                let parameter = TransportParameters::ACTIVE_CONNECTION_ID_LIMIT;
                let limit = endpoint.parameters().integer(parameter);
                self.demand(
                    Rule::ConnectionIdLimit,
                    active <= limit.unwrap_or(LIMIT_MIN),
                )
            }
            Frame::RetireConnectionId { sequence } => {
                let mut issued = ids.local.iter().rev();
                let issued = issued.find(|issued| issued.sequence == sequence);
                let is_issued = issued.is_some_and(|issued| !issued.id.is_empty());
                self.demand(Rule::RetireNeverIssued, is_issued)?;
                let is_other = issued.is_none_or(|issued| issued.id != *destination);
                self.demand(Rule::RetireInUse, is_other)
            }
            _ => Ok(()),
        }
    }
}
