//! A client that puts load on a server: many streams and DATAGRAM frames at
//! once, with bytes that can be told from one another.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use qecho_echo::answered;
use qecho_engine::{
    Application, CloseReason, ConnectTo, Connection, ConnectionKey, Connector, Event,
    SendDatagramError, ShardContext, StreamId,
};
use qecho_netsim::simulation::FAR;

use crate::{
    identity::SERVER_NAME,
    stream::{Plan, Stream},
};

/// Command of a test to a load.
#[derive(Clone, Debug)]
pub enum Command {
    /// Connect once more.
    Connect,
    /// Connect instead of what failed to connect.
    TryAgain,
    /// Do this on a stream of every connection.
    Open(Plan),
    /// Read what was left unread.
    Read,
    /// Send a DATAGRAM frame on every connection.
    Datagram(Bytes),
    /// Protect every connection with new keys.
    UpdateKeys,
    /// Close every connection.
    Close(u64),
    /// Close every connection and end the shard.
    ShutDown,
    /// End the shard when the streams have ended.
    Drain(Duration),
}

/// Connections to one server and what was done on them.
pub struct Load {
    connector: Connector,
    /// Done on every connection.
    plans: Vec<Plan>,
    datagrams: Vec<Bytes>,
    /// Its connections, in the order in which they were begun.
    pub connections: Vec<Client>,
}

/// One connection, and what happened on it.
#[derive(Debug)]
pub struct Client {
    key: ConnectionKey,
    /// Whether the handshake was completed.
    pub connected: bool,
    /// Reason for its end, if it has ended.
    pub closed: Option<CloseReason>,
    /// Streams that the server does not allow yet.
    unopened: VecDeque<Plan>,
    /// By the identifier of the stream that was opened.
    pub streams: BTreeMap<StreamId, Stream>,
    unsent_datagrams: VecDeque<Bytes>,
    /// DATAGRAM frames that were sent.
    pub datagrams_sent: usize,
    /// DATAGRAM frames that came back.
    pub datagrams_received: Vec<Bytes>,
    /// DATAGRAM frames that the connection did not take.
    pub datagrams_refused: usize,
    /// Something that should not have happened.
    pub fault: Option<String>,
}

impl Load {
    /// Makes a load that does this on streams of each connection, and sends these DATAGRAM
    /// frames on it.
    pub fn new(connector: Connector, plans: Vec<Plan>, datagrams: Vec<Bytes>) -> Self {
        Self {
            connector,
            plans,
            datagrams,
            connections: Vec::new(),
        }
    }

    /// Tells whether every connection has done all it was told to.
    pub fn is_done(&self) -> bool {
        self.connections.iter().all(Client::is_done)
    }

    fn connect(&mut self, context: &mut ShardContext<'_, usize>, index: usize) -> Client {
        let to = ConnectTo {
            remote: FAR,
            server_name: SERVER_NAME,
            connector: &self.connector,
        };
        let key = context
            .connect(&to, index)
            .expect("the address and the name are good");
        Client {
            key,
            connected: false,
            closed: None,
            unopened: self.plans.iter().cloned().collect(),
            streams: BTreeMap::new(),
            unsent_datagrams: self.datagrams.iter().cloned().collect(),
            datagrams_sent: 0,
            datagrams_received: Vec::new(),
            datagrams_refused: 0,
            fault: None,
        }
    }

    fn on_each(
        &mut self,
        context: &mut ShardContext<'_, usize>,
        mut act: impl FnMut(&mut Client, &mut Connection<'_>),
    ) {
        for client in &mut self.connections {
            if let Some((mut connection, _)) = context.connection(client.key) {
                act(client, &mut connection);
            }
        }
    }
}

impl Client {
    /// Tells whether everything is done.
    pub fn is_done(&self) -> bool {
        self.connected
            && self.unopened.is_empty()
            && self.unsent_datagrams.is_empty()
            && self.streams.values().all(Stream::is_done)
    }

    /// Tells whether the connection ended before the server had completed
    /// its handshake; the client itself may have.
    pub fn failed_to_connect(&self) -> bool {
        let heard_nothing = self.streams.values().all(|stream| stream.received == 0);
        self.closed.is_some() && heard_nothing && self.datagrams_received.is_empty()
    }

    fn advance(&mut self, connection: &mut Connection<'_>) {
        while let Some(plan) = self.unopened.front() {
            let Some(id) = connection.open(plan.direction) else {
                break;
            };
            let stream = Stream::new(id, self.unopened.pop_front().expect("it was just there"));
            self.streams.insert(id, stream);
            self.work_on(connection, id);
        }
        while let Some(data) = self.unsent_datagrams.pop_front() {
            match connection.send_datagram(data.clone()) {
                Ok(()) => self.datagrams_sent += 1,
                Err(SendDatagramError::Blocked) => {
                    self.unsent_datagrams.push_front(data);
                    break;
                }
                Err(_) => self.datagrams_refused += 1,
            }
        }
    }

    fn work_on(&mut self, connection: &mut Connection<'_>, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            self.fault = Some(format!("an event for stream {id}, which nobody opened"));
            return;
        };
        if let Err(fault) = stream.advance(connection) {
            self.fault.get_or_insert(fault);
        }
    }

    fn handle_event(&mut self, connection: &mut Connection<'_>, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::Closed(reason) => self.closed = Some(reason),
            Event::Opened(id) => {
                if let Some(stream) = self.streams.get_mut(&answered(id)) {
                    stream.opened();
                }
                self.work_on(connection, answered(id));
            }
            Event::Readable(id) => self.work_on(connection, answered(id)),
            Event::Writable(id) => self.work_on(connection, id),
            Event::Stopped(id, code) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.stopped(code);
                }
            }
            Event::DatagramReceived => {
                while let Some(data) = connection.receive_datagram() {
                    self.datagrams_received.push(data);
                }
            }
            Event::Confirmed
            | Event::Finished(_)
            | Event::StreamsAvailable(_)
            | Event::DatagramsUnblocked
            | Event::TurnRequested => {}
        }
        if self.connected {
            self.advance(connection);
        }
    }
}

impl Application for Load {
    type State = usize;
    type Command = Command;

    fn accept(&mut self, _: &mut Connection<'_>) -> usize {
        unreachable!("a load accepts nobody")
    }

    fn handle_event(&mut self, connection: &mut Connection<'_>, index: &mut usize, event: Event) {
        self.connections[*index].handle_event(connection, event);
    }

    fn handle_command(&mut self, context: &mut ShardContext<'_, usize>, mail: Command) {
        match mail {
            Command::Connect => {
                let client = self.connect(context, self.connections.len());
                self.connections.push(client);
            }
            Command::TryAgain => {
                for index in 0..self.connections.len() {
                    if self.connections[index].failed_to_connect() {
                        self.connections[index] = self.connect(context, index);
                    }
                }
            }
            Command::Open(plan) => self.on_each(context, |client, connection| {
                client.unopened.push_back(plan.clone());
                client.advance(connection);
            }),
            Command::Read => self.on_each(context, |client, connection| {
                let ids: Vec<_> = client.streams.keys().copied().collect();
                for id in ids {
                    if let Some(stream) = client.streams.get_mut(&id) {
                        stream.read_from_now_on();
                    }
                    client.work_on(connection, id);
                }
            }),
            Command::Datagram(data) => self.on_each(context, |client, connection| {
                client.unsent_datagrams.push_back(data.clone());
                client.advance(connection);
            }),
            Command::UpdateKeys => self.on_each(context, |_, connection| {
                assert!(connection.update_keys(), "the handshake is confirmed");
            }),
            Command::Close(code) => self.on_each(context, |_, connection| {
                connection.close(code, "the test is over");
            }),
            Command::ShutDown => context.shut_down(0, ""),
            Command::Drain(grace) => context.drain(grace, 0, ""),
        }
    }
}
