//! `qecho server`.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use clap::ValueEnum;
use qecho_engine::{
    AlpnPolicy,
    limits::{MEMORY_MAX_LEAST, SHARDS_MAX},
};
use qecho_io::{Listen, SPIN_MAX, Spin};

use super::{Format, ObserveArguments, alpn, listen, number::positive};

/// Options of `qecho server`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArguments {
    /// Where to listen; may be given more than once
    ///
    /// ADDRESS:PORT, localhost:PORT (both of its addresses), *:PORT (every address) or PORT
    /// alone; a link-local address with its interface, as in [fe80::1%eth0]:4433.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen::of_server, default_value = "localhost:4433")]
    pub(crate) listen: Vec<Listen>,

    /// Certificate chain (PEM) [default: the server makes its own for localhost]
    ///
    /// Read again when the file changes and on SIGHUP.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Let in only clients with a certificate that a CA in FILE (PEM) has signed
    ///
    /// It must be signed for clients. The option may be given more than once; files are read
    /// again when they change and on SIGHUP, for new clients.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Vec<PathBuf>,

    /// Application protocols to agree to beside `echo`, or `any`
    ///
    /// Clients that offer none are always served.
    #[arg(long, value_name = "NAME,…|any", value_parser = alpn::policy, default_value = "echo")]
    pub(crate) alpn: AlpnPolicy,

    /// Echo other transports beside QUIC, for `qecho bench --baseline`
    ///
    /// tls is TLS 1.3 over TCP on the same port number; udp is bare UDP on the port after it,
    /// for this host alone; udp-anywhere is for every host that reaches it, and echoes to
    /// whatever address a datagram says it comes from.
    #[arg(
        long,
        value_name = "tls|udp|udp-anywhere",
        value_enum,
        value_delimiter = ','
    )]
    pub(crate) also: Vec<AlsoArgument>,

    /// When the server ends its side of a stream
    #[arg(long, value_enum, default_value = "with-peer")]
    pub(crate) end: EndArgument,

    /// Echo what comes with the first packets of a client that resumes (0-RTT)
    ///
    /// Sooner by a round trip (RFC 9001 §4.6); a session is good for it once.
    #[arg(long, value_enum, value_name = "on|off", default_value = "off")]
    pub(crate) early_data: Switch,

    /// When a client must first prove its address (Retry, RFC 9000 §8.1.2)
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) retry: RetryArgument,

    /// Connections at once; one more is refused
    #[arg(long, value_name = "N", value_parser = positive,
          default_value_t = qecho_engine::limits::CONNECTIONS_MAX)]
    pub(crate) max_connections: usize,

    /// Connections at once from one address (IPv6: /64) that is not loopback
    #[arg(long, value_name = "N", value_parser = positive,
          default_value_t = qecho_engine::limits::CONNECTIONS_PER_ADDRESS_MAX)]
    pub(crate) max_connections_per_address: usize,

    /// Memory that the server may use: 500MB, 2G, off for what there is
    ///
    /// auto is half of what the machine has, or its cgroup. From three quarters of it on
    /// windows get small; at the limit the connections that hold most are closed, none that
    /// holds less than 64 KiB, and there are no more connections than there is 64 KiB for each.
    /// Only Linux tells what a process uses.
    #[arg(long, value_name = "auto|off|SIZE", value_parser = memory_max, default_value = "auto")]
    pub(crate) memory_max: MemoryMaxArgument,

    /// Streams of each direction that a client may have open on one connection
    ///
    /// Each may cost up to 0.1 MB, where a client is hostile.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000),
          default_value_t = qecho_engine::limits::STREAMS_PER_CONNECTION_MAX)]
    pub(crate) max_streams: u64,

    /// Threads that share the work [default: one for each core]
    ///
    /// Each has sockets of its own. The cores are those that the server may use.
    #[arg(long, value_name = "N", value_parser = shards)]
    pub(crate) shards: Option<NonZeroUsize>,

    /// How long a thread looks for the next datagram before it sleeps
    ///
    /// Answers come sooner, at the cost of a core. auto is 50us, where it pays and nobody else
    /// wants the core.
    #[arg(long, value_name = "auto|off|TIME", value_parser = spin, default_value = "auto")]
    pub(crate) spin: Spin,

    /// Serve metrics for Prometheus, and health, over HTTP
    ///
    /// At /metrics, /healthz and /readyz. The address is ADDRESS:PORT, *:PORT (every address),
    /// localhost:PORT or PORT alone. Whoever reaches it can read them.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = metrics)]
    pub(crate) metrics: Option<Listen>,

    /// Silence after which a connection is given up
    #[arg(long, value_name = "TIME", value_parser = super::positive_duration, default_value = "2m")]
    pub(crate) idle_timeout: Duration,

    /// On SIGINT or SIGTERM, time for live streams to finish
    #[arg(long, value_name = "TIME", value_parser = super::duration, default_value = "10s")]
    pub(crate) drain: Duration,

    /// Whether to show what is received; auto: on a terminal
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) messages: MessagesArgument,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) observe: ObserveArguments,
}

/// Transports that a server echoes beside QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlsoArgument {
    /// TLS 1.3 over TCP, with the same certificate
    Tls,
    /// Bare UDP, from this host alone
    Udp,
    /// Bare UDP, from anywhere
    UdpAnywhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EndArgument {
    /// FIN answers the peer's FIN, after the last byte
    WithPeer,
    /// FIN follows the first message of a stream
    AfterMessage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RetryArgument {
    /// When many handshakes are under way
    Auto,
    Always,
    Never,
}

/// Memory that a server may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryMaxArgument {
    /// A share of what there is
    Auto,
    /// All that there is
    Off,
    /// So many bytes
    Bytes(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MessagesArgument {
    Auto,
    Always,
    Never,
}

fn metrics(text: &str) -> Result<Listen, String> {
    let port = qecho_monitor::PORT;
    listen::read(text, port, &format!("{port} or 127.0.0.1:{port}"))
}

fn shards(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(shards @ 1..=SHARDS_MAX) => Ok(NonZeroUsize::new(shards).unwrap_or(NonZeroUsize::MIN)),
        _ => Err(format!("a number from 1 to {SHARDS_MAX} is expected")),
    }
}

fn memory_max(text: &str) -> Result<MemoryMaxArgument, String> {
    match text {
        "auto" => return Ok(MemoryMaxArgument::Auto),
        "off" => return Ok(MemoryMaxArgument::Off),
        _ => {}
    }
    let size: ByteSize = text
        .parse()
        .map_err(|_| "auto, off or a size is expected, for instance 500MB, 256MiB or 2G")?;
    match size.0 {
        bytes @ MEMORY_MAX_LEAST.. => Ok(MemoryMaxArgument::Bytes(bytes)),
        _ => {
            let least = MEMORY_MAX_LEAST >> 20;
            Err(format!(
                "it must be at least {least}MiB, which a server needs"
            ))
        }
    }
}

fn spin(text: &str) -> Result<Spin, String> {
    match text {
        "auto" => Ok(Spin::Auto),
        "off" => Ok(Spin::Off),
        time => match super::duration(time) {
            Ok(time) if time <= SPIN_MAX => Ok(Spin::For(time)),
            _ => Err("auto, off or a time of at most 1ms is expected".into()),
        },
    }
}
