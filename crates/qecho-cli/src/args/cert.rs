//! `qecho cert`.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::{Subcommand, ValueEnum};
use qecho_cert::{HostPort, PermittedSubtrees, SubjectAltName, store::SystemStore};
use qecho_echo::dial::Alpn;

use super::{Format, alpn, host_port};

const DAYS: &str = "Days for which it is good; Apple's systems take at most 825";

/// Commands on certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Make a certificate for hosts or addresses, signed by a CA of your own
    New(NewArguments),
    /// List the certificates in a folder, and the CAs of this machine
    List(ListArguments),
    /// Show a certificate: a file's, or the one a QUIC server shows
    Show(ShowArguments),
    /// Check that a client on this machine accepts a certificate for a host
    Verify(VerifyArguments),
    /// Make a certificate anew, for the same names and as long as before
    #[command(mut_arg("days", |days| days.help(format!("{DAYS} [default: as many as before]"))))]
    Renew(RenewArguments),
    /// Make this machine's programs and browsers trust the CA
    Install(StoreArguments),
    /// Make this machine's programs and browsers forget the CA, without a trace
    Uninstall(StoreArguments),
    /// Make or show the CA that signs
    #[command(subcommand)]
    Ca(AuthorityCommand),
}

/// Commands on the CA.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthorityCommand {
    /// Make the CA, to choose its limits; else `cert new` makes one without limits
    New(AuthorityNewArguments),
    /// Show the CA: where it is, for how long, what it may sign
    Show(AuthorityShowArguments),
}

/// Options of `qecho cert new`.
#[derive(Debug, clap::Args)]
pub(crate) struct NewArguments {
    /// Hosts (*.example.test too), IP addresses, e-mail addresses, URIs
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<SubjectAltName>,

    /// Where to write the certificate [default: as mkcert, NAME+N.pem here]
    #[arg(long, value_name = "FILE")]
    pub(crate) cert_file: Option<PathBuf>,

    /// Where to write the key, for you alone [default: NAME+N-key.pem]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Write NAME+N-chain.pem too: the certificate, and the CA's behind it
    #[arg(long)]
    pub(crate) chain: bool,

    /// Good for clients too, which show it to servers; NAME+N-client.pem
    #[arg(long)]
    pub(crate) client: bool,

    /// An Ed25519 key in place of ECDSA P-256; browsers do not take it
    #[arg(long)]
    pub(crate) ed25519: bool,

    #[command(flatten)]
    pub(crate) life: LifeArguments,

    #[command(flatten)]
    pub(crate) root: RootArguments,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Options on how long a certificate is good.
#[derive(Debug, clap::Args)]
pub(crate) struct LifeArguments {
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=3650),
          help = format!("{DAYS} [default: 820]"))]
    pub(crate) days: Option<u16>,

    /// Good for 13 days: WebTransport takes it by its hash then
    #[arg(long, conflicts_with = "days")]
    pub(crate) short_lived: bool,
}

/// Options that choose a CA.
#[derive(Debug, clap::Args)]
pub(crate) struct RootArguments {
    /// The CA in DIR, or `mkcert` for mkcert's [default: your own]
    ///
    /// Your own lies in `ca` below $QECHO_HOME, or below `qecho` in $XDG_DATA_HOME
    /// (~/.local/share).
    #[arg(long = "ca-root", value_name = "DIR|mkcert")]
    pub(crate) choice: Option<RootArgument>,
}

/// The CA that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RootArgument {
    /// mkcert's, where mkcert keeps it.
    Mkcert,
    /// The one in this folder.
    Folder(PathBuf),
}

/// Options of `qecho cert ca new`.
#[derive(Debug, clap::Args)]
pub(crate) struct AuthorityNewArguments {
    /// Limit the CA to these: localhost,example.test,192.0.2.0/24
    ///
    /// It may sign for servers of these domains (with all below them) and address ranges
    /// alone, so that a stolen key is good for no other server; e-mail addresses are not
    /// limited.
    #[arg(long, value_name = "DOMAIN|RANGE,…")]
    pub(crate) name_constraints: Option<PermittedSubtrees>,

    #[command(flatten)]
    pub(crate) root: RootArguments,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Options of `qecho cert ca show`.
#[derive(Debug, clap::Args)]
pub(crate) struct AuthorityShowArguments {
    #[command(flatten)]
    pub(crate) root: RootArguments,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Options of `qecho cert install` and `uninstall`.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArguments {
    /// Print the commands instead of running them
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// With --dry-run: the commands for another system
    ///
    /// Only Debian's were ever run.
    #[arg(
        long,
        value_name = "debian|fedora|arch|opensuse|macos|windows",
        requires = "dry_run"
    )]
    pub(crate) system: Option<SystemStore>,

    /// Which stores: the system's, those of Firefox and Chromium, or all
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) store: StoreArgument,

    #[command(flatten)]
    pub(crate) root: RootArguments,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// The stores that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreArgument {
    /// The system's, for curl, Python, and programs like them; takes root
    System,
    /// Firefox's and Chromium's, one for each profile (NSS)
    Nss,
    /// Both
    All,
}

/// Options of `qecho cert list`.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArguments {
    /// Where to look for PEM files
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Options of `qecho cert show`.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArguments {
    /// A file (PEM or DER), or a QUIC server (HOST:PORT, or HOST on port 4433)
    #[arg(value_name = "FILE|HOST:PORT")]
    pub(crate) subject: SubjectArgument,

    /// Application protocol to offer to a server; auto: `echo`, then none
    #[arg(long, value_name = "auto|none|NAME", value_parser = alpn::offer, default_value = "auto")]
    pub(crate) alpn: Alpn,

    /// Time for the server to answer
    #[arg(long, value_name = "TIME", value_parser = super::positive_duration, default_value = "5s")]
    pub(crate) timeout: Duration,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// The certificate that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SubjectArgument {
    /// One in a file.
    File(PathBuf),
    /// A server's.
    Server(HostPort),
}

/// Options of `qecho cert verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArguments {
    /// A file (PEM or DER), the server's own certificate first
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The name or address by which clients call the server
    #[arg(value_name = "HOST", value_parser = host_port::name)]
    pub(crate) host: String,

    /// Trust the CAs in FILE (PEM) and no others; may be given more than once
    /// [default: those that `qecho client` trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

/// Options of `qecho cert renew`.
#[derive(Debug, clap::Args)]
pub(crate) struct RenewArguments {
    /// The certificate (PEM)
    ///
    /// Its chain file beside it, if there is one, is made anew too.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Its key [default: FILE's name with -key.pem, or FILE itself]
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Keep the key, and with it the pin; else a new one of the same kind is made
    #[arg(long)]
    pub(crate) keep_key: bool,

    #[command(flatten)]
    pub(crate) life: LifeArguments,

    /// The CA in DIR, or `mkcert` for mkcert's [default: the one that signed it]
    #[arg(long = "ca-root", value_name = "DIR|mkcert")]
    pub(crate) root: Option<RootArgument>,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

impl FromStr for SubjectArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = Path::new(text);
        let is_named_so = text.contains(['/', '\\'])
            || path
                .extension()
                .is_some_and(|extension| ["pem", "crt", "cer"].iter().any(|own| extension == *own));
        match is_named_so || path.exists() {
            true => Ok(Self::File(path.into())),
            false => host_port::reachable(text).map(Self::Server),
        }
    }
}

impl FromStr for RootArgument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "mkcert" => Self::Mkcert,
            folder => Self::Folder(folder.into()),
        })
    }
}
