//! Registering: who one is, where one is written to, and a password. What is answered is the same for every address, known or not.

use askama::Template;
use http::StatusCode;
use serde_json::json;

use super::entry::go_on;
use super::form::{Form, Typed};
use super::notice::Notice;
use super::posted::{self, Purpose, again, not_sent};
use super::providers::{Begin, beginnings};
use super::session::seen;
use super::shell::Shell;
use super::show::page;
use crate::domain::proof::Channel;
use crate::http::fields::Fields;
use crate::http::handlers::sign_in::register;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::sign_in::Entered;

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage<'a> {
    s: Shell,
    /// Whether a number may stand in place of an address.
    by_phone: bool,
    min_length: usize,
    /// Where the agreement can be read; empty: nobody says.
    agreement: Option<&'a str>,
    others: Vec<Begin>,
    typed: Typed,
}

/// `GET PREFIX/register`.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = closed(&call) {
        return Ok(page);
    }
    show(&call, StatusCode::OK, Typed::default())
}

fn show(call: &Call, status: StatusCode, typed: Typed) -> Result<Response, Unreadable> {
    let (policy, others) = (&call.front.services.policy, beginnings(call, &seen(call, "")));
    let (by_phone, min_length) = (policy.sends_by(Channel::Phone), policy.sign_in.passwords.min_length);
    let agreement = policy.sign_in.agreement.as_ref().map(|agreement| agreement.url.as_str());
    page(status, &RegisterPage { s: Shell::of(call, ""), by_phone, min_length, agreement, others, typed })
}

/// Where nobody may make themselves a user.
fn closed(call: &Call) -> Option<Response> {
    let is_open = call.front.services.policy.sign_in.registration;
    let notice = || Notice::new(call, |s| (s.t("register.closed").to_owned(), s.t("register.closed_hint").to_owned()));
    (!is_open).then(|| notice().to("sign-in", |s| s.t("entry.enter").to_owned()).show(StatusCode::NOT_FOUND))
}

/// `POST PREFIX/register`: a mail or SMS follows, whoever it is.
pub async fn sent(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = closed(&call) {
        return Ok(page);
    }
    let form = Form::read(&mut call).await?;
    match register(&call, &form).await {
        Ok(()) => posted::posted(&call, Purpose::Register, form.text("email")),
        Err(error) => {
            let (status, faults) = not_sent(&call, error)?;
            show(&call, status, form.again(faults))
        }
    }
}

async fn register(call: &Call, form: &Form) -> Result<(), Unreadable> {
    let visit = call.visit()?;
    let mut body = form.json(&["email", "name"], &[]);
    body["password"] = json!(form.text("password"));
    let registration = register::registration(call, Fields::new(body)?);
    Ok(call.front.services.register(registration, &visit).await?)
}

/// `POST PREFIX/register/code`: the code of the SMS signs in.
pub async fn code(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    match confirm(&call, &form).await {
        Ok(entered) => go_on(&call, entered, form.text("next")).await,
        Err(error) => again(&call, Purpose::of(&form), &form, error),
    }
}

async fn confirm(call: &Call, form: &Form) -> Result<Entered, Unreadable> {
    let visit = call.visit()?;
    let body = json!({ "phone": form.text("phone"), "code": form.text("code").trim() });
    let (brought, _) = register::proof(call, Fields::new(body)?)?;
    Ok(call.front.services.verify(brought, None, &visit).await?)
}
