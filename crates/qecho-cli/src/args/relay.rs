//! `qecho relay`.

mod conditions;

use std::time::Duration;

use qecho_cert::HostPort;
use qecho_io::listen::Listen;
use qecho_netsim::{
    link::{ConditionChanges, Conditions},
    relay::{PORT, REBIND_EVERY_MIN, Rebind, RebindKind},
};

use self::conditions::ConditionArguments;
use super::{Format, host_port, listen};

/// Options of `qecho relay`.
#[derive(Debug, clap::Args)]
pub(crate) struct RelayArguments {
    /// Where to listen; may be given more than once
    ///
    /// ADDRESS:PORT, localhost:PORT (both of its addresses), *:PORT (every address) or PORT
    /// alone; a link-local address with its interface, as in [fe80::1%eth0]:4433.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen, default_value = "localhost:4434")]
    pub(crate) listen: Vec<Listen>,

    /// The server, with a port if it is not 4433
    ///
    /// A name or an address, the only address that is forwarded to; of a name's addresses the first.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = host_port::reachable,
          default_value = "localhost:4433")]
    pub(crate) to: HostPort,

    #[command(flatten)]
    both: ConditionArguments,

    /// From the clients to the server: loss=5%,delay=30ms
    ///
    /// The names are those of the options above; `none` lifts a rate, police, ecn, mtu, blackhole or drop.
    #[arg(
        long,
        value_name = "NAME=VALUE,…",
        help_heading = "Conditions, one way"
    )]
    up: Option<ConditionChanges>,

    /// From the server to the clients, in the same form
    #[arg(
        long,
        value_name = "NAME=VALUE,…",
        help_heading = "Conditions, one way"
    )]
    down: Option<ConditionChanges>,

    /// Give each client a new port towards the server every TIME
    ///
    /// As a NAT does that forgets. `every 5s` is understood too.
    #[arg(long, value_name = "TIME", num_args = 1..=2, conflicts_with = "rebind_address")]
    rebind_port: Vec<String>,

    /// Give each client a new address and port every TIME
    ///
    /// From 127.0.0.2 to 127.0.0.254, for a server in 127.0.0.0/8.
    #[arg(long, value_name = "TIME", num_args = 1..=2)]
    rebind_address: Vec<String>,

    /// Give a client that was silent for TIME a new port towards the server
    ///
    /// As a NAT does that forgets: what the server still sends to the old port is lost, and its
    /// datagrams do not count against the silence.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["rebind_port", "rebind_address"])]
    nat_timeout: Option<String>,

    /// Repeat the chances of an earlier run [default: drawn, and shown]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Form of the results
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
}

impl RelayArguments {
    /// Returns what of a client changes, and how often.
    pub(crate) fn rebind(&self) -> Result<Option<Rebind>, String> {
        let (kind, typed) = match (&self.rebind_port[..], &self.rebind_address[..]) {
            ([], []) => return Ok(None),
            (typed, []) => (RebindKind::Port, typed),
            (_, typed) => (RebindKind::Address, typed),
        };
        let every = match typed {
            [every] => rebind_every(every),
            [word, every] if word == "every" => rebind_every(every),
            _ => Err("write for instance 5s, or every 5s".into()),
        };
        let option = match kind {
            RebindKind::Port => "--rebind-port",
            RebindKind::Address => "--rebind-address",
        };
        let every = every.map_err(|reason| format!("cannot use {option}: {reason}"))?;
        Ok(Some(Rebind { kind, every }))
    }

    /// Returns the silence after which a client is forgotten, if it ever is.
    pub(crate) fn nat_timeout(&self) -> Result<Option<Duration>, String> {
        let timeout = self.nat_timeout.as_deref().map(rebind_every).transpose();
        timeout.map_err(|reason| format!("cannot use --nat-timeout: {reason}"))
    }

    /// Returns the conditions from the clients to the server, and back; or
    /// what was typed that would do nothing.
    pub(crate) fn conditions(&self) -> Result<(Conditions, Conditions), String> {
        let of = |own: &Option<ConditionChanges>| {
            let mut conditions = Conditions::default();
            self.both.apply(&mut conditions);
            if let Some(own) = own {
                own.apply(&mut conditions);
            }
            conditions
        };
        let (up, down) = (of(&self.up), of(&self.down));
        let idle = |name, works: fn(&Conditions) -> bool| {
            let own = |changes: &Option<ConditionChanges>, conditions| {
                changes.as_ref().is_some_and(|changes| changes.has(name)) && !works(conditions)
            };
            (self.both.has(name) && !works(&up) && !works(&down))
                || own(&self.up, &up)
                || own(&self.down, &down)
        };
        if idle("queue", |path| path.rate.is_some()) {
            return Err("a queue is for datagrams that wait for a rate: give a rate too".into());
        }
        if idle("burst", |path| path.loss > 0.0) {
            return Err("a burst is a way of losing datagrams: give a loss too".into());
        }
        Ok((up, down))
    }
}

fn listen(text: &str) -> Result<Listen, String> {
    listen::read(text, PORT, &format!("0.0.0.0:{PORT}"))
}

fn rebind_every(text: &str) -> Result<Duration, String> {
    match super::duration(text)? {
        every if every < REBIND_EVERY_MIN => Err(format!(
            "it must be at least {}",
            humantime::format_duration(REBIND_EVERY_MIN)
        )),
        every => Ok(every),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        relay: RelayArguments,
    }

    fn conditions(typed: &str) -> Result<(Conditions, Conditions), String> {
        let words = std::iter::once("relay").chain(typed.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.relay.conditions()
    }

    #[test]
    fn what_is_said_of_one_direction_overrides_what_is_said_of_both() {
        let (up, down) = conditions(
            "--delay 20ms --loss 2% --rate 10mbit --queue 7 \
             --up loss=5%,delay=30ms --down rate=none,mtu=1280",
        )
        .expect("it is well-formed");
        assert_eq!((up.loss, down.loss), (0.05, 0.02));
        assert_eq!(up.delay, Duration::from_millis(30));
        assert_eq!(down.delay, Duration::from_millis(20));
        assert_eq!(up.rate.map(u64::from), Some(10_000_000));
        assert_eq!((down.rate, up.queue), (None, 7));
        assert_eq!((up.mtu, down.mtu), (usize::MAX, 1_280));
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        for typed in [
            "--queue 5",
            "--queue 5 --rate none",
            "--rate 1mbit --up rate=none,queue=5",
            "--burst 3",
            "--loss 1% --down burst=3,loss=0%",
        ] {
            assert!(conditions(typed).is_err(), "{typed}");
        }
        for typed in [
            "--queue 5 --up rate=1mbit",
            "--burst 3 --down loss=1%",
            "--loss 1% --up burst=3",
        ] {
            assert!(conditions(typed).is_ok(), "{typed}");
        }
    }
}
