//! `qecho conform`.

mod keeping;
mod packets;
mod progress;
mod reaching;
mod visitors;

use std::{
    cell::RefCell,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use anyhow::anyhow;
use qecho_echo::dial::Alpn;
use qecho_packet::text::{self, counted};
use qecho_probe::{
    captured::{Captured, Keep, RunCapture},
    conform::{
        Event, Expectations, Level, Matrix, Outcome, Prober, Report, Requirement, Runner,
        Selection, SelectionError, Side, Target, Unreachable,
        write::{self, Document, Origin},
    },
    remote::SharedObserver,
};
use qecho_terminal::prose::Form;

use self::{
    keeping::{Expected, keep},
    packets::{CaptureFolder, show_packets},
    progress::ProgressLine,
    reaching::{Reached, reach},
};
use super::{PROGRAM, command_line, report_file::ReportFile, stopping::Stopping, trust};
use crate::{
    args::{ConformArguments, Format, LevelArgument},
    exit::{ExitStatus, Failure},
    render::json::{self, SCHEMA},
    stderr::{INSECURE, say, say_failure},
};

/// Time in which an answer must come, unless another is named.
const TIMEOUT_USUAL: Duration = Duration::from_secs(3);

/// Tries requirements on servers or a client, and says which they keep.
pub(super) fn run(arguments: &ConformArguments) -> Result<ExitStatus, Failure> {
    let selection = selection(arguments)?;
    if arguments.list {
        return list(&rows(&selection.with_crashing(true))?, arguments.format);
    }
    check_expected(arguments)?;
    visitors::check_protocol(arguments)?;
    // Before the work: nobody wants to learn after it that it cannot be kept.
    rows(&selection.clone().with_crashing(true))?;
    let expected = arguments.expect.as_deref();
    let expected = expected.map(|path| Expected::open(path, arguments.update_expect));
    let expected = expected.transpose()?;
    let outputs = arguments.output.iter().map(|path| ReportFile::open(path));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let folder = arguments.pcap_dir.as_deref().map(CaptureFolder::open);
    let folder = folder.transpose()?;
    if arguments.dial.insecure {
        say(INSECURE);
    }
    let stopping = Stopping::listen()?;
    let origin = origin(arguments);
    let expectations = expected
        .as_ref()
        .and_then(|file| file.expectations.as_ref());
    let session = Session {
        arguments,
        selection: &selection,
        folder: folder.as_ref(),
        expectations,
        stopping: &stopping,
        unkept: RefCell::default(),
    };
    if arguments.by_name {
        return session.serve_by_name();
    }
    let (matrix, unreached) = match arguments.client {
        true => session.judge_client()?,
        false => session.judge_all()?,
    };
    let comparison = match (expectations, matrix.reports()) {
        (Some(expectations), [report]) => Some(expectations.compare(report)),
        _ => None,
    };
    let outcome = match &comparison {
        Some(comparison) => comparison.outcome(),
        None => matrix.outcome(),
    };
    let found = Document {
        matrix: &matrix,
        expectations,
        comparison: comparison.as_ref(),
        origin: &origin,
        outcome,
        schema: SCHEMA,
    };
    // Of a single one, that it was not reached is all that is to be said.
    if arguments.format == Format::Json || unreached.is_none() {
        print(arguments, &found)?;
    }
    let expected = expected.as_ref().filter(|_| unreached.is_none());
    let is_kept = keep(&found, &outputs, expected, session.unkept.into_inner());
    if !is_kept {
        let exit = ExitStatus::CouldNotRun;
        let failure = unreached.unwrap_or(Failure::silent(exit));
        return Err(Failure { exit, ..failure });
    }
    if let Some(failure) = unreached {
        return Err(failure);
    }
    let is_lost = matrix.reports().iter().any(|report| report.lost.is_some());
    ending(outcome, is_lost, arguments, &stopping)
}

/// Prints what would be tried.
fn list(rows: &[&Requirement], format: Format) -> Result<ExitStatus, Failure> {
    visitors::show(
        format,
        |out| write::text_of_requirements(rows, out),
        |out| write::json_requirements(rows, SCHEMA, &json::now(), out),
    )?;
    Ok(ExitStatus::Done)
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

/// Settings with which all servers, or a client, are tried.
struct Session<'a> {
    arguments: &'a ConformArguments,
    selection: &'a Selection,
    folder: Option<&'a CaptureFolder>,
    expectations: Option<&'a Expectations>,
    stopping: &'a Stopping,
    /// The reason that packets are not kept.
    unkept: RefCell<Option<anyhow::Error>>,
}

impl Session<'_> {
    /// Tries all servers, one after the other. One of several that cannot be reached is said to be
    /// so; of a single one the failure is returned.
    fn judge_all(&self) -> Result<(Matrix, Option<Failure>), Failure> {
        let mut reports = Vec::new();
        let mut unreached = None;
        let is_stopped = || self.stopping.is_stopped();
        for (number, server) in (1..).zip(&self.arguments.servers) {
            let reached = match is_stopped() {
                true => Err(Failure::silent(ExitStatus::Interrupted)),
                false => reach(self.arguments, server, self.stopping),
            };
            let report = match reached {
                Ok(reached) => {
                    let prefix = match self.arguments.servers.len() {
                        1 => String::new(),
                        _ => format!("{number}-"),
                    };
                    self.judge(&reached, prefix)?
                }
                Err(failure) => {
                    let why = failure.error.as_ref().map(|error| format!("{error:#}"));
                    match &failure.error {
                        _ if is_stopped() => {}
                        Some(error) if self.arguments.servers.len() > 1 => {
                            say_failure(format_args!("{error:#}"), failure.hint.as_deref());
                        }
                        _ => unreached = Some(failure),
                    }
                    let rows = rows(&self.selection.clone().with_crashing(true))?;
                    let mut nobody = Unreachable(why.unwrap_or_default());
                    let mut written = Ok(());
                    let mut events = |event: Event<'_>| {
                        if written.is_ok() {
                            written = self.write_event(&server.to_string(), &event);
                        }
                    };
                    let runner = Runner::new(server.to_string());
                    let report = runner.run(&rows, &mut nobody, &mut events, &is_stopped);
                    written?;
                    report
                }
            };
            reports.push(report);
        }
        Ok((Matrix::new(reports), unreached))
    }

    /// Tries one server; `prefix` begins the names of its captures.
    fn judge(&self, reached: &Reached, prefix: String) -> Result<Report, Failure> {
        let (arguments, stopping) = (self.arguments, self.stopping);
        let name = reached.server.to_string();
        let has_crashing = reached.address.ip().is_loopback() || !arguments.include.is_empty();
        let rows = rows(&self.selection.clone().with_crashing(has_crashing))?;
        announce(reached, &rows);
        let server = reached.remote(arguments.timeout, stopping.flag())?;
        let observer = server.observer();
        let target = (Prober::new(server), observer);
        self.try_rows(&name, &rows, target, &prefix, &mut |_| false)
    }

    /// Tries requirements on whom an observer sees, and tells of them as they are done; an event of
    /// which `tell` returns true was told in another way. `prefix` begins the names of captures.
    fn try_rows(
        &self,
        name: &str,
        rows: &[&'static Requirement],
        (target, observer): (impl Target, SharedObserver),
        prefix: &str,
        tell: &mut dyn FnMut(&Event<'_>) -> bool,
    ) -> Result<Report, Failure> {
        let to_show = shown(self.arguments)?;
        let mut shown = Vec::new();
        let fail = |error| {
            self.unkept.borrow_mut().get_or_insert(error);
        };
        let mut keep = |run: io::Result<RunCapture>| match run {
            Ok(run) => {
                let name = format!("{prefix}{}", run.requirement.id);
                let keep = |folder: &CaptureFolder| folder.keep(&name, &run.packets);
                let kept = self.folder.map_or(Ok(()), keep).map_err(fail);
                let is_shown = to_show.iter().any(|row| row.id == run.requirement.id);
                shown.extend(is_shown.then_some(run));
                kept.is_ok()
            }
            Err(error) => {
                fail(error.into());
                false
            }
        };
        let is_shown = !to_show.is_empty();
        let is_wanted = (is_shown || self.folder.is_some()) && self.unkept.borrow().is_none();
        let keep = is_wanted.then_some(&mut keep as Keep<'_>);
        let mut target = Captured::new(target, observer, PROGRAM, keep);
        let mut progress = ProgressLine::new(name.to_owned(), rows.len());
        let broken = RefCell::new(None);
        let mut events = |event: Event<'_>| {
            if !tell(&event) {
                progress.show(&event);
            }
            if let Err(error) = self.write_event(name, &event) {
                broken.borrow_mut().get_or_insert(error);
            }
        };
        // Verdicts that nobody reads any more are not worth the trouble.
        let stop = || self.stopping.is_stopped() || broken.borrow().is_some();
        let runner = self.runner(name);
        let report = runner.run(rows, &mut target, &mut events, &stop);
        progress.end();
        if let Some(error) = broken.into_inner() {
            return Err(error.into());
        }
        drop(target);
        for run in shown {
            let row = report.row(run.requirement.id);
            show_packets(run, row, self.arguments.format)?;
        }
        Ok(report)
    }

    /// Returns what tries requirements on an endpoint of this name.
    fn runner(&self, name: &str) -> Runner {
        Runner::new(name).with_level(match self.arguments.level {
            LevelArgument::Must => Level::Must,
            LevelArgument::Should => Level::Should,
        })
    }

    /// Writes a verdict as it comes, for programs.
    fn write_event(&self, server: &str, event: &Event<'_>) -> io::Result<()> {
        let (Format::Json, Event::Finished(row)) = (self.arguments.format, event) else {
            return Ok(());
        };
        let mut out = io::stdout().lock();
        write::json_row(server, row, self.expectations, &json::now(), &mut out)?;
        out.flush()
    }
}

/// Says what is going to be done to whom.
fn announce(reached: &Reached, rows: &[&Requirement]) {
    let (server, address) = (&reached.server, reached.address);
    let alpn = match &reached.alpn {
        Some(name) => format!("ALPN {}", text::name(&String::from_utf8_lossy(name))),
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

/// Prints what was found; of JSON, what stands behind the verdicts.
fn print(arguments: &ConformArguments, found: &Document<'_>) -> io::Result<()> {
    let text = |out: &mut dyn Write| {
        match found.matrix.reports() {
            [report] => write::text(report, found.origin, out)?,
            _ => {
                let width = Form::of(io::stdout()).width;
                write::text_of_several(found.matrix, arguments.differences, width, out)?;
            }
        }
        let comparison = found.comparison;
        comparison.map_or(Ok(()), |comparison| {
            write::text_of_comparison(comparison, out)
        })
    };
    visitors::show(arguments.format, text, |out| {
        found.json_summary(&json::now(), out)
    })
}

/// Returns what was selected; what is wrong with it is said before anything is done.
fn selection(arguments: &ConformArguments) -> Result<Selection, Failure> {
    // What is shown is tried, too.
    let only = [&*arguments.only, &*arguments.show].concat();
    let selection = Selection::new(side(arguments))
        .with_only(&only)
        .and_then(|selection| selection.with_except(&arguments.except));
    Ok(selection.map_err(anyhow::Error::new)?)
}

/// Returns the requirements whose packets are shown.
fn shown(arguments: &ConformArguments) -> Result<Vec<&'static Requirement>, Failure> {
    if arguments.show.is_empty() {
        return Ok(Vec::new());
    }
    let selection = Selection::new(side(arguments)).with_only(&arguments.show);
    let selection = selection.map_err(anyhow::Error::new)?;
    rows(&selection.with_crashing(true))
}

fn side(arguments: &ConformArguments) -> Side {
    match arguments.client {
        true => Side::Client,
        false => Side::Server,
    }
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
    let tested = ["{target}", "--client"][usize::from(arguments.client)];
    let mut again = format!("qecho conform {tested} --show {{id}}");
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
    if !arguments.command.is_empty() {
        again += " -- {target}";
    }
    Origin {
        command: command_line::of_this_process(),
        again,
        began: json::now(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}
