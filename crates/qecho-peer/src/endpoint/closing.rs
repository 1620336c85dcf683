//! The end of a connection (RFC 9000 §10).

use qecho_packet::wire::Frame;

use super::{Ended, Endpoint};
use crate::{packet::Content, rules::Violation, tls::Level};

/// Code that is told in place of an application's code before the handshake is complete (RFC 9000
/// §10.2.3).
const APPLICATION_ERROR: u64 = 0x0c;

/// A connection that the endpoint has closed.
pub(super) struct Closing {
    application: bool,
    code: u64,
    frame_type: Option<u64>,
    reason: String,
    /// Whether CONNECTION_CLOSE is to be sent.
    is_due: bool,
    /// Datagrams that came since.
    received: u64,
}

impl Endpoint {
    /// Acts on what the rules refuse.
    pub(super) fn refuse(&mut self, violation: Violation) {
        if violation.discard || self.ended.is_some() {
            return;
        }
        let Violation {
            code, frame_type, ..
        } = violation;
        let reason = violation.reason.clone();
        self.violation = Some(violation);
        self.begin_closing(false, code, frame_type, &reason);
    }

    /// Closes the connection; the last word counts.
    pub(super) fn begin_closing(
        &mut self,
        application: bool,
        code: u64,
        frame_type: Option<u64>,
        reason: &str,
    ) {
        self.end(Ended::ByEndpoint);
        self.closing = Some(Closing {
            application,
            code,
            frame_type,
            reason: reason.to_owned(),
            is_due: true,
            received: 0,
        });
    }

    /// Ends the connection, unless it has ended.
    pub(super) fn end(&mut self, ended: Ended) {
        self.ended.get_or_insert(ended);
    }

    /// Counts a datagram that came since the endpoint has closed, and answers the first, second,
    /// fourth … by CONNECTION_CLOSE again (RFC 9000 §10.2.1).
    pub(super) fn answer_closing(&mut self) {
        if self.ended != Some(Ended::ByEndpoint) || !self.behaviour.repeats_close {
            return;
        }
        if let Some(closing) = &mut self.closing
            && !closing.is_due
        {
            closing.received += 1;
            closing.is_due = closing.received.is_power_of_two();
        }
    }

    /// Returns what closes the connection at a level, if that is to be sent.
    pub(super) fn due_close(&self, level: Level) -> Option<Content> {
        let closing = self.closing.as_ref().filter(|closing| closing.is_due)?;
        let is_early = level != Level::OneRtt && closing.application;
        let frame = match is_early {
            true => Frame::ConnectionClose {
                application: false,
                code: APPLICATION_ERROR,
                frame_type: None,
                reason: b"",
            },
            false => Frame::ConnectionClose {
                application: closing.application,
                code: closing.code,
                frame_type: closing.frame_type,
                reason: closing.reason.as_bytes(),
            },
        };
        Some(Content::from(frame))
    }

    /// Notes that CONNECTION_CLOSE was sent.
    pub(super) fn close_was_sent(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.is_due = false;
        }
    }
}
