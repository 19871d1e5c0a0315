//! `GET /docs`: an interactive reference, made by Swagger UI of the OpenAPI document, in this project's look.
//! All its files are in the program: it needs no other host.

mod introduction;

use std::{
    borrow::Cow,
    convert::Infallible,
    sync::{Arc, LazyLock},
};

use axum::{
    body::Bytes,
    extract::{FromRequestParts, RawPathParams},
    response::{Redirect, Response},
};
use http::{HeaderValue, request::Parts};
use utoipa_swagger_ui::Config;

use super::asset::{Asset, AssetHeaders};
use crate::{
    extract::Rejection,
    openapi::{INTRODUCTION, Route},
};
use introduction::Introduction;

/// Where the page is.
pub(super) const PATH: &str = "/docs";

/// What the page may load: files of this origin, and the API. Swagger UI's style has icons as `data:` URLs.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// The files of the page, by their names.
static FILES: LazyLock<[(&str, Asset); 5]> = LazyLock::new(|| {
    [
        ("page.css", own(include_str!("page.css"), STYLE)),
        ("page.js", own(include_str!("page.js"), SCRIPT)),
        ("icon.svg", own(include_str!("icon.svg"), PICTURE)),
        of_swagger_ui("swagger-ui.css", STYLE),
        of_swagger_ui("swagger-ui-bundle.js", SCRIPT),
    ]
});

/// Makes the files of the page. Returns whether they are complete.
pub(crate) fn prepare() -> bool {
    FILES.iter().all(|(_, file)| !file.is_empty())
}

/// Returns the routes of the page and of its files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> [Route<S>; 3] {
    let page = page().compressed();
    [
        Route::page(PATH, async move |headers: AssetHeaders| page.response(&headers)),
        Route::page("/docs/", async || Redirect::permanent(PATH)),
        Route::page("/docs/{file}", file),
    ]
}

async fn file(FileName(name): FileName, headers: AssetHeaders) -> Result<Response, Rejection> {
    let file = FILES.iter().find(|(known, _)| *known == name);
    file.map(|(_, asset)| asset.response(&headers)).ok_or(Rejection::RouteNotFound)
}

fn own(file: &'static str, content_type: &'static str) -> Asset {
    Asset::new(Bytes::from_static(file.as_bytes()), content_type).compressed()
}

/// Returns a file of Swagger UI, which its crate has as gzip; an empty one if the crate does not have it.
fn of_swagger_ui(name: &'static str, content_type: &'static str) -> (&'static str, Asset) {
    // The configuration is for a file that the page does not use.
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default())).ok().flatten();
    let gzip = match file.map(|file| file.bytes) {
        Some(Cow::Borrowed(bytes)) => Bytes::from_static(bytes),
        Some(Cow::Owned(bytes)) => bytes.into(),
        None => Bytes::new(),
    };
    (name, Asset::unpacked(gzip, content_type))
}

fn page() -> Asset {
    let Introduction { texts, headers: [api_key, idempotency_key], rules } =
        Introduction::read(INTRODUCTION);
    let summary = texts.first().map_or("", String::as_str);
    let beginning: String = texts.iter().skip(1).map(|text| format!("<p>{text}</p>\n")).collect();
    let rules: String = rules.iter().map(|rule| format!("<li>{rule}</li>\n")).collect();
    let mut page = include_str!("page.html").to_owned();
    for (name, content) in [
        ("{{version}}", env!("CARGO_PKG_VERSION")),
        ("{{summary}}", summary),
        ("{{api key}}", &api_key),
        ("{{idempotency key}}", &idempotency_key),
        ("{{beginning}}", beginning.trim_end()),
        ("{{rules}}", rules.trim_end()),
    ] {
        page = page.replace(name, content);
    }
    // A page and the files of another release do not meet in a cache.
    for (name, file) in FILES.iter() {
        let link = format!("\"{PATH}/{name}");
        page = page.replace(&format!("{link}\""), &format!("{link}?v={}\"", file.version()));
    }
    Asset::page(page, POLICY)
}

/// The path parameter `{file}`; empty where it is not a text.
struct FileName(String);

impl<S: Send + Sync> FromRequestParts<S> for FileName {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let name = params.iter().flatten().find(|(name, _)| *name == "file");
        Ok(Self(name.map_or(String::new(), |(_, name)| name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_page_is_filled_in() {
        let page = page();
        assert!(!page.text().contains("{{"), "{}", page.text());
        for part in [env!("CARGO_PKG_VERSION"), "Bearer KEY", "Idempotency-Key", "<li>Unknown"] {
            assert!(page.text().contains(part), "{part}");
        }
    }

    #[test]
    fn the_page_loads_files_of_its_own_and_nothing_else() {
        let page = page();
        let links = page.text().split(['"', '\'']).filter_map(|text| text.strip_prefix("/docs/"));
        let mut links: Vec<String> = links.map(str::to_owned).collect();
        links.sort_unstable();
        let mut files: Vec<String> =
            FILES.iter().map(|(name, file)| format!("{name}?v={}", file.version())).collect();
        files.sort_unstable();
        assert_eq!(links, files);
        // The policy forbids them.
        for forbidden in ["style=", "<style", "onclick", "//"] {
            assert!(!page.text().contains(forbidden), "{forbidden}");
        }
        let scripts = page.text().matches("<script").count();
        assert_eq!(scripts, page.text().matches("></script>").count());
    }

    #[test]
    fn every_file_is_there_and_loads_no_other() {
        assert!(prepare());
        for (name, asset) in FILES.iter() {
            assert!(asset.text().len() > 100, "{name}");
            assert!(!asset.text().contains("@import"), "{name}");
        }
    }
}
