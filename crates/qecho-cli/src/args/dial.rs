//! Options of every client: its offer to a server, and its trust.

use std::path::PathBuf;

use qecho_cert::Pin;
use qecho_echo::dial::Alpn;

use super::alpn;

/// Options that every command has which connects to a server.
#[derive(Debug, clap::Args)]
pub(crate) struct DialArguments {
    /// Application protocol to offer; auto: `echo`, then none
    #[arg(long, value_name = "auto|none|NAME", value_parser = alpn::offer, default_value = "auto")]
    pub(crate) alpn: Alpn,

    /// Trust the CAs in FILE (PEM) and no others
    ///
    /// May be given more than once.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,

    /// Trust exactly one key, whatever the certificate says
    ///
    /// A server shows its pin when it starts, `qecho cert show` that of any certificate. Also
    /// taken as curl writes it, sha256//BASE64.
    #[arg(long, value_name = "sha256:HEX", conflicts_with = "ca")]
    pub(crate) pin: Option<Pin>,

    /// Trust anybody, also whoever is in between
    ///
    /// Anyone in between can read and change everything.
    #[arg(long, conflicts_with_all = ["ca", "pin"])]
    pub(crate) insecure: bool,
}
