//! Every account: listed, made, looked after.

use askama::Template;
use http::StatusCode;

use super::listing::{self, Cell, Listing, Row, asked, text};
use super::{export, forms};
use crate::domain::caller::{AccountRecord, Kind};
use crate::domain::error::Error;
use crate::domain::id;
use crate::domain::user::Role;
use crate::http::dashboard::form::{Form, Typed, once};
use crate::http::dashboard::given;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers;
use crate::http::handlers::users::number;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::http::views;
use crate::service::members::Known;
use crate::service::{Page, PageAsk};
use crate::store::accounts::StoredAccount;

const TAB: &str = "admin-accounts";

/// How many members a page shows.
const MEMBERS: usize = 15;

/// `GET PREFIX/admin/accounts`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed(&call)?).await
}

/// `GET PREFIX/admin/accounts.csv`.
pub async fn export(call: Call) -> Result<Response, Unreadable> {
    let list = listed(&call)?;
    export::send(call, list).await
}

fn listed(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, query) = asked(call, |cursor| id::is(id::ACCOUNT, cursor), &["search"]);
    query.finish()?;
    let columns = vec![
        text("lists.name"),
        text("lists.id"),
        text("lists.kind"),
        text("lists.plan"),
        text("lists.plan_until"),
        text("lists.balance"),
        text("lists.state"),
        text("lists.created"),
    ];
    let (services, act) = (call.front.services.clone(), call.act()?);
    let rows = move |ask| {
        let (services, act) = (services.clone(), act.clone());
        async move { services.accounts(ask, &act).await }
    };
    let mut list =
        Listing::new("accounts", TAB, text("admin.accounts"), columns, ask).without(vec!["lists.id"]).search(call).rows(rows, row);
    list.make = Some(("accounts/new", text("operator.account_new")));
    Ok(list)
}

fn row(account: &StoredAccount) -> Row {
    let record = &account.record;
    let cells = vec![
        Cell::Text(record.name.clone()),
        Cell::Code(record.id.clone()),
        Cell::Text(record.kind.name().to_owned()),
        Cell::Text(record.plan.clone()),
        Cell::At(record.plan_until),
        Cell::Number(account.balance.total()),
        Cell::State(state(record)),
        Cell::At(Some(record.created_at)),
    ];
    Row::of("accounts", &record.id, cells)
}

fn state(account: &AccountRecord) -> &'static str {
    if account.disabled { "disabled" } else { "active" }
}

#[derive(Template)]
#[template(path = "admin_account_new.html")]
struct NewAccountPage<'a> {
    s: Shell,
    plans: Vec<&'a str>,
    typed: Typed,
    once: String,
}

/// `GET PREFIX/admin/accounts/new`.
pub async fn new(call: Call) -> Result<Response, Unreadable> {
    show_new(&call, StatusCode::OK, Typed::default(), once())
}

fn show_new(call: &Call, status: StatusCode, typed: Typed, once: String) -> Result<Response, Unreadable> {
    page(status, &NewAccountPage { s: Shell::of(call, TAB), plans: plans(call), typed, once })
}

/// The plans there are.
pub fn plans(call: &Call) -> Vec<&str> {
    call.front.services.policy.plans.all().iter().map(|plan| plan.name.as_str()).collect()
}

/// `POST PREFIX/admin/accounts`: makes one.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let body = form.json(&["name", "kind", "plan", "plan_until"], &[]);
    let once = call.once_of("account", form.text("once"), &body)?;
    let made = call.front.services.create_account(handlers::accounts::read(body)?, once, &call.act()?).await;
    match form.judged(&call, made)? {
        Ok(account) => see(&format!("{}admin/accounts/{}?done=made", root(&call), account.record.id)),
        Err((status, typed)) => show_new(&call, status, typed, form.text("once").to_owned()),
    }
}

#[derive(Template)]
#[template(path = "admin_account.html")]
struct AccountPage<'a> {
    s: Shell,
    account: StoredAccount,
    /// The plan that holds now, where it is not the one that was set.
    in_force: Option<String>,
    plans: Vec<&'a str>,
    limits: Vec<String>,
    members: Page<Known>,
    typed: Typed,
    once: String,
}

impl AccountPage<'_> {
    fn state(&self) -> &'static str {
        state(&self.account.record)
    }

    fn is_organization(&self) -> bool {
        self.account.record.kind == Kind::Organization
    }

    /// The plans there are, and the one that it has, be it there or not.
    fn choices(&self) -> Vec<&str> {
        let own = self.account.record.plan.as_str();
        let gone = (!self.plans.contains(&own)).then_some(own);
        gone.into_iter().chain(self.plans.iter().copied()).collect()
    }

    fn until(&self) -> String {
        self.account.record.plan_until.map(|at| at.rfc3339()).unwrap_or_default()
    }
}

/// `GET PREFIX/admin/accounts/{id}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    show_account(&call, StatusCode::OK, Typed::default()).await
}

/// The page of an account, with what was typed into one of its forms.
pub async fn show_account(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let (services, act) = (&call.front.services, call.act()?);
    let account = services.account(&call.id, &act).await?;
    let ask = PageAsk { limit: MEMBERS, cursor: given(call, "cursor").unwrap_or_default(), ..PageAsk::default() };
    let members = services.members(&call.id, ask, &act).await?;
    let now = &account.record.plan_at(&services.policy.plans, call.now).name;
    let in_force = (*now != account.record.plan).then(|| now.clone());
    let (plans, limits) = (plans(call), forms::limit_names(call));
    let once = typed.or("once", &once()).to_owned();
    page(status, &AccountPage { s: Shell::of(call, TAB), account, in_force, plans, limits, members, typed, once })
}

/// `POST PREFIX/admin/accounts/{id}`: changes its settings.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let held = views::account(&call.front.services.account(&call.id, &call.act()?).await?);
    let mut body = forms::body(&form, &["plan", "plan_until"], &["disabled"]);
    body["name"] = form.text("name").into();
    body["limits"] = forms::limits(&form, forms::limit_names(&call).iter().map(String::as_str));
    let input = handlers::accounts::read(forms::changed(body, &held))?;
    let done = call.front.services.set_account(&call.id, input, &forms::act_on(&call, &form)?).await;
    match form.judged(&call, done)? {
        Ok(_) => back(&call, "saved"),
        Err((status, typed)) => show_account(&call, status, typed).await,
    }
}

/// To the page of the account again.
pub fn back(call: &Call, done: &str) -> Result<Response, Unreadable> {
    see(&format!("{}admin/accounts/{}?done={done}", root(call), call.id))
}

/// `POST PREFIX/admin/accounts/{id}/members`: makes somebody a member, or gives them another role.
pub async fn set_member(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let done = match handlers::members::role(form.text("role")) {
        Ok(role) => call.front.services.set_member(&call.id, number(form.text("user").trim()), role, &call.act()?).await,
        Err(message) => Err(Error::field("role", message)),
    };
    match form.judged(&call, forms::named("user", done))? {
        Ok(_) => back(&call, "saved"),
        Err((status, typed)) => show_account(&call, status, typed).await,
    }
}

/// `POST PREFIX/admin/accounts/{id}/members/{user}/remove`: takes one out.
pub async fn remove_member(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read_uncounted(&mut call).await?;
    let done = call.front.services.remove_member(&call.id, number(&call.second_id), &call.act()?).await;
    match form.judged(&call, done)? {
        Ok(()) => back(&call, "member_removed"),
        Err((status, typed)) => show_account(&call, status, typed).await,
    }
}
