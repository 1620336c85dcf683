//! Hands what happened on a connection to the application.

use std::time::Instant;

use crate::{
    application::Application, connection::Connection, event::Event, proto::ToOurs,
    state::ConnectionEntry,
};

impl<S> ConnectionEntry<S> {
    /// Hands an event to the application.
    pub(super) fn deliver<A: Application<State = S>>(
        &mut self,
        application: &mut A,
        now: Instant,
        event: Event,
    ) {
        if self.reported_closed {
            return;
        }
        if let Event::Closed(reason) = &event {
            self.reported_closed = true;
            self.untraced_close = Some(Box::new(reason.clone()));
        }
        let mut connection = Connection::new(&mut self.proto, &mut self.meta, now);
        application.handle_event(&mut connection, &mut self.state, event);
    }

    /// Hands everything that happened to the application; tells whether there
    /// was anything.
    pub(super) fn poll_events<A: Application<State = S>>(
        &mut self,
        application: &mut A,
        now: Instant,
    ) -> bool {
        let mut any = false;
        while let Some(event) = self.proto.poll() {
            any = true;
            self.translate(application, now, event);
        }
        if self.is_newly_confirmed() {
            any = true;
            self.deliver(application, now, Event::Confirmed);
        }
        if let Some(reason) = self.unreported_close() {
            any = true;
            self.deliver(application, now, Event::Closed(reason));
        }
        any
    }

    fn translate<A: Application<State = S>>(
        &mut self,
        application: &mut A,
        now: Instant,
        event: quinn_proto::Event,
    ) {
        use quinn_proto::{Event as Proto, StreamEvent as Stream};
        let event = match event {
            Proto::HandshakeDataReady => return,
            Proto::Connected => {
                self.note_handshake(now);
                Event::Connected
            }
            Proto::ConnectionLost { reason } => Event::Closed(reason.to_ours()),
            Proto::DatagramReceived => Event::DatagramReceived,
            Proto::DatagramsUnblocked => Event::DatagramsUnblocked,
            Proto::Stream(Stream::Opened { dir }) => {
                while let Some(id) = self.accept_stream(dir) {
                    self.deliver(application, now, Event::Opened(id));
                    self.meta.allow_streams(&mut self.proto, id.direction());
                }
                return;
            }
            Proto::Stream(Stream::Readable { id }) => Event::Readable(id.to_ours()),
            Proto::Stream(Stream::Writable { id }) => Event::Writable(id.to_ours()),
            Proto::Stream(Stream::Finished { id }) => Event::Finished(id.to_ours()),
            Proto::Stream(Stream::Stopped { id, error_code }) => {
                Event::Stopped(id.to_ours(), error_code.into_inner())
            }
            Proto::Stream(Stream::Available { dir }) => Event::StreamsAvailable(dir.to_ours()),
        };
        self.deliver(application, now, event);
    }
}
