//! A server of several shards and clients that talk to it.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use bytes::Bytes;
use qecho_echo::{
    ALPN_ECHO,
    client::{self, Client, ClientEvent, Command, Message, Mode},
    dial::Target,
    server::{self, Echo, Report},
};
use qecho_io::{Listen, Server, ServerConfig};

use qecho_testkit::identity::{Identity, SERVER_NAME};

/// Time that any one event may take on a machine that has much else to do.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A server that runs.
pub(crate) struct Sharded {
    pub(crate) server: Server<Echo>,
    identity: Identity,
}

impl Sharded {
    pub(crate) fn start(shards: usize) -> Self {
        Self::with(shards, |_| {})
    }

    /// Starts a server that is configured otherwise too.
    pub(crate) fn with(shards: usize, change: impl FnOnce(&mut ServerConfig)) -> Self {
        let identity = Identity::generate();
        let tls = identity.server(&[ALPN_ECHO]);
        let mut config = server::config(tls.identity)
            .with_listen([Listen::Loopback { port: 0 }])
            .with_shards(NonZeroUsize::new(shards).expect("not zero"));
        change(&mut config);
        let echo = Echo::default();
        let server = config.start(|_| echo.clone()).expect("loopback has ports");
        assert!(server.unsteered().is_none(), "{:?}", server.unsteered());
        assert_eq!(server.shards(), shards);
        Self { server, identity }
    }

    /// Connects to the server's first address.
    pub(crate) fn client(&self) -> Talk {
        self.client_to(self.server.addresses()[0])
    }

    /// Connects by way of another address.
    pub(crate) fn client_to(&self, address: SocketAddr) -> Talk {
        let target = Target {
            server_name: SERVER_NAME.into(),
            addresses: vec![address],
        };
        let config = client::Config::new(target, self.identity.verifier()).with_timeout(LIMIT);
        let (tell, events) = channel();
        let listener = move |event| {
            // Nobody listens any more once the test has failed.
            let _ = tell.send(event);
        };
        let client = Client::converse(&config, Box::new(listener)).expect("there is a thread");
        Talk { client, events }
    }

    /// Ends the server; returns what each shard has done.
    pub(crate) fn stop(self) -> Vec<Report> {
        self.drain(Duration::ZERO);
        self.wait()
    }

    /// Lets no new client in, and gives the others so long to finish.
    pub(crate) fn drain(&self, grace: Duration) {
        let mailboxes = self.server.mailboxes();
        mailboxes.send(&server::Command::Drain(grace));
    }

    /// Waits until the server has ended; returns what each shard has done.
    pub(crate) fn wait(self) -> Vec<Report> {
        let echoes = self.server.wait().expect("it waits well");
        echoes.into_iter().map(Echo::into_report).collect()
    }
}

/// A client in conversation.
pub(crate) struct Talk {
    client: Client,
    events: Receiver<ClientEvent>,
}

impl Talk {
    pub(crate) fn say(&self, data: impl Into<Bytes>) {
        let (data, over) = (data.into(), Mode::Stream);
        self.client.send(Command::Message(Message { data, over }));
    }

    /// Waits until the next message is back.
    pub(crate) fn echoed(&self) -> Bytes {
        loop {
            match self.next() {
                ClientEvent::Echoed(message) => return message.data,
                ClientEvent::Ended(how) => panic!("the client ended before: {how:?}"),
                _ => {}
            }
        }
    }

    /// Ends the client, which must have had all it sent for.
    pub(crate) fn finish(self) -> client::Report {
        self.client.send(Command::Finish);
        loop {
            if let ClientEvent::Ended(how) = self.next() {
                self.client.wait().expect("it waits well");
                return how.expect("all came back");
            }
        }
    }

    /// Waits until the client has failed; returns in which words.
    pub(crate) fn fails(&self) -> String {
        loop {
            match self.next() {
                ClientEvent::Ended(Err(failure)) => return failure.to_string(),
                ClientEvent::Ended(Ok(report)) => panic!("the client did not fail: {report:?}"),
                _ => {}
            }
        }
    }

    fn next(&self) -> ClientEvent {
        match self.events.recv_timeout(LIMIT) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => panic!("nothing happens within {LIMIT:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the client's thread has gone"),
        }
    }
}
