//! Named pipes that are written to: the system lets a writer wait for the first reader.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use qecho_packet::text;
use rustix::{fs::OFlags, io::Errno};

use crate::stderr::say_if_read;

/// Tells whether there is a named pipe at a path.
pub(super) fn is_at(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Opens a named pipe to write to, unless nobody reads it yet.
pub(super) fn open_if_read(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.write(true);
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    match options.open(path) {
        Ok(file) => {
            // The writer's thread may wait, and does.
            rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
            Ok(Some(file))
        }
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A named pipe of packets, which tells when its last reader has gone.
pub(super) struct Watched {
    file: File,
    path: PathBuf,
}

impl Watched {
    pub(super) fn new(file: File, path: &Path) -> Self {
        Self {
            file,
            path: path.to_owned(),
        }
    }
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        // It is the last write: a capture ends with the first that fails.
        if matches!(&written, Err(error) if error.kind() == ErrorKind::BrokenPipe) {
            say_if_read(format_args!(
                "warning: nobody reads {} any more; packets are not captured",
                text::path(&self.path)
            ));
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
