//! `qecho report`.

use std::{fs, path::Path};

use anyhow::{Context, anyhow};
use qecho_measure::bench::{Report, SCHEMA, render::NamedReport};
use qecho_packet::text::{self, counted};

use super::{bench::output, report_file::ReportFile};
use crate::{
    args::ReportArguments,
    exit::{ExitStatus, Failure},
    render::json,
    stderr::say,
};

/// Writes reports that were kept as one page, or merged.
pub(super) fn run(arguments: &ReportArguments) -> Result<ExitStatus, Failure> {
    let runs = arguments.reports.iter().map(|path| read(path));
    let mut runs = runs.collect::<Result<Vec<_>, _>>()?;
    if arguments.merge {
        check_distinct(&runs)?;
        let reports: Vec<_> = runs.iter().map(|run| run.report.clone()).collect();
        let mut report = Report::merge(&reports).context("cannot merge the reports")?;
        report.time = Some(json::now());
        let name = format!("{} merged", reports.len());
        runs = vec![NamedReport { name, report }];
    }
    let is_page = arguments
        .output
        .extension()
        .is_some_and(|ending| ending == "html");
    if !is_page && !arguments.merge {
        return Err(Failure::from(anyhow!("a .json file takes one report"))
            .hint("make one of them by --merge, or name a file that ends in .html"));
    }
    output::write_all(&ReportFile::open(&arguments.output)?, &runs)?;
    let (output, count) = (
        text::path(&arguments.output),
        arguments.reports.len() as u64,
    );
    say(format_args!(
        "written      {output}, of {}",
        counted(count, "report")
    ));
    Ok(ExitStatus::Done)
}

/// Refuses what would be counted twice.
fn check_distinct(runs: &[NamedReport]) -> anyhow::Result<()> {
    for (place, run) in runs.iter().enumerate() {
        if let Some(same) = runs[..place]
            .iter()
            .find(|other| other.report == run.report)
        {
            let (one, other) = (&same.name, &run.name);
            return Err(anyhow!(
                "cannot merge {one} and {other}: they are the same report"
            ));
        }
    }
    Ok(())
}

/// Reads a report, named by its file.
fn read(path: &Path) -> anyhow::Result<NamedReport> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let report: Report = serde_json::from_str(&text)
        .with_context(|| format!("{shown} is no report of qecho bench --output FILE.json"))?;
    if report.schema != SCHEMA {
        let schema = report.schema;
        return Err(anyhow!(
            "{shown} has schema {schema}; this qecho reads {SCHEMA}"
        ));
    }
    let name = path.file_stem().unwrap_or(path.as_os_str());
    Ok(NamedReport {
        name: name.to_string_lossy().into_owned(),
        report,
    })
}
