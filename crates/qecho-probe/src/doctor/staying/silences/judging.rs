//! What follows from silences: words for people, and a cause.

use super::{Confirmation, Outcome, Silences, keep_alive};
use crate::doctor::{Cause, Finding, RungReport};

impl Silences {
    pub(in crate::doctor::staying) fn report(&self, rung: &mut RungReport) {
        let kept = self
            .tried
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Kept);
        let longest = kept.map(|(length, _)| length.as_secs()).max();
        rung.say(match (self.edge(), longest) {
            (Some((_, forgotten)), _) => {
                let (length, outcome) = (forgotten.as_secs(), self.outcome(forgotten));
                format!("after {length} s of silence {}", outcome.words())
            }
            (None, Some(longest)) => {
                format!("after {longest} s of silence the answer comes as before")
            }
            (None, None) => "nothing is known of silences: none could be ended by an answer".into(),
        });
        if self.is_servers() {
            rung.say(
                "so it is also while the port is in use: the server has given up the connection",
            );
        }
        rung.fact("silence_kept_s", longest);
        rung.fact(
            "silence_forgotten_s",
            self.edge().map(|(_, it)| it.as_secs()),
        );
        rung.fact("idle_timeout_s", self.idle_timeout.map(|it| it.as_secs()));
    }

    /// Tells whether the server itself gives silent connections up, and nothing on the way.
    fn is_servers(&self) -> bool {
        self.confirmed
            .is_some_and(|it| it.beside == Outcome::Silent)
    }
}

/// Judges silences: a mapping is forgotten if that happens twice after the same silence, and not
/// where it is kept alive, be it by datagrams that the server's connection does not know of.
pub(in crate::doctor::staying) fn judge(silences: &Silences) -> Option<Finding> {
    let (kept, forgotten) = silences.edge()?;
    let Confirmation {
        alive,
        beside,
        silent: again,
        length,
    } = silences.confirmed?;
    if alive != Outcome::Kept || beside.is_forgotten() || !again.is_forgotten() {
        return None;
    }
    let keep_alive = keep_alive(forgotten).as_secs();
    let (kept, seconds) = (kept.as_secs(), forgotten.as_secs());
    let outcome = silences.outcome(forgotten);
    let is_silent = outcome == Outcome::Silent || again == Outcome::Silent;
    let beside = match beside {
        Outcome::Kept => Some("as long, with other datagrams from the same port, it is kept"),
        _ => is_silent.then_some("a server that gives connections up early looks alike"),
    };
    Some(
        Finding::new(
            Cause::NatForgets,
            format!(
                "A NAT or firewall on the way forgets the client after {seconds} s of silence."
            ),
            format!("Keep connections alive by a PING every {keep_alive} s."),
        )
        .with_evidence([
            format!("after {seconds} s of silence {}", outcome.words()),
            format!("after {kept} s of silence {}", Outcome::Kept.words()),
            format!("with a PING every {keep_alive} s it comes for longer than that"),
            format!(
                "after {} s of silence again {}",
                length.as_secs(),
                again.words()
            ),
        ])
        .with_evidence(beside),
    )
}
