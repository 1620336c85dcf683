//! Who sees what passes: captures and traces, for every command with sockets.

use std::{io::Write, time::Duration};

use qecho_engine::Side;
use qecho_packet::Observers;

use super::{capture, tracing::TraceSinks};
use crate::{
    args::{CaptureArguments, TraceArguments},
    ending::{Ending, Failure},
};

/// Does a command's work in the sight of all who were asked for; ends their
/// files whatever comes of the work, and says what is missing in them. Lines go
/// to `lines`, which leads to stderr. A connection that was silent for so long
/// has ended.
pub(super) fn during(
    capturing: &CaptureArguments,
    arguments: &TraceArguments,
    lines: Box<dyn Write + Send>,
    side: Side,
    silence: Duration,
    work: impl FnOnce(Observers) -> Result<Ending, Failure>,
) -> Result<Ending, Failure> {
    capture::during(capturing, silence, |capture| {
        let mut onlookers = TraceSinks::default();
        if let Some(detail) = arguments.trace {
            onlookers = onlookers.lines(detail.into(), lines);
        }
        if let Some(directory) = &arguments.qlog.directory {
            onlookers = onlookers.qlog(directory, side)?;
        }
        onlookers.during(|trace| work(Observers { capture, trace }))
    })
}
