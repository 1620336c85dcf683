//! `qecho client`.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use qecho_cert::HostPort;
use qecho_engine::limits::INITIAL_DATAGRAM_MIN;

use super::{DialArguments, Format, ObserveArguments, host_port};

/// Options of `qecho client`.
#[derive(Debug, clap::Args)]
pub(crate) struct ClientArguments {
    /// The echo server, with a port if it is not 4433
    ///
    /// A name or an address; a link-local address has its interface, as in [fe80::1%eth0]:4433.
    #[arg(value_name = "HOST[:PORT]", value_parser = host_port::reachable)]
    pub(crate) server: HostPort,

    /// Send TEXT and wait for its echo
    ///
    /// May be given more than once.
    #[arg(
        short,
        long = "message",
        value_name = "TEXT",
        allow_hyphen_values = true
    )]
    pub(crate) messages: Vec<String>,

    /// What messages travel on
    #[arg(long, value_enum, default_value = "stream")]
    pub(crate) over: OverArgument,

    #[command(flatten)]
    pub(crate) dial: DialArguments,

    /// Certificate chain (PEM) to show to a server that asks for one
    ///
    /// `qecho cert new NAME --client` makes one.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Compare what comes back from a pipe, and write nothing
    #[arg(long, conflicts_with = "messages")]
    pub(crate) verify: bool,

    /// Neither read nor keep what was typed at the prompt
    ///
    /// Else the last 1,000 lines are there for the next prompt, in `history` below $QECHO_HOME,
    /// or below `qecho` in $XDG_STATE_HOME (~/.local/state). A message may be a secret: only
    /// you can read the file.
    #[arg(long)]
    pub(crate) no_history: bool,

    /// Time for the handshake and for each echo [default: 5s; pipe: 1m]
    ///
    /// Of a pipe the time in which nothing moves. At the prompt an echo may take as long as it
    /// likes.
    #[arg(long, value_name = "TIME", value_parser = super::positive_duration)]
    pub(crate) timeout: Option<Duration>,

    /// Update the keys once the handshake is confirmed (RFC 9001 §6)
    #[arg(long)]
    pub(crate) update_keys: bool,

    /// Largest UDP payload to look for on the path (RFC 8899), 1200 to 65527
    ///
    /// `route`: what the first hop carries, for bulk over loopback or jumbo frames.
    #[arg(long, value_name = "BYTES|route", value_parser = udp_payload, default_value = "1452")]
    pub(crate) udp_payload_max: UdpPayload,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) observe: ObserveArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OverArgument {
    /// One bidirectional stream
    Stream,
    /// A bidirectional stream for each message (of a pipe: for each line)
    StreamPerMessage,
    /// One unidirectional stream in each direction
    Uni,
    /// A DATAGRAM frame for each message (of a pipe: for each line)
    Datagram,
}

/// Largest UDP payload to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UdpPayload(
    /// `None`: as much as the route's first hop carries.
    pub(crate) Option<u16>,
);

/// The largest UDP payload of QUIC (RFC 9000 §18.2).
const UDP_PAYLOAD_MAX: u16 = 65_527;

fn udp_payload(text: &str) -> Result<UdpPayload, String> {
    if text == "route" {
        return Ok(UdpPayload(None));
    }
    match text.parse() {
        Ok(bytes @ INITIAL_DATAGRAM_MIN..=UDP_PAYLOAD_MAX) => Ok(UdpPayload(Some(bytes))),
        _ => Err(format!(
            "write a number from {INITIAL_DATAGRAM_MIN} to {UDP_PAYLOAD_MAX}, or `route`"
        )),
    }
}
