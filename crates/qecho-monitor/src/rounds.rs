//! Rounds of questions to all shards, each of which serves everybody who waited for it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use qecho_echo::server::{Echo, Report};
use qecho_io::{Inspector, ShardStatus};

use crate::{SHARD_PATIENCE, clock::clock};

/// Time from the beginning of one round to that of the next, at least: however many ask, a shard
/// is not woken more often.
const ROUND_INTERVAL: Duration = Duration::from_millis(100);

/// Each shard's answer, `None` from one that has given none.
pub(crate) type Answers = Arc<[Option<ShardStatus<Report>>]>;

/// Asks shards for all who want to know, one round at a time: however many ask, nobody finds the
/// shards' queues full.
pub(crate) struct Rounds {
    inspector: Inspector<Echo>,
    /// Number of rounds that have begun.
    begun: AtomicU64,
    /// The last round that is over; locked while there is another.
    last: Mutex<Round>,
}

struct Round {
    number: u64,
    begun: Option<Instant>,
    answers: Answers,
}

impl Rounds {
    pub(crate) fn new(inspector: Inspector<Echo>) -> Self {
        Self {
            inspector,
            begun: AtomicU64::new(0),
            last: Mutex::new(Round {
                number: 0,
                begun: None,
                answers: Answers::default(),
            }),
        }
    }

    /// Returns what each shard answers to a question that is put to it from now on.
    pub(crate) fn ask(&self) -> Answers {
        let wanted = self.begun.load(SeqCst) + 1;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.number >= wanted {
            return last.answers.clone();
        }
        if let Some(begun) = last.begun {
            thread::sleep((begun + ROUND_INTERVAL).saturating_duration_since(clock()));
        }
        let number = last.number + 1;
        self.begun.store(number, SeqCst);
        let begun = Some(clock());
        let answers = self.inspector.ask(SHARD_PATIENCE, |echo| *echo.report());
        let answers: Answers = answers.into();
        *last = Round {
            number,
            begun,
            answers: answers.clone(),
        };
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Gate};

    /// More askers than questions that may wait for a shard.
    const CROWD: usize = 40;

    static HELD: Gate = Gate::new();

    #[test]
    fn a_crowd_that_asks_a_busy_shard_is_answered_when_it_has_time() {
        let server = testing::server(1);
        let inspector = server.inspector();
        inspector.ask(Duration::ZERO, |_| HELD.wait());
        for _ in 0..CROWD {
            let answers = inspector.ask(Duration::ZERO, |_| ());
            assert_eq!(answers, [None], "it stands still");
        }
        let ask = || inspector.ask(testing::LIMIT, |_| ());
        thread::scope(|scope| {
            let asking: Vec<_> = (0..CROWD).map(|_| scope.spawn(ask)).collect();
            HELD.open();
            for one in asking {
                let answers = one.join().expect("nobody panics");
                assert!(answers[0].is_some(), "the queue is full for a moment only");
            }
        });
    }

    #[test]
    fn a_crowd_that_asks_all_the_time_wakes_a_shard_ten_times_a_second_at_most() {
        let server = testing::server(2);
        let rounds = Rounds::new(server.inspector());
        let begun = clock();
        let ask = || {
            for _ in 0..3 {
                assert!(rounds.ask().iter().all(Option::is_some));
            }
        };
        thread::scope(|scope| {
            for _ in 0..CROWD {
                scope.spawn(ask);
            }
        });
        let intervals = (clock() - begun).as_millis() / ROUND_INTERVAL.as_millis();
        let number = rounds.begun.load(SeqCst);
        assert!(number >= 3, "nobody gets the answers of before");
        assert!(u128::from(number) <= intervals + 1, "{number} {intervals}");
    }
}
