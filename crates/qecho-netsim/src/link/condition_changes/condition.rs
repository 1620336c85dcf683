//! One condition of a path, with its name.

use std::{
    fmt::{self, Display, Formatter},
    num::NonZeroU64,
    ops::RangeInclusive,
    time::Duration,
};

use humantime::format_duration;

use super::{
    ConditionError,
    grammar::{blackhole, burst, marking, mtu, numbers, percent, police, queue, rate, read_time},
};
use crate::link::{Blackhole, Conditions, Marking, Police};

/// Names of all conditions.
pub(super) const NAMES: [&str; 14] = [
    "delay",
    "jitter",
    "loss",
    "burst",
    "reorder",
    "duplicate",
    "corrupt",
    "rate",
    "queue",
    "police",
    "ecn",
    "mtu",
    "blackhole",
    "drop",
];

/// Those of them that `none` lifts.
const LIFTED: [&str; 6] = ["rate", "police", "ecn", "mtu", "blackhole", "drop"];

/// A condition of a path. Shares are in percent, as they were written: what is displayed is read
/// as the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Delay(Duration),
    Jitter(Duration),
    Loss(f64),
    Burst(u32),
    Reorder(f64),
    Duplicate(f64),
    Corrupt(f64),
    Rate(Option<NonZeroU64>),
    Queue(usize),
    Police(Option<Police>),
    Ecn(Option<Marking>),
    Mtu(Option<usize>),
    Blackhole(Option<Blackhole>),
    Drop(Option<RangeInclusive<u64>>),
}

impl Condition {
    pub(super) fn read(name: &str, value: &str) -> Result<Self, ConditionError> {
        if value == "none" && NAMES.contains(&name) && !LIFTED.contains(&name) {
            let reason = "`none` is for rate, police, ecn, mtu, blackhole and drop";
            return Err(ConditionError(reason.into()));
        }
        let condition = match name {
            "delay" => read_time(value).map(Self::Delay),
            "jitter" => read_time(value).map(Self::Jitter),
            "loss" => percent(value).map(Self::Loss),
            "burst" => burst(value).map(Self::Burst),
            "reorder" => percent(value).map(Self::Reorder),
            "duplicate" => percent(value).map(Self::Duplicate),
            "corrupt" => percent(value).map(Self::Corrupt),
            "rate" => or_none(value, rate).map(Self::Rate),
            "queue" => queue(value).map(Self::Queue),
            "police" => or_none(value, police).map(Self::Police),
            "ecn" => or_none(value, marking).map(Self::Ecn),
            "mtu" => or_none(value, mtu).map(Self::Mtu),
            "blackhole" => or_none(value, blackhole).map(Self::Blackhole),
            "drop" => or_none(value, numbers).map(Self::Drop),
            _ => {
                let names = NAMES.join(", ");
                Err(format!("`{name}` is no condition; there are {names}"))
            }
        };
        condition.map_err(ConditionError)
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Jitter(_) => "jitter",
            Self::Loss(_) => "loss",
            Self::Burst(_) => "burst",
            Self::Reorder(_) => "reorder",
            Self::Duplicate(_) => "duplicate",
            Self::Corrupt(_) => "corrupt",
            Self::Rate(_) => "rate",
            Self::Queue(_) => "queue",
            Self::Police(_) => "police",
            Self::Ecn(_) => "ecn",
            Self::Mtu(_) => "mtu",
            Self::Blackhole(_) => "blackhole",
            Self::Drop(_) => "drop",
        }
    }

    pub(super) fn apply(&self, path: &mut Conditions) {
        match self {
            Self::Delay(delay) => path.delay = *delay,
            Self::Jitter(jitter) => path.jitter = *jitter,
            Self::Loss(percent) => path.loss = percent / 100.0,
            Self::Burst(burst) => path.burst = *burst,
            Self::Reorder(percent) => path.reorder = percent / 100.0,
            Self::Duplicate(percent) => path.duplicate = percent / 100.0,
            Self::Corrupt(percent) => path.corrupt = percent / 100.0,
            Self::Rate(rate) => path.rate = *rate,
            Self::Queue(queue) => path.queue = *queue,
            Self::Police(police) => path.police = *police,
            Self::Ecn(marking) => path.ecn = *marking,
            Self::Mtu(mtu) => path.mtu = mtu.unwrap_or(usize::MAX),
            Self::Blackhole(blackhole) => path.blackhole = *blackhole,
            Self::Drop(drop) => path.drop.clone_from(drop),
        }
    }
}

fn or_none<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    match text {
        "none" => Ok(None),
        _ => read(text).map(Some),
    }
}

impl Display for Condition {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}=", self.name())?;
        match self {
            Self::Delay(time) | Self::Jitter(time) => write!(out, "{}", format_duration(*time)),
            Self::Loss(percent)
            | Self::Reorder(percent)
            | Self::Duplicate(percent)
            | Self::Corrupt(percent) => write!(out, "{percent}%"),
            Self::Burst(datagrams) => write!(out, "{datagrams}"),
            Self::Queue(datagrams) => write!(out, "{datagrams}"),
            Self::Rate(Some(rate)) => write_rate(rate.get(), out),
            Self::Police(Some(Police { datagrams, per })) => {
                write!(out, "{datagrams}/{}", format_duration(*per))
            }
            Self::Ecn(Some(marking)) => write!(out, "{marking}"),
            Self::Mtu(Some(bytes)) => write!(out, "{bytes}"),
            Self::Blackhole(Some(Blackhole { open, closed })) => {
                let [open, closed] = [open, closed].map(|time| format_duration(*time));
                write!(out, "{open}/{closed}")
            }
            Self::Drop(Some(numbers)) => write!(out, "{}-{}", numbers.start(), numbers.end()),
            Self::Police(None)
            | Self::Ecn(None)
            | Self::Rate(None)
            | Self::Mtu(None)
            | Self::Blackhole(None)
            | Self::Drop(None) => out.write_str("none"),
        }
    }
}

/// Writes a rate in the largest unit that has it whole.
fn write_rate(bits: u64, out: &mut Formatter<'_>) -> fmt::Result {
    let units = [
        (1_000_000_000, "gbit"),
        (1_000_000, "mbit"),
        (1_000, "kbit"),
    ];
    let fitting = units
        .into_iter()
        .find(|(scale, _)| bits.is_multiple_of(*scale));
    let (scale, unit) = fitting.unwrap_or((1, "bit"));
    write!(out, "{}{unit}", bits / scale)
}
