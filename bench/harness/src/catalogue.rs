//! The servers that are measured, and their settings.

use bench_harness::package::{self, Package};

/// Echo server.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) recipe: Recipe,
    /// Arguments of its own, beside those that all are given.
    pub(crate) arguments: &'static [&'static str],
    /// Names of the workloads that it does, between spaces; none: all.
    pub(crate) only: &'static str,
    /// Largest UDP payload that does its sending good, found by trying; the search of a stack
    /// that nothing stops goes up to what the row allows.
    pub(crate) payload_max: u16,
    /// Description for the tables.
    pub(crate) settings: &'static str,
}

/// Group that a peer is compared in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Quic,
    /// No QUIC: it shows what QUIC costs.
    Baseline,
}

/// Source that a peer is built from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Recipe {
    /// Released program of this workspace.
    Qecho,
    /// Package in `bench/peers`.
    Cargo(Package),
    /// Script in `bench/peers`, run by the Python that the interoperability checks use.
    Python(&'static str),
}

/// Peers, in the order of the tables.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "qecho",
        kind: Kind::Ours,
        recipe: Recipe::Qecho,
        arguments: &["--spin", "off"],
        settings: "`qecho server --shards 1 --spin off`, everything else as it comes",
        ..Peer::ANY
    },
    Peer {
        name: "qecho-spin",
        kind: Kind::Ours,
        recipe: Recipe::Qecho,
        arguments: &["--spin", "50us"],
        only: "a",
        settings: "the same with `--spin 50us`",
        ..Peer::ANY
    },
    Peer {
        name: "quinn-current-thread",
        recipe: QUINN,
        arguments: &["--runtime", "current-thread"],
        payload_max: 6_500,
        settings: "tokio's current-thread runtime, aws-lc-rs, GSO and GRO, MTU search up to the \
                   row's limit, but 6,500 B (ten segments of more exceed one send, and fail), \
                   quinn's own windows (1.25 MB a stream, no limit a connection, \
                   10 MB to send), 100 streams, a task for each stream that reads up to 64 KiB \
                   and writes them",
        ..Peer::ANY
    },
    Peer {
        name: "quinn-multi-thread",
        recipe: QUINN,
        arguments: &["--runtime", "multi-thread"],
        payload_max: 6_500,
        settings: "the same on tokio's multi-thread runtime, with as many workers as tokio \
                   makes for the server's core",
        ..Peer::ANY
    },
    Peer {
        name: "s2n-quic",
        recipe: Recipe::Cargo(package::S2N_QUIC),
        payload_max: 9_000,
        settings: "rustls provider (aws-lc-rs), tokio's current-thread runtime, GSO and GRO, MTU \
                   search up to the row's limit, but 9,000 B (more is no cheaper, and it dies of \
                   65,000), windows of 1 MiB a stream and 4 MiB a connection, 100 streams, pieces passed on uncopied, DATAGRAM frames on for g \
                   alone (their queues take memory)",
        ..Peer::ANY
    },
    Peer {
        name: "quiche",
        recipe: Recipe::Cargo(package::QUICHE),
        payload_max: 16_000,
        settings: "BoringSSL, an event loop of its own on quinn-udp's sockets (recvmmsg, GSO, GRO), \
                   each connection driven once a batch, MTU search up to the row's limit, but \
                   16,000 B (it makes no larger packets), windows of 1 MiB a stream and 4 MiB a connection to begin with, which quiche lets grow, \
                   100 streams, CUBIC, no pacing",
        ..Peer::ANY
    },
    Peer {
        name: "tquic",
        recipe: Recipe::Cargo(package::TQUIC),
        only: "a b b1 b1-sockets b-crowd c d d-largest d-lossy e f",
        payload_max: 1_472,
        settings: "BoringSSL, an event loop of its own on the same sockets, packets of all \
                   connections handed over in batches of 64 and joined where they go to one \
                   address, MTU search up to 1,472 B (it makes no packets above 2,048 B), tquic's \
                   own windows (2 MiB a stream, 10 MiB a connection to begin with) and BBR (CUBIC \
                   costs it more), 100 streams, no pacing; it has no DATAGRAM frames",
        ..Peer::ANY
    },
    Peer {
        name: "msquic",
        recipe: Recipe::Cargo(package::MSQUIC),
        payload_max: 1_472,
        settings: "the source that its crate bundles, with quictls; its low-latency profile, told \
                   to work on the server's core (it would take all), GSO and GRO, MTU search up to \
                   1,472 B (its buffers hold an Ethernet's packets), windows of 1 MiB a stream and \
                   4 MiB a connection, 100 streams, what is received is copied once to be sent",
        ..Peer::ANY
    },
    Peer {
        name: "aioquic",
        recipe: Recipe::Python("aioquic/server.py"),
        payload_max: 9_000,
        settings: "CPython and asyncio, packets of the row's limit, but 9,000 B (it does not \
                   search), windows of 1 MiB a stream and 4 MiB a connection, 128 streams",
        ..Peer::ANY
    },
    Peer {
        name: "tcp-tls",
        kind: Kind::Baseline,
        recipe: Recipe::Cargo(Package::of("tcp-tls", "rustls", &[])),
        only: "a b b1-sockets d",
        settings: "TCP and TLS 1.3: rustls (aws-lc-rs) and one epoll loop, TCP_NODELAY, the \
                   kernel's own windows; a generator of its own, since qecho's speaks QUIC; each \
                   connection has its socket in b too",
        ..Peer::ANY
    },
    Peer {
        name: "udp",
        kind: Kind::Baseline,
        recipe: Recipe::Cargo(Package::of("udp", "quinn-udp", &[])),
        only: "a b b1 b1-sockets d d-largest g",
        settings: "bare UDP, nothing encrypted and nothing repeated: quinn-udp's sockets \
                   (recvmmsg, GSO, GRO), what the kernel has joined is sent back joined; a \
                   generator of its own, a datagram for each message",
        ..Peer::ANY
    },
];

const QUINN: Recipe = Recipe::Cargo(package::QUINN);

impl Peer {
    const ANY: Self = Self {
        name: "",
        kind: Kind::Quic,
        recipe: Recipe::Qecho,
        arguments: &[],
        only: "",
        payload_max: u16::MAX,
        settings: "",
    };

    /// Tells whether a peer does a workload.
    pub(crate) fn does(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.split(' ').any(|name| name == workload)
    }
}
