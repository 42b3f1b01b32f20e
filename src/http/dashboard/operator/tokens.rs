//! Service tokens: listed, made, shown once, revoked.

use askama::Template;
use http::StatusCode;
use serde_json::Value;

use super::listing::{self, Cell, Listing, Row, asked, text};
use super::{export, forms};
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenRecord, TokenScope};
use crate::http::dashboard::form::{Form, Typed, once};
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::fields::Fields;
use crate::http::handlers;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;

const TAB: &str = "admin-tokens";

/// `GET PREFIX/admin/tokens`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed(&call)?).await
}

/// `GET PREFIX/admin/tokens.csv`.
pub async fn export(call: Call) -> Result<Response, Unreadable> {
    let list = listed(&call)?;
    export::send(call, list).await
}

fn listed(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, query) = asked(call, |cursor| id::is(id::TOKEN, cursor), &["search"]);
    query.finish()?;
    let columns = vec![
        text("lists.name"),
        text("lists.id"),
        text("lists.scopes"),
        text("lists.account"),
        text("lists.state"),
        text("lists.created"),
        text("lists.expires"),
        text("lists.revoked"),
    ];
    let (services, act, now) = (call.front.services.clone(), call.act()?, call.now);
    let rows = move |ask| {
        let (services, act) = (services.clone(), act.clone());
        async move { services.tokens(ask, &act).await }
    };
    let mut list = Listing::new("tokens", TAB, text("admin.tokens"), columns, ask)
        .without(vec!["lists.id"])
        .search(call)
        .rows(rows, move |token| row(token, now));
    list.make = Some(("tokens/new", text("operator.token_new")));
    Ok(list)
}

fn row(token: &TokenRecord, now: Timestamp) -> Row {
    let cells = vec![
        Cell::Text(title(token).to_owned()),
        Cell::Code(token.id.clone()),
        Cell::Text(scopes(token)),
        Cell::Code(token.account.clone().unwrap_or_default()),
        Cell::State(state(token, now)),
        Cell::At(Some(token.created_at)),
        Cell::At(token.expires_at),
        Cell::At(token.revoked_at),
    ];
    Row::of("tokens", &token.id, cells)
}

/// What it is called: by its name, or by its id.
fn title(token: &TokenRecord) -> &str {
    if token.name.is_empty() { &token.id } else { &token.name }
}

fn scopes(token: &TokenRecord) -> String {
    token.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
}

fn state(token: &TokenRecord, now: Timestamp) -> &'static str {
    match token.revoked_at {
        Some(_) => "revoked",
        None if token.counts_at(now) => "active",
        None => "expired",
    }
}

#[derive(Template)]
#[template(path = "admin_token_new.html")]
struct NewTokenPage {
    s: Shell,
    typed: Typed,
    once: String,
}

impl NewTokenPage {
    fn scopes(&self) -> [&'static str; 3] {
        TokenScope::ALL.map(TokenScope::name)
    }

    fn has(&self, scope: &str) -> bool {
        self.typed.given(&format!("scope-{scope}")).is_some()
    }
}

/// `GET PREFIX/admin/tokens/new`.
pub async fn new(call: Call) -> Result<Response, Unreadable> {
    page(StatusCode::OK, &NewTokenPage { s: Shell::of(&call, TAB), typed: Typed::default(), once: once() })
}

/// `POST PREFIX/admin/tokens`: makes one, and shows it, once.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let mut body = form.json(&["name", "account", "expires_at"], &[]);
    let ticked = TokenScope::ALL.map(TokenScope::name).into_iter().filter(|scope| !form.text(&format!("scope-{scope}")).is_empty());
    body["scopes"] = ticked.collect::<Value>();
    let once = call.once_of("token", form.text("once"), &body)?;
    let input = handlers::tokens::read(Fields::new(body)?, call.now);
    let made = call.front.services.create_token(input, once, &call.act()?).await;
    match form.judged(&call, forms::named("account", made))? {
        Ok((token, plain)) => {
            let (s, place) = (Shell::of(&call, TAB), format!("tokens/{}", token.id));
            forms::show_once(&call, TAB, s.t("operator.token_made"), plain, place, title(&token))
        }
        Err((status, typed)) => {
            let once = form.text("once").to_owned();
            page(status, &NewTokenPage { s: Shell::of(&call, TAB), typed, once })
        }
    }
}

#[derive(Template)]
#[template(path = "admin_token.html")]
struct TokenPage {
    s: Shell,
    token: TokenRecord,
    now: Timestamp,
}

impl TokenPage {
    fn state(&self) -> &'static str {
        state(&self.token, self.now)
    }

    fn scopes(&self) -> String {
        scopes(&self.token)
    }

    fn title(&self) -> &str {
        title(&self.token)
    }
}

/// `GET PREFIX/admin/tokens/{id}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let token = call.front.services.service_token(&call.id, &call.act()?).await?;
    page(StatusCode::OK, &TokenPage { s: Shell::of(&call, TAB), token, now: call.now })
}

/// `POST PREFIX/admin/tokens/{id}/revoke`: from the very next request on it is refused.
pub async fn revoke(mut call: Call) -> Result<Response, Unreadable> {
    Form::read_uncounted(&mut call).await?;
    call.front.services.revoke_token(&call.id, &call.act()?).await?;
    see(&format!("{}admin/tokens/{}?done=revoked", root(&call), call.id))
}
