//! The error of every parser of certificates.

use std::error::Error;

/// Error of a certificate that is no well-formed X.509.
#[derive(Debug, thiserror::Error)]
#[error("not a well-formed X.509 certificate")]
pub struct MalformedCertificate {
    // Not its `source`: a parser's text is for debugging, and would be printed behind ours.
    cause: Box<dyn Error + Send + Sync>,
}

impl MalformedCertificate {
    pub(crate) fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: cause.into(),
        }
    }

    /// Returns the parser's error, for debugging.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}
