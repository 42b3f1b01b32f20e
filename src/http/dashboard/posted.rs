//! What somebody reads once a mail or SMS is on its way to them, and where they enter its code: the same for every address, known or not.

use askama::Template;
use http::StatusCode;

use super::form::Form;
use super::refused::too_many_text;
use super::shell::Shell;
use super::show::page;
use crate::domain::error::{Error, FieldFault};
use crate::domain::phone::looks_like_phone;
use crate::domain::verdict::Verdict;
use crate::http::request::{Call, Unreadable};
use crate::http::response::{self, Response};

/// What for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To prove an address.
    Register,
    /// To set another password.
    Forgot,
    /// To prove a number of somebody who has signed in with it: their password was right.
    SignIn,
}

impl Purpose {
    fn is_forgot(&self) -> bool {
        *self == Self::Forgot
    }

    /// The page where it is asked for again.
    const fn page(&self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Forgot => "forgot",
            Self::SignIn => "sign-in",
        }
    }

    /// What the form of the code was shown for.
    pub fn of(form: &Form) -> Self {
        if form.text("for") == Self::SignIn.page() { Self::SignIn } else { Self::Register }
    }
}

#[derive(Template)]
#[template(path = "posted.html")]
struct PostedPage<'a> {
    s: Shell,
    purpose: Purpose,
    to: &'a str,
    /// Where they go on once they are in; empty: nowhere else.
    next: &'a str,
    /// By SMS.
    has_code: bool,
    /// Whether it may be a registration that waits: signing in sends nothing for one.
    may_register: bool,
    min_length: usize,
    fault: Option<String>,
}

impl PostedPage<'_> {
    /// Where it is asked for again, seen from the start.
    fn asked_at(&self) -> String {
        if self.next.is_empty() {
            return self.purpose.page().to_owned();
        }
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", self.next).finish();
        format!("{}?{query}", self.purpose.page())
    }
}

/// It is on its way.
pub fn posted(call: &Call, purpose: Purpose, to: &str) -> Result<Response, Unreadable> {
    show(call, StatusCode::ACCEPTED, purpose, to, "", None)
}

/// The number that somebody has signed in with is to be proven first: where its code is entered.
pub fn unproven(call: &Call, to: &str, next: &str, fault: String) -> Result<Response, Unreadable> {
    show(call, StatusCode::FORBIDDEN, Purpose::SignIn, to, next, Some(fault))
}

fn show(call: &Call, status: StatusCode, purpose: Purpose, to: &str, next: &str, fault: Option<String>) -> Result<Response, Unreadable> {
    let settings = &call.front.services.policy.sign_in;
    let (min_length, may_register) = (settings.passwords.min_length, purpose == Purpose::SignIn && settings.registration);
    // What is wrong, is wrong with a code.
    let has_code = fault.is_some() || looks_like_phone(to);
    page(status, &PostedPage { s: Shell::of(call, ""), purpose, to: to.trim(), next, has_code, may_register, min_length, fault })
}

/// The form of the code again, with what is wrong.
pub fn again(call: &Call, purpose: Purpose, form: &Form, error: Unreadable) -> Result<Response, Unreadable> {
    let (verdict, status, fault) = wrong(call, error)?;
    Ok(response::came_to(verdict, show(call, status, purpose, form.text("phone"), form.text("next"), Some(fault))?))
}

/// What is wrong with what somebody has entered; what is neither that nor a refusal stays an error.
fn wrong(call: &Call, error: Unreadable) -> Result<(Verdict, StatusCode, String), Unreadable> {
    let s = Shell::of(call, "");
    let fields = |faults: &[FieldFault]| (Verdict::BadRequest, StatusCode::BAD_REQUEST, s.sentences(faults));
    match error {
        Unreadable::Error(Error::Invalid(faults)) => Ok(fields(&faults)),
        Unreadable::Error(Error::Refused(refusal)) => match refusal.verdict {
            Verdict::BadRequest => Ok(fields(&refusal.errors)),
            Verdict::TooManyTries => Ok((refusal.verdict, StatusCode::TOO_MANY_REQUESTS, too_many_text(call, &s, &refusal))),
            Verdict::Unavailable | Verdict::Internal => Err(Error::Refused(refusal).into()),
            verdict => Ok((verdict, StatusCode::UNAUTHORIZED, s.t("posted.wrong_code").to_owned())),
        },
        other => Err(other),
    }
}

/// Why nothing was sent: the faults of the fields, or a sentence for all of them.
pub fn not_sent(call: &Call, error: Unreadable) -> Result<(StatusCode, Vec<FieldFault>), Unreadable> {
    let s = Shell::of(call, "");
    let told = |field: &str, message: String| vec![FieldFault { field: field.into(), message }];
    match error {
        Unreadable::Error(Error::Invalid(faults)) => {
            let sentence = |FieldFault { field, message }| FieldFault { message: s.sentence(&field, &message), field };
            Ok((StatusCode::BAD_REQUEST, faults.into_iter().map(sentence).collect()))
        }
        Unreadable::Error(Error::Refused(refusal)) if refusal.verdict == Verdict::TooManyTries => {
            Ok((StatusCode::TOO_MANY_REQUESTS, told("all", too_many_text(call, &s, &refusal))))
        }
        Unreadable::Error(Error::Refused(refusal)) if refusal.verdict == Verdict::NotConfigured => {
            Ok((StatusCode::BAD_REQUEST, told("email", s.t("posted.no_phone").to_owned())))
        }
        other => Err(other),
    }
}
