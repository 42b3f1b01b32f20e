//! Where the viewer is signed in: a table, from which each session can be ended, and all others at once.

use askama::Template;
use http::StatusCode;

use crate::config::sign_in::SignInSettings;
use crate::domain::id;
use crate::domain::session::SessionRecord;
use crate::http::dashboard::agent;
use crate::http::dashboard::form::Form;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::sign_in::session::user;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::PageAsk;

/// How many a page shows.
const SHOWN: usize = 25;

impl Shell {
    /// How a session began: by what people call the provider, or in words.
    pub fn method<'s>(&'s self, method: &'s str, settings: &'s SignInSettings) -> &'s str {
        match method {
            "password" => self.t("sessions.by_password"),
            "code" => self.t("sessions.by_code"),
            "link" => self.t("sessions.by_link"),
            "invitation" => self.t("sessions.by_invitation"),
            provider => settings.title_of_method(provider),
        }
    }

    /// With what it goes on.
    pub fn agent(&self, agent: &str) -> String {
        match agent::named(agent) {
            ("", _) => self.t("sessions.unknown").to_owned(),
            (name, "") => name.to_owned(),
            (name, system) => self.t("sessions.agent").replacen("{}", name, 1).replacen("{}", system, 1),
        }
    }
}

#[derive(Template)]
#[template(path = "profile/sessions.html")]
struct SessionsPage<'a> {
    s: Shell,
    settings: &'a SignInSettings,
    sessions: Vec<SessionRecord>,
    own: String,
    next: Option<String>,
}

/// `GET PREFIX/profile/sessions`: the newest first.
pub async fn list(call: Call) -> Result<Response, Unreadable> {
    let ask = call.page(id::SESSION, &["done"])?;
    let ask = PageAsk { limit: SHOWN, ..ask };
    let own = user(&call)?;
    let mut sessions = call.front.services.sessions(own.id, call.now).await?;
    sessions.retain(|session| ask.cursor.is_empty() || session.id < ask.cursor);
    let shown = ask.page(sessions, |session| session.id.clone());
    let s = Shell::of(&call, "profile");
    let settings = &call.front.services.policy.sign_in;
    page(StatusCode::OK, &SessionsPage { s, settings, sessions: shown.data, own: own.session.clone(), next: shown.next_cursor })
}

/// `POST PREFIX/profile/sessions/end`: one of them.
pub async fn end(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read_uncounted(&mut call).await?;
    let visit = call.visit()?;
    call.front.services.end_session(user(&call)?.id, form.text("session"), &visit).await?;
    see(&format!("{}profile/sessions?done=session_ended", root(&call)))
}

/// `POST PREFIX/profile/sessions/end-others`: all but this one.
pub async fn end_others(mut call: Call) -> Result<Response, Unreadable> {
    Form::read_uncounted(&mut call).await?;
    let visit = call.visit()?;
    call.front.services.end_other_sessions(user(&call)?, &visit).await?;
    see(&format!("{}profile/sessions?done=sessions_ended", root(&call)))
}
