//! `qecho report`.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::{Context, anyhow};
use qecho_tools::bench::{Report, SCHEMA};

use crate::{
    args::ReportArguments,
    ending::{Ending, Failure},
    render::page::{self, Named},
};

/// Writes a page about reports that were kept.
pub(super) fn run(arguments: &ReportArguments) -> Result<Ending, Failure> {
    let runs = arguments.reports.iter().map(|path| read(path));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let path = &arguments.output;
    let write = || -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        page::page(&runs, &mut out)?;
        out.flush()
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Ending::Done)
}

/// Reads a report, named by its file.
fn read(path: &Path) -> anyhow::Result<Named> {
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
    Ok(Named {
        name: name.to_string_lossy().into_owned(),
        report,
    })
}
