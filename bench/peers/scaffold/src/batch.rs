//! A UDP socket that receives and sends many datagrams at once (recvmmsg, GRO, GSO), for stacks
//! that leave sockets to their user.

use std::{
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::unless_blocked;

/// Bytes of one receive buffer: the largest GRO batch.
const RECEIVE_BUFFER: usize = 65_536;

/// Most bytes of one send.
pub const SEND_MAX: usize = 65_000;

/// A socket, and room for what comes.
#[derive(Debug)]
pub struct BatchSocket {
    io: UdpSocket,
    state: UdpSocketState,
    room: Vec<u8>,
}

impl BatchSocket {
    /// Binds a socket as large as qecho's own.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let io = crate::bind(address)?;
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        let room = vec![0; RECEIVE_BUFFER * BATCH_SIZE];
        Ok(Self { io, state, room })
    }

    /// Returns the descriptor, to wait for several.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }

    /// Returns the same socket for sending.
    pub fn try_clone(&self) -> io::Result<Self> {
        let io = self.io.try_clone()?;
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        let room = Vec::new();
        Ok(Self { io, state, room })
    }

    /// Returns where the socket is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// Returns how many segments one send may have.
    pub fn segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Waits for datagrams, at most so long.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<()> {
        self.poll(PollFlags::IN, limit)
    }

    /// Hands the datagrams of one receive to `each`, with the address they come from.
    pub fn receive(&mut self, mut each: impl FnMut(&mut [u8], SocketAddr)) -> io::Result<()> {
        self.receive_joined(|joined, segment, from| {
            let datagrams = joined.chunks_mut(segment);
            datagrams.for_each(|datagram| each(datagram, from));
        })
    }

    /// Hands them over as the kernel has joined them: datagrams of so many bytes each, of which
    /// the last may be shorter.
    pub fn receive_joined(
        &mut self,
        mut each: impl FnMut(&mut [u8], usize, SocketAddr),
    ) -> io::Result<()> {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut rooms = self.room.chunks_mut(RECEIVE_BUFFER).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| rooms.next().expect("there is room for a batch"));
        let socket = UdpSockRef::from(&self.io);
        let count = unless_blocked(self.state.recv(socket, &mut slices, &mut metas))?;
        for (meta, slice) in metas.iter().zip(&mut slices).take(count.unwrap_or(0)) {
            each(&mut slice[..meta.len], meta.stride.max(1), meta.addr);
        }
        Ok(())
    }

    /// Sends datagrams of `segment` bytes each, of which the last may be shorter.
    pub fn send(&self, to: SocketAddr, contents: &[u8], segment: usize) -> io::Result<()> {
        let transmit = Transmit {
            destination: to,
            ecn: None::<EcnCodepoint>,
            contents,
            segment_size: (contents.len() > segment).then_some(segment),
            src_ip: None,
        };
        loop {
            let socket = UdpSockRef::from(&self.io);
            match self.state.try_send(socket, &transmit) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.poll(PollFlags::OUT, None)?;
                }
                // What cannot be sent is lost, as datagrams may be: MTU probes among them.
                _ => return Ok(()),
            }
        }
    }

    fn poll(&self, what: PollFlags, limit: Option<Duration>) -> io::Result<()> {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut [PollFd::new(&self.io, what)], limit.as_ref()) {
            Err(rustix::io::Errno::INTR) | Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
