//! The conditions of a path, as options.

use qecho_netsim::link::{ConditionChanges, ConditionError, Conditions};

/// The conditions that were typed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Conditions, both ways")]
pub(super) struct ConditionArguments {
    /// Time that every datagram takes, each way
    #[arg(long, value_name = "TIME", value_parser = of("delay"))]
    delay: Option<ConditionChanges>,

    /// Extra time, drawn evenly from none to TIME; the order stays
    #[arg(long, value_name = "TIME", value_parser = of("jitter"))]
    jitter: Option<ConditionChanges>,

    /// Share of all datagrams that vanish, such as 2% or 0.5%
    #[arg(long, value_name = "PERCENT", value_parser = of("loss"))]
    loss: Option<ConditionChanges>,

    /// Vanish N in a row each time; the share stays what --loss says
    #[arg(long, value_name = "N", value_parser = of("burst"))]
    burst: Option<ConditionChanges>,

    /// Share that changes places: overtakes what jitter holds up, or without
    /// jitter is held back for 5ms
    #[arg(long, value_name = "PERCENT", value_parser = of("reorder"))]
    reorder: Option<ConditionChanges>,

    /// Share that arrives twice
    #[arg(long, value_name = "PERCENT", value_parser = of("duplicate"))]
    duplicate: Option<ConditionChanges>,

    /// Share that arrives with one bit changed
    #[arg(long, value_name = "PERCENT", value_parser = of("corrupt"))]
    corrupt: Option<ConditionChanges>,

    /// Bits of UDP payload per second, shared by all clients: 500kbit,
    /// 10mbit, 1gbit
    #[arg(long, value_name = "RATE", value_parser = of("rate"))]
    rate: Option<ConditionChanges>,

    /// Datagrams that may wait for the rate; one more is dropped [default:
    /// 100]
    #[arg(long, value_name = "N", value_parser = of("queue"))]
    queue: Option<ConditionChanges>,

    /// Datagrams that pass in a time, shared by all clients; one more is dropped at once, and
    /// none waits: 5/100ms
    #[arg(long, value_name = "N/TIME", value_parser = of("police"))]
    police: Option<ConditionChanges>,

    /// Clear the ECN bits, or make them ce or ect1, where they are set
    #[arg(long, value_name = "clear|ce|ect1", value_parser = of("ecn"))]
    ecn: Option<ConditionChanges>,

    /// Bytes of UDP payload that pass at most; longer datagrams vanish
    #[arg(long, value_name = "BYTES", value_parser = of("mtu"))]
    mtu: Option<ConditionChanges>,

    /// Let pass for the first time, then nothing for the second, again and
    /// again, from the first datagram on: 5s/2s
    #[arg(long, value_name = "TIME/TIME", value_parser = of("blackhole"))]
    blackhole: Option<ConditionChanges>,

    /// Drop the datagrams with these numbers, each way, and no others for it;
    /// the first is 1: 2-7, or one number
    #[arg(long, value_name = "FIRST-LAST", value_parser = of("drop"))]
    drop: Option<ConditionChanges>,
}

impl ConditionArguments {
    fn all(&self) -> impl Iterator<Item = &ConditionChanges> {
        let all = [
            &self.delay,
            &self.jitter,
            &self.loss,
            &self.burst,
            &self.reorder,
            &self.duplicate,
            &self.corrupt,
            &self.rate,
            &self.queue,
            &self.police,
            &self.ecn,
            &self.mtu,
            &self.blackhole,
            &self.drop,
        ];
        all.into_iter().flatten()
    }

    /// Tells whether the condition of a name was typed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all().any(|changes| changes.has(name))
    }

    /// Changes what was typed, and nothing else.
    pub(super) fn apply(&self, path: &mut Conditions) {
        self.all().for_each(|changes| changes.apply(path));
    }
}

/// Returns the reader of an option's value, for the condition of a name.
fn of(name: &'static str) -> impl Fn(&str) -> Result<ConditionChanges, ConditionError> + Clone {
    move |value| {
        let mut changes = ConditionChanges::default();
        changes.set(name, value)?;
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        typed: ConditionArguments,
    }

    #[test]
    fn every_condition_is_an_option_and_changes_what_it_changes_in_a_list() {
        let list = "delay=20ms,jitter=5ms,loss=2%,burst=3,reorder=1%,duplicate=0.5%,corrupt=100%,\
                    rate=10mbit,queue=25,police=5/100ms,ecn=clear,mtu=1280,blackhole=5s/2s,drop=2-7";
        for pair in list.split(',') {
            let (name, _) = pair.split_once('=').expect("it has both");
            let line = Line::try_parse_from(["relay", &format!("--{pair}")]);
            let typed = line.expect("it is well-formed").typed;
            let (mut by_option, mut by_list) = (Conditions::default(), Conditions::default());
            typed.apply(&mut by_option);
            let changes: ConditionChanges = pair.parse().expect("it is well-formed");
            changes.apply(&mut by_list);
            assert_eq!(by_option, by_list, "{pair}");
            assert!(typed.has(name) && by_option != Conditions::default());
        }
    }
}
