//! Files of TLS secrets, with which others read the packets.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use qecho_packet::capture::Capture;
use rustls::KeyLog;

use super::secrecy;
use crate::stderr::say;

/// Appends secrets to files in the NSS key log format.
#[derive(Debug)]
struct KeyLogFiles(Vec<Mutex<KeyLogFile>>);

#[derive(Debug)]
struct KeyLogFile {
    path: PathBuf,
    file: File,
    /// Whether it was said that it cannot be written.
    failed: bool,
}

/// Passes secrets on to all who want them.
#[derive(Debug)]
struct FanOut(Vec<Arc<dyn KeyLog>>);

/// Opens the key logs that were asked for by option or environment, and says
/// once what they reveal; a capture wants the secrets too.
pub(super) fn open(
    path: Option<&Path>,
    capture: Option<&Capture>,
) -> anyhow::Result<Option<Arc<dyn KeyLog>>> {
    let files = open_files(path)?.map(|files| Arc::new(files) as Arc<dyn KeyLog>);
    Ok(match (files, capture.map(Capture::key_log)) {
        (Some(files), Some(capture)) => Some(Arc::new(FanOut(vec![files, capture]))),
        (files, capture) => files.or(capture),
    })
}

fn open_files(path: Option<&Path>) -> anyhow::Result<Option<KeyLogFiles>> {
    let environment = std::env::var_os("SSLKEYLOGFILE").filter(|path| !path.is_empty());
    let mut paths: Vec<PathBuf> = path.into_iter().map(PathBuf::from).collect();
    paths.extend(environment.map(PathBuf::from));
    paths.dedup();
    if paths.is_empty() {
        return Ok(None);
    }
    let mut files = Vec::new();
    for path in &paths {
        files.push(Mutex::new(KeyLogFile {
            path: path.clone(),
            file: open_one(path)?,
            failed: false,
        }));
        let shown = path.display();
        say(format_args!(
            "writing TLS secrets to {shown}: whoever has them can read this traffic"
        ));
    }
    Ok(Some(KeyLogFiles(files)))
}

fn open_one(path: &Path) -> anyhow::Result<File> {
    let open = || {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(path)?;
        secrecy::warn_of_others(&file, path)?;
        Ok(file)
    };
    let opened: io::Result<File> = open();
    opened.with_context(|| format!("cannot write TLS secrets to {}", path.display()))
}

impl KeyLog for KeyLogFiles {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        for file in &self.0 {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.append(&line);
        }
    }
}

impl KeyLogFile {
    /// Appends a line. A full disk does not end the connection, but is told
    /// once.
    fn append(&mut self, line: &str) {
        if let Err(error) = self.file.write_all(line.as_bytes())
            && !std::mem::replace(&mut self.failed, true)
        {
            let path = self.path.display();
            say(format_args!(
                "warning: cannot write TLS secrets to {path}: {error}; what follows cannot be decrypted with it"
            ));
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
