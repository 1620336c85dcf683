//! ECN bits of the IP header, and routers that change them.

use std::fmt::{self, Display, Formatter};

/// Change that a path makes to the ECN bits of ECN-capable datagrams (RFC 3168 §5); those of
/// others stay 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Marking {
    /// They are cleared, and datagrams arrive as not ECN-capable.
    Clear,
    /// All say that congestion was experienced.
    Ce,
    /// ECT(0) becomes ECT(1), and CE stays.
    Ect1,
}

/// The codepoints of RFC 3168 §5.
const NOT_ECT: u8 = 0b00;
const ECT_0: u8 = 0b10;
const ECT_1: u8 = 0b01;
const CE: u8 = 0b11;

impl Marking {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Clear, Self::Ce, Self::Ect1];

    /// Returns the name by which it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Ce => "ce",
            Self::Ect1 => "ect1",
        }
    }

    /// Returns what becomes of ECN bits.
    pub fn apply(self, ecn: u8) -> u8 {
        match (self, ecn) {
            (_, NOT_ECT) | (Self::Clear, _) => NOT_ECT,
            (Self::Ce, _) => CE,
            (Self::Ect1, ECT_0) => ECT_1,
            (Self::Ect1, ecn) => ecn,
        }
    }
}

impl Display for Marking {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ecn_capable_stays_so() {
        for (marking, expected) in [
            (Marking::Clear, [NOT_ECT, NOT_ECT, NOT_ECT, NOT_ECT]),
            (Marking::Ce, [NOT_ECT, CE, CE, CE]),
            (Marking::Ect1, [NOT_ECT, ECT_1, ECT_1, CE]),
        ] {
            let marked = [NOT_ECT, ECT_1, ECT_0, CE].map(|ecn| marking.apply(ecn));
            assert_eq!(marked, expected, "{marking}");
        }
    }
}
