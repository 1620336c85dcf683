//! `qecho server`.

pub(super) mod certificate;
mod file_watcher;

use std::{
    io::{self, IsTerminal},
    num::NonZeroUsize,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use anyhow::Context;
use qecho_cert::{ClientVerifier, ServerIdentity};
use qecho_echo::server::{Command, Echo, End, NOTICES_MAX, Notice, Report, start_on};
use qecho_engine::{
    Secrets, ServerTls, Side,
    config::{AdmissionSettings, RetryPolicy, Transport},
};
use qecho_io::{
    Server, ServerConfig, StartError,
    listen::{Listen, overlap},
};
use qecho_measure::baseline_servers::{BaselineServers, BindScope};
use qecho_monitor::{Limits, Monitor, MonitorSockets, service_manager};
use rustls::server::danger::ClientCertVerifier;

use self::{
    certificate::LoadedIdentity,
    file_watcher::{FileWatcher, WatchedFiles},
};
use super::{listen_hint, observing::Observing, show, signals};
use crate::{
    args::{
        AlsoArgument, EndArgument, MemoryMaxArgument, MessagesArgument, RetryArgument,
        ServerArguments, Switch,
    },
    exit::{ExitStatus, Failure},
    render::server::Listening,
    stderr::{self, say, say_later},
};

/// Runs the server until a signal ends it.
pub(super) fn run(arguments: &ServerArguments) -> Result<ExitStatus, Failure> {
    let (idle_timeout, lines) = (arguments.idle_timeout, io::stderr());
    let observing = Observing::start(&arguments.observe, Side::Server, idle_timeout, lines)?;
    let ending = serve(arguments, &observing);
    observing.finish();
    ending
}

fn serve(arguments: &ServerArguments, observing: &Observing) -> Result<ExitStatus, Failure> {
    let LoadedIdentity { identity, files } = certificate::load(arguments)?;
    let clients = clients(arguments)?;
    let config = config(arguments, &identity, clients.clone(), observing)?;
    let (notices, readable) = notices(arguments);
    let metrics = arguments.metrics.map(bind_metrics).transpose()?;
    let bound = baseline_servers(&arguments.also).bind(&config);
    let (sockets, baseline_servers) = bound.map_err(|error| explain(error, arguments))?;
    let end = match arguments.end {
        EndArgument::WithPeer => End::WithPeer,
        EndArgument::AfterMessage => End::AfterMessage,
    };
    // The printer ends when no shard can send a notice any more.
    let server = start_on(&config, sockets, Echo::new(end, notices));
    let server = server.map_err(|error| explain(error, arguments))?;
    if let Some(reason) = server.unsteered() {
        say(format_args!(
            "one shard does all the work: this system cannot steer packets to several ({reason})"
        ));
    }
    let monitor = monitor(&server, &config, identity.clone());
    // Whoever reads that the server listens may ask it to end at once.
    let files = WatchedFiles {
        identity: files,
        clients,
    };
    let watcher = FileWatcher::new(files, arguments.format, monitor.clone());
    drain_on_signal(arguments, &server, watcher.as_ref(), monitor.clone())?;
    let listening = Listening {
        addresses: server.addresses(),
        baseline_servers: baseline_servers.addresses(),
        metrics: metrics.as_ref().map_or(&[], MonitorSockets::addresses),
        names: &identity.names(),
        expires: identity.expires(),
        pin: identity.pin(),
        authority: identity.authority_path(),
        client_authorities: &arguments.client_ca,
    };
    show(&listening, arguments.format)?;
    if let Some(metrics) = metrics {
        monitor.serve(metrics).context("cannot serve metrics")?;
    }
    service_manager::ready();
    service_manager::keep_watchdog(&monitor).context("cannot keep the watchdog")?;
    if let Some(watcher) = watcher {
        watcher.start()?;
    }
    let format = arguments.format;
    let printer = readable.map(|notices| {
        thread::spawn(move || notices.iter().try_for_each(|notice| show(&notice, format)))
    });
    let echoes = server.wait().context("cannot wait for packets")?;
    // What follows may wait for whoever reads it.
    signals::end_soon();
    let report: Report = echoes.into_iter().map(Echo::into_report).sum();
    drop(baseline_servers);
    if let Some(printer) = printer {
        // Its own end is nothing to report: stdout has gone.
        let _ = printer.join();
    }
    stderr::finish();
    show(&report, arguments.format)?;
    Ok(ExitStatus::Done)
}

fn config(
    arguments: &ServerArguments,
    identity: &Arc<dyn ServerIdentity>,
    clients: Option<Arc<ClientVerifier>>,
    observing: &Observing,
) -> Result<ServerConfig, Failure> {
    let mut config = ServerConfig::new(identity.clone());
    config.listen = arguments.listen.clone();
    config.shards = arguments.shards.unwrap_or_else(cores);
    config.spin = arguments.spin;
    config.tls = ServerTls::new(identity.clone(), arguments.alpn.clone())
        .with_client_verifier(clients.map(|clients| clients as Arc<dyn ClientCertVerifier>))
        .with_early_data(arguments.early_data == Switch::On)
        .with_key_log(observing.key_log(arguments.observe.key_log.as_deref())?);
    config.admission = AdmissionSettings::default()
        .with_retry(match arguments.retry {
            RetryArgument::Auto => RetryPolicy::Auto,
            RetryArgument::Always => RetryPolicy::Always,
            RetryArgument::Never => RetryPolicy::Never,
        })
        .with_connections_max(arguments.max_connections)
        .with_connections_per_address_max(arguments.max_connections_per_address);
    config.transport = Transport::default()
        .with_idle_timeout(arguments.idle_timeout)
        .with_streams_max(arguments.max_streams);
    config.memory_max = match arguments.memory_max {
        MemoryMaxArgument::Auto => config.memory_max,
        MemoryMaxArgument::Off => None,
        MemoryMaxArgument::Bytes(bytes) => Some(bytes),
    };
    config.secrets = Secrets::from_master(&identity.secret());
    config.observers = observing.observers();
    Ok(config)
}

fn baseline_servers(also: &[AlsoArgument]) -> BaselineServers {
    let has = |wanted| also.contains(&wanted);
    BaselineServers {
        tls: has(AlsoArgument::Tls),
        udp: match (has(AlsoArgument::UdpAnywhere), has(AlsoArgument::Udp)) {
            (true, _) => Some(BindScope::Anywhere),
            (false, true) => Some(BindScope::Loopback),
            (false, false) => None,
        },
    }
}

/// Loads the CAs that clients must be known to, if there are any.
fn clients(arguments: &ServerArguments) -> anyhow::Result<Option<Arc<ClientVerifier>>> {
    if arguments.client_ca.is_empty() {
        return Ok(None);
    }
    let clients = ClientVerifier::load(&arguments.client_ca)
        .context("cannot decide which clients to let in")?;
    Ok(Some(Arc::new(clients)))
}

/// Returns how many cores this process may use.
fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

fn explain(error: StartError, arguments: &ServerArguments) -> Failure {
    let kind = match &error {
        StartError::Bind(bind) => Some(bind.source.kind()),
        _ => None,
    };
    let is_busy = kind == Some(io::ErrorKind::AddrInUse);
    let hint = match kind {
        _ if is_busy && wants_port_twice(arguments) && !overlap(&arguments.listen) => Some(
            "this server itself wants the port twice, for --also tls and for --metrics; \
             choose another by --metrics PORT",
        ),
        Some(kind) => listen_hint(kind, &arguments.listen),
        None => None,
    };
    Failure::from(anyhow::Error::new(error)).maybe_hint(hint)
}

/// Tells whether metrics and TLS over TCP are to have the same port of the same address.
fn wants_port_twice(arguments: &ServerArguments) -> bool {
    let tls = arguments.also.contains(&AlsoArgument::Tls);
    let twice = |metrics: Listen| {
        let mut places = arguments.listen.iter();
        places.any(|place| overlap(&[*place, metrics]))
    };
    tls && arguments.metrics.is_some_and(twice)
}

fn bind_metrics(place: Listen) -> Result<MonitorSockets, Failure> {
    MonitorSockets::bind(place).map_err(|error| {
        let hint = listen_hint(error.source.kind(), &[]);
        let hint = hint.map(|hint| {
            let hint = hint.replace("--listen localhost:PORT", "--metrics PORT");
            hint.replace("--listen", "--metrics")
        });
        let place = format!("cannot serve metrics on {}", error.address);
        Failure::from(anyhow::Error::new(error.source).context(place)).maybe_hint(hint)
    })
}

/// Makes what watches the server.
fn monitor(
    server: &Server<Echo>,
    config: &ServerConfig,
    identity: Arc<dyn ServerIdentity>,
) -> Monitor {
    let admission = config.admission.clone().within_memory(config.memory_max);
    let limits = Limits {
        connections: admission.connections_max,
        memory: config.memory_max,
    };
    let expires = move || identity.expires().unix_timestamp();
    Monitor::new(server, limits, expires)
}

/// Makes the way by which the server tells what happens, if that is wanted.
fn notices(
    arguments: &ServerArguments,
) -> (
    Option<std::sync::mpsc::SyncSender<Notice>>,
    Option<Receiver<Notice>>,
) {
    let wanted = match arguments.messages {
        MessagesArgument::Always => true,
        MessagesArgument::Never => false,
        MessagesArgument::Auto => io::stdout().is_terminal(),
    };
    if !wanted {
        return (None, None);
    }
    let (sender, receiver) = sync_channel(NOTICES_MAX);
    (Some(sender), Some(receiver))
}

/// Ends gracefully on the first signal, at once on the second; SIGHUP has the files read
/// again that are followed, if there are any.
fn drain_on_signal(
    arguments: &ServerArguments,
    server: &Server<Echo>,
    watcher: Option<&FileWatcher>,
    monitor: Monitor,
) -> anyhow::Result<()> {
    let reload = watcher.map(FileWatcher::reloader);
    let mailboxes = server.mailboxes();
    let grace = arguments.drain;
    let mut draining = false;
    let ready = monitor.clone();
    let react = move |ending| {
        if draining {
            std::process::exit(ending as i32);
        }
        draining = true;
        monitor.note_draining();
        let finishing = humantime::format_duration(grace);
        let status = format!("shutting down: open streams have {finishing} to finish");
        // A server without connections ends as soon as it is asked to, and waits for this line.
        say_later(format!("{status}; a second signal stops at once"));
        mailboxes.send(&Command::Drain(grace));
        service_manager::stopping(&status, grace.saturating_add(signals::ENDING_PATIENCE));
    };
    signals::on_signal_or_hangup(grace, react, move || match &reload {
        Some(reload) => reload(),
        None => {
            if ready.is_ready() {
                service_manager::reloading();
                service_manager::ready();
            }
            say_later(
                "SIGHUP: there are no files to read again; \
                 the certificate for localhost is renewed without it",
            );
        }
    })
}
