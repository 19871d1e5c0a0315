//! The hosts that a call names.

use domain::HostName;
use http::{HeaderMap, Uri, header::HOST, request::Parts};
use proto::wire::header::FORWARDED_HOST;
use serving::Client;

/// The hosts that a call names: the one that it was sent to, and those that proxies and the gateway name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedHosts<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
    is_behind_proxy: bool,
}

impl<'a> NamedHosts<'a> {
    /// Returns the hosts of the call with this head, which this client makes.
    pub(crate) fn of(parts: &'a Parts, client: &Client) -> Self {
        let is_behind_proxy = client.is_behind_configured_proxy();
        Self { uri: &parts.uri, headers: &parts.headers, is_behind_proxy }
    }

    /// Returns whether a condition holds for the name of one of the hosts, whoever names it. A caller can only get itself
    /// refused by a host that it makes up.
    pub(super) fn any(&self, mut is_true: impl FnMut(&str) -> bool) -> bool {
        self.any_certain(&mut is_true) || self.any_forwarded(is_true)
    }

    /// Returns whether a condition holds for the name of one of the hosts that the call was sent to, or that a proxy names
    /// that is trusted as somebody has said so: a sidecar, which is on loopback, may pass on what a client has made up.
    pub(super) fn any_certain(&self, mut is_true: impl FnMut(&str) -> bool) -> bool {
        let authority = self.uri.authority().map(|authority| authority.as_str());
        // HTTP/2 has the authority in the URI, HTTP/1.1 in `Host`.
        let hosts = self.headers.get_all(HOST).iter().filter_map(|host| host.to_str().ok());
        let mut sent_to = authority.into_iter().chain(hosts);
        sent_to.any(|authority| is_true(&HostName::in_authority(authority)))
            || (self.is_behind_proxy && self.any_forwarded(is_true))
    }

    /// Some proxies make a list of it.
    fn any_forwarded(&self, mut is_true: impl FnMut(&str) -> bool) -> bool {
        let lists = self.headers.get_all(&FORWARDED_HOST).iter();
        lists
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|authority| is_true(&HostName::in_authority(authority)))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// Returns the names of all hosts, and of those that are certain.
    fn names(
        uri: &str,
        headers: &[(&str, &str)],
        is_behind_proxy: bool,
    ) -> (Vec<String>, Vec<String>) {
        let request = headers
            .iter()
            .fold(Request::get(uri), |request, (name, value)| request.header(*name, *value));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let client = if is_behind_proxy { Client::behind_proxy() } else { Client::default() };
        let hosts = NamedHosts::of(&parts, &client);
        let (mut all, mut certain) = (Vec::new(), Vec::new());
        hosts.any(|name| {
            all.push(name.to_owned());
            false
        });
        hosts.any_certain(|name| {
            certain.push(name.to_owned());
            false
        });
        all.sort();
        all.dedup();
        (all, certain)
    }

    #[test]
    fn hosts_are_those_that_the_call_was_sent_to_and_those_that_proxies_name() {
        let forwarded = ("x-forwarded-host", "A.example:443, b.example.");
        let second = ("x-forwarded-host", "c.example");
        for (uri, headers, is_behind_proxy, all, certain) in [
            ("http://S.example:1/x", &[][..], false, &["s.example"][..], &["s.example"][..]),
            ("/x", &[("host", "S.example:1")], false, &["s.example"], &["s.example"]),
            ("/x", &[], false, &[], &[]),
            (
                "http://s.example/x",
                &[forwarded, second],
                false,
                &["a.example", "b.example", "c.example", "s.example"],
                &["s.example"],
            ),
            (
                "http://s.example/x",
                &[forwarded, second],
                true,
                &["a.example", "b.example", "c.example", "s.example"],
                &["s.example", "a.example", "b.example", "c.example"],
            ),
            (
                "http://s.example/x",
                &[("host", "t.example")],
                false,
                &["s.example", "t.example"],
                &["s.example", "t.example"],
            ),
        ] {
            let found = names(uri, headers, is_behind_proxy);
            let expected = [all, certain].map(|names| names.iter().map(ToString::to_string));
            let [all, certain] = expected.map(|names| names.collect::<Vec<_>>());
            assert_eq!(found, (all, certain), "{uri} {headers:?} {is_behind_proxy}");
        }
    }
}
