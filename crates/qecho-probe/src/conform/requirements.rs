//! The requirements, a list for each part of the RFCs.
//!
//! The RFCs' own words decide whether a row says MUST, SHOULD or MAY; where an RFC leaves two
//! ways, both are expected.

mod acknowledgements;
mod addresses;
mod closing;
mod connection_ids;
mod credit;
mod early_data;
mod ecn;
mod extensions;
mod frames;
mod handshake;
mod observed;
mod packets;
mod parameters;
mod paths;
mod preferred_address;
mod resumption;
mod retries;
mod retry;
mod sent;
mod streams;
mod tls;
mod version_2;
mod versions;

use std::sync::LazyLock;

use super::Requirement;

/// In the order in which they are tried.
static PARTS: [&[Requirement]; 23] = [
    versions::ROWS,
    retry::ROWS,
    packets::ROWS,
    sent::ROWS,
    addresses::ROWS,
    paths::ROWS,
    preferred_address::ROWS,
    parameters::ROWS,
    tls::ROWS,
    early_data::ROWS,
    version_2::ROWS,
    handshake::ROWS,
    retries::ROWS,
    resumption::ROWS,
    observed::ROWS,
    frames::ROWS,
    streams::ROWS,
    credit::ROWS,
    connection_ids::ROWS,
    acknowledgements::ROWS,
    ecn::ROWS,
    extensions::ROWS,
    closing::ROWS,
];

/// Each requirement of both sides stands there once, and here for each side.
static ALL: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
    let rows = PARTS.into_iter().flatten();
    rows.flat_map(|row| [Some(*row), row.twin()])
        .flatten()
        .collect()
});

/// Returns every requirement, of servers and of clients, in the order in which they are tried.
pub fn all() -> impl Iterator<Item = &'static Requirement> {
    ALL.iter()
}

#[cfg(test)]
mod tests;
