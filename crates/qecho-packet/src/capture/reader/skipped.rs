//! Reasons for which a packet of a capture cannot be shown.

use std::fmt;

/// The reason for which a packet has no datagram that can be shown; in words that go after `a packet`
/// or `3 packets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SkipReason {
    /// Its link type (<https://www.tcpdump.org/linktypes.html>) is not read.
    LinkType(u32),
    /// It carries neither IPv4 nor IPv6.
    NotIp,
    /// Its headers are not complete.
    HeadersCut,
    /// It is a part of an IP packet.
    Fragment,
    /// It is of ICMP.
    Icmp,
    /// It carries neither UDP nor ICMP.
    NotUdp,
    /// Its headers tell lengths that cannot be.
    Lengths,
    /// Its block in the file is too short for its fields.
    BlockCut,
    /// Its block names an interface that the file does not describe.
    UnknownInterface,
}

/// The link types that other tools often write.
const LINK_NAMES: [(u32, &str); 21] = [
    (6, "Token Ring"),
    (8, "SLIP"),
    (104, "Cisco HDLC"),
    (105, "802.11"),
    (107, "Frame Relay"),
    (119, "802.11 with Prism header"),
    (127, "802.11 with radiotap header"),
    (187, "Bluetooth"),
    (189, "USB"),
    (192, "PPI"),
    (195, "802.15.4"),
    (201, "Bluetooth"),
    (204, "PPP with direction"),
    (220, "USB"),
    (227, "CAN"),
    (239, "NFLOG"),
    (249, "USB"),
    (251, "Bluetooth LE"),
    (252, "Wireshark's exported PDUs"),
    (253, "netlink"),
    (256, "Bluetooth LE"),
];

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::LinkType(number) => {
                write!(f, "of link type {number}")?;
                if let Some((_, name)) = LINK_NAMES.iter().find(|(known, _)| known == number) {
                    write!(f, " ({name})")?;
                }
                ", which qecho does not read"
            }
            Self::NotIp => "of neither IPv4 nor IPv6",
            Self::HeadersCut => "cut off within the headers",
            Self::Fragment => "with a fragment of an IP packet",
            Self::Icmp => "of ICMP",
            Self::NotUdp => "of other IP protocols than UDP",
            Self::Lengths => "with lengths that contradict one another",
            Self::BlockCut => "in a block without its fields",
            Self::UnknownInterface => "of an interface that was not described",
        };
        f.write_str(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_type_has_its_number_and_its_name_if_it_is_common() {
        let words = |number| SkipReason::LinkType(number).to_string();
        assert_eq!(
            words(105),
            "of link type 105 (802.11), which qecho does not read"
        );
        assert_eq!(words(147), "of link type 147, which qecho does not read");
    }
}
