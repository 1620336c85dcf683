//! The scripted TLS against rustls and against itself, in memory, in both roles.

mod agreement;
mod ends;
mod lies;
mod messages;
mod resumption;
mod rules;
mod strangers;
