//! TLS 1.3 over TCP, against which QUIC is measured: without waiting, and with
//! as few system calls as a sane program makes.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, Timespec, poll},
    io::{Errno, ioctl_fionbio},
    net::{
        AddressFamily, SocketType, bind, connect, socket,
        sockopt::{set_ipv6_v6only, set_socket_reuseaddr},
    },
};

/// Bytes that one system call reads, into memory that connections of one thread share.
pub(crate) const READ: usize = 64 * 1024;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1_024;

/// A TLS connection over TCP.
pub(crate) struct TlsStream {
    stream: TcpStream,
    tls: rustls::Connection,
    /// Whether the kernel takes no more for now.
    is_blocked: bool,
}

/// Outcome of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// Something was read, and there may be more.
    Data,
    /// There is nothing more for now.
    Blocked,
    /// The peer has ended the stream.
    End,
}

impl TlsStream {
    /// Takes a stream over, which is made not to wait.
    pub(crate) fn new(stream: TcpStream, tls: rustls::Connection) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // A message must not wait for the acknowledgement of another.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            tls,
            is_blocked: false,
        })
    }

    /// Tells whether the handshake is not complete.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Returns the TLS connection.
    pub(crate) fn tls(&self) -> &rustls::Connection {
        &self.tls
    }

    /// Tells whether what was written waits for the kernel: then nothing more
    /// is read, so that the peer is held back.
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Reads once, into a buffer of [`READ`] bytes; `each` is given the plaintext, and what to answer it with.
    ///
    /// # Errors
    /// The system's, or that of TLS, which is sent to the peer as an alert.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut each: impl FnMut(&[u8], &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<ReadOutcome> {
        let length = match self.stream.read(buffer) {
            Ok(0) => return Ok(ReadOutcome::End),
            Ok(length) => length,
            Err(error) if is_for_now(&error) => return Ok(ReadOutcome::Blocked),
            Err(error) => return Err(error),
        };
        let mut plaintext = [0; 16 * 1024];
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest)?;
            let state = self.tls.process_new_packets().map_err(|error| {
                // The alert says why; whether it leaves makes no difference.
                let _ = self.tls.write_tls(&mut self.stream);
                io::Error::new(io::ErrorKind::InvalidData, error)
            })?;
            let mut left = state.plaintext_bytes_to_read();
            while left > 0 {
                let length = self.tls.reader().read(&mut plaintext)?;
                left = left.saturating_sub(length.max(1));
                each(&plaintext[..length], &mut self.tls.writer())?;
            }
            if state.peer_has_closed() {
                return Ok(ReadOutcome::End);
            }
        }
        Ok(match length {
            READ => ReadOutcome::Data,
            _ => ReadOutcome::Blocked,
        })
    }

    /// Encrypts bytes; [`flush`](Self::flush) sends them. Returns how many were
    /// taken.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tls.writer().write(bytes)
    }

    /// Sends what was written, as far as the kernel takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if is_for_now(&error) => {
                    self.is_blocked = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.is_blocked = false;
        Ok(())
    }

    /// Says that nothing follows; whether the peer hears it makes no
    /// difference.
    pub(crate) fn close(mut self) {
        self.tls.send_close_notify();
        let _ = self.flush();
    }
}

impl AsFd for TlsStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Begins to connect, without waiting for it.
pub(crate) fn begin_connecting(remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket(family(remote), SocketType::STREAM, None)?;
    ioctl_fionbio(&socket, true)?;
    match connect(&socket, &remote) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

/// Listens on an address; IPv6 never takes IPv4, as with QUIC.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(family(address), SocketType::STREAM, None)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    // Connections of a server before this one may linger on the port.
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    ioctl_fionbio(&socket, true)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn family(address: SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

/// Waits for one of these, or until the time is over.
pub(crate) fn wait(descriptors: &mut [PollFd<'_>], timeout: Duration) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    match poll(descriptors, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the time, which the driver of TCP has to read.
#[expect(
    clippy::disallowed_methods,
    reason = "TCP is not driven by the engine's event loop"
)]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

/// Tells whether an error says that there is nothing to do for now. A stream
/// that has not connected yet is no error either.
fn is_for_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}
