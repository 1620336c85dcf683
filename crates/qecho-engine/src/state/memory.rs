//! One bound on the memory of all connections together.
//!
//! What the process holds is told from outside. What a connection holds of it is estimated, and
//! only when there is little left: from what is counted anyway, and never less than what a
//! peer can have made it hold. Whether much memory is left is decided by the process's own
//! figure; who holds it, by the estimates. An allocator may keep what a closed connection gave
//! back, so that the figure stays high for a while: nobody is closed for that whose
//! estimate does not explain it.

use std::{sync::Arc, time::Instant};

use qecho_packet::CloseReason;

use super::{ShardState, binding::Binding, entry::ConnectionEntry};
use crate::{
    config::Transport,
    congestion::SendProgress,
    connection::ConnectionKey,
    crypto::ReceivedStreams,
    limits::{
        CONNECTION_MEMORY_SPARED, DATAGRAM_SEND_BUFFER, MEMORY_CROWDED_PERCENT,
        MEMORY_SLACK_PERCENT, MEMORY_WEIGHED_AGAIN, SEND_WINDOW_MIN, WINDOWS_RESTORED_INTERVAL,
    },
    server_shared::ServerShared,
};

/// Bytes of a connection that does nothing, its keys included.
const IDLE_CONNECTION: u64 = 20_000;

/// Bytes that are kept for a gap in received data, with the byte after it: the state machine's
/// piece, the packet keys' range.
const GAP: u64 = 150;

/// Bytes that the state machine keeps beside each piece that was written and is not
/// acknowledged.
const PIECE: u64 = 96;

/// Bytes that the state machine keeps for each packet that is not acknowledged, and the most
/// packets without data that it remembers (0.11.19, `connection/spaces.rs`).
const PACKET: u64 = 190;
const PACKETS_MAX: u64 = 1_000;

/// Words of the CONNECTION_CLOSE.
const WORDS: &str = "the server is short of memory, and this connection held too much of it";

/// The limit on the memory of a server's process, as one of its shards keeps to it.
pub(crate) struct MemoryBound {
    max: u64,
    server: ServerShared,
    /// The least that the process has held: what is no connection's.
    base: u64,
    /// Whether windows are small.
    pub(crate) is_crowded: bool,
    /// When small windows are to be restored, if there are any.
    restore_at: Option<Instant>,
    /// When connections were last weighed for nothing, and what the process held then.
    weighed: Option<(Instant, u64)>,
    /// What the process must hold before connections are closed whose estimates do not explain
    /// it.
    ceiling: u64,
}

impl MemoryBound {
    pub(super) fn new(max: u64, server: ServerShared) -> Self {
        Self {
            max,
            server,
            base: u64::MAX,
            is_crowded: false,
            restore_at: None,
            weighed: None,
            ceiling: max + percent(max, MEMORY_SLACK_PERCENT),
        }
    }

    fn crowded_mark(&self) -> u64 {
        percent(self.max, MEMORY_CROWDED_PERCENT)
    }

    /// Tells whether it is of use to weigh the connections.
    fn should_weigh(&self, now: Instant, resident: u64) -> bool {
        resident >= self.max
            && self.weighed.is_none_or(|(at, then)| {
                now >= at + MEMORY_WEIGHED_AGAIN || resident > then + self.max / 32
            })
    }

    /// Returns how many bytes the shard whose connections hold `held` is to give back.
    fn excess(&mut self, resident: u64, held: u64) -> u64 {
        self.server.set_held(held);
        let all_held = self.server.held();
        let explained = resident.min(self.base.saturating_add(all_held));
        let mut excess = explained.saturating_sub(self.crowded_mark());
        if excess == 0 && resident > self.ceiling {
            excess = resident - self.max;
            self.ceiling = resident + percent(self.max, MEMORY_SLACK_PERCENT);
        }
        let part = u128::from(excess) * u128::from(held) / u128::from(all_held.max(1));
        u64::try_from(part).unwrap_or(u64::MAX)
    }
}

fn percent(bytes: u64, percentage: u64) -> u64 {
    bytes / 100 * percentage
}

impl<S> ShardState<S> {
    /// Notes what the process holds, in bytes, and keeps to the limit, if there is one.
    /// `of_application` tells what the application keeps for a connection.
    pub(crate) fn note_resident(
        &mut self,
        now: Instant,
        resident: u64,
        of_application: impl Fn(&S) -> usize,
    ) {
        let Some(mut memory) = self.memory.take() else {
            return;
        };
        memory.base = memory.base.min(resident);
        let mark = memory.crowded_mark();
        if !memory.is_crowded && resident >= mark {
            memory.is_crowded = true;
            memory.restore_at = None;
            self.shrink_windows();
        } else if memory.is_crowded && resident < mark - mark / 8 {
            memory.is_crowded = false;
            memory.restore_at = Some(now);
            memory.weighed = None;
            memory.server.set_held(0);
            memory.ceiling = memory.max + percent(memory.max, MEMORY_SLACK_PERCENT);
        }
        if memory.restore_at.is_some_and(|at| at <= now) {
            let all_restored = self.restore_windows();
            memory.restore_at = (!all_restored).then_some(now + WINDOWS_RESTORED_INTERVAL);
        }
        if memory.should_weigh(now, resident) {
            let freed = self.free(now, resident, &mut memory, of_application);
            memory.weighed = (freed == 0).then_some((now, resident));
        }
        self.memory = Some(memory);
    }

    fn shrink_windows(&mut self) {
        for entry in self.bindings.iter_mut().flat_map(Binding::entries_mut) {
            entry.meta.shrink_windows(&mut entry.proto, false);
        }
    }

    /// Gives connections their usual windows back; tells whether all have them.
    fn restore_windows(&mut self) -> bool {
        let mut all_restored = true;
        let mut changed = Vec::new();
        for entry in self.bindings.iter_mut().flat_map(Binding::entries_mut) {
            if entry.meta.restore_windows(&mut entry.proto) {
                changed.push(entry.meta.key);
            }
            all_restored &= entry.meta.small_windows.is_none();
        }
        // A larger window may unblock what waits to be written, or is to be announced.
        changed.into_iter().for_each(|key| self.mark_dirty(key));
        all_restored
    }

    /// Closes the connections that hold most, until they have held what is too much; returns
    /// how much that was.
    fn free(
        &mut self,
        now: Instant,
        resident: u64,
        memory: &mut MemoryBound,
        of_application: impl Fn(&S) -> usize,
    ) -> u64 {
        let entries = self.bindings.iter_mut().flat_map(Binding::entries_mut);
        // What those hold that are closed for it already is free in this turn.
        let entries = entries.filter(|entry| !entry.is_parting());
        let weighed = entries.map(|entry| {
            let held = entry.held_bytes(of_application(&entry.state));
            (held, entry.meta.key)
        });
        let mut weighed: Vec<_> = weighed.collect();
        let held: u64 = weighed.iter().map(|(held, _)| held).sum();
        let excess = memory.excess(resident, held);
        weighed.retain(|(held, _)| *held > CONNECTION_MEMORY_SPARED);
        weighed.sort_unstable_by_key(|(held, _)| std::cmp::Reverse(*held));
        let mut freed = 0;
        for (held, key) in weighed {
            if freed >= excess {
                break;
            }
            freed += held;
            self.close_for_memory(now, key, held);
        }
        memory.server.set_held(held - freed);
        freed
    }

    fn close_for_memory(&mut self, now: Instant, key: ConnectionKey, held_bytes: u64) {
        let Some(entry) = self.entry(key) else {
            return;
        };
        if entry.reported_closed {
            return self.forget(now, key);
        }
        entry.close_and_forget(now, CloseReason::ShortOfMemory { held_bytes }, WORDS);
        self.mark_dirty(key);
    }
}

impl<S> ConnectionEntry<S> {
    /// Returns how many bytes are kept for the connection, about, and never much less than
    /// really are; `of_application` are kept above the engine.
    pub(super) fn held_bytes(&mut self, of_application: usize) -> u64 {
        let Some(tracker) = &self.meta.tracker else {
            // Of a handshake: at the most all that has come, twice while TLS reads it.
            return IDLE_CONNECTION + 2 * self.proto.stats().udp_rx.bytes;
        };
        let received = tracker.received();
        let queued =
            DATAGRAM_SEND_BUFFER.saturating_sub(self.proto.datagrams().send_buffer_space());
        IDLE_CONNECTION
            + self.unread(received)
            + received.gaps as u64 * GAP
            + self.unacknowledged()
            + 3 * queued as u64
            + of_application as u64
    }

    /// Returns the bytes that were received and not read.
    fn unread(&mut self, received: ReceivedStreams) -> u64 {
        let streams = self.proto.streams();
        let open = [quinn_proto::Dir::Bi, quinn_proto::Dir::Uni]
            .map(|direction| streams.remote_open_streams(direction));
        let meta = &mut self.meta;
        let open = open[0] + open[1] + meta.unanswered.len() as u64;
        if open == 0 {
            // Of streams that are gone nothing is kept, read or not.
            meta.discarded = received.bytes.saturating_sub(meta.read);
        }
        let unread = received.bytes.saturating_sub(meta.read + meta.discarded);
        unread.min(unread_max(open, &meta.settings))
    }

    /// Goes on with the record of the path in use, if that has one of its own.
    pub(crate) fn follow_path(&mut self) {
        let progress = SendProgress::of(&self.proto);
        if !Arc::ptr_eq(&progress, &self.meta.progress) {
            progress.follow(&self.meta.progress);
            self.meta.progress = progress;
        }
    }

    /// Returns the bytes that were written and not acknowledged, with what each piece of them
    /// and each packet costs.
    fn unacknowledged(&mut self) -> u64 {
        self.follow_path();
        let progress = &self.meta.progress;
        let packets = progress.unacknowledged_packets().min(PACKETS_MAX) * PACKET;
        if self.proto.streams().send_streams() == 0 {
            return packets;
        }
        // Who could write after the window was made small keeps no more than that window.
        let has_room = |written| progress.written() > written;
        let window = match &self.meta.small_windows {
            Some(small) if has_room(small.written) => SEND_WINDOW_MIN,
            _ => self.meta.settings.send_window.into(),
        };
        let bytes = progress.unacknowledged_max().min(window);
        packets + bytes + self.meta.write_sizes.pieces_of(bytes) * PIECE
    }
}

/// Returns how many bytes can be unread at the most, on so many open streams. What came again, or
/// for streams that are gone, is counted as unread for as long as any stream is open.
fn unread_max(open_streams: u64, settings: &Transport) -> u64 {
    let windows = open_streams.saturating_mul(settings.stream_receive_window.into());
    windows.min(settings.receive_window.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_stays_open_is_not_taken_to_hold_more_than_its_window() {
        let settings = Transport::default();
        let window = u64::from(settings.stream_receive_window);
        assert!(2 * window < settings.receive_window.into());
        let most = [0, 1, 2, 1_000, u64::MAX].map(|open| unread_max(open, &settings));
        let all = settings.receive_window.into();
        assert_eq!(most, [0, window, 2 * window, all, all]);
    }
}
