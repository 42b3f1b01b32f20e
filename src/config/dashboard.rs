//! `[dashboard]`: what its pages lead to that is not tollgate's.

use http::Uri;

use super::reader::Table;

/// The settings.
#[derive(Clone, Debug, Default)]
pub struct DashboardSettings {
    /// Where people pay, or look after what they pay.
    pub billing_url: Option<String>,
}

pub(super) fn read(table: Table<'_>) -> Option<DashboardSettings> {
    let billing_url = table.parsed("billing_url", |text| if text.is_empty() { Ok(None) } else { link(text).map(Some) });
    table.finish();
    Some(DashboardSettings { billing_url: billing_url? })
}

/// An address that a link may lead to, be it with a query.
fn link(text: &str) -> Result<String, &'static str> {
    const WRONG: &str = "must be an address such as https://example.com/billing";
    let uri: Uri = text.parse().map_err(|_| WRONG)?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.authority().map(|authority| authority.as_str()).filter(|authority| !authority.is_empty() && !authority.contains('@'));
    if is_http && host.is_some() { Ok(text.to_owned()) } else { Err(WRONG) }
}

#[cfg(test)]
mod tests {
    use super::link;

    #[test]
    fn a_link_is_absolute_and_of_the_web() {
        for sound in ["https://example.com", "https://example.com/billing?from=api#plans", "http://127.0.0.1:8000/"] {
            assert_eq!(link(sound).as_deref(), Ok(sound));
        }
        for wrong in [
            "/billing",
            "//example.com",
            "javascript:alert(1)",
            "ftp://example.com",
            "https://",
            "https://a@example.com",
            "https://a b",
            "x",
        ] {
            assert!(link(wrong).is_err(), "{wrong}");
        }
    }
}
