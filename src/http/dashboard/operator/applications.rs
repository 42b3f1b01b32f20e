//! Applications for plans that are granted by review: those that are open first, and a page to decide each.

use askama::Template;
use http::StatusCode;

use super::export;
use super::listing::{self, Cell, Input, Listing, Row, asked, text};
use crate::domain::application::{ApplicationRecord, ApplicationState};
use crate::domain::error::{Error, Result as Outcome};
use crate::domain::id;
use crate::domain::user::handle;
use crate::http::dashboard::applications::whole;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::given;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::applications::Ruling;
use crate::store::accounts::StoredAccount;

const TAB: &str = "admin-applications";

/// What is chosen where applications are wanted however they stand.
const ALL: &str = "all";

/// `GET PREFIX/admin/applications`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed(&call)?).await
}

/// `GET PREFIX/admin/applications.csv`.
pub async fn export(call: Call) -> Result<Response, Unreadable> {
    let list = listed(&call)?;
    export::send(call, list).await
}

fn listed(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, mut query) = asked(call, |cursor| id::is(id::APPLICATION, cursor), &["state", "account"]);
    let is_all = given(call, "state").is_some_and(|state| state == ALL);
    if is_all {
        query.leave_out(|name| name == "state");
    }
    let (state, account) = handlers::applications::wanted(&mut query);
    query.finish()?;
    let state = state.or((!is_all).then_some(ApplicationState::Open));
    let s = Shell::of(call, TAB);
    let mut states: Vec<(String, String)> =
        ApplicationState::ALL.iter().map(|state| (state.name().to_owned(), s.state_of(state.name()).to_owned())).collect();
    states.push((ALL.to_owned(), s.t("states.all").to_owned()));
    let columns = vec![
        text("lists.plan"),
        text("lists.id"),
        text("lists.account"),
        text("lists.user"),
        text("lists.state"),
        text("lists.volume"),
        text("lists.use_case"),
        text("lists.created"),
        text("lists.decided"),
    ];
    let (services, act) = (call.front.services.clone(), call.act()?);
    let rows = move |ask| {
        let (services, act, account) = (services.clone(), act.clone(), account.clone());
        async move { services.applications(account, state, ask, &act).await }
    };
    let list = Listing::new("applications", TAB, text("admin.applications"), columns, ask);
    let list = list.without(vec!["lists.id", "lists.use_case"]).field(call, "state", text("lists.state"), Input::Choice(states));
    Ok(list.field(call, "account", text("lists.account"), Input::Text).rows(rows, row))
}

fn row(application: &ApplicationRecord) -> Row {
    let cells = vec![
        Cell::Text(application.plan.clone()),
        Cell::Code(application.id.clone()),
        Cell::Code(application.account.clone()),
        Cell::Text(handle(application.user)),
        Cell::State(application.state.name()),
        Cell::Text(application.volume.clone()),
        Cell::Text(application.use_case.clone()),
        Cell::At(Some(application.created_at)),
        Cell::At(application.decided_at),
    ];
    Row::of("applications", &application.id, cells)
}

#[derive(Template)]
#[template(path = "admin_application.html")]
struct ApplicationPage {
    s: Shell,
    application: ApplicationRecord,
    account: StoredAccount,
    /// Who applied; none where they were deleted since.
    applicant: Option<String>,
    typed: Typed,
}

/// `GET PREFIX/admin/applications/{id}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    show_application(&call, StatusCode::OK, Typed::default()).await
}

/// `GET PREFIX/admin/applications/{id}/text`.
pub async fn as_text(call: Call) -> Result<Response, Unreadable> {
    let application = call.front.services.application(&call.id, &call.act()?).await?;
    Ok(whole(&call, &application))
}

async fn show_application(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let (services, act) = (&call.front.services, call.act()?);
    let application = services.application(&call.id, &act).await?;
    let account = services.account(&application.account, &act).await?;
    let applicant = match services.user(application.user).await {
        Ok(file) => Some(file.record.email.unwrap_or(file.record.name)),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    page(status, &ApplicationPage { s: Shell::of(call, TAB), application, account, applicant, typed })
}

/// `POST PREFIX/admin/applications/{id}/approve`: the account gets the plan.
pub async fn approve(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let ruling = handlers::applications::approval(form.json(&["note", "plan_until"], &[]));
    decide(&call, &form, ruling, "approved").await
}

/// `POST PREFIX/admin/applications/{id}/reject`: it does not.
pub async fn reject(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let ruling = handlers::applications::rejection(form.json(&["note"], &[]));
    decide(&call, &form, ruling, "rejected").await
}

async fn decide(call: &Call, form: &Form, ruling: Outcome<Ruling>, said: &str) -> Result<Response, Unreadable> {
    let done = match ruling {
        Ok(ruling) => call.front.services.decide_application(&call.id, ruling, &call.act()?).await,
        Err(error) => Err(error),
    };
    match form.judged(call, done)? {
        Ok(_) => see(&format!("{}admin/applications/{}?done={said}", root(call), call.id)),
        Err((status, typed)) => show_application(call, status, typed).await,
    }
}
