//! Every user: listed, made, looked after, signed out, deleted.

use askama::Template;
use http::StatusCode;
use serde_json::Value;

use super::listing::{self, Cell, Listing, Row, asked, text};
use super::{export, forms};
use crate::config::sign_in::SignInSettings;
use crate::domain::session::SessionRecord;
use crate::domain::user::{Role, UserRecord, handle};
use crate::http::dashboard::form::{Form, Typed, once};
use crate::http::dashboard::organization::page_of;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::users::{number, read, without_password};
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::http::views;
use crate::service::Page;
use crate::service::users::UserFile;

const TAB: &str = "admin-users";

/// How many sessions a page shows.
const SESSIONS: usize = 20;

/// `GET PREFIX/admin/users`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed(&call)?).await
}

/// `GET PREFIX/admin/users.csv`.
pub async fn export(call: Call) -> Result<Response, Unreadable> {
    let list = listed(&call)?;
    export::send(call, list).await
}

fn listed(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, query) = asked(call, |cursor| number(cursor) > 0, &["search"]);
    query.finish()?;
    let columns = vec![
        text("lists.user"),
        text("lists.name"),
        text("lists.email"),
        text("lists.phone"),
        text("lists.administrator"),
        text("lists.state"),
        text("lists.account"),
        text("lists.created"),
    ];
    let services = call.front.services.clone();
    let rows = move |ask| {
        let services = services.clone();
        async move { services.users(ask).await }
    };
    let mut list =
        Listing::new("users", TAB, text("admin.users"), columns, ask).without(vec!["lists.account"]).search(call).rows(rows, row);
    list.make = Some(("users/new", text("operator.user_new")));
    Ok(list)
}

fn row(user: &UserRecord) -> Row {
    let cells = vec![
        Cell::Code(user.id.to_string()),
        Cell::Text(user.name.clone()),
        Cell::maybe(user.email.as_deref()),
        Cell::maybe(user.phone.as_deref()),
        Cell::Is(user.is_admin),
        Cell::State(state(user)),
        Cell::Code(user.account.clone()),
        Cell::At(Some(user.created_at)),
    ];
    Row::of("users", user.id, cells)
}

fn state(user: &UserRecord) -> &'static str {
    if user.disabled { "disabled" } else { "active" }
}

/// Whether all that they are reached by is proven theirs.
fn is_verified(user: &UserRecord) -> bool {
    let email = user.email.is_none() || user.proven_email().is_some();
    let phone = user.phone.is_none() || user.proven_phone().is_some();
    email && phone && user.has_proven_address()
}

#[derive(Template)]
#[template(path = "admin_user_new.html")]
struct NewUserPage {
    s: Shell,
    typed: Typed,
    once: String,
}

/// `GET PREFIX/admin/users/new`.
pub async fn new(call: Call) -> Result<Response, Unreadable> {
    page(StatusCode::OK, &NewUserPage { s: Shell::of(&call, TAB), typed: Typed::default(), once: once() })
}

/// What a form says of a user. A password is taken as it was typed.
fn said(form: &Form) -> Value {
    let mut body = forms::body(form, &["email", "phone"], &["verified", "admin", "disabled"]);
    body["name"] = form.text("name").trim().into();
    if !form.text("password").is_empty() {
        body["password"] = form.text("password").into();
    }
    body
}

/// `POST PREFIX/admin/users`: makes one, with their account.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let mut body = said(&form);
    if let Value::Object(fields) = &mut body {
        // Of somebody new nothing is there that could be taken away.
        fields.retain(|_, value| !value.is_null() && value != "");
    }
    let once = call.once_of("user", form.text("once"), &without_password(&body))?;
    let made = call.front.services.create_user(read(&call, body)?, once, &call.act()?).await;
    match form.judged(&call, made)? {
        Ok(user) => see(&format!("{}admin/users/{}?done=made", root(&call), user.id)),
        Err((status, typed)) => {
            let once = form.text("once").to_owned();
            page(status, &NewUserPage { s: Shell::of(&call, TAB), typed, once })
        }
    }
}

#[derive(Template)]
#[template(path = "admin_user.html")]
struct UserPage<'a> {
    s: Shell,
    settings: &'a SignInSettings,
    file: UserFile,
    /// A page of those that they belong to.
    accounts: Page<(String, String, Role)>,
    /// Whether an address of theirs waits to be proven.
    is_awaited: bool,
    sessions: Vec<SessionRecord>,
    typed: Typed,
}

impl UserPage<'_> {
    fn state(&self) -> &'static str {
        state(&self.file.record)
    }

    fn is_verified(&self) -> bool {
        is_verified(&self.file.record)
    }

    fn handle(&self) -> String {
        handle(self.file.record.id)
    }

    /// What they are called here: by their name, or by their number.
    fn title(&self) -> String {
        let user = &self.file.record;
        if user.name.is_empty() { handle(user.id) } else { user.name.clone() }
    }
}

/// `GET PREFIX/admin/users/{id}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    show_user(&call, StatusCode::OK, Typed::default()).await
}

async fn show_user(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let mut file = services.user(number(&call.id)).await?;
    let accounts = page_of(call, std::mem::take(&mut file.accounts));
    let mut sessions = services.sessions(file.record.id, call.now).await?;
    sessions.truncate(SESSIONS);
    let (s, settings, is_awaited) = (Shell::of(call, TAB), &services.policy.sign_in, services.awaits_proof(&file.record));
    page(status, &UserPage { s, settings, file, accounts, is_awaited, sessions, typed })
}

/// `POST PREFIX/admin/users/{id}`: changes them.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let record = call.front.services.user(number(&call.id)).await?.record;
    let mut held = views::user(&record);
    held["verified"] = is_verified(&record).into();
    let input = read(&call, forms::changed(said(&form), &held))?;
    let done = call.front.services.set_user(record.id, input, &forms::act_on(&call, &form)?).await;
    ended(&call, &form, done.map(drop), "saved").await
}

/// `POST PREFIX/admin/users/{id}/sign-out`: signs them out everywhere.
pub async fn sign_out(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read_uncounted(&mut call).await?;
    let done = call.front.services.sign_out_user(number(&call.id), &call.act()?).await;
    ended(&call, &form, done, "signed_out_user").await
}

/// `POST PREFIX/admin/users/{id}/proof`: sends what proves their addresses again.
pub async fn send_proof(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let done = call.front.services.send_proof_again(number(&call.id), &call.act()?).await;
    ended(&call, &form, done, "proof_sent").await
}

/// `POST PREFIX/admin/users/{id}/second-factor`: takes it away.
pub async fn remove_second_factor(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let done = call.front.services.remove_second_factor(number(&call.id), &call.act()?).await;
    ended(&call, &form, done, "second_factor_gone").await
}

/// `POST PREFIX/admin/users/{id}/delete`: from then on they are nobody.
pub async fn delete(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let done = call.front.services.delete_user(number(&call.id), &forms::act_on(&call, &form)?).await;
    match form.judged(&call, done)? {
        Ok(()) => see(&format!("{}admin/users?done=user_deleted", root(&call))),
        Err((status, typed)) => show_user(&call, status, typed).await,
    }
}

/// The page of the user again, with what came of a form.
async fn ended(call: &Call, form: &Form, done: Result<(), crate::domain::error::Error>, said: &str) -> Result<Response, Unreadable> {
    match form.judged(call, done)? {
        Ok(()) => see(&format!("{}admin/users/{}?done={said}", root(call), call.id)),
        Err((status, typed)) => show_user(call, status, typed).await,
    }
}
