//! Bounds on figures, as people write them: `p99>5ms`.

use bytesize::ByteSize;
use qecho_measure::bench::{Metric, Relation, Threshold, Unit};

use super::grammar;
use crate::args::number::decimal;

/// Reads a bound such as `p99>5ms`, `rate<20k`, `goodput<100MB` or `errors>0`.
pub(super) fn bound(text: &str) -> Result<Threshold, String> {
    let relations = [
        ("<=", Relation::AtMost),
        (">=", Relation::AtLeast),
        ("<", Relation::Less),
        (">", Relation::More),
    ];
    let parts = relations.into_iter().find_map(|(sign, relation)| {
        let (name, value) = text.split_once(sign)?;
        Some((name.trim(), relation, value.trim()))
    });
    let Some((name, relation, value)) = parts else {
        return Err("it is no bound; write for instance 'p99>5ms', in quotes".into());
    };
    let known = Metric::ALL.iter().find(|(known, _)| *known == name);
    let Some((_, metric)) = known else {
        let names: Vec<_> = Metric::ALL.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        return Err(format!("there is no figure `{name}`, but {names}"));
    };
    Ok(Threshold {
        text: text.trim().into(),
        metric: *metric,
        relation,
        value: number(metric.unit(), value)
            .map_err(|reason| format!("`{value}` cannot be compared with {name}: {reason}"))?,
    })
}

/// Reads a bound on a time that a loaded server is to keep, such as `p99<5ms`.
pub(super) fn upper_bound(text: &str) -> Result<Threshold, String> {
    let bound = bound(text)?;
    match (bound.metric.unit(), bound.relation) {
        (Unit::Time, Relation::Less | Relation::AtMost) => Ok(bound),
        _ => Err("it must say what an echo time stays below, as p99<5ms does".into()),
    }
}

fn number(unit: Unit, text: &str) -> Result<f64, String> {
    match unit {
        Unit::Time => {
            // Of echo times, a number alone may be milliseconds as well as seconds.
            if decimal(text).is_some() {
                return Err("write its unit, for instance 10s, 500ms or 50us".into());
            }
            let time = crate::args::duration(text)?;
            Ok(time.as_secs_f64() * 1e6)
        }
        Unit::Bytes => {
            let bytes = text.strip_suffix("/s").unwrap_or(text);
            let size = bytes.parse::<ByteSize>();
            let size = size.map_err(|_| "write bytes a second, for instance 500k or 100MB")?;
            Ok(size.0 as f64)
        }
        _ if text == "0" => Ok(0.0),
        _ => grammar::rate(text)
            .map_err(|_| "write a number, for instance 0, 500 or 20k".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_people_write_them() {
        for (text, figure, relation, value) in [
            ("p99>5ms", Metric::P99, Relation::More, 5e3),
            ("p99.99 >= 1.5s", Metric::P99_99, Relation::AtLeast, 1.5e6),
            ("mean<250us", Metric::Mean, Relation::Less, 250.0),
            ("rate<20k", Metric::Rate, Relation::Less, 2e4),
            ("goodput<=100MB/s", Metric::Goodput, Relation::AtMost, 1e8),
            ("errors>0", Metric::Errors, Relation::More, 0.0),
        ] {
            let read = bound(text).expect(text);
            assert_eq!(
                (read.metric, read.relation, read.value),
                (figure, relation, value)
            );
        }
    }

    #[test]
    fn what_is_no_bound_is_refused_with_what_would_be_one() {
        for (text, reason) in [
            ("", "write for instance 'p99>5ms'"),
            ("p99", "write for instance 'p99>5ms'"),
            ("p98>5ms", "there is no figure `p98`, but min, mean, p50"),
            (">5ms", "there is no figure ``"),
            ("p99>5", "`5` cannot be compared with p99"),
            ("p99>fast", "10s, 500ms"),
            ("p99>-5ms", "cannot be compared"),
            ("rate<fast", "write a number"),
            ("goodput<many", "write bytes a second"),
            ("errors>", "`` cannot be compared with errors"),
        ] {
            let error = bound(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(upper_bound("p99<5ms").is_ok());
        for text in ["p99>5ms", "rate<5k", "lost<5"] {
            assert!(upper_bound(text).is_err(), "{text}");
        }
    }
}
