//! The commands: each does what its arguments ask for.

mod bench;
mod capture;
mod cert;
mod client;
mod command_line;
mod completions;
mod conform;
mod demo;
mod dialing;
mod doctor;
mod full_screen;
mod key_log;
#[cfg(any(test, feature = "man-pages"))]
mod man_pages;
mod named_pipe;
mod observing;
mod ping;
mod progress_bar;
mod relay;
mod report;
mod report_file;
mod resolve;
mod secrecy;
mod server;
mod signals;
mod stopping;
mod trace;
mod tracing;
mod trust;

use std::{
    io::{self, Write},
    thread,
};

use anyhow::Context;
use qecho_io::listen::{Listen, overlap};
use qecho_terminal::prose::Prose;

use crate::{
    args::{Arguments, Command, Format},
    exit::{ExitStatus, Failure},
    render::Render,
};

/// Name of this program in files.
const PROGRAM: &str = concat!("qecho ", env!("CARGO_PKG_VERSION"));

/// Returns what to do where a place cannot be listened on.
fn listen_hint(kind: io::ErrorKind, places: &[Listen]) -> Option<&'static str> {
    match kind {
        io::ErrorKind::AddrInUse if overlap(places) => Some(
            "two of the --listen take the same port of the same address, as \
             '*:PORT' takes that of localhost too: leave one of them out",
        ),
        io::ErrorKind::AddrInUse => Some(
            "another program, perhaps another qecho, has this port; \
             choose another by --listen localhost:PORT, or 0 for any that is free",
        ),
        io::ErrorKind::AddrNotAvailable => {
            Some("this host does not have that address; --listen '*:PORT' takes all that it has")
        }
        io::ErrorKind::PermissionDenied => {
            Some("the system keeps this port for others; choose one by --listen localhost:PORT")
        }
        _ => None,
    }
}

/// Runs the command that was typed.
pub(crate) fn run(arguments: Arguments) -> Result<ExitStatus, Failure> {
    signals::end_at_hangup();
    match arguments.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Server(arguments) => server::run(&arguments),
        Command::Client(arguments) => client::run(arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Ping(arguments) => ping::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Conform(arguments) => conform::run(&arguments),
        Command::Relay(arguments) => relay::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Cert(command) => cert::run(&command),
        Command::Completions(arguments) => completions::run(&arguments),
        #[cfg(feature = "man-pages")]
        Command::ManPages { folder } => man_pages::run(&folder),
    }
}

/// Starts work on a thread of its own, which ends with the process if it has not
/// before.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let thread = thread::Builder::new().name(name.into()).spawn(work);
    thread.context("cannot start a thread").map(drop)
}

/// Writes something to stdout, in the format that was asked for.
fn show(what: &dyn Render, format: Format) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Text if what.is_prose() => {
            let mut out = Prose::new(&mut out);
            what.text(&mut out)?;
            out.flush()?;
        }
        Format::Text => what.text(&mut out)?,
        Format::Json => what.json(&mut out)?,
    }
    out.flush()
}
