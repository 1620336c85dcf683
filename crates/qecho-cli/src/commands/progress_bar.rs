//! A bar on a terminal that says how far something has come.

use indicatif::{ProgressBar, ProgressStyle};

use crate::stderr::is_drawn_on;

/// Makes a bar of so many steps, with words behind it; elsewhere than on a terminal there is none.
pub(super) fn progress_bar(steps: usize) -> Option<ProgressBar> {
    is_drawn_on().then(|| {
        let bar = ProgressBar::new(steps as u64);
        match ProgressStyle::with_template("{bar:20} {pos} of {len}  {msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    })
}
