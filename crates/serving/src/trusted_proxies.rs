//! The option that names the proxies that are trusted.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net};

/// The networks of the proxies that are believed when they name the address of their client: as in
/// `10.0.0.0/8,2001:db8::1`, or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    pub(crate) networks: Arc<[IpNet]>,
    /// Whether nobody has said which proxies there are.
    pub(crate) is_default: bool,
}

impl TrustedProxies {
    /// Returns that no proxy is believed.
    pub(crate) fn none() -> Self {
        Self { networks: Arc::default(), is_default: false }
    }
}

/// Those on this machine.
impl Default for TrustedProxies {
    fn default() -> Self {
        let v4 = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8));
        let v6 = IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST));
        Self { networks: Arc::new([v4, v6]), is_default: true }
    }
}

/// The text is not a list of networks.
#[derive(Debug, thiserror::Error)]
#[error(
    "trusted proxies are addresses or networks, separated by commas, as in 10.0.0.0/8,::1; or none"
)]
pub struct MalformedProxies;

impl FromStr for TrustedProxies {
    type Err = MalformedProxies;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::none());
        }
        let network =
            |text: &str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let networks: Result<_, _> = text.split(',').map(str::trim).map(network).collect();
        let networks = networks.map_err(|_| MalformedProxies)?;
        Ok(Self { networks, is_default: false })
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.networks.is_empty() {
            return f.write_str("none");
        }
        let networks: Vec<_> = self.networks.iter().map(IpNet::to_string).collect();
        f.write_str(&networks.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_they_are_those_on_this_machine() {
        let default = TrustedProxies::default();
        assert_eq!(default.to_string(), "127.0.0.0/8,::1/128");
        let given: TrustedProxies = default.to_string().parse().unwrap();
        assert_eq!((default.is_default, given.is_default), (true, false));
        assert_eq!(default.networks, given.networks);
    }

    #[test]
    fn proxies_are_networks_or_addresses_or_none() {
        for (text, written) in [
            ("none", "none"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1, ::1,fd00::/8", "10.0.0.1/32,::1/128,fd00::/8"),
        ] {
            assert_eq!(text.parse::<TrustedProxies>().unwrap().to_string(), written);
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0/8,", "proxy", "10.0.0", "none,::1", "10.0.0.1:80"]
        {
            assert!(text.parse::<TrustedProxies>().is_err(), "{text}");
        }
    }
}
