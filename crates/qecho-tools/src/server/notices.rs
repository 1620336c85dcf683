//! What a server tells those who watch it, a bounded number of lines a second.

use std::{
    net::SocketAddr,
    sync::mpsc::SyncSender,
    time::{Duration, Instant},
};

use qecho_engine::StreamId;

/// Lines a second; what comes on top is only counted.
pub const LINES_PER_SECOND_MAX: u32 = 20;

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
    /// A connection has ended.
    Closed {
        /// Why.
        reason: String,
    },
    /// So many notices were left out.
    LeftOut(u64),
}

/// Lets notices through to their reader, within the limits.
#[derive(Debug)]
pub(super) struct Notices {
    reader: Option<SyncSender<Notice>>,
    second_began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Notices {
    pub(super) fn new(reader: Option<SyncSender<Notice>>) -> Self {
        Self {
            reader,
            second_began: None,
            lines: 0,
            left_out: 0,
        }
    }

    /// Asks to tell something: true if it may be told now, else it is counted.
    pub(super) fn may_tell(&mut self, now: Instant) -> bool {
        if self.reader.is_none() {
            return false;
        }
        self.begin_second(now);
        if self.lines < LINES_PER_SECOND_MAX {
            return true;
        }
        self.left_out += 1;
        false
    }

    /// Tells something that [`may_tell`](Self::may_tell) has allowed.
    pub(super) fn tell(&mut self, peer: SocketAddr, kind: NoticeKind) {
        self.lines += 1;
        let peer = Some(peer);
        if !self.hand_over(Notice { peer, kind }) {
            self.left_out += 1;
        }
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
        self.lines = 0;
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
            self.lines += 1;
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
        for _ in 0..LINES_PER_SECOND_MAX + 5 {
            if notices.may_tell(now) {
                let id = StreamId::new(
                    qecho_engine::Side::Client,
                    qecho_engine::Direction::Bidirectional,
                    0,
                );
                notices.tell(peer, NoticeKind::StreamOpened(id));
            }
        }
        assert_eq!(reader.try_iter().count(), LINES_PER_SECOND_MAX as usize);
        let due = notices.deadline().expect("something was left out");
        assert_eq!(due, now + SECOND);
        notices.handle_deadline(due);
        let told: Vec<_> = reader.try_iter().map(|notice| notice.kind).collect();
        assert_eq!(told, [NoticeKind::LeftOut(5)]);
        assert_eq!(notices.deadline(), None);
    }
}
