//! The client's end: connections that send a message whenever they are told to.

use bytes::Bytes;
use qecho_engine::{
    Application, ConnectTo, Connection, ConnectionKey, Connector, Dir, Event, ShardContext,
    StreamId, Written,
};
use qecho_netsim::simulation::FAR;

use qecho_testkit::identity::SERVER_NAME;

/// Kind of stream or frame that carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// So many streams of a connection, which take turns.
    Streams(usize),
    /// A stream of its own.
    StreamPerMessage,
    /// A DATAGRAM frame.
    Datagram,
    /// None: each time, a new connection is made in place of the last.
    Handshake,
}

/// Command of the benchmark to the callers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Make so many more connections.
    Connect(usize),
    /// Send a message on each of the first so many.
    Send(usize),
}

/// All connections of the client's end.
pub(crate) struct Callers {
    connector: Connector,
    way: Way,
    message: Bytes,
    callers: Vec<Caller>,
    connected: usize,
    /// Bytes that have not come back yet.
    awaited: usize,
}

/// One connection.
struct Caller {
    key: ConnectionKey,
    streams: Vec<StreamId>,
    /// Index of the next stream.
    next: usize,
}

impl Callers {
    /// Makes callers whose messages are so long.
    pub(crate) fn new(connector: Connector, way: Way, length: usize) -> Self {
        Self {
            connector,
            way,
            message: vec![b'm'; length].into(),
            callers: Vec::new(),
            connected: 0,
            awaited: 0,
        }
    }

    /// Tells whether everybody is connected and has all its bytes back.
    pub(crate) fn are_done(&self) -> bool {
        self.awaited == 0 && self.connected == self.callers.len()
    }

    fn connect(&mut self, context: &mut ShardContext<'_, usize>) {
        let to = ConnectTo {
            remote: FAR,
            server_name: SERVER_NAME,
            connector: &self.connector,
        };
        let key = context
            .connect(&to, self.callers.len())
            .expect("the address and the name are good");
        self.callers.push(Caller {
            key,
            streams: Vec::new(),
            next: 0,
        });
    }

    fn send(&mut self, context: &mut ShardContext<'_, usize>, index: usize) {
        let caller = &mut self.callers[index];
        let (mut connection, _) = context
            .connection(caller.key)
            .expect("nobody closes a connection");
        let message = self.message.clone();
        self.awaited += message.len();
        if self.way == Way::Datagram {
            let sent = connection.send_datagram(message);
            return sent.expect("one that has come back leaves room for the next");
        }
        let stream = caller.stream(&mut connection, self.way);
        let written = connection.write(stream, message);
        assert!(matches!(written, Written::All), "the window has room");
        if self.way == Way::StreamPerMessage {
            connection.finish(stream);
        }
    }
}

impl Caller {
    /// Returns the stream for the next message.
    fn stream(&mut self, connection: &mut Connection<'_>, way: Way) -> StreamId {
        let wanted = match way {
            Way::Streams(streams) => streams,
            _ => usize::MAX,
        };
        if self.streams.len() < wanted
            && let Some(stream) = connection.open(Dir::Bidirectional)
        {
            if way == Way::StreamPerMessage {
                return stream;
            }
            self.streams.push(stream);
        }
        self.next = (self.next + 1) % self.streams.len();
        self.streams[self.next]
    }
}

impl Application for Callers {
    type State = usize;
    type Command = Order;

    fn accept(&mut self, _: &mut Connection<'_>) -> usize {
        unreachable!("callers accept nobody")
    }

    fn handle_event(&mut self, connection: &mut Connection<'_>, _: &mut usize, event: Event) {
        match event {
            Event::Connected => self.connected += 1,
            Event::Readable(stream) => {
                self.awaited -= connection.read(stream, usize::MAX).data.len();
            }
            Event::DatagramReceived => {
                while let Some(data) = connection.receive_datagram() {
                    self.awaited -= data.len();
                }
            }
            Event::Closed(reason) => assert!(self.way == Way::Handshake, "{reason}"),
            _ => {}
        }
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, usize>, order: Order) {
        match order {
            Order::Connect(count) => (0..count).for_each(|_| self.connect(context)),
            Order::Send(_) if self.way == Way::Handshake => {
                if let Some((mut last, _)) = self
                    .callers
                    .last()
                    .and_then(|caller| context.connection(caller.key))
                {
                    last.close(0, "");
                }
                self.connect(context);
            }
            Order::Send(count) => (0..count).for_each(|index| self.send(context, index)),
        }
    }
}
