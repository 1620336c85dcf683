//! Updates from packets that a capture repeats, without events.

use std::time::Duration;

use crate::{DecodedDatagram, wire::PacketType};

use super::{ConnectionTracker, Event, EventKind, PacketEffects};

impl ConnectionTracker {
    /// Notes that nobody was told when it began.
    pub(in super::super) fn begin_untold(&mut self, at: Duration) {
        self.began_untold = Some(at);
    }

    pub(in super::super) fn is_untold(&self) -> bool {
        self.began_untold.is_some()
    }

    /// Tells that it began, unless that was told.
    pub(in super::super) fn tell_that_it_began(&mut self, tell: &mut dyn FnMut(&Event<'_>)) {
        if let Some(at) = self.began_untold.take() {
            self.tell(at, EventKind::Began, tell);
        }
    }

    /// Takes a datagram in of which all was told elsewhere.
    pub(in super::super) fn learn(&mut self, at: Duration, datagram: &DecodedDatagram) {
        let mut learned = PacketEffects::default();
        for packet in &datagram.packets {
            self.packet(at, datagram, packet, &mut learned);
            // The packets that lead from one key update to the next may all
            // have the same number, and be taken for duplicates.
            if let (Some(header), Some(opened)) = (&packet.header, &packet.decrypted)
                && header.packet_type == PacketType::OneRtt
            {
                self.update_keys(datagram.direction, opened.generation, &mut learned);
            }
        }
        // What became of it is not to be seen here: whether it was
        // acknowledged, and what was sent since.
        (0..3).for_each(|space| self.discard(space));
        self.connection.local = datagram.local;
        self.connection.remote = datagram.remote;
    }
}
