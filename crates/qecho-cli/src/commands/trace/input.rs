//! The input of `qecho trace`: a capture, and the TLS secrets beside it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::fd::AsFd,
    path::Path,
};

use anyhow::{Context, anyhow};
use qecho_packet::{
    capture::{CaptureReader, Item, ReadError},
    dissect::{Dissector, key_log_text},
    text,
};

use crate::{exit::Failure, stderr::say};

/// Bytes of a key log that are read.
const KEY_LOG_BYTES_MAX: u64 = 64 << 20;

/// First bytes of compressed files, and the programs that open them.
const COMPRESSED: [(&[u8], &str); 4] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ", "xz"),
    (b"BZh", "bzip2"),
];

/// A capture that is being read.
pub(super) struct CaptureInput {
    shown: String,
    /// Whether it cannot be read twice, so that secrets open only what comes after them.
    is_stream: bool,
    reader: CaptureReader<Box<dyn Read>>,
}

impl CaptureInput {
    /// Begins to read a capture, and adds the secrets in it as far as they can be had before.
    pub(super) fn open(path: &Path, dissector: &mut Dissector) -> Result<Self, Failure> {
        let shown = match is_stdin(path) {
            true => "stdin".to_owned(),
            false => text::path(path),
        };
        let mut open = || {
            let mut file = source(path)?;
            let is_stream = !file.metadata()?.is_file();
            if !is_stream {
                add_secrets_inside(&mut file, dissector)?;
            }
            anyhow::Ok((file, is_stream))
        };
        let (file, is_stream) = open().with_context(|| format!("cannot read {shown}"))?;
        let input = Self::of(Box::new(file), path, shown)?;
        Ok(Self { is_stream, ..input })
    }

    /// Begins to read what is called so.
    pub(super) fn of(source: Box<dyn Read>, path: &Path, shown: String) -> Result<Self, Failure> {
        let cannot = |error: anyhow::Error| error.context(format!("cannot read {shown}"));
        let mut file = BufReader::new(source);
        // What cannot be read shows when it is read again.
        let beginning = file.fill_buf().unwrap_or_default().to_vec();
        let reader = CaptureReader::new(Box::new(file) as Box<dyn Read>);
        let reader = reader.map_err(|error| match error {
            ReadError::Empty => cannot(anyhow!("it is empty")).into(),
            ReadError::NotACapture => {
                let failure = Failure::from(cannot(anyhow!("it is neither pcapng nor pcap")));
                failure.hint(where_from(path, &beginning))
            }
            error => Failure::from(cannot(error.into())),
        })?;
        let is_stream = true;
        Ok(Self {
            shown,
            is_stream,
            reader,
        })
    }

    /// Returns how the capture is called.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Tells whether secrets that stand after packets came too late for them.
    pub(super) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Returns what comes next, or nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item>, Failure> {
        let shown = &self.shown;
        let explain =
            |error: ReadError| anyhow!(error).context(format!("cannot read {shown} to its end"));
        Ok(self.reader.next().map_err(explain)?)
    }
}

/// Tells whether a capture is read from stdin.
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn source(path: &Path) -> anyhow::Result<File> {
    let file = match is_stdin(path) {
        true => io::stdin().as_fd().try_clone_to_owned()?.into(),
        false => File::open(path)?,
    };
    match file.metadata()?.is_dir() {
        true => Err(anyhow!("it is a folder")),
        false => Ok(file),
    }
}

/// Adds the secrets that stand anywhere in a file: they may come after the packets
/// that they open. What is wrong with the file shows when it is read again.
///
/// It is not opened a second time: another file may have its name by then.
fn add_secrets_inside(file: &mut File, dissector: &mut Dissector) -> io::Result<()> {
    let begin = file.stream_position()?;
    if let Ok(mut reader) = CaptureReader::new(&*file) {
        while let Ok(Some(item)) = reader.next() {
            if let Item::Secrets(secrets) = item {
                dissector.add_secrets(&secrets);
            }
        }
    }
    file.seek(SeekFrom::Start(begin))?;
    Ok(())
}

/// Says how to come to a capture instead of what a file begins with.
fn where_from(path: &Path, beginning: &[u8]) -> String {
    let known = |(magic, _): &&(&[u8], &str)| beginning.starts_with(magic);
    match COMPRESSED.iter().find(known) {
        Some((_, program)) if is_stdin(path) => {
            format!("it is compressed; put `{program} -dc |` in between")
        }
        Some((_, program)) => {
            let shown = text::path(path);
            format!("it is compressed; try `{program} -dc {shown} | qecho trace -`")
        }
        None => "captures come from --pcap, Wireshark or tcpdump".into(),
    }
}

/// Adds the secrets of a key log; says if there are none in it, or broken ones.
pub(super) fn add_key_log(path: &Path, dissector: &mut Dissector) -> Result<(), Failure> {
    let shown = text::path(path);
    let bytes =
        read_key_log(path).with_context(|| format!("cannot read TLS secrets from {shown}"))?;
    let secrets = key_log_text(&bytes);
    let of_quic = |line: &str| {
        let label = line.split_ascii_whitespace().next();
        label.is_some_and(|label| label.contains("_TRAFFIC_SECRET"))
    };
    if !secrets.split(['\r', '\n']).any(of_quic) {
        say(format_args!(
            "warning: no TLS secrets in {shown}: it has no lines such as CLIENT_TRAFFIC_SECRET_0 …"
        ));
    }
    if bytes.len() as u64 >= KEY_LOG_BYTES_MAX {
        let most = KEY_LOG_BYTES_MAX >> 20;
        say(format_args!(
            "warning: of {shown}, only the first {most} MiB are read"
        ));
    }
    let before = dissector.malformed_secrets();
    dissector.add_secrets(&secrets);
    let malformed = dissector.malformed_secrets() - before;
    if malformed > 0 {
        say(format_args!(
            "warning: lines of {shown} that make no sense: {malformed}"
        ));
    }
    Ok(())
}

fn read_key_log(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(KEY_LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
