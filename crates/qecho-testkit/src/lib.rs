//! The environment that the tests of qecho's crates share, so that each says only what it is
//! about. Never published.

pub mod counting;
pub mod identity;
pub mod initial;
pub mod key_log;
pub mod load;
pub mod null_cipher;
pub mod pages;
pub mod scenario;
#[cfg(feature = "schema")]
pub mod schema;
pub mod scripted;
pub mod seed;
pub mod stream;
pub mod tampering;
