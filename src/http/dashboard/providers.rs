//! Signing in by others on the dashboard: where one begins, and what whoever is refused reads where they come back to.

use super::refused::Reason;
use super::session::seen;
use super::shell::Shell;
use super::{given, show};
use crate::http::handlers::sign_in::others;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

/// A way in by others.
pub struct Begin {
    /// What people call it.
    pub title: String,
    /// Where it begins.
    pub href: String,
}

/// Those that a browser can begin, to go on to a page of this server, as browsers see it.
pub fn beginnings(call: &Call, next: &str) -> Vec<Begin> {
    let begin = |provider: &crate::config::providers::Provider| Begin {
        title: provider.title.clone(),
        href: others::start_at(call, &provider.name, next),
    };
    others::to_begin_at(call).map(begin).collect()
}

/// Sends whoever is not let in back to sign in, where a sentence says why. `next`: the page that they wanted.
pub fn refused(call: &Call, name: &str, reason: Reason, next: &str) -> Result<Response, Unreadable> {
    let next = if next.is_empty() { None } else { Some(("next", next)) };
    refused_on(call, "sign-in", name, reason, next)
}

/// Sends them to a page of the dashboard that says why, with what else stands in its address.
pub fn refused_on(call: &Call, page: &str, name: &str, reason: Reason, more: Option<(&str, &str)>) -> Result<Response, Unreadable> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("refused", reason.name()).append_pair("by", name).extend_pairs(more);
    show::see(&format!("{}?{}", seen(call, page), query.finish()))
}

/// That sentence. An address names no more than which of ours it is.
pub fn told(call: &Call) -> Option<String> {
    let reason = Reason::named(&given(call, "refused")?)?;
    let provider = call.front.providers.get(&given(call, "by")?)?;
    Some(reason.text(&Shell::of(call, ""), &provider.settings.title))
}
