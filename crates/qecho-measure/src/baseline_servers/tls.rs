//! Echoes TLS 1.3 over TCP: a thread that accepts, and as many that echo as the
//! QUIC server has.

use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use qecho_engine::{AlpnPolicy, TlsError};
use qecho_io::{BindError, ServerConfig, StartError};
use rustix::event::{PollFd, PollFlags};
use rustls::{ServerConnection, version::TLS13};

use super::THREAD;
use crate::tcp::{self, READ, ReadOutcome, TlsStream};

/// TCP connections at once; one more is closed.
pub const CONNECTIONS_MAX: usize = 1_024;

/// Time for a handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two checks for connections that have waited too long.
const TICK: Duration = Duration::from_secs(1);

/// Times that a connection is read from before others have their turn.
const READS_PER_TURN_MAX: usize = 16;

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Listeners {
    has_ended: Arc<AtomicBool>,
    wakers: Vec<PipeWriter>,
    threads: Vec<JoinHandle<()>>,
}

impl Listeners {
    /// Listens on the same port numbers as QUIC does.
    pub(super) fn start(config: &ServerConfig, quic: &[SocketAddr]) -> Result<Self, StartError> {
        let mut sockets = Vec::new();
        for address in quic.iter().copied() {
            let bound = tcp::listen(address);
            sockets.push(bound.map_err(|source| BindError { address, source })?);
        }
        let tls = Arc::new(tls(config)?);
        let mut listeners = Self {
            has_ended: Arc::default(),
            wakers: Vec::new(),
            threads: Vec::new(),
        };
        let count = Arc::new(AtomicUsize::new(0));
        let mut workers = Vec::new();
        for number in 0..config.shards.get() {
            let (hand_over, streams) = channel();
            let (bell, waker) = io::pipe().map_err(StartError::thread(THREAD))?;
            workers.push((
                hand_over,
                waker.try_clone().map_err(StartError::thread(THREAD))?,
            ));
            let worker = Worker {
                tls: tls.clone(),
                streams,
                bell,
                count: count.clone(),
                has_ended: listeners.has_ended.clone(),
                idle_timeout: config.transport.idle_timeout,
                peers: Vec::new(),
            };
            listeners.spawn(format!("tls {number}"), waker, move || worker.run())?;
        }
        let (bell, waker) = io::pipe().map_err(StartError::thread(THREAD))?;
        let has_ended = listeners.has_ended.clone();
        listeners.spawn("tls accept".into(), waker, move || {
            accept(&sockets, &bell, &has_ended, &count, workers);
        })?;
        Ok(listeners)
    }

    fn spawn(
        &mut self,
        name: String,
        waker: PipeWriter,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let thread = thread::Builder::new().name(name).spawn(work);
        self.wakers.push(waker);
        self.threads
            .push(thread.map_err(StartError::thread(THREAD))?);
        Ok(())
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.has_ended.store(true, Relaxed);
        for waker in &mut self.wakers {
            // A thread that has ended needs no waking.
            let _ = waker.write(&[0]);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Returns the TLS that QUIC has, without QUIC.
fn tls(config: &ServerConfig) -> Result<rustls::ServerConfig, StartError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::from)?;
    let builder = match &config.tls.client_verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_cert_resolver(config.tls.identity.clone());
    if let AlpnPolicy::Names(names) = &config.tls.alpn {
        tls.alpn_protocols = names.clone();
    }
    Ok(tls)
}

/// Accepts connections and shares them out, until the end.
fn accept(
    sockets: &[TcpListener],
    bell: &PipeReader,
    has_ended: &AtomicBool,
    count: &AtomicUsize,
    mut workers: Vec<(Sender<TcpStream>, PipeWriter)>,
) {
    let mut next = 0;
    while !has_ended.load(Relaxed) {
        let mut descriptors = vec![PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)];
        let listening = sockets.iter().map(AsFd::as_fd);
        descriptors.extend(listening.map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::IN)));
        if tcp::wait(&mut descriptors, TICK).is_err() {
            return;
        }
        for socket in sockets {
            while let Some(stream) = accept_one(socket, bell) {
                if count.load(Relaxed) >= CONNECTIONS_MAX {
                    continue;
                }
                count.fetch_add(1, Relaxed);
                let count = workers.len();
                let (hand_over, waker) = &mut workers[next];
                next = (next + 1) % count;
                if hand_over.send(stream).is_err() || waker.write(&[0]).is_err() {
                    return;
                }
            }
        }
    }
}

/// Accepts a connection that waits, if there is one.
fn accept_one(socket: &TcpListener, bell: &PipeReader) -> Option<TcpStream> {
    match socket.accept() {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            let has_gone = matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted
            );
            if !has_gone {
                // It waits on and would ring without end, for instance as long as
                // the process has no file descriptor left. A wait that fails
                // fails again in the next turn.
                let mut descriptors = [PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)];
                let _ = tcp::wait(&mut descriptors, TICK);
            }
            None
        }
    }
}

/// One thread's connections.
struct Worker {
    tls: Arc<rustls::ServerConfig>,
    streams: Receiver<TcpStream>,
    bell: PipeReader,
    count: Arc<AtomicUsize>,
    has_ended: Arc<AtomicBool>,
    idle_timeout: Duration,
    peers: Vec<Peer>,
}

struct Peer {
    stream: TlsStream,
    /// Time at which something was last received.
    received: Instant,
    began: Instant,
    has_ended: bool,
}

impl Worker {
    fn run(mut self) {
        let mut buffer = vec![0; READ];
        let mut swept = tcp::clock();
        while !self.has_ended.load(Relaxed) {
            let Ok(ready) = self.wait() else {
                return;
            };
            let now = tcp::clock();
            for (peer, _) in self.peers.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
                peer.has_ended = peer.echo(now, &mut buffer).is_err();
            }
            if now - swept >= TICK {
                swept = now;
                for peer in &mut self.peers {
                    peer.has_ended |= peer.is_overdue(now, self.idle_timeout);
                }
            }
            let before = self.peers.len();
            self.peers.retain(|peer| !peer.has_ended);
            self.count.fetch_sub(before - self.peers.len(), Relaxed);
            self.accept_streams(now);
        }
    }

    /// Waits; returns which peers have something to do.
    fn wait(&mut self) -> io::Result<Vec<bool>> {
        let mut descriptors = vec![PollFd::from_borrowed_fd(self.bell.as_fd(), PollFlags::IN)];
        descriptors.extend(self.peers.iter().map(|peer| {
            let interest = match peer.stream.is_blocked() {
                // It is read no further, so that it is held back.
                true => PollFlags::OUT,
                false => PollFlags::IN,
            };
            PollFd::from_borrowed_fd(peer.stream.as_fd(), interest)
        }));
        tcp::wait(&mut descriptors, TICK)?;
        let is_ready = |descriptor: &PollFd<'_>| !descriptor.revents().is_empty();
        let rang = is_ready(&descriptors[0]);
        let ready = descriptors[1..].iter().map(is_ready).collect();
        drop(descriptors);
        if rang {
            // A ring that is left rings again.
            let _ = self.bell.read(&mut [0; 64])?;
        }
        Ok(ready)
    }

    fn accept_streams(&mut self, now: Instant) {
        while let Ok(stream) = self.streams.try_recv() {
            let accepted = ServerConnection::new(self.tls.clone()).map(|mut tls| {
                // At most what was read last waits, and then nothing is read.
                tls.set_buffer_limit(None);
                TlsStream::new(stream, tls.into())
            });
            match accepted {
                Ok(Ok(stream)) => self.peers.push(Peer {
                    stream,
                    received: now,
                    began: now,
                    has_ended: false,
                }),
                _ => drop(self.count.fetch_sub(1, Relaxed)),
            }
        }
    }
}

impl Peer {
    fn is_overdue(&self, now: Instant, idle_timeout: Duration) -> bool {
        let is_slow = self.stream.is_handshaking() && now - self.began > HANDSHAKE_TIMEOUT;
        is_slow || now - self.received > idle_timeout
    }

    /// Sends back what was received; the end of the connection is an error.
    fn echo(&mut self, now: Instant, buffer: &mut [u8]) -> io::Result<()> {
        self.received = now;
        self.stream.flush()?;
        for _ in 0..READS_PER_TURN_MAX {
            if self.stream.is_blocked() {
                break;
            }
            let read = self
                .stream
                .read(buffer, |data, writer| writer.write_all(data))?;
            self.stream.flush()?;
            match read {
                ReadOutcome::Data => {}
                ReadOutcome::Blocked => break,
                ReadOutcome::End => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        Ok(())
    }
}
