//! The page of the link for the first administrator, which tollgate says at its start.

use askama::Template;
use http::StatusCode;

use super::entry::go_on;
use super::form::{Form, Typed};
use super::given;
use super::shell::Shell;
use super::show::{discreet, told};
use crate::domain::email::Email;
use crate::domain::error::{Error, FieldFault};
use crate::domain::password::Password;
use crate::domain::verdict::Verdict;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::sign_in::login::Address;
use crate::service::sign_in::register::Registration;

/// Where somebody goes on who has become it.
const NEXT: &str = "admin?done=first";

#[derive(Template)]
#[template(path = "first.html")]
struct FirstPage<'a> {
    s: Shell,
    token: &'a str,
    least: usize,
    typed: Typed,
}

/// `GET PREFIX/first?token=…`.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    let token = given(&call, "token").unwrap_or_default();
    match call.front.services.check_first_link(&token, call.now).await {
        Ok(()) => show(&call, StatusCode::OK, &token, Typed::default()),
        Err(error) => or_nothing(&call, error),
    }
}

fn show(call: &Call, status: StatusCode, token: &str, typed: Typed) -> Result<Response, Unreadable> {
    let least = call.front.services.policy.sign_in.passwords.min_length;
    let page = FirstPage { s: Shell::discreet(call), token, least, typed };
    Ok(discreet(call, &page.s, status, &page))
}

/// `POST PREFIX/first`: makes the administrator, and signs them in.
pub async fn make(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let token = form.text("token");
    match call.front.services.make_first_administrator(token, read(&form), &visit).await {
        Ok(entered) => go_on(&call, entered, NEXT).await,
        Err(Error::Invalid(faults)) => {
            let page = show(&call, StatusCode::BAD_REQUEST, token, form.again(faults))?;
            Ok(response::came_to(Verdict::BadRequest, page))
        }
        Err(error) => or_nothing(&call, error),
    }
}

fn read(form: &Form) -> Registration {
    let mut faults = Vec::new();
    let mut fault = |field: &str, text: &str, message: String| {
        let message = if text.is_empty() { "must be given".into() } else { message };
        faults.push(FieldFault { field: field.into(), message });
    };
    let (email, password, name) = (form.text("email").trim(), form.text("password"), form.text("name").trim());
    let address = Email::parse(email).map(Address::Email).map_err(|message| fault("email", email, message)).ok();
    let password = Password::parse(password.to_owned()).map_err(|message| fault("password", password, message)).ok();
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    Registration { address, password, name, faults }
}

/// Where the link is none: the same page for whatever is wrong with it.
fn or_nothing(call: &Call, error: Error) -> Result<Response, Unreadable> {
    let Error::NotFound(_) = error else { return Err(error.into()) };
    let s = Shell::discreet(call);
    let page = told(&s, &call.request_id, StatusCode::NOT_FOUND, s.t("first.nothing"), s.t("first.nothing_hint"));
    Ok(response::came_to(Verdict::Unknown, page))
}
