//! Tells a watch what connections look like after something happened.

use std::time::Instant;

use qecho_packet::Observation;

use super::{
    ConnectionKey,
    inbound::{After, Disposition},
    state::ShardState,
};

impl<S> ShardState<S> {
    /// Tells what became of the datagram that has arrived.
    pub(super) fn tell_arrival(&mut self, now: Instant, disposition: Disposition) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        let Some((arrival, opened, turned)) = watch.take_arrival() else {
            return;
        };
        let mut after = After {
            connection: None,
            handshaking: false,
            same_address: true,
            turned,
        };
        let key = match disposition {
            Disposition::Handed(key, _) | Disposition::Admitted(key) => Some(key),
            _ => None,
        };
        let entry = key.and_then(|key| self.bindings[key.binding()].entry(key));
        if let (Some(key), Some(entry)) = (key, entry) {
            after.connection = watch.number(key);
            after.handshaking = entry.proto.is_handshaking();
            after.same_address = arrival.came_from(entry.proto.remote_address());
            after.turned |=
                entry.proto.is_closed() && matches!(disposition, Disposition::Handed(_, false));
        }
        let dissected = arrival.dissect(disposition, after, opened);
        watch.tell(now, Observation::Datagram(dissected));
        if let Some(key) = key {
            self.tell_recovery(now, key);
        }
    }

    /// Tells what a connection's path seems like, if that has changed.
    pub(super) fn tell_recovery(&mut self, now: Instant, key: ConnectionKey) {
        let entry = self.bindings[key.binding()].entry(key);
        if let (Some(watch), Some(entry)) = (&mut self.watch, entry) {
            watch.measure(now, key, &entry.proto);
        }
    }
}
