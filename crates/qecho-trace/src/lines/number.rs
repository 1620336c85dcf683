//! Numbers and bytes, as they read best.

use std::time::Duration;

/// Bytes of a value that are shown as hexadecimal digits.
const HEX_SHOWN_MAX: usize = 32;

/// Writes bytes as hexadecimal digits, the first of them if they are many.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(HEX_SHOWN_MAX);
    let mut hex: String = shown.map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > HEX_SHOWN_MAX {
        hex.push('…');
    }
    hex
}

/// Writes bytes as hexadecimal digits, and says so if there are none.
pub(crate) fn hex_or_empty(bytes: &[u8]) -> String {
    match bytes {
        [] => "(empty)".into(),
        _ => hex(bytes),
    }
}

/// Writes a time in milliseconds with its microseconds.
pub(crate) fn stamp(since_start: Duration) -> String {
    let micros = since_start.as_micros();
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_milliseconds_with_three_digits_more() {
        assert_eq!(stamp(Duration::from_nanos(1_234_567_890)), "1234.567");
        assert_eq!(stamp(Duration::ZERO), "0.000");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(hex(&[0, 255]), "00ff");
        assert_eq!(hex(&[1; 33]).chars().count(), 65);
        assert_eq!(hex_or_empty(&[]), "(empty)");
    }
}
