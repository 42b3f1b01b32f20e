//! Applications for plans that are granted by review: the account's own, a form for another, and taking one back.

use std::sync::Arc;

use askama::Template;
use http::StatusCode;

use super::cut;
use super::form::{Form, Typed};
use super::keys::account;
use super::plan::ROWS;
use super::shell::{Shell, root};
use super::show::{page, see};
use crate::domain::application::{ApplicationRecord, ApplicationState};
use crate::domain::error::{Error, FieldFault};
use crate::domain::id;
use crate::domain::plan::Plan;
use crate::domain::user::Role;
use crate::http::fields::Fields;
use crate::http::handlers;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::PageAsk;

#[derive(Template)]
#[template(path = "applications.html")]
struct ApplicationsPage<'a> {
    s: Shell,
    applications: Vec<ApplicationRecord>,
    plans: &'a [Arc<Plan>],
    may_apply: bool,
    next: Option<String>,
}

/// `GET PREFIX/plan/applications`.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let ask = PageAsk { limit: ROWS, ..call.page(id::APPLICATION, &["done"])? };
    let found = call.front.services.own_applications(&account(&call)?, ask, &call.act()?).await?;
    let may_apply = call.actor.is_at_least(Role::Admin);
    let (s, plans) = (Shell::of(&call, "plan"), call.front.services.policy.plans.all());
    page(StatusCode::OK, &ApplicationsPage { s, applications: found.data, plans, may_apply, next: found.next_cursor })
}

#[derive(Template)]
#[template(path = "application.html")]
struct ApplicationPage<'a> {
    s: Shell,
    application: ApplicationRecord,
    plans: &'a [Arc<Plan>],
    may_apply: bool,
}

/// `GET PREFIX/plan/applications/{id}`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    let application = own_application(&call).await?;
    let may_apply = call.actor.is_at_least(Role::Admin);
    let (s, plans) = (Shell::of(&call, "plan"), call.front.services.policy.plans.all());
    page(StatusCode::OK, &ApplicationPage { s, application, plans, may_apply })
}

/// `GET PREFIX/plan/applications/{id}/text`.
pub async fn as_text(call: Call) -> Result<Response, Unreadable> {
    Ok(whole(&call, &own_application(&call).await?))
}

/// All that people wrote in one.
pub fn whole(call: &Call, application: &ApplicationRecord) -> Response {
    let s = Shell::of(call, "");
    cut::whole([
        (s.t("applications.use_case"), application.use_case.as_str()),
        (s.t("applications.volume"), &application.volume),
        (s.t("operator.note"), &application.note),
    ])
}

/// The application of the path, where it is this account's; an administrator's pages are of their own account, too.
async fn own_application(call: &Call) -> Result<ApplicationRecord, Unreadable> {
    let application = call.front.services.application(&call.id, &call.act()?).await?;
    if application.account == account(call)? {
        Ok(application)
    } else {
        Err(Error::no_such("application", id::APPLICATION, &call.id).into())
    }
}

#[derive(Template)]
#[template(path = "application_new.html")]
struct NewPage<'a> {
    s: Shell,
    plans: Vec<&'a Plan>,
    typed: Typed,
    wanted: String,
}

/// `GET PREFIX/plan/applications/new`.
pub async fn new(call: Call) -> Result<Response, Unreadable> {
    let mut query = call.query(&["plan"]);
    let wanted = query.text("plan").unwrap_or_default();
    query.finish()?;
    show_new(&call, StatusCode::OK, Typed::default(), wanted).await
}

async fn show_new(call: &Call, status: StatusCode, typed: Typed, wanted: String) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let held = services.account(&account(call)?, &call.act()?).await?;
    let current = &held.record.plan_at(&services.policy.plans, call.now).name;
    let plans = services.policy.plans.all().iter().filter(|plan| plan.review && plan.name != *current).map(|plan| &**plan).collect();
    page(status, &NewPage { s: Shell::of(call, "plan"), plans, typed, wanted })
}

/// `POST PREFIX/plan/applications`.
pub async fn apply(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let input = handlers::applications::read(Fields::new(form.json(&["plan", "use_case", "volume"], &[]))?);
    let faults = match call.front.services.apply(input, &call.act()?).await {
        Ok(_) => return see(&format!("{}plan?done=applied", root(&call))),
        Err(Error::Invalid(faults)) => faults,
        Err(Error::Conflict(message)) => vec![FieldFault { field: "plan".into(), message }],
        Err(error) => return Err(error.into()),
    };
    let wanted = form.text("plan").to_owned();
    show_new(&call, StatusCode::BAD_REQUEST, form.again(faults), wanted).await
}

/// `POST PREFIX/plan/applications/{id}/withdraw`.
pub async fn withdraw(mut call: Call) -> Result<Response, Unreadable> {
    Form::read(&mut call).await?;
    own_application(&call).await?;
    call.front.services.withdraw(&call.id, &call.act()?).await?;
    see(&format!("{}plan?done=withdrawn", root(&call)))
}

impl Shell {
    /// How an application stands, in words.
    pub fn application(&self, state: &ApplicationState) -> &str {
        match state {
            ApplicationState::Open => self.t("applications.open"),
            ApplicationState::Approved => self.t("applications.approved"),
            ApplicationState::Rejected => self.t("applications.rejected"),
            ApplicationState::Withdrawn => self.t("applications.withdrawn"),
        }
    }
}
