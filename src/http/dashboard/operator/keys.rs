//! Every key: listed, looked at, rotated, revoked.

use askama::Template;
use http::StatusCode;
use serde_json::json;

use super::key_settings::Settings;
use super::listing::{self, Cell, Input, Listing, Row, asked, text};
use super::{export, forms};
use crate::domain::caller::KeyRecord;
use crate::domain::error::{Error, FieldFault};
use crate::domain::id;
use crate::domain::time::{Span, Timestamp};
use crate::http::dashboard::form::{Form, Typed, once};
use crate::http::dashboard::keys::{spoken_overrides, state};
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

/// Its entry of the menu.
pub const TAB: &str = "admin-keys";

/// `GET PREFIX/admin/keys`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed(&call)?).await
}

/// `GET PREFIX/admin/keys.csv`.
pub async fn export(call: Call) -> Result<Response, Unreadable> {
    let list = listed(&call)?;
    export::send(call, list).await
}

fn listed(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, mut query) = asked(call, |cursor| id::is(id::KEY, cursor), &["search", "account"]);
    let account = query.text("account");
    query.finish()?;
    let columns = vec![
        text("lists.name"),
        text("lists.id"),
        text("lists.prefix"),
        text("lists.account"),
        text("lists.state"),
        text("lists.created"),
        text("lists.used"),
        text("lists.expires"),
        text("keys.scopes"),
        text("operator.metadata"),
    ];
    let (services, act, now) = (call.front.services.clone(), call.act()?, call.now);
    let rows = move |ask| {
        let (services, act, account) = (services.clone(), act.clone(), account.clone());
        async move { services.keys(account, ask, &act).await }
    };
    let list = Listing::new("keys", TAB, text("admin.keys"), columns, ask)
        .without(vec!["lists.id", "keys.scopes", "operator.metadata"])
        .search(call);
    let mut list = list.field(call, "account", text("lists.account"), Input::Text).rows(rows, move |key| row(key, now));
    list.make = Some(("keys/new", text("keys.new")));
    Ok(list)
}

fn row(key: &KeyRecord, now: Timestamp) -> Row {
    let cells = vec![
        Cell::Text(key.name.clone()),
        Cell::Code(key.id.clone()),
        Cell::Code(key.prefix.clone()),
        Cell::Code(key.account.clone()),
        Cell::State(state(key, now)),
        Cell::At(Some(key.created_at)),
        Cell::At(key.last_used_at),
        Cell::At(key.expires_at),
        Cell::Text(key.scopes.join(" ")),
        Cell::Text(metadata(key)),
    ];
    Row::of("keys", &key.id, cells)
}

/// What the operator keeps with it, as JSON; empty where that is nothing.
fn metadata(key: &KeyRecord) -> String {
    if key.metadata.is_empty() { String::new() } else { serde_json::to_string_pretty(&key.metadata).unwrap_or_default() }
}

#[derive(Template)]
#[template(path = "admin_key.html")]
struct KeyPage<'a> {
    s: Shell,
    key: KeyRecord,
    now: Timestamp,
    settings: Settings<'a>,
    /// What was typed into the form of its settings.
    typed: Typed,
    /// What is wrong with how it is to be rotated.
    rotation: Typed,
    once: String,
}

impl KeyPage<'_> {
    fn state(&self) -> &'static str {
        state(&self.key, self.now)
    }

    /// Its overrides of limits, as `minute 600`.
    fn limits(&self) -> String {
        spoken_overrides(&self.key.limits)
    }

    fn metadata(&self) -> String {
        self.s.text(&metadata(&self.key))
    }
}

/// `GET PREFIX/admin/keys/{id}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    show_key(&call, StatusCode::OK, Typed::default(), Typed::default()).await
}

/// The page of a key, with what was typed into the form of its settings, or into that which rotates it.
pub async fn show_key(call: &Call, status: StatusCode, typed: Typed, rotation: Typed) -> Result<Response, Unreadable> {
    let key = call.front.services.key(&call.id, &call.act()?).await?;
    let settings = Settings::held(call, &typed, &key);
    let once = rotation.or("once", &once()).to_owned();
    page(status, &KeyPage { s: Shell::of(call, TAB), key, now: call.now, settings, typed, rotation, once })
}

/// `POST PREFIX/admin/keys/{id}/revoke`: from here on it is refused.
pub async fn revoke(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read_uncounted(&mut call).await?;
    call.front.services.revoke_key(&call.id, &forms::act_on(&call, &form)?).await?;
    see(&format!("{}admin/keys/{}?done=revoked", root(&call), call.id))
}

/// `POST PREFIX/admin/keys/{id}/rotate`: makes one in its place, and shows it, once.
pub async fn rotate(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let once = call.once_of("rotation", form.text("once"), &json!([call.id, form.text("grace")]))?;
    let done = match Span::parse(form.text("grace")) {
        Ok(grace) => call.front.services.rotate_key(&call.id, grace, once, &forms::act_on(&call, &form)?).await,
        Err(message) => Err(Error::Invalid(vec![FieldFault { field: "grace".into(), message }])),
    };
    match form.judged(&call, done)? {
        Ok(made) => {
            let (s, place) = (Shell::of(&call, TAB), format!("keys/{}", made.record.id));
            forms::show_once(&call, TAB, s.t("operator.key_made"), made.plain, place, &made.record.name)
        }
        Err((status, rotation)) => show_key(&call, status, Typed::default(), rotation).await,
    }
}
