//! Values of which there are a few.

/// One of a few documented values, as the caller sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice<T> {
    /// None was sent.
    #[default]
    Unset,
    /// One of the documented values.
    Known(T),
    /// Something else.
    Unknown,
}

impl<T> Choice<T> {
    /// Returns the value, if it is a documented one. Calls `report` if it is not.
    pub(crate) fn known_or(self, report: impl FnOnce()) -> Option<T> {
        match self {
            Self::Unset => None,
            Self::Known(value) => Some(value),
            Self::Unknown => {
                report();
                None
            }
        }
    }
}
