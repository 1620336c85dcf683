//! Tokens of NEW_TOKEN frames are good once (RFC 9000 §8.1.4).

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quinn_proto::{TokenLog, TokenReuseError};

use crate::limits::TOKENS_USED_MAX;

/// The tokens that clients of a server have used, by number, on whatever shard.
///
/// They are kept by the lifetime in which they were issued: when one of the next but one
/// comes, those have expired. No clock is needed, for nobody else can make a token.
#[derive(Default)]
pub(crate) struct UsedTokens(Mutex<BTreeMap<u64, HashSet<u128>>>);

impl fmt::Debug for UsedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsedTokens(…)")
    }
}

impl TokenLog for UsedTokens {
    fn check_and_insert(
        &self,
        nonce: u128,
        issued: SystemTime,
        lifetime: Duration,
    ) -> Result<(), TokenReuseError> {
        let issued = issued.duration_since(UNIX_EPOCH).unwrap_or_default();
        let period = issued.as_secs() / lifetime.as_secs().max(1);
        let mut periods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = periods.last_key_value().map_or(period, |(last, _)| *last);
        if period + 1 < newest {
            return Err(TokenReuseError);
        }
        periods.retain(|known, _| *known + 1 >= period);
        let used = periods.entry(period).or_default();
        match used.len() < TOKENS_USED_MAX && used.insert(nonce) {
            true => Ok(()),
            false => Err(TokenReuseError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(100);

    fn is_good(used: &UsedTokens, nonce: u128, issued: u64) -> bool {
        let issued = UNIX_EPOCH + Duration::from_secs(issued);
        used.check_and_insert(nonce, issued, LIFETIME).is_ok()
    }

    #[test]
    fn a_token_is_good_once_as_long_as_it_could_be_good_again() {
        let used = UsedTokens::default();
        assert!(is_good(&used, 1, 1_050));
        assert!(!is_good(&used, 1, 1_050));
        assert!(is_good(&used, 2, 1_149));
        assert!(!is_good(&used, 1, 1_050));
        assert!(is_good(&used, 3, 1_200));
        // It has expired by now, whatever the clock of whoever asks.
        assert!(!is_good(&used, 4, 1_050));
    }

    #[test]
    fn few_are_remembered_and_more_are_not_taken() {
        let used = UsedTokens::default();
        for nonce in 0..TOKENS_USED_MAX as u128 {
            assert!(is_good(&used, nonce, 1_000));
        }
        assert!(!is_good(&used, 1 << 64, 1_000));
        assert!(is_good(&used, 1 << 64, 1_100));
        assert!(is_good(&used, 1 << 65, 1_200));
        let kept: usize = used
            .0
            .lock()
            .expect("nobody panics")
            .values()
            .map(HashSet::len)
            .sum();
        assert_eq!(kept, 2);
    }
}
