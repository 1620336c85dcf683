//! Connection IDs of both sides (RFC 9000 §5.1).

use qecho_packet::wire::ConnectionId;

/// A connection ID that one side has issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedId {
    /// Its sequence number.
    pub sequence: u64,
    /// The connection ID.
    pub id: ConnectionId,
    /// The token of a stateless reset for it; a client's first has none.
    pub reset_token: Option<[u8; 16]>,
    /// Whether it was retired by the side that used it.
    pub is_retired: bool,
    /// Whether it was used.
    pub is_used: bool,
}

/// Connection IDs of both sides.
#[derive(Clone, Debug, Default)]
pub struct ConnectionIds {
    /// Those that the endpoint has issued.
    pub local: Vec<IssuedId>,
    /// Those that the peer has issued.
    pub remote: Vec<IssuedId>,
    /// The one that packets are sent to.
    pub destination: ConnectionId,
    /// The largest Retire Prior To that came.
    pub retire_prior_to: u64,
}

impl IssuedId {
    pub(super) fn new(sequence: u64, id: ConnectionId, reset_token: Option<[u8; 16]>) -> Self {
        Self {
            sequence,
            id,
            reset_token,
            is_retired: false,
            is_used: false,
        }
    }

    /// Returns that of a preferred address, whose sequence number is 1 (RFC 9000 §5.1.1).
    pub(crate) fn preferred(preferred_address: &[u8]) -> Option<Self> {
        /// Bytes of an IPv4 and an IPv6 address, with their ports.
        const ADDRESSES: usize = 6 + 18;
        let (length, rest) = preferred_address.get(ADDRESSES..)?.split_first()?;
        let (id, token) = rest.split_at_checked(usize::from(*length))?;
        let id = ConnectionId::new(id).filter(|id| !id.is_empty())?;
        Some(Self::new(1, id, token.try_into().ok()))
    }
}

/// The bit of a long header (RFC 8999 §5.1).
const LONG_HEADER: u8 = 0x80;

impl ConnectionIds {
    /// Returns the connection IDs of the endpoint that are in use.
    pub fn local_active(&self) -> impl Iterator<Item = &IssuedId> {
        self.local.iter().filter(|issued| !issued.is_retired)
    }

    /// Returns the connection IDs of the peer that are in use.
    pub fn remote_active(&self) -> impl Iterator<Item = &IssuedId> {
        self.remote.iter().filter(|issued| !issued.is_retired)
    }

    /// Returns the endpoint's connection ID that a packet is to, if it is one of those that it
    /// has issued. Packets to one that the peer has retired may still be on their way.
    pub fn local_of(&self, destination: &ConnectionId) -> Option<&IssuedId> {
        self.local.iter().find(|issued| issued.id == *destination)
    }

    /// Returns the bytes of the destination of a datagram that begins with a short header, if it
    /// is one of the endpoint's connection IDs: a script may have issued some of any length.
    pub(super) fn length_in(&self, datagram: &[u8]) -> Option<usize> {
        let (first, rest) = datagram.split_first()?;
        if first & LONG_HEADER != 0 {
            return None;
        }
        let known = self
            .local
            .iter()
            .filter(|issued| rest.starts_with(&issued.id));
        known.map(|issued| issued.id.len()).max()
    }

    /// Takes a connection ID that a script has issued, unless it is known.
    pub(super) fn issue(&mut self, issued: IssuedId) {
        let is_known =
            |known: &IssuedId| known.sequence == issued.sequence && known.id == issued.id;
        if !self.local.iter().any(is_known) {
            self.local.push(issued);
        }
    }

    /// Tells whether a datagram ends as a stateless reset of the peer does (RFC 9000 §10.3.1).
    pub fn is_reset(&self, datagram: &[u8]) -> bool {
        let tokens = self.remote_active().filter(|issued| issued.is_used);
        let mut tokens = tokens.filter_map(|issued| issued.reset_token);
        tokens.any(|token| datagram.len() >= RESET_LENGTH_MIN && datagram.ends_with(&token))
    }

    /// Takes a connection ID of the peer; one that came before changes nothing.
    pub(super) fn take(&mut self, issued: IssuedId, retire_prior_to: u64) {
        self.retire_prior_to = self.retire_prior_to.max(retire_prior_to);
        if !self
            .remote
            .iter()
            .any(|known| known.sequence == issued.sequence)
            && self.remote.len() < REMOTE_MAX
        {
            self.remote.push(issued);
        }
    }

    /// Retires those that the peer wants to be retired; returns their sequence numbers.
    pub(super) fn retire(&mut self) -> Vec<u64> {
        let limit = self.retire_prior_to;
        let mut retired = Vec::new();
        for issued in &mut self.remote {
            if issued.sequence < limit && !issued.is_retired {
                issued.is_retired = true;
                retired.push(issued.sequence);
            }
        }
        let is_gone = |issued: &&IssuedId| issued.is_retired && issued.id == self.destination;
        if self.remote.iter().any(|issued| is_gone(&issued)) {
            self.change_destination();
        }
        retired
    }

    /// Sends to another connection ID of the peer from now on, if there is one that was not
    /// used yet; returns the sequence number of the one before.
    pub(super) fn change_destination(&mut self) -> Option<u64> {
        let before = self.destination;
        let mut fresh = self.remote.iter_mut();
        let fresh = fresh.find(|issued| !issued.is_retired && !issued.is_used)?;
        fresh.is_used = true;
        self.destination = fresh.id;
        let before = self.remote.iter().find(|issued| issued.id == before)?;
        Some(before.sequence)
    }
}

/// Bytes of the shortest stateless reset (RFC 9000 §10.3).
const RESET_LENGTH_MIN: usize = 21;
/// Connection IDs of the peer that are remembered.
const REMOTE_MAX: usize = 1_024;
