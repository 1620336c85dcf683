//! Who is measured, and with which settings.

use crate::setup::{CLANG, CMAKE, CXX, LIBNUMA, PERL, Program};

/// An echo server.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) recipe: Recipe,
    /// What it is told when it is started, beside what all are told.
    pub(super) arguments: &'static [&'static str],
    /// The workloads that it does, of those that there are; none named: all.
    pub(super) only: &'static [&'static str],
    /// The largest UDP payload that does its sending good, found by trying; the search of a stack
    /// that nothing stops goes up to what the row allows.
    pub(super) payload_max: u16,
    /// How it is set, for the reader.
    pub(super) settings: &'static str,
}

/// Against what a peer can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ours,
    Quic,
    /// No QUIC: it shows what QUIC costs.
    Baseline,
}

/// How a peer is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recipe {
    /// The released program of this workspace.
    Qecho,
    /// A package in `bench/peers` of its own name; the crate whose version counts.
    Cargo {
        package: &'static str,
        library: &'static str,
        /// Programs that building it takes, beside Rust and a C compiler.
        needs: &'static [Program],
    },
    /// A script in `bench/peers`, run by the Python that the interoperability checks use.
    Python { script: &'static str },
}

/// All peers, in the order of the tables.
pub(super) const PEERS: &[Peer] = &[
    Peer {
        name: "qecho",
        kind: Kind::Ours,
        recipe: Recipe::Qecho,
        arguments: &["--spin", "off"],
        only: &[],
        payload_max: u16::MAX,
        settings: "`qecho server --shards 1 --spin off`, everything else as it comes",
    },
    Peer {
        name: "qecho-spin",
        kind: Kind::Ours,
        recipe: Recipe::Qecho,
        arguments: &["--spin", "50us"],
        only: &["a"],
        payload_max: u16::MAX,
        settings: "the same with `--spin 50us`",
    },
    Peer {
        name: "quinn-current-thread",
        kind: Kind::Quic,
        recipe: QUINN,
        arguments: &["--runtime", "current-thread"],
        only: &[],
        payload_max: 6_500,
        settings: "tokio's current-thread runtime, aws-lc-rs, GSO and GRO, MTU search up to the \
                   row's limit, but 6,500 B (ten segments of more exceed one send, and fail), \
                   quinn's own windows (1.25 MB a stream, no limit a connection, \
                   10 MB to send), 100 streams, a task for each stream that reads up to 64 KiB \
                   and writes them",
    },
    Peer {
        name: "quinn-multi-thread",
        kind: Kind::Quic,
        recipe: QUINN,
        arguments: &["--runtime", "multi-thread"],
        only: &[],
        payload_max: 6_500,
        settings: "the same on tokio's multi-thread runtime, with as many workers as tokio \
                   makes for the server's core",
    },
    Peer {
        name: "s2n-quic",
        kind: Kind::Quic,
        recipe: Recipe::Cargo {
            package: "s2n-quic",
            library: "s2n-quic",
            needs: &[],
        },
        arguments: &[],
        only: &[],
        payload_max: 9_000,
        settings: "rustls provider (aws-lc-rs), tokio's current-thread runtime, GSO and GRO, MTU \
                   search up to the row's limit, but 9,000 B (more is no cheaper, and it dies of \
                   65,000), windows of 1 MiB a stream and 4 MiB a connection, 100 streams, pieces passed on uncopied, DATAGRAM frames on for g \
                   alone (their queues take memory)",
    },
    Peer {
        name: "quiche",
        kind: Kind::Quic,
        recipe: Recipe::Cargo {
            package: "quiche",
            library: "quiche",
            needs: &[CMAKE, CXX, CLANG],
        },
        arguments: &[],
        only: &[],
        payload_max: 16_000,
        settings: "BoringSSL, an event loop of its own on quinn-udp's sockets (recvmmsg, GSO, GRO), \
                   each connection driven once a batch, MTU search up to the row's limit, but \
                   16,000 B (it makes no larger packets), windows of 1 MiB a stream and 4 MiB a connection to begin with, which quiche lets grow, \
                   100 streams, CUBIC, no pacing",
    },
    Peer {
        name: "tquic",
        kind: Kind::Quic,
        recipe: Recipe::Cargo {
            package: "tquic",
            library: "tquic",
            needs: &[CMAKE, CXX],
        },
        arguments: &[],
        only: &[
            "a",
            "b",
            "b1",
            "b1-sockets",
            "c",
            "d",
            "d-largest",
            "e",
            "f",
        ],
        payload_max: 1_472,
        settings: "BoringSSL, an event loop of its own on the same sockets, packets of all \
                   connections handed over in batches of 64 and joined where they go to one \
                   address, MTU search up to 1,472 B (it makes no packets above 2,048 B), tquic's \
                   own windows (2 MiB a stream, 10 MiB a connection to begin with) and BBR (CUBIC \
                   costs it more), 100 streams, no pacing; it has no DATAGRAM frames",
    },
    Peer {
        name: "msquic",
        kind: Kind::Quic,
        recipe: Recipe::Cargo {
            package: "msquic",
            library: "msquic",
            needs: &[CMAKE, CXX, LIBNUMA, PERL],
        },
        arguments: &[],
        only: &[],
        payload_max: 1_472,
        settings: "the source that its crate bundles, with quictls; its low-latency profile, told \
                   to work on the server's core (it would take all), GSO and GRO, MTU search up to \
                   1,472 B (its buffers hold an Ethernet's packets), windows of 1 MiB a stream and \
                   4 MiB a connection, 100 streams, what is received is copied once to be sent",
    },
    Peer {
        name: "aioquic",
        kind: Kind::Quic,
        recipe: Recipe::Python {
            script: "aioquic/server.py",
        },
        arguments: &[],
        only: &[],
        payload_max: 9_000,
        settings: "CPython and asyncio, packets of the row's limit, but 9,000 B (it does not \
                   search), windows of 1 MiB a stream and 4 MiB a connection, 128 streams",
    },
    Peer {
        name: "tcp-tls",
        kind: Kind::Baseline,
        recipe: Recipe::Cargo {
            package: "tcp-tls",
            library: "rustls",
            needs: &[],
        },
        arguments: &[],
        only: &["a", "b", "b1-sockets", "d"],
        payload_max: u16::MAX,
        settings: "TCP and TLS 1.3: rustls (aws-lc-rs) and one epoll loop, TCP_NODELAY, the \
                   kernel's own windows; a generator of its own, since qecho's speaks QUIC; each \
                   connection has its socket in b too",
    },
    Peer {
        name: "udp",
        kind: Kind::Baseline,
        recipe: Recipe::Cargo {
            package: "udp",
            library: "quinn-udp",
            needs: &[],
        },
        arguments: &[],
        only: &["a", "b", "b1", "b1-sockets", "d", "d-largest", "g"],
        payload_max: u16::MAX,
        settings: "bare UDP, nothing encrypted and nothing repeated: quinn-udp's sockets \
                   (recvmmsg, GSO, GRO), what the kernel has joined is sent back joined; a \
                   generator of its own, a datagram for each message",
    },
];

const QUINN: Recipe = Recipe::Cargo {
    package: "quinn",
    library: "quinn",
    needs: &[],
};

impl Peer {
    /// Tells whether a peer does a workload.
    pub(super) fn does(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.contains(&workload)
    }
}
