//! What every page stands in: what the service is called, who looks at it, where the links lead, and what was just done.

use std::fmt::Display;

use super::session::form_token;
use super::show::VERSION;
use super::words::Words;
use crate::docs::spoken_number;
use crate::domain::act::Actor;
use crate::domain::caller::Kind;
use crate::domain::letter::spoken_instant;
use crate::domain::time::Timestamp;
use crate::http::request::Call;
use crate::service::mails::service_name;

/// A page's surroundings, for its template.
pub struct Shell {
    words: &'static Words,
    /// What the service is called.
    pub service: String,
    /// From the page to the dashboard's start: `../` for each folder between. Relative, because a proxy may have taken a part of the
    /// path away.
    pub root: String,
    /// Which entry of the menu it belongs to.
    pub tab: &'static str,
    /// Who is signed in.
    pub viewer: Option<Viewer>,
    /// What was just done.
    pub done: Option<String>,
}

/// Who is signed in.
pub struct Viewer {
    /// Their name.
    pub name: String,
    /// The name of the account that they act for.
    pub account_name: String,
    /// Whether that is an organization.
    pub is_organization: bool,
    /// What their forms carry, so that nobody else's page can send one.
    pub form_token: String,
}

impl Shell {
    /// That of a page of a call.
    pub fn of(call: &Call, tab: &'static str) -> Self {
        Self::seen_by(&call.actor, call, tab)
    }

    /// The same, seen by somebody who was not let in.
    pub fn seen_by(actor: &Actor, call: &Call, tab: &'static str) -> Self {
        let words = Words::of(&call.parts.headers);
        let done = done(call).map(|name| words.text(&name).to_owned()).filter(|text| !text.starts_with("done."));
        Self { words, service: service_name(&call.front.services.policy), root: root(call), tab, viewer: viewer(call, actor), done }
    }

    /// The language of the page.
    pub fn language(&self) -> &str {
        self.words.language
    }

    /// A text.
    pub fn t<'s>(&'s self, name: &'s str) -> &'s str {
        self.words.text(name)
    }

    /// A text with something put in.
    pub fn with(&self, name: &str, value: impl Display) -> String {
        self.words.with(name, &value.to_string())
    }

    /// Tells what browsers keep from what they kept before.
    pub fn version(&self) -> &str {
        &VERSION
    }

    /// A whole number as people read it; templates hand it over in more than one way.
    pub fn number(&self, number: impl Display) -> String {
        let text = number.to_string();
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("−", digits));
        digits.parse().map_or(text.clone(), |number| format!("{sign}{}", spoken_number(number)))
    }

    /// An instant as people read it, in UTC to the minute.
    pub fn instant(&self, at: &Timestamp) -> String {
        spoken_instant(*at)
    }
}

/// Whom an actor is shown as.
fn viewer(call: &Call, actor: &Actor) -> Option<Viewer> {
    let Actor::User(caller) = actor else { return None };
    let (user, account) = (caller.user.as_ref()?, caller.account.as_ref()?);
    Some(Viewer {
        name: user.name.clone(),
        account_name: account.name.clone(),
        is_organization: account.kind == Kind::Organization,
        form_token: form_token(call, &user.session, &account.id),
    })
}

/// What a redirect says was done, as the name of a text.
fn done(call: &Call) -> Option<String> {
    let query = form_urlencoded::parse(call.parts.uri.query().unwrap_or_default().as_bytes());
    let is_name = |name: &str| name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    query.into_iter().find(|(name, value)| name == "done" && is_name(value)).map(|(_, value)| format!("done.{value}"))
}

/// From a page to the dashboard's start.
pub fn root(call: &Call) -> String {
    let below = call.parts.uri.path().strip_prefix(&*call.front.services.policy.server.prefix).unwrap_or_default();
    let depth = below.matches('/').count().saturating_sub(1);
    if depth == 0 { "./".into() } else { "../".repeat(depth) }
}
