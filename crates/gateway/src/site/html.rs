//! Pages for people: plain HTML, without scripts.

use http::HeaderValue;

/// What a page may load: its own style, and nothing else. The hash is that of [`STYLE`].
pub(super) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'sha256-DrkQMosHRp3Ijz03qWOXA731LicMPg8sbm6iO9QVQA4='; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const STYLE: &str = ":root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}\
code{font-size:.9em}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #8886}";

/// Returns a page with this title and this content, which is HTML.
pub(super) fn page(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title} – Caseload</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n{content}\n</body>\n</html>\n",
        title = escape(title),
    )
}

/// Returns a sentence as HTML: with its first letter in upper case, and what is in backticks as code.
pub(super) fn sentence(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        match index % 2 {
            0 => html += &escape(part),
            _ => html += &format!("<code>{}</code>", escape(part)),
        }
    }
    let mut characters = html.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    let sentence: String = first.into_iter().chain(characters).collect();
    if sentence.ends_with('.') { sentence } else { sentence + "." }
}

/// Returns a text as HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// Writes bytes in base64 (RFC 4648, 4).
    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let mut group = [0; 3];
            group[..chunk.len()].copy_from_slice(chunk);
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            for place in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
            }
        }
        text
    }

    #[test]
    fn the_policy_allows_the_style() {
        let hash = format!("'sha256-{}'", base64(&Sha256::digest(STYLE)));
        assert!(POLICY.to_str().unwrap().contains(&hash), "{hash}");
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(sentence("a `<b>` & \"c\""), "A <code>&lt;b&gt;</code> &amp; &quot;c&quot;.");
        assert_eq!(sentence("Do this."), "Do this.");
    }
}
