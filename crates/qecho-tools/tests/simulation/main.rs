//! The echo server and clients on virtual time, over bad networks.

mod echo;
mod identity;
mod load;
mod scenario;
mod stream;
