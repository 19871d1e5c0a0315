//! The fields of a CSV record by the names of their columns.

/// The fields of a record.
pub(super) struct Fields {
    fields: Vec<(&'static str, String)>,
}

impl Fields {
    /// Returns the fields of a record whose columns have these names.
    pub(super) fn new(columns: &[&'static str], fields: Vec<String>) -> Self {
        Self { fields: columns.iter().copied().zip(fields).collect() }
    }

    /// Takes the field of a column. An empty field counts as absent.
    pub(super) fn take(&mut self, column: &str) -> Option<String> {
        let field = self.fields.iter_mut().find(|(name, _)| *name == column);
        field.map(|(_, text)| std::mem::take(text)).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_field_counts_as_absent() {
        let mut fields = Fields::new(&["a", "b"], vec!["1".to_owned(), String::new()]);
        assert_eq!(fields.take("a").as_deref(), Some("1"));
        assert_eq!(fields.take("b"), None);
        assert_eq!(fields.take("c"), None);
    }
}
