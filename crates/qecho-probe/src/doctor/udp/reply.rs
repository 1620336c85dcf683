//! What comes back from an address: answers, or messages about what was sent.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::doctor::world::{Note, SendFailure, Told, Unreachable};

/// What came back from an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// An answer of QUIC.
    Quic,
    /// An answer of QUIC from another address.
    Elsewhere(SocketAddr),
    /// Datagrams that are no QUIC.
    Junk(usize),
    /// This host does not send it, in the system's words.
    NotSent(SendFailure, String),
    /// An ICMP message says that it does not get there.
    Unreachable(IcmpSender, Unreachable),
    /// An ICMP message says that IP packets of so many bytes are too large, which is less than QUIC
    /// needs: all that is sent to be answered has 1,200 bytes of UDP payload.
    TooLarge(IcmpSender, Option<usize>),
    /// Nothing.
    Silent,
}

/// Sender of an ICMP message, beside the address that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IcmpSender {
    /// The address that was asked.
    Target(IpAddr),
    /// The system of this host.
    ThisHost,
    /// A router or firewall.
    Other(IpAddr),
    /// The system does not tell.
    Unknown,
}

impl IcmpSender {
    /// Compares a message's source with the address that was asked, and with the one from which it
    /// was asked.
    pub(super) fn new(from: Option<IpAddr>, target: IpAddr, source: Option<IpAddr>) -> Self {
        match from.map(|from| from.to_canonical()) {
            None => Self::Unknown,
            Some(from) if from == target.to_canonical() => Self::Target(from),
            Some(from) if Some(from) == source => Self::ThisHost,
            Some(from) => Self::Other(from),
        }
    }
}

impl fmt::Display for IcmpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(from) | Self::Other(from) => from.fmt(f),
            Self::ThisHost => f.write_str("this host's own system"),
            Self::Unknown => f.write_str("the network"),
        }
    }
}

impl Reply {
    /// Judges by what was told where no answer came: by the note that says most.
    pub(super) fn of(
        notes: &[Note],
        junk: usize,
        target: IpAddr,
        source: Option<IpAddr>,
        is_answer: impl Fn(&[u8]) -> bool,
    ) -> Self {
        let sender = |from: &Option<IpAddr>| IcmpSender::new(*from, target, source);
        let told = notes.iter().filter_map(|note| match &note.what {
            Told::Foreign { from, contents } => {
                is_answer(contents).then_some(Self::Elsewhere(*from))
            }
            Told::Unreachable { from, why } => Some(Self::Unreachable(sender(from), *why)),
            Told::NotSent { why, words } => Some(Self::NotSent(*why, words.clone())),
            Told::TooLarge { from, mtu } => Some(Self::TooLarge(sender(from), *mtu)),
        });
        let junk = (junk > 0).then_some(Self::Junk(junk));
        let all = told.chain(junk);
        all.min_by_key(Self::rank).unwrap_or(Self::Silent)
    }

    /// Takes the reply that says more.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Junk(one), Self::Junk(other)) => Self::Junk(one + other),
            (one, other) if one.rank() < other.rank() => one,
            (_, other) => other,
        }
    }

    /// Returns what an address replied in two attempts, if these agree. Silence is no contradiction
    /// to an ICMP message: their rate is limited (RFC 1812 §4.3.2.8, RFC 4443 §2.4).
    pub(super) fn agreed<'a>(&'a self, again: &'a Self) -> Option<&'a Self> {
        let may_be_silent = |it: &Self| {
            matches!(
                it,
                Self::Silent | Self::Unreachable(..) | Self::TooLarge(..)
            )
        };
        let is_agreed = may_be_silent(self) && may_be_silent(again)
            || std::mem::discriminant(self) == std::mem::discriminant(again);
        let says_more = if again.rank() < self.rank() {
            again
        } else {
            self
        };
        is_agreed.then_some(says_more)
    }

    /// Returns how much it says; the lowest says most.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Quic => 0,
            Self::Elsewhere(_) => 1,
            Self::Junk(_) => 2,
            Self::NotSent(SendFailure::Forbidden, _) => 3,
            Self::TooLarge(..) => 4,
            Self::Unreachable(_, Unreachable::Port) => 5,
            Self::NotSent(..) => 6,
            Self::Unreachable(_, why) if why.is_refusal() => 7,
            Self::Unreachable(..) => 8,
            Self::Silent => 9,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quic => f.write_str("QUIC answers"),
            Self::Elsewhere(from) => write!(f, "{from} answers instead"),
            Self::Junk(count) => write!(f, "{count} datagrams came that are no QUIC"),
            Self::NotSent(SendFailure::Forbidden, words) => {
                write!(f, "a rule of this host forbids it: {words}")
            }
            Self::NotSent(_, words) => write!(f, "this host does not send it: {words}"),
            Self::Unreachable(IcmpSender::ThisHost, Unreachable::Host) => {
                f.write_str("nobody on the link answers for it, says this host's own system")
            }
            Self::Unreachable(from, why) => write!(f, "{from} says that {why}"),
            Self::TooLarge(from, Some(mtu)) => {
                write!(f, "{from} says that packets of {mtu} B at most get there")
            }
            Self::TooLarge(from, None) => {
                write!(f, "{from} says that what QUIC needs is too large")
            }
            Self::Silent => f.write_str("no answer"),
        }
    }
}

impl Unreachable {
    /// Tells whether its sender would not let the datagram pass, rather than not know how.
    pub(super) fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Port | Self::Prohibited | Self::Protocol | Self::Other(..)
        )
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Port => "the port is unreachable",
            Self::Host => "the host is unreachable",
            Self::Network => "there is no route to it",
            Self::Prohibited => "it is forbidden",
            Self::Protocol => "UDP is not taken there",
            Self::HopLimit => "the datagram has passed too many routers",
            Self::Scope => "this host's address is valid on its own link alone",
            Self::Other(kind, code) => {
                return write!(f, "it is not delivered (ICMP type {kind}, code {code})");
            }
        })
    }
}
