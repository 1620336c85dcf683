//! Reads metrics as text, and refuses what the formats do not allow.

use std::collections::{BTreeMap, BTreeSet};

/// Units that a name may end in, which OpenMetrics then declares.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// Series with their values.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    values: BTreeMap<String, f64>,
}

/// Family of metrics, as far as it was declared.
#[derive(Debug, Default)]
struct Family {
    name: String,
    help: bool,
    kind: Option<String>,
    unit: Option<String>,
    samples: usize,
}

impl Family {
    /// Checks a family whose samples are all read.
    fn check(&self, has_units: bool) -> Result<(), String> {
        let Self { name, kind, .. } = self;
        let is_name = |text: &str| {
            let mut characters = text.chars();
            characters.all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
        };
        if !self.help || kind.is_none() || self.samples == 0 || !is_name(name) {
            return Err(format!("{self:?} is not whole"));
        }
        let last = UNITS
            .into_iter()
            .find(|unit| name.ends_with(&format!("_{unit}")));
        if has_units && last != self.unit.as_deref() {
            return Err(format!("{self:?} does not declare the unit of its name"));
        }
        Ok(())
    }

    /// Returns the name that its samples must have.
    fn sample(&self, is_openmetrics: bool) -> String {
        let suffix = match self.kind.as_deref() {
            Some("counter") if is_openmetrics => "_total",
            Some("info") => "_info",
            _ => "",
        };
        format!("{}{suffix}", self.name)
    }
}

impl Metrics {
    /// Reads OpenMetrics 1.0.
    pub(crate) fn openmetrics(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix("# EOF\n").ok_or("it has no end")?;
        Self::read(text, true)
    }

    /// Reads the text format 0.0.4.
    pub(crate) fn prometheus(text: &str) -> Result<Self, String> {
        Self::read(text, false)
    }

    fn read(text: &str, is_openmetrics: bool) -> Result<Self, String> {
        let (mut metrics, mut names) = (Self::default(), BTreeSet::new());
        let mut family: Option<Family> = None;
        if !text.ends_with('\n') {
            return Err("its last line is cut".into());
        }
        for line in text.lines() {
            let wrong = |why: &str| Err(format!("{why}: {line:?}"));
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            if let ["#", what, name, rest] = words[..] {
                if family.as_ref().is_none_or(|family| family.name != name) {
                    if let Some(before) = &family {
                        before.check(is_openmetrics)?;
                    }
                    if !names.insert(name.to_owned()) {
                        return wrong("the family was there before");
                    }
                    family = Some(Family {
                        name: name.into(),
                        ..Family::default()
                    });
                }
                let family = family.as_mut().expect("it was made");
                let is_again = match what {
                    "HELP" => std::mem::replace(&mut family.help, true),
                    "TYPE" => family.kind.replace(rest.into()).is_some(),
                    "UNIT" if is_openmetrics => family.unit.replace(rest.into()).is_some(),
                    _ => return wrong("no such comment"),
                };
                if is_again || family.samples > 0 || rest.is_empty() {
                    return wrong("out of place");
                }
                continue;
            }
            let Some(family) = &mut family else {
                return wrong("it has no family");
            };
            family.samples += 1;
            let (series, value) = line.rsplit_once(' ').ok_or("a sample has a value")?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            if name != family.sample(is_openmetrics) {
                return wrong("not a sample of its family");
            }
            let is_counter = family.kind.as_deref() == Some("counter");
            if is_counter != name.ends_with("_total") {
                return wrong("counters alone are totals");
            }
            check_labels(labels).map_err(|why| format!("{why}: {line:?}"))?;
            let value: f64 = value.parse().map_err(|_| format!("no number: {line:?}"))?;
            if !value.is_finite() || value < 0.0 {
                return wrong("no count");
            }
            if metrics.values.insert(series.into(), value).is_some() {
                return wrong("the series was there before");
            }
        }
        family.ok_or("it is empty")?.check(is_openmetrics)?;
        Ok(metrics)
    }

    /// Returns every series.
    pub(crate) fn series(&self) -> impl Iterator<Item = String> {
        self.values.keys().cloned()
    }

    /// Returns the value of a series, which must be there.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        let value = self.values.get(series);
        *value.unwrap_or_else(|| panic!("no {series} in {:#?}", self.values))
    }

    /// Returns the sum of all series that have this name, and this label if one stands in
    /// braces; there must be one.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let (name, label) = name.split_once('{').unwrap_or((name, "}"));
        let label = label.trim_end_matches('}');
        let found: Vec<f64> = self
            .values
            .iter()
            .filter(|(series, _)| {
                let (its_name, labels) = series.split_once('{').unwrap_or((series, ""));
                its_name == name && labels.contains(label)
            })
            .map(|(_, value)| *value)
            .collect();
        assert!(!found.is_empty(), "no {name} {label} in {:#?}", self.values);
        found.iter().sum()
    }
}

/// Checks labels, of which the opening brace is taken off.
fn check_labels(labels: &str) -> Result<(), String> {
    if labels.is_empty() {
        return Ok(());
    }
    let labels = labels.strip_suffix('}').ok_or("labels end")?;
    let mut names = BTreeSet::new();
    for label in labels.split(',') {
        let (name, value) = label.split_once("=\"").ok_or("a label has a value")?;
        let value = value.strip_suffix('"').ok_or("a value ends")?;
        if value.is_empty() || value.contains(['"', '\\', '\n']) || !names.insert(name) {
            return Err(format!("label {label}"));
        }
    }
    Ok(())
}

#[test]
fn what_breaks_a_rule_is_refused() {
    let good = "# HELP a_bytes Words\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n\
        a_bytes_total{shard=\"0\"} 1\n# EOF\n";
    let metrics = Metrics::openmetrics(good).expect("it is good");
    assert_eq!(metrics.sum("a_bytes_total{shard=\"0\"}"), 1.0);
    for (from, to) in [
        ("# EOF\n", ""),
        ("# HELP a_bytes Words\n", ""),
        ("# TYPE a_bytes counter\n", ""),
        ("# UNIT a_bytes bytes\n", ""),
        ("a_bytes_total{", "a_bytes{"),
        ("} 1\n", "} one\n"),
        ("} 1\n", "} 1\na_bytes_total{shard=\"0\"} 1\n"),
        ("shard=\"0\"", "shard=0"),
    ] {
        let bad = good.replace(from, to);
        assert!(Metrics::openmetrics(&bad).is_err(), "{bad}");
    }
}
