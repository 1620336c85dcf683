//! A bad network, by a seed.
//!
//! [`link`] says what becomes of each datagram on a path: loss, delay, rate and queue,
//! reordering, duplication, corruption. [`simulation`] puts such a path between two shards on
//! virtual time; [`relay`] puts it between real programs on real sockets.
//!
//! A path that loses three datagrams of ten, the same ones each time:
//!
//! ```
//! use std::time::Instant;
//!
//! use qecho_netsim::link::{Conditions, Link};
//!
//! let conditions = Conditions {
//!     loss: 0.3,
//!     ..Conditions::default()
//! };
//! let arrivals = |seed| {
//!     let now = Instant::now();
//!     let mut link = Link::new(conditions.clone(), seed);
//!     link.begin(now);
//!     let mut arrived = Vec::new();
//!     for number in 0..100_u8 {
//!         link.send(now, vec![number], |_, datagram| arrived.push(datagram[0]));
//!     }
//!     arrived
//! };
//! assert_eq!(arrivals(7), arrivals(7));
//! assert!(arrivals(7).len() < 100);
//! ```

pub mod link;
pub mod relay;
pub mod simulation;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
