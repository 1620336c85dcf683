//! `qecho conform`.

mod keeping;
mod packets;
mod progress;
mod reaching;
mod stopping;

use std::{
    cell::RefCell,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::anyhow;
use qecho_echo::dial::Alpn;
use qecho_packet::text::counted;
use qecho_probe::conform::{
    Event, Level, Matrix, Outcome, Report, Requirement, Runner, Selection, SelectionError, Side,
    write::{self, Origin},
};
use qecho_terminal::prose::Prose;

use self::{
    keeping::{Expected, write_report},
    packets::{CaptureFolder, Recorded, Unreachable, show_packets},
    progress::ProgressLine,
    reaching::{Reached, reach},
    stopping::Stopping,
};
use super::{command_line, report_file::ReportFile, trust};
use crate::{
    args::{ConformArguments, Format, LevelArgument},
    exit::{ExitStatus, Failure},
    render::json::{self, SCHEMA},
    stderr::{INSECURE, say, say_failure},
};

/// Time in which an answer must come, unless another is named.
const TIMEOUT_USUAL: Duration = Duration::from_secs(3);

/// Tries requirements on servers, and says which they keep.
pub(super) fn run(arguments: &ConformArguments) -> Result<ExitStatus, Failure> {
    let selection = selection(arguments)?;
    if arguments.list {
        let mut out = Prose::new(io::stdout().lock());
        let rows = rows(&selection.with_crashing(true))?;
        write::text_of_requirements(&rows, &mut out)?;
        out.flush()?;
        return Ok(ExitStatus::Done);
    }
    check_expected(arguments)?;
    // Before the work: nobody wants to learn after it that it cannot be kept.
    rows(&selection.clone().with_crashing(true))?;
    let expected = match &arguments.expect {
        None => None,
        Some(path) => Some(Expected::open(path, arguments.update_expect)?),
    };
    let outputs = arguments.output.iter().map(|path| ReportFile::open(path));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let folder = arguments.pcap_dir.as_deref().map(CaptureFolder::open);
    let folder = folder.transpose()?;
    if arguments.dial.insecure {
        say(INSECURE);
    }
    let stopping = Stopping::listen()?;
    let origin = origin(arguments);
    let (matrix, unreached) = judge_all(arguments, &selection, folder.as_ref(), &stopping)?;
    let comparison = match (&expected, matrix.reports()) {
        (Some(expected), [report]) => {
            let expectations = expected.expectations.as_ref();
            expectations.map(|expectations| expectations.compare(report))
        }
        _ => None,
    };
    let outcome = match &comparison {
        Some(comparison) => comparison.outcome(),
        None => matrix.outcome(),
    };
    let mut out = io::stdout().lock();
    match arguments.format {
        Format::Json => {
            let reports = matrix.reports();
            write::json_summary(reports, outcome, SCHEMA, &json::now(), &mut out)?;
        }
        // That it was not reached is all that is to be said.
        Format::Text if unreached.is_some() => {}
        Format::Text => {
            let mut out = Prose::new(&mut out);
            show(arguments, &matrix, &origin, &mut out)?;
            if let Some(comparison) = &comparison {
                write::text_of_comparison(comparison, &mut out)?;
            }
            out.flush()?;
        }
    }
    out.flush()?;
    // Each is tried, also when another has failed.
    let files = outputs.iter();
    let written: Vec<_> = files
        .map(|file| write_report(file, &matrix, comparison.as_ref(), &origin, outcome))
        .collect();
    written.into_iter().collect::<Result<(), _>>()?;
    if let Some(failure) = unreached {
        return Err(failure);
    }
    if let (Some(expected), [report]) = (expected, matrix.reports()) {
        expected.update(report)?;
    }
    let is_lost = matrix.reports().iter().any(|report| report.lost.is_some());
    ending(outcome, is_lost, arguments, &stopping)
}

/// Refuses what cannot be expected, or would lose what is.
fn check_expected(arguments: &ConformArguments) -> Result<(), Failure> {
    if arguments.expect.is_some() && arguments.servers.len() > 1 {
        let error = anyhow!("a file of --expect is about one server");
        return Err(Failure::from(error).hint("test one after the other, each with its file"));
    }
    if let Some(expect) = &arguments.expect
        && arguments
            .output
            .iter()
            .any(|output| is_same(output, expect))
    {
        let shown = expect.display();
        return Err(anyhow!("{shown} cannot be --expect and --output at once").into());
    }
    Ok(())
}

/// Tells whether two paths name one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().ok();
    one == other || whole(one).is_some_and(|one| Some(one) == whole(other))
}

/// Returns how the program ends.
fn ending(
    outcome: Outcome,
    is_lost: bool,
    arguments: &ConformArguments,
    stopping: &Stopping,
) -> Result<ExitStatus, Failure> {
    stopping.check()?;
    match outcome {
        // Nobody knows of what was not reached.
        _ if is_lost => Err(Failure::silent(ExitStatus::Negative)),
        Outcome::Kept => Ok(ExitStatus::Done),
        // A file that has just been made says what is so.
        Outcome::Broken if arguments.update_expect => Ok(ExitStatus::Done),
        _ => Err(Failure::silent(ExitStatus::Negative)),
    }
}

/// Tries all servers, one after the other. One of several that cannot be reached is said to be so;
/// of a single one the failure is returned.
fn judge_all(
    arguments: &ConformArguments,
    selection: &Selection,
    folder: Option<&CaptureFolder>,
    stopping: &Stopping,
) -> Result<(Matrix, Option<Failure>), Failure> {
    let mut reports = Vec::new();
    let mut unreached = None;
    for (number, server) in (1..).zip(&arguments.servers) {
        let reached = match reach(arguments, server, stopping) {
            Ok(reached) => reached,
            Err(failure) if failure.error.is_none() => return Err(failure),
            Err(failure) => {
                match &failure.error {
                    Some(error) if arguments.servers.len() > 1 => {
                        say_failure(format_args!("{error:#}"), failure.hint.as_deref());
                    }
                    _ => unreached = Some(failure),
                }
                let rows = rows(&selection.clone().with_crashing(true))?;
                let runner = Runner::new(server.to_string());
                let mut nobody = Unreachable("no handshake came about".into());
                reports.push(runner.run(&rows, &mut nobody, &mut |_event| {}, &|| false));
                continue;
            }
        };
        let prefix = match arguments.servers.len() {
            1 => String::new(),
            _ => format!("{number}-"),
        };
        reports.push(judge(
            arguments,
            selection,
            &reached,
            (folder, prefix),
            stopping,
        )?);
        if stopping.is_stopped() {
            break;
        }
    }
    Ok((Matrix::new(reports), unreached))
}

/// Tries one server.
fn judge(
    arguments: &ConformArguments,
    selection: &Selection,
    reached: &Reached,
    (folder, prefix): (Option<&CaptureFolder>, String),
    stopping: &Stopping,
) -> Result<Report, Failure> {
    let name = reached.server.to_string();
    let has_crashing = reached.address.ip().is_loopback() || !arguments.include.is_empty();
    let rows = rows(&selection.clone().with_crashing(has_crashing))?;
    announce(reached, &rows);
    let server = reached.remote(arguments.timeout, stopping.flag())?;
    let mut target = Recorded::new(server, folder, prefix, !arguments.show.is_empty());
    let mut progress = ProgressLine::new(name.clone(), rows.len());
    let broken = RefCell::new(None);
    let mut events = |event: Event<'_>| {
        progress.show(&event);
        if let (Format::Json, Event::Finished(row)) = (arguments.format, &event) {
            let mut out = io::stdout().lock();
            let written = write::json_row(&name, row, &json::now(), &mut out);
            if let Err(error) = written.and_then(|()| out.flush()) {
                broken.borrow_mut().get_or_insert(error);
            }
        }
    };
    let level = match arguments.level {
        LevelArgument::Must => Level::Must,
        LevelArgument::Should => Level::Should,
    };
    let runner = Runner::new(&name).with_level(level);
    // Verdicts that nobody reads any more are not worth the trouble.
    let stop = || stopping.is_stopped() || broken.borrow().is_some();
    let report = runner.run(&rows, &mut target, &mut events, &stop);
    progress.end();
    if let Some(error) = broken.into_inner() {
        return Err(error.into());
    }
    if let Some(error) = target.failure.take() {
        return Err(error.into());
    }
    for (requirement, packets) in target.shown {
        let row = report.row(requirement.id);
        show_packets(requirement, row, packets, arguments.format)?;
    }
    Ok(report)
}

/// Says what is going to be done to whom.
fn announce(reached: &Reached, rows: &[&Requirement]) {
    let Reached {
        server, address, ..
    } = reached;
    let alpn = match &reached.alpn {
        Some(name) => format!("ALPN {}", String::from_utf8_lossy(name).escape_debug()),
        None => "no ALPN".into(),
    };
    let anchor = trust::anchor(&reached.verifier);
    let count = counted(rows.len() as u64, "requirement");
    say(format_args!(
        "trying {count} on {server} ({address}, {alpn}, verified by {anchor}), one connection at \
         a time; it is sent what no client may send"
    ));
    if !address.ip().is_loopback() {
        say("its log may show errors: try only servers whose owners know of it");
    }
}

/// Shows what was found, for people.
fn show(
    arguments: &ConformArguments,
    matrix: &Matrix,
    origin: &Origin,
    out: &mut dyn Write,
) -> io::Result<()> {
    match matrix.reports() {
        [report] => write::text(report, origin, out),
        _ => write::text_of_several(matrix, arguments.differences, out),
    }
}

/// Returns what was selected; what is wrong with it is said before anything is done.
fn selection(arguments: &ConformArguments) -> Result<Selection, Failure> {
    let only = match arguments.show.is_empty() {
        true => &arguments.only,
        false => &arguments.show,
    };
    let selection = Selection::new(Side::Server)
        .with_only(only)
        .and_then(|selection| selection.with_except(&arguments.except));
    Ok(selection.map_err(anyhow::Error::new)?)
}

fn rows(selection: &Selection) -> Result<Vec<&'static Requirement>, Failure> {
    selection.rows().map_err(|error| {
        let hint = matches!(error, SelectionError::Crashing { .. });
        let hint = hint.then_some("--include crash tries it all the same");
        Failure::from(anyhow::Error::new(error)).maybe_hint(hint)
    })
}

/// Returns what reports say of their own making.
fn origin(arguments: &ConformArguments) -> Origin {
    let mut again = "qecho conform {target} --show {id}".to_owned();
    let dial = &arguments.dial;
    match &dial.alpn {
        Alpn::Auto => {}
        Alpn::None => again += " --alpn none",
        Alpn::Name(name) => {
            let name = command_line::quoted(&String::from_utf8_lossy(name));
            again += &format!(" --alpn {name}");
        }
    }
    for path in &dial.ca {
        let path = command_line::quoted(&path.to_string_lossy());
        again += &format!(" --ca {path}");
    }
    if let Some(pin) = &dial.pin {
        again += &format!(" --pin {pin}");
    }
    if dial.insecure {
        again += " --insecure";
    }
    if arguments.timeout != TIMEOUT_USUAL {
        again += &format!(" --timeout {}us", arguments.timeout.as_micros());
    }
    if arguments.level == LevelArgument::Should {
        again += " --level should";
    }
    Origin {
        command: command_line::of_this_process(),
        again,
        began: json::now(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}
