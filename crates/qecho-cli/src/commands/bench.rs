//! `qecho bench`.

mod display;
pub(super) mod output;
mod start;
mod verdict;

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
        mpsc::channel,
    },
};

use qecho_cert::TrustVerifier;
use qecho_echo::dial::{DialFailure, KEEP_ALIVE};
use qecho_engine::{Side, config::Transport};
use qecho_io::StartError;
use qecho_measure::bench::{Bench, BenchError, Config, render};
use qecho_packet::close::CERTIFICATE_REQUIRED;
use qecho_terminal::prose::Prose;

use self::display::ProgressLine;
use super::{
    command_line, dialing, observing::Observing, report_file::ReportFile, resolve, signals, trust,
};
use crate::{
    args::{BenchArguments, BenchFormat, Load},
    exit::{ExitStatus, Failure},
    render::json,
    stderr::{INSECURE, say},
};

/// Puts load on a server and reports what was measured.
pub(super) fn run(arguments: &BenchArguments) -> Result<ExitStatus, Failure> {
    let load = arguments.load().map_err(anyhow::Error::msg)?;
    let idle_timeout = Transport::default().idle_timeout;
    let lines = io::stderr();
    let observing = Observing::start(&arguments.observe, Side::Client, idle_timeout, lines)?;
    let ending = bench(arguments, &load, &observing);
    observing.finish();
    ending
}

fn bench(
    arguments: &BenchArguments,
    load: &Load,
    observing: &Observing,
) -> Result<ExitStatus, Failure> {
    let verifier = trust::verifier(&arguments.dial)?;
    if arguments.dial.insecure {
        say(INSECURE);
    }
    let config = config(arguments, load, verifier.clone(), observing)?;
    let begin = config.begin.clone();
    // Before the work: nobody wants to learn after it that it cannot be kept.
    let outputs = arguments.output.iter().map(|path| ReportFile::open(path));
    let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    let bench = Bench::new(config);
    let stopper = bench.stopper();
    let (stop, stopped) = channel();
    let signal = Arc::new(AtomicU8::new(0));
    let came = signal.clone();
    signals::on_signal(move |ending| {
        came.store(ending as u8, Ordering::Release);
        stopper.stop();
        // Nobody listens any more once the load has begun.
        let _ = stop.send(());
    })?;
    let mut display = ProgressLine::new(arguments, load);
    if let Some(begin) = &begin {
        start::wait(begin, &stopped, || display.wait(&begin.name));
    }
    let outcome = bench.run(&mut |progress| display.show(&progress));
    display.end();
    let ending = match signal.load(Ordering::Acquire) {
        0 => None,
        code if code == ExitStatus::Interrupted as u8 => Some(ExitStatus::Interrupted),
        _ => Some(ExitStatus::Terminated),
    };
    let mut report = match (outcome, ending) {
        (Ok(report), _) => report,
        (Err(BenchError::Stopped), Some(ending)) => return Err(Failure::silent(ending)),
        (Err(error), _) => return Err(explain(arguments, &verifier, error)),
    };
    report.time = Some(json::now());
    report.started_at = Some(display.started_at());
    report.command_line = Some(command_line::of_this_process());
    report.host = Some(command_line::host());
    report.check_thresholds(&arguments.fail_if);
    let mut out = io::stdout().lock();
    match arguments.format {
        BenchFormat::Text => {
            let mut out = Prose::new(&mut out);
            render::text(&report, &mut out)?;
            out.flush()?;
        }
        BenchFormat::Json => json::line(&report.without_distributions(), &mut out)?,
        BenchFormat::Csv => render::csv(&report, &mut out)?,
    }
    out.flush()?;
    // Each is tried, also when another has failed.
    let written: Vec<_> = outputs
        .iter()
        .map(|file| output::write(file, &report))
        .collect();
    written.into_iter().collect::<Result<(), _>>()?;
    verdict::verdict(&report, ending)
}

fn config(
    arguments: &BenchArguments,
    load: &Load,
    verifier: Arc<TrustVerifier>,
    observing: &Observing,
) -> Result<Config, Failure> {
    let target = resolve::target(&arguments.server)?;
    // They may be silent for long when they are held, or when their rate is low.
    let transport = Transport::default().with_keep_alive(KEEP_ALIVE);
    let mut config = Config::new(target, verifier);
    config.alpn = arguments.dial.alpn.clone();
    config.key_log = observing.key_log(arguments.observe.key_log.as_deref())?;
    config.observers = observing.observers();
    config.transport = transport.with_udp_payload_max(arguments.udp_payload_max);
    config.workload = load.workload;
    config.arrival = load.arrival;
    config.plan = load.plan.clone();
    config.begin = arguments.start_at.map(start::begin);
    config.goal = load.goal;
    config.warmup = load.warmup;
    config.connections = load.connections;
    config.idle_connections = load.idle_connections;
    config.sockets = load.sockets;
    config.shards = load.shards;
    config.timeout = arguments.timeout;
    config.sessions = load.sessions;
    config.verify = load.verify;
    config.server_pid = arguments.server_pid;
    config.seed = arguments.seed;
    Ok(config)
}

/// Tells whether the server wanted a certificate of the client.
fn wants_certificate(dial: &DialFailure) -> bool {
    matches!(dial, DialFailure::Handshake { reason, .. }
        if reason.transport_code() == Some(CERTIFICATE_REQUIRED))
}

/// Finds the words for a load that did not come about.
fn explain(arguments: &BenchArguments, verifier: &TrustVerifier, error: BenchError) -> Failure {
    if let BenchError::Dial(dial) = &error {
        let failure = dialing::failure(&arguments.server, &arguments.dial.alpn, verifier, dial);
        return match wants_certificate(dial) {
            true => failure.hint("qecho bench shows none; start the server without --client-ca"),
            false => failure,
        };
    }
    let hint = match &error {
        BenchError::Start(StartError::Bind(_)) => {
            Some("give fewer --sockets, or let a process open more files (ulimit -n)")
        }
        BenchError::NoBaseline { transport, .. } => Some(match transport.as_str() {
            "tls" => "the server answers there if it is started with --also tls",
            _ => "the server answers there if it is started with --also udp",
        }),
        BenchError::Process { .. } => Some("--server-pid names a server on this host (Linux)"),
        _ => None,
    };
    let is_negative = matches!(
        error,
        BenchError::NoDatagrams | BenchError::NoBaseline { .. }
    );
    let error = anyhow::Error::new(error);
    let failure = match is_negative {
        true => Failure::negative(error),
        false => Failure::from(error),
    };
    failure.maybe_hint(hint)
}
