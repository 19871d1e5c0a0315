//! From which addresses an API key is accepted.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use ipnet::{IpNet, Ipv4Net};

/// The networks of the addresses from which an API key is accepted. None means every address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

impl Networks {
    /// The most networks of a key.
    pub const MOST: usize = 100;

    /// Returns the list; `None` if it has more than [`Self::MOST`].
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Option<Self> {
        let networks: Arc<[IpNet]> = networks.into_iter().map(|network| network.0).collect();
        (networks.len() <= Self::MOST).then_some(Self(networks))
    }

    /// Returns whether a key is accepted from this address; `None` is one that is not known. An IPv4 address is
    /// the same in IPv6's notation (RFC 4291, 2.5.5.2).
    #[must_use]
    pub fn allow(&self, address: Option<IpAddr>) -> bool {
        self.0.is_empty()
            || address.is_some_and(|address| {
                let address = address.to_canonical();
                self.0.iter().any(|network| network.contains(&address))
            })
    }

    /// Whether every address is allowed.
    #[must_use]
    pub fn allow_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the networks.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = IpNet> {
        self.0.iter().copied()
    }
}

/// Networks that are stored. They were checked before.
impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

/// A network of addresses, as `10.0.0.0/8`, `192.0.2.7` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

/// A text that is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedNetwork {
    /// It is neither an address nor a network.
    #[error("a network is an address, or one with the length of its prefix, as in 10.0.0.0/8")]
    Form,
    /// It has bits behind its prefix, so it may be another network than was meant.
    #[error("the network has bits behind its prefix; {0} has not")]
    Bits(IpNet),
}

impl FromStr for Network {
    type Err = MalformedNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network: IpNet = match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => text.parse().map_err(|_| MalformedNetwork::Form)?,
        };
        let network = canonical(network);
        match network.trunc() {
            whole if whole == network => Ok(Self(network)),
            whole => Err(MalformedNetwork::Bits(whole)),
        }
    }
}

/// Returns a network of IPv4 addresses in IPv6's notation as one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    let v4 = || {
        let IpAddr::V4(address) = network.addr().to_canonical() else { return None };
        Ipv4Net::new(address, network.prefix_len().checked_sub(96)?).ok()
    };
    match network {
        IpNet::V4(_) => network,
        IpNet::V6(_) => v4().map_or(network, IpNet::V4),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        Networks::new(texts.iter().map(|text| text.parse().unwrap())).unwrap()
    }

    #[test]
    fn an_address_is_allowed_by_any_of_the_networks() {
        let mixed = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "fd00::1"];
        for (allowed, address, expected) in [
            (&mixed[..], "10.255.0.1", true),
            (&mixed, "11.0.0.1", false),
            (&mixed, "192.0.2.7", true),
            (&mixed, "192.0.2.8", false),
            (&mixed, "2001:db8:ffff::1", true),
            (&mixed, "2001:db9::1", false),
            (&mixed, "fd00::1", true),
            (&mixed, "fd00::2", false),
            // An IPv4 address in IPv6's notation, on either side.
            (&mixed, "::ffff:10.0.0.1", true),
            (&mixed, "::ffff:11.0.0.1", false),
            (&["::ffff:10.0.0.0/104"], "10.9.9.9", true),
            (&["::ffff:10.0.0.0/104"], "::ffff:10.9.9.9", true),
            (&["::ffff:192.0.2.7"], "192.0.2.7", true),
            (&["::ffff:192.0.2.7"], "192.0.2.8", false),
            // An IPv4-compatible address is another one.
            (&["10.0.0.0/8"], "::10.0.0.1", false),
            (&["0.0.0.0/0"], "255.255.255.255", true),
            (&["0.0.0.0/0"], "2001:db8::1", false),
            (&["::/0"], "2001:db8::1", true),
            (&["::/0"], "192.0.2.1", false),
            (&[], "192.0.2.1", true),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(networks(allowed).allow(Some(address)), expected, "{allowed:?} {address}");
        }
    }

    #[test]
    fn an_unknown_address_is_in_no_network() {
        assert!(networks(&[]).allow(None));
        assert!(!networks(&["0.0.0.0/0", "::/0"]).allow(None));
    }

    #[test]
    fn a_network_is_written_in_one_way() {
        for (text, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), written);
        }
        for text in [
            "",
            "x",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/",
            "::/129",
            "10.0.0.0/8,::1",
            "10.0.0.1:1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(MalformedNetwork::Form), "{text}");
        }
        for (text, whole) in [
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.0.0.1/104", "10.0.0.0/8"),
        ] {
            let whole = whole.parse().unwrap();
            assert_eq!(text.parse::<Network>(), Err(MalformedNetwork::Bits(whole)), "{text}");
        }
    }

    #[test]
    fn a_key_has_a_limited_number_of_networks() {
        let many = |count| std::iter::repeat_n("10.0.0.0/8".parse().unwrap(), count);
        assert!(Networks::new(many(Networks::MOST)).is_some());
        assert_eq!(Networks::new(many(Networks::MOST + 1)), None);
    }
}
