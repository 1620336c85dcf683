//! A QUIC endpoint that does as told, right or wrong: a test instrument without sockets and
//! clocks, beside the engine and not on it.
//!
//! [`tls`] is its TLS 1.3, [`Endpoint`](endpoint::Endpoint) one connection in one role, and
//! [`packet`] what it is told to send. [`rules`] make it one that refuses what is wrong, and
//! [`faults`] one that does wrong itself. A [`Probe`](script::Probe) runs a script on a network,
//! such as one whose far end is [`simulated`]:
//!
//! ```
//! use qecho_packet::wire::Frame;
//! use qecho_peer::{
//!     endpoint::{ClientConfig, ServerConfig}, packet::one_rtt,
//!     script::{Opened, Probe, Reaction}, simulated::{Conditions, Simulated, SimulatedServer}, tls,
//! };
//!
//! # let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let chain = vec![identity.cert.der().clone()];
//! # let key = identity.signing_key.serialize_der();
//! let server = ServerConfig::new(tls::ServerConfig::new(chain, &key, [])?, 1);
//! let mut network = Simulated::new(SimulatedServer::new(server), Conditions::default());
//! let client = ClientConfig::new(tls::ClientConfig::new([]), 2);
//! let mut probe = Probe::client(&mut network, client);
//! assert_eq!(probe.open(), Opened::Confirmed);
//! // RFC 9000 §19.20: a server must close for it with PROTOCOL_VIOLATION.
//! let reaction = probe.reaction_to(one_rtt([Frame::HandshakeDone]));
//! assert!(matches!(reaction, Reaction::Closed(close) if close.code == 0x0a));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod crypto;
pub mod echo;
pub mod endpoint;
pub mod faults;
mod keys;
pub mod network;
pub mod packet;
pub mod received;
mod recovery;
pub mod rules;
pub mod script;
pub mod simulated;
mod space;
pub mod tls;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
