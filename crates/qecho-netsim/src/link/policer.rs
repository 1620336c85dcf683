//! A policer: what comes faster than it allows is dropped at once, and nothing waits.

use std::time::{Duration, Instant};

/// Datagrams that may pass in a time, all of them at once if need be.
///
/// Room for one more comes evenly: of `5/100ms` every 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Police {
    /// Datagrams that pass at once after a pause.
    pub datagrams: u32,
    /// Time in which there is room for so many again.
    pub per: Duration,
}

/// The token bucket of a policer, as the instant at which it is full again (the virtual
/// scheduling algorithm of ITU-T I.371, which needs no fractions of tokens).
#[derive(Debug, Default)]
pub(super) struct Policer {
    full_at: Option<Instant>,
}

impl Policer {
    /// Tells whether a datagram passes, and takes its token if it does.
    pub(super) fn pass(&mut self, now: Instant, police: Police) -> bool {
        let token = police.per / police.datagrams.max(1);
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + token;
        let passes = full_at <= now + police.per;
        if passes {
            self.full_at = Some(full_at);
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn a_bucket_of_five_lets_five_pass_at_once_and_one_more_as_room_comes() {
        let (start, mut policer) = (Instant::now(), Policer::default());
        let police = Police {
            datagrams: 5,
            per: Duration::from_millis(100),
        };
        let mut passed = |at, count: usize| {
            let now = start + Duration::from_millis(at);
            (0..count).filter(|_| policer.pass(now, police)).count()
        };
        assert_eq!(passed(0, 16), 5);
        assert_eq!(passed(19, 2), 0);
        assert_eq!(passed(20, 2), 1);
        assert_eq!(passed(80, 9), 3);
        assert_eq!(passed(1_000, 64), 5);
        // What comes no faster than the room does always passes.
        let paced = (0..200).map(|number| passed(1_100 + 20 * number, 1));
        assert_eq!(paced.sum::<usize>(), 200);
    }
}
