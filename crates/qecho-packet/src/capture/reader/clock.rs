//! Time stamps of an interface.

use std::time::Duration;

/// Digits of a second's fraction that a [`Duration`] keeps.
const NANOSECOND_DIGITS: u32 = 9;
const NANOSECONDS_PER_SECOND: u128 = 1_000_000_000;

/// The clock of an interface (draft-ietf-opsawg-pcapng-03 §4.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// `if_tsresol`: a negative power of ten, or of two with the highest bit.
    pub(super) resolution: u8,
    /// `if_tsoffset`: seconds to add.
    pub(super) offset: i64,
}

impl Default for Clock {
    /// Microseconds since 1970.
    fn default() -> Self {
        Self {
            resolution: 6,
            offset: 0,
        }
    }
}

impl Clock {
    /// Returns the time since 1970, cut to nanoseconds; what would lie before
    /// is 1970.
    pub(super) fn time(self, ticks: u64) -> Duration {
        let ticks = u128::from(ticks);
        let exponent = u32::from(self.resolution & 0x7f);
        let nanoseconds = if self.resolution & 0x80 != 0 {
            // At most 94 bits, and then fewer.
            (ticks * NANOSECONDS_PER_SECOND) >> exponent
        } else if exponent <= NANOSECOND_DIGITS {
            ticks * 10_u128.pow(NANOSECOND_DIGITS - exponent)
        } else {
            // Beyond 38 digits no stamp reaches a nanosecond.
            let divisor = 10_u128.checked_pow(exponent - NANOSECOND_DIGITS);
            divisor.map_or(0, |divisor| ticks / divisor)
        };
        let seconds = (nanoseconds / NANOSECONDS_PER_SECOND) as u64;
        let rest = (nanoseconds % NANOSECONDS_PER_SECOND) as u32;
        match seconds.checked_add_signed(self.offset) {
            Some(seconds) => Duration::new(seconds, rest),
            None if self.offset < 0 => Duration::ZERO,
            None => Duration::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(resolution: u8, offset: i64, ticks: u64) -> Duration {
        Clock { resolution, offset }.time(ticks)
    }

    #[test]
    fn stamps_count_microseconds_unless_they_say_otherwise() {
        let time = Clock::default().time(1_000_002);
        assert_eq!(time, Duration::new(1, 2_000));
    }

    #[test]
    fn stamps_count_powers_of_ten() {
        assert_eq!(time(0, 0, 3), Duration::from_secs(3));
        assert_eq!(time(3, 0, 3), Duration::from_millis(3));
        assert_eq!(
            time(9, 0, 7_000_000_001),
            Duration::from_nanos(7_000_000_001)
        );
        assert_eq!(time(12, 0, 1_234_567), Duration::from_nanos(1_234));
        assert_eq!(time(127, 0, u64::MAX), Duration::ZERO);
    }

    #[test]
    fn stamps_count_powers_of_two() {
        assert_eq!(time(0x80, 0, 3), Duration::from_secs(3));
        assert_eq!(time(0x80 | 10, 0, 1_536), Duration::from_millis(1_500));
        assert_eq!(time(0xff, 0, u64::MAX), Duration::ZERO);
    }

    #[test]
    fn an_offset_moves_them_and_never_beyond_what_can_be_told() {
        assert_eq!(time(3, 10, 2_500), Duration::from_millis(12_500));
        assert_eq!(time(3, -2, 2_500), Duration::from_millis(500));
        assert_eq!(time(3, -3, 2_500), Duration::ZERO);
        assert_eq!(time(0, i64::MIN, 0), Duration::ZERO);
        assert_eq!(time(0, i64::MAX, u64::MAX), Duration::MAX);
    }
}
