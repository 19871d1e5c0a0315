//! The responses with problem documents.

use std::collections::{BTreeMap, BTreeSet};

use http::{
    HeaderName, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use proto::wire::header::{RATELIMIT, RATELIMIT_POLICY, REQUEST_ID};
use utoipa::{
    ToSchema as _,
    openapi::{
        Ref, RefOr,
        content::ContentBuilder,
        example::{Example, ExampleBuilder},
        extensions::ExtensionsBuilder,
        response::{Response, ResponseBuilder},
    },
};

use super::{Draft, draft::StatusAndWord, example::placeholder, header, schema::REASONS};
use crate::problem::{
    self, Document,
    meaning::{self, Explanation, Occurrence},
};

/// The content type of problem documents.
pub(super) const PROBLEM: &str = "application/problem+json";

/// The reasons that come with one status.
type Words = Vec<&'static str>;

/// Returns the reasons of a draft by their statuses.
pub(super) fn by_status(draft: &Draft) -> BTreeMap<u16, Words> {
    let mut statuses: BTreeMap<u16, Words> = BTreeMap::new();
    for (status, word) in &draft.reasons {
        statuses.entry(*status).or_default().push(word);
    }
    statuses
}

/// Returns the response with a problem.
pub(super) fn response(status: u16, words: &[&'static str], is_call: bool) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let examples = words.iter().map(|word| {
        let name = example_name((status.as_u16(), word));
        (*word, RefOr::<Example>::Ref(Ref::new(format!("#/components/examples/{name}"))))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Document::name())))
        .examples_from_iter(examples);
    let response = ResponseBuilder::new()
        .description(description(status, words))
        .content(PROBLEM, content.build())
        .extensions(Some(ExtensionsBuilder::new().add(REASONS, words.to_vec()).build()));
    let headers = headers(status, is_call);
    let response = headers.into_iter().fold(response, |response, name| {
        let (name, reference) = header::reference(&name);
        response.header_ref(name, reference)
    });
    response.build()
}

/// Returns the headers of a response with a problem.
fn headers(status: StatusCode, is_call: bool) -> Vec<HeaderName> {
    let mut headers = vec![REQUEST_ID.clone()];
    if is_call && status != StatusCode::UNAUTHORIZED {
        headers.extend([RATELIMIT.clone(), RATELIMIT_POLICY.clone()]);
    }
    match status {
        StatusCode::UNAUTHORIZED => headers.push(WWW_AUTHENTICATE),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.push(RETRY_AFTER);
        }
        _ => {}
    }
    headers
}

/// Lists the reasons, with what they mean.
fn description(status: StatusCode, words: &[&'static str]) -> String {
    let mut description = status.canonical_reason().unwrap_or_default().to_owned();
    description += ". `details` says why:\n";
    for explanation in words.iter().filter_map(|word| meaning::explanation(word)) {
        let occurrence = explanation.occurrences.iter().find(|o| o.status == status);
        let when = occurrence.map_or("", |occurrence| occurrence.when);
        description += &format!("\n- [`{}`]({}): {when}", explanation.word, explanation.path);
    }
    description
}

/// Returns an example of each of these problems, by its name.
pub(super) fn examples(given: &BTreeSet<StatusAndWord>) -> Vec<(String, Example)> {
    let occurrences = meaning::of_items().flat_map(|explanation| {
        explanation.occurrences.iter().map(move |occurrence| (explanation, occurrence))
    });
    let is_given = |(explanation, occurrence): &(&Explanation, &Occurrence)| {
        given.contains(&(occurrence.status.as_u16(), explanation.word))
    };
    let examples = occurrences.filter(is_given).map(|(explanation, occurrence)| {
        let status = occurrence.status.as_u16();
        let json = problem::example(explanation, occurrence);
        let example = ExampleBuilder::new().value(Some(placeholder(&json)));
        (example_name((status, explanation.word)), example.build())
    });
    examples.collect()
}

fn example_name((status, word): StatusAndWord) -> String {
    format!("{status}-{word}")
}
