//! Answers of a server without a connection: Version Negotiation (RFC 9000 §6) and stateless
//! resets (§10.3).

use std::collections::BTreeSet;

use crate::{
    endpoint::{VERSION_1, stateless_reset},
    faults::Fault,
    simulated::Chance,
};

/// Bytes of the smallest datagram that is answered by Version Negotiation (RFC 9000 §14.1).
const DATAGRAM_MIN: usize = 1_200;
/// Q046, a version of before the RFCs, and bytes of the smallest datagram that begins a connection
/// of it.
const VERSION_Q046: u32 = 0x5130_3436;
const DATAGRAM_OF_Q046_MIN: usize = 1_024;
/// Bytes of the longest connection ID of version 1 (RFC 9000 §17.2).
const ID_MAX: usize = 20;
/// Bytes of the smallest stateless reset, and of one as it is mostly (RFC 9000 §10.3).
const RESET_MIN: usize = 21;
const RESET: usize = 43;
/// Version and connection IDs, as RFC 8999 §5.1 has them.
struct LongHeader<'a> {
    version: u32,
    destination: &'a [u8],
    source: &'a [u8],
}

impl<'a> LongHeader<'a> {
    fn read(datagram: &'a [u8]) -> Option<Self> {
        let (first, rest) = datagram.split_first()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (destination, rest) = counted(rest)?;
        let (source, _) = counted(rest)?;
        (first & 0x80 != 0).then_some(Self {
            version: u32::from_be_bytes(*version),
            destination,
            source,
        })
    }

    /// RFC 9000 §17.2.1.
    fn version_negotiation(
        &self,
        versions: &[u32],
        faults: &BTreeSet<Fault>,
        chance: &mut Chance,
    ) -> Vec<u8> {
        let mut ids = [self.source, self.destination];
        if faults.contains(&Fault::UnswappedVersionNegotiation) {
            ids.reverse();
        }
        let mut packet = vec![0xc0 | chance.next() as u8];
        packet.extend([0; 4]);
        for id in ids {
            let length = match faults.contains(&Fault::CutVersionNegotiation) {
                true => id.len().min(ID_MAX),
                false => id.len(),
            };
            packet.push(length as u8);
            packet.extend_from_slice(&id[..length]);
        }
        let reserved = chance.next() as u32 & 0xf0f0_f0f0 | 0x0a0a_0a0a;
        for version in [&[reserved][..], versions].concat() {
            packet.extend(version.to_be_bytes());
        }
        packet
    }
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// Returns what a datagram is answered by that belongs to no connection and begins none, as it
/// is of another version. A server may speak Q046 beside version 1.
pub(super) fn negotiate(
    datagram: &[u8],
    speaks_q046: bool,
    faults: &BTreeSet<Fault>,
    chance: &mut Chance,
) -> Vec<Vec<u8>> {
    let Some(header) = LongHeader::read(datagram) else {
        return Vec::new();
    };
    let has = |fault| faults.contains(&fault);
    let is_wanted = match header.version {
        0 => has(Fault::VersionNegotiationToItself),
        VERSION_1 => {
            let longest = header.destination.len().max(header.source.len());
            longest > ID_MAX && has(Fault::AnswersLongConnectionIds)
        }
        _ => !has(Fault::NoVersionNegotiation),
    };
    // RFC 9000 §5.2.2: the smallest of any version counts.
    let (versions, smallest): (&[u32], _) = match speaks_q046 {
        true => (&[VERSION_1, VERSION_Q046], DATAGRAM_OF_Q046_MIN),
        false => (&[VERSION_1], DATAGRAM_MIN),
    };
    let is_large = datagram.len() >= smallest || has(Fault::VersionNegotiationToSmall);
    if !is_wanted || !is_large {
        return Vec::new();
    }
    let answers = 1 + usize::from(has(Fault::TwoVersionNegotiations));
    let answers = (0..answers).map(|_| header.version_negotiation(versions, faults, chance));
    answers.collect()
}

/// Returns the stateless reset by which a datagram is answered that belongs to no connection.
pub(super) fn reset(
    datagram: &[u8],
    faults: &BTreeSet<Fault>,
    chance: &mut Chance,
) -> Option<Vec<u8>> {
    let is_short = datagram.first().is_some_and(|first| first & 0x80 == 0);
    let mut length = datagram.len().saturating_sub(1).min(RESET);
    if faults.contains(&Fault::LargeReset) {
        length = datagram.len();
    }
    if faults.contains(&Fault::ResetToTiny) {
        length = length.max(RESET_MIN);
    }
    if !is_short || length < RESET_MIN {
        return None;
    }
    Some(stateless_reset(&chance.array(), length, &chance.array()))
}
