//! Headers before the IP header, by link type
//! (<https://www.tcpdump.org/linktypes.html>).

use super::skipped::SkipReason::{self, HeadersCut, LinkType, NotIp};

const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const PPP: u32 = 9;
const PPP_HDLC: u32 = 50;
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

/// Protocols of PPP (<https://www.iana.org/assignments/ppp-numbers>).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

/// Address and control of PPP in HDLC-like framing (RFC 1662 §3.1).
const PPP_ADDRESS: [u8; 2] = [0xff, 0x03];

/// Address families: one for IPv4, and what the systems call IPv6.
const FAMILY_IPV4: u32 = 2;
const FAMILY_IPV6: [u32; 3] = [24, 28, 30];

/// Returns the IP packet of a frame, or why there is none.
pub(super) fn ip_packet(link: u32, frame: &[u8]) -> Result<&[u8], SkipReason> {
    match link {
        RAW | IPV4 | IPV6 => Ok(frame),
        NULL | LOOP => after_family(frame),
        ETHERNET => after_ether_type(frame.get(12..)),
        PPP | PPP_HDLC => after_ppp(frame),
        LINUX_SLL => after_ether_type(frame.get(14..)),
        // Here the ether type is the first of 20 bytes.
        LINUX_SLL2 => match frame.split_at_checked(20) {
            Some((header, packet)) => {
                after_tags(u16::from_be_bytes([header[0], header[1]]), packet)
            }
            None => Err(HeadersCut),
        },
        _ => Err(LinkType(link)),
    }
}

/// Strips an address family. It is in the byte order of the machine that
/// captured it, which need not be the one that wrote the file.
fn after_family(frame: &[u8]) -> Result<&[u8], SkipReason> {
    let (family, packet) = frame.split_first_chunk().ok_or(HeadersCut)?;
    let family = match u32::from_le_bytes(*family) {
        family if family > 0xffff => family.swap_bytes(),
        family => family,
    };
    if family == FAMILY_IPV4 || FAMILY_IPV6.contains(&family) {
        Ok(packet)
    } else {
        Err(NotIp)
    }
}

/// Strips the header of PPP (RFC 1661 §2). Peers may have agreed to leave out address and
/// control, and the first byte of the protocol where it is zero (RFC 1661 §6.5, §6.6).
fn after_ppp(frame: &[u8]) -> Result<&[u8], SkipReason> {
    let (protocol, packet) = match frame.strip_prefix(&PPP_ADDRESS).unwrap_or(frame) {
        // Only the last byte of a protocol is odd.
        [protocol, packet @ ..] if protocol % 2 == 1 => (u16::from(*protocol), packet),
        [high, low, packet @ ..] => (u16::from_be_bytes([*high, *low]), packet),
        _ => return Err(HeadersCut),
    };
    match protocol {
        PPP_IPV4 | PPP_IPV6 => Ok(packet),
        _ => Err(NotIp),
    }
}

fn after_ether_type(rest: Option<&[u8]>) -> Result<&[u8], SkipReason> {
    let (ether_type, packet) = rest
        .and_then(|rest| rest.split_first_chunk())
        .ok_or(HeadersCut)?;
    after_tags(u16::from_be_bytes(*ether_type), packet)
}

/// Strips VLAN tags (IEEE 802.1Q), of which each names what follows it.
fn after_tags(mut ether_type: u16, mut packet: &[u8]) -> Result<&[u8], SkipReason> {
    while ETHER_VLAN.contains(&ether_type) {
        let ([_, _, high, low], rest) = packet.split_first_chunk().ok_or(HeadersCut)?;
        ether_type = u16::from_be_bytes([*high, *low]);
        packet = rest;
    }
    match ether_type {
        ETHER_IPV4 | ETHER_IPV6 => Ok(packet),
        _ => Err(NotIp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strips a header of this link type from an `E`, which stands for a packet.
    fn stripped(link: u32, header: &[&[u8]]) -> Result<Vec<u8>, SkipReason> {
        let frame = [&header.concat()[..], b"E"].concat();
        ip_packet(link, &frame).map(<[u8]>::to_vec)
    }

    fn packet() -> Result<Vec<u8>, SkipReason> {
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
            assert_eq!(stripped(link, &[&[0, 0, 0, 7]]), Err(NotIp));
            assert_eq!(stripped(link, &[&[2, 0]]), Err(HeadersCut));
        }
    }

    #[test]
    fn ethernet_has_two_addresses_and_any_number_of_tags() {
        let addresses = &[0xaa; 12];
        assert_eq!(stripped(ETHERNET, &[addresses, &[8, 0]]), packet());
        assert_eq!(stripped(ETHERNET, &[addresses, &[0x86, 0xdd]]), packet());
        assert_eq!(stripped(ETHERNET, &[addresses, &[8, 6]]), Err(NotIp));
        let tags = [0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x86, 0xdd];
        assert_eq!(stripped(ETHERNET, &[addresses, &tags]), packet());
        let tags_alone = stripped(ETHERNET, &[addresses, &tags[..4]]);
        assert_eq!(tags_alone, Err(HeadersCut));
        assert_eq!(stripped(ETHERNET, &[&addresses[1..]]), Err(HeadersCut));
        assert_eq!(stripped(ETHERNET, &[]), Err(HeadersCut));
    }

    #[test]
    fn ppp_has_a_protocol_of_one_byte_or_two_and_perhaps_an_address() {
        for link in [PPP, PPP_HDLC] {
            for address in [&[][..], &PPP_ADDRESS] {
                for protocol in [&[0, 0x21][..], &[0, 0x57], &[0x21], &[0x57]] {
                    assert_eq!(stripped(link, &[address, protocol]), packet());
                }
                // LCP, IPCP, and TCP with compressed headers.
                for protocol in [&[0xc0, 0x21][..], &[0x80, 0x21], &[0x2d]] {
                    assert_eq!(stripped(link, &[address, protocol]), Err(NotIp));
                }
            }
            for cut in [&[][..], &PPP_ADDRESS, &[0xff, 3, 0], &[0]] {
                assert_eq!(ip_packet(link, cut), Err(HeadersCut));
            }
        }
    }

    #[test]
    fn linux_cooked_packets_have_their_ether_type_last() {
        assert_eq!(stripped(LINUX_SLL, &[&[0; 14], &[8, 0]]), packet());
        assert_eq!(stripped(LINUX_SLL, &[&[0; 14], &[8, 6]]), Err(NotIp));
        assert_eq!(stripped(LINUX_SLL, &[&[0; 14]]), Err(HeadersCut));
    }

    #[test]
    fn newer_linux_cooked_packets_have_it_first() {
        assert_eq!(stripped(LINUX_SLL2, &[&[0x86, 0xdd], &[0; 18]]), packet());
        let tagged = [&[0x81, 0][..], &[0; 18], &[0, 7, 8, 0]];
        assert_eq!(stripped(LINUX_SLL2, &tagged), packet());
        assert_eq!(stripped(LINUX_SLL2, &[&[8, 6], &[0; 18]]), Err(NotIp));
        assert_eq!(stripped(LINUX_SLL2, &[&[8, 0], &[0; 16]]), Err(HeadersCut));
    }

    #[test]
    fn other_links_are_unknown() {
        assert_eq!(stripped(105, &[&[0; 64]]), Err(LinkType(105)));
    }
}
