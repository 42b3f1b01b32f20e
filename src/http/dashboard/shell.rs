//! What every page stands in: what the service is called, who looks at it, where the links lead, and what was just done.

use std::fmt::Display;
use std::sync::Arc;

use askama::filters::Safe;
use http::header::{CONTENT_LANGUAGE, CONTENT_TYPE, HeaderValue, VARY};

use super::brand::Brand;
use super::given;
use super::menu::{self, Entry};
use super::session::form_token;
use super::show::VERSION;
use super::words::Words;
use crate::docs::spoken_number;
use crate::domain::act::Actor;
use crate::domain::caller::Kind;
use crate::domain::error::FieldFault;
use crate::domain::letter::spoken_instant;
use crate::domain::time::Timestamp;
use crate::http::cookies;
use crate::http::request::Call;
use crate::http::response::Response;
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
    pub done: Option<Done>,
    /// What whoever may administrate the whole server can look at; empty for everybody else.
    pub operator: Vec<Entry>,
    /// How it looks.
    pub brand: Arc<Brand>,
    /// Whether there is an authentication page.
    pub has_docs: bool,
    /// Whether a secret stands in its address: it runs no script then.
    pub is_discreet: bool,
}

/// What was just done.
pub struct Done {
    /// In words.
    pub text: String,
    /// A page to go on to, and what leads there.
    pub way: Option<(&'static str, String)>,
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
        let done = done(call, words);
        let (service, viewer, operator) = (service_name(&call.front.services.policy), viewer(call, actor), menu::of(call, actor, words));
        let brand = call.front.brand.clone();
        let has_docs = call.front.services.policy.docs.enabled;
        Self { words, service, root: root(call), tab, viewer, done, operator, brand, has_docs, is_discreet: false }
    }

    /// That of a page in whose address a secret stands, as a mailed link has one: of nobody, and it runs no script.
    pub fn discreet(call: &Call) -> Self {
        Self { is_discreet: true, done: None, ..Self::seen_by(&Actor::Nobody, call, "") }
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

    /// A text with several put in.
    pub fn with_all(&self, name: &str, values: &[impl AsRef<str>]) -> String {
        self.words.with_all(name, values)
    }

    /// The same as HTML, in which what stands between two `*` stands out.
    pub fn marked(&self, name: &str, values: &[impl AsRef<str>]) -> Safe<String> {
        Safe(self.words.marked(name, values))
    }

    /// What is wrong with a field, in a whole sentence.
    pub fn sentence(&self, field: &str, fault: &str) -> String {
        self.with_all("shell.sentence", &[field, fault.trim_end_matches('.')])
    }

    /// What is wrong with several.
    pub fn sentences(&self, faults: &[FieldFault]) -> String {
        faults.iter().map(|fault| self.sentence(&fault.field, &fault.message)).collect::<Vec<_>>().join(" ")
    }

    /// Tells what browsers keep from what they kept before.
    pub fn version(&self) -> &str {
        &VERSION
    }

    /// Says of a page in which language it is, and that a browser with other wishes may get it in another (RFC 9110, 8.5 and 12.5.5).
    pub fn name_language(&self, response: &mut Response) {
        let headers = response.headers_mut();
        let is_page = headers.get(CONTENT_TYPE).is_some_and(|media| media.as_bytes().starts_with(b"text/html"));
        if is_page && let Ok(language) = HeaderValue::from_str(self.language()) {
            headers.insert(CONTENT_LANGUAGE, language);
            headers.insert(VARY, HeaderValue::from_static("Accept-Language"));
        }
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

/// What a redirect says was done, by the name of a text.
fn done(call: &Call, words: &Words) -> Option<Done> {
    let is_name = |name: &str| name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let name = given(call, "done").filter(|name| is_name(name))?;
    let text = Some(words.text(&format!("done.{name}")).to_owned()).filter(|text| !text.starts_with("done."))?;
    let way = (name == "first").then(|| ("profile/second-factor", words.text("profile.begin_second").to_owned()));
    Some(Done { text, way })
}

/// From a page to the dashboard's start; whole where the page lies elsewhere, as some of the sign-in's do.
pub fn root(call: &Call) -> String {
    let prefix = &*call.front.services.policy.server.prefix;
    let below = call.parts.uri.path().strip_prefix(prefix).filter(|below| below.is_empty() || below.starts_with('/'));
    let Some(below) = below else { return format!("{}/", cookies::path(call, prefix)) };
    let depth = below.matches('/').count().saturating_sub(1);
    if depth == 0 { "./".into() } else { "../".repeat(depth) }
}
