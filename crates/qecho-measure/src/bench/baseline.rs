//! A load over something that is not QUIC, to compare QUIC with.

mod bare;
mod tls;

use std::{
    net::SocketAddr,
    sync::{Arc, Barrier, mpsc::channel},
    thread,
    time::Duration,
};

use qecho_echo::dial::Alpn;
use qecho_engine::TlsError;
use qecho_io::{ForwardingLoop, ReceiveErrors, Runner, Socket};
use rustls::{ClientConfig, client::Resumption, version::TLS13};

use self::{
    bare::BareLoad,
    tls::{Agreed, Load},
};
use super::{
    BenchError, Progress, THREAD,
    collector::{self, Collector},
    config::{Config, Sessions},
    generator::{Listener, Outcome},
    processor::{self, Usage},
    report::{Findings, Report, Server},
    run::{Run, unspecified},
};

impl Run<'_> {
    /// Makes the load over TLS 1.3 on TCP, on the address where QUIC has found
    /// the server.
    pub(super) fn run_over_tls(
        &self,
        remote: SocketAddr,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Report, BenchError> {
        self.stopper.clear();
        let first = self.usage()?;
        let interval = self.interval();
        let tls = Arc::new(tls_of(self.config)?);
        let load = |number| Load::new(self, number, remote, tls.clone(), interval);
        let loads = (0..self.config.shards).map(load);
        let loads = loads.collect::<Result<Vec<_>, _>>()?;
        let barrier = Arc::new(Barrier::new(self.config.shards));
        let (told, hear) = channel();
        let mut collector =
            Collector::new(interval, self.config.goal.duration(), self.config.shards);
        let (usages, outcomes) = thread::scope(|scope| {
            let mut workers = Vec::new();
            for (number, load) in loads.into_iter().enumerate() {
                let told = told.clone();
                let barrier = barrier.clone();
                workers.push(scope.spawn(move || {
                    processor::wake_precisely();
                    // Who does not hear any more has been told enough.
                    load.run(&barrier, &|words| drop(told.send((number, words))))
                }));
            }
            drop(told);
            let usages = self.hear(&hear, &mut collector, tell);
            let outcomes = workers.into_iter().map(|worker| match worker.join() {
                Ok(outcome) => outcome.map_err(BenchError::Wait),
                Err(panic) => std::panic::resume_unwind(panic),
            });
            let outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, BenchError>((usages, outcomes))
        })?;
        let (outcomes, agreed): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
        Ok(self.report_over(Over {
            name: "tls",
            remote,
            agreed: agreed.into_iter().flatten().next().unwrap_or_default(),
            sockets: self.config.connections,
            first,
            usages,
            outcomes,
            collector,
        }))
    }

    /// Makes the load over bare UDP, on the port after that of QUIC.
    pub(super) fn run_over_udp(
        &self,
        quic: SocketAddr,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Report, BenchError> {
        self.stopper.clear();
        let first = self.usage()?;
        let remote = SocketAddr::new(quic.ip(), quic.port().wrapping_add(1));
        let interval = self.interval();
        let (told, hear) = channel();
        let mut workers = Vec::new();
        for number in 0..self.config.shards {
            let told = told.clone();
            let listener: Listener = Box::new(move |words| {
                // Who does not hear any more has been told enough.
                let _ = told.send((number, words));
            });
            let load = BareLoad::new(self.config, number, remote, interval, listener);
            let any = unspecified(remote);
            let sockets = vec![Socket::bind(any, ReceiveErrors::Yes)?];
            let forwarding = ForwardingLoop::new(THREAD, load, sockets)?;
            let worker = forwarding.start(format!("bare load {number}"), |forwarding| {
                processor::wake_precisely();
                forwarding.run().map(BareLoad::into_outcome)
            })?;
            self.stopper.add(worker.mailbox().clone());
            workers.push(worker);
        }
        drop(told);
        let mut collector =
            Collector::new(interval, self.config.goal.duration(), self.config.shards);
        let usages = self.hear(&hear, &mut collector, tell);
        let outcomes = workers.into_iter().map(Runner::join);
        let outcomes = outcomes.collect::<Result<Vec<_>, _>>();
        let outcomes = outcomes.map_err(BenchError::Wait)?;
        Ok(self.report_over(Over {
            name: "udp",
            remote,
            agreed: Agreed::default(),
            sockets: self.config.shards,
            first,
            usages,
            outcomes,
            collector,
        }))
    }

    fn interval(&self) -> Duration {
        collector::interval(self.config.goal.duration())
    }

    fn report_over(&self, over: Over) -> Report {
        let elapsed = over.outcomes.iter().map(|outcome| outcome.elapsed).max();
        let agreed = over.agreed;
        let mut report = Report::new(Findings {
            config: self.config,
            server: Server {
                name: self.config.target.server_name.clone(),
                address: over.remote.to_string(),
                alpn: agreed.alpn,
                cipher_suite: agreed.cipher_suite,
                key_exchange: agreed.key_exchange,
            },
            probes: 0,
            sockets: over.sockets,
            outcomes: &over.outcomes,
            intervals: over.collector.into_rows(elapsed.unwrap_or_default()),
            usages: over
                .first
                .zip(over.usages)
                .map(|(first, [begun, ended])| [first, begun, ended]),
        });
        report.run.transport = over.name.into();
        report
    }
}

/// What a load over something else has brought.
struct Over {
    name: &'static str,
    remote: SocketAddr,
    agreed: Agreed,
    sockets: usize,
    first: Option<Usage>,
    usages: Option<[Usage; 2]>,
    outcomes: Vec<Outcome>,
    collector: Collector,
}

/// Returns the TLS that QUIC has, without QUIC.
fn tls_of(config: &Config) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(config.verifier.clone());
    let mut tls = builder.with_no_client_auth();
    if config.sessions == Sessions::New {
        tls.resumption = Resumption::disabled();
    }
    tls.alpn_protocols = match &config.alpn {
        Alpn::Auto => vec![qecho_echo::ALPN_ECHO.to_vec()],
        Alpn::None => Vec::new(),
        Alpn::Name(name) => vec![name.clone()],
    };
    if let Some(key_log) = &config.key_log {
        tls.key_log = key_log.clone();
    }
    Ok(tls)
}
