//! What is written to files of reports.

use anyhow::Error;
use qecho_measure::bench::{
    Report,
    render::{self, NamedReport},
};

use crate::{commands::report_file::ReportFile, render::json};

/// Writes one report, under the name of its server.
pub(super) fn write(file: &ReportFile, report: &Report) -> anyhow::Result<()> {
    let named = NamedReport {
        name: report.server.name.clone(),
        report: report.clone(),
    };
    write_all(file, &[named])
}

/// Writes a page about all reports; one may be JSON instead. A report for which there is no room
/// is kept without its long distribution, and marked partial; a page is left out.
pub(in crate::commands) fn write_all(
    file: &ReportFile,
    reports: &[NamedReport],
) -> anyhow::Result<()> {
    let mut text = Vec::new();
    let report = match reports {
        [one] if file.ending() == "json" => &one.report,
        _ => {
            render::page(reports, &mut text)?;
            return file.write(&text);
        }
    };
    json::line(report, &mut text)?;
    let Err(error) = file.put(&text) else {
        return Ok(());
    };
    let mut short = report.without_distributions();
    short
        .partial
        .get_or_insert_with(|| format!("not all was written: {error}"));
    text.clear();
    json::line(&short, &mut text)?;
    let shown = file.path().display();
    let words = match file.put(&text) {
        Ok(()) => format!("cannot write all of {shown}, which has no distribution now"),
        Err(_) => {
            file.clear();
            format!("cannot write {shown}")
        }
    };
    Err(Error::new(error).context(words))
}
