//! Who is at the other end of a connection, and who is behind a proxy.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{Extensions, HeaderMap, HeaderName};

use telemetry::PeerIdentity;

use crate::{
    opened::Security,
    peers::{Peer, Peers, counted_as},
    trusted_proxies::TrustedProxies,
};

/// Which clients are told apart by their addresses, and how.
#[derive(Clone, Debug)]
pub struct ClientRules {
    /// The proxies that are believed when they name the address of their client.
    pub trusted_proxies: TrustedProxies,
    /// The header in which they name it: a list, to which each proxy adds the address of its peer
    /// at the end.
    pub forwarded_for: HeaderName,
    /// The part of connections, requests and body memory that one address may use, in percent.
    /// With 100, addresses are not told apart.
    pub share_percent: u8,
}

/// The client of a request, as far as it is known by its address. Every request has it as an
/// extension.
#[derive(Clone, Debug, Default)]
pub struct Client {
    pub(crate) address: Option<IpAddr>,
    /// `None` if its use is not counted: its address is not known, or is a proxy's, which stands
    /// for many.
    pub(crate) peer: Option<Arc<Peer>>,
    pub(crate) is_behind_proxy: bool,
    /// Whether the connection speaks TLS.
    pub(crate) has_tls: bool,
    /// Whether somebody who is not trusted may have chosen the address.
    pub(crate) is_uncertain: bool,
}

impl Client {
    /// Returns the client of a request with these extensions.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Returns the address of the client: that of the other end of the connection, unless that is a
    /// trusted proxy; then the one that it names, if it does.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Returns the address of the client, if it may decide what the client may do. It may not if it was named by a
    /// proxy that is trusted only because nobody has said which proxies there are; nor if somebody else than a
    /// trusted proxy names one, as a proxy does that nobody has said is one.
    #[must_use]
    pub fn certain_address(&self) -> Option<IpAddr> {
        self.address.filter(|_| !self.is_uncertain)
    }

    /// Returns a client whose address a trusted proxy did not name.
    #[must_use]
    pub fn behind_proxy() -> Self {
        Self { is_behind_proxy: true, ..Self::default() }
    }

    /// Whether the request came through a trusted proxy, whose headers say how the client sent it.
    #[must_use]
    pub fn is_behind_proxy(&self) -> bool {
        self.is_behind_proxy
    }

    /// Whether the request came through a proxy that is trusted as somebody has said so, rather than by default: what its
    /// headers say may decide what the client may do.
    #[must_use]
    pub fn is_behind_configured_proxy(&self) -> bool {
        self.is_behind_proxy && !self.is_uncertain
    }

    /// Whether the connection on which the request came speaks TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// Returns what [`Self::address`] counts as where addresses have shares: for IPv6 its network of
    /// 64 bits, in which one host can have any number of addresses.
    #[must_use]
    pub fn network(&self) -> Option<IpAddr> {
        self.address.map(counted_as)
    }
}

/// Tells the clients of one endpoint apart.
#[derive(Debug)]
pub(crate) struct Clients {
    rules: ClientRules,
    peers: Arc<Peers>,
}

/// The other end of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionPeer {
    clients: Arc<Clients>,
    socket: SocketAddr,
    client: Client,
    is_proxy: bool,
    identity: Option<PeerIdentity>,
}

impl Clients {
    pub(crate) fn new(rules: ClientRules) -> Arc<Self> {
        Arc::new(Self { rules, peers: Arc::default() })
    }

    /// Returns the other end of a connection from this address.
    pub(crate) fn connection(self: &Arc<Self>, socket: SocketAddr) -> ConnectionPeer {
        let address = socket.ip().to_canonical();
        let is_proxy = self.is_proxy(address);
        let client = if is_proxy { Client::default() } else { self.client(address) };
        ConnectionPeer { clients: Arc::clone(self), socket, client, is_proxy, identity: None }
    }

    fn client(&self, address: IpAddr) -> Client {
        let is_counted = self.rules.share_percent < 100;
        Client {
            address: Some(address),
            peer: is_counted.then(|| self.peers.peer(address)),
            is_behind_proxy: false,
            has_tls: false,
            is_uncertain: false,
        }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.rules.trusted_proxies.networks.iter().any(|network| network.contains(&address))
    }

    /// Returns the client that trusted proxies name: read from the end, the first address that is
    /// not a trusted proxy's. What stands before it may be made up by that client.
    fn named(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lists: Vec<_> = headers.get_all(&self.rules.forwarded_for).iter().collect();
        let entries = lists.iter().rev().flat_map(|list| list.as_bytes().rsplit(|b| *b == b','));
        for entry in entries {
            // A proxy that names something else than an address names nobody.
            let address = parse(str::from_utf8(entry).ok()?.trim())?.to_canonical();
            if !self.is_proxy(address) {
                return Some(address);
            }
        }
        None
    }
}

/// Parses an address; some proxies add the port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(entry.parse::<SocketAddr>().ok()?.ip());
    entry.parse().ok().or_else(bracketed).or_else(with_port)
}

impl ConnectionPeer {
    /// Adds what TLS has found out.
    pub(crate) fn with_security(mut self, security: Option<Security>) -> Self {
        self.client.has_tls = security.is_some();
        self.identity = security.and_then(|security| security.identity);
        self
    }

    /// Returns whom the certificate of the other end is for, if it has one.
    pub(crate) fn identity(&self) -> Option<&PeerIdentity> {
        self.identity.as_ref()
    }

    /// Returns the socket's address.
    pub(crate) fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Returns the client whose connection it is.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the client of a request on the connection.
    pub(crate) fn client_of(&self, headers: &HeaderMap) -> Client {
        let rules = &self.clients.rules;
        if !self.is_proxy {
            let is_uncertain = headers.contains_key(&rules.forwarded_for);
            return Client { is_uncertain, ..self.client.clone() };
        }
        let named = self.clients.named(headers).map(|address| self.clients.client(address));
        let (has_tls, is_uncertain) = (self.client.has_tls, rules.trusted_proxies.is_default);
        Client { is_behind_proxy: true, has_tls, is_uncertain, ..named.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn clients(trusted: &[&str]) -> Arc<Clients> {
        Clients::new(ClientRules {
            trusted_proxies: trusted.join(",").parse().unwrap(),
            forwarded_for: HeaderName::from_static("x-forwarded-for"),
            share_percent: 25,
        })
    }

    /// Returns the client of a request from this address, with these headers.
    fn client(clients: &Arc<Clients>, from: &str, forwarded_for: &[&str]) -> Option<String> {
        let headers = forwarded_for
            .iter()
            .map(|value| {
                ("x-forwarded-for".parse().unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let client =
            clients.connection((from.parse::<IpAddr>().unwrap(), 1).into()).client_of(&headers);
        assert_eq!(client.address.is_some(), client.peer.is_some());
        client.address().map(|address| address.to_string())
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let clients = clients(&["10.0.0.0/8", "fd00::/8"]);
        for (from, forwarded_for, expected) in [
            // Others are clients themselves, whatever they say.
            ("192.0.2.1", &["198.51.100.1"][..], Some("192.0.2.1")),
            ("::ffff:192.0.2.1", &["10.0.0.1"], Some("192.0.2.1")),
            ("10.1.1.1", &["198.51.100.1"], Some("198.51.100.1")),
            ("::ffff:10.1.1.1", &["198.51.100.1"], Some("198.51.100.1")),
            ("fd00::1", &["2001:db8::1"], Some("2001:db8::1")),
            // The client can write what it likes before the address that the proxy adds.
            ("10.1.1.1", &["1.1.1.1, 198.51.100.1"], Some("198.51.100.1")),
            ("10.1.1.1", &["nonsense,, 198.51.100.1 ,10.2.2.2"], Some("198.51.100.1")),
            ("10.1.1.1", &["1.1.1.1", "198.51.100.1", "10.2.2.2, 10.3.3.3"], Some("198.51.100.1")),
            // With a port, as some proxies have it.
            ("10.1.1.1", &["198.51.100.1:4711"], Some("198.51.100.1")),
            ("10.1.1.1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            ("10.1.1.1", &["[2001:db8::1]"], Some("2001:db8::1")),
            ("10.1.1.1", &["::ffff:198.51.100.1"], Some("198.51.100.1")),
            // Nobody is named.
            ("10.1.1.1", &[], None),
            ("10.1.1.1", &[""], None),
            ("10.1.1.1", &["10.2.2.2"], None),
            ("10.1.1.1", &["198.51.100.1, unknown"], None),
            ("10.1.1.1", &["198.51.100.1, _hidden, 10.2.2.2"], None),
        ] {
            let client = client(&clients, from, forwarded_for);
            assert_eq!(client.as_deref(), expected, "{from} {forwarded_for:?}");
        }
    }

    #[test]
    fn an_address_is_certain_if_it_is_not_named_or_the_proxies_are() {
        let proxies =
            |text: Option<&str>| text.map_or_else(Default::default, |it| it.parse().unwrap());
        for (trusted, from, header, certain) in [
            (None, "192.0.2.1", None, Some("192.0.2.1")),
            (None, "192.0.2.1", Some("198.51.100.1"), None),
            (None, "127.0.0.1", Some("198.51.100.1"), None),
            (None, "127.0.0.1", None, None),
            (Some("127.0.0.0/8"), "127.0.0.1", Some("198.51.100.1"), Some("198.51.100.1")),
            (Some("127.0.0.0/8"), "127.0.0.1", None, None),
            (Some("127.0.0.0/8"), "192.0.2.1", Some("198.51.100.1"), None),
            (Some("none"), "127.0.0.1", None, Some("127.0.0.1")),
            (Some("none"), "127.0.0.1", Some("198.51.100.1"), None),
        ] {
            let forwarded_for = HeaderName::from_static("x-forwarded-for");
            let headers =
                header.map(|value| (forwarded_for.clone(), HeaderValue::from_static(value)));
            let trusted_proxies = proxies(trusted);
            let rules = ClientRules { trusted_proxies, forwarded_for, share_percent: 25 };
            let peer = Clients::new(rules).connection((from.parse::<IpAddr>().unwrap(), 1).into());
            let client = peer.client_of(&headers.into_iter().collect());
            let found = client.certain_address().map(|address| address.to_string());
            assert_eq!(found.as_deref(), certain, "{trusted:?} {from} {header:?}");
            let is_configured = trusted == Some("127.0.0.0/8") && from == "127.0.0.1";
            assert_eq!(client.is_behind_configured_proxy(), is_configured, "{trusted:?} {from}");
        }
    }

    #[test]
    fn an_ipv6_client_counts_as_its_network() {
        let network = |address: &str| {
            let client = Client { address: address.parse().ok(), ..Client::default() };
            client.network().unwrap().to_string()
        };
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }
}
