//! Causes with the evidence that speaks for them.

use super::Cause;

/// A cause that was found, and what speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The cause.
    pub cause: Cause,
    /// One sentence that says what is wrong, for people.
    pub sentence: String,
    /// One thing to do about it.
    pub advice: String,
    /// What was seen, a line each: that it failed, passed with one thing changed, and failed again.
    pub evidence: Vec<String>,
    /// Another cause that fits what was seen as well, and what would tell the two apart.
    pub or_else: Option<(Cause, String)>,
}

impl Finding {
    /// Names a cause.
    pub fn new(cause: Cause, sentence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            cause,
            sentence: sentence.into(),
            advice: advice.into(),
            evidence: Vec::new(),
            or_else: None,
        }
    }

    /// Adds what was seen.
    #[must_use]
    pub fn with_evidence<S: Into<String>>(mut self, seen: impl IntoIterator<Item = S>) -> Self {
        self.evidence.extend(seen.into_iter().map(Into::into));
        self
    }

    /// Adds another cause that fits as well, and what would tell the two apart.
    #[must_use]
    pub fn or_else(self, cause: Cause, told_apart_by: impl Into<String>) -> Self {
        Self {
            or_else: Some((cause, told_apart_by.into())),
            ..self
        }
    }
}
