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
    Application, CloseReason, Connection, Event, Output, Received, Secrets, Shard, ShardContext,
    StreamId, Written,
    config::{ShardConfig, Transport},
};
use qecho_netsim::simulation::{FAR, NEAR};
use qecho_testkit::identity::{Identity, SERVER_NAME};
use quinn_proto::{
    ConnectionHandle, DatagramEvent, Endpoint, EndpointConfig, TransportConfig, VarInt,
    congestion::{Controller, ControllerFactory},
    crypto::rustls::QuicClientConfig,
};

use crate::forgery::{ForgingTls, forged};

/// A server that takes whatever comes and reads none of it.
#[derive(Default)]
pub(crate) struct Deaf {
    pub(crate) connected: usize,
    pub(crate) opened: usize,
    pub(crate) datagrams: usize,
    pub(crate) closed: Vec<CloseReason>,
}

impl Application for Deaf {
    type State = ();
    type Command = ();

    fn accept(&mut self, _: &mut Connection<'_>) {}

    fn handle_event(&mut self, _: &mut Connection<'_>, (): &mut (), event: Event) {
        match event {
            Event::Connected => self.connected += 1,
            Event::Opened(_) => self.opened += 1,
            Event::DatagramReceived => self.datagrams += 1,
            Event::Closed(reason) => self.closed.push(reason),
            _ => {}
        }
    }

    fn handle_command(&mut self, _: &mut ShardContext<'_, ()>, (): ()) {}
}

/// A server that sends back what comes, at once.
#[derive(Default)]
pub(crate) struct Parrot {
    pub(crate) bytes: usize,
    pub(crate) datagrams: usize,
    pub(crate) closed: Vec<CloseReason>,
}

impl Application for Parrot {
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
        match event {
            Event::Opened(id) | Event::Readable(id) | Event::Writable(id) => {
                let data = match unsent.remove(&id) {
                    Some(data) => data,
                    None => connection.read(id, 65_536).data,
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
            Event::Closed(reason) => self.closed.push(reason),
            _ => {}
        }
    }

    fn handle_command(&mut self, _: &mut ShardContext<'_, Self::State>, (): ()) {}
}

/// An attacker, its victim, and nothing between them but a millisecond.
pub(crate) struct Attack<A: Application = Deaf> {
    pub(crate) victim: Shard<A>,
    now: Instant,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    pub(crate) attacker: quinn_proto::Connection,
    to_victim: Vec<Vec<u8>>,
    /// Whether the attacker takes no notice of its victim's packets.
    pub(crate) deaf: bool,
    /// The address that the attacker's packets seem to come from.
    pub(crate) from: SocketAddr,
    /// Datagrams that the victim sent, and to whom.
    pub(crate) sent: Vec<(SocketAddr, Vec<u8>)>,
}

/// Time from one end to the other.
const DELAY: Duration = Duration::from_millis(1);

impl<A: Application> Attack<A> {
    /// Connects an attacker to a server that runs `application`.
    pub(crate) fn on(application: A) -> Self {
        Self::with_mtu(application, 1_200)
    }

    /// As [`on`](Self::on); the attacker's packets can have so many bytes.
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    pub(crate) fn with_mtu(application: A, mtu: u16) -> Self {
        let now = Instant::now();
        let identity = Identity::generate();
        let transport = Transport::default().with_udp_payload_max((mtu > 1_472).then_some(mtu));
        let config = ShardConfig::server(transport, identity.server(&[b"echo"]))
            .with_seed([7; 32])
            .with_secrets(Secrets::from_master(&[8; 32]));
        let victim = Shard::new(&config, &[FAR], application).expect("these settings work");
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
        let (handle, attacker) = endpoint
            .connect(now, attacker_config(&identity, mtu), FAR, SERVER_NAME)
            .expect("the address and the name are good");
        let mut attack = Self {
            victim,
            now,
            endpoint,
            handle,
            attacker,
            to_victim: Vec::new(),
            deaf: false,
            from: NEAR,
            sent: Vec::new(),
        };
        attack.victim.start(now);
        attack.run(200);
        assert!(!attack.attacker.is_handshaking(), "the handshake is over");
        attack
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

    /// Lets the attacker send what it has.
    pub(crate) fn turn_once(&mut self) {
        self.turn();
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
            let sent = self
                .attacker
                .datagrams()
                .send(forged(&frames).into(), false);
            sent.expect("the queue is long and the frames are few");
            self.turn();
        }
        self.run(3);
    }

    fn turn(&mut self) {
        self.now += DELAY;
        let now = self.now;
        self.victim.handle_timeouts(now);
        for data in std::mem::take(&mut self.to_victim) {
            self.deliver(self.from, &data);
        }
        while let Output::Datagram(datagram) = self.victim.poll_output(now) {
            let length = datagram.contents.len();
            for data in datagram
                .contents
                .chunks(datagram.segment_size.unwrap_or(length))
            {
                self.sent.push((datagram.destination, data.to_vec()));
                self.return_to_attacker(data);
            }
            self.victim.note_sent(now, datagram, Ok(length));
        }
        if self.attacker.poll_timeout().is_some_and(|due| due <= now) {
            self.attacker.handle_timeout(now);
        }
        while self.attacker.poll().is_some() {}
        while let Some(event) = self.attacker.poll_endpoint_events() {
            if let Some(answer) = self.endpoint.handle_event(self.handle, event) {
                self.attacker.handle_event(answer);
            }
        }
        loop {
            let mut data = Vec::new();
            if self.attacker.poll_transmit(now, 1, &mut data).is_none() {
                break;
            }
            self.to_victim.push(data);
        }
    }

    /// Hands a datagram of anybody's making to the victim.
    pub(crate) fn deliver(&mut self, from: SocketAddr, data: &[u8]) {
        let received = Received::from_remote(from, data);
        self.victim.handle_datagram(self.now, received);
    }

    fn return_to_attacker(&mut self, data: &[u8]) {
        if self.deaf {
            return;
        }
        let mut answer = Vec::new();
        let data = BytesMut::from(data);
        let event = self
            .endpoint
            .handle(self.now, FAR, None, None, data, &mut answer);
        if let Some(DatagramEvent::ConnectionEvent(_, event)) = event {
            self.attacker.handle_event(event);
        }
    }

    /// Returns how many bytes were sent to an address.
    pub(crate) fn sent_to(&self, address: SocketAddr) -> usize {
        let sent = self.sent.iter().filter(|(to, _)| *to == address);
        sent.map(|(_, data)| data.len()).sum()
    }

    /// Ends the attacker and gives its victim.
    pub(crate) fn into_victim(self) -> Shard<A> {
        self.victim
    }
}

pub(crate) fn attacker_config(identity: &Identity, mtu: u16) -> quinn_proto::ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_protocol_versions(&[&rustls::version::TLS13])
    .expect("TLS 1.3 is there")
    .dangerous()
    .with_custom_certificate_verifier(identity.verifier())
    .with_no_client_auth();
    tls.alpn_protocols = vec![b"echo".to_vec()];
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
