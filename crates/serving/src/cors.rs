//! Which pages may make requests, and what they may send and read (CORS, of the Fetch standard).

use std::time::Duration;

use clap::Args;
use http::{HeaderName, Method};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

use crate::origins::Origins;

/// How long a browser may go by the answer to a preflight request: the most that browsers accept.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Pages that make requests.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Browsers")]
pub struct BrowserOptions {
    /// The origins of web pages that may make requests over REST, and calls of gRPC-Web and Connect,
    /// separated by commas, as in `https://app.example.com,http://localhost:3000`; * for any, or none
    #[arg(long, env = "CASELOAD_CORS_ORIGINS", default_value = "none", value_name = "ORIGINS")]
    pub cors_origins: Origins,
}

/// What pages may send, and read of responses.
#[derive(Clone, Debug, Default)]
pub struct CorsRules {
    /// The methods of requests.
    pub methods: Vec<Method>,
    /// The headers of requests.
    pub allowed: Vec<HeaderName>,
    /// The headers of responses.
    pub exposed: Vec<HeaderName>,
}

impl BrowserOptions {
    /// Returns whether any page may make requests.
    #[must_use]
    pub fn allows_any(&self) -> bool {
        self.cors_origins != Origins::NONE
    }

    /// Returns a layer that answers preflight requests, and lets the pages read responses.
    ///
    /// Credentials that the browser itself adds are not allowed, such as cookies: an API key is given by
    /// the page, so no page can make a request with a key that it does not have.
    pub fn cors(&self, rules: CorsRules) -> CorsLayer {
        let origins = match &self.cors_origins {
            Origins::Any => AllowOrigin::any(),
            Origins::These(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(AllowMethods::list(rules.methods))
            .allow_headers(AllowHeaders::list(rules.allowed))
            .expose_headers(ExposeHeaders::list(rules.exposed))
            .max_age(MAX_AGE)
    }
}
