//! What a server tells those who watch it, a bounded number of lines a second.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, mpsc::SyncSender},
    time::{Duration, Instant},
};

use qecho_engine::{Connection, StreamId};
use qecho_packet::text;

use super::allowance::Allowance;

/// Lines a second about what is received; what comes on top is only counted.
pub const LINES_PER_SECOND_MAX: u32 = 20;

/// Lines a second about connections and streams that come and go; what comes
/// on top is only counted. Apart, so that no message drowns them.
pub const EVENTS_PER_SECOND_MAX: u32 = 40;

/// Notices that wait for a slow reader; what comes on top is only counted.
pub const NOTICES_MAX: usize = 256;

const SECOND: Duration = Duration::from_secs(1);

/// Something that happened on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The connection's peer; `None` for what concerns them all.
    pub peer: Option<SocketAddr>,
    /// What happened.
    pub kind: NoticeKind,
}

/// What happened.
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
    /// A client was turned away with its first packet.
    Refused {
        /// Why.
        reason: String,
    },
    /// A handshake was not completed.
    HandshakeFailed {
        /// Why.
        reason: String,
    },
    /// A connection has ended.
    Closed {
        /// Why.
        reason: String,
    },
    /// So many notices were left out.
    LeftOut(u64),
}

/// The text of each stream that was cut inside a character.
pub(super) type Decoders = BTreeMap<StreamId, text::Decoder>;

/// Lets notices through to their reader, within the limits.
#[derive(Debug)]
pub(super) struct Notices {
    reader: Option<SyncSender<Notice>>,
    /// One for all shards of the server.
    allowance: Arc<Allowance>,
    second_began: Option<Instant>,
    left_out: u64,
}

/// What a notice is about, which decides how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Something that was received.
    Message,
    /// A connection or stream that comes or goes.
    Life,
}

impl Notices {
    pub(super) fn new(reader: Option<SyncSender<Notice>>) -> Self {
        Self {
            reader,
            allowance: Arc::default(),
            second_began: None,
            left_out: 0,
        }
    }

    /// Returns the notices of another shard of the same server.
    pub(super) fn for_another_shard(&self) -> Self {
        Self {
            allowance: self.allowance.clone(),
            ..Self::new(self.reader.clone())
        }
    }

    /// Asks to tell something: true if it may be told now, else it is counted.
    pub(super) fn may_tell(&mut self, now: Instant, about: About) -> bool {
        if self.reader.is_none() {
            return false;
        }
        self.begin_second(now);
        if self.allowance.take(now, about) {
            return true;
        }
        self.left_out += 1;
        false
    }

    /// Tells something that [`may_tell`](Self::may_tell) has allowed.
    pub(super) fn tell(&mut self, peer: SocketAddr, kind: NoticeKind) {
        let peer = Some(peer);
        if !self.hand_over(Notice { peer, kind }) {
            self.left_out += 1;
        }
    }

    /// Tells what was received, if it may be told now.
    pub(super) fn tell_received(
        &mut self,
        connection: &Connection<'_>,
        decoders: &mut Decoders,
        stream: Option<StreamId>,
        data: &[u8],
    ) {
        if !self.may_tell(connection.now(), About::Message) {
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
        self.tell(connection.remote_address(), kind);
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

    /// Tells how much was left out since this was last told.
    pub(super) fn tell_left_out(&mut self) {
        if self.left_out == 0 {
            return;
        }
        let kind = NoticeKind::LeftOut(self.left_out);
        if self.hand_over(Notice { peer: None, kind }) {
            self.left_out = 0;
        }
    }

    /// Returns when the count of what was left out is to be told.
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

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_twenty_first_line_of_a_second_is_counted_and_told_in_the_next() {
        let (sender, reader) = sync_channel(NOTICES_MAX);
        let mut notices = Notices::new(Some(sender));
        let now = start();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let received = NoticeKind::Received {
            stream: None,
            text: None,
            bytes: 1,
        };
        for _ in 0..LINES_PER_SECOND_MAX + 5 {
            if notices.may_tell(now, About::Message) {
                notices.tell(peer, received.clone());
            }
        }
        assert_eq!(reader.try_iter().count(), LINES_PER_SECOND_MAX as usize);
        assert!(
            notices.may_tell(now, About::Life),
            "what comes and goes has lines of its own"
        );
        let due = notices.deadline().expect("something was left out");
        assert_eq!(due, now + SECOND);
        notices.handle_deadline(due);
        let told: Vec<_> = reader.try_iter().map(|notice| notice.kind).collect();
        assert_eq!(told, [NoticeKind::LeftOut(5)]);
        assert_eq!(notices.deadline(), None);
    }
}
