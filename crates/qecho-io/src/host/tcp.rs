//! Connections of TCP that keep to a limit of time.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use rustix::{event::PollFlags, io::Errno};
use socket2::{Domain, Protocol, Type};

use crate::{event_loop::clock, ports::wait};

/// Time for which a signal that ends the program may go unseen.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Time for which an answer is awaited at most: who asks for more gets this.
pub const PATIENCE_MAX: Duration = Duration::from_secs(3_600);

/// Connection of TCP that ends at a limit of time, whatever is read or written then:
/// [`io::ErrorKind::TimedOut`].
pub struct TcpConnection {
    stream: TcpStream,
    limit: Limit,
}

/// End of what is waited for.
struct Limit {
    until: Instant,
    is_stopped: Arc<AtomicBool>,
}

impl TcpConnection {
    /// Connects; all that is done with the connection is over after `patience`, which is
    /// [`PATIENCE_MAX`] at most, or once `is_stopped`.
    ///
    /// # Errors
    /// The system's: [`io::ErrorKind::ConnectionRefused`] if nobody listens,
    /// [`io::ErrorKind::TimedOut`] if nothing came.
    pub fn open(
        remote: SocketAddr,
        patience: Duration,
        is_stopped: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let until = clock() + patience.min(PATIENCE_MAX);
        let limit = Limit { until, is_stopped };
        let domain = Domain::for_address(remote);
        let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&remote.into()) {
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {
                limit.wait(&socket, PollFlags::OUT)?;
                if let Some(error) = socket.take_error()? {
                    return Err(error);
                }
            }
            connected => connected?,
        }
        let stream = TcpStream::from(socket);
        Ok(Self { stream, limit })
    }

    /// Does something with the stream as soon as it is ready for that.
    fn when_ready<T>(
        &mut self,
        interest: PollFlags,
        mut work: impl FnMut(&mut TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match work(&mut self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.limit.wait(&self.stream, interest)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Limit {
    /// Waits until the socket is ready.
    fn wait(&self, socket: &impl AsFd, interest: PollFlags) -> io::Result<()> {
        while !self.is_stopped.load(SeqCst) {
            let rest = self.until.saturating_duration_since(clock());
            if rest.is_zero() {
                break;
            }
            if wait(&[socket], interest, Some(rest.min(LOOK_INTERVAL)))? {
                return Ok(());
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Read for TcpConnection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        // Somebody who sends a byte now and then is not waited for without end.
        if clock() >= self.limit.until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.when_ready(PollFlags::IN, |stream| stream.read(bytes))
    }
}

impl Write for TcpConnection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.when_ready(PollFlags::OUT, |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn open(remote: SocketAddr, patience: Duration) -> io::Result<TcpConnection> {
        TcpConnection::open(remote, patience, Arc::default())
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        (listener, address)
    }

    #[test]
    fn patience_without_an_end_is_no_panic() {
        let (_listener, address) = listener();
        assert!(open(address, Duration::MAX).is_ok());
    }

    #[test]
    fn bytes_go_both_ways() {
        let (listener, address) = listener();
        let mut connection = open(address, PATIENCE).expect("somebody listens");
        let (mut peer, _) = listener.accept().expect("it comes");
        connection.write_all(b"hello").expect("it leaves");
        let mut bytes = [0; 5];
        peer.read_exact(&mut bytes).expect("it comes");
        peer.write_all(&bytes).expect("it leaves");
        bytes = [0; 5];
        connection.read_exact(&mut bytes).expect("it comes back");
        assert_eq!(&bytes, b"hello");
        drop(peer);
        assert_eq!(connection.read(&mut bytes).expect("it ends"), 0);
    }

    #[test]
    fn a_port_at_which_nobody_listens_refuses() {
        let (listener, address) = listener();
        drop(listener);
        let error = open(address, PATIENCE).expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_peer_that_says_nothing_is_left_when_time_is_over_or_somebody_stops() {
        let (_listener, address) = listener();
        let read = |patience, is_stopped| {
            let is_stopped = Arc::new(AtomicBool::new(is_stopped));
            let connection = TcpConnection::open(address, patience, is_stopped);
            connection.and_then(|mut connection| connection.read(&mut [0]))
        };
        let begun = clock();
        let patience = Duration::from_millis(120);
        let error = read(patience, false).expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= patience);
        // An hour would be noticed.
        let error = read(Duration::from_secs(3_600), true).expect_err("it is stopped");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
