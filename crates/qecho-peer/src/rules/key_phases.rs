//! Key updates of the peer (RFC 9001 §6).

use std::collections::BTreeMap;

use super::{Enforced, Rule};

/// The 1-RTT packets of each generation of keys.
#[derive(Debug, Default)]
pub(super) struct KeyPhases {
    /// The lowest and the highest packet number, by the generation.
    received: BTreeMap<u64, (u64, u64)>,
    /// Key updates of this side.
    pub(super) own: u64,
}

impl KeyPhases {
    /// Checks a packet; `acknowledged` is the highest that this side has acknowledged.
    pub(super) fn receive(
        &mut self,
        generation: u64,
        number: u64,
        acknowledged: Option<u64>,
        enforced: &Enforced,
    ) -> Result<(), Rule> {
        let is_in_order = self.received.iter().all(|(other, (lowest, highest))| {
            if *other < generation {
                *highest < number
            } else {
                *other == generation || number < *lowest
            }
        });
        enforced.demand(Rule::OldKeys, is_in_order)?;
        // The first update needs no acknowledgement, and one of this side's neither.
        let is_first = !self.received.contains_key(&generation);
        if let Some((_, &(lowest, _))) = self.received.range(1..generation.max(1)).next_back()
            && is_first
            && generation > self.own
        {
            let is_acknowledged = acknowledged.is_some_and(|number| number >= lowest);
            enforced.demand(Rule::EarlyKeyUpdate, is_acknowledged)?;
        }
        let range = self.received.entry(generation).or_insert((number, number));
        *range = (range.0.min(number), range.1.max(number));
        Ok(())
    }
}
