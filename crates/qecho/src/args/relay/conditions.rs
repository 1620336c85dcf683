//! The conditions of a path, as options and as a list for one direction.

use std::{num::NonZeroU64, ops::RangeInclusive, time::Duration};

use qecho_netsim::link::{Blackhole, Conditions};

use super::grammar::{OrNone, blackhole, bursts, mtu, numbers, percent, queue, rate};
use crate::args::duration;

/// The conditions that were typed.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Conditions, both ways")]
pub(super) struct ConditionArguments {
    /// Time that every datagram takes, each way
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) delay: Option<Duration>,

    /// Extra time, drawn evenly from none to TIME; the order stays
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) jitter: Option<Duration>,

    /// Share of all datagrams that vanish, such as 2% or 0.5%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) loss: Option<f64>,

    /// Vanish N in a row each time; the share stays what --loss says
    #[arg(long, value_name = "N", value_parser = bursts)]
    pub(super) burst: Option<u32>,

    /// Share that changes places: overtakes what jitter holds up, or without
    /// jitter is held back for 5ms
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) reorder: Option<f64>,

    /// Share that arrives twice
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) duplicate: Option<f64>,

    /// Share that arrives with one bit changed
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(super) corrupt: Option<f64>,

    /// Bits of UDP payload per second, shared by all clients: 500kbit,
    /// 10mbit, 1gbit
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) rate: Option<OrNone<NonZeroU64>>,

    /// Datagrams that may wait for the rate; one more is dropped [default:
    /// 100]
    #[arg(long, value_name = "N", value_parser = queue)]
    pub(super) queue: Option<usize>,

    /// Bytes of UDP payload that pass at most; longer datagrams vanish
    #[arg(long, value_name = "BYTES", value_parser = mtu)]
    pub(super) mtu: Option<OrNone<usize>>,

    /// Let pass for the first time, then nothing for the second, again and
    /// again, from the first datagram on: 5s/2s
    #[arg(long, value_name = "TIME/TIME", value_parser = blackhole)]
    pub(super) blackhole: Option<OrNone<Blackhole>>,

    /// Drop the datagrams with these numbers, each way, and no others for it;
    /// the first is 1: 2-7, or one number
    #[arg(long, value_name = "FIRST-LAST", value_parser = numbers)]
    pub(super) drop: Option<OrNone<RangeInclusive<u64>>>,
}

const NAMES: &str = "delay, jitter, loss, burst, reorder, duplicate, corrupt, rate, queue, mtu, blackhole, \
     drop";

impl ConditionArguments {
    /// Changes what was typed, and nothing else.
    pub(super) fn apply(&self, path: &mut Conditions) {
        path.delay = self.delay.unwrap_or(path.delay);
        path.jitter = self.jitter.unwrap_or(path.jitter);
        path.loss = self.loss.unwrap_or(path.loss);
        path.burst = self.burst.unwrap_or(path.burst);
        path.reorder = self.reorder.unwrap_or(path.reorder);
        path.duplicate = self.duplicate.unwrap_or(path.duplicate);
        path.corrupt = self.corrupt.unwrap_or(path.corrupt);
        path.queue = self.queue.unwrap_or(path.queue);
        if let Some(OrNone(rate)) = self.rate {
            path.rate = rate;
        }
        if let Some(OrNone(mtu)) = self.mtu {
            path.mtu = mtu.unwrap_or(usize::MAX);
        }
        if let Some(OrNone(blackhole)) = self.blackhole {
            path.blackhole = blackhole;
        }
        if let Some(OrNone(drop)) = &self.drop {
            path.drop.clone_from(drop);
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "delay" => once(&mut self.delay, duration(value)),
            "jitter" => once(&mut self.jitter, duration(value)),
            "loss" => once(&mut self.loss, percent(value)),
            "burst" => once(&mut self.burst, bursts(value)),
            "reorder" => once(&mut self.reorder, percent(value)),
            "duplicate" => once(&mut self.duplicate, percent(value)),
            "corrupt" => once(&mut self.corrupt, percent(value)),
            "rate" => once(&mut self.rate, rate(value)),
            "queue" => once(&mut self.queue, queue(value)),
            "mtu" => once(&mut self.mtu, mtu(value)),
            "blackhole" => once(&mut self.blackhole, blackhole(value)),
            "drop" => once(&mut self.drop, numbers(value)),
            _ => return Err(format!("`{name}` is no condition; there are {NAMES}")),
        }
        .map_err(|reason| format!("{name}: {reason}"))
    }
}

fn once<T>(place: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    match place.replace(value?) {
        None => Ok(()),
        Some(_) => Err("it stands there twice".into()),
    }
}

/// Reads `loss=5%,delay=30ms`.
pub(super) fn list(text: &str) -> Result<ConditionArguments, String> {
    let mut arguments = ConditionArguments::default();
    for pair in text.split(',') {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("`{pair}` has no `=`; write for instance loss=5%,delay=30ms"))?;
        arguments.set(name.trim(), value.trim())?;
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_its_place_in_a_list() {
        let text = "delay=20ms,jitter=5ms,loss=2%,burst=3,reorder=1%,duplicate=0.5%,corrupt=100%,\
                    rate=10mbit,queue=25,mtu=1280,blackhole=5s/2s,drop=2-7";
        let mut path = Conditions::default();
        list(text).expect("it is well-formed").apply(&mut path);
        let expected = Conditions {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            loss: 0.02,
            burst: 3,
            reorder: 0.01,
            duplicate: 0.005,
            corrupt: 1.0,
            rate: NonZeroU64::new(10_000_000),
            queue: 25,
            mtu: 1_280,
            blackhole: Some(Blackhole {
                open: Duration::from_secs(5),
                closed: Duration::from_secs(2),
            }),
            drop: Some(2..=7),
        };
        assert_eq!(path, expected);
        assert_eq!(NAMES.split(", ").count(), text.split(',').count());
        let lifted =
            list("rate=none,mtu=none,blackhole=none,drop=none").expect("it is well-formed");
        lifted.apply(&mut path);
        assert_eq!((path.rate, path.mtu), (None, usize::MAX));
        assert_eq!((path.blackhole, path.drop), (None, None));
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said() {
        for (text, reason) in [
            ("loss", "`loss` has no `=`"),
            ("", "`` has no `=`"),
            ("loss=5%,", "`` has no `=`"),
            ("lost=5%", "`lost` is no condition; there are delay, "),
            ("loss=5", "loss: `5` has no percent sign"),
            ("loss=5%,loss=6%", "loss: it stands there twice"),
            ("delay=none", "delay: "),
        ] {
            let error = list(text).expect_err(text);
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }
}
