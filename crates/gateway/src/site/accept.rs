//! What a client accepts (RFC 9110, 12.5).

use http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_ENCODING},
};

/// Returns whether a client asks for HTML by name, and for JSON not as much. Browsers do; programs that
/// take anything get JSON.
pub(super) fn prefers_html(request: &HeaderMap) -> bool {
    let weight = |name| weight(request, &ACCEPT, name).unwrap_or(0.0);
    let html = weight("text/html");
    html > 0.0 && html >= weight("application/json")
}

/// Returns whether a client asks for gzip, and does not prefer what is not compressed. A client that says
/// nothing may take anything, but many that say nothing take no gzip.
pub(super) fn takes_gzip(request: &HeaderMap) -> bool {
    let weight = |name| weight(request, &ACCEPT_ENCODING, name);
    let gzip = weight("gzip").or_else(|| weight("*")).unwrap_or(0.0);
    gzip > 0.0 && gzip >= weight("identity").unwrap_or(0.0)
}

/// Returns the weight that a header gives a name of its list; `None` if the name is not in it.
fn weight(request: &HeaderMap, header: &HeaderName, name: &str) -> Option<f32> {
    let values = request.get_all(header).iter().filter_map(|value| value.to_str().ok());
    let mut items = values.flat_map(|value| value.split(','));
    items.find_map(|item| {
        let (found, parameters) = item.split_once(';').unwrap_or((item, ""));
        if !found.trim().eq_ignore_ascii_case(name) {
            return None;
        }
        let mut parameters =
            parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let weight = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
        Some(weight.map_or(1.0, |(_, weight)| weight.trim().parse().unwrap_or(0.0)))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn browsers_get_html_and_programs_json() {
        for (accept, is_html) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/json"], false),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], true),
            (&["application/json", "TEXT/HTML"], true),
            (&["application/json, text/html;q=0.9"], false),
            (&["text/html;level=1;q=0.5, application/json;q=0.4"], true),
            (&["text/html ; Q=0.5 , application/json; q=0.6"], false),
            (&["text/html;q=0"], false),
            (&["text/html;q=many"], false),
        ] {
            assert_eq!(prefers_html(&headers(ACCEPT, accept)), is_html, "{accept:?}");
        }
    }

    #[test]
    fn gzip_goes_to_clients_that_ask_for_it() {
        for (accept, is_gzip) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip, deflate, br, zstd"], true),
            (&["br", "GZIP;q=0.1"], true),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["*, gzip;q=0"], false),
            (&["gzip;q=0.5, identity"], false),
            (&["gzip;q=0.5, identity;q=0.5"], true),
            (&["identity"], false),
            (&["br"], false),
        ] {
            assert_eq!(takes_gzip(&headers(ACCEPT_ENCODING, accept)), is_gzip, "{accept:?}");
        }
    }
}
