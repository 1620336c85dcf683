//! Points in time, as people and orchestrators write them.

use std::time::{Duration, SystemTime};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::args::number::decimal;

/// Beginning of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StartAt {
    /// At an instant.
    Instant(OffsetDateTime),
    /// At this time since midnight (UTC), of the day on which that is nearest.
    TimeOfDay(Duration),
}

const DAY: f64 = 24.0 * 60.0 * 60.0;

impl StartAt {
    /// Returns the instant that is meant by whoever says so now.
    pub(crate) fn instant(self, now: SystemTime) -> OffsetDateTime {
        let now = OffsetDateTime::from(now);
        let time = match self {
            Self::Instant(instant) => return instant,
            Self::TimeOfDay(time) => time,
        };
        let ahead =
            time.as_secs_f64() - (now - now.replace_time(time::Time::MIDNIGHT)).as_seconds_f64();
        let ahead = (ahead + DAY / 2.0).rem_euclid(DAY) - DAY / 2.0;
        now + time::Duration::seconds_f64(ahead)
    }
}

/// Reads `2026-11-23T10:00:00Z`, `1795428000` or `10:00:00`.
pub(super) fn start_at(text: &str) -> Result<StartAt, String> {
    let wrong = "write for instance 2026-11-23T10:00:00Z (RFC 3339), 1795428000 (seconds since \
                 1970) or 10:00:00 (today, UTC)";
    if let Ok(instant) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(StartAt::Instant(instant));
    }
    if let Some(time) = time_of_day(text) {
        return Ok(StartAt::TimeOfDay(time));
    }
    let nanoseconds = decimal(text).map(|seconds| (seconds * 1e9) as i128);
    let instant = nanoseconds.map(OffsetDateTime::from_unix_timestamp_nanos);
    match instant {
        Some(Ok(instant)) => Ok(StartAt::Instant(instant)),
        _ => Err(wrong.into()),
    }
}

fn time_of_day(text: &str) -> Option<Duration> {
    let mut parts = text.split(':').map(|part| {
        let is_plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u64>().ok().filter(|_| is_plain)
    });
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let fits = hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none();
    fits.then(|| Duration::from_secs((hours * 60 + minutes) * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_in_every_form() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_428_000);
        let unix = |text: &str| start_at(text).expect(text).instant(now).unix_timestamp();
        // 2026-11-23 10:00:00 UTC.
        for (text, ahead) in [
            ("1795428000", 0),
            ("1795428000.5", 0),
            ("2026-11-23T10:00:05Z", 5),
            ("2026-11-23T11:00:05+01:00", 5),
            ("10:00:05", 5),
            ("09:59:58", -2),
            ("21:59:59", 12 * 3_600 - 1),
            ("22:00:01", -12 * 3_600 + 1),
        ] {
            assert_eq!(unix(text) - 1_795_428_000, ahead, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let texts = "soon 10:00 24:00:00 10:00:00:00 -5 1e300 99999999999999 2026-11-23";
        for text in texts.split(' ').chain([""]) {
            let error = start_at(text).expect_err(text);
            assert!(error.contains("RFC 3339"), "{text}: {error}");
        }
    }
}
