//! An echo server on quiche, with the event loop that quiche leaves to its user: datagrams are
//! received in batches, each connection that got some is driven once a batch, and its packets
//! leave in as few sends as they fit in.
#![expect(
    clippy::disallowed_methods,
    reason = "this program is its own event loop"
)]

mod client;

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    time::Instant,
};

use peer_scaffold::{
    ALPN, Arguments, BatchSocket, CONNECTION_WINDOW, DATAGRAM_QUEUE, Failure, IDLE_TIMEOUT_S,
    STREAM_WINDOW, STREAMS, announce,
};
use quiche::{Config, ConnectionId, Header, MAX_CONN_ID_LEN, RecvInfo, Type};

use self::client::Client;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    let mut socket = BatchSocket::bind(arguments.listen)?;
    let local = socket.local_addr()?;
    announce(local)?;
    let mut server = Server {
        config: config(&arguments)?,
        local,
        random: RandomState::new(),
        ids: HashMap::new(),
        clients: HashMap::new(),
        next: 0,
        deadlines: BTreeSet::new(),
        dirty: Vec::new(),
        negotiations: Vec::new(),
    };
    let mut room = vec![0; 65_536];
    loop {
        let now = Instant::now();
        let limit = server.deadlines.first();
        socket.wait(limit.map(|(limit, _)| limit.saturating_duration_since(now)))?;
        socket.receive(|datagram, from| server.handle_datagram(datagram, from))?;
        server.handle_deadlines(Instant::now());
        server.drive(&socket, &mut room)?;
    }
}

fn config(arguments: &Arguments) -> Result<Config, Failure> {
    let mut config = Config::new(quiche::PROTOCOL_VERSION)?;
    config.load_cert_chain_from_pem_file(&arguments.cert.to_string_lossy())?;
    config.load_priv_key_from_pem_file(&arguments.key.to_string_lossy())?;
    config.set_application_protos(&[ALPN])?;
    config.set_max_idle_timeout(IDLE_TIMEOUT_S * 1_000);
    config.set_max_recv_udp_payload_size(arguments.receive_payload_max.into());
    config.set_max_send_udp_payload_size(arguments.send_payload_max.into());
    config.discover_pmtu(true);
    config.set_initial_max_data(CONNECTION_WINDOW);
    config.set_initial_max_stream_data_bidi_remote(STREAM_WINDOW);
    config.set_initial_max_streams_bidi(STREAMS);
    config.enable_pacing(false);
    if arguments.datagrams {
        config.enable_dgram(true, DATAGRAM_QUEUE, DATAGRAM_QUEUE);
    }
    Ok(config)
}

struct Server {
    config: Config,
    local: SocketAddr,
    random: RandomState,
    /// The connection that each connection ID leads to.
    ids: HashMap<ConnectionId<'static>, usize>,
    clients: HashMap<usize, Client>,
    next: usize,
    /// When which connection wants to be woken, the earliest first.
    deadlines: BTreeSet<(Instant, usize)>,
    /// Connections that something has happened to since they were last driven.
    dirty: Vec<usize>,
    /// Version Negotiation packets, and to whom they go.
    negotiations: Vec<(SocketAddr, Vec<u8>)>,
}

/// Bytes of a datagram that may begin a connection (RFC 9000 §14.1).
const FIRST_MIN: usize = 1_200;

impl Server {
    fn handle_datagram(&mut self, datagram: &mut [u8], from: SocketAddr) {
        let Ok(header) = Header::from_slice(datagram, MAX_CONN_ID_LEN) else {
            return;
        };
        let has_version = !matches!(header.ty, Type::Short | Type::VersionNegotiation);
        if has_version && !quiche::version_is_supported(header.version) {
            return self.negotiate(&header, datagram.len(), from);
        }
        let Some(number) = self.find_or_accept(&header, from) else {
            return;
        };
        let info = RecvInfo {
            from,
            to: self.local,
        };
        let client = self.client_to_drive(number);
        // A datagram that makes no sense ends in a closed connection or in nothing.
        let _ = client.connection.recv(datagram, info);
    }

    fn negotiate(&mut self, header: &Header<'_>, length: usize, from: SocketAddr) {
        let mut answer = vec![0; FIRST_MIN];
        if length >= FIRST_MIN
            && let Ok(written) = quiche::negotiate_version(&header.scid, &header.dcid, &mut answer)
        {
            answer.truncate(written);
            self.negotiations.push((from, answer));
        }
    }

    fn find_or_accept(&mut self, header: &Header<'_>, from: SocketAddr) -> Option<usize> {
        if let Some(number) = self.ids.get(&header.dcid) {
            return Some(*number);
        }
        if header.ty != Type::Initial {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let mut id = [0; MAX_CONN_ID_LEN];
        for (half, bytes) in id.chunks_mut(8).enumerate() {
            let random = self.random.hash_one((number, half)).to_be_bytes();
            bytes.copy_from_slice(&random[..bytes.len()]);
        }
        let id = ConnectionId::from_vec(id.to_vec());
        let connection = quiche::accept(&id, None, self.local, from, &mut self.config).ok()?;
        let ids = [id, header.dcid.clone().into_owned()];
        self.ids.extend(ids.iter().map(|id| (id.clone(), number)));
        let client = Client {
            connection,
            ids,
            deadline: None,
            is_dirty: false,
        };
        self.clients.insert(number, client);
        Some(number)
    }

    fn handle_deadlines(&mut self, now: Instant) {
        while let Some(&(deadline, number)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            let client = self.client_to_drive(number);
            client.deadline = None;
            client.connection.on_timeout();
        }
    }

    /// Returns a connection that something happens to.
    fn client_to_drive(&mut self, number: usize) -> &mut Client {
        let client = self.clients.get_mut(&number);
        let client = client.expect("IDs and deadlines go with their connection");
        if !client.is_dirty {
            client.is_dirty = true;
            self.dirty.push(number);
        }
        client
    }

    fn drive(&mut self, socket: &BatchSocket, room: &mut [u8]) -> Result<(), Failure> {
        for (to, answer) in self.negotiations.drain(..) {
            socket.send(to, &answer, answer.len())?;
        }
        for number in self.dirty.drain(..) {
            let client = self.clients.get_mut(&number);
            let client = client.expect("a connection leaves only below, when it is not dirty");
            client.is_dirty = false;
            client.echo(room);
            client.flush(socket, room)?;
            let is_closed = client.connection.is_closed();
            let deadline = client.connection.timeout_instant();
            let deadline = deadline.filter(|_| !is_closed);
            if deadline != client.deadline {
                if let Some(before) = client.deadline {
                    self.deadlines.remove(&(before, number));
                }
                self.deadlines
                    .extend(deadline.map(|deadline| (deadline, number)));
                client.deadline = deadline;
            }
            if is_closed {
                for id in &client.ids {
                    self.ids.remove(id);
                }
                self.clients.remove(&number);
            }
        }
        Ok(())
    }
}
