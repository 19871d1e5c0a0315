//! The introduction of the OpenAPI document, as the page shows it.

use crate::site::html::sentence;

/// The parts of the introduction, as HTML.
#[derive(Debug)]
pub(super) struct Introduction {
    /// What the service is, and how to begin.
    pub(super) texts: Vec<String>,
    /// The headers that matter: of the API key, and of the idempotency key.
    pub(super) headers: [String; 2],
    /// What holds for every call.
    pub(super) rules: Vec<String>,
}

impl Introduction {
    /// Reads the Markdown of the introduction: texts, the list of the headers, and that of the rules. What
    /// leads to a list ends with a colon, and is left out. A part that is not there is empty.
    pub(super) fn read(markdown: &str) -> Self {
        let paragraphs = || markdown.trim().split("\n\n");
        let mut lists = paragraphs().filter_map(|paragraph| paragraph.strip_prefix("- "));
        let mut items = || -> Vec<String> {
            let items = lists.next().into_iter().flat_map(|list| list.split("\n- "));
            items.map(|item| sentence(&on_one_line(item))).collect()
        };
        let mut headers = items().into_iter();
        let headers = [headers.next(), headers.next()].map(Option::unwrap_or_default);
        let rules = items();
        let texts = paragraphs().filter(|text| !text.starts_with("- ") && !text.ends_with(':'));
        Self { texts: texts.map(|text| sentence(&on_one_line(text))).collect(), headers, rules }
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi::INTRODUCTION;

    #[test]
    fn the_parts_of_the_introduction_are_found() {
        let introduction = Introduction::read(INTRODUCTION);
        assert!(introduction.texts[0].starts_with("Caseload creates"), "{introduction:#?}");
        let lists = INTRODUCTION.split("\n\n").filter(|paragraph| paragraph.starts_with("- "));
        assert_eq!(lists.count(), 2, "each list is shown");
        let [api_key, idempotency_key] = &introduction.headers;
        assert!(api_key.starts_with("<code>Authorization: Bearer KEY</code> "), "{api_key}");
        assert!(idempotency_key.starts_with("<code>Idempotency-Key</code>, "), "{idempotency_key}");
        assert!(introduction.rules.len() >= 5, "{introduction:#?}");
        let all = INTRODUCTION.matches("\n- ").count();
        assert_eq!(introduction.rules.len() + 2, all, "{introduction:#?}");
        assert!(introduction.rules.iter().all(|rule| rule.ends_with('.')), "{introduction:#?}");
    }

    #[test]
    fn what_is_missing_is_empty() {
        for markdown in ["", "- `a`", "a\n\nb"] {
            assert!(Introduction::read(markdown).rules.is_empty(), "{markdown:?}");
        }
    }
}
