//! A load over another transport, to compare QUIC with.

mod tls;
mod udp;

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
    tls::{Negotiated, TlsLoad},
    udp::UdpLoad,
};
use super::{
    THREAD,
    collector::{self, Collector},
    config::{Config, Sessions},
    error::BenchError,
    events::EventSink,
    outcome::Outcome,
    processor::{self, Usage},
    progress::Progress,
    report::{Measurements, Report, Server},
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
        let load = |number| {
            TlsLoad::new(
                self.config,
                self.stopper,
                number,
                remote,
                tls.clone(),
                interval,
            )
        };
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
                    // A receiver that is gone needs no event.
                    load.run(&barrier, &|event| drop(told.send((number, event))))
                }));
            }
            drop(told);
            let usages = self.receive_events(&hear, &mut collector, tell);
            let outcomes = workers.into_iter().map(|worker| match worker.join() {
                Ok(outcome) => outcome.map_err(BenchError::Wait),
                Err(panic) => std::panic::resume_unwind(panic),
            });
            let outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, BenchError>((usages, outcomes))
        })?;
        let (outcomes, negotiated): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
        Ok(self.report_over(BaselineOutcome {
            name: "tls",
            remote,
            negotiated: negotiated.into_iter().flatten().next().unwrap_or_default(),
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
            let sink: EventSink = Box::new(move |event| {
                // A receiver that is gone needs no event.
                let _ = told.send((number, event));
            });
            let load = UdpLoad::new(self.config, number, remote, interval, sink);
            let any = unspecified(remote);
            let sockets = vec![Socket::bind(any, ReceiveErrors::Yes)?];
            let forwarding = ForwardingLoop::new(THREAD, load, sockets)?;
            let worker = forwarding.start(format!("bare load {number}"), |forwarding| {
                processor::wake_precisely();
                forwarding.run().map(UdpLoad::into_outcome)
            })?;
            self.stopper.add(worker.mailbox().clone());
            workers.push(worker);
        }
        drop(told);
        let mut collector =
            Collector::new(interval, self.config.goal.duration(), self.config.shards);
        let usages = self.receive_events(&hear, &mut collector, tell);
        let outcomes = workers.into_iter().map(Runner::join);
        let outcomes = outcomes.collect::<Result<Vec<_>, _>>();
        let outcomes = outcomes.map_err(BenchError::Wait)?;
        Ok(self.report_over(BaselineOutcome {
            name: "udp",
            remote,
            negotiated: Negotiated::default(),
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

    fn report_over(&self, baseline: BaselineOutcome) -> Report {
        let elapsed = baseline
            .outcomes
            .iter()
            .map(|outcome| outcome.elapsed)
            .max();
        let negotiated = baseline.negotiated;
        let mut report = Report::new(Measurements {
            config: self.config,
            server: Server {
                name: self.config.target.server_name.clone(),
                address: baseline.remote.to_string(),
                alpn: negotiated.alpn,
                cipher_suite: negotiated.cipher_suite,
                key_exchange: negotiated.key_exchange,
            },
            probes: 0,
            sockets: baseline.sockets,
            outcomes: &baseline.outcomes,
            intervals: baseline.collector.into_rows(elapsed.unwrap_or_default()),
            usages: baseline
                .first
                .zip(baseline.usages)
                .map(|(first, [begun, ended])| [first, begun, ended]),
        });
        report.run.transport = baseline.name.into();
        report
    }
}

/// Outcome of a load over another transport.
struct BaselineOutcome {
    name: &'static str,
    remote: SocketAddr,
    negotiated: Negotiated,
    sockets: usize,
    first: Option<Usage>,
    usages: Option<[Usage; 2]>,
    outcomes: Vec<Outcome>,
    collector: Collector,
}

/// Returns the TLS settings of QUIC, for TCP.
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
