//! Settings of connections by the datagrams that the route to the peer carries.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use quinn_proto::{ServerConfig, TransportConfig};

use crate::{
    config::ShardConfig,
    crypto::{PacketKeys, TlsError},
    limits::{ETHERNET_PAYLOAD_MAX, ROUTE_SETTINGS_MAX},
};

/// Function that returns how many bytes of UDP payload the first hop to a peer carries, if that
/// can be known. MTU discovery finds out what the rest of the path does.
pub type RouteMtu = Box<dyn FnMut(IpAddr) -> Option<u16> + Send>;

/// The settings of connections, which differ by what their routes carry.
pub(crate) struct Routes {
    config: ShardConfig,
    pub(crate) route_mtu: Option<RouteMtu>,
    usual: RouteSettings,
    /// By the largest UDP payload that is tried.
    by_payload_max: BTreeMap<u16, RouteSettings>,
}

#[derive(Clone)]
struct RouteSettings {
    transport: Arc<TransportConfig>,
    server: Option<Arc<ServerConfig>>,
    /// `server` with small windows, once it was needed.
    crowded: Option<Arc<ServerConfig>>,
}

impl Routes {
    pub(crate) fn new(config: &ShardConfig, keys: PacketKeys) -> Result<Self, TlsError> {
        let transport = config.transport_config(config.transport.largest_tried(None));
        Ok(Self {
            route_mtu: None,
            usual: RouteSettings {
                server: config.server_config(transport.clone(), keys)?,
                transport,
                crowded: None,
            },
            by_payload_max: BTreeMap::new(),
            config: config.clone(),
        })
    }

    /// Returns the settings of a server's connections where nothing is known
    /// of their route.
    pub(crate) fn usual_server_config(&self) -> Option<Arc<ServerConfig>> {
        self.usual.server.clone()
    }

    /// Returns the settings of a server's connection with a client.
    pub(crate) fn server_config(&mut self, peer: IpAddr) -> Option<Arc<ServerConfig>> {
        self.settings(peer).0.server.clone()
    }

    /// Tells whether clients may send early data.
    pub(crate) fn allows_early_data(&self) -> bool {
        let tls = self.config.tls.as_ref();
        tls.is_some_and(|tls| tls.early_data)
    }

    /// Returns those of a server's connection that begins with small windows.
    pub(crate) fn crowded_server_config(&mut self, peer: IpAddr) -> Option<Arc<ServerConfig>> {
        let crowded = self.config.crowded();
        let (settings, tried) = self.settings(peer);
        if settings.crowded.is_none() {
            let mut server = ServerConfig::clone(settings.server.as_ref()?);
            server.transport_config(crowded.transport_config(tried));
            settings.crowded = Some(Arc::new(server));
        }
        settings.crowded.clone()
    }

    /// Returns the settings of a client's connection with a server.
    pub(crate) fn transport_config(&mut self, peer: IpAddr) -> Arc<TransportConfig> {
        self.settings(peer).0.transport.clone()
    }

    /// Tells whether a datagram of `size` bytes can have come from `peer` as one packet of
    /// IP: what is larger than its route carries can only have been put together of
    /// fragments, which QUIC forbids (RFC 9000 §14).
    pub(crate) fn can_bring(&mut self, peer: IpAddr, size: usize) -> bool {
        if size <= ETHERNET_PAYLOAD_MAX {
            return true;
        }
        let transport = &self.config.transport;
        let most = match self.route_mtu.as_mut().and_then(|known| known(peer)) {
            Some(route) => route.min(transport.largest_receivable()),
            None => transport.largest_tried(None),
        };
        size <= most.into()
    }

    /// Returns the settings for a peer, and the largest UDP payload that is tried.
    fn settings(&mut self, peer: IpAddr) -> (&mut RouteSettings, u16) {
        let route = self.route_mtu.as_mut().and_then(|known| known(peer));
        let tried = self.config.transport.largest_tried(route);
        let usual = self.config.transport.largest_tried(None);
        let is_usual = tried == usual;
        // Interfaces have few different sizes; whoever changes them for fun
        // gets what an Ethernet carries.
        let is_one_too_many = self.by_payload_max.len() >= ROUTE_SETTINGS_MAX
            && !self.by_payload_max.contains_key(&tried);
        if is_usual || is_one_too_many {
            return (&mut self.usual, usual);
        }
        let Self {
            by_payload_max,
            config,
            usual,
            ..
        } = self;
        let settings = by_payload_max.entry(tried).or_insert_with(|| {
            let transport = config.transport_config(tried);
            let server = usual.server.as_ref().map(|usual| {
                let mut server = ServerConfig::clone(usual);
                server.transport_config(transport.clone());
                Arc::new(server)
            });
            RouteSettings {
                transport,
                server,
                crowded: None,
            }
        });
        (settings, tried)
    }
}
