//! Where packets are written for those who want to see them.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, ErrorKind, IsTerminal, Write},
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::Path,
};

use anyhow::{Context, anyhow};
use qecho_tools::capture::{Capture, Report};

use crate::{
    args::CaptureArguments,
    ending::{Ending, Failure},
};

const PROGRAM: &str = concat!("qecho ", env!("CARGO_PKG_VERSION"));

/// Does a command's work with the capture that was asked for, if any; ends its
/// file whatever comes of the work, and says what is missing in it.
pub(super) fn during(
    arguments: &CaptureArguments,
    work: impl FnOnce(Option<Capture>) -> Result<Ending, Failure>,
) -> Result<Ending, Failure> {
    let Some(path) = &arguments.pcap else {
        return work(None);
    };
    let shown = match arguments.is_stdout() {
        true => "stdout".to_owned(),
        false => path.display().to_string(),
    };
    let file = match arguments.is_stdout() {
        true => take_stdout()?,
        false => create(path).with_context(|| format!("cannot write packets to {shown}"))?,
    };
    let capture = Capture::start(Box::new(file), PROGRAM)
        .with_context(|| format!("cannot write packets to {shown}"))?;
    say(&format!(
        "writing packets and TLS secrets to {shown}: whoever has them can read this traffic"
    ));
    let ending = work(Some(capture.clone()));
    conclude(&capture.finish(), &shown);
    ending
}

/// Creates the file for its owner alone, also where others could read an older
/// one.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // The mode of a device or a named pipe is not ours to change.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Takes stdout for packets alone: what is written to it from now on goes to
/// stderr.
fn take_stdout() -> Result<File, Failure> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(Failure::from(anyhow!("cannot write packets to a terminal"))
            .hint("add `| wireshark -k -i -`, or name a file"));
    }
    let file = stdout.as_fd().try_clone_to_owned();
    let file = file.context("cannot write packets to stdout")?;
    rustix::stdio::dup2_stdout(io::stderr()).context("cannot write results to stderr")?;
    Ok(file.into())
}

fn conclude(report: &Report, shown: &str) {
    let Report { seen, left_out, .. } = report;
    if *left_out > 0 {
        say(&format!(
            "warning: datagrams left out of {shown}: {left_out} of {seen}; it was written too slowly"
        ));
    }
    match &report.failure {
        // Who looked has seen enough.
        Some(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Some(error) => say(&format!("warning: {shown} ends too early: {error}")),
        None => {}
    }
}

/// Says something on stderr; with that gone there is nobody to tell.
fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}
