//! The keys of an account: a table, and a page each to make one, to look after one, and to see a new one, once.

use askama::Template;
use http::StatusCode;
use serde_json::{Value, json};

use super::agreement;
use super::form::{Form, Typed, once};
use super::shell::{Shell, root};
use super::show::{page, see};
use super::usage::Period;
use crate::config::keys::Range;
use crate::docs::first_call;
use crate::domain::caller::{KeyRecord, Overrides};
use crate::domain::error::Error;
use crate::domain::id;
use crate::domain::scope;
use crate::domain::time::{Span, Timestamp};
use crate::domain::verdict::Verdict;
use crate::http::fields::Fields;
use crate::http::handlers;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::PageAsk;
use crate::service::keys::NewKey;

/// How many keys a page shows at the most: it stays light, whatever they are called.
const ROWS: usize = 20;

/// What a form of a key sends as it is, and what as a list.
const FIELDS: [&str; 4] = ["name", "environment", "expires_at", "limits"];
const LISTS: [&str; 2] = ["scopes", "ips"];

impl Shell {
    /// What state a key is in.
    fn state(&self, key: &KeyRecord, now: &Timestamp) -> &'static str {
        state(key, *now)
    }

    /// The same in words.
    fn state_text(&self, key: &KeyRecord, now: &Timestamp) -> &str {
        self.state_of(state(key, *now))
    }

    /// The limits of its own that a key has.
    fn limits(&self, key: &KeyRecord) -> String {
        if key.limits.is_empty() { self.t("keys.of_plan").to_owned() } else { spoken_overrides(&key.limits) }
    }

    /// What may be chosen for a limit.
    fn range(&self, range: &Range) -> String {
        self.with("keys.range", range.minimum).replacen("{}", &range.maximum.to_string(), 1)
    }
}

/// Overrides of limits as people read them: `minute 600, day 1000`.
pub fn spoken_overrides(limits: &Overrides) -> String {
    limits.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// What state a key is in: `active`, or why it is refused.
pub fn state(key: &KeyRecord, now: Timestamp) -> &'static str {
    key.refused_by_state(now).map_or("active", Verdict::name)
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    s: Shell,
    keys: Vec<KeyRecord>,
    now: Timestamp,
    search: String,
    /// Whether keys can have limits of their own.
    has_limits: bool,
    /// The query of the next page.
    next: Option<String>,
}

/// `GET PREFIX/keys`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let (ask, query) = call.paged(id::KEY, &["search", "done"]);
    query.finish()?;
    let ask = PageAsk { limit: ask.limit.min(ROWS), ..ask };
    let search = ask.search.clone().unwrap_or_default();
    let has_limits = !call.front.services.policy.keys.ranges.is_empty();
    let page_of = call.front.services.keys(Some(account(&call)?), ask, &call.act()?).await?;
    let (s, now) = (Shell::of(&call, "keys"), call.now);
    let further = |cursor: String| {
        form_urlencoded::Serializer::new(String::new()).append_pair("cursor", &cursor).append_pair("search", &search).finish()
    };
    let next = page_of.next_cursor.map(further);
    page(StatusCode::OK, &KeysPage { s, keys: page_of.data, now, search, has_limits, next })
}

/// The account whose pages these are, for an administrator, too.
pub fn account(call: &Call) -> Result<String, Unreadable> {
    let account = call.actor.account().map(str::to_owned);
    account.ok_or_else(|| Error::refused(Verdict::Missing).into())
}

/// The key of the path, where it is this account's.
async fn own_key(call: &Call) -> Result<KeyRecord, Unreadable> {
    let (key, account) = (call.front.services.key(&call.id, &call.act()?).await?, account(call)?);
    if key.account == account { Ok(key) } else { Err(Error::no_such("key", id::KEY, &call.id).into()) }
}

/// What the forms of a key know.
#[derive(Template)]
#[template(path = "key_new.html")]
struct NewKeyPage<'a> {
    s: Shell,
    environments: Vec<&'a str>,
    ranges: &'a [Range],
    scopes: &'a [String],
    /// What routes need, of what a developer's key may have.
    known_scopes: String,
    typed: Typed,
    once: String,
    /// Whether the agreement has to be accepted first.
    owes: bool,
}

impl Typed {
    /// What stands in the field of a limit of a new key.
    fn limit(&self, range: &Range) -> String {
        let usual = || range.default.map(|count| count.to_string()).unwrap_or_default();
        self.given(&format!("limits.{}", range.name)).map_or_else(usual, str::to_owned)
    }

    /// The same of a key that is there.
    fn limit_of(&self, range: &Range, key: &KeyRecord) -> String {
        let held = || key.limits.get(&range.name).map(u64::to_string).unwrap_or_default();
        self.given(&format!("limits.{}", range.name)).map_or_else(held, str::to_owned)
    }

    fn limit_fault(&self, range: &Range) -> Option<&str> {
        self.fault(&format!("limits.{}", range.name))
    }

    fn ips(&self, key: &KeyRecord) -> String {
        let held = || key.ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        self.given("ips").map_or_else(held, str::to_owned)
    }
}

/// `GET PREFIX/keys/new`.
pub async fn new(call: Call) -> Result<Response, Unreadable> {
    show_new(&call, StatusCode::OK, Typed::default(), once()).await
}

async fn show_new(call: &Call, status: StatusCode, typed: Typed, once: String) -> Result<Response, Unreadable> {
    let owes = call.front.services.owes_agreement(&call.act()?).await?;
    let settings = &call.front.services.policy.keys;
    let environments = settings.environments.all().iter().filter(|environment| !environment.reserved);
    let environments = environments.map(|environment| &*environment.name).collect();
    let (ranges, scopes) = (settings.ranges.as_slice(), settings.default_scopes.as_slice());
    let known_scopes = call.front.services.policy.routes.scopes().into_iter().filter(|needed| scope::covers(scopes, needed));
    let known_scopes = known_scopes.collect::<Vec<_>>().join(" ");
    page(status, &NewKeyPage { s: Shell::of(call, "keys"), environments, ranges, scopes, known_scopes, typed, once, owes })
}

#[derive(Template)]
#[template(path = "key_made.html")]
struct MadePage {
    s: Shell,
    key: KeyRecord,
    plain: Option<String>,
    /// A first call with it, for a shell.
    first_call: Option<String>,
}

/// `POST PREFIX/keys`: makes one, and shows it, once.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let body = form.json(&FIELDS, &LISTS);
    let once = form.text("once").to_owned();
    let input = handlers::keys::read(Fields::new(body.clone())?, call.now);
    let made = call.front.services.create_key(&account(&call)?, input, call.once_of("key", &once, &body)?, &call.act()?).await;
    match made {
        Ok(made) => show_made(&call, made),
        Err(Error::Invalid(faults)) => show_new(&call, StatusCode::BAD_REQUEST, form.again(faults), once).await,
        Err(error) if agreement::is_owed(&error) => agreement::first(&call, "keys/new"),
        Err(error) => Err(error.into()),
    }
}

fn show_made(call: &Call, made: NewKey) -> Result<Response, Unreadable> {
    let plain = made.plain.map(|plain| plain.expose().to_owned());
    let policy = &call.front.services.policy;
    let first_call = plain.as_ref().filter(|_| policy.docs.enabled).and_then(|plain| first_call(policy, plain));
    page(StatusCode::CREATED, &MadePage { s: Shell::of(call, "keys"), key: made.record, plain, first_call })
}

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage<'a> {
    s: Shell,
    key: KeyRecord,
    now: Timestamp,
    ranges: &'a [Range],
    typed: Typed,
    once: String,
    /// Its requests of the last 30 days.
    used: u64,
}

/// `GET PREFIX/keys/{id}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let key = own_key(&call).await?;
    show_key(&call, StatusCode::OK, key, Typed::default()).await
}

async fn show_key(call: &Call, status: StatusCode, key: KeyRecord, typed: Typed) -> Result<Response, Unreadable> {
    let used = call.front.services.usage_summary(Period::Month.ask(&key.account, Some(&key.id), call.now)).await?.all.total();
    let ranges = call.front.services.policy.keys.ranges.as_slice();
    let once = once();
    page(status, &KeyPage { s: Shell::of(call, "keys"), key, now: call.now, ranges, typed, once, used })
}

/// `POST PREFIX/keys/{id}`: changes its name, limits or addresses.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let mut body = form.json(&["name", "limits"], &LISTS);
    // An empty field takes what stood there away.
    if body.get("ips").is_none() {
        body["ips"] = Value::Array(Vec::new());
    }
    for range in &call.front.services.policy.keys.ranges {
        let limits = body.as_object_mut().map(|body| body.entry("limits").or_insert_with(|| json!({})));
        if let Some(limits) = limits.filter(|limits| limits.is_object() && limits.get(&range.name).is_none()) {
            limits[range.name.as_str()] = Value::Null;
        }
    }
    let input = handlers::keys::read(Fields::new(body)?, call.now);
    own_key(&call).await?;
    match call.front.services.set_key(&call.id, input, &call.act()?).await {
        Ok(_) => see(&format!("{}keys/{}?done=saved", root(&call), call.id)),
        Err(Error::Invalid(faults)) => {
            let key = own_key(&call).await?;
            show_key(&call, StatusCode::BAD_REQUEST, key, form.again(faults)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST PREFIX/keys/{id}/rotate`: makes one in its place, and shows it, once.
pub async fn rotate(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    own_key(&call).await?;
    let grace = Span::parse(form.text("grace")).map_err(|message| Error::field("grace", message))?;
    let once = call.once_of("rotation", form.text("once"), &json!([call.id, form.text("grace")]))?;
    match call.front.services.rotate_key(&call.id, grace, once, &call.act()?).await {
        Ok(made) => show_made(&call, made),
        Err(error) if agreement::is_owed(&error) => agreement::first(&call, &format!("keys/{}", call.id)),
        Err(error) => Err(error.into()),
    }
}

/// `POST PREFIX/keys/{id}/revoke`: from here on it is refused.
pub async fn revoke(mut call: Call) -> Result<Response, Unreadable> {
    Form::read_uncounted(&mut call).await?;
    own_key(&call).await?;
    call.front.services.revoke_key(&call.id, &call.act()?).await?;
    see(&format!("{}keys/{}?done=revoked", root(&call), call.id))
}
