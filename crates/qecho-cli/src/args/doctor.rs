//! `qecho doctor`.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use qecho_cert::HostPort;

use super::{DialArguments, Format, host_port};

/// Port on which web servers speak HTTP/3, unless they announce another.
pub(crate) const HTTPS: u16 = 443;

/// Options of `qecho doctor`.
#[derive(Debug, clap::Args)]
#[command(mut_arg("alpn", alpn_help))]
pub(crate) struct DoctorArguments {
    /// The server, with a port if it is neither 443 nor 4433
    ///
    /// Without a port 443 is tried as browsers do, then 4433. Without a server only this machine
    /// is looked at, and nothing is sent.
    #[arg(value_name = "HOST[:PORT]", value_parser = suspect)]
    pub(crate) host: Option<Suspect>,

    /// Try only what takes some 3 seconds, not 30
    #[arg(long)]
    pub(crate) quick: bool,

    /// Try how long a silence may last before a NAT forgets it
    ///
    /// Silences grow up to two minutes, so that all takes several.
    #[arg(long, requires = "host", conflicts_with = "quick")]
    pub(crate) nat: bool,

    /// A server that is known to work: is it this network, or that server?
    ///
    /// If a cause is found, the same is tried on this one, up to the handshake. --alpn and the
    /// options of trust are for HOST alone.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = suspect, requires = "host")]
    pub(crate) control: Option<Suspect>,

    /// Time in which an answer must come: 1s at least
    #[arg(long, value_name = "TIME", value_parser = timeout, default_value = "3s")]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) dial: DialArguments,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,

    /// Write a page for a browser to FILE.html, too
    ///
    /// It needs nothing else: made to be sent to whoever runs the network or the server.
    #[arg(long, value_name = "FILE", value_parser = page)]
    pub(crate) output: Option<PathBuf>,
}

/// A server that may not work, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    /// The host, with a port that means nothing unless it was named.
    pub(crate) place: HostPort,
    /// Whether a port was named.
    pub(crate) has_port: bool,
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.has_port {
            true => self.place.fmt(f),
            false => f.write_str(&self.place.host),
        }
    }
}

fn alpn_help(alpn: clap::Arg) -> clap::Arg {
    alpn.help("Application protocol to offer; auto: `h3` on port 443, else `echo`")
}

/// Reads a server whose port may be left open.
fn suspect(text: &str) -> Result<Suspect, String> {
    let place = host_port::read(text, HTTPS)?;
    // Only a port that is named is the same whatever is usual.
    let has_port = host_port::read(text, HTTPS + 1)?.port == place.port;
    match place.port {
        0 => Err("nobody can be reached on port 0".into()),
        _ => Ok(Suspect { place, has_port }),
    }
}

/// Reads the name of a page.
fn page(text: &str) -> Result<PathBuf, String> {
    let ending = Path::new(text).extension();
    match ending.is_some_and(|ending| ending == "html") {
        true => Ok(text.into()),
        false => Err("name a file that ends in .html".into()),
    }
}

/// Reads a time for which an answer is waited for.
fn timeout(text: &str) -> Result<Duration, String> {
    match super::positive_duration(text)? {
        // RFC 9002 §6.2.2: no client takes its first packet for lost earlier.
        time if time < Duration::from_secs(1) => {
            Err("it must be 1s at least: a server that is far away would be called silent".into())
        }
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_named_is_told_from_one_that_is_not() {
        for (typed, port) in [
            ("example.org", None),
            ("example.org:443", Some(443)),
            ("[::1]:444", Some(444)),
            ("::1", None),
        ] {
            let read = suspect(typed).expect(typed);
            assert_eq!(read.has_port.then_some(read.place.port), port, "{typed}");
        }
        assert!(suspect("localhost:0").is_err() && suspect("https://a").is_err());
    }
}
