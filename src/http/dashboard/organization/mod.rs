//! For which account somebody acts: the switch to another, organizations that they make, and what they are asked to join.

pub mod closing;
pub mod invitations;
pub mod members;

use std::borrow::Cow;

use askama::Template;
use http::StatusCode;

use super::form::{Form, Typed, once};
use super::given;
use super::keys::account;
use super::shell::{Shell, root};
use super::show::{page, see};
use crate::domain::caller::Kind;
use crate::domain::error::Error;
use crate::domain::user::{Role, UserRecord, handle};
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::handlers;
use crate::http::handlers::sign_in::session::user;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::accounts::AccountInput;
use crate::service::invitations::Received;
use crate::service::{Page, PageAsk};

impl Shell {
    /// What somebody is to an account.
    pub fn role(&self, role: &Role) -> &str {
        match role {
            Role::Owner => self.t("organization.owner"),
            Role::Admin => self.t("organization.admin"),
            Role::Member => self.t("organization.member"),
        }
    }

    /// What somebody is called, where they may have given themselves no name.
    fn called<'u>(&self, user: &'u UserRecord) -> Cow<'u, str> {
        if user.name.trim().is_empty() { handle(user.id).into() } else { user.name.as_str().into() }
    }

    /// Who asks whom to join what, as what.
    fn invited(&self, received: &Received) -> String {
        let Received { record, account_name, inviter } = received;
        self.with_all("organization.invited", &[&self.short(inviter), &self.short(account_name), self.role(&record.role)])
    }
}

/// How many accounts of somebody, and how many invitations, a page shows.
const ACCOUNTS: usize = 20;
const RECEIVED: usize = 5;

/// What stands in the forms of the page.
#[derive(Default)]
struct Forms {
    name: Typed,
    new: Typed,
    /// What went wrong with a button.
    pressed: Typed,
    once: Option<String>,
}

#[derive(Template)]
#[template(path = "organization/overview.html")]
struct OrganizationPage {
    s: Shell,
    id: String,
    name: String,
    is_organization: bool,
    is_off: bool,
    /// What they are to it.
    role: Role,
    /// Whether they look after it.
    manages: bool,
    /// Whether they may close it.
    owns: bool,
    /// Where else they belong to: the id, the name, and what they are to it; a page of them.
    others: Page<(String, String, Role)>,
    /// Which of all is theirs alone.
    personal: String,
    received: Page<Received>,
    may_make: bool,
    forms: Forms,
    once: String,
}

/// `GET PREFIX/organization`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Forms::default()).await
}

async fn shown(call: &Call, status: StatusCode, mut forms: Forms) -> Result<Response, Unreadable> {
    let (own, services) = (user(call)?, &call.front.services);
    let crate::domain::act::Actor::User(caller) = &call.actor else { return Err(Error::refused(Verdict::Missing).into()) };
    let account = caller.account.as_ref().ok_or_else(|| Error::refused(Verdict::Missing))?;
    let file = services.user(own.id).await?;
    let (mut others, personal) = (file.accounts, file.record.account);
    others.retain(|(id, ..)| *id != account.id);
    let others = page_of(call, others);
    let ask = PageAsk { limit: RECEIVED, cursor: given(call, "cursor").unwrap_or_default(), ..PageAsk::default() };
    let received = services.received_invitations(own.id, ask, call.now).await?;
    let once = forms.once.take().unwrap_or_else(once);
    let template = OrganizationPage {
        s: Shell::of(call, "organization"),
        id: account.id.clone(),
        name: account.name.clone(),
        is_organization: account.kind == Kind::Organization,
        is_off: account.disabled,
        role: own.role,
        manages: call.actor.is_at_least(Role::Admin),
        owns: own.role == Role::Owner && account.kind == Kind::Organization && !account.disabled,
        others,
        personal,
        received,
        may_make: services.policy.sign_in.organizations > 0 && !account.disabled,
        forms,
        once,
    };
    page(status, &template)
}

/// A page of the accounts that somebody belongs to: those after the one that the address names.
pub fn page_of(call: &Call, mut accounts: Vec<(String, String, Role)>) -> Page<(String, String, Role)> {
    let after = given(call, "after").and_then(|after| accounts.iter().position(|(id, ..)| *id == after));
    accounts.drain(..after.map_or(0, |after| after + 1));
    PageAsk { limit: ACCOUNTS, ..PageAsk::default() }.page(accounts, |(id, ..)| id.clone())
}

/// `POST PREFIX/organization`: makes one, and goes on for it.
pub async fn make(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let (body, once) = (form.json(&["name"], &[]), form.text("once").to_owned());
    let done = match handlers::accounts::read(body.clone()) {
        Ok(input) => call.front.services.create_organization(input, call.once_of("account", &once, &body)?, &call.act()?).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, done)? {
        Ok(made) => Ok(match go_on_for(&call, &made.record.id, "organization_made").await {
            Ok(response) => response,
            // It is made all the same.
            Err(unreadable) => {
                tracing::error!(request_id = call.request_id, "a new organization could not be switched to: {unreadable:?}");
                see(&format!("{}organization?done=organization_waits", root(&call)))?
            }
        }),
        Err((status, new)) => shown(&call, status, Forms { new, once: Some(once), ..Forms::default() }).await,
    }
}

/// `POST PREFIX/organization/switch`: the same session goes on for another account.
pub async fn switch(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    go_on_for(&call, form.text("account"), "switched").await
}

async fn go_on_for(call: &Call, account: &str, done: &str) -> Result<Response, Unreadable> {
    let signed_in = call.front.services.switch(&user(call)?.session, account, &call.visit()?).await?;
    let mut response = see(&format!("{}organization?done={done}", root(call)))?;
    cookies::set(call, &signed_in.refresh_token, signed_in.refresh_for, response.headers_mut());
    Ok(response)
}

/// `POST PREFIX/organization/name`.
pub async fn rename(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let input = AccountInput { name: Some(form.text("name").trim().to_owned()), ..AccountInput::default() };
    let done = call.front.services.set_account(&account(&call)?, input, &call.act()?).await;
    match form.judged(&call, done)? {
        Ok(_) => see(&format!("{}organization?done=saved", root(&call))),
        Err((status, name)) => shown(&call, status, Forms { name, ..Forms::default() }).await,
    }
}

/// `POST PREFIX/organization/leave`: the session goes on for the viewer alone.
pub async fn leave(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let done = call.front.services.remove_member(&account(&call)?, user(&call)?.id, &call.act()?).await;
    match form.judged(&call, done)? {
        Ok(()) => see(&format!("{}organization?done=organization_left", root(&call))),
        Err((status, pressed)) => shown(&call, status, Forms { pressed, ..Forms::default() }).await,
    }
}
