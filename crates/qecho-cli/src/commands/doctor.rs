//! `qecho doctor`.

mod announcing;
mod progress;
mod target;

use std::{
    cell::RefCell,
    io::{self, StdoutLock, Write},
    sync::atomic::Ordering::SeqCst,
};

use anyhow::Context;
use qecho_probe::doctor::{
    Options, Progress, Report, Rung, RungReport, Target, climb, world::HostWorld,
};
use qecho_terminal::{
    prose::{Form, Prose},
    signs,
};

use self::progress::ProgressLine;
use super::{
    command_line, report_file::ReportFile, show, signals::FilesEnding, stopping::Stopping,
};
use crate::{
    args::{DialArguments, DoctorArguments, Format, Suspect},
    exit::{ExitStatus, Failure},
    render::{
        doctor::{self, Control, Diagnosis, Origin, Outcome, Signs},
        json,
    },
    stderr::{INSECURE, say, say_failure},
};

/// Climbs the ladder, and says what is wrong and what to do.
pub(super) fn run(arguments: &DoctorArguments) -> Result<ExitStatus, Failure> {
    let origin = Origin {
        command: command_line::of_this_process(),
        began: json::now(),
        version: env!("CARGO_PKG_VERSION"),
    };
    // Names are looked up before there is anything to lose by a signal.
    let host = arguments.host.as_ref();
    let target = host.map(|host| target::find(host, &arguments.dial));
    let target = target.transpose()?;
    let control = match &arguments.control {
        Some(control) => Some((control, target::find(control, &anybody())?)),
        None => None,
    };
    let output = arguments.output.as_deref().map(ReportFile::open);
    let output = output.transpose()?;
    let stopping = Stopping::listen()?;
    if arguments.dial.insecure {
        say(INSECURE);
    }
    let target = target.as_ref();
    announcing::announce(target, &options(arguments));
    let examination = Examination {
        arguments,
        stopping: &stopping,
        unwritten: RefCell::default(),
    };
    let report = examination.climb(host, target, options(arguments));
    let control = control.map(|(host, target)| examination.control(host, &target, &report));
    let diagnosis = Diagnosis {
        target: host.map(Suspect::to_string),
        control,
        report,
        is_partial: stopping.is_stopped(),
    };
    let shown = match examination.unwritten.take() {
        Some(error) => Err(error),
        None => show(&diagnosis, arguments.format),
    };
    if let Some(file) = &output
        && let Err(error) = keep(file, &diagnosis, &origin)
    {
        say_failure(format_args!("{error:#}"), None);
        return Err(Failure::silent(ExitStatus::CouldNotRun));
    }
    shown?;
    stopping.check()?;
    match diagnosis.outcome() {
        Outcome::Well => Ok(ExitStatus::Done),
        Outcome::Cause | Outcome::Untold => Err(Failure::silent(ExitStatus::Negative)),
    }
}

/// Settings with which a server is looked at.
struct Examination<'a> {
    arguments: &'a DoctorArguments,
    stopping: &'a Stopping,
    /// Why the output takes nothing more, once it does not.
    unwritten: RefCell<Option<io::Error>>,
}

impl Examination<'_> {
    /// Climbs the ladder, and writes each rung as soon as it is done.
    fn climb(&self, host: Option<&Suspect>, target: Option<&Target>, options: Options) -> Report {
        let name = host.map(Suspect::to_string);
        let progress = ProgressLine::new(&options);
        let verifier = target.map(|target| target.verifier.clone());
        let mut world = HostWorld::new(self.stopping.flag());
        if let Some(verifier) = verifier {
            world = world.with_verifier(verifier);
        }
        let mut each = |report: &RungReport| {
            progress.past(|| self.write(|out| self.write_rung(name.as_deref(), report, out)));
        };
        let mut tell = |what: Progress| progress.show(&what);
        let report = climb(&mut world, target, &options, &mut tell, &mut each);
        progress.end();
        report
    }

    /// Tries a server that is known to work, if there is something to tell apart.
    fn control(&self, host: &Suspect, target: &Target, of: &Report) -> Control {
        let is_wanted = of.cause().is_some() && !self.stopping.is_stopped();
        let mut report = None;
        if is_wanted {
            let mut options = options(self.arguments);
            options.is_quick = true;
            options.tries_silences = false;
            options.highest = Rung::Handshake;
            announcing::announce(Some(target), &options);
            self.write(|out| match self.arguments.format {
                Format::Text => writeln!(out, "The control, {host}:"),
                Format::Json => Ok(()),
            });
            report = Some(self.climb(Some(host), Some(target), options));
        }
        Control {
            host: host.to_string(),
            report,
        }
    }

    /// Writes to the output, unless that takes nothing any more.
    fn write(&self, write: impl FnOnce(&mut StdoutLock<'_>) -> io::Result<()>) {
        let mut unwritten = self.unwritten.borrow_mut();
        if unwritten.is_none() {
            let mut out = io::stdout().lock();
            let written = write(&mut out).and_then(|()| out.flush());
            *unwritten = written.err();
        }
        // What nobody reads, now or later, is not worth the trouble.
        if unwritten.is_some() && self.arguments.output.is_none() {
            self.stopping.flag().store(true, SeqCst);
        }
    }

    fn write_rung(
        &self,
        target: Option<&str>,
        report: &RungReport,
        out: &mut StdoutLock<'_>,
    ) -> io::Result<()> {
        // Without a server the other rungs have nothing to stand on.
        if target.is_none() && report.rung != Rung::Machine {
            return Ok(());
        }
        let signs = match signs::are_shown(&*out) {
            true => Signs::UNICODE,
            false => Signs::ASCII,
        };
        let width = Form::of(&*out).width;
        match self.arguments.format {
            Format::Json => doctor::rung_line(target, report, out),
            Format::Text => {
                let mut out = Prose::new(out);
                doctor::rung(report, signs, width, &mut out)?;
                out.flush()
            }
        }
    }
}

/// Returns with which options the ladder is climbed.
fn options(arguments: &DoctorArguments) -> Options {
    let mut options = Options::default();
    options.patience = arguments.timeout;
    options.is_quick = arguments.quick;
    options.tries_silences = arguments.nat;
    options
}

/// Returns how a server is dialled that everybody trusts.
fn anybody() -> DialArguments {
    DialArguments {
        alpn: qecho_echo::dial::Alpn::Auto,
        ca: Vec::new(),
        pin: None,
        insecure: false,
    }
}

/// Writes the page.
fn keep(file: &ReportFile, diagnosis: &Diagnosis, origin: &Origin) -> anyhow::Result<()> {
    let mut page = Vec::new();
    doctor::html(diagnosis, origin, &mut page).context("cannot write a page")?;
    FilesEnding::during(|| file.write(&page))
}
