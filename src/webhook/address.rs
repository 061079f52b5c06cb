//! Which addresses are public: our own table of the special-purpose registries of IPv4 and IPv6 (RFC 6890 and its
//! updates), since the standard library's is not stable.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 blocks that are not the public network: address and length of the prefix.
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared by carriers
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, where clouds keep their metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // 6to4 relays
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarking
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, broadcast
    ([255, 255, 255, 255], 32),
];

/// Within 2000::/3, outside of which nothing is public: blocks that are not, either.
const SPECIAL_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo and benchmarking among them
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Metadata of clouds outside of the link-local blocks.
const METADATA_V4: [[u8; 4]; 2] = [[100, 100, 100, 200], [192, 0, 0, 192]];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
const SIX_TO_FOUR: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// Whether an address is of the public network. One that holds another is what that one is.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match inner(address) {
            Some(inner) => is_public_v4(inner),
            None => within_v6(address, GLOBAL_V6) && !SPECIAL_V6.iter().any(|block| within_v6(address, *block)),
        },
    }
}

/// Whether an address leads back to this machine.
pub fn is_loopback(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address.is_loopback() || address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
    }
}

/// Whether an address is where clouds tell a machine its credentials, or of the link alone, where they mostly are.
pub fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || METADATA_V4.contains(&address.octets()),
        IpAddr::V6(address) => match inner(address) {
            Some(inner) => is_metadata(inner.into()),
            None => address.is_unicast_link_local() || address == METADATA_V6,
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !SPECIAL_V4.iter().any(|(block, len)| (bits ^ u32::from_be_bytes(*block)) >> (32 - len) == 0)
}

fn within_v6(address: Ipv6Addr, (block, len): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ block.to_bits()) >> (128 - len) == 0
}

/// The IPv4 address within an IPv6 one: mapped, behind NAT64, or by 6to4.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    let bits = address.to_bits();
    if within_v6(address, NAT64) {
        return Some(Ipv4Addr::from_bits(bits as u32));
    }
    within_v6(address, SIX_TO_FOUR).then(|| Ipv4Addr::from_bits((bits >> 80) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses of each block, its first and last one, and the public neighbours on both sides.
    const DENIED: &str = "0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.0.0.1 10.1.2.3 10.255.255.255 100.64.0.0 100.64.0.1 \
        100.100.100.200 100.127.255.255 127.0.0.0 127.0.0.1 127.0.0.53 127.1.1.1 127.255.255.255 169.254.0.0 169.254.0.1 \
        169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.0 172.16.0.1 172.17.0.1 172.20.10.1 172.31.255.255 \
        192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.170 192.0.0.171 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.1 \
        192.0.2.255 192.88.99.0 192.88.99.1 192.88.99.255 192.168.0.0 192.168.0.1 192.168.1.1 192.168.122.1 \
        192.168.255.255 198.18.0.0 198.18.0.1 198.19.0.0 198.19.255.255 198.51.100.0 198.51.100.7 198.51.100.255 \
        203.0.113.0 203.0.113.9 203.0.113.255 224.0.0.0 224.0.0.1 224.0.0.251 232.1.1.1 233.252.0.1 239.255.255.250 \
        239.255.255.255 240.0.0.0 240.0.0.1 250.1.2.3 254.255.255.255 255.255.255.254 255.255.255.255 :: ::1 ::2 \
        ::7f00:1 ::127.0.0.1 ::8.8.8.8 ::ffff:0.0.0.0 ::ffff:10.0.0.1 ::ffff:100.64.0.1 ::ffff:127.0.0.1 \
        ::ffff:169.254.169.254 ::ffff:172.16.0.1 ::ffff:192.0.2.1 ::ffff:192.168.0.1 ::ffff:198.18.0.1 \
        ::ffff:224.0.0.1 ::ffff:240.0.0.1 ::ffff:255.255.255.255 ::ffff:0:8.8.8.8 64:ff9b::0.0.0.0 64:ff9b::10.0.0.1 \
        64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::192.168.0.1 64:ff9b::224.0.0.1 64:ff9b:1:: 64:ff9b:1::1 \
        64:ff9b:1:ffff:ffff:ffff:ffff:ffff 64:ff9b:2::1 100:: 100::1 100:0:0:1::1 100::ffff:ffff:ffff:ffff 1::1 200::1 \
        1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2001:: 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:1::2 \
        2001:2::1 2001:2:0:ffff:: 2001:3::1 2001:4:112::1 2001:10::1 2001:1f:ffff::1 2001:20::1 2001:2f::1 2001:30::1 \
        2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff 2001:db8:: 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 2002:: \
        2002:a00:1::1 2002:7f00:1:: 2002:7f00:1::1 2002:a9fe:a9fe::1 2002:ac10:1:: 2002:c0a8:101::1 2002:c612:1::1 \
        2002:e000:1::1 2002:ffff:ffff::1 3fff:: 3fff::1 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff 4000::1 5f00::1 \
        5f00:ffff::1 8000::1 fbff::1 fc00:: fc00::1 fd00::1 fd00:ec2::254 fd12:3456:789a::1 fdff:ffff::1 fe00::1 fe80:: \
        fe80::1 fe80::a9fe:a9fe febf:ffff::1 fec0::1 feff:ffff::1 ff00::1 ff01::1 ff02::1 ff02::fb ff05::2 ff0e::1 \
        ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    const PUBLIC: &str = "1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.216.34 100.63.255.255 100.128.0.0 \
        126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 \
        192.0.3.0 192.31.196.1 192.52.193.1 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 192.175.48.1 \
        198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 ::ffff:1.1.1.1 \
        ::ffff:8.8.8.8 64:ff9b::8.8.8.8 64:ff9b::101:101 2000::1 2001:200::1 2001:470::1 2001:4860:4860::8888 2001:db7::1 \
        2001:db9::1 2002:808:808::1 2002:101:101::1 2003::1 2400:cb00::1 2606:4700:4700::1111 2620:fe::fe 2a00:1450::1 \
        2c0f::1 3ffe:ffff::1 3fff:1000::1";

    #[test]
    fn the_table_is_that_of_the_registries() {
        let (mut cases, mut wrong) = (0, vec![]);
        for (list, public) in [(DENIED, false), (PUBLIC, true)] {
            for text in list.split_whitespace() {
                let address: IpAddr = text.parse().unwrap_or_else(|_| panic!("{text} is no address"));
                cases += 1;
                if is_public(address) != public {
                    wrong.push(text);
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
        assert!(cases >= 200, "{cases} cases");
    }

    #[test]
    fn loopback_is_told_apart() {
        for (text, loopback) in [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("::ffff:127.0.0.1", true)] {
            assert_eq!(is_loopback(text.parse().unwrap()), loopback, "{text}");
        }
        for text in ["10.0.0.1", "::", "0.0.0.0", "8.8.8.8", "fe80::1", "::ffff:10.0.0.1", "2002:7f00:1::1"] {
            assert!(!is_loopback(text.parse().unwrap()), "{text}");
        }
    }
}
