//! The operator's menu: what whoever may administrate the whole server can look at.

use super::words::Words;
use crate::domain::act::Actor;
use crate::http::request::Call;

/// An entry.
pub struct Entry {
    /// Where it leads, below the dashboard's start.
    pub place: &'static str,
    /// What a page of it calls it.
    pub tab: &'static str,
    /// How it reads.
    pub text: String,
    /// How much there is to do.
    pub count: Option<u64>,
}

/// Counts what the menu tells, before a page is made: an administrator's alone.
pub async fn look(call: &Call, actor: &Actor) {
    if is_administrator(actor)
        && let Err(error) = call.front.services.count_open_applications().await
    {
        tracing::warn!("the applications that are open could not be counted: {error}");
    }
}

/// What an actor is shown.
pub fn of(call: &Call, actor: &Actor, words: &Words) -> Vec<Entry> {
    if !is_administrator(actor) {
        return Vec::new();
    }
    let open = call.front.services.metrics.applications_open.get().filter(|open| *open > 0);
    let all = [
        ("admin", "admin-overview", words.text("admin.overview")),
        ("admin/accounts", "admin-accounts", words.text("admin.accounts")),
        ("admin/users", "admin-users", words.text("admin.users")),
        ("admin/keys", "admin-keys", words.text("admin.keys")),
        ("admin/plans", "admin-plans", words.text("admin.plans")),
        ("admin/applications", "admin-applications", words.text("admin.applications")),
        ("admin/audit", "admin-audit", words.text("admin.audit")),
        ("admin/tokens", "admin-tokens", words.text("admin.tokens")),
        ("admin/outbox", "admin-outbox", words.text("admin.outbox")),
        ("admin/system", "admin-system", words.text("admin.system")),
    ];
    let entry = |(place, tab, text): (&'static str, &'static str, &str)| {
        let count = open.filter(|_| tab == "admin-applications");
        Entry { place, tab, text: text.to_owned(), count }
    };
    all.map(entry).into()
}

fn is_administrator(actor: &Actor) -> bool {
    actor.user().is_some_and(|user| user.is_admin)
}
