//! Authorities on disk, identities, and TLS handshakes between the two halves of
//! this crate, held against OpenSSL and mkcert (`cargo xtask setup` installs both).

mod authority;
mod identity;
mod leaf;
mod oracle;
mod platform;
mod refusal;
mod stranger;
mod trust;
mod unusual;

mod issue;
mod process;
mod wire;
