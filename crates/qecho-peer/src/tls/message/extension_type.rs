//! Types of extensions (RFC 8446 §4.2).

/// server_name (RFC 6066 §3).
pub const SERVER_NAME: u16 = 0;
/// status_request (RFC 6066 §8).
pub const STATUS_REQUEST: u16 = 5;
/// supported_groups (RFC 8446 §4.2.7).
pub const SUPPORTED_GROUPS: u16 = 10;
/// signature_algorithms (RFC 8446 §4.2.3).
pub const SIGNATURE_ALGORITHMS: u16 = 13;
/// application_layer_protocol_negotiation (RFC 7301 §3.1).
pub const ALPN: u16 = qecho_packet::wire::tls::ALPN;
/// signed_certificate_timestamp (RFC 6962 §3.3.1).
pub const SIGNED_CERTIFICATE_TIMESTAMP: u16 = 18;
/// padding (RFC 7685).
pub const PADDING: u16 = 21;
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
/// certificate_authorities (RFC 8446 §4.2.4).
pub const CERTIFICATE_AUTHORITIES: u16 = 47;
/// oid_filters (RFC 8446 §4.2.5).
pub const OID_FILTERS: u16 = 48;
/// post_handshake_auth (RFC 8446 §4.2.6).
pub const POST_HANDSHAKE_AUTH: u16 = 49;
/// signature_algorithms_cert (RFC 8446 §4.2.3).
pub const SIGNATURE_ALGORITHMS_CERT: u16 = 50;
/// key_share (RFC 8446 §4.2.8).
pub const KEY_SHARE: u16 = 51;
/// quic_transport_parameters (RFC 9001 §8.2).
pub const QUIC_TRANSPORT_PARAMETERS: u16 = qecho_packet::wire::tls::QUIC_TRANSPORT_PARAMETERS;
/// encrypted_client_hello (draft-ietf-tls-esni §5).
pub const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
