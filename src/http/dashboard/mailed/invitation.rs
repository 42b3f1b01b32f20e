//! The page of an invitation: whoever was asked signs in on it, and joins, or declines.

use askama::Template;
use http::StatusCode;

use super::join;
use crate::domain::act::{Act, Actor};
use crate::domain::error::Error;
use crate::domain::letter::harmless_name;
use crate::domain::password::Password;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::dashboard::form::Form;
use crate::http::dashboard::notice::Notice;
use crate::http::dashboard::providers::{Begin, beginnings};
use crate::http::dashboard::refused::{self, too_many_text};
use crate::http::dashboard::second_factor::{self, Waiting};
use crate::http::dashboard::session::let_in;
use crate::http::dashboard::shell::Shell;
use crate::http::dashboard::show::discreet;
use crate::http::handlers::sign_in::address;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};
use crate::service::invitations::{Received, Which};
use crate::service::sign_in::{Entered, SignedIn, Visit};

/// An open invitation, and its token.
struct Open {
    token: String,
    received: Received,
}

/// What was typed into its forms before, and what is wrong with it.
#[derive(Default)]
struct Again {
    /// Who signs in.
    email: Option<String>,
    fault: Option<String>,
    /// Who is new.
    name: String,
    new_fault: Option<String>,
    /// At which field.
    new_at: &'static str,
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage<'a> {
    s: &'a Shell,
    token: &'a str,
    inviter: String,
    account: String,
    role: &'a str,
    address: &'a str,
    join: &'a str,
    others: Vec<Begin>,
    min_length: usize,
    again: Again,
}

/// `GET PREFIX/invitation?token=…`: a form to sign in with.
pub async fn ask(call: Call) -> Result<Response, Unreadable> {
    let Some(token) = super::token(&call) else { return Ok(super::broken_link(&call)) };
    let received = call.front.services.invitation_of(&token, call.now).await?;
    Ok(received.map_or_else(|| wrong(&call), |received| page(&call, StatusCode::OK, &Open { token, received }, Again::default())))
}

/// Where it lies, as browsers see it, with the invitation's token.
pub fn place(call: &Call, token: &str) -> String {
    format!("{}/invitation?token={token}", cookies::path(call, &call.front.services.policy.server.prefix))
}

/// The page, with every way in, and what the mail says of it.
fn page(call: &Call, status: StatusCode, open: &Open, again: Again) -> Response {
    let Open { token, received: Received { record, account_name, inviter } } = open;
    let (s, join) = (Shell::discreet(call), join::place(call, token));
    let page = InvitationPage {
        s: &s,
        token,
        inviter: harmless_name(inviter),
        account: harmless_name(account_name),
        role: s.role(&record.role),
        address: &record.email,
        others: beginnings(call, &join),
        join: &join,
        min_length: call.front.services.policy.sign_in.passwords.min_length,
        again,
    };
    discreet(call, &s, status, &page)
}

/// Whether an error says that an invitation counts no more, or is for somebody else.
pub fn counts_no_more(error: &Error) -> bool {
    matches!(error, Error::NotFound(_)) || matches!(error, Error::Refused(refusal) if refusal.verdict == Verdict::Unknown)
}

/// It counts no more.
pub fn wrong(call: &Call) -> Response {
    let notice = Notice::new(call, |s| (s.t("invitation.wrong").to_owned(), s.t("invitation.wrong_hint").to_owned()));
    response::came_to(Verdict::Unknown, notice.onward().show(StatusCode::UNAUTHORIZED))
}

/// They belong to the account now.
pub fn joined(call: &Call) -> Response {
    let notice = Notice::new(call, |s| (s.t("invitation.joined").to_owned(), s.t("invitation.joined_hint").to_owned()));
    notice.onward().to("", |s| s.t("shell.start").to_owned()).show(StatusCode::OK)
}

/// The forms: sign in, and join the account; become a user, and join it; or decline.
pub async fn pressed(mut call: Call) -> Result<Response, Unreadable> {
    if let Some(page) = refused::elsewhere(&call) {
        return Ok(page);
    }
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let token = form.once("token").map(str::to_owned).filter(|token| super::can_be_token(token));
    let Some(token) = token else { return Ok(super::no_token(&call)) };
    let Some(received) = call.front.services.invitation_of(&token, call.now).await? else { return Ok(wrong(&call)) };
    let open = Open { token, received };
    if form.once("decline").is_some() {
        return decline(&call, &open, &visit).await;
    }
    if form.once("name").is_some() {
        return newcomer(&call, &form, &open, &visit).await;
    }
    let s = Shell::discreet(&call);
    let again = |verdict: Verdict, status: StatusCode, fault: String| {
        let typed = Again { email: form.once("email").map(str::to_owned), fault: Some(fault), ..Again::default() };
        response::came_to(verdict, page(&call, status, &open, typed))
    };
    match enter(&call, &form, &visit).await {
        Ok(Entered::SignedIn(signed_in)) => join_now(&call, &open, &signed_in, &visit).await,
        Ok(Entered::SecondFactor(waiting)) => {
            let (next, again) = (join::place(&call, &open.token), place(&call, &open.token));
            let waiting = Waiting { token: waiting.expose().to_owned(), next: Some(next), again: Some(again) };
            Ok(second_factor::begin(&call, &waiting)?)
        }
        Err(Unreadable::Error(Error::Refused(refusal))) => {
            let (status, fault) = match refusal.verdict {
                Verdict::NotVerified => (StatusCode::FORBIDDEN, s.t("invitation.not_verified").to_owned()),
                Verdict::TooManyTries => (StatusCode::TOO_MANY_REQUESTS, too_many_text(&call, &s, &refusal)),
                Verdict::Disabled => return Ok(refused::disabled(&call)),
                _ => (StatusCode::UNAUTHORIZED, s.t("invitation.wrong_password").to_owned()),
            };
            Ok(refused::retry_after(&call, &refusal, again(refusal.verdict, status, fault)))
        }
        Err(Unreadable::Error(Error::Invalid(_))) => {
            Ok(again(Verdict::BadRequest, StatusCode::BAD_REQUEST, s.t("invitation.wrong_password").to_owned()))
        }
        Err(Unreadable::Error(error)) => Ok(refused::not_now(&call, error, &place(&call, &open.token))?),
        Err(other) => Err(other),
    }
}

/// Signs in with what the form says.
async fn enter(call: &Call, form: &Form, visit: &Visit) -> Result<Entered, Unreadable> {
    let text = |name: &str| form.once(name).ok_or_else(|| Error::field(name, "must be given"));
    let address = address::any(call, text("email")?).map_err(|fault| Error::field("email", fault))?;
    let password = Password::parse(text("password")?.to_owned()).map_err(|fault| Error::field("password", fault))?;
    Ok(call.front.services.sign_in_by_password(address, password, visit).await?)
}

/// Whoever has signed in joins, where it is they who were asked.
async fn join_now(call: &Call, open: &Open, signed_in: &SignedIn, visit: &Visit) -> Result<Response, Unreadable> {
    let services = &call.front.services;
    let known = services.signed_in(&signed_in.access_token, call.now).await?.ok_or_else(|| Error::refused(Verdict::Unknown))?;
    let act = Act { actor: Actor::User(known.caller().clone()), ..visit.act.clone() };
    let mut response = match services.accept_invitation(Which::Token(open.token.clone()), &act).await {
        Ok(_) | Err(Error::Conflict(_)) => joined(call),
        Err(error) if counts_no_more(&error) => {
            let name = signed_in.user["name"].as_str().unwrap_or_default();
            refused::somebody_else(call, name, &open.received.record.email, &place(call, &open.token))
        }
        Err(error) => refused::not_now(call, error, &place(call, &open.token))?,
    };
    let_in(call, signed_in, response.headers_mut()).await?;
    Ok(response)
}

/// The last form: nobody joins by it any more.
async fn decline(call: &Call, open: &Open, visit: &Visit) -> Result<Response, Unreadable> {
    match call.front.services.decline_invitation(Which::Token(open.token.clone()), &visit.act).await {
        Ok(()) => {
            let notice = Notice::new(call, |s| (s.t("invitation.declined").to_owned(), s.t("invitation.declined_hint").to_owned()));
            Ok(response::no_sign_in(notice.onward().show(StatusCode::OK)))
        }
        Err(error) if counts_no_more(&error) => Ok(wrong(call)),
        Err(error) => Ok(refused::not_now(call, error, &place(call, &open.token))?),
    }
}

/// The other form: whoever has no user yet becomes one, and joins.
async fn newcomer(call: &Call, form: &Form, open: &Open, visit: &Visit) -> Result<Response, Unreadable> {
    let (name, s) = (form.once("name").unwrap_or_default(), Shell::discreet(call));
    let again = |verdict: Verdict, status: StatusCode, new_at: &'static str, fault: String| {
        let typed = Again { name: name.to_owned(), new_fault: Some(fault), new_at, ..Again::default() };
        response::came_to(verdict, page(call, status, open, typed))
    };
    let password = match Password::parse(form.once("password").unwrap_or_default().to_owned()) {
        Ok(password) => password,
        Err(fault) => return Ok(again(Verdict::BadRequest, StatusCode::BAD_REQUEST, "password", s.sentence("password", &fault))),
    };
    match call.front.services.join_as_newcomer(&open.token, name, password, visit).await {
        Ok(entered) => {
            let mut response = joined(call);
            if let Entered::SignedIn(signed_in) = entered {
                let_in(call, &signed_in, response.headers_mut()).await?;
            }
            Ok(response)
        }
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::BadRequest => {
            let at = if refusal.errors.first().is_some_and(|fault| fault.field == "password") { "password" } else { "name" };
            Ok(again(Verdict::BadRequest, StatusCode::BAD_REQUEST, at, s.sentences(&refusal.errors)))
        }
        Err(Error::Conflict(message)) => Ok(again(Verdict::BadRequest, StatusCode::CONFLICT, "name", message)),
        Err(Error::Refused(refusal)) if refusal.verdict == Verdict::TooManyTries => {
            let page = again(refusal.verdict, StatusCode::TOO_MANY_REQUESTS, "password", too_many_text(call, &s, &refusal));
            Ok(refused::retry_after(call, &refusal, page))
        }
        Err(error) if counts_no_more(&error) => Ok(wrong(call)),
        Err(error) => Ok(refused::not_now(call, error, &place(call, &open.token))?),
    }
}
