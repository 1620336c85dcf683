//! Drives a [`qecho_engine::Shard`] on real sockets.
//!
//! A [`Server`] runs any [`Application`](qecho_engine::Application) on any number of shards, each
//! on a thread of its own; [`ServerConfig`] starts it. What a server does with its connections
//! is the application's:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use qecho_engine::{Application, Connection, Event, ShardContext};
//! use qecho_io::{Listen, ServerConfig, StartError};
//! use rustls::server::ResolvesServerCert;
//!
//! /// Writes a greeting on every stream that a client opens.
//! struct Greeter;
//!
//! impl Application for Greeter {
//!     type State = ();
//!     type Command = ();
//!
//!     fn accept(&mut self, _: &mut Connection<'_>) {}
//!
//!     fn handle_event(&mut self, connection: &mut Connection<'_>, (): &mut (), event: Event) {
//!         if let Event::Opened(stream) = event {
//!             connection.write(stream, "hello".into());
//!             connection.finish(stream);
//!         }
//!     }
//!
//!     fn handle_command(&mut self, _: &mut ShardContext<'_, ()>, (): ()) {}
//! }
//!
//! fn serve(identity: Arc<dyn ResolvesServerCert>) -> Result<(), Box<dyn std::error::Error>> {
//!     let server = ServerConfig::new(identity)
//!         .with_listen([Listen::Everywhere { port: 4433 }])
//!         .start(|_shard| Greeter)?;
//!     println!("listening on {:?}", server.addresses());
//!     server.wait()?;
//!     Ok(())
//! }
//! ```
//!
//! [`EventLoop`] is what drives one shard, a client's too, and [`ForwardingLoop`] what drives a
//! [`Forwarder`](qecho_engine::Forwarder): nothing else reads the clock or touches sockets. They
//! hand on what has come and when, and send what they are given back. [`Runner`] is the thread
//! of either; other threads reach it by its [`Mailbox`]. The kernel steers packets among the
//! sockets of a server's shards by connection IDs. [`Ports`] are for a script that waits for each
//! answer, a [`ListeningPort`] for one to which peers come. [`host`] is what this host knows of
//! itself and of the way to others.

mod event_loop;
pub mod host;
mod inspect;
pub mod listen;
mod mailbox;
mod meeting;
mod memory;
mod ports;
mod server;
mod socket;
mod start;

pub use self::{
    event_loop::{EventLoop, ForwardingLoop, SPIN_MAX, Spin},
    inspect::{Inspector, ShardStatus, SocketCounts},
    listen::Listen,
    mailbox::{Mailbox, ShardEnded, Waker},
    memory::usual_memory_max,
    ports::{Arrival, ListeningPort, Outlet, PortEvent, Ports},
    server::{Mailboxes, Server, ServerConfig},
    socket::{BindError, IcmpMessage, ReceiveErrors, Socket},
    start::{Runner, StartError},
};

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
