//! The command line, as it was typed.

mod alpn;
#[cfg(test)]
mod any_words;
mod bench;
mod cert;
mod client;
mod conform;
mod demo;
mod dial;
mod doctor;
mod guesses;
mod help;
mod host_port;
mod legible;
mod listen;
mod number;
#[cfg(all(test, unix))]
mod pages;
mod ping;
mod relay;
mod report;
mod server;
mod trace;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use clap::{
    ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, error::ErrorKind,
};
use qecho_netsim::link::read_time as duration;
use qecho_packet::capture::LIMIT_MIN;
use qecho_terminal::colour;

#[cfg(any(test, feature = "man-pages"))]
pub(crate) use self::help::{EXIT_CODES, examples};
pub(crate) use self::{
    bench::{BenchArguments, BenchFormat, Load, StartAt},
    cert::{
        AuthorityCommand, AuthorityNewArguments, AuthorityShowArguments, CertCommand,
        LifeArguments, ListArguments, NewArguments, RenewArguments, RootArgument, RootArguments,
        ShowArguments, StoreArgument, StoreArguments, SubjectArgument, VerifyArguments,
    },
    client::{ClientArguments, OverArgument},
    conform::{ConformArguments, LevelArgument},
    demo::{DemoArguments, DemoTraceArgument},
    dial::DialArguments,
    doctor::{DoctorArguments, HTTPS, Suspect},
    ping::{PingArguments, PingFormat, PingOver},
    relay::RelayArguments,
    report::ReportArguments,
    server::{
        AlsoArgument, EndArgument, MemoryMaxArgument, MessagesArgument, RetryArgument,
        ServerArguments, Switch,
    },
    trace::TraceFileArguments,
};

/// Echo over pure QUIC: server, client, ping, bench, relay, packet view and
/// certificates. No HTTP/3 in between.
#[derive(Debug, Parser)]
#[command(
    name = "qecho",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Reads the command line; help, and usage that is wrong, end the process.
    pub(crate) fn read() -> Self {
        let typed: Vec<OsString> = std::env::args_os().collect();
        Self::parse(&typed).unwrap_or_else(|error| error.exit())
    }

    /// Reads words of which the first is the program's name.
    fn parse(typed: &[OsString]) -> Result<Self, clap::Error> {
        if let Some(detail) = detail_apart(typed) {
            let words = format!("the detail of --trace follows `=`: write --trace={detail}");
            return Err(command_line().error(ErrorKind::InvalidValue, words));
        }
        let takes_colours = colour::takes_sequences() || colour::is_wanted(io::stdout());
        let command_line = match takes_colours {
            true => command_line(),
            // clap would colour help on a terminal whose TERM is empty.
            false => command_line().color(ColorChoice::Never),
        };
        let matches = command_line.try_get_matches_from(typed);
        let matches = matches
            .map_err(|error| guesses::with_tip(error, typed))
            .map_err(legible::legible)?;
        Self::from_arg_matches(&matches)
    }
}

/// Returns all commands and options, arranged for people.
pub(crate) fn command_line() -> clap::Command {
    help::arranged(Arguments::command())
}

/// Returns the detail that stands apart from `--trace`, where it would be taken
/// for a host or a text.
fn detail_apart(typed: &[OsString]) -> Option<&str> {
    let end = typed.iter().position(|word| word == "--");
    let options = &typed[..end.unwrap_or(typed.len())];
    let apart = options.windows(2).find_map(|words| match words {
        [option, detail] if option == "--trace" => detail.to_str(),
        _ => None,
    });
    // `qecho trace` has no such option, which is said then.
    let has_option = typed.get(1).is_none_or(|command| command != "trace");
    apart.filter(|detail| has_option && DemoTraceArgument::from_str(detail, false).is_ok())
}

/// The commands, in the order in which help groups them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show QUIC at work: a server, a client and three echoes
    Demo(DemoArguments),
    /// Echo whatever comes over streams and DATAGRAM frames
    Server(ServerArguments),
    /// Send to an echo server: from a prompt, a pipe or the command line
    Client(ClientArguments),
    /// Make a bad network of a good one, between clients and a server
    Relay(Box<RelayArguments>),
    /// Find out why QUIC does not work from here to there
    Doctor(Box<DoctorArguments>),
    /// Measure how long answers take, and how many are lost
    Ping(Box<PingArguments>),
    /// Show the QUIC packets in a capture, decrypted
    Trace(TraceFileArguments),
    /// Put load on an echo server and measure its rate and echo times
    Bench(Box<BenchArguments>),
    /// Lay reports of `qecho bench` over each other, as one page
    Report(ReportArguments),
    /// Is this QUIC server or client right? A verdict for each requirement
    Conform(Box<ConformArguments>),
    /// Make and look after certificates for development, as mkcert does
    #[command(subcommand)]
    Cert(CertCommand),
    /// Print a script that completes qecho's command line in a shell
    Completions(CompletionsArguments),
    /// Write a man page for each command into a folder
    #[cfg(feature = "man-pages")]
    #[command(hide = true)]
    ManPages {
        /// The folder, which is made if it is not there
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// Options of `qecho completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArguments {
    /// The shell that is to have it
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Form of the results on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

/// Options that every command with sockets has.
#[derive(Debug, clap::Args)]
pub(crate) struct CaptureArguments {
    /// Write every datagram to FILE, for Wireshark
    ///
    /// In pcapng, which `wireshark FILE` shows decrypted. The TLS secrets are inside: whoever has FILE can read the traffic. `-` is stdout, for
    /// `| wireshark -k -i -`; results go to stderr then.
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    /// Begin FILE anew before it grows beyond SIZE
    ///
    /// SIZE is for instance 500k, 10MB, 64MiB or 1G. The one before is kept as FILE.1: at most twice SIZE lies on disk, the newest packets
    /// in FILE, which opens decrypted on its own.
    #[arg(long, value_name = "SIZE", requires = "pcap", value_parser = capture_size)]
    pub(crate) pcap_limit: Option<u64>,
}

impl CaptureArguments {
    /// Tells whether packets go to stdout.
    pub(crate) fn is_stdout(&self) -> bool {
        self.pcap.as_deref() == Some(Path::new("-"))
    }
}

/// Reads the size of a capture's file such as `10MB`.
fn capture_size(text: &str) -> Result<u64, String> {
    let size: ByteSize = text
        .parse()
        .map_err(|_| "it is no size; write for instance 500k, 10MB, 64MiB or 1G")?;
    if size.0 < LIMIT_MIN {
        let least = LIMIT_MIN >> 10;
        return Err(format!(
            "it must be at least {least}KiB, for a file repeats how its connections began"
        ));
    }
    Ok(size.0)
}

/// Options that every command with connections has.
#[derive(Debug, clap::Args)]
pub(crate) struct ObserveArguments {
    /// Append the TLS secrets to FILE, for Wireshark
    ///
    /// Whoever has them can read the traffic. $SSLKEYLOGFILE does the same.
    #[arg(long = "keylog", value_name = "FILE")]
    pub(crate) key_log: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) capture: CaptureArguments,

    /// Show the packets on stderr while they pass, decrypted
    ///
    /// A line for each, with its frames; `--trace=handshake` shows those of handshakes and
    /// what goes wrong, `--trace=frames` every field of every frame.
    #[arg(long, value_name = "DETAIL", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "packets")]
    pub(crate) trace: Option<TraceArgument>,

    #[command(flatten)]
    pub(crate) qlog: QlogArguments,
}

/// Options for files about packets.
#[derive(Debug, clap::Args)]
pub(crate) struct QlogArguments {
    /// Write a qlog file for each connection to DIR
    ///
    /// It has every field of every frame, but not the data.
    #[arg(long = "qlog", value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Form of the qlog files
    #[arg(
        long = "qlog-form",
        value_name = "FORM",
        value_enum,
        default_value = "draft-14",
        requires = "directory"
    )]
    pub(crate) form: QlogFormArgument,
}

/// Form of qlog files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QlogFormArgument {
    /// As the newest drafts have it
    #[value(name = "draft-14")]
    Current,
    /// As qvis (qvis.quictools.info) loads it: qlog 0.3
    Qvis,
}

/// Detail in which packets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TraceArgument {
    /// The handshake, and whatever goes wrong
    Handshake,
    /// A line for each packet
    Packets,
    /// A line for each frame too
    Frames,
}

/// Reads a duration such as `10s` that is longer than none.
fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be more than 0".into()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_captures_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("500k", 500_000),
            ("10M", 10_000_000),
            ("10MB", 10_000_000),
            ("1.5 GB", 1_500_000_000),
            ("1G", 1_000_000_000),
            ("256KiB", 262_144),
            ("262144", 262_144),
        ] {
            assert_eq!(capture_size(text), Ok(bytes), "{text}");
        }
        for (text, reason) in [
            ("", "it is no size"),
            ("ten", "it is no size"),
            ("10X", "it is no size"),
            ("-1M", "it is no size"),
            ("0", "at least 256KiB"),
            ("262143", "at least 256KiB"),
        ] {
            let error = capture_size(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_time_that_must_be_longer_than_none_is() {
        assert!(positive_duration("0").is_err() && positive_duration("0ms").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
