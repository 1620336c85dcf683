//! Conditions as people write them: `loss=5%,delay=30ms`.

mod condition;
mod grammar;

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

use self::condition::Condition;
pub use self::grammar::{BURST_MAX, MTU_MAX, POLICE_MAX, QUEUE_MAX, RATE_MAX, TIME_MAX, read_time};
use super::Conditions;

/// Changes to the conditions of a path, each to one of them, as a list of `NAME=VALUE`.
///
/// | name | value |
/// |---|---|
/// | `delay`, `jitter` | a time of at most [`TIME_MAX`]: `30ms`, `1m30s`, or bare seconds |
/// | `loss`, `reorder`, `duplicate`, `corrupt` | a share with its sign: `2%`, `0.5%` |
/// | `burst` | datagrams, from 1 to [`BURST_MAX`] |
/// | `rate` | bits per second, at most [`RATE_MAX`]: `500kbit`, `10mbit`; or `none` |
/// | `queue` | datagrams, at most [`QUEUE_MAX`] |
/// | `police` | datagrams in a time, from 1 to [`POLICE_MAX`]: `5/100ms`; or `none` |
/// | `ecn` | `clear`, `ce` or `ect1`; or `none` |
/// | `mtu` | bytes, from 1 to [`MTU_MAX`]; or `none` |
/// | `blackhole` | two times, open and closed: `5s/2s`; or `none` |
/// | `drop` | numbers of datagrams: `2-7`, `3`; or `none` |
///
/// Its `Display` form can be parsed, and means the same.
///
/// ```
/// use std::time::Duration;
///
/// use qecho_netsim::link::{ConditionChanges, Conditions};
///
/// let mut path = Conditions::default();
/// let changes: ConditionChanges = "loss=5%,delay=30ms".parse()?;
/// changes.apply(&mut path);
/// assert_eq!((path.loss, path.delay), (0.05, Duration::from_millis(30)));
/// assert_eq!(changes.to_string(), "loss=5%,delay=30ms");
/// # Ok::<(), qecho_netsim::link::ConditionError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConditionChanges(Vec<Condition>);

/// Reason for which something is no condition of a path, in words for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConditionError(String);

impl ConditionChanges {
    /// Makes one change, by the condition's name.
    ///
    /// # Errors
    /// [`ConditionError`] if there is no such condition, if it cannot have the value, or if it is
    /// among the changes already.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConditionError> {
        let condition = Condition::read(name, value)?;
        if self.has(name) {
            return Err(ConditionError("it stands there twice".into()));
        }
        self.0.push(condition);
        Ok(())
    }

    /// Tells whether the condition of a name is changed.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|condition| condition.name() == name)
    }

    /// Changes what is listed, and nothing else.
    pub fn apply(&self, path: &mut Conditions) {
        for condition in &self.0 {
            condition.apply(path);
        }
    }
}

impl FromStr for ConditionChanges {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let mut changes = Self::default();
        if text.trim().is_empty() {
            let reason = "no condition is named; write for instance loss=5%,delay=30ms";
            return Err(ConditionError(reason.into()));
        }
        for pair in text.split(',') {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                let reason = format!("`{pair}` has no `=`; write for instance loss=5%,delay=30ms");
                ConditionError(reason)
            })?;
            let name = name.trim();
            changes.set(name, value.trim()).map_err(|error| {
                match condition::NAMES.contains(&name) {
                    true => ConditionError(format!("{name}: {error}")),
                    false => error,
                }
            })?;
        }
        Ok(changes)
    }
}

impl Display for ConditionChanges {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (position, condition) in self.0.iter().enumerate() {
            let separator = if position > 0 { "," } else { "" };
            write!(out, "{separator}{condition}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU64, time::Duration};

    use super::*;
    use crate::link::{Blackhole, Marking, Police};

    fn changes(text: &str) -> ConditionChanges {
        text.parse().expect("it is well-formed")
    }

    #[test]
    fn every_condition_has_its_place_in_a_list_and_is_written_as_it_is_read() {
        let text = "delay=20ms,jitter=5ms,loss=2%,burst=3,reorder=1%,duplicate=0.5%,corrupt=100%,\
                    rate=10mbit,queue=25,police=5/100ms,ecn=clear,mtu=1280,blackhole=5s/2s,drop=2-7";
        let mut path = Conditions::default();
        changes(text).apply(&mut path);
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
            police: Some(Police {
                datagrams: 5,
                per: Duration::from_millis(100),
            }),
            ecn: Some(Marking::Clear),
            mtu: 1_280,
            blackhole: Some(Blackhole {
                open: Duration::from_secs(5),
                closed: Duration::from_secs(2),
            }),
            drop: Some(2..=7),
        };
        assert_eq!(path, expected);
        assert_eq!(changes(text).to_string(), text);
        assert_eq!(condition::NAMES.len(), text.split(',').count());
        let lifted = "rate=none,police=none,ecn=none,mtu=none,blackhole=none,drop=none";
        changes(lifted).apply(&mut path);
        assert_eq!((path.rate, path.mtu), (None, usize::MAX));
        assert_eq!((path.blackhole, path.drop), (None, None));
        assert_eq!((path.police, path.ecn), (None, None));
        assert_eq!(changes(lifted).to_string(), lifted);
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said() {
        for (text, reason) in [
            ("loss", "`loss` has no `=`"),
            ("", "no condition is named"),
            ("loss=5%,", "`` has no `=`"),
            ("lost=5%", "`lost` is no condition; there are delay, "),
            ("loss=5", "loss: `5` has no percent sign"),
            ("loss=5%,loss=6%", "loss: it stands there twice"),
            ("delay=none", "delay: `none` is for rate, police, "),
        ] {
            let error = text.parse::<ConditionChanges>().expect_err(text);
            assert!(error.to_string().starts_with(reason), "{text}: {error}");
        }
    }
}
