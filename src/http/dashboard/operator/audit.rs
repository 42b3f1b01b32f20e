//! Who did what to whom: the audit, newest first, and each entry with what was before and after.

use std::collections::BTreeSet;

use askama::Template;
use http::StatusCode;
use serde_json::Value;

use super::export;
use super::listing::{self, Cell, Input, Listing, Row, asked, text};
use crate::domain::event::Event;
use crate::domain::id;
use crate::domain::user::number_of;
use crate::http::dashboard::cut::whole;
use crate::http::dashboard::shell::Shell;
use crate::http::dashboard::show::page;
use crate::http::handlers;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::store::audit::Entry;

const TAB: &str = "admin-audit";

/// `GET PREFIX/admin/audit`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed(&call)?).await
}

/// `GET PREFIX/admin/audit.csv`.
pub async fn export(call: Call) -> Result<Response, Unreadable> {
    let list = listed(&call)?;
    export::send(call, list).await
}

fn listed(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, mut query) = asked(call, |cursor| id::is(id::AUDIT, cursor), &handlers::audit::FILTERS);
    let filter = handlers::audit::wanted(&mut query);
    query.finish()?;
    let columns = vec![
        text("lists.id"),
        text("lists.at"),
        text("lists.action"),
        text("lists.actor"),
        text("lists.origin"),
        text("lists.target"),
        text("lists.account"),
        text("lists.change"),
    ];
    let (services, act) = (call.front.services.clone(), call.act()?);
    let rows = move |ask| {
        let (services, act, filter) = (services.clone(), act.clone(), filter.clone());
        async move { services.audit(filter, ask, &act).await }
    };
    let mut actions = vec![(String::new(), Shell::of(call, TAB).t("states.all").to_owned())];
    actions.extend(Event::ALL.iter().map(|event| (event.name().to_owned(), event.name().to_owned())));
    let list = Listing::new("audit", TAB, text("admin.audit"), columns, ask);
    let list =
        list.without(vec!["lists.id", "lists.origin", "lists.account"]).field(call, "action", text("lists.action"), Input::Choice(actions));
    let list = list.field(call, "account", text("lists.account"), Input::Text).field(call, "target", text("lists.target"), Input::Text);
    let list = list.field(call, "actor", text("lists.actor"), Input::Text).field(call, "from", text("lists.from"), Input::Date);
    Ok(list.field(call, "to", text("lists.to"), Input::Date).rows(rows, row))
}

fn row(entry: &Entry) -> Row {
    let mut changes = changes(entry);
    // What it is called says most.
    changes.sort_by_key(|change| change.field != "name");
    let told: Vec<String> = changes.iter().filter(|change| !SHOWN.contains(&change.field.as_str())).map(Change::told).collect();
    let cells = vec![
        Cell::Code(entry.id.clone()),
        Cell::At(Some(entry.at)),
        Cell::Text(entry.action.clone()),
        Cell::Code(entry.actor.clone()),
        Cell::Code(entry.origin.clone()),
        Cell::Code(entry.target.clone()),
        Cell::Code(entry.account.clone().unwrap_or_default()),
        Cell::Text(told.join("; ")),
    ];
    Row::of("audit", &entry.id, cells)
}

/// What an entry tells in columns of its own.
const SHOWN: [&str; 3] = ["id", "account", "created_at"];

/// How nothing reads.
const NOTHING: &str = "–";

/// A field that is another than before.
struct Change {
    field: String,
    before: String,
    after: String,
}

impl Change {
    /// In a line; of what was made, as it is.
    fn told(&self) -> String {
        let Self { field, before, after } = self;
        if before == NOTHING { format!("{field}: {after}") } else { format!("{field}: {before} → {after}") }
    }
}

/// What is told before and after, field by field, where that differs.
fn changes(entry: &Entry) -> Vec<Change> {
    let objects = (entry.before.as_object(), entry.after.as_object());
    let names: BTreeSet<&String> = objects.0.into_iter().chain(objects.1).flat_map(serde_json::Map::keys).collect();
    let both = names.into_iter().map(|name| (name, &entry.before[name.as_str()], &entry.after[name.as_str()]));
    let changed = both.filter(|(_, before, after)| before != after);
    changed.map(|(name, before, after)| Change { field: name.clone(), before: read(before), after: read(after) }).collect()
}

/// A value as people read it; nothing where there is none.
fn read(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[derive(Template)]
#[template(path = "admin_entry.html")]
struct EntryPage {
    s: Shell,
    entry: Entry,
    changes: Vec<Change>,
    /// Whether there is more of them than is shown.
    is_cut: bool,
}

impl EntryPage {
    /// The page of what an id names, below `admin/`.
    fn place(&self, id: &str) -> Option<String> {
        let folders = [(id::ACCOUNT, "accounts"), (id::KEY, "keys"), (id::TOKEN, "tokens"), (id::APPLICATION, "applications")];
        let user = number_of(id).map(|number| format!("users/{number}"));
        user.or_else(|| folders.iter().find(|(kind, _)| id::is(kind, id)).map(|(_, folder)| format!("{folder}/{id}")))
    }
}

/// `GET PREFIX/admin/audit/{id}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let entry = call.front.services.audit_entry(&call.id, &call.act()?).await?;
    let (s, changes) = (Shell::of(&call, TAB), changes(&entry));
    let is_cut = texts(&changes).any(|(_, _, text)| s.part(text) != *text);
    page(StatusCode::OK, &EntryPage { s, entry, changes, is_cut })
}

/// `GET PREFIX/admin/audit/{id}/text`: all of what was before and after.
pub async fn as_text(call: Call) -> Result<Response, Unreadable> {
    let entry = call.front.services.audit_entry(&call.id, &call.act()?).await?;
    let (s, changes) = (Shell::of(&call, TAB), changes(&entry));
    let titled: Vec<_> = texts(&changes).map(|(field, when, text)| (format!("{field}, {}", s.t(when)), text)).collect();
    Ok(whole(titled.iter().map(|(title, text)| (title.as_str(), *text))))
}

/// What changed, before and after: the field, the name of which of both it is, and the text.
fn texts(changes: &[Change]) -> impl Iterator<Item = (&str, &'static str, &str)> {
    changes.iter().flat_map(|Change { field, before, after }| {
        [(field.as_str(), text("operator.before"), before.as_str()), (field.as_str(), text("operator.after"), after.as_str())]
    })
}
