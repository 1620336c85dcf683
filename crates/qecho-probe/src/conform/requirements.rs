//! The requirements, a list for each part of the RFCs.
//!
//! The RFCs' own words decide whether a row says MUST, SHOULD or MAY; where an RFC leaves two
//! ways, both are expected.

mod acknowledgements;
mod addresses;
mod connection_ids;
mod extensions;
mod frames;
mod handshake;
mod packets;
mod parameters;
mod streams;
mod tls;
mod versions;

use super::Requirement;

/// In the order in which they are tried.
static PARTS: [&[Requirement]; 11] = [
    versions::ROWS,
    packets::ROWS,
    addresses::ROWS,
    parameters::ROWS,
    tls::ROWS,
    handshake::ROWS,
    frames::ROWS,
    streams::ROWS,
    connection_ids::ROWS,
    acknowledgements::ROWS,
    extensions::ROWS,
];

/// Returns every requirement, of servers and of clients, in the order in which they are tried.
pub fn all() -> impl Iterator<Item = &'static Requirement> {
    PARTS.into_iter().flatten()
}

#[cfg(test)]
mod tests;
