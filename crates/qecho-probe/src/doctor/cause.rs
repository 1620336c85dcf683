//! Causes that the doctor can name.

use std::fmt;

macro_rules! causes {
    ($($(#[$doc:meta])* $cause:ident = $name:literal,)*) => {
        /// Reason for which QUIC does not work, or not well.
        ///
        /// The order is that of the ladder: of several causes that were found, the first explains
        /// what comes after it.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[$doc])* $cause,)*
        }

        impl Cause {
            /// Causes in the order of the ladder.
            pub const ALL: &[Self] = &[$(Self::$cause,)*];

            /// Returns the name by which programs know it, which never changes.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$cause => $name,)*
                }
            }
        }
    };
}

causes! {
    /// The name has no address.
    NoAddress = "no-address",
    /// This host has no route to any of the addresses.
    NoRoute = "no-route",
    /// The route cannot carry datagrams of 1,200 bytes of UDP payload (RFC 9000 §14).
    RouteTooSmall = "route-too-small",
    /// This host drops datagrams itself.
    LocalDrops = "local-drops",
    /// All addresses of one family fail where those of the other work.
    FamilyBroken = "family-broken",
    /// One of several addresses fails where others of its family work.
    AddressDead = "address-dead",
    /// The host is not there, or no router on the way reaches it: so says an ICMP message.
    HostUnreachable = "host-unreachable",
    /// An ICMP message says that the UDP port is unreachable: of the host itself, where nobody
    /// listens, or of a firewall before it.
    UdpRefused = "udp-refused",
    /// UDP datagrams are dropped on the way, or forbidden.
    UdpFiltered = "udp-filtered",
    /// Something answers on the UDP port that is not QUIC.
    NotQuic = "not-quic",
    /// Answers come from another address than the one that was asked.
    AnswersElsewhere = "answers-elsewhere",
    /// A QUIC endpoint is there, and answers a connection attempt of version 1 not at all, or only
    /// that it speaks other versions.
    IgnoresUs = "ignores-us",
    /// Connection attempts that name the server are dropped, others are not.
    NameBlocked = "name-blocked",
    /// A ClientHello of two datagrams is lost where one of a single datagram is not.
    LargeHandshakeLost = "large-handshake-lost",
    /// The server does not take the application protocol that was offered.
    AlpnRefused = "alpn-refused",
    /// The server's certificate cannot be trusted.
    CertificateRefused = "certificate-refused",
    /// The server closes the connection during the handshake, or this side cannot accept what it
    /// says.
    HandshakeRefused = "handshake-refused",
    /// The server answers, and the handshake does not come to its end.
    StalledAfterReply = "stalled-after-reply",
    /// The handshake completes, and after it nothing passes any more.
    BlackholeAfterHandshake = "blackhole-after-handshake",
    /// Datagrams beyond a size are dropped although the route promises more.
    MtuCliff = "mtu-cliff",
    /// ECN marks are cleared on the way (RFC 9000 §13.4).
    EcnBleached = "ecn-bleached",
    /// All datagrams arrive marked as having met congestion.
    EcnAllCe = "ecn-all-ce",
    /// Many datagrams are lost, whatever their size and pace.
    Loss = "loss",
    /// Datagrams are lost when several are sent at once, and not when they are sent apart.
    Policer = "policer",
    /// A connection dies when its client comes from another port or address.
    MigrationLost = "migration-lost",
    /// A middlebox forgets the client's address after a silence.
    NatForgets = "nat-forgets",
    /// The web server does not announce HTTP/3 (RFC 9114 §3.1.1), or cannot be asked, and no QUIC
    /// answers.
    H3NotAnnounced = "h3-not-announced",
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
