//! The echo protocol as a server (docs/protocol.md).

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::mpsc::SyncSender,
    time::{Duration, Instant},
};

use bytes::Bytes;
use qecho_engine::{
    Application, Connection, Dir, Event, ReadEnd, RejectReason, SendDatagramError, ShardContext,
    StreamId, Written, limits,
};

use super::{
    config::End,
    ending::Ending,
    rate_limit::Subject,
    report::Report,
    server_log::{Decoders, Notice, NoticeKind, ServerLog, name},
    unsent::{Piece, Unsent},
};
use crate::{COALESCE_MAX, answered, reply};

/// STOP_SENDING code for a unidirectional stream of a peer that allows us
/// none to echo it on.
pub const CODE_NO_UNIDIRECTIONAL_STREAMS: u64 = 1;

/// STOP_SENDING code for what follows the message of a stream that
/// [`End::AfterMessage`] has ended.
pub const CODE_MESSAGE_ENDED: u64 = 2;

/// Application code of the CONNECTION_CLOSE of a server that shuts down.
const CODE_NO_ERROR: u64 = 0;

/// Command of another thread to an echo server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Refuses newcomers and gives live streams so long to finish.
    Drain(Duration),
}

/// The echo protocol as the application of a shard. A clone is for another shard of the same
/// server.
#[derive(Clone, Debug, Default)]
pub struct Echo {
    end: End,
    answer: Option<fn(Bytes) -> Bytes>,
    log: ServerLog,
    report: Report,
}

/// State of the echo for one connection. A stream whose bytes all went out again leaves nothing
/// here.
#[derive(Debug, Default)]
pub struct EchoConnection {
    /// Bytes that the send side refused. Their streams are not read until they
    /// are gone: flow control then holds the peer back.
    unsent: Unsent,
    /// Streams that have more to read than one turn handles.
    ready: BTreeSet<StreamId>,
    /// Streams whose echo has ended before they did.
    ended: BTreeSet<StreamId>,
    /// Text cut inside a character, kept only while there is a reader of notices.
    decoders: Decoders,
    /// The peer's unidirectional streams that were opened, and those of them
    /// that have a stream of ours for their echo. Both are opened in order.
    unidirectional_accepted: u64,
    unidirectional_paired: u64,
    /// Those whose echo goes on.
    pairs: BTreeSet<StreamId>,
}

impl Echo {
    /// Makes an echo that sends notices of what happens.
    pub fn new(end: End, notices: Option<SyncSender<Notice>>) -> Self {
        Self {
            end,
            log: ServerLog::new(notices),
            ..Self::default()
        }
    }

    /// Makes an echo that sends `answer` of each piece in its place, by the same protocol. Pieces
    /// are cut anywhere.
    pub fn answering(answer: fn(Bytes) -> Bytes) -> Self {
        Self {
            answer: Some(answer),
            ..Self::default()
        }
    }

    /// Returns the counts so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Ends the echo: sends the count of notices that were left out, and returns all counts.
    pub fn into_report(mut self) -> Report {
        self.log.tell_left_out();
        self.report
    }

    fn answer(&self, data: Bytes) -> Bytes {
        match self.answer {
            Some(answer) if !data.is_empty() => answer(data),
            _ => data,
        }
    }

    fn tell(&mut self, connection: &Connection<'_>, kind: impl FnOnce() -> NoticeKind) {
        if self.log.may_tell(connection.now(), Subject::Lifecycle) {
            self.log.tell(name(connection), kind());
        }
    }

    fn opened(
        &mut self,
        connection: &mut Connection<'_>,
        state: &mut EchoConnection,
        id: StreamId,
    ) {
        self.report.streams += 1;
        self.tell(connection, || NoticeKind::StreamOpened(id));
        if id.direction() == Dir::Bidirectional {
            self.echo(connection, state, id);
            return;
        }
        let allowed = connection
            .handshake()
            .map(|handshake| &handshake.peer_parameters)
            .map(|parameters| parameters.initial_max_streams(Dir::Unidirectional));
        if allowed == Some(0) {
            connection.stop(id, CODE_NO_UNIDIRECTIONAL_STREAMS);
            return;
        }
        state.unidirectional_accepted += 1;
        self.pair(connection, state);
    }

    /// Opens streams for the echoes of the peer's unidirectional streams, as
    /// far as the peer allows; the others wait unread.
    fn pair(&mut self, connection: &mut Connection<'_>, state: &mut EchoConnection) {
        while state.unidirectional_paired < state.unidirectional_accepted {
            let Some(reply) = connection.open(Dir::Unidirectional) else {
                return;
            };
            debug_assert_eq!(
                reply.index(),
                state.unidirectional_paired,
                "only echoes open streams, one for each of the peer's, in order"
            );
            state.unidirectional_paired += 1;
            state.pairs.insert(answered(reply));
            allow_waiting(connection, state);
            self.echo(connection, state, answered(reply));
        }
    }

    /// Takes one step of echoing a stream: sends what is unsent, else reads a
    /// bounded piece and writes it back.
    fn echo(&mut self, connection: &mut Connection<'_>, state: &mut EchoConnection, id: StreamId) {
        let waits_for_a_pair =
            id.direction() == Dir::Unidirectional && id.index() >= state.unidirectional_paired;
        if waits_for_a_pair {
            return;
        }
        if let Some(piece) = state.unsent.take(id) {
            if let Some(code) = connection.received_reset(id) {
                self.abandon(connection, state, id, code);
                return;
            }
            let open = self.send(connection, state, id, piece);
            let ended = state.ended.contains(&id) && !state.unsent.contains(id);
            if !open && !ended {
                return;
            }
        }
        if state.ended.contains(&id) {
            discard(connection, state, id);
            return;
        }
        let most = state.unsent.piece_max();
        let read = match self.end {
            End::WithPeer => connection.read_piece(id, most),
            // All that has come is the message.
            End::AfterMessage => connection.read(id, most),
        };
        if !read.data.is_empty() {
            self.report.bytes_echoed += read.data.len() as u64;
            self.log
                .tell_received(connection, &mut state.decoders, Some(id), &read.data);
        }
        let message_ended = self.end == End::AfterMessage && !read.data.is_empty();
        if message_ended && read.end != ReadEnd::Fin {
            state.ended.insert(id);
        }
        let fin = message_ended || read.end == ReadEnd::Fin;
        let data = self.answer(read.data);
        let open = self.send(connection, state, id, Piece { data, fin });
        match read.end {
            ReadEnd::Reset(code) => self.abandon(connection, state, id, code),
            ReadEnd::More if open || message_ended => {
                state.ready.insert(id);
                connection.request_turn();
            }
            ReadEnd::More | ReadEnd::Blocked | ReadEnd::Fin | ReadEnd::Closed => {}
        }
    }

    /// Sends bytes back and the FIN after them; tells whether the stream can
    /// be read on.
    fn send(
        &mut self,
        connection: &mut Connection<'_>,
        state: &mut EchoConnection,
        id: StreamId,
        Piece { data, fin }: Piece,
    ) -> bool {
        match connection.write(reply(id), data) {
            Written::All => {}
            Written::Blocked(data) => {
                state.unsent.put(id, Piece { data, fin });
                return false;
            }
            Written::Stopped(code) => {
                self.stopped(connection, state, reply(id), code);
                return false;
            }
            Written::Closed => return false,
        }
        if fin {
            connection.finish(reply(id));
            self.forget(connection, state, id);
        }
        !fin
    }

    /// Answers the peer's RESET_STREAM.
    fn abandon(
        &mut self,
        connection: &mut Connection<'_>,
        state: &mut EchoConnection,
        id: StreamId,
        code: u64,
    ) {
        connection.reset(reply(id), code);
        state.ended.remove(&id);
        self.forget(connection, state, id);
    }

    /// Answers the peer's STOP_SENDING on a stream of echoes.
    fn stopped(
        &mut self,
        connection: &mut Connection<'_>,
        state: &mut EchoConnection,
        reply: StreamId,
        code: u64,
    ) {
        connection.reset(reply, code);
        connection.stop(answered(reply), code);
        state.ended.remove(&answered(reply));
        self.forget(connection, state, answered(reply));
    }

    fn forget(&mut self, connection: &Connection<'_>, state: &mut EchoConnection, id: StreamId) {
        state.unsent.take(id);
        state.pairs.remove(&id);
        state.decoders.remove(&id);
        if !state.ended.contains(&id) {
            state.ready.remove(&id);
        }
        self.tell(connection, || NoticeKind::StreamClosed(id));
    }

    fn echo_datagrams(&mut self, connection: &mut Connection<'_>, state: &mut EchoConnection) {
        while let Some(data) = connection.receive_datagram() {
            self.log
                .tell_received(connection, &mut state.decoders, None, &data);
            let count = match connection.send_datagram(self.answer(data)) {
                Ok(()) => &mut self.report.datagrams_echoed,
                Err(SendDatagramError::TooLarge) => &mut self.report.datagrams_too_large,
                Err(SendDatagramError::Unsupported) => &mut self.report.datagrams_unsupported,
                Err(_) => &mut self.report.datagrams_blocked,
            };
            *count += 1;
        }
    }
}

impl Application for Echo {
    type State = EchoConnection;
    type Command = Command;

    fn accept(&mut self, _: &mut Connection<'_>) -> EchoConnection {
        EchoConnection::default()
    }

    fn turned_away(&mut self, now: Instant, peer: SocketAddr, reason: &RejectReason) {
        let (count, kind) = match reason {
            RejectReason::Handshake(reason) => {
                let place = Ending::from(reason) as usize;
                let reason = reason.to_string();
                let kind = NoticeKind::HandshakeFailed { reason };
                (&mut self.report.handshakes_failed_by[place], kind)
            }
            RejectReason::Refused(refusal) => {
                let reason = refusal.to_string();
                let count = &mut self.report.refused_by[*refusal as usize];
                (count, NoticeKind::Refused { reason })
            }
            _ => return,
        };
        *count += 1;
        if self.log.may_tell(now, Subject::Lifecycle) {
            self.log.tell((peer, None), kind);
        }
    }

    fn handle_event(
        &mut self,
        connection: &mut Connection<'_>,
        state: &mut EchoConnection,
        event: Event,
    ) {
        match event {
            Event::Connected => {
                self.report.connections += 1;
                allow_waiting(connection, state);
                self.tell(connection, || NoticeKind::Connected {
                    alpn: connection
                        .handshake()
                        .and_then(|handshake| handshake.alpn.clone()),
                });
            }
            Event::Opened(id) => self.opened(connection, state, id),
            Event::Readable(id) => self.echo(connection, state, id),
            Event::Writable(id) => self.echo(connection, state, answered(id)),
            Event::Stopped(id, code) => self.stopped(connection, state, id, code),
            Event::StreamsAvailable(Dir::Unidirectional) => self.pair(connection, state),
            Event::DatagramReceived => self.echo_datagrams(connection, state),
            Event::TurnRequested => {
                for id in std::mem::take(&mut state.ready) {
                    self.echo(connection, state, id);
                }
            }
            Event::Closed(reason) => {
                let connected = connection.handshake().is_some();
                let counts = match connected {
                    true => &mut self.report.ended_by,
                    false => &mut self.report.handshakes_failed_by,
                };
                counts[Ending::from(&reason) as usize] += 1;
                let reason = reason.to_string();
                self.tell(connection, || match connected {
                    true => NoticeKind::Closed { reason },
                    false => NoticeKind::HandshakeFailed { reason },
                });
                *state = EchoConnection::default();
            }
            Event::Confirmed
            | Event::Finished(_)
            | Event::StreamsAvailable(_)
            | Event::DatagramsUnblocked => {}
        }
    }

    fn held_bytes(&self, state: &EchoConnection) -> usize {
        state.unsent.bytes()
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, EchoConnection>, command: Command) {
        match command {
            Command::Drain(grace) => context.drain(grace, CODE_NO_ERROR, "server shutting down"),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.log.deadline()
    }

    fn handle_deadline(&mut self, context: &mut ShardContext<'_, EchoConnection>) {
        self.log.handle_deadline(context.now());
    }
}

/// Lets the peer open a few more unidirectional streams than it lets us
/// answer: unread, more of them could fill the receive window, and then those
/// that are answered could not go on.
fn allow_waiting(connection: &mut Connection<'_>, state: &EchoConnection) {
    let most = state.pairs.len() as u64 + limits::UNIDIRECTIONAL_STREAMS_INITIAL;
    connection.limit_streams(Dir::Unidirectional, most);
}

/// Reads what follows an ended message: a FIN is welcome, bytes are not.
fn discard(connection: &mut Connection<'_>, state: &mut EchoConnection, id: StreamId) {
    let read = connection.read(id, COALESCE_MAX);
    if !read.data.is_empty() {
        connection.stop(id, CODE_MESSAGE_ENDED);
    }
    if !read.data.is_empty() || read.end != ReadEnd::Blocked {
        state.ended.remove(&id);
    }
}
