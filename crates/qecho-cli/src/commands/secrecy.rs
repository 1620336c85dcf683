//! Who else can read the files that secrets are written to.

use std::{fs::File, io, os::unix::fs::MetadataExt, path::Path};

use qecho_packet::text;

use crate::stderr::say;

/// Rights of a file's group and of everybody.
const OF_OTHERS: u32 = 0o077;

/// Warns if others than its owner can read or write a file, or if that is another user: a
/// file that was there keeps its rights.
pub(super) fn warn_of_others(file: &File, path: &Path) -> io::Result<()> {
    let metadata = file.metadata()?;
    // Devices and named pipes keep nothing.
    if !metadata.is_file() {
        return Ok(());
    }
    let shown = text::path(path);
    let mode = metadata.mode() & 0o777;
    if mode & OF_OTHERS != 0 {
        say(format_args!(
            "warning: others than the owner of {shown} have rights to it (mode {mode:04o}); \
             `chmod 600 {shown}` takes them away"
        ));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        say(format_args!(
            "warning: {shown} belongs to another user, who can read what is written to it"
        ));
    }
    Ok(())
}
