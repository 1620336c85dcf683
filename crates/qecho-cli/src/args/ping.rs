//! `qecho ping`.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use qecho_cert::HostPort;
use qecho_measure::ping::{HOSTS_MAX, SIZE_MAX, SIZE_MIN};

use super::{DialArguments, ObserveArguments, host_port};

/// Options of `qecho ping`.
#[derive(Debug, clap::Args)]
pub(crate) struct PingArguments {
    /// The servers, with a port if it is not 4433
    ///
    /// Names or addresses; a link-local address has its interface, as in [fe80::1%eth0]:4433.
    #[arg(value_name = "HOST[:PORT]", value_parser = host_port::reachable, required = true,
          num_args = 1..=HOSTS_MAX)]
    pub(crate) hosts: Vec<HostPort>,

    /// What is sent and awaited
    ///
    /// stream and datagram take an echo server, the others any QUIC server (name its protocol
    /// by --alpn, for instance h3).
    #[arg(long, value_enum, value_name = "WAY", default_value = "stream")]
    pub(crate) over: PingOver,

    /// Stop after so many [default: at Ctrl-C]
    #[arg(short = 'n', visible_short_alias = 'c', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Time between two pings; 0: as fast as answers come
    #[arg(short, long, value_name = "TIME", value_parser = super::duration, default_value = "1s")]
    pub(crate) interval: Duration,

    /// Bytes of a message, 16 or more [default: 64]
    ///
    /// A DATAGRAM frame takes about 1,400.
    #[arg(short, long, value_name = "BYTES", value_parser = size)]
    pub(crate) size: Option<usize>,

    /// Time for the handshake and for each answer
    ///
    /// What comes later is lost.
    #[arg(long, value_name = "TIME", value_parser = super::positive_duration, default_value = "5s")]
    pub(crate) timeout: Duration,

    /// End when there is no connection, instead of connecting again
    ///
    /// --over handshake and vn go on while a server is silent.
    #[arg(long)]
    pub(crate) give_up: bool,

    /// With --over handshake: resume the TLS session of a connection before
    ///
    /// Only where the server lets it.
    #[arg(long)]
    pub(crate) resume: bool,

    /// With --resume: send a message with the first packets (0-RTT)
    ///
    /// Where the server has allowed it; otherwise when the handshake is complete.
    #[arg(long, requires = "resume")]
    pub(crate) early_data: bool,

    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub(crate) ipv6: bool,

    #[command(flatten)]
    pub(crate) dial: DialArguments,

    /// Certificate chain (PEM) to show to a server that asks for one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Show no line for each answer, only what came of all
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Show a moving plot of each host; q ends it
    ///
    /// With a histogram, where there is room.
    #[arg(long, conflicts_with_all = ["quiet", "format", "trace"])]
    pub(crate) live: bool,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: PingFormat,

    #[command(flatten)]
    pub(crate) observe: ObserveArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PingOver {
    /// Messages on one bidirectional stream
    Stream,
    /// A DATAGRAM frame for each message
    Datagram,
    /// PING frames, timed to the packet that acknowledges them
    Frame,
    /// A new connection each time, with the phases of its handshake
    Handshake,
    /// Version negotiation: which versions are spoken, without any TLS
    Vn,
}

impl PingOver {
    /// Returns the name by which it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Datagram => "datagram",
            Self::Frame => "frame",
            Self::Handshake => "handshake",
            Self::Vn => "vn",
        }
    }
}

/// Form of the results on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PingFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
    /// Comma-separated values, with a header
    Csv,
}

/// Reads the size of a message.
fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if size < SIZE_MIN => Err(format!(
            "it must be at least {SIZE_MIN}: a message carries its number and when it was to be sent"
        )),
        Ok(size) if size <= SIZE_MAX => Ok(size),
        _ => Err(format!(
            "it is no whole number from {SIZE_MIN} to {SIZE_MAX}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_room_for_its_number() {
        assert_eq!(size("16"), Ok(16));
        assert_eq!(size("1048576"), Ok(SIZE_MAX));
        let reason = size("0").expect_err("nothing has no number");
        assert!(reason.starts_with("it must be at least 16"), "{reason}");
        for text in ["-1", "1048577", "1k", ""] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
