//! `qecho relay`.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use anyhow::{Context, anyhow};
use qecho_engine::link;
use qecho_tools::relay::{Config, Relay, RelayError};

use super::{resolve, signals};
use crate::{
    args::{Format, RelayArguments},
    ending::{Ending, Failure},
    render::relay::{self, Relaying},
};

/// Relays until a signal ends it.
pub(super) fn run(arguments: &RelayArguments) -> Result<Ending, Failure> {
    let config = config(arguments)?;
    let relay = Relay::start(&config).map_err(explain)?;
    // Whoever reads that the relay is ready may ask it to end at once.
    let stopper = relay.stopper();
    signals::on_signal(move |_| stopper.stop())?;
    let relaying = Relaying {
        addresses: relay.addresses(),
        config: &config,
    };
    {
        let mut out = io::stdout().lock();
        match arguments.format {
            Format::Text => relay::relaying_text(&relaying, &mut out)?,
            Format::Json => relay::json::relaying(&relaying, &mut out)?,
        }
        out.flush()?;
    }
    let report = relay.wait().context("cannot wait for packets")?;
    let mut out = io::stdout().lock();
    match arguments.format {
        Format::Text => relay::stopped_text(&report, &mut out)?,
        Format::Json => relay::json::stopped(&report, config.seed, &mut out)?,
    }
    Ok(Ending::Done)
}

fn config(arguments: &RelayArguments) -> Result<Config, Failure> {
    let (up, down) = arguments
        .conditions()
        .map_err(|reason| Failure::from(anyhow!(reason)))?;
    Ok(Config {
        listen: arguments.listen.clone(),
        to: server(arguments)?,
        up,
        down,
        rebind_every: arguments.rebind_port,
        seed: arguments.seed.unwrap_or_else(link::random_seed),
    })
}

/// Finds the one address that is forwarded to.
fn server(arguments: &RelayArguments) -> Result<SocketAddr, Failure> {
    let target = resolve::target(&arguments.to)?;
    target
        .addresses
        .first()
        .copied()
        .ok_or_else(|| anyhow!("{} has no address", arguments.to.host).into())
}

fn explain(error: RelayError) -> Failure {
    let hint = match &error {
        RelayError::Bind(bind) => match bind.source.kind() {
            io::ErrorKind::AddrInUse => {
                "another program has this port; choose another by --listen localhost:PORT, \
                 or 0 for any that is free"
            }
            io::ErrorKind::AddrNotAvailable => {
                "this host does not have that address; --listen '*:PORT' takes all that it has"
            }
            _ => "choose another place by --listen localhost:PORT",
        },
        RelayError::Itself { .. } => "name the server by --to HOST:PORT",
        _ => return anyhow::Error::new(error).into(),
    };
    Failure::from(anyhow::Error::new(error)).hint(hint)
}
