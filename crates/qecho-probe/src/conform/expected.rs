//! Judging of reactions, in one place.

use qecho_packet::{
    close::{APPLICATION_ERROR, CONNECTION_REFUSED, transport_error},
    text::shown,
};
use qecho_peer::{received::Close, script::Reaction};

use super::{Finding, Verdict};

/// Reactions of a peer that keep a requirement.
///
/// ```
/// use qecho_packet::close::STREAM_STATE_ERROR;
/// use qecho_peer::script::Reaction;
/// use qecho_probe::conform::{Expected, Verdict};
///
/// const REFUSED: Expected = Expected::close(&[STREAM_STATE_ERROR]);
/// let is_acknowledged = true;
/// let finding = REFUSED.judge(&Reaction::LivesOn { is_acknowledged });
/// assert_eq!(finding.verdict, Verdict::Fail);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    codes: &'static [u64],
    survival: Survival,
    may_be_silent: bool,
    is_of_the_application: bool,
}

/// Words for a peer that says nothing any more.
pub(super) const SILENT: &str = "no answer any more";
const ACKNOWLEDGED: &str = "acknowledged, and the connection lives on";
const NOT_ACKNOWLEDGED: &str = "not acknowledged, and the connection lives on";

/// The code of a close without an error (RFC 9000 §20.1).
pub(super) const NO_ERROR: u64 = 0;

/// Whether the connection may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survival {
    /// It may not.
    None,
    /// It may, if the packet is discarded.
    Discarding,
    /// It may, if the packet is acknowledged.
    Acknowledging,
    /// It may not, but where the packet is acknowledged nobody knows whether it was read.
    Unread,
    /// It may.
    Any,
}

impl Expected {
    /// The connection is closed with one of these error codes of the transport.
    ///
    /// Another one is a note, and so is an end without a word: RFC 9000 §11 lets an endpoint use
    /// any code that applies, and does not demand that it says anything.
    pub const fn close(codes: &'static [u64]) -> Self {
        Self {
            codes,
            survival: Survival::None,
            may_be_silent: false,
            is_of_the_application: false,
        }
    }

    /// The connection lives on, whatever becomes of the packet.
    pub const fn lives_on() -> Self {
        Self::close(&[]).or_lives_on()
    }

    /// The packet is discarded, and the connection lives on.
    pub const fn discards() -> Self {
        Self::close(&[]).or_discards()
    }

    /// Nothing is answered any more.
    pub const fn no_answer() -> Self {
        Self::close(&[]).or_no_answer()
    }

    /// The connection may live on as well, whatever becomes of the packet.
    pub const fn or_lives_on(mut self) -> Self {
        self.survival = Survival::Any;
        self
    }

    /// The packet may be discarded as well: it is never acknowledged, and the connection lives
    /// on.
    pub const fn or_discards(mut self) -> Self {
        self.survival = Survival::Discarding;
        self
    }

    /// The connection may live on as well if the packet is acknowledged.
    pub const fn or_acknowledges(mut self) -> Self {
        self.survival = Survival::Acknowledging;
        self
    }

    /// The packet may be acknowledged as well, and the connection live on, which is a note: after
    /// the handshake an endpoint that has no room for CRYPTO data may discard all of it unread
    /// (RFC 9000 §7.5), and nobody sees from outside that it did.
    pub const fn or_stays_unread(mut self) -> Self {
        self.survival = Survival::Unread;
        self
    }

    /// The connection may be gone as well without a word.
    pub const fn or_no_answer(mut self) -> Self {
        self.may_be_silent = true;
        self
    }

    /// What is sent reaches the application, too, which may close for reasons of its own: then
    /// the requirement was not reached.
    pub const fn unless_the_application_closes(mut self) -> Self {
        self.is_of_the_application = true;
        self
    }

    /// Judges a reaction.
    pub fn judge(&self, reaction: &Reaction) -> Finding {
        let must_live = self.must_live();
        let (verdict, seen) = match reaction {
            Reaction::Closed(close) => (self.judge_close(close, must_live), close_words(close)),
            Reaction::Reset => (
                self.judge_end(must_live),
                "ended by a stateless reset".to_owned(),
            ),
            Reaction::Silent => (self.judge_end(must_live), SILENT.to_owned()),
            Reaction::LivesOn { is_acknowledged } => {
                let seen = match is_acknowledged {
                    true => ACKNOWLEDGED,
                    false => NOT_ACKNOWLEDGED,
                };
                (self.judge_life(*is_acknowledged), seen.to_owned())
            }
        };
        Finding::new(verdict, seen)
    }

    /// Tells whether the connection has to live on.
    pub(super) fn must_live(&self) -> bool {
        self.codes.is_empty() && self.survival != Survival::None
    }

    fn judge_close(&self, close: &Close, must_live: bool) -> Verdict {
        let is_right = !close.application && self.codes.contains(&close.code);
        // In the handshake it stands for a close of the application (RFC 9000 §10.2.3).
        match close.application || close.code == APPLICATION_ERROR {
            // Its reasons are unknown, and nothing of the transport's.
            true if self.is_of_the_application || must_live => Verdict::NotReached,
            _ if is_right => Verdict::Pass,
            // It accuses this side of nothing: the peer may be busy, or on its way to an end.
            _ if must_live && matches!(close.code, NO_ERROR | CONNECTION_REFUSED) => {
                Verdict::NotReached
            }
            _ if must_live => Verdict::Fail,
            _ => Verdict::Note,
        }
    }

    fn judge_end(&self, must_live: bool) -> Verdict {
        match self.may_be_silent {
            true => Verdict::Pass,
            false if must_live => Verdict::Fail,
            false => Verdict::Note,
        }
    }

    fn judge_life(&self, is_acknowledged: bool) -> Verdict {
        let is_right = match self.survival {
            Survival::Unread if is_acknowledged => return Verdict::Note,
            Survival::None | Survival::Unread => false,
            Survival::Discarding => !is_acknowledged,
            Survival::Acknowledging => is_acknowledged,
            Survival::Any => true,
        };
        match is_right {
            true => Verdict::Pass,
            false => Verdict::Fail,
        }
    }
}

impl Finding {
    /// Says no more than that the connection lives on, where nobody knows what was acknowledged.
    pub(super) fn of_life_alone(mut self) -> Self {
        if [ACKNOWLEDGED, NOT_ACKNOWLEDGED].contains(&self.seen.as_str()) {
            "the connection lives on".clone_into(&mut self.seen);
        }
        self
    }
}

/// Tells of a close in words; what the peer says is made harmless.
pub(crate) fn close_words(close: &Close) -> String {
    let code = match close.application {
        true => format!("application code {}", close.code),
        false => transport_error(close.code),
    };
    let said = String::from_utf8_lossy(&close.reason);
    match said.is_empty() {
        true => format!("closed with {code}"),
        false => format!("closed with {code}: {}", shown(&said)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use qecho_packet::close::{INTERNAL_ERROR, PROTOCOL_VIOLATION};
    use qecho_peer::tls::Level;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a close has some time")]
    fn closed(application: bool, code: u64) -> Reaction {
        Reaction::Closed(Close {
            level: Level::OneRtt,
            application,
            code,
            frame_type: None,
            reason: Vec::new(),
            at: Instant::now(),
        })
    }

    /// Returns the verdicts on each way to react: the right close, another one, the
    /// application's, a reset, silence, and life with and without an acknowledgement.
    fn verdicts(expected: Expected) -> [Verdict; 7] {
        let lives = |is_acknowledged| Reaction::LivesOn { is_acknowledged };
        let all = [
            closed(false, PROTOCOL_VIOLATION),
            closed(false, INTERNAL_ERROR),
            closed(true, PROTOCOL_VIOLATION),
            Reaction::Reset,
            Reaction::Silent,
            lives(true),
            lives(false),
        ];
        all.map(|reaction| expected.judge(&reaction).verdict)
    }

    const CLOSE: Expected = Expected::close(&[PROTOCOL_VIOLATION]);

    #[test]
    fn who_has_to_close_fails_by_living_on_and_by_nothing_else() {
        use Verdict::{Fail, NotReached, Note, Pass};
        let all = [Pass, Note, Note, Note, Note, Fail, Fail];
        assert_eq!(verdicts(CLOSE), all);
        let all = [Pass, Note, NotReached, Note, Note, Fail, Fail];
        assert_eq!(verdicts(CLOSE.unless_the_application_closes()), all);
    }

    #[test]
    fn an_application_that_gives_up_in_the_handshake_has_refused_nothing() {
        let given_up = closed(false, APPLICATION_ERROR);
        let verdict = |expected: Expected| expected.judge(&given_up).verdict;
        assert_eq!(verdict(Expected::lives_on()), Verdict::NotReached);
        assert_eq!(verdict(CLOSE), Verdict::Note);
    }

    #[test]
    fn where_there_are_two_ways_both_pass() {
        use Verdict::{Fail, Note, Pass};
        let all = [Pass, Note, Note, Note, Note, Pass, Pass];
        assert_eq!(verdicts(CLOSE.or_lives_on()), all);
        let all = [Pass, Note, Note, Note, Note, Fail, Pass];
        assert_eq!(verdicts(CLOSE.or_discards()), all);
        let all = [Pass, Note, Note, Note, Note, Pass, Fail];
        assert_eq!(verdicts(CLOSE.or_acknowledges()), all);
        let all = [Pass, Note, Note, Pass, Pass, Fail, Fail];
        assert_eq!(verdicts(CLOSE.or_no_answer()), all);
    }

    #[test]
    fn who_has_to_live_on_fails_by_every_end_but_the_application_s() {
        use Verdict::{Fail, NotReached, Pass};
        let all = [Fail, Fail, NotReached, Fail, Fail, Pass, Pass];
        assert_eq!(verdicts(Expected::lives_on()), all);
    }

    #[test]
    fn who_closes_without_an_accusation_has_broken_nothing() {
        for code in [NO_ERROR, CONNECTION_REFUSED] {
            let verdict = |expected: Expected| expected.judge(&closed(false, code)).verdict;
            assert_eq!(verdict(Expected::lives_on()), Verdict::NotReached);
            assert_eq!(verdict(CLOSE), Verdict::Note);
        }
    }
}
