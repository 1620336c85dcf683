//! Notices of what happens on a server, a bounded number a second.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use qecho_engine::{Connection, StreamId};
use qecho_packet::text;

use super::rate_limit::{RateLimit, Subject};

/// Notices that wait for a slow reader; more are only counted.
pub const NOTICES_MAX: usize = 256;

const SECOND: Duration = Duration::from_secs(1);

/// Something that happened on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The connection's peer; `None` for what concerns them all.
    pub peer: Option<SocketAddr>,
    /// The connection's number among all of the server; `None` for a client that got none.
    pub connection: Option<u64>,
    /// Its kind.
    pub kind: NoticeKind,
}

/// Kind of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A handshake was completed.
    Connected {
        /// The application protocol, if one was agreed.
        alpn: Option<Vec<u8>>,
    },
    /// The peer opened a stream.
    StreamOpened(StreamId),
    /// A piece of a stream was received and is being echoed.
    Received {
        /// The stream it came on; `None` for a DATAGRAM frame.
        stream: Option<StreamId>,
        /// Its text, safe to show and bounded; `None` if it is no text.
        text: Option<String>,
        /// Its length in bytes.
        bytes: usize,
    },
    /// The echo of a stream has ended.
    StreamClosed(StreamId),
    /// A client was refused at its first packet.
    Refused {
        /// The reason, for people.
        reason: String,
    },
    /// A handshake was not completed.
    HandshakeFailed {
        /// The reason, for people.
        reason: String,
    },
    /// A connection has ended.
    Closed {
        /// The reason, for people.
        reason: String,
    },
    /// This many notices were left out.
    LeftOut(u64),
}

/// Address of a peer, and number of its connection if it has one.
type Name = (SocketAddr, Option<u64>);

/// Returns what a connection's notices name it by.
pub(super) fn name(connection: &Connection<'_>) -> Name {
    (connection.remote_address(), connection.number())
}

/// The text of each stream that was cut inside a character.
pub(super) type Decoders = BTreeMap<StreamId, text::Decoder>;

/// Sender of notices, within the limits. A clone is for another shard of the same server.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerLog {
    reader: Option<SyncSender<Notice>>,
    /// One for all shards of the server.
    limit: Arc<RateLimit>,
    second_began: Option<Instant>,
    left_out: u64,
}

impl ServerLog {
    pub(super) fn new(reader: Option<SyncSender<Notice>>) -> Self {
        Self {
            reader,
            ..Self::default()
        }
    }

    /// Tells whether a notice may be sent now; else it is counted.
    pub(super) fn may_tell(&mut self, now: Instant, subject: Subject) -> bool {
        if self.reader.is_none() {
            return false;
        }
        self.begin_second(now);
        if self.limit.take(now, subject) {
            return true;
        }
        self.left_out += 1;
        false
    }

    /// Sends a notice that [`may_tell`](Self::may_tell) has allowed.
    pub(super) fn tell(&mut self, (peer, connection): Name, kind: NoticeKind) {
        let peer = Some(peer);
        let notice = Notice {
            peer,
            connection,
            kind,
        };
        if !self.hand_over(notice) {
            self.left_out += 1;
        }
    }

    /// Sends a notice of what was received, if that may be sent now.
    pub(super) fn tell_received(
        &mut self,
        connection: &Connection<'_>,
        decoders: &mut Decoders,
        stream: Option<StreamId>,
        data: &[u8],
    ) {
        if !self.may_tell(connection.now(), Subject::Message) {
            if let Some(id) = stream {
                decoders.remove(&id);
            }
            return;
        }
        // Four bytes a character at most; the rest would not be shown.
        let bytes = data.len();
        let data = &data[..bytes.min(text::SHOWN_MAX * 4)];
        let decoded = match stream {
            // A text that is cut here cannot be joined with what follows.
            Some(id) if data.len() < bytes => {
                let mut decoder = decoders.remove(&id).unwrap_or_default();
                decoder.decode(data)
            }
            Some(id) => decoders.entry(id).or_default().decode(data),
            None => String::from_utf8_lossy(data).into_owned(),
        };
        let is_text = !decoded.contains(char::REPLACEMENT_CHARACTER);
        let text = is_text.then(|| text::shown(&decoded));
        let kind = NoticeKind::Received {
            stream,
            text,
            bytes,
        };
        self.tell(name(connection), kind);
    }

    fn hand_over(&mut self, notice: Notice) -> bool {
        let Some(reader) = &self.reader else {
            return false;
        };
        reader.try_send(notice).is_ok()
    }

    fn begin_second(&mut self, now: Instant) {
        if self.second_began.is_some_and(|began| now < began + SECOND) {
            return;
        }
        self.second_began = Some(now);
        self.tell_left_out();
    }

    /// Sends the count of what was left out since the last one.
    pub(super) fn tell_left_out(&mut self) {
        if self.left_out == 0 {
            return;
        }
        let kind = NoticeKind::LeftOut(self.left_out);
        let notice = Notice {
            peer: None,
            connection: None,
            kind,
        };
        if self.hand_over(notice) {
            self.left_out = 0;
        }
    }

    /// Returns the instant at which the count of what was left out is to be sent.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.left_out > 0 && self.reader.is_some()).then_some(self.second_began? + SECOND)
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        self.begin_second(now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::{super::rate_limit::LINES_PER_SECOND_MAX, *};

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_twenty_first_line_of_a_second_is_counted_and_told_in_the_next() {
        let (sender, reader) = sync_channel(NOTICES_MAX);
        let mut log = ServerLog::new(Some(sender));
        let now = start();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let received = NoticeKind::Received {
            stream: None,
            text: None,
            bytes: 1,
        };
        for _ in 0..LINES_PER_SECOND_MAX + 5 {
            if log.may_tell(now, Subject::Message) {
                log.tell((peer, None), received.clone());
            }
        }
        assert_eq!(reader.try_iter().count(), LINES_PER_SECOND_MAX as usize);
        assert!(
            log.may_tell(now, Subject::Lifecycle),
            "what comes and goes has lines of its own"
        );
        let due = log.deadline().expect("something was left out");
        assert_eq!(due, now + SECOND);
        log.handle_deadline(due);
        let told: Vec<_> = reader.try_iter().map(|notice| notice.kind).collect();
        assert_eq!(told, [NoticeKind::LeftOut(5)]);
        assert_eq!(log.deadline(), None);
    }
}
