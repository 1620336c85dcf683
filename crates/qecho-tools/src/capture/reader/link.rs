//! What stands before the IP header, by link type
//! (<https://www.tcpdump.org/linktypes.html>).

const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const RAW: u32 = 101;
const LOOP: u32 = 108;
const LINUX_SLL: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const LINUX_SLL2: u32 = 276;

/// Ether types.
const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;
const ETHER_VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// Address families: one for IPv4, and what the systems call IPv6.
const FAMILY_IPV4: u32 = 2;
const FAMILY_IPV6: [u32; 3] = [24, 28, 30];

pub(super) const HEADERS_CUT: &str = "a packet cut off in its headers";
pub(super) const NOT_IP: &str = "a packet that is neither IPv4 nor IPv6";
const UNKNOWN: &str = "a packet of an unknown link type";

/// Returns the IP packet of a frame, or why there is none.
pub(super) fn ip_packet(link: u32, frame: &[u8]) -> Result<&[u8], &'static str> {
    match link {
        RAW | IPV4 | IPV6 => Ok(frame),
        NULL | LOOP => after_family(frame),
        ETHERNET => after_ether_type(frame.get(12..)),
        LINUX_SLL => after_ether_type(frame.get(14..)),
        // Here the ether type is the first of 20 bytes.
        LINUX_SLL2 => match frame.split_at_checked(20) {
            Some((header, packet)) => {
                after_tags(u16::from_be_bytes([header[0], header[1]]), packet)
            }
            None => Err(HEADERS_CUT),
        },
        _ => Err(UNKNOWN),
    }
}

/// Strips an address family. It is in the byte order of the machine that
/// captured it, which need not be the one that wrote the file.
fn after_family(frame: &[u8]) -> Result<&[u8], &'static str> {
    let (family, packet) = frame.split_first_chunk().ok_or(HEADERS_CUT)?;
    let family = match u32::from_le_bytes(*family) {
        family if family > 0xffff => family.swap_bytes(),
        family => family,
    };
    if family == FAMILY_IPV4 || FAMILY_IPV6.contains(&family) {
        Ok(packet)
    } else {
        Err(NOT_IP)
    }
}

fn after_ether_type(rest: Option<&[u8]>) -> Result<&[u8], &'static str> {
    let (ether_type, packet) = rest
        .and_then(|rest| rest.split_first_chunk())
        .ok_or(HEADERS_CUT)?;
    after_tags(u16::from_be_bytes(*ether_type), packet)
}

/// Strips VLAN tags (IEEE 802.1Q), of which each names what follows it.
fn after_tags(mut ether_type: u16, mut packet: &[u8]) -> Result<&[u8], &'static str> {
    while ETHER_VLAN.contains(&ether_type) {
        let ([_, _, high, low], rest) = packet.split_first_chunk().ok_or(HEADERS_CUT)?;
        ether_type = u16::from_be_bytes([*high, *low]);
        packet = rest;
    }
    match ether_type {
        ETHER_IPV4 | ETHER_IPV6 => Ok(packet),
        _ => Err(NOT_IP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strips a header of this link type from an `E`, which stands for a packet.
    fn stripped(link: u32, header: &[&[u8]]) -> Result<Vec<u8>, &'static str> {
        let frame = [&header.concat()[..], b"E"].concat();
        ip_packet(link, &frame).map(<[u8]>::to_vec)
    }

    fn packet() -> Result<Vec<u8>, &'static str> {
        Ok(b"E".to_vec())
    }

    #[test]
    fn raw_packets_have_no_header() {
        for link in [RAW, IPV4, IPV6] {
            assert_eq!(stripped(link, &[]), packet());
        }
    }

    #[test]
    fn loopback_has_an_address_family_of_either_byte_order() {
        for link in [NULL, LOOP] {
            for family in [2, 24, 28, 30] {
                assert_eq!(stripped(link, &[&[family, 0, 0, 0]]), packet());
                assert_eq!(stripped(link, &[&[0, 0, 0, family]]), packet());
            }
            assert_eq!(stripped(link, &[&[0, 0, 0, 7]]), Err(NOT_IP));
            assert_eq!(stripped(link, &[&[2, 0]]), Err(HEADERS_CUT));
        }
    }

    #[test]
    fn ethernet_has_two_addresses_and_any_number_of_tags() {
        let addresses = &[0xaa; 12];
        assert_eq!(stripped(ETHERNET, &[addresses, &[8, 0]]), packet());
        assert_eq!(stripped(ETHERNET, &[addresses, &[0x86, 0xdd]]), packet());
        assert_eq!(stripped(ETHERNET, &[addresses, &[8, 6]]), Err(NOT_IP));
        let tags = [0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x86, 0xdd];
        assert_eq!(stripped(ETHERNET, &[addresses, &tags]), packet());
        let tags_alone = stripped(ETHERNET, &[addresses, &tags[..4]]);
        assert_eq!(tags_alone, Err(HEADERS_CUT));
        assert_eq!(stripped(ETHERNET, &[&addresses[1..]]), Err(HEADERS_CUT));
        assert_eq!(stripped(ETHERNET, &[]), Err(HEADERS_CUT));
    }

    #[test]
    fn linux_cooked_packets_have_their_ether_type_last() {
        assert_eq!(stripped(LINUX_SLL, &[&[0; 14], &[8, 0]]), packet());
        assert_eq!(stripped(LINUX_SLL, &[&[0; 14], &[8, 6]]), Err(NOT_IP));
        assert_eq!(stripped(LINUX_SLL, &[&[0; 14]]), Err(HEADERS_CUT));
    }

    #[test]
    fn newer_linux_cooked_packets_have_it_first() {
        assert_eq!(stripped(LINUX_SLL2, &[&[0x86, 0xdd], &[0; 18]]), packet());
        let tagged = [&[0x81, 0][..], &[0; 18], &[0, 7, 8, 0]];
        assert_eq!(stripped(LINUX_SLL2, &tagged), packet());
        assert_eq!(stripped(LINUX_SLL2, &[&[8, 6], &[0; 18]]), Err(NOT_IP));
        assert_eq!(stripped(LINUX_SLL2, &[&[8, 0], &[0; 16]]), Err(HEADERS_CUT));
    }

    #[test]
    fn other_links_are_unknown() {
        assert_eq!(stripped(105, &[&[0; 64]]), Err(UNKNOWN));
    }
}
