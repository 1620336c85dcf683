//! Metrics as text: OpenMetrics 1.0, and the older format that some readers know alone.

use prometheus_client::{encoding::text::encode, registry::Registry};

use super::Snapshot;

/// Text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' own, version 0.0.4.
    Prometheus,
}

impl Format {
    /// Returns the format for somebody who accepts these media types (RFC 9110 §12.5.1): the newer
    /// one if it is named, and not to say that it is not wanted.
    pub(crate) fn accepted_by(media_types: &str) -> Self {
        let names_newer = |media_type: &str| {
            let mut parts = media_type.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                name.eq_ignore_ascii_case("q")
                    .then(|| value.parse::<f32>().ok())?
            });
            name.eq_ignore_ascii_case("application/openmetrics-text") && weight != Some(0.0)
        };
        match media_types.split(',').any(names_newer) {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes metrics as text.
pub(crate) fn exposition(snapshot: Snapshot, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes what is written");
    match format {
        Format::OpenMetrics => text,
        Format::Prometheus => older(&text),
    }
}

/// Rewrites OpenMetrics as the older format: there, the names that HELP and TYPE speak of are
/// those of the samples, and units and the end are not said.
fn older(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut older = String::new();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                let kind = lines.peek().and_then(|line| line.rsplit(' ').next());
                let (suffix, kind) = match kind.unwrap_or_default() {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    kind => ("", kind),
                };
                older += &format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
            }
            // TYPE was written with HELP.
            ["#", ..] => {}
            _ => {
                older += line;
                older.push('\n');
            }
        }
    }
    older
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_counters_by_their_samples() {
        let text = "# HELP a_bytes Some words\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n\
            a_bytes_total{shard=\"0\"} 7\n# HELP b Words\n# TYPE b info\nb_info{v=\"1\"} 1\n\
            # HELP c Words\n# TYPE c gauge\nc 3\n# EOF\n";
        let expected = "# HELP a_bytes_total Some words\n# TYPE a_bytes_total counter\n\
            a_bytes_total{shard=\"0\"} 7\n# HELP b_info Words\n# TYPE b_info gauge\n\
            b_info{v=\"1\"} 1\n# HELP c Words\n# TYPE c gauge\nc 3\n";
        assert_eq!(older(text), expected);
    }

    #[test]
    fn openmetrics_is_for_those_who_want_it_by_name() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5";
        assert_eq!(Format::accepted_by(prometheus), Format::OpenMetrics);
        for other in [
            "",
            "*/*",
            "text/html,text/plain",
            "application/openmetrics-text;q=0",
            "text/plain, application/openmetrics-text; version=1.0.0; q=0.000",
        ] {
            assert_eq!(Format::accepted_by(other), Format::Prometheus, "{other}");
        }
    }
}
