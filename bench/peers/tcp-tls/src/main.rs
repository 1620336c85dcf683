//! An echo server on TCP and TLS 1.3: rustls and one epoll loop, no runtime.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsFd,
    sync::Arc,
};

use peer_scaffold::{ALPN, Arguments, Failure, announce, unless_blocked};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustls::{
    ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Bytes that are read at once.
const COALESCE: usize = 64 * 1024;
/// Events that are taken at once.
const EVENTS: usize = 256;
/// The listener's number; connections count from the next.
const LISTENER: u64 = 0;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    let config = Arc::new(config(&arguments)?);
    let listener = TcpListener::bind(arguments.listen)?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let data = EventData::new_u64(LISTENER);
    epoll::add(&poll, &listener, data, EventFlags::IN)?;
    let mut connections = HashMap::new();
    let mut next = LISTENER;
    let mut events = [Event {
        flags: EventFlags::empty(),
        data: EventData::new_u64(0),
    }; EVENTS];
    let mut room = vec![0; COALESCE];
    loop {
        let count = epoll::wait(&poll, &mut events, None)?;
        for event in &events[..count] {
            let number = event.data.u64();
            if number == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    next += 1;
                    let connection = Connection::new(stream, config.clone())?;
                    let data = EventData::new_u64(next);
                    epoll::add(&poll, &connection.stream, data, EventFlags::IN)?;
                    connections.insert(next, connection);
                }
                continue;
            }
            let Some(connection) = connections.get_mut(&number) else {
                continue;
            };
            match connection.echo(&mut room) {
                Ok(None) => {}
                Ok(Some(flags)) => {
                    epoll::modify(&poll, connection.stream.as_fd(), event.data, flags)?;
                }
                // The peer has gone, one way or another.
                Err(_) => drop(connections.remove(&number)),
            }
        }
    }
}

fn config(arguments: &Arguments) -> Result<ServerConfig, Failure> {
    let chain = CertificateDer::pem_file_iter(&arguments.cert)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&arguments.key)?;
    let mut config = ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

struct Connection {
    stream: TcpStream,
    tls: ServerConnection,
    /// Waits until the peer reads; until then nothing more is read from it.
    is_blocked: bool,
}

impl Connection {
    fn new(stream: TcpStream, config: Arc<ServerConfig>) -> Result<Self, Failure> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let tls = ServerConnection::new(config)?;
        Ok(Self {
            stream,
            tls,
            is_blocked: false,
        })
    }

    /// Passes on what has come; returns what to wait for from now on, if it is another event.
    fn echo(&mut self, room: &mut [u8]) -> io::Result<Option<EventFlags>> {
        if !self.is_blocked {
            self.read(room)?;
        }
        let was_blocked = self.is_blocked;
        self.is_blocked = false;
        while self.tls.wants_write() && !self.is_blocked {
            self.is_blocked = unless_blocked(self.tls.write_tls(&mut self.stream))?.is_none();
        }
        Ok(match (was_blocked, self.is_blocked) {
            (false, true) => Some(EventFlags::OUT),
            (true, false) => Some(EventFlags::IN),
            _ => None,
        })
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<()> {
        match unless_blocked(self.tls.read_tls(&mut self.stream))? {
            None => return Ok(()),
            Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Some(_) => {}
        }
        self.tls.process_new_packets().map_err(io::Error::other)?;
        loop {
            match unless_blocked(self.tls.reader().read(room))? {
                None => return Ok(()),
                Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Some(length) => self.tls.writer().write_all(&room[..length])?,
            }
        }
    }
}
