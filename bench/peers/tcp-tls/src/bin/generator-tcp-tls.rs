//! Puts load on an echo server on TCP and TLS 1.3, and compares every byte that comes back.
#![expect(
    clippy::disallowed_methods,
    reason = "this program is its own event loop"
)]

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use peer_scaffold::{
    ALPN, Failure,
    generator::{Load, Meter},
    unless_blocked,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

/// Bytes that are read at once.
const ROOM: usize = 64 * 1024;
/// Time until the clock is looked at again, at the latest.
const TURN_MAX: Duration = Duration::from_millis(100);

fn main() -> Result<(), Failure> {
    let load = Load::parse()?;
    let config = Arc::new(config(&load)?);
    let lanes = (0..load.connections).map(|_| Lane::connect(&load, config.clone()));
    let mut lanes: Vec<Lane> = lanes.collect::<Result<_, _>>()?;
    let mut now = Instant::now();
    let mut meter = Meter::start(&load, now)?;
    let mut room = vec![0; ROOM];
    let mut ready = vec![true; lanes.len()];
    while meter.goes_on(now)? {
        for (lane, ready) in lanes.iter_mut().zip(&ready) {
            if *ready {
                lane.receive(&load, &mut room, &mut meter)?;
                lane.send(&load, now)?;
            }
        }
        ready = wait(&lanes)?;
        now = Instant::now();
    }
    let first = lanes.first();
    let suite = first.and_then(|lane| lane.tls.negotiated_cipher_suite());
    let suite = suite.ok_or("there is no connection")?.suite();
    let suite = format!("{suite:?}").replacen("TLS13_", "TLS_", 1);
    println!("{}", meter.report(now, Some(&suite))?);
    Ok(())
}

fn config(load: &Load) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&load.ca)? {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// A connection and its messages.
struct Lane {
    stream: TcpStream,
    tls: ClientConnection,
    /// When each message was sent that has not come back.
    under_way: VecDeque<Instant>,
    sent: u64,
    received: u64,
}

impl Lane {
    /// Connects, up to the end of the handshake.
    fn connect(load: &Load, config: Arc<ClientConfig>) -> Result<Self, Failure> {
        let name = ServerName::IpAddress(load.server.ip().into());
        let mut stream = TcpStream::connect(load.server)?;
        let mut tls = ClientConnection::new(config, name)?;
        // Everything under way may wait here.
        tls.set_buffer_limit(None);
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            tls,
            under_way: VecDeque::new(),
            sent: 0,
            received: 0,
        })
    }

    /// Sends as many messages as may be under way, in one piece.
    fn send(&mut self, load: &Load, now: Instant) -> io::Result<()> {
        let missing = load.in_flight - self.under_way.len();
        if missing > 0 {
            let bytes = missing * load.size;
            let piece = load.pattern.piece(self.sent, bytes);
            self.tls.writer().write_all(piece)?;
            self.sent += bytes as u64;
            self.under_way.extend((0..missing).map(|_| now));
        }
        while self.tls.wants_write() {
            if unless_blocked(self.tls.write_tls(&mut self.stream))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn receive(&mut self, load: &Load, room: &mut [u8], meter: &mut Meter) -> Result<(), Failure> {
        match unless_blocked(self.tls.read_tls(&mut self.stream))? {
            None => return Ok(()),
            Some(0) => return Err("the server has closed".into()),
            Some(_) => self.tls.process_new_packets()?,
        };
        let now = Instant::now();
        while let Some(length) = unless_blocked(self.tls.reader().read(room))? {
            if room[..length] != *load.pattern.piece(self.received, length) {
                return Err("what came back differs".into());
            }
            let before = self.received / load.size as u64;
            self.received += length as u64;
            for _ in before..self.received / load.size as u64 {
                let sent = self.under_way.pop_front();
                let sent = sent.ok_or("more came back than was sent")?;
                meter.echoed(sent, now, load.size);
            }
        }
        Ok(())
    }
}

/// Waits until something can be done; tells for which connections.
fn wait(lanes: &[Lane]) -> io::Result<Vec<bool>> {
    let flags = |lane: &Lane| match lane.tls.wants_write() {
        true => PollFlags::IN | PollFlags::OUT,
        false => PollFlags::IN,
    };
    let mut descriptors: Vec<PollFd<'_>> = lanes
        .iter()
        .map(|lane| PollFd::new(&lane.stream, flags(lane)))
        .collect();
    let limit = Timespec::try_from(TURN_MAX).ok();
    poll(&mut descriptors, limit.as_ref())?;
    let is_ready = |it: &PollFd<'_>| !it.revents().is_empty();
    Ok(descriptors.iter().map(is_ready).collect())
}
