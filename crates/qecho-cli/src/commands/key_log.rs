//! Files of TLS secrets, with which others read the packets.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use qecho_packet::{KeyLogDestination, KeyLogFile, capture::Capture, text};
use rustls::KeyLog;

use super::{named_pipe, secrecy};
use crate::stderr::{say, say_if_read};

/// Key logs by their names in messages.
#[derive(Debug)]
pub(super) struct KeyLogFiles(Vec<(String, KeyLogFile)>);

/// Passes secrets on to all who want them.
#[derive(Debug)]
struct FanOut(Vec<Arc<dyn KeyLog>>);

/// A file, or the named pipe that waits for its first reader.
enum Destination {
    Open(File),
    Unread(PathBuf),
}

impl KeyLogFiles {
    /// Opens the key logs that were asked for by option or environment, if any, and says
    /// once what they reveal.
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Option<Arc<Self>>> {
        let environment = std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty());
        let mut paths: Vec<PathBuf> = path.into_iter().map(PathBuf::from).collect();
        paths.extend(environment.map(PathBuf::from));
        paths.dedup();
        if paths.is_empty() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for path in paths {
            let shown = text::path(&path);
            let attempt = || format!("cannot write TLS secrets to {shown}");
            let destination = Destination::open(&path).with_context(attempt)?;
            say(format_args!(
                "writing TLS secrets to {shown}: whoever has them can read this traffic"
            ));
            if matches!(destination, Destination::Unread(_)) {
                say(format_args!(
                    "nobody reads the named pipe {shown} yet; secrets wait for its reader"
                ));
            }
            let name = shown.clone();
            let fail = move |error: &io::Error| {
                say(format_args!(
                    "warning: cannot write TLS secrets to {name}: {error}; what follows cannot be \
                     decrypted with it"
                ));
            };
            let file = KeyLogFile::start(destination.into(), fail).with_context(attempt)?;
            files.push((shown.clone(), file));
        }
        Ok(Some(Arc::new(Self(files))))
    }

    /// Writes what waits, and says what is missing.
    pub(super) fn finish(&self) {
        for (name, file) in &self.0 {
            let report = file.finish();
            let (logged, missing) = (report.logged, report.missing);
            if missing > 0 && !report.failed {
                say_if_read(format_args!(
                    "warning: TLS secrets that are not in {name}: {missing} of {logged}; \
                     it was read or written too slowly"
                ));
            }
        }
    }
}

/// Joins the key logs with the capture, which wants the secrets too.
pub(super) fn join(
    files: Option<Arc<KeyLogFiles>>,
    capture: Option<&Capture>,
) -> Option<Arc<dyn KeyLog>> {
    let files = files.map(|files| files as Arc<dyn KeyLog>);
    match (files, capture.map(Capture::key_log)) {
        (Some(files), Some(capture)) => Some(Arc::new(FanOut(vec![files, capture]))),
        (files, capture) => files.or(capture),
    }
}

impl Destination {
    /// Opens a file for its owner alone, without waiting for a reader.
    fn open(path: &Path) -> io::Result<Self> {
        if named_pipe::is_at(path) {
            let file = named_pipe::open_if_read(path)?;
            return Ok(file.map_or_else(|| Self::Unread(path.to_owned()), Self::Open));
        }
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(path)?;
        secrecy::warn_of_others(&file, path)?;
        Ok(Self::Open(file))
    }
}

impl From<Destination> for KeyLogDestination {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Open(file) => Self::Open(Box::new(file)),
            Destination::Unread(path) => Self::Later(Box::new(move || {
                let file = OpenOptions::new().append(true).open(path)?;
                Ok(Box::new(file))
            })),
        }
    }
}

impl KeyLog for KeyLogFiles {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        for (_, file) in &self.0 {
            file.log(label, client_random, secret);
        }
    }
}

impl KeyLog for FanOut {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        for key_log in &self.0 {
            key_log.log(label, client_random, secret);
        }
    }
}
