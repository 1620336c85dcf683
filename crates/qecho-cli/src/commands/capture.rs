//! Files of captured packets.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, IsTerminal, Write},
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use qecho_packet::{
    capture::{Capture, CaptureReport, NextFile, Rotation},
    text,
};

use super::{PROGRAM, named_pipe, secrecy};
use crate::{
    args::CaptureArguments,
    exit::Failure,
    stderr::{say, say_if_read},
};

/// Returns the name of the capture's file in messages.
pub(super) fn name(arguments: &CaptureArguments) -> String {
    match &arguments.pcap {
        Some(path) if !arguments.is_stdout() => text::path(path),
        _ => "stdout".to_owned(),
    }
}

/// Starts the capture that was asked for, if any, and says what it reveals. A
/// connection that was silent for `idle_timeout` has ended.
pub(super) fn start(
    arguments: &CaptureArguments,
    name: &str,
    idle_timeout: Duration,
) -> Result<Option<Capture>, Failure> {
    let Some(path) = &arguments.pcap else {
        return Ok(None);
    };
    let capture = open(arguments, path, idle_timeout)?
        .with_context(|| format!("cannot write packets to {name}"))?;
    say(format_args!(
        "writing packets and TLS secrets to {name}: whoever has them can read this traffic"
    ));
    Ok(Some(capture))
}

/// Opens the capture's file; what may go wrong with it is for the caller to
/// explain.
fn open(
    arguments: &CaptureArguments,
    path: &Path,
    idle_timeout: Duration,
) -> Result<io::Result<Capture>, Failure> {
    if arguments.is_stdout() {
        if arguments.pcap_limit.is_some() {
            return Err(
                Failure::from(anyhow!("what goes to stdout has no --pcap-limit"))
                    .hint("name a file: --pcap FILE"),
            );
        }
        let file = take_stdout()?;
        return Ok(Capture::start(Box::new(file), PROGRAM, None));
    }
    let Some(limit) = arguments.pcap_limit else {
        let start = |file| {
            let file: Box<dyn Write + Send> = match named_pipe::is_at(path) {
                true => Box::new(named_pipe::Watched::new(file, path)),
                false => Box::new(file),
            };
            Capture::start(file, PROGRAM, None)
        };
        return Ok(create(path).and_then(start));
    };
    let start = || {
        // Asked before a named pipe waits for its reader.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(io::Error::other("--pcap-limit is for regular files"));
        }
        let file = create(path)?;
        // A link stays, and so does the folder should the process leave it.
        let next = next_file(fs::canonicalize(path)?);
        let rotation = Rotation {
            handshake_deadline: qecho_engine::limits::HANDSHAKE_DEADLINE,
            limit,
            silence: idle_timeout,
            next,
        };
        Capture::start(Box::new(file), PROGRAM, Some(rotation))
    };
    Ok(start())
}

/// Returns what puts the file aside as FILE.1 and begins another.
fn next_file(path: PathBuf) -> NextFile {
    let mut aside = path.clone().into_os_string();
    aside.push(".1");
    let aside = PathBuf::from(aside);
    Box::new(move || {
        fs::rename(&path, &aside)
            .and_then(|()| {
                // The name is free now: whatever has it nevertheless, such as somebody's link
                // in a shared folder, is not written to.
                let mut options = OpenOptions::new();
                options.create_new(true).write(true).mode(0o600).open(&path)
            })
            .map(|file| Box::new(file) as Box<dyn Write + Send>)
            .map_err(|error| {
                let words = format!("cannot go on in a new file: {error}");
                io::Error::new(error.kind(), words)
            })
    })
}

/// Creates the file for its owner alone, also where others could read an older
/// one.
pub(super) fn create(path: &Path) -> io::Result<File> {
    if named_pipe::is_at(path) {
        if let Some(file) = named_pipe::open_if_read(path)? {
            return Ok(file);
        }
        // Packets that are missing at the beginning would leave the others closed.
        say(format_args!(
            "waiting until somebody reads the named pipe {}",
            text::path(path)
        ));
    }
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // The mode of a device or a named pipe is not ours to change.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
        secrecy::warn_of_others(&file, path)?;
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

/// Says what the capture lacks.
pub(super) fn conclude(report: &CaptureReport, name: &str) {
    let CaptureReport { seen, left_out, .. } = report;
    if *left_out > 0 {
        say_if_read(format_args!(
            "warning: datagrams left out of {name}: {left_out} of {seen}; it was written too slowly"
        ));
    }
    match &report.failure {
        // Who looked has seen enough; of a named pipe that was told when it happened.
        Some(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Some(error) => say_if_read(format_args!("warning: {name} ends too early: {error}")),
        None => {}
    }
}
