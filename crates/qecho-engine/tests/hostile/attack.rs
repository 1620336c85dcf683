//! A raw client with forged frames against a shard, on virtual time.

use std::{
    any::Any,
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use qecho_engine::{
    Application, CloseReason, Connection, Event, Output, ReadEnd, Received, RejectReason, Secrets,
    Shard, ShardContext, StreamId, Written,
    config::{ShardConfig, Transport},
};
use qecho_netsim::simulation::{FAR, NEAR};
use qecho_testkit::{
    identity::{Identity, SERVER_NAME},
    initial::tls,
};
use quinn_proto::{
    ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig,
    TransportConfig, VarInt,
    congestion::{Controller, ControllerFactory},
    crypto::rustls::QuicClientConfig,
};

use crate::forgery::{ForgingTls, forged};

/// A server that sends back what comes, at once, or takes whatever comes and reads none of it.
#[derive(Default)]
pub(crate) struct Server {
    echoes: bool,
    pub(crate) connected: usize,
    pub(crate) opened: usize,
    /// Bytes and DATAGRAM frames that were sent back.
    pub(crate) bytes: usize,
    pub(crate) datagrams: usize,
    pub(crate) closed: Vec<CloseReason>,
    pub(crate) turned_away: Vec<RejectReason>,
}

impl Server {
    pub(crate) fn deaf() -> Self {
        Self::default()
    }

    pub(crate) fn parrot() -> Self {
        Self {
            echoes: true,
            ..Self::default()
        }
    }

    /// Puts it on a shard of its own.
    pub(crate) fn shard(self, config: ShardConfig) -> Shard<Self> {
        let config = config
            .with_seed([7; 32])
            .with_secrets(Secrets::from_master(&[8; 32]));
        Shard::new(&config, &[FAR], self).expect("these settings work")
    }
}

impl Application for Server {
    /// What a stream did not take; it is not read until it does.
    type State = HashMap<StreamId, Bytes>;
    type Command = ();

    fn accept(&mut self, _: &mut Connection<'_>) -> Self::State {
        HashMap::new()
    }

    fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        unsent: &mut Self::State,
        event: Event,
    ) {
        self.opened += usize::from(matches!(event, Event::Opened(_)));
        match event {
            Event::Connected => self.connected += 1,
            Event::Closed(reason) => self.closed.push(reason),
            _ if !self.echoes => {}
            Event::Opened(id) | Event::Readable(id) | Event::Writable(id) => {
                let data = match unsent.remove(&id) {
                    Some(data) => data,
                    None => {
                        let read = connection.read(id, 65_536);
                        if let ReadEnd::Reset(code) = read.end {
                            connection.reset(id, code);
                        }
                        read.data
                    }
                };
                self.bytes += data.len();
                if let Written::Blocked(rest) = connection.write(id, data) {
                    self.bytes -= rest.len();
                    unsent.insert(id, rest);
                }
            }
            Event::DatagramReceived => {
                while let Some(data) = connection.receive_datagram() {
                    self.datagrams += usize::from(connection.send_datagram(data).is_ok());
                }
            }
            _ => {}
        }
    }

    fn handle_command(&mut self, _: &mut ShardContext<'_, Self::State>, (): ()) {}

    fn turned_away(&mut self, _: Instant, _: SocketAddr, reason: &RejectReason) {
        self.turned_away.push(reason.clone());
    }
}

/// A raw client of the server at [`FAR`].
pub(crate) struct Client {
    endpoint: Endpoint,
    handle: ConnectionHandle,
    pub(crate) connection: quinn_proto::Connection,
    /// The address that its packets seem to come from.
    pub(crate) address: SocketAddr,
}

impl Client {
    /// Begins a connection with packets of up to `mtu` bytes.
    pub(crate) fn connect(
        now: Instant,
        identity: &Identity,
        mtu: u16,
        address: SocketAddr,
    ) -> Self {
        Self::begin(now, attacker_config(identity, mtu), address)
    }

    fn begin(now: Instant, config: quinn_proto::ClientConfig, address: SocketAddr) -> Self {
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
        let (handle, connection) = endpoint
            .connect(now, config, FAR, SERVER_NAME)
            .expect("the address and the name are good");
        Self {
            endpoint,
            handle,
            connection,
            address,
        }
    }

    /// Takes a datagram of the server's.
    pub(crate) fn hear(&mut self, now: Instant, data: &[u8]) {
        let (data, mut answer) = (BytesMut::from(data), Vec::new());
        let event = self
            .endpoint
            .handle(now, FAR, None, None, data, &mut answer);
        if let Some(DatagramEvent::ConnectionEvent(_, event)) = event {
            self.connection.handle_event(event);
        }
    }
}

/// The victim's limit on its memory, of which nobody speaks unless a test does.
pub(crate) const MEMORY_MAX: u64 = 1 << 30;

/// An attacker, its victim, and nothing between them but a millisecond.
pub(crate) struct Attack {
    pub(crate) victim: Shard<Server>,
    now: Instant,
    pub(crate) attacker: Client,
    to_victim: Vec<Vec<u8>>,
    config: quinn_proto::ClientConfig,
    /// The reason for which the attacker's connection was lost.
    pub(crate) lost: Option<ConnectionError>,
    /// Whether the attacker takes no notice of its victim's packets.
    pub(crate) deaf: bool,
    /// Whether each second datagram of the attacker's is lost.
    pub(crate) loses_half: bool,
    /// Datagrams that the victim sent, and to whom.
    pub(crate) sent: Vec<(SocketAddr, Vec<u8>)>,
}

/// Time from one end to the other.
const DELAY: Duration = Duration::from_millis(1);

impl Attack {
    /// Connects an attacker to a server that runs `application`.
    pub(crate) fn on(application: Server) -> Self {
        Self::with_mtu(application, 1_200)
    }

    /// As [`on`](Self::on); the attacker's packets can have so many bytes.
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    pub(crate) fn with_mtu(application: Server, mtu: u16) -> Self {
        let now = Instant::now();
        let identity = Identity::generate();
        let transport = Transport::default().with_udp_payload_max((mtu > 1_472).then_some(mtu));
        let tls = identity.server(&[b"echo"]).with_early_data(true);
        let config = ShardConfig::server(transport, tls).with_memory_max(MEMORY_MAX);
        let victim = application.shard(config);
        let config = attacker_config(&identity, mtu);
        let attacker = Client::begin(now, config.clone(), NEAR);
        let mut attack = Self {
            victim,
            now,
            attacker,
            to_victim: Vec::new(),
            config,
            lost: None,
            deaf: false,
            loses_half: false,
            sent: Vec::new(),
        };
        attack.victim.start(now);
        attack.run(200);
        assert!(
            !attack.attacker.connection.is_handshaking(),
            "the handshake is over"
        );
        attack
    }

    /// Begins another connection in the place of the first, with what that has learned.
    pub(crate) fn come_again(&mut self) {
        self.attacker = Client::begin(self.now, self.config.clone(), NEAR);
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run(&mut self, milliseconds: usize) {
        for _ in 0..milliseconds {
            self.turn();
        }
    }

    /// Lets so many seconds pass.
    pub(crate) fn run_slowly(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.wait(Duration::from_secs(1));
        }
    }

    /// Returns the virtual time.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Returns the bytes of the attacker's datagrams that have not arrived yet.
    pub(crate) fn last_sent(&self) -> usize {
        self.to_victim.iter().map(Vec::len).sum()
    }

    /// Lets time pass, and then a turn.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.turn();
    }

    /// Sends packets with these frames, one packet for each.
    pub(crate) fn send(&mut self, packets: impl IntoIterator<Item = Vec<u8>>) {
        for frames in packets {
            let mut datagrams = self.attacker.connection.datagrams();
            let sent = datagrams.send(forged(&frames).into(), false);
            sent.expect("the queue is long and the frames are few");
            self.turn();
        }
        self.run(3);
    }

    /// Opens streams of the attacker's, writes a byte on each and resets it at once; returns how
    /// many bytes the attacker has sent meanwhile.
    pub(crate) fn reset_streams(&mut self, count: usize) -> usize {
        let mut came = 0;
        for _ in 0..count {
            let id = loop {
                if let Some(id) = self.attacker.connection.streams().open(Dir::Bi) {
                    break id;
                }
                self.turn();
                came += self.last_sent();
            };
            let connection = &mut self.attacker.connection;
            let written = connection.send_stream(id).write(b"x");
            assert!(written.is_ok(), "{written:?}");
            let reset = connection.send_stream(id).reset(VarInt::from_u32(7));
            let stopped = connection.recv_stream(id).stop(VarInt::from_u32(7));
            assert!(reset.is_ok() && stopped.is_ok(), "{id}");
            self.turn();
            came += self.last_sent();
        }
        self.run(100);
        came
    }

    /// Lets a millisecond pass, and the attacker send what it has.
    pub(crate) fn turn(&mut self) {
        self.now += DELAY;
        let now = self.now;
        self.victim.handle_timeouts(now);
        let step = 1 + usize::from(self.loses_half);
        for data in std::mem::take(&mut self.to_victim).iter().step_by(step) {
            self.deliver(self.attacker.address, data);
        }
        while let Output::Datagram(datagram) = self.victim.poll_output(now) {
            let length = datagram.contents.len();
            let size = datagram.segment_size.unwrap_or(length);
            for data in datagram.contents.chunks(size) {
                self.sent.push((datagram.destination, data.to_vec()));
                if !self.deaf {
                    self.attacker.hear(now, data);
                }
            }
            self.victim.note_sent(now, datagram, Ok(length));
        }
        let Client {
            endpoint,
            handle,
            connection,
            ..
        } = &mut self.attacker;
        if connection.poll_timeout().is_some_and(|due| due <= now) {
            connection.handle_timeout(now);
        }
        while let Some(event) = connection.poll() {
            if let quinn_proto::Event::ConnectionLost { reason } = event {
                self.lost = Some(reason);
            }
        }
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(answer) = endpoint.handle_event(*handle, event) {
                connection.handle_event(answer);
            }
        }
        let mut data = Vec::new();
        while connection.poll_transmit(now, 1, &mut data).is_some() {
            self.to_victim.push(std::mem::take(&mut data));
        }
    }

    /// Hands a datagram of anybody's making to the victim.
    pub(crate) fn deliver(&mut self, from: SocketAddr, data: &[u8]) {
        let received = Received::from_remote(from, data);
        self.victim.handle_datagram(self.now, received);
    }

    /// Returns how many bytes were sent to an address.
    pub(crate) fn sent_to(&self, address: SocketAddr) -> usize {
        let sent = self.sent.iter().filter(|(to, _)| *to == address);
        sent.map(|(_, data)| data.len()).sum()
    }
}

fn attacker_config(identity: &Identity, mtu: u16) -> quinn_proto::ClientConfig {
    let mut tls = tls(identity.verifier(), &[b"echo"]);
    tls.enable_early_data = true;
    let tls = QuicClientConfig::try_from(tls).expect("there is an Initial suite");
    let mut transport = TransportConfig::default();
    transport
        .initial_mtu(mtu)
        .datagram_send_buffer_size(1 << 30)
        .stream_receive_window(VarInt::MAX)
        .receive_window(VarInt::MAX)
        .congestion_controller_factory(Arc::new(Reckless));
    let mut config = quinn_proto::ClientConfig::new(Arc::new(ForgingTls(Arc::new(tls))));
    config.transport_config(Arc::new(transport));
    config
}

/// No congestion control at all.
#[derive(Clone, Copy)]
struct Reckless;

impl ControllerFactory for Reckless {
    fn build(self: Arc<Self>, _: Instant, _: u16) -> Box<dyn Controller> {
        Box::new(*self)
    }
}

impl Controller for Reckless {
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}

    fn on_mtu_update(&mut self, _: u16) {}

    fn window(&self) -> u64 {
        u64::MAX
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(*self)
    }

    fn initial_window(&self) -> u64 {
        u64::MAX
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
