//! Datagrams that a client receives and does not use: they tell why a server seems silent.

use std::net::SocketAddr;

use qecho_packet::wire::{VersionRequest, packets};

/// Servers of which datagrams are remembered; those of later ones are not.
const STRANGERS_MAX: usize = 16;

/// A datagram that a client did not use, which tells why its server seems silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StrayDatagram {
    /// Nothing that a server of QUIC would send to this client.
    NotQuic,
    /// The versions of a server that was
    /// [asked for them](crate::ShardContext::request_versions).
    Versions,
    /// Part of a connection with the server, but it came from this other address.
    From(SocketAddr),
}

/// The datagrams that were not used, by the servers whose silence they explain.
#[derive(Default)]
pub(crate) struct Strangers {
    /// Name of the requests for versions, once there are any.
    nonce: Option<u64>,
    requests: u64,
    heard: Vec<(SocketAddr, StrayDatagram)>,
}

impl Strangers {
    /// Returns the datagram that asks a server for its versions; `draw` draws what names all of
    /// them.
    pub(crate) fn request(&mut self, draw: impl FnOnce() -> u64) -> Vec<u8> {
        let nonce = *self.nonce.get_or_insert_with(draw);
        let sequence = self.requests;
        self.requests += 1;
        VersionRequest { nonce, sequence }.datagram()
    }

    /// Takes a datagram that answers such a request.
    #[inline]
    pub(crate) fn take_answer(&mut self, remote: SocketAddr, data: &[u8]) -> bool {
        match self.nonce {
            None => false,
            Some(nonce) => self.take_versions(nonce, remote, data),
        }
    }

    #[cold]
    fn take_versions(&mut self, nonce: u64, remote: SocketAddr, data: &[u8]) -> bool {
        let Some(Ok(packet)) = packets(data, 0).next() else {
            return false;
        };
        let is_answer = VersionRequest::answered_by(nonce, &packet.header).is_some();
        if is_answer {
            self.note(remote, StrayDatagram::Versions);
        }
        is_answer
    }

    /// Notes a datagram that explains the silence of a server.
    pub(crate) fn note(&mut self, server: SocketAddr, kind: StrayDatagram) {
        let mut heard = self.heard.iter_mut();
        if let Some((_, said)) = heard.find(|(known, _)| *known == server) {
            *said = kind.max(*said);
        } else if self.heard.len() < STRANGERS_MAX {
            self.heard.push((server, kind));
        }
    }

    /// Returns what explains the silence of a server; of several datagrams, what says most.
    pub(crate) fn heard_of(&self, server: SocketAddr) -> Option<StrayDatagram> {
        let heard = self.heard.iter().find(|(known, _)| *known == server)?;
        Some(heard.1)
    }
}
