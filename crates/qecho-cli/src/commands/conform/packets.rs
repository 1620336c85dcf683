//! Packets of the first run of each requirement: kept in a folder, or shown.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use anyhow::Context;
use qecho_packet::text;
use qecho_probe::{
    captured::RunCapture,
    conform::{Row, write},
};
use qecho_terminal::prose::Prose;

use crate::{
    args::Format,
    commands::{capture, trace},
    exit::Failure,
    stderr::say,
};

/// Folder that keeps a capture of each requirement.
pub(super) struct CaptureFolder {
    path: PathBuf,
}

impl CaptureFolder {
    /// Makes a folder, if it is not there, and says what will be in it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = text::path(path);
        fs::create_dir_all(path).with_context(|| format!("cannot keep packets in {shown}"))?;
        say(format_args!(
            "writing packets and TLS secrets to {shown}: whoever has them can read this traffic"
        ));
        Ok(Self { path: path.into() })
    }

    /// Writes the capture of this name.
    pub(super) fn keep(&self, name: &str, packets: &[u8]) -> anyhow::Result<()> {
        let path = self.path.join(format!("{name}.pcapng"));
        let write = || {
            let mut file = capture::create(&path)?;
            let written = file.write_all(packets);
            // A half would be taken for the whole.
            written.inspect_err(|_| drop(fs::remove_file(&path)))
        };
        write().with_context(|| format!("cannot write packets to {}", path.display()))
    }
}

/// Shows the packets of a requirement, as `qecho trace` does, and what it is about: beside JSON, on
/// stderr. There is no row if a signal has cut it off.
pub(super) fn show_packets(
    run: RunCapture,
    row: Option<&Row>,
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Text => show_on(run, row, io::stdout, io::stdout()),
        Format::Json => show_on(run, row, io::stderr, io::stderr()),
    }
}

fn show_on<W>(run: RunCapture, row: Option<&Row>, open: fn() -> W, out: W) -> Result<(), Failure>
where
    W: Write + IsTerminal + AsFd + Send + 'static,
{
    let mut lines = Prose::new(out);
    write::text_of_requirement(run.requirement, &mut lines)?;
    lines.flush()?;
    trace::show(run.packets, run.stimuli, open())?;
    if let Some(row) = row {
        write::text_of_row(row, &mut lines)?;
    }
    Ok(lines.flush()?)
}
