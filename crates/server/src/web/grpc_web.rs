//! The content types of gRPC-Web.
//!
//! tonic-web compares them as texts, and passes on as gRPC what it does not know. So it is given them in the
//! one form that it knows, however a client writes them.

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};

use super::media_type::media_type;

/// What the messages of a call, or of its response, are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Binary,
    Base64,
}

impl Encoding {
    /// Returns the encoding that a media type names.
    pub(super) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/grpc-web" | "application/grpc-web+proto" => Some(Self::Binary),
            "application/grpc-web-text" | "application/grpc-web-text+proto" => Some(Self::Base64),
            _ => None,
        }
    }

    /// Sets the content type of a call in this encoding, and the first one of gRPC-Web that it accepts.
    pub(super) fn set(self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, self.content_type());
        if let Some(accepted) = accepted(headers) {
            headers.insert(ACCEPT, accepted.content_type());
        }
    }

    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Binary => "application/grpc-web+proto",
            Self::Base64 => "application/grpc-web-text+proto",
        })
    }
}

fn accepted(headers: &HeaderMap) -> Option<Encoding> {
    let lists = headers.get_all(ACCEPT).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).find_map(|item| Encoding::of(&media_type(item)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(encoding: Encoding, accept: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("Application/gRPC-Web; a=b"));
        for list in accept {
            headers.append(ACCEPT, HeaderValue::from_static(list));
        }
        encoding.set(&mut headers);
        headers
    }

    #[test]
    fn content_types_are_in_the_one_form_that_tonic_web_knows() {
        let (binary, base64) = ("application/grpc-web+proto", "application/grpc-web-text+proto");
        assert_eq!(set(Encoding::Binary, &[])[CONTENT_TYPE], binary);
        assert_eq!(set(Encoding::Base64, &[])[CONTENT_TYPE], base64);
        for (accept, accepted) in [
            (&[][..], None),
            (&["*/*"], Some("*/*")),
            (&["application/grpc-web-text"], Some(base64)),
            (&["Application/gRPC-Web-Text;q=1"], Some(base64)),
            (&["*/*, application/grpc-web-text+proto"], Some(base64)),
            (&["*/*", "application/grpc-web-text"], Some(base64)),
            (&["application/grpc-web, application/grpc-web-text"], Some(binary)),
        ] {
            let headers = set(Encoding::Binary, accept);
            let value = headers.get(ACCEPT).map(|value| value.to_str().unwrap());
            assert_eq!(value, accepted, "{accept:?}");
        }
    }
}
