//! Receiving in batches.

use std::{
    io::{self, IoSliceMut},
    time::Duration,
};

use bytes::BytesMut;
use qecho_engine::{
    Received,
    limits::{RECEIVE_BUFFERS_LENT_MAX, RECEIVE_BYTES_PER_TURN},
};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef};

use super::Socket;

/// Bytes of one receive buffer: the largest UDP payload or GRO batch.
const RECEIVE_BUFFER: usize = 65_535;

/// Bytes of a batch that is handed on without a copy: one that fills most of its
/// buffer.
const LENT_MIN: usize = 48 * 1024;

/// Memory that batches are received into.
pub(crate) struct ReceiveBuffers {
    /// Buffers that the kernel writes: [`RECEIVE_BUFFER`] bytes each.
    places: Vec<BytesMut>,
    /// The ends of buffers whose datagrams were handed on without a copy; each knows
    /// whether somebody still keeps one of them.
    lent: Vec<BytesMut>,
    /// Number of buffers that the next batch may fill.
    at_once: usize,
    /// Whether datagrams without any bytes are handed on: no packet is in them.
    pub(crate) takes_empty: bool,
}

/// How a datagram came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    /// Whether the kernel had it joined with others.
    pub(crate) joined: bool,
    /// Time since 1970 at which the kernel had it, if the socket
    /// [tells times](Socket::tell_times).
    pub(crate) stamp: Option<Duration>,
}

/// A batch that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) bytes: usize,
    /// All buffers were filled: there may be more.
    pub(crate) is_full: bool,
}

impl ReceiveBuffers {
    pub(crate) fn new() -> Self {
        let place = |_| BytesMut::zeroed(RECEIVE_BUFFER);
        Self {
            places: (0..BATCH_SIZE).map(place).collect(),
            lent: Vec::new(),
            at_once: BATCH_SIZE,
            takes_empty: false,
        }
    }

    /// Puts another buffer in a place, so that what came there can be handed on as
    /// it is; `None` if that is not worth it, or too many are lent already.
    ///
    /// A kept byte keeps the whole buffer, which no window knows of: that is why
    /// they are counted here.
    fn replace(&mut self, place: usize, length: usize) -> Option<BytesMut> {
        if length < LENT_MIN {
            return None;
        }
        let mut ends = self.lent.iter_mut();
        let mut other = match ends.rposition(|end| end.try_reclaim(RECEIVE_BUFFER)) {
            Some(returned) => self.lent.swap_remove(returned),
            None if self.lent.len() < RECEIVE_BUFFERS_LENT_MAX => BytesMut::new(),
            None => return None,
        };
        // Fills it with zeros, since memory that nobody has written is not to be had
        // without `unsafe`: still cheaper than a copy and memory for each datagram.
        other.resize(RECEIVE_BUFFER, 0);
        Some(std::mem::replace(&mut self.places[place], other))
    }

    /// Hands on each datagram of a batch: `length` bytes in a place, all but the last
    /// of `stride` bytes.
    fn hand_on(
        &mut self,
        place: usize,
        length: usize,
        stride: usize,
        mut each: impl FnMut(BytesMut),
    ) {
        if length == 0 && self.takes_empty {
            return each(BytesMut::new());
        }
        let stride = stride.max(1);
        let Some(mut buffer) = self.replace(place, length) else {
            let batch = &self.places[place][..length];
            batch.chunks(stride).for_each(|data| each(data.into()));
            return;
        };
        let mut batch = buffer.split_to(length);
        while !batch.is_empty() {
            each(batch.split_to(stride.min(batch.len())));
        }
        buffer.clear();
        self.lent.push(buffer);
    }
}

impl Socket {
    /// Receives one batch and hands on each datagram of it, and how it came.
    pub(crate) fn receive(
        &self,
        binding: usize,
        buffers: &mut ReceiveBuffers,
        mut each: impl FnMut(Received, Receipt),
    ) -> io::Result<Batch> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut places = buffers.places.iter_mut();
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(places.next().map_or(&mut [], |all| all)));
        let at_once = buffers.at_once;
        let filled = self.state.recv(
            UdpSockRef::from(&self.io),
            &mut slices[..at_once],
            &mut metas[..at_once],
        )?;
        let metas = &metas[..filled];
        for (place, meta) in metas.iter().enumerate() {
            let receipt = Receipt {
                joined: meta.len > meta.stride,
                stamp: meta.timestamp,
            };
            buffers.hand_on(place, meta.len, meta.stride, |data| {
                let received = Received {
                    binding,
                    remote: meta.addr,
                    local_ip: meta.dst_ip,
                    ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
                    data,
                };
                each(received, receipt);
            });
        }
        let largest = metas.iter().map(|meta| meta.len).max();
        buffers.at_once = at_once_next(largest.unwrap_or_default());
        Ok(Batch {
            bytes: metas.iter().map(|meta| meta.len).sum(),
            is_full: filled == at_once,
        })
    }
}

/// Returns how many buffers a turn fills if all are as full as that one.
fn at_once_next(largest: usize) -> usize {
    BATCH_SIZE.min(RECEIVE_BYTES_PER_TURN.div_ceil(largest.max(1)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::socket::ReceiveErrors;
    use qecho_engine::Datagram;

    fn bind(address: &str) -> Result<Socket, crate::BindError> {
        Socket::bind(address.parse().expect("an address"), ReceiveErrors::No)
    }

    fn wait_for(socket: &Socket) {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut wait = [PollFd::new(socket, PollFlags::IN)];
        poll(&mut wait, None).expect("a socket can be waited for");
    }

    #[test]
    fn datagrams_that_the_kernel_has_joined_keep_their_ecn_bits() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // A host without IPv6 has nothing to show there.
            let (Ok(from), Ok(to)) = (bind(address), bind(address)) else {
                continue;
            };
            let mut batch = Datagram::new(0, to.address(), vec![7; 2_400]).with_ecn(2);
            batch.segment_size = Some(1_200);
            from.send(&batch).expect("loopback takes it");
            let mut buffers = ReceiveBuffers::new();
            let mut received = Vec::new();
            while received.len() < 2 {
                wait_for(&to);
                to.receive(0, &mut buffers, |datagram, _| {
                    received.push((datagram.data.len(), datagram.ecn));
                })
                .expect("it is there");
            }
            assert_eq!(received, [(1_200, 2); 2], "{address}");
        }
    }

    #[test]
    fn a_socket_that_tells_times_has_one_of_each_datagram_and_keeps_its_ecn_bits() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (Ok(from), Ok(to)) = (bind(address), bind(address)) else {
                continue;
            };
            assert!(to.tell_times());
            let mut batch = Datagram::new(0, to.address(), vec![7; 3_600]).with_ecn(2);
            batch.segment_size = Some(1_200);
            from.send(&batch).expect("loopback takes it");
            let mut buffers = ReceiveBuffers::new();
            let mut received = Vec::new();
            while received.len() < 3 {
                wait_for(&to);
                to.receive(0, &mut buffers, |datagram, receipt| {
                    let stamp = receipt.stamp.expect("the kernel tells it");
                    received.push((datagram.ecn, datagram.local_ip, receipt.joined));
                    assert!(stamp > Duration::from_secs(1_500_000_000), "{stamp:?}");
                })
                .expect("it is there");
            }
            let local = Some(to.address().ip());
            assert_eq!(received, [(2, local, false); 3], "{address}");
        }
    }

    #[test]
    fn the_next_batch_takes_what_a_turn_is_to_have_if_it_is_like_the_last() {
        assert_eq!(at_once_next(65_507), 4);
        assert_eq!(at_once_next(20_000), 10);
        assert_eq!(at_once_next(1_452), BATCH_SIZE);
        assert_eq!(at_once_next(0), BATCH_SIZE);
    }

    #[test]
    fn what_is_left_for_the_next_turn_is_said_and_received_then() {
        let from = bind("127.0.0.1:0").expect("loopback has ports");
        let to = bind("127.0.0.1:0").expect("loopback has ports");
        let mut buffers = ReceiveBuffers::new();
        let single = |length| Datagram::new(0, to.address(), vec![7; length]);
        buffers.at_once = 2;
        for length in [100, 200, 300] {
            from.send(&single(length)).expect("loopback takes it");
        }
        let mut received = Vec::new();
        while received.len() < 3 {
            wait_for(&to);
            let before = received.len();
            buffers.at_once = 2;
            let batch = to.receive(0, &mut buffers, |one, _| received.push(one.data.len()));
            let batch = batch.expect("it is there");
            let new = &received[before..];
            assert_eq!(batch.bytes, new.iter().sum::<usize>());
            assert_eq!(batch.is_full, new.len() == 2);
        }
        assert_eq!(received, [100, 200, 300]);
    }

    /// Receives a batch of 44 datagrams of 1,452 bytes that begin with `first`.
    fn batch(buffers: &mut ReceiveBuffers, first: u8) -> Vec<BytesMut> {
        const LENGTH: usize = 44 * 1_452;
        buffers.places[0][..LENGTH].fill(first);
        let mut datagrams = Vec::new();
        buffers.hand_on(0, LENGTH, 1_452, |data| datagrams.push(data));
        assert_eq!(datagrams.len(), 44);
        assert!(datagrams.iter().all(|data| data[..] == [first; 1_452]));
        datagrams
    }

    #[test]
    fn a_full_buffer_is_lent_and_used_again_when_nothing_of_it_is_kept() {
        let mut buffers = ReceiveBuffers::new();
        for round in 0..10 {
            drop(batch(&mut buffers, round));
            assert_eq!(buffers.lent.len(), 1);
        }
        let mut kept = batch(&mut buffers, 77);
        drop(kept.split_off(1));
        for round in 0..10 {
            drop(batch(&mut buffers, round));
            assert_eq!(buffers.lent.len(), 2);
        }
        assert_eq!(kept[0][..], [77; 1_452]);
    }

    #[test]
    fn when_too_many_buffers_are_kept_datagrams_get_memory_of_their_own() {
        let mut buffers = ReceiveBuffers::new();
        let mut kept: Vec<_> = (0..RECEIVE_BUFFERS_LENT_MAX + 9)
            .map(|round| batch(&mut buffers, round as u8))
            .collect();
        assert_eq!(buffers.lent.len(), RECEIVE_BUFFERS_LENT_MAX);
        for (round, datagrams) in kept.iter().enumerate() {
            assert_eq!(datagrams[43][..], [round as u8; 1_452]);
        }
        kept.clear();
        drop(batch(&mut buffers, 1));
        assert_eq!(buffers.lent.len(), RECEIVE_BUFFERS_LENT_MAX);
    }

    #[test]
    fn little_that_came_never_keeps_a_buffer() {
        let mut buffers = ReceiveBuffers::new();
        let mut kept = Vec::new();
        buffers.hand_on(0, LENT_MIN - 1, 1_200, |data| kept.push(data));
        assert!(buffers.lent.is_empty());
        assert!(kept.iter().all(|data| data.capacity() == data.len()));
    }
}
