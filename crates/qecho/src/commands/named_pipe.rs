//! Named pipes that are written to: the system lets a writer wait for the first reader.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::{fs::OFlags, io::Errno};

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
