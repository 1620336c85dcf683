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

use self::{tls::TlsLoad, udp::UdpLoad};
use super::{
    THREAD,
    collector::{self, Collector},
    config::{Config, Sessions},
    error::BenchError,
    events::EventSink,
    processor,
    progress::Progress,
    report::{Measurements, Report, Server},
    run::{Run, unnegotiated, unspecified},
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
        let (outcomes, servers): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
        let mut servers = servers.into_iter();
        let server = servers.find(|server: &Server| !server.cipher_suite.is_empty());
        let measured = Measurements {
            config: self.config,
            server: server.unwrap_or_else(|| unnegotiated(self.config, remote)),
            probes: 0,
            sockets: self.config.connections,
            outcomes: &outcomes,
            collector,
            usages: first.zip(usages),
        };
        Ok(report_over("tls", measured))
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
        let measured = Measurements {
            config: self.config,
            server: unnegotiated(self.config, remote),
            probes: 0,
            sockets: self.config.shards,
            outcomes: &outcomes,
            collector,
            usages: first.zip(usages),
        };
        Ok(report_over("udp", measured))
    }

    fn interval(&self) -> Duration {
        collector::interval(self.config.goal.duration())
    }
}

fn report_over(transport: &str, measured: Measurements<'_>) -> Report {
    let mut report = Report::new(measured);
    report.run.transport = transport.into();
    report
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
