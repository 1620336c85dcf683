//! `qecho ping`.

mod reporter;
mod screen;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
};

use anyhow::{Context, anyhow};
use qecho_cert::{HostPort, TrustVerifier};
use qecho_echo::dial::Target;
use qecho_engine::{Side, config::Transport};
use qecho_measure::ping::{Config, Destination, EventSink, Mode, Ping, PingEvent, SIZE};
use rustls::client::ResolvesClientCert;

use self::{reporter::Reporter, screen::Screen};
use super::{full_screen, observing::Observing, resolve, signals, trust};
use crate::{
    args::{PingArguments, PingOver},
    exit::{ExitStatus, Failure},
};

/// Rows that wait to be written; more are counted and left out, for the ping
/// itself must not wait.
const ROWS_MAX: usize = 65_536;

/// Something that the ping's command has to react to.
enum CommandEvent {
    /// An event of the host of this index.
    Ping(usize, PingEvent),
    Signal(ExitStatus),
    /// The live view is to be drawn.
    Picture,
}

/// Counts of rows between the ping and the command.
#[derive(Debug, Default)]
struct Rows {
    /// Those that wait to be written.
    waiting: AtomicUsize,
    left_out: AtomicU64,
}

/// Pings until it is done or a signal ends it.
pub(super) fn run(arguments: &PingArguments) -> Result<ExitStatus, Failure> {
    check(arguments)?;
    if arguments.live {
        full_screen::prepare()?;
    }
    let idle_timeout = Transport::default().idle_timeout;
    let lines = io::stderr();
    let observing = Observing::start(&arguments.observe, Side::Client, idle_timeout, lines)?;
    let ending = ping(arguments, &observing);
    observing.finish();
    ending
}

/// Refuses what cannot be meant together.
fn check(arguments: &PingArguments) -> Result<(), Failure> {
    let over = arguments.over;
    if arguments.size.is_some() && !matches!(over, PingOver::Stream | PingOver::Datagram) {
        let name = over.name();
        let error = anyhow!("--over {name} sends no messages that could have a size");
        return Err(Failure::from(error).hint("leave out -s, or take --over stream or datagram"));
    }
    if arguments.resume && over != PingOver::Handshake {
        return Err(Failure::from(anyhow!("--resume is for --over handshake")));
    }
    if arguments.live {
        screen::check()?;
    }
    let observe = &arguments.observe;
    let is_seen = observe.capture.pcap.is_some()
        || observe.trace.is_some()
        || observe.qlog.directory.is_some()
        || observe.key_log.is_some();
    if over == PingOver::Vn && is_seen {
        let error = anyhow!("--over vn has no connection whose packets could be shown");
        return Err(Failure::from(error)
            .hint("leave out --trace, --qlog, --pcap and --keylog, or take --over handshake"));
    }
    Ok(())
}

fn ping(arguments: &PingArguments, observing: &Observing) -> Result<ExitStatus, Failure> {
    let size = arguments.size.unwrap_or(SIZE);
    let mut reporter = Reporter::new(arguments, size);
    reporter.header()?;
    let destinations = destinations(arguments, &mut reporter)?;
    let identity = trust::identity(arguments.cert.as_deref(), arguments.key.as_deref())?;
    let mut config = Config::new(destinations);
    config.mode = mode(arguments.over);
    config.count = arguments.count;
    config.interval = arguments.interval;
    config.size = size;
    config.timeout = arguments.timeout;
    config.gives_up = arguments.give_up;
    config.alpn = arguments.dial.alpn.clone();
    config.resume = arguments.resume;
    config.early_data = arguments.early_data;
    config.identity = identity.map(|identity| identity as Arc<dyn ResolvesClientCert>);
    config.key_log = observing.key_log(arguments.observe.key_log.as_deref())?;
    config.observers = observing.observers();
    let (sender, events) = channel();
    let rows = Arc::<Rows>::default();
    let interrupted = sender.clone();
    signals::on_signal(move |ending| {
        // Whoever does not listen any more has ended.
        let _ = interrupted.send(CommandEvent::Signal(ending));
    })?;
    // Ctrl-C may come as soon as there is a screen.
    let mut screen = match arguments.live {
        true => Some(Screen::open(&reporter, &sender)?),
        false => None,
    };
    if screen.is_none() {
        reporter.begin()?;
    }
    let ping = Ping::start(&config, sink(sender, rows.clone())).context("cannot start to ping")?;
    let ending = follow(&ping, &mut reporter, screen.as_mut(), &events, &rows);
    let ending = ending.and_then(|stopped| {
        for (host, event) in screen.map(Screen::close).unwrap_or_default() {
            reporter.report(host, &event)?;
        }
        Ok(reporter.ending(stopped))
    });
    if ending.is_err() {
        ping.stop();
    }
    ping.wait().context("cannot wait for packets")?;
    reporter.left_out(rows.left_out.load(Relaxed));
    ending
}

/// Says or shows what the ping tells until it has ended; returns what has
/// stopped it, if something has.
fn follow(
    ping: &Ping,
    reporter: &mut Reporter,
    mut screen: Option<&mut Screen>,
    events: &Receiver<CommandEvent>,
    rows: &Rows,
) -> Result<Option<ExitStatus>, Failure> {
    let mut live = reporter.subjects().count();
    let mut stopped = None;
    for event in events {
        match event {
            CommandEvent::Ping(host, event) => {
                if is_row(&event) {
                    rows.waiting.fetch_sub(1, Relaxed);
                }
                match &mut screen {
                    Some(screen) => screen.note(host, &event),
                    None => reporter.report(host, &event)?,
                }
                live -= usize::from(matches!(event, PingEvent::Ended(_)));
                if live == 0 {
                    return Ok(stopped);
                }
            }
            CommandEvent::Picture => {
                if let Some(screen) = &mut screen {
                    screen.draw()?;
                }
            }
            CommandEvent::Signal(ending) => {
                stopped = Some(ending);
                ping.stop();
            }
        }
    }
    Err(anyhow!("the ping's thread ended without a word").into())
}

/// Tells whether an event is one of many that may be left out.
fn is_row(event: &PingEvent) -> bool {
    matches!(
        event,
        PingEvent::Reply(_) | PingEvent::Late(_) | PingEvent::Lost(_) | PingEvent::Duplicate { .. }
    )
}

/// Returns what hands events over to the command without ever waiting for it.
fn sink(sender: Sender<CommandEvent>, rows: Arc<Rows>) -> EventSink {
    Box::new(move |host, event| {
        if is_row(&event) {
            if rows.waiting.load(Relaxed) == ROWS_MAX {
                rows.left_out.fetch_add(1, Relaxed);
                return;
            }
            rows.waiting.fetch_add(1, Relaxed);
        }
        // A command that has ended needs no telling.
        let _ = sender.send(CommandEvent::Ping(host, event));
    })
}

/// Finds the addresses of all hosts. A host without one is reported, and the
/// others are pinged, unless there are none.
fn destinations(
    arguments: &PingArguments,
    reporter: &mut Reporter,
) -> Result<Vec<Destination>, Failure> {
    let mut destinations = Vec::new();
    let mut failures = Vec::new();
    for server in &arguments.hosts {
        match destination(arguments, server) {
            Ok((target, verifier)) => {
                reporter.add(server, verifier.clone());
                destinations.push(Destination { target, verifier });
            }
            Err(failure) => failures.push((server, failure)),
        }
    }
    if destinations.is_empty()
        && failures.len() == 1
        && let Some((_, failure)) = failures.pop()
    {
        return Err(failure);
    }
    for (server, failure) in failures {
        reporter.cannot_ping(server, &failure)?;
    }
    match destinations.is_empty() {
        true => Err(Failure::silent(ExitStatus::CouldNotRun)),
        false => Ok(destinations),
    }
}

fn destination(
    arguments: &PingArguments,
    server: &HostPort,
) -> Result<(Target, Arc<TrustVerifier>), Failure> {
    let mut target = resolve::target(server)?;
    for (only, family, keeps) in [
        (arguments.ipv4, "IPv4", true),
        (arguments.ipv6, "IPv6", false),
    ] {
        if only {
            target
                .addresses
                .retain(|address| address.is_ipv4() == keeps);
            if target.addresses.is_empty() {
                return Err(anyhow!("{} has no {family} address", server.host).into());
            }
        }
    }
    let verifier = trust::verifier(&arguments.dial)?;
    Ok((target, verifier))
}

fn mode(over: PingOver) -> Mode {
    match over {
        PingOver::Stream => Mode::Stream,
        PingOver::Datagram => Mode::Datagram,
        PingOver::Frame => Mode::Frame,
        PingOver::Handshake => Mode::Handshake,
        PingOver::Vn => Mode::VersionNegotiation,
    }
}
