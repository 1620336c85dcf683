//! Configuration of a shard, and of the state machine by it.

use std::{sync::Arc, time::Duration};

use qecho_packet::Dir;
use quinn_proto::{
    EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig,
    ValidationTokenConfig, VarInt,
};
use rand::{SeedableRng, rngs::StdRng};

pub use crate::connection_limits::{AdmissionSettings, RetryPolicy};
use crate::{
    congestion::CongestionFactory,
    connection_id::SeededConnectionIds,
    crypto::{PacketKeys, ServerCrypto, ServerTls, TlsError},
    limits::{self, UDP_PAYLOAD_MAX, UNKNOWN_ROUTE_PAYLOAD},
    secrets::Secrets,
    server_shared::ServerShared,
    steering::Steering,
};

/// Windows, timers and sizes of every connection of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transport {
    /// Silence after which a connection is given up (RFC 9000 §10.1).
    pub idle_timeout: Duration,
    /// Interval at which an idle connection is kept alive by PING frames; a third of the shorter
    /// of both ends' idle timeouts, where that is less (RFC 9000 §10.1.2).
    pub keep_alive: Option<Duration>,
    /// Unread bytes that a peer may send on one stream.
    pub stream_receive_window: u32,
    /// Unread bytes that a peer may send on all streams together.
    ///
    /// At least four stream windows, else one unread stream stalls the rest.
    pub receive_window: u32,
    /// Bytes that we keep because they are unsent or unacknowledged.
    pub send_window: u32,
    /// Largest UDP payload that is accepted and that MTU discovery tries
    /// (RFC 8899); `None` for what the route to the peer can carry. The smaller of both
    /// ends' counts. A client with little to send should set little: finding loopback's
    /// 65,507 bytes costs either end 0.8 ms of processor time.
    pub udp_payload_max: Option<u16>,
    /// Bidirectional streams that a peer may have open at once.
    pub bidirectional_streams_max: u64,
    /// Unidirectional streams that a peer may have open at once.
    pub unidirectional_streams_max: u64,
}

impl Transport {
    /// Sets the silence after which a connection is given up.
    pub fn with_idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.idle_timeout = idle_timeout;
        self
    }

    /// Sets the interval at which an idle connection is kept alive.
    pub fn with_keep_alive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.keep_alive = interval.into();
        self
    }

    /// Sets the largest UDP payload that is accepted and tried.
    pub fn with_udp_payload_max(mut self, bytes: impl Into<Option<u16>>) -> Self {
        self.udp_payload_max = bytes.into();
        self
    }

    /// Sets how many streams of each direction a peer may have open at once.
    pub fn with_streams_max(mut self, streams: u64) -> Self {
        self.bidirectional_streams_max = streams;
        self.unidirectional_streams_max = streams;
        self
    }

    /// Returns the largest UDP payload that we accept.
    pub(crate) fn largest_receivable(&self) -> u16 {
        let most = self.udp_payload_max.unwrap_or(UDP_PAYLOAD_MAX);
        most.clamp(1_472, UDP_PAYLOAD_MAX)
    }

    /// Returns the largest UDP payload that is tried on a route that can carry
    /// as much as `route`.
    pub(crate) fn largest_tried(&self, route: Option<u16>) -> u16 {
        let wanted = self.udp_payload_max.or(route);
        wanted.unwrap_or(UNKNOWN_ROUTE_PAYLOAD).min(UDP_PAYLOAD_MAX)
    }

    /// Returns how many streams of a direction a peer may have open at once.
    pub(crate) fn streams_max(&self, direction: Dir) -> u64 {
        match direction {
            Dir::Bidirectional => self.bidirectional_streams_max,
            Dir::Unidirectional => self.unidirectional_streams_max,
        }
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(120),
            keep_alive: None,
            stream_receive_window: 1 << 20,
            receive_window: 4 << 20,
            send_window: 4 << 20,
            udp_payload_max: None,
            bidirectional_streams_max: limits::STREAMS_PER_CONNECTION_MAX,
            unidirectional_streams_max: limits::STREAMS_PER_CONNECTION_MAX,
        }
    }
}

/// Everything that a shard is configured with.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    pub(crate) transport: Transport,
    /// Set for a server; `None` accepts nobody.
    pub(crate) tls: Option<ServerTls>,
    pub(crate) admission: AdmissionSettings,
    secrets: Secrets,
    pub(crate) server_shared: ServerShared,
    seed: [u8; 32],
    pub(crate) traces_packets: bool,
    pub(crate) counts_ecn: bool,
    pub(crate) memory_max: Option<u64>,
}

impl ShardConfig {
    /// Returns the configuration of a shard that only connects to others.
    pub fn client(transport: Transport) -> Self {
        Self {
            transport,
            tls: None,
            admission: AdmissionSettings::default(),
            secrets: Secrets::random(),
            server_shared: ServerShared::alone(),
            seed: rand::random(),
            traces_packets: false,
            counts_ecn: false,
            memory_max: None,
        }
    }

    /// Returns the configuration of a shard that accepts connections.
    pub fn server(transport: Transport, tls: ServerTls) -> Self {
        Self {
            tls: Some(tls),
            ..Self::client(transport)
        }
    }

    /// Sets which clients are let in.
    pub fn with_admission(mut self, admission: AdmissionSettings) -> Self {
        self.admission = admission;
        self
    }

    /// Sets the keys that the shards of a server have in common.
    pub fn with_secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// Makes it one shard of a server. Two servers need two [`ServerShared`]: their limits
    /// count together otherwise.
    pub fn with_server_shared(mut self, server_shared: ServerShared) -> Self {
        self.server_shared = server_shared;
        self
    }

    /// Sets what every random choice of the shard begins with.
    pub fn with_seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = seed;
        self
    }

    /// Sets whether the shard decodes its packets, for
    /// [`Output::Observation`](crate::Output::Observation).
    pub fn with_packet_tracing(mut self, traces_packets: bool) -> Self {
        self.traces_packets = traces_packets;
        self
    }

    /// Sets whether a server tells its clients that it counts ECN marks (the transport parameter
    /// `qecho`). Only what drives the shard knows: it may say so if each of its sockets really
    /// tells the mark of each datagram, as [`Received::ecn`](crate::Received::ecn).
    pub fn with_ecn_counts(mut self, counts_ecn: bool) -> Self {
        self.counts_ecn = counts_ecn;
        self
    }

    /// Sets how many bytes of memory the process should have at most, as
    /// [`Shard::note_resident_memory`](crate::Shard::note_resident_memory) tells it. Near the limit
    /// windows get small; at it, the connections that hold most are closed, but none that
    /// holds [less than a share](limits::CONNECTION_MEMORY_SPARED); there are never more
    /// connections than there are such shares. `None` is no limit.
    pub fn with_memory_max(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.memory_max = bytes.into();
        self
    }

    /// Returns which clients are let in: no more than there is memory for.
    pub(crate) fn admission_settings(&self) -> AdmissionSettings {
        self.admission.clone().within_memory(self.memory_max)
    }

    /// Returns the settings of connections that begin while there is little memory.
    pub(crate) fn crowded(&self) -> Self {
        let mut config = self.clone();
        let transport = &mut config.transport;
        transport.receive_window = transport.receive_window.min(limits::RECEIVE_WINDOW_CROWDED);
        config
    }

    /// Returns the configuration of connections that try UDP payloads up to
    /// `udp_payload_max`.
    pub(crate) fn transport_config(&self, udp_payload_max: u16) -> Arc<TransportConfig> {
        let transport = &self.transport;
        let streams = |direction: Dir| {
            let initial = match direction {
                Dir::Bidirectional => limits::BIDIRECTIONAL_STREAMS_INITIAL,
                Dir::Unidirectional => limits::UNIDIRECTIONAL_STREAMS_INITIAL,
            };
            let most = transport.streams_max(direction);
            VarInt::from_u64(initial.min(most)).expect("a small number")
        };
        let mut mtu_discovery = MtuDiscoveryConfig::default();
        mtu_discovery.upper_bound(udp_payload_max);
        let mut config = TransportConfig::default();
        config
            .max_idle_timeout(IdleTimeout::try_from(transport.idle_timeout).ok())
            .keep_alive_interval(transport.keep_alive)
            .stream_receive_window(transport.stream_receive_window.into())
            .receive_window(transport.receive_window.into())
            .send_window(transport.send_window.into())
            .max_concurrent_bidi_streams(streams(Dir::Bidirectional))
            .max_concurrent_uni_streams(streams(Dir::Unidirectional))
            .crypto_buffer_size(match self.expects_certificates() {
                true => limits::CRYPTO_BUFFER_CERTIFICATES_MAX,
                false => limits::CRYPTO_BUFFER_MAX,
            })
            .datagram_receive_buffer_size(Some(limits::DATAGRAM_RECEIVE_BUFFER))
            .datagram_send_buffer_size(limits::DATAGRAM_SEND_BUFFER)
            .mtu_discovery_config(Some(mtu_discovery))
            .congestion_controller_factory(Arc::new(CongestionFactory));
        Arc::new(config)
    }

    /// Tells whether peers send certificates: servers do, and clients that are asked.
    pub(crate) fn expects_certificates(&self) -> bool {
        let tls = self.tls.as_ref();
        tls.is_none_or(|tls| tls.client_verifier.is_some())
    }

    /// Returns how packets are steered to the shards.
    pub(crate) fn steering(&self) -> Steering {
        Steering::new(&self.secrets, self.server_shared.shards())
    }

    /// Starts the choice of a server's first connection IDs.
    pub(crate) fn initial_cid_seed(&self) -> [u8; 32] {
        let mut seed = self.seed;
        seed[30] ^= 0x80;
        seed
    }

    /// Returns the configuration of the `index`-th endpoint of the shard.
    pub(crate) fn endpoint_config(&self, index: usize) -> Arc<EndpointConfig> {
        let mut seed = self.seed;
        seed[0] ^= index as u8;
        let mut connection_id_seed = seed;
        connection_id_seed[31] ^= 0x80;
        let (steering, shard) = (self.steering(), self.server_shared.index());
        let connection_ids = move || {
            Box::new(SeededConnectionIds {
                random: StdRng::from_seed(connection_id_seed),
                steering,
                shard,
            }) as _
        };
        let mut config = EndpointConfig::new(self.secrets.reset_key());
        config
            .supported_versions(vec![1])
            .rng_seed(Some(seed))
            .cid_generator(connection_ids);
        config
            .max_udp_payload_size(self.transport.largest_receivable())
            .expect("between 1,200 and 65,527");
        Arc::new(config)
    }

    pub(crate) fn server_config(
        &self,
        transport: Arc<TransportConfig>,
        keys: PacketKeys,
    ) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        let Some(tls) = &self.tls else {
            return Ok(None);
        };
        let crypto = ServerCrypto::new(tls, self.server_shared.sessions(), keys, self.counts_ecn)?;
        let mut tokens = ValidationTokenConfig::default();
        tokens.sent(0);
        // Where each client is sent a Retry, who comes again is spared it; elsewhere a token
        // would cost each handshake something for nothing.
        if self.admission.retry == RetryPolicy::Always {
            tokens
                .sent(1)
                .lifetime(limits::TOKEN_LIFETIME)
                .log(self.server_shared.used_tokens());
        }
        let mut config = ServerConfig::new(Arc::new(crypto), self.secrets.token_key());
        config
            .transport_config(transport)
            .validation_token_config(tokens);
        Ok(Some(Arc::new(config)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_size_can_be_configured() {
        for udp_payload_max in [0, 1_200, 1_452, 9_000, 65_527, u16::MAX] {
            let transport = Transport::default().with_udp_payload_max(udp_payload_max);
            let config = ShardConfig::client(transport);
            let largest = config.endpoint_config(0).get_max_udp_payload_size();
            assert!((1_472..=65_527).contains(&largest), "{udp_payload_max}");
        }
    }

    /// Nobody's certificate.
    #[derive(Debug)]
    struct Nobody;

    impl rustls::server::ResolvesServerCert for Nobody {
        fn resolve(
            &self,
            _: rustls::server::ClientHello<'_>,
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }
    }

    #[test]
    fn who_is_sent_certificates_has_room_for_the_largest_chain_and_nobody_else() {
        let room = |config: &ShardConfig, bytes: usize| {
            let transport = format!("{:?}", config.transport_config(1_452));
            transport.contains(&format!("crypto_buffer_size: {bytes},"))
        };
        let client = ShardConfig::client(Transport::default());
        // A message of TLS has 64 KiB at most.
        const { assert!(limits::CRYPTO_BUFFER_CERTIFICATES_MAX > 65_536) };
        assert!(room(&client, limits::CRYPTO_BUFFER_CERTIFICATES_MAX));
        let tls = ServerTls::new(Arc::new(Nobody), crate::AlpnPolicy::Any);
        let server = ShardConfig::server(Transport::default(), tls);
        assert!(room(&server, limits::CRYPTO_BUFFER_MAX));
    }

    #[test]
    fn what_is_tried_is_what_was_chosen_or_else_what_the_route_carries() {
        let tried = |udp_payload_max, route| {
            let transport = Transport::default().with_udp_payload_max(udp_payload_max);
            transport.largest_tried(route)
        };
        assert_eq!(tried(Some(1_200), Some(8_972)), 1_200);
        assert_eq!(tried(None, Some(8_972)), 8_972);
        assert_eq!(tried(None, Some(u16::MAX)), 65_527);
        assert_eq!(tried(None, None), 1_452);
    }
}
