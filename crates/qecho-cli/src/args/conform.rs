//! `qecho conform`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ValueEnum, builder::NonEmptyStringValueParser};
use qecho_cert::HostPort;
use qecho_io::Listen;

use super::{DialArguments, Format, host_port, listen};

/// Options of `qecho conform`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "qecho conform [OPTIONS] <HOST[:PORT]>...\n       \
                            qecho conform --client [OPTIONS] [-- <COMMAND>...]")]
pub(crate) struct ConformArguments {
    /// The servers, with a port if it is not 4433
    ///
    /// Names or addresses; a link-local address has its interface, as in [fe80::1%eth0]:4433.
    /// Of several there is a table, with a column for each.
    #[arg(value_name = "HOST[:PORT]", value_parser = host_port::reachable,
          required_unless_present_any = ["list", "client"], conflicts_with = "client")]
    pub(crate) servers: Vec<HostPort>,

    /// Test a client in place of servers: COMMAND, or whoever comes
    ///
    /// COMMAND is run once for each connection that is needed, against a server that sends what no
    /// server may. Without it the next requirement is told, and the client awaited. The server's
    /// certificate is for localhost and --listen, by qecho's local CA. By --alpn auto it agrees to
    /// the protocol that the client likes best; by --alpn NAME to that alone; by --alpn none it
    /// serves clients that offer none.
    #[arg(long, conflicts_with_all = ["ca", "pin", "insecure", "include", "differences"])]
    pub(crate) client: bool,

    /// Where clients come [default: localhost:4433; for COMMAND, a free port]
    ///
    /// With --client: ADDRESS:PORT, localhost:PORT, *:PORT or PORT, as for `qecho server`.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen::of_server,
          requires = "client", conflicts_with = "servers")]
    pub(crate) listen: Option<Listen>,

    /// Let each client choose: c12.localhost has C12
    ///
    /// With --client, until Ctrl-C: the server name that a client asks for is the requirement, and
    /// each client is judged by itself; where it has to come again, that is said. On localhost
    /// nothing is odd.
    #[arg(long, requires = "client",
          conflicts_with_all = ["servers", "command", "show", "output", "pcap_dir", "expect"])]
    pub(crate) by_name: bool,

    /// The client that is tested, with its arguments
    ///
    /// {host}, {port} and {ca} in them stand for the server's name and port, and the path of its
    /// CA; {alpn} for NAME of --alpn NAME, which it takes.
    #[arg(
        last = true,
        value_name = "COMMAND",
        requires = "client",
        conflicts_with = "servers"
    )]
    pub(crate) command: Vec<String>,

    /// Try these requirements alone: F12, 9000, 9000/19.5
    ///
    /// An identifier, an RFC, or a section with all that is within it; commas part them.
    #[arg(long, value_name = "ID|RFC[/SECTION],…", value_delimiter = ',',
          value_parser = NonEmptyStringValueParser::new())]
    pub(crate) only: Vec<String>,

    /// Leave these out, named as for --only
    #[arg(long, value_name = "ID|RFC[/SECTION],…", value_delimiter = ',',
          value_parser = NonEmptyStringValueParser::new())]
    pub(crate) except: Vec<String>,

    /// Show the packets of these requirements, and try no others but those of --only
    ///
    /// In the lines of `qecho trace`, decrypted. They are named as for --only.
    #[arg(long, value_name = "ID|RFC[/SECTION],…", value_delimiter = ',',
          value_parser = NonEmptyStringValueParser::new())]
    pub(crate) show: Vec<String>,

    /// Try what has crashed servers, too
    ///
    /// It is left out unless the server is on this host.
    #[arg(long, value_parser = ["crash"], value_name = "crash")]
    pub(crate) include: Vec<String>,

    /// Print what would be tried, and end
    #[arg(long, conflicts_with_all = ["expect", "output", "pcap_dir", "differences", "by_name"])]
    pub(crate) list: bool,

    /// What fails: a MUST that is broken, or a SHOULD as well
    #[arg(long, value_enum, default_value = "must")]
    pub(crate) level: LevelArgument,

    /// Fail only for what is worse than FILE says
    ///
    /// A line a requirement: `F12 fail`, and a remark behind `#`. What is newer than FILE is
    /// shown and never fails.
    #[arg(long, value_name = "FILE")]
    pub(crate) expect: Option<PathBuf>,

    /// Bring FILE of --expect up to date; it is made if it is not there
    #[arg(long, requires = "expect")]
    pub(crate) update_expect: bool,

    /// Time in which an answer must come
    ///
    /// What a server says too late counts as silence: more, where the way is long.
    #[arg(long, value_name = "TIME", value_parser = super::positive_duration, default_value = "3s")]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) dial: DialArguments,

    /// Of several servers, show only where they differ
    #[arg(long)]
    pub(crate) differences: bool,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,

    /// Write the report to FILE.html, FILE.xml or FILE.json too
    ///
    /// May be given more than once. .html is one page for a browser, with the packets and an
    /// anchor for each requirement (FILE.html#F12); .xml is JUnit's, for build servers; .json
    /// has the lines of --format json.
    #[arg(long, value_name = "FILE", value_parser = output)]
    pub(crate) output: Vec<PathBuf>,

    /// Keep the packets of each requirement as DIR/ID.pcapng
    ///
    /// For Wireshark, with the TLS secrets inside. Of several servers, DIR/N-ID.pcapng.
    #[arg(long, value_name = "DIR")]
    pub(crate) pcap_dir: Option<PathBuf>,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelArgument {
    /// A MUST that is broken
    Must,
    /// A SHOULD as well
    Should,
}

/// Reads the name of a file whose ending says what is written to it.
fn output(text: &str) -> Result<PathBuf, String> {
    let ending = Path::new(text)
        .extension()
        .and_then(|ending| ending.to_str());
    match ending {
        Some("html" | "xml" | "json") => Ok(text.into()),
        _ => Err("name a file that ends in .html, .xml or .json".into()),
    }
}
