//! A relay's conditions, and its counts at the end.

mod json;

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use humantime::format_duration;
use qecho_netsim::{
    link::{Blackhole, Conditions, Marking, Police},
    relay::{Config, DirectionReport, FLOWS_MAX, Notice, Rebind, RebindKind, Report},
};
use qecho_packet::text::{counted, grouped};

use super::Render;

/// Addresses and conditions of a relay that is ready.
#[derive(Debug)]
pub(crate) struct Relaying<'a> {
    pub(crate) addresses: &'a [SocketAddr],
    pub(crate) config: &'a Config,
}

/// Counts of a relay that has ended.
#[derive(Debug)]
pub(crate) struct Stopped<'a> {
    pub(crate) report: &'a Report,
    pub(crate) seed: u64,
}

impl Render for Relaying<'_> {
    /// Writes between whom the relay is, and how bad it is.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let config = self.config;
        let addresses: Vec<_> = self.addresses.iter().map(SocketAddr::to_string).collect();
        writeln!(out, "relaying {} → {}", addresses.join(", "), config.to)?;
        if config.up == config.down {
            writeln!(out, "  both ways  {}", words(&config.up))?;
        } else {
            writeln!(out, "  up         {}", words(&config.up))?;
            writeln!(out, "  down       {}", words(&config.down))?;
        }
        if let Some(Rebind { kind, every }) = config.rebind {
            let every = time(every);
            let what = match kind {
                RebindKind::Port => "port",
                RebindKind::Address => "address and port",
            };
            writeln!(
                out,
                "  rebinding  a new {what} towards the server every {every}"
            )?;
        }
        if let Some(silence) = config.nat_timeout {
            let silence = time(silence);
            let what = "a new port towards the server after a silence of";
            writeln!(out, "  rebinding  {what} {silence}")?;
        }
        writeln!(out, "  seed       {}", config.seed)?;
        if !self.addresses.iter().all(|own| own.ip().is_loopback()) {
            writeln!(
                out,
                "  open       anyone who reaches this port reaches {} by it",
                config.to
            )?;
        }
        writeln!(out)
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        json::relaying(self).line(out)
    }
}

/// Says what happens to datagrams, most important first.
fn words(path: &Conditions) -> String {
    let mut words = Vec::new();
    if path.delay > Duration::ZERO {
        words.push(format!("{} delay", time(path.delay)));
    }
    if path.jitter > Duration::ZERO {
        words.push(format!("up to {} jitter", time(path.jitter)));
    }
    for (share, fate) in [
        (path.loss, "lost"),
        (path.reorder, "reordered"),
        (path.duplicate, "duplicated"),
        (path.corrupt, "corrupted"),
    ] {
        if share > 0.0 {
            words.push(format!("{} {fate}", percent(share)));
            if fate == "lost" && path.burst > 1 {
                words.push(format!("{} in a row", grouped(path.burst)));
            }
        }
    }
    if let Some(rate) = path.rate {
        let queue = counted(path.queue, "datagram");
        words.push(format!("{} with a queue of {queue}", bits(rate.get())));
    }
    if let Some(Police { datagrams, per }) = path.police {
        let datagrams = counted(datagrams, "datagram");
        words.push(format!("at most {datagrams} in {}", time(per)));
    }
    if let Some(marking) = path.ecn {
        words.push(match marking {
            Marking::Clear => "ECN bits cleared".into(),
            marking => format!("ECN bits made {}", marking.name().to_uppercase()),
        });
    }
    if path.mtu < usize::MAX {
        words.push(format!("nothing longer than {}", counted(path.mtu, "byte")));
    }
    if let Some(Blackhole { open, closed }) = path.blackhole {
        let (open, closed) = (time(open), time(closed));
        words.push(format!("after each {open} nothing for {closed}"));
    }
    if let Some(drop) = &path.drop {
        let (first, last) = (grouped(*drop.start()), grouped(*drop.end()));
        words.push(match drop.start() == drop.end() {
            true => format!("datagram {first} dropped"),
            false => format!("datagrams {first} to {last} dropped"),
        });
    }
    match words.is_empty() {
        true => "all passes unchanged".into(),
        false => words.join(", "),
    }
}

/// Writes a time in one unit, as it can be typed, unless it has minutes.
fn time(time: Duration) -> String {
    if time >= Duration::from_secs(60) {
        return format_duration(time).to_string();
    }
    let nanos = time.as_nanos() as f64;
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let fitting = units.into_iter().find(|(scale, _)| nanos >= *scale);
    let (scale, unit) = fitting.unwrap_or((1.0, "ns"));
    format!("{}{unit}", nanos / scale)
}

/// Writes a share without the noise of binary fractions.
fn percent(share: f64) -> String {
    if share < 1.0 && share > 0.999_999_99 {
        return "over 99.999999%".into();
    }
    let text = format!("{:.6}", share * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}%")
}

/// Writes a rate as it can be typed.
fn bits(rate: u64) -> String {
    for (scale, unit) in [
        (1_000_000_000, "gbit"),
        (1_000_000, "mbit"),
        (1_000, "kbit"),
    ] {
        if rate.is_multiple_of(scale) {
            return format!("{}{unit}/s", rate / scale);
        }
    }
    format!("{rate}bit/s")
}

impl Render for Notice {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::ClientReplaced => writeln!(
                out,
                "more than {FLOWS_MAX} clients: for each new one the longest silent makes room"
            ),
            Self::ClientRefused => writeln!(
                out,
                "{FLOWS_MAX} clients are active: others are refused until one falls silent"
            ),
            _ => Ok(()),
        }
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        json::notice(*self).line(out)
    }
}

impl Render for Stopped<'_> {
    /// Writes what the relay did in its life.
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let report = self.report;
        writeln!(
            out,
            "stopped: {}, {}",
            counted(report.flows, "client"),
            counted(report.rebinds, "rebinding")
        )?;
        if report.replaced > 0 {
            let clients = counted(report.replaced, "client");
            writeln!(out, "{clients} made room for others")?;
        }
        for (name, direction) in [("up  ", &report.up), ("down", &report.down)] {
            writeln!(out, "{name}  {}", fates(direction))?;
        }
        for (count, what) in [
            (report.refused, "from one client too many, refused"),
            (
                report.strays,
                "from somebody who is not the server, dropped",
            ),
        ] {
            if count > 0 {
                writeln!(out, "{} {what}", counted(count, "datagram"))?;
            }
        }
        if report.sockets_failed > 0 {
            let sockets = counted(report.sockets_failed, "socket");
            writeln!(out, "{sockets} towards the server could not be had")?;
        }
        Ok(())
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        json::stopped(self).line(out)
    }
}

/// Says what became of a direction's datagrams, without what did not happen.
fn fates(direction: &DirectionReport) -> String {
    let counts = &direction.counts;
    let mut words = vec![format!(
        "{} came ({}), {} passed ({})",
        counted(counts.sent, "datagram"),
        counted(direction.bytes_received, "byte"),
        grouped(direction.delivered),
        counted(direction.bytes_delivered, "byte"),
    )];
    let fates = [
        (counts.dropped, "dropped by number"),
        (counts.lost, "lost"),
        (counts.too_long, "too long"),
        (counts.blackholed, "in the blackhole"),
        (counts.policed, "dropped by the policer"),
        (counts.queue_full, "found the queue full"),
        (counts.reordered, "reordered"),
        (counts.duplicated, "duplicated"),
        (counts.corrupted, "corrupted"),
        (counts.remarked, "with other ECN bits"),
        (direction.overflowed, "beyond the relay's memory"),
        (direction.unsent, "refused by the system"),
        (direction.under_way, "still on the way"),
    ];
    let happened = fates.into_iter().filter(|(count, _)| *count > 0);
    words.extend(happened.map(|(count, fate)| format!("{} {fate}", grouped(count))));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn conditions_are_said_in_words() {
        let bad = Conditions {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            loss: 0.07,
            burst: 3,
            reorder: 0.001,
            rate: NonZeroU64::new(1_500_000),
            queue: 25,
            police: Some(Police {
                datagrams: 5,
                per: Duration::from_millis(100),
            }),
            ecn: Some(Marking::Ect1),
            mtu: 1_280,
            blackhole: Some(Blackhole {
                open: Duration::from_secs(5),
                closed: Duration::from_secs(2),
            }),
            drop: Some(2..=7),
            ..Conditions::default()
        };
        assert_eq!(
            words(&bad),
            "20ms delay, up to 5ms jitter, 7% lost, 3 in a row, 0.1% reordered, 1500kbit/s with a \
             queue of 25 datagrams, at most 5 datagrams in 100ms, ECN bits made ECT1, nothing \
             longer than 1,280 bytes, after each 5s nothing for 2s, datagrams 2 to 7 dropped"
        );
        assert_eq!(words(&Conditions::default()), "all passes unchanged");
    }

    #[test]
    fn times_shares_and_numbers_are_said_in_full() {
        let odd = Conditions {
            delay: Duration::from_micros(1_500),
            jitter: Duration::from_micros(5),
            loss: 1_f64.next_down(),
            corrupt: 1.0,
            drop: Some(1..=20_000),
            blackhole: Some(Blackhole {
                open: Duration::from_secs(90),
                closed: Duration::from_millis(1_500),
            }),
            ..Conditions::default()
        };
        assert_eq!(
            words(&odd),
            "1.5ms delay, up to 5µs jitter, over 99.999999% lost, 100% corrupted, after each \
             1m 30s nothing for 1.5s, datagrams 1 to 20,000 dropped"
        );
    }

    #[test]
    fn the_end_tells_what_happened_and_nothing_else() {
        let mut report = Report::default();
        report.flows = 1;
        report.up.counts.sent = 10;
        report.up.counts.lost = 2;
        report.up.delivered = 8;
        report.up.bytes_received = 12_000;
        report.up.bytes_delivered = 9_600;
        let mut shown = Vec::new();
        let stopped = Stopped {
            report: &report,
            seed: 7,
        };
        stopped.text(&mut shown).expect("memory takes bytes");
        let shown = String::from_utf8(shown).expect("it is text");
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], "stopped: 1 client, 0 rebindings");
        assert_eq!(
            lines[1],
            "up    10 datagrams came (12,000 bytes), 8 passed (9,600 bytes), 2 lost"
        );
        assert_eq!(
            lines[2],
            "down  0 datagrams came (0 bytes), 0 passed (0 bytes)"
        );
        assert_eq!(lines.len(), 3);
    }
}
