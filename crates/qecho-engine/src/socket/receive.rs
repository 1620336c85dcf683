//! Receiving in batches.

use std::io::{self, IoSliceMut};

use bytes::BytesMut;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef};

use super::Socket;
use crate::{limits::RECEIVE_BYTES_PER_TURN, shard::Received};

/// Bytes of one receive buffer: the largest UDP payload or GRO batch.
const RECEIVE_BUFFER: usize = 65_535;

/// Memory that batches are received into.
pub(crate) struct ReceiveBuffers {
    memory: Vec<u8>,
    /// How many buffers the next batch may fill.
    at_once: usize,
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
        Self {
            memory: vec![0; RECEIVE_BUFFER * BATCH_SIZE],
            at_once: BATCH_SIZE,
        }
    }
}

impl Socket {
    /// Receives one batch and hands on each datagram of it, and whether the
    /// kernel had it joined with others.
    pub(crate) fn receive(
        &self,
        binding: usize,
        buffers: &mut ReceiveBuffers,
        mut each: impl FnMut(Received, bool),
    ) -> io::Result<Batch> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut pieces = buffers.memory.chunks_exact_mut(RECEIVE_BUFFER);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(pieces.next().unwrap_or_default()));
        let at_once = buffers.at_once;
        let filled = self.state.recv(
            UdpSockRef::from(&self.io),
            &mut slices[..at_once],
            &mut metas[..at_once],
        )?;
        let metas = &metas[..filled];
        for (meta, slice) in metas.iter().zip(&slices) {
            // Each datagram gets memory of its own: as slices of the batch, one
            // kept byte would keep 64 KiB that no limit knows of.
            let joined = meta.len > meta.stride;
            for data in slice[..meta.len].chunks(meta.stride.max(1)) {
                let received = Received {
                    binding,
                    remote: meta.addr,
                    local_ip: meta.dst_ip,
                    ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
                    data: BytesMut::from(data),
                };
                each(received, joined);
            }
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
    RECEIVE_BYTES_PER_TURN
        .div_ceil(largest.max(1))
        .min(BATCH_SIZE)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::{outbox::Datagram, socket::ReceiveErrors};

    fn bind(address: &str) -> Result<Socket, crate::BindError> {
        Socket::bind(address.parse().expect("an address"), ReceiveErrors::No)
    }

    #[test]
    fn datagrams_that_the_kernel_has_joined_keep_their_ecn_bits() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // A host without IPv6 has nothing to show there.
            let (Ok(from), Ok(to)) = (bind(address), bind(address)) else {
                continue;
            };
            let batch = Datagram {
                binding: 0,
                destination: to.address(),
                ecn: 2,
                contents: vec![7; 2_400],
                segment_size: Some(1_200),
                source_ip: None,
                dissected: None,
            };
            from.send(&batch).expect("loopback takes it");
            let mut buffers = ReceiveBuffers::new();
            let mut received = Vec::new();
            while received.len() < 2 {
                let mut wait = [rustix::event::PollFd::new(
                    &to,
                    rustix::event::PollFlags::IN,
                )];
                rustix::event::poll(&mut wait, None).expect("a socket can be waited for");
                to.receive(0, &mut buffers, |datagram, _| {
                    received.push((datagram.data.len(), datagram.ecn));
                })
                .expect("it is there");
            }
            assert_eq!(received, [(1_200, 2); 2], "{address}");
        }
    }

    #[test]
    fn after_large_batches_the_next_takes_no_more_than_a_turn_is_to_have() {
        let from = bind("127.0.0.1:0").expect("loopback has ports");
        let to = bind("127.0.0.1:0").expect("loopback has ports");
        let mut buffers = ReceiveBuffers::new();
        let mut receive = |datagrams: usize, length: usize| {
            let single = Datagram {
                binding: 0,
                destination: to.address(),
                ecn: 0,
                contents: vec![7; length],
                segment_size: None,
                source_ip: None,
                dissected: None,
            };
            for _ in 0..datagrams {
                from.send(&single).expect("loopback takes it");
            }
            // Loopback has delivered what a send has returned from.
            to.receive(0, &mut buffers, |_, _| {})
                .expect("they are there")
        };
        let all_at_once = receive(5, 60_000);
        assert_eq!((all_at_once.bytes, all_at_once.is_full), (300_000, false));
        let a_part = receive(5, 60_000);
        assert_eq!((a_part.bytes, a_part.is_full), (240_000, true));
        assert!(a_part.bytes >= RECEIVE_BYTES_PER_TURN, "no second one");
        let the_rest = receive(0, 0);
        assert_eq!((the_rest.bytes, the_rest.is_full), (60_000, false));
        receive(1, 100);
        let small_ones = receive(32, 100);
        assert_eq!((small_ones.bytes, small_ones.is_full), (3_200, true));
    }
}
