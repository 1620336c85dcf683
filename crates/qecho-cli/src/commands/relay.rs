//! `qecho relay`.

use std::{
    net::{IpAddr, SocketAddr},
    sync::mpsc::sync_channel,
    time::Duration,
};

use anyhow::{Context, anyhow};
use qecho_io::{StartError, listen::Listen};
use qecho_netsim::{
    link,
    relay::{Config, Rebind, RebindKind, Relay, RelayError},
};

use super::{listen_hint, resolve, show, signals, spawn};
use crate::{
    args::RelayArguments,
    exit::{ExitStatus, Failure},
    render::relay::{Relaying, Stopped},
    stderr::say_later,
};

/// Notices that wait for a slow reader: each is told once.
const NOTICES_MAX: usize = 4;

/// Relays until a signal ends it.
pub(super) fn run(arguments: &RelayArguments) -> Result<ExitStatus, Failure> {
    let (notices, told) = sync_channel(NOTICES_MAX);
    let config = config(arguments)?.with_notices(notices);
    let relay = Relay::start(&config).map_err(|error| explain(error, &config.listen))?;
    // Whoever reads that the relay is ready may ask it to end at once.
    let stopper = relay.stopper();
    signals::on_signal_or_hangup(
        Duration::ZERO,
        move |_| stopper.stop(),
        || {
            say_later("SIGHUP: there is nothing to read again; SIGINT or SIGTERM ends the relay");
        },
    )?;
    let relaying = Relaying {
        addresses: relay.addresses(),
        config: &config,
    };
    show(&relaying, arguments.format)?;
    let format = arguments.format;
    spawn("notices", move || {
        // Its own end is nothing to report: stdout has gone.
        let _ = told.iter().try_for_each(|notice| show(&notice, format));
    })?;
    let report = relay.wait().context("cannot wait for packets")?;
    let stopped = Stopped {
        report: &report,
        seed: config.seed,
    };
    show(&stopped, arguments.format)?;
    Ok(ExitStatus::Done)
}

fn config(arguments: &RelayArguments) -> Result<Config, Failure> {
    let (up, down) = arguments.conditions().map_err(anyhow::Error::msg)?;
    let rebind = arguments.rebind().map_err(anyhow::Error::msg)?;
    let seed = arguments.seed.unwrap_or_else(link::random_seed);
    let mut config = Config::new(server(arguments, rebind)?, seed)
        .with_listen(arguments.listen.clone())
        .with_conditions(up, down);
    config.rebind = rebind;
    config.nat_timeout = arguments.nat_timeout().map_err(anyhow::Error::msg)?;
    Ok(config)
}

/// Finds the one address that is forwarded to.
fn server(arguments: &RelayArguments, rebind: Option<Rebind>) -> Result<SocketAddr, Failure> {
    let target = resolve::target(&arguments.to)?;
    let addresses = target.addresses;
    let changing = rebind.is_some_and(|rebind| rebind.kind == RebindKind::Address);
    let several = |address: &&SocketAddr| matches!(address.ip(), IpAddr::V4(_));
    let fitting = addresses.iter().find(several).filter(|_| changing);
    fitting
        .or(addresses.first())
        .copied()
        .ok_or_else(|| anyhow!("{} has no address", arguments.to.host).into())
}

fn explain(error: RelayError, places: &[Listen]) -> Failure {
    let hint = match &error {
        RelayError::Start(StartError::Bind(bind)) => listen_hint(bind.source.kind(), places)
            .unwrap_or("choose another place by --listen localhost:PORT"),
        RelayError::OneAddress { .. } => "start the server on 127.0.0.1, or use --rebind-port",
        RelayError::Itself { .. } => "name the server by --to HOST:PORT",
        _ => return anyhow::Error::new(error).into(),
    };
    Failure::from(anyhow::Error::new(error)).hint(hint)
}
