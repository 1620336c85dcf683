//! Types of extensions (RFC 8446 §4.2).

/// server_name (RFC 6066 §3).
pub const SERVER_NAME: u16 = 0;
/// supported_groups (RFC 8446 §4.2.7).
pub const SUPPORTED_GROUPS: u16 = 10;
/// signature_algorithms (RFC 8446 §4.2.3).
pub const SIGNATURE_ALGORITHMS: u16 = 13;
/// application_layer_protocol_negotiation (RFC 7301 §3.1).
pub const ALPN: u16 = crate::wire::tls::ALPN;
/// pre_shared_key (RFC 8446 §4.2.11).
pub const PRE_SHARED_KEY: u16 = 41;
/// early_data (RFC 8446 §4.2.10).
pub const EARLY_DATA: u16 = 42;
/// supported_versions (RFC 8446 §4.2.1).
pub const SUPPORTED_VERSIONS: u16 = 43;
/// cookie (RFC 8446 §4.2.2).
pub const COOKIE: u16 = 44;
/// psk_key_exchange_modes (RFC 8446 §4.2.9).
pub const PSK_KEY_EXCHANGE_MODES: u16 = 45;
/// key_share (RFC 8446 §4.2.8).
pub const KEY_SHARE: u16 = 51;
/// quic_transport_parameters (RFC 9001 §8.2).
pub const QUIC_TRANSPORT_PARAMETERS: u16 = crate::wire::tls::QUIC_TRANSPORT_PARAMETERS;
