//! Renders a page, with the headers that keep it from being framed, scripted, cached or told of.

use std::sync::LazyLock;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderName, StatusCode};
use minijinja::{Environment, Value, context};

use crate::http::cookies;
use crate::http::request::Call;
use crate::http::response::{self, Response};
use crate::service::mails::service_name;

/// Nothing but our own style sheet and forms.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

const STYLE_SHEET: &str = include_str!("templates/page.css");

/// The pages.
#[derive(Clone, Copy, Debug)]
pub enum Page {
    /// A button that proves an address.
    Verify,
    /// It is proven.
    Verified,
    /// A form for a new password.
    Reset,
    /// It is set.
    ResetDone,
    /// A link that counts no more.
    WrongLink,
    /// A link of which something is missing.
    BrokenLink,
    /// A form to sign in with, and join an account.
    Invitation,
    /// They have joined.
    Joined,
    /// They did not want to.
    Declined,
    /// An invitation that counts no more, or is for somebody else.
    WrongInvitation,
    /// A button to join with, for whoever is signed in.
    Join,
    /// From a page that another site has led to, on to one that gets the refresh cookie.
    GoOn,
    /// The code of a second factor is asked for.
    SecondFactor,
    /// Whatever else keeps somebody out: what, and a way on.
    Refused,
}

impl Page {
    const ALL: [(Self, &'static str, &'static str); 14] = [
        (Self::Verify, "verify.html", include_str!("templates/verify.html")),
        (Self::Verified, "verified.html", include_str!("templates/verified.html")),
        (Self::Reset, "reset.html", include_str!("templates/reset.html")),
        (Self::ResetDone, "reset_done.html", include_str!("templates/reset_done.html")),
        (Self::WrongLink, "wrong_link.html", include_str!("templates/wrong_link.html")),
        (Self::BrokenLink, "broken_link.html", include_str!("templates/broken_link.html")),
        (Self::Invitation, "invitation.html", include_str!("templates/invitation.html")),
        (Self::Joined, "joined.html", include_str!("templates/joined.html")),
        (Self::Declined, "declined.html", include_str!("templates/declined.html")),
        (Self::WrongInvitation, "wrong_invitation.html", include_str!("templates/wrong_invitation.html")),
        (Self::Join, "join.html", include_str!("templates/join.html")),
        (Self::GoOn, "go_on.html", include_str!("templates/go_on.html")),
        (Self::SecondFactor, "second_factor.html", include_str!("templates/second_factor.html")),
        (Self::Refused, "refused.html", include_str!("templates/refused.html")),
    ];

    const fn file(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// All of them, read once. A template is part of the program: that each can be read is held by a test.
static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    let parts = [
        ("layout.html", include_str!("templates/layout.html")),
        ("onward.html", include_str!("templates/onward.html")),
        ("password_hint.html", include_str!("templates/password_hint.html")),
    ];
    for (name, text) in parts.into_iter().chain(Page::ALL.map(|(_, name, text)| (name, text))) {
        if let Err(error) = environment.add_template(name, text) {
            tracing::error!("the page {name} cannot be read: {error}");
        }
    }
    environment
});

/// A page, with what it speaks of.
pub fn show(call: &Call, status: StatusCode, page: Page, about: Value) -> Response {
    let policy = &call.front.services.policy;
    let all = context! {
        service => service_name(policy),
        style_sheet => place_of_style_sheet(call),
        app => policy.sign_in.links.app,
        min_length => policy.sign_in.passwords.min_length,
        ..about
    };
    let rendered = TEMPLATES.get_template(page.file()).and_then(|template| template.render(all));
    match rendered {
        Ok(html) => {
            let mut response = response::text(status, "text/html; charset=utf-8", html);
            guard(response.headers_mut());
            response
        }
        Err(error) => {
            let error = crate::domain::error::Error::Internal(format!("the page {} cannot be shown: {error}", page.file()));
            response::failed(&error, &call.request_id)
        }
    }
}

/// Where the style sheet lies, seen from the page: beside it, below the prefix.
fn place_of_style_sheet(call: &Call) -> String {
    const NAME: &str = "page.css";
    let prefix = &call.front.services.policy.server.prefix;
    match call.parts.uri.path().strip_prefix(prefix.as_str()) {
        Some(rest) if rest.matches('/').count() == 1 => NAME.into(),
        _ => format!("{}/{NAME}", cookies::path(call, prefix)),
    }
}

/// The style sheet, for the browser to keep.
pub fn style_sheet() -> Response {
    let mut response = response::text(StatusCode::OK, "text/css; charset=utf-8", STYLE_SHEET.to_owned());
    guard(response.headers_mut());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// Keeps what is shown from being framed, taken for something else, or told of.
pub fn guard(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // No page of another site that opens this one, or is opened by it, gets hold of its window (HTML, 7.1.3).
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    // A token stands in the address.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_shown_and_escapes() {
        for (page, name, _) in Page::ALL {
            assert_eq!(page.file(), name);
            let evil = "\"><script>";
            let about = context! {
                service => "A & B", style_sheet => "page.css", token => evil, fault => "<b>", name => "<i>", account => evil, email => evil,
                heading => evil, text => evil, href => evil, address => evil, asked_at => evil, inviter => evil, role => evil, app => evil,
                asks_password => true, min_length => evil, new_fault => evil, again => evil, others => [context! { title => evil, href => evil }]
            };
            let html = TEMPLATES.get_template(name).unwrap().render(about).unwrap();
            assert!(html.contains("A &amp; B") && html.contains("href=\"page.css\""), "{html}");
            assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("<i>"), "{html}");
        }
    }
}
