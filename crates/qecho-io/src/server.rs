//! Servers: any application on any number of shards, each on a thread of its own.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc};

use qecho_engine::{
    AlpnPolicy, Application, Secrets, ServerShared, ServerTls, Steering,
    config::{AdmissionSettings, ShardConfig, Transport},
};
use qecho_packet::Observers;
use rustls::server::ResolvesServerCert;

use crate::{
    EventLoop, Inspector, Listen, Mailbox, Runner, Socket, Spin, StartError,
    event_loop::{SpinPermits, shard_group},
    inspect::Questions,
    listen,
    memory::usual_memory_max,
    socket::{ShardSockets, split},
};

/// Settings of a [`Server`], and what starts it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Addresses to listen on.
    pub listen: Vec<Listen>,
    /// Number of shards that share the work, each on a thread of its own: one is what
    /// a program needs that has other things to do.
    pub shards: NonZeroUsize,
    /// Time for which each of them looks for the next datagram before it sleeps.
    pub spin: Spin,
    /// The server's certificate, and what it agrees to.
    pub tls: ServerTls,
    /// Limits on the clients that are let in.
    pub admission: AdmissionSettings,
    /// Windows and timers.
    pub transport: Transport,
    /// Bytes of memory that the process should have at most; without it there is no limit. See
    /// [`ShardConfig::with_memory_max`].
    pub memory_max: Option<u64>,
    /// Keys that outlive the process: with the same secrets, a server that was
    /// started again can tell old peers that it has lost their connections.
    pub secrets: Secrets,
    /// Capture and trace of what passes.
    pub observers: Observers,
}

impl ServerConfig {
    /// Returns the settings of a server that shows the certificate of `identity`, listens on a
    /// port of localhost that the system chooses, and agrees to any application protocol.
    pub fn new(identity: Arc<dyn ResolvesServerCert>) -> Self {
        Self {
            listen: vec![Listen::Loopback { port: 0 }],
            shards: NonZeroUsize::MIN,
            spin: Spin::Auto,
            tls: ServerTls::new(identity, AlpnPolicy::Any),
            admission: AdmissionSettings::default(),
            transport: Transport::default(),
            memory_max: usual_memory_max(),
            secrets: Secrets::random(),
            observers: Observers::default(),
        }
    }

    /// Listens on these addresses.
    #[must_use]
    pub fn with_listen(self, listen: impl Into<Vec<Listen>>) -> Self {
        Self {
            listen: listen.into(),
            ..self
        }
    }

    /// Agrees to these application protocols.
    #[must_use]
    pub fn with_alpn(mut self, alpn: AlpnPolicy) -> Self {
        self.tls.alpn = alpn;
        self
    }

    /// Shares the work among so many shards.
    #[must_use]
    pub fn with_shards(self, shards: NonZeroUsize) -> Self {
        Self { shards, ..self }
    }

    /// Uses these windows and timers.
    #[must_use]
    pub fn with_transport(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Limits the memory of the process to so many bytes, `None` to what there is; where the
    /// system does not tell what a process holds, nothing is limited. It is
    /// [a share](usual_memory_max) of what there is unless this is called.
    #[must_use]
    pub fn with_memory_max(self, bytes: impl Into<Option<u64>>) -> Self {
        let memory_max = bytes.into();
        Self { memory_max, ..self }
    }

    /// Binds the addresses and starts serving; `application` makes the application of each
    /// shard, by its index.
    ///
    /// # Errors
    /// [`StartError`] if it cannot; nothing keeps running then.
    pub fn start<A>(&self, application: impl FnMut(usize) -> A) -> Result<Server<A>, StartError>
    where
        A: Application<State: Send> + Send + 'static,
    {
        self.start_on(listen::bind(&self.listen)?, application)
    }

    /// Starts serving as [`start`](Self::start) does, on sockets that are bound already.
    ///
    /// # Errors
    /// [`StartError`] if it cannot; nothing keeps running then.
    pub fn start_on<A>(
        &self,
        sockets: Vec<Socket>,
        mut application: impl FnMut(usize) -> A,
    ) -> Result<Server<A>, StartError>
    where
        A: Application<State: Send> + Send + 'static,
    {
        let addresses: Vec<_> = sockets.iter().map(Socket::address).collect();
        let steering = Steering::new(&self.secrets, self.shards);
        let ShardSockets { shards, unsteered } = split(sockets, &steering);
        let count = NonZeroUsize::new(shards.len()).unwrap_or(NonZeroUsize::MIN);
        let event_loops = shards.into_iter().zip(ServerShared::split(count));
        let event_loops = event_loops.map(|(sockets, shared)| {
            let application = application(shared.index());
            let tells_ecn = sockets.iter().all(Socket::tells_ecn);
            let config = self.shard_config(shared).with_ecn_counts(tells_ecn);
            EventLoop::new("the server's thread", &config, sockets, application)
        });
        let event_loops: Vec<_> = event_loops.collect::<Result<_, _>>()?;
        let wakers: Vec<_> = event_loops
            .iter()
            .map(|one| one.mailbox().waker())
            .collect();
        let ways = wakers.iter().map(|waker| {
            let (sender, questions) = Questions::channel();
            ((sender, waker.clone()), questions)
        });
        let (askers, questions): (Vec<_>, Vec<_>) = ways.unzip();
        let group = shard_group(wakers);
        let permits = SpinPermits::of_this_machine();
        let event_loops = event_loops.into_iter().zip(group).zip(questions);
        let runners = event_loops
            .enumerate()
            .map(|(index, ((event_loop, handle), questions))| {
                // Those that run already end when the rest is dropped: one of their
                // group has failed.
                event_loop
                    .in_group(handle, self.spin, permits.clone())
                    .answering(questions)
                    .observed_by(self.observers.datagram_observers())
                    .limiting_memory(self.memory_max.is_some())
                    .start(format!("shard {index}"), EventLoop::run)
            });
        Ok(Server {
            runners: runners.collect::<Result<_, _>>()?,
            addresses,
            unsteered,
            inspector: Inspector::new(askers),
        })
    }

    fn shard_config(&self, server_shared: ServerShared) -> ShardConfig {
        ShardConfig::server(self.transport.clone(), self.tls.clone())
            .with_admission(self.admission.clone())
            .with_memory_max(self.memory_max)
            .with_secrets(self.secrets.clone())
            .with_server_shared(server_shared)
            .with_packet_tracing(self.observers.is_traced())
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server<A: Application> {
    addresses: Vec<SocketAddr>,
    runners: Vec<Runner<A, A::Command>>,
    unsteered: Option<io::Error>,
    inspector: Inspector<A>,
}

impl<A: Application + Send + 'static> Server<A> {
    /// Returns the addresses that are really listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns how many shards there are.
    pub fn shards(&self) -> usize {
        self.runners.len()
    }

    /// Tells why there is one shard alone, if more were asked for.
    pub fn unsteered(&self) -> Option<&io::Error> {
        self.unsteered.as_ref()
    }

    /// Returns what asks the shards for their counts.
    pub fn inspector(&self) -> Inspector<A> {
        self.inspector.clone()
    }

    /// Returns the mailboxes of all shards.
    pub fn mailboxes(&self) -> Mailboxes<A::Command> {
        let mailboxes = self.runners.iter().map(Runner::mailbox);
        Mailboxes(mailboxes.cloned().collect())
    }

    /// Waits until the server has ended; returns the application of each shard.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<Vec<A>> {
        // Every thread is waited for, also when one has failed.
        let runners = self.runners.into_iter();
        let ended: Vec<_> = runners.map(|runner| runner.thread.join()).collect();
        let ended = ended.into_iter();
        ended
            .map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    }
}

/// Sends commands to every shard of a server, from any thread.
#[derive(Clone, Debug)]
pub struct Mailboxes<C>(Vec<Mailbox<C>>);

impl<C: Clone> Mailboxes<C> {
    /// Sends a command to every shard that has not ended.
    pub fn send(&self, command: &C) {
        for mailbox in &self.0 {
            // A shard that has ended needs no telling.
            let _ = mailbox.send(command.clone());
        }
    }
}
