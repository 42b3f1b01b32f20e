//! Whoever is not let in: what is wrong, in plain words, and a way on. Why a provider, or this server, thinks so stands in the log alone.

use http::StatusCode;

use super::notice::Notice;
use super::shell::Shell;
use crate::config::providers::Provider;
use crate::domain::error::Error;
use crate::domain::letter::spoken;
use crate::domain::refusal::Refusal;
use crate::domain::time::Span;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::note;
use crate::http::request::Call;
use crate::http::response::{self, Response};
use crate::http::telling;

/// Why somebody who comes by a provider is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The provider says who it is, and that is nobody here.
    Nobody,
    /// Who it is, is not known.
    Unknown,
    /// They did not want to.
    Denied,
    /// It is somebody else's here.
    Taken,
    /// Switched off.
    Disabled,
    /// Too many tries.
    TooMany,
    /// There is no such way in.
    NotConfigured,
    /// The provider does not answer.
    Unavailable,
    /// Something is wrong here.
    Internal,
    /// What came back makes no sense.
    Unreadable,
}

impl Reason {
    const ALL: [(&'static str, Self); 10] = [
        ("nobody", Self::Nobody),
        ("unknown", Self::Unknown),
        ("denied", Self::Denied),
        ("taken", Self::Taken),
        ("disabled", Self::Disabled),
        ("too_many", Self::TooMany),
        ("not_configured", Self::NotConfigured),
        ("unavailable", Self::Unavailable),
        ("internal", Self::Internal),
        ("unreadable", Self::Unreadable),
    ];

    /// That of a refusal; `is_proven`: the provider has said who somebody is.
    pub fn of(refusal: &Refusal, is_proven: bool) -> Self {
        match refusal.verdict {
            Verdict::Unknown if is_proven => Self::Nobody,
            Verdict::Unknown => Self::Unknown,
            Verdict::Disabled => Self::Disabled,
            Verdict::TooManyTries => Self::TooMany,
            Verdict::NotConfigured => Self::NotConfigured,
            Verdict::Unavailable => Self::Unavailable,
            Verdict::Internal => Self::Internal,
            _ => Self::Unreadable,
        }
    }

    /// What addresses call it.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, reason)| *reason == self).map_or("unknown", |(name, _)| name)
    }

    /// By that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason)
    }

    /// In words; `title`: what the provider is called.
    pub fn text(self, s: &Shell, title: &str) -> String {
        match self {
            Self::Nobody => s.with("refused.nobody", title),
            Self::Unknown => s.with("refused.unknown", title),
            Self::Denied => s.with("refused.denied", title),
            Self::Taken => s.with("refused.taken", title),
            Self::Disabled => s.with("refused.disabled", &s.service),
            Self::TooMany => s.t("refused.wait").to_owned(),
            Self::NotConfigured => s.t("refused.not_configured").to_owned(),
            Self::Unavailable => s.with("refused.unavailable", title),
            Self::Internal => s.t("refused.internal").to_owned(),
            Self::Unreadable => s.t("refused.unreadable").to_owned(),
        }
    }

    fn heading(self, s: &Shell) -> String {
        let heading = match self {
            Self::TooMany => s.t("refused.too_many"),
            Self::Internal => s.t("refused.broken"),
            _ => s.t("refused.not_in"),
        };
        heading.to_owned()
    }

    /// What the way on is called, where there is one.
    fn again(self, s: &Shell) -> Option<String> {
        match self {
            Self::Nobody => Some(s.t("refused.another").to_owned()),
            Self::Disabled | Self::NotConfigured => None,
            _ => Some(s.t("refused.again").to_owned()),
        }
    }
}

/// Somebody comes by a provider and is not let in. `is_proven`: it has said who they are. `again`: where they can begin anew.
pub fn by_provider(call: &Call, provider: Option<&Provider>, is_proven: bool, again: Option<String>, error: Error) -> Response {
    let refusal = telling::of_error(error);
    let reason = Reason::of(&refusal, is_proven);
    let say = |s: &Shell| {
        let title = provider.map_or_else(|| s.t("refused.other_side"), |provider| &provider.title);
        let text = if reason == Reason::TooMany { wait(call, s, &refusal) } else { reason.text(s, title) };
        (reason.heading(s), text)
    };
    let label = reason.again(&Shell::discreet(call));
    let mut notice = Notice::new(call, say);
    if let (Some(again), Some(label)) = (again, label) {
        notice = notice.way(again, |_| label);
    }
    // As it is told to whoever is no browser.
    let status = call.front.services.policy.style.tell(&refusal, &call.request_id, call.now).status;
    retry_after(call, &refusal, response::came_to(refusal.verdict, notice.onward().show(status)))
}

/// A user who may not come in any more.
pub fn disabled(call: &Call) -> Response {
    let notice = Notice::new(call, |s| (Reason::Disabled.heading(s), Reason::Disabled.text(s, "")));
    response::came_to(Verdict::Disabled, notice.onward().show(StatusCode::FORBIDDEN))
}

/// Nobody waits for the second factor any more, or nobody did in this browser. `again`: where they can begin anew; nobody knows: on the
/// dashboard.
pub fn begin_anew(call: &Call, again: Option<String>) -> Response {
    let notice = Notice::new(call, |s| (s.t("refused.sign_in_again").to_owned(), s.t("refused.too_late").to_owned()));
    let label = |s: &Shell| s.t("refused.sign_in_again").to_owned();
    let notice = match again {
        Some(again) => notice.way(again, label),
        None => notice.to("sign-in", label),
    };
    response::came_to(Verdict::Unknown, notice.onward().show(StatusCode::UNAUTHORIZED))
}

/// Nobody is signed in in this browser. `back`: where they can be.
pub fn nobody(call: &Call, back: String) -> Response {
    let notice = Notice::new(call, |s| (s.t("refused.not_in").to_owned(), s.t("refused.nobody_here").to_owned()));
    notice.way(back, |s| s.t("entry.enter").to_owned()).onward().show(StatusCode::UNAUTHORIZED)
}

/// The form was sent by a page that is none of this server's, or was not come by the way that browsers are to.
pub fn elsewhere(call: &Call) -> Option<Response> {
    cookies::check_origin(call).err()?;
    let notice = Notice::new(call, |s| (s.t("refused.nothing_done").to_owned(), s.t("refused.elsewhere").to_owned()));
    Some(response::came_to(Verdict::BadRequest, notice.onward().show(StatusCode::FORBIDDEN)))
}

/// Somebody has signed in, and is not who the invitation is for. `back`: where another can sign in.
pub fn somebody_else(call: &Call, name: &str, invited: &str, back: &str) -> Response {
    let say = |s: &Shell| (s.t("refused.for_another").to_owned(), s.with_all("refused.somebody_else", &[name, invited]));
    let notice = Notice::new(call, say).way(back, |s| s.t("refused.another_address").to_owned());
    response::came_to(Verdict::Ok, notice.onward().show(StatusCode::UNAUTHORIZED))
}

/// What a page tells of an error that is no fault of what somebody brought to it; any other stays one. `again`: where the form is.
pub fn not_now(call: &Call, error: Error, again: &str) -> Result<Response, Error> {
    match error {
        Error::Refused(refusal) => match refusal.verdict {
            Verdict::TooManyTries => Ok(too_many(call, &refusal, again)),
            Verdict::Disabled => Ok(disabled(call)),
            _ => Err(Error::Refused(refusal)),
        },
        Error::Unavailable(_) => {
            tracing::error!(request_id = call.request_id, "{error}");
            let notice = Notice::new(call, |s| (s.t("refused.not_now").to_owned(), s.t("refused.nothing_changed").to_owned()));
            let page = notice.way(again, |s| s.t("refused.again").to_owned()).onward().show(StatusCode::SERVICE_UNAVAILABLE);
            Ok(response::came_to(Verdict::Unavailable, page))
        }
        error => Err(error),
    }
}

/// Too many tries. `again`: where the form is.
pub fn too_many(call: &Call, refusal: &Refusal, again: &str) -> Response {
    let notice = Notice::new(call, |s| (Reason::TooMany.heading(s), wait(call, s, refusal)));
    let page = notice.way(again, |s| s.t("refused.again").to_owned()).onward().show(StatusCode::TOO_MANY_REQUESTS);
    retry_after(call, refusal, response::came_to(refusal.verdict, page))
}

/// For how long to wait, where that is known.
pub fn wait(call: &Call, s: &Shell, refusal: &Refusal) -> String {
    let seconds = refusal.retry_after(call.now);
    seconds.map_or_else(|| s.t("refused.wait").to_owned(), |seconds| s.with("refused.again_in", spoken(Span::from_secs(seconds))))
}

/// The same after what it is for; noted, so that the head of the answer says it too.
pub fn too_many_text(call: &Call, s: &Shell, refusal: &Refusal) -> String {
    note::retry_after(refusal.retry_after(call.now));
    format!("{}. {}", s.t("refused.too_many"), wait(call, s, refusal))
}

/// Says when to try again, where that is known.
pub fn retry_after(call: &Call, refusal: &Refusal, mut response: Response) -> Response {
    response::retry_after(refusal.retry_after(call.now), &mut response);
    response
}
