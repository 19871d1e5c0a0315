//! What each reason means, and what a caller does about it. The pages that the gateway serves, the
//! OpenAPI document and docs/API.md have these texts.

mod of_fields;
mod of_reasons;
mod text;

use std::sync::LazyLock;

use http::StatusCode;
use proto::wire::{FieldReason, Reason};
use tonic::Code;

use self::text::Meaning;
use super::codes;

/// A reason, as it is explained.
#[derive(Clone, Debug)]
pub(crate) struct Explanation {
    /// The reason: `details` of an item of a problem.
    pub(crate) word: &'static str,
    /// Where the gateway serves the explanation: the `type` of a problem.
    pub(crate) path: String,
    /// With which statuses it comes; mostly one.
    pub(crate) occurrences: Vec<Occurrence>,
    /// What to do, in sentences.
    pub(crate) advice: &'static str,
    /// Whether the gateway never says it.
    pub(crate) is_grpc_only: bool,
}

impl Explanation {
    /// Returns the last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// A status with which a reason comes.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence {
    pub(crate) status: StatusCode,
    pub(super) code: Code,
    pub(crate) title: &'static str,
    /// When that happens: a sentence without its first capital letter and its full stop.
    pub(crate) when: &'static str,
}

/// Where the gateway serves the explanations.
pub(crate) const PATH: &str = "/problems";

impl Occurrence {
    /// Returns the name of the gRPC code.
    pub(crate) fn code_name(&self) -> &'static str {
        codes::name(self.code)
    }
}

/// Every reason, in the order of the statuses.
pub(crate) static EXPLANATIONS: LazyLock<Vec<Explanation>> = LazyLock::new(|| {
    let reasons = Reason::ALL.map(|r| (r.as_str(), r.code(), of_reasons::of(r)));
    let fields = FieldReason::ALL.map(|r| (r.as_str(), Code::InvalidArgument, of_fields::of(r)));
    // Some reasons are both, with the same meaning.
    let fields = fields.into_iter().filter(|(word, ..)| Reason::parse(word).is_none());
    let mut explanations: Vec<Explanation> = Vec::new();
    for (word, code, Meaning { when, advice, is_grpc_only }) in reasons.into_iter().chain(fields) {
        let (status, title) = codes::status_and_title(code, word);
        let occurrence = Occurrence { status, code, title, when };
        match explanations.iter_mut().find(|explanation| explanation.word == word) {
            Some(explanation) => explanation.occurrences.push(occurrence),
            None => {
                let occurrences = vec![occurrence];
                let path = format!("{PATH}/{}", word.to_lowercase().replace('_', "-"));
                explanations.push(Explanation { word, path, occurrences, advice, is_grpc_only });
            }
        }
    }
    explanations.sort_by_key(|explanation| explanation.occurrences.first().map(|o| o.status));
    explanations
});

/// Returns the last part of each path.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    EXPLANATIONS.iter().map(Explanation::name)
}

/// Returns the explanation of a reason; `None` if it is of a newer server.
pub(crate) fn explanation(word: &str) -> Option<&'static Explanation> {
    EXPLANATIONS.iter().find(|explanation| explanation.word == word)
}

/// Returns the explanations of the reasons that the gateway gives in items of problems.
pub(crate) fn of_items() -> impl Iterator<Item = &'static Explanation> {
    // It is the type of problems whose items have reasons of their own.
    let of_all = Reason::InvalidRequest.as_str();
    EXPLANATIONS.iter().filter(move |one| !one.is_grpc_only && one.word != of_all)
}
