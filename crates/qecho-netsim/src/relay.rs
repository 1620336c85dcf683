//! A UDP relay that makes a bad network out of a good one.
//!
//! It is the simulator's model of a path ([`crate::link`]) on real
//! sockets, between any client and any server. It looks into no packet.

mod config;
mod forwarder;
mod nat_table;
mod path_direction;
mod report;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use qecho_io::{ForwardingLoop, Mailbox, ReceiveErrors, Runner, Socket, StartError, listen};

use self::forwarder::{Command, RelayForwarder};
use crate::link::Conditions;

pub use self::{
    config::{
        Config, FLOW_IDLE, FLOW_SILENT_MIN, FLOWS_MAX, Notice, PORT, QUEUE_BYTES_MAX,
        REBIND_EVERY_MIN, Rebind, RebindKind,
    },
    report::{DirectionReport, Report},
};

/// Error of a relay that could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// An address could not be bound, or the system gave no thread.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It would send everything round and round.
    #[error("cannot relay to {address}: that is the relay itself")]
    Itself {
        /// The address that it both listens on and should forward to.
        address: SocketAddr,
    },
    /// There is no other address to send to the server from.
    #[error(
        "cannot change the address towards {to}: this host has several only where the server is \
         in 127.0.0.0/8"
    )]
    OneAddress {
        /// The server.
        to: SocketAddr,
    },
}

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    addresses: Vec<SocketAddr>,
    runner: Runner<RelayForwarder, Command>,
}

impl Relay {
    /// Binds the addresses and starts relaying on a thread of its own.
    ///
    /// # Errors
    /// [`RelayError`] if it cannot; nothing keeps running then.
    pub fn start(config: &Config) -> Result<Self, RelayError> {
        let sockets = listen::bind(&config.listen).map_err(StartError::from)?;
        let addresses: Vec<_> = sockets.iter().map(Socket::address).collect();
        if addresses.iter().any(|own| takes(*own, config.to)) {
            return Err(RelayError::Itself { address: config.to });
        }
        if let Some(Rebind {
            kind: RebindKind::Address,
            ..
        }) = config.rebind
        {
            check_addresses(config.to)?;
        }
        let forwarder = RelayForwarder::new(config, sockets.len());
        let forwarding = ForwardingLoop::new("the relay's thread", forwarder, sockets)?;
        Ok(Self {
            addresses,
            runner: forwarding.start("relay", ForwardingLoop::run)?,
        })
    }

    /// Returns the addresses that clients can really send to.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Gives every client a new port towards the server, or an address if that
    /// is what the configuration changes, soon.
    pub fn rebind(&self) {
        self.tell(Command::Rebind);
    }

    /// Makes the path better or worse for what comes from now on.
    pub fn set_conditions(&self, up: Conditions, down: Conditions) {
        self.tell(Command::SetConditions(Box::new((up, down))));
    }

    /// Returns what ends the relay from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.runner.mailbox().clone())
    }

    /// Ends the relay; what is on its way is not delivered.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn stop(self) -> io::Result<Report> {
        self.stopper().stop();
        self.wait()
    }

    /// Waits until the relay has ended.
    ///
    /// # Errors
    /// The system's, if waiting for packets failed.
    pub fn wait(self) -> io::Result<Report> {
        Ok(self.runner.join()?.report())
    }

    fn tell(&self, command: Command) {
        // A relay that has ended needs no telling.
        let _ = self.runner.mailbox().send(command);
    }
}

/// Ends a relay.
#[derive(Clone, Debug)]
pub struct Stopper(Mailbox<Command>);

impl Stopper {
    /// Ends the relay; what is on its way is not delivered.
    pub fn stop(&self) {
        // A relay that has ended needs no telling.
        let _ = self.0.send(Command::Stop);
    }
}

/// Checks that this host can send to the server from other addresses.
fn check_addresses(to: SocketAddr) -> Result<(), RelayError> {
    if !matches!(to.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        return Err(RelayError::OneAddress { to });
    }
    // Not every system gives itself all of 127.0.0.0/8.
    let second = (Ipv4Addr::new(127, 0, 0, 2), 0).into();
    Socket::bind(second, ReceiveErrors::No).map_err(StartError::from)?;
    Ok(())
}

/// Tells whether a socket bound to `own` takes what is sent to `to`.
fn takes(own: SocketAddr, to: SocketAddr) -> bool {
    let everywhere = own.ip().is_unspecified() && own.is_ipv4() == to.is_ipv4();
    let here = to.ip().is_loopback() || to.ip().is_unspecified();
    own.port() == to.port() && (own.ip() == to.ip() || (everywhere && here))
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, time::Duration};

    use super::*;

    /// Time that any one event may take on a machine that has much else to do.
    const LIMIT: Duration = Duration::from_secs(30);

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
        socket
            .set_read_timeout(Some(LIMIT))
            .expect("a socket has a timeout");
        socket
    }

    #[test]
    fn a_program_can_make_its_own_network_worse() {
        let (server, client) = (socket(), socket());
        let config = Config::new(server.local_addr().expect("it is bound"), 1);
        let relay = Relay::start(&config).expect("loopback has ports");
        client
            .connect(relay.addresses()[0])
            .expect("it is on this host");
        let mut buffer = [0; 10];
        let mut passes = |data: &[u8]| {
            client.send(data).expect("it is sent");
            let (length, exit) = server.recv_from(&mut buffer).expect("it passes");
            assert_eq!(&buffer[..length], data);
            exit
        };
        let exit = passes(b"a");
        assert_eq!(passes(b"b"), exit);
        relay.rebind();
        assert_ne!(passes(b"c"), exit);
        let deaf = Conditions {
            loss: 1.0,
            ..Conditions::default()
        };
        relay.set_conditions(deaf, Conditions::default());
        client.send(b"d").expect("it is sent");
        // What has come before it ends is counted.
        let report = relay.stop().expect("it waits well");
        assert_eq!((report.flows, report.rebinds), (1, 1));
        assert_eq!((report.up.delivered, report.up.counts.lost), (3, 1));
    }

    #[test]
    fn addresses_change_only_where_there_are_several() {
        let rebind = Some(Rebind {
            kind: RebindKind::Address,
            every: Duration::from_secs(1),
        });
        for to in ["192.0.2.1:9", "[::1]:9"] {
            let config = Config {
                rebind,
                ..Config::new(to.parse().expect("it is an address"), 1)
            };
            let error = Relay::start(&config).expect_err("there is one address");
            assert!(matches!(error, RelayError::OneAddress { .. }), "{error}");
        }
    }

    #[test]
    fn a_relay_to_itself_is_refused() {
        let address = socket().local_addr().expect("it is bound");
        let config = Config {
            listen: vec![listen::Listen::Address(address)],
            ..Config::new(address, 1)
        };
        let error = Relay::start(&config).expect_err("it would never end");
        assert!(matches!(error, RelayError::Itself { .. }));
        let all: SocketAddr = ([0, 0, 0, 0], 9).into();
        assert!(takes(all, ([127, 0, 0, 1], 9).into()));
        assert!(!takes(all, ([127, 0, 0, 1], 8).into()));
        assert!(!takes(all, ([192, 0, 2, 1], 9).into()));
    }
}
