//! Conditions of a path, as they are typed at `qecho relay`.

use std::time::{Duration, Instant};

use qecho_netsim::link::{
    BURST_MAX, Blackhole, ConditionChanges, Conditions, Link, MTU_MAX, POLICE_MAX, Police,
    QUEUE_MAX, RATE_MAX, TIME_MAX,
};

/// Datagrams that a path of these conditions is to carry.
const DATAGRAMS: u64 = 20;

/// Reads a list of conditions, checks that they are within their limits, writes it, reads it
/// again, and sends datagrams over such a path.
pub fn read_conditions(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(changes) = text.parse::<ConditionChanges>() else {
        return;
    };
    let mut path = Conditions::default();
    changes.apply(&mut path);
    check_limits(&path);
    let again = changes.to_string().parse();
    assert_eq!(again.as_ref(), Ok(&changes), "{changes}");
    send(path);
}

fn check_limits(path: &Conditions) {
    for share in [path.loss, path.reorder, path.duplicate, path.corrupt] {
        assert!((0.0..=1.0).contains(&share), "{path:?}");
    }
    assert!(path.delay <= TIME_MAX && path.jitter <= TIME_MAX);
    assert!((1..=BURST_MAX).contains(&path.burst) && path.queue <= QUEUE_MAX);
    assert!(path.rate.is_none_or(|rate| rate.get() <= RATE_MAX));
    assert!(path.mtu == usize::MAX || (1..=MTU_MAX).contains(&path.mtu));
    if let Some(Blackhole { open, closed }) = path.blackhole {
        let possible = Duration::from_nanos(1)..=TIME_MAX;
        assert!(possible.contains(&open) && possible.contains(&closed));
    }
    if let Some(Police { datagrams, per }) = path.police {
        let possible = Duration::from_nanos(1)..=TIME_MAX;
        assert!((1..=POLICE_MAX).contains(&datagrams) && possible.contains(&per));
    }
    let drop = path.drop.as_ref();
    assert!(drop.is_none_or(|drop| *drop.start() > 0 && !drop.is_empty()));
}

#[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
fn send(path: Conditions) {
    let now = Instant::now();
    let mut link = Link::new(path, 1);
    let mut arrived = 0;
    for number in 0..DATAGRAMS {
        let sent = now + Duration::from_millis(number);
        let ecn = number as u8 % 4;
        link.send_marked(sent, ecn, vec![0; MTU_MAX], |at, arrives, _| {
            assert!(at >= sent && arrives < 4 && (ecn > 0 || arrives == 0));
            arrived += 1;
        });
    }
    assert_eq!(link.counts().arriving(), arrived);
}

pub(crate) fn lists() -> Vec<Vec<u8>> {
    let lists = [
        "loss=5%,delay=30ms",
        "delay=1m 30s,jitter=0.2,burst=3,loss=0.5%,reorder=100%,duplicate=0%",
        "rate=1.5mbit,queue=25,mtu=1280,corrupt=.1%",
        "rate=none,police=none,ecn=none,mtu=none,blackhole=none,drop=none",
        "police=5/100ms,ecn=clear,loss=1%",
        "police=1000000/1ns,ecn=ce",
        "ecn=ect1,police=1/365days",
        "blackhole=5s/1s 500ms,drop=2-7,rate=1000gbit/s",
        "drop=18446744073709551615,mtu=65507,queue=1000000,delay=365days",
    ];
    lists.map(|list| list.as_bytes().to_vec()).into()
}
