//! Reads the API key of a call.

use domain::{ApiKey, AuthError};
use http::{HeaderMap, header::AUTHORIZATION};

/// Returns the key of `authorization: Bearer KEY` (RFC 6750, 2.1). The header must come once, with
/// one space and nothing around it. The scheme's case doesn't matter (RFC 9110, 11.1).
///
/// # Errors
/// Every [`AuthError`]. [`AuthError::InvalidKey`] means that the text can't be a key, so that no
/// look-up is needed.
pub(crate) fn api_key(headers: &HeaderMap) -> Result<ApiKey, AuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(AuthError::Missing),
        (Some(value), None) => value.to_str().map_err(|_| AuthError::Malformed)?,
        (Some(_), Some(_)) => return Err(AuthError::Repeated),
    };
    let (scheme, credentials) = value.split_once(' ').ok_or(AuthError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer")
        || credentials.is_empty()
        || credentials.contains(|c: char| !c.is_ascii_graphic() || c == ',')
    {
        return Err(AuthError::Malformed);
    }
    ApiKey::parse(credentials).map_err(|_| AuthError::InvalidKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<ApiKey, AuthError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        api_key(&headers)
    }

    #[test]
    fn accepts_a_key_in_one_form_only() {
        let good = ApiKey::from_random_bytes([3; 32]);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(read(&[&format!("{scheme} {}", good.expose())]), Ok(good.clone()));
        }
        let key = good.expose();
        assert_eq!(read(&[]), Err(AuthError::Missing));
        assert_eq!(
            read(&[&format!("Bearer {key}"), &format!("Bearer {key}")]),
            Err(AuthError::Repeated)
        );
        for text in [
            "",
            "Bearer",
            "Bearer ",
            key,
            &format!("Basic {key}"),
            &format!("Bearer  {key}"),
            &format!(" Bearer {key}"),
            &format!("Bearer {key} "),
            &format!("Bearer\t{key}"),
            &format!("Bearer {key}, Bearer {key}"),
            &format!("Bearer {key},"),
        ] {
            assert_eq!(read(&[text]), Err(AuthError::Malformed), "{text:?}");
        }
        assert_eq!(read(&["Bearer hunter2"]), Err(AuthError::InvalidKey));
        assert_eq!(read(&[&format!("Bearer {key}x")]), Err(AuthError::InvalidKey));
    }
}
