//! What a form sends: read only where it comes from a page of ours, and of somebody who is signed in with the token of their session.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::refused::too_many_text;
use super::shell::Shell;
use super::words::Words;
use crate::domain::error::{Error, FieldFault};
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::request::{Call, Unreadable};

/// What the token's field is called.
const TOKEN: &str = "form_token";

/// The fields of a form.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body, and counts it as a change of whoever sends it; only once it is known to be theirs.
    pub async fn read(call: &mut Call) -> Result<Self, Unreadable> {
        let form = Self::read_uncounted(call).await?;
        if let Some(user) = call.actor.user() {
            call.front.services.count_change(user.id, call.now).map_err(Error::from)?;
        }
        Ok(form)
    }

    /// The same for what only ends something, which is never too much. Without the token of the session that sends it, it is nobody's.
    pub async fn read_uncounted(call: &mut Call) -> Result<Self, Unreadable> {
        cookies::check_origin(call)?;
        let mut fields = call.form().await?;
        let token = fields.iter().position(|(name, _)| name == TOKEN).map(|at| fields.swap_remove(at).1).unwrap_or_default();
        let secret = &call.front.services.sign_in.secret;
        let viewer = call.actor.user().zip(call.actor.account());
        let is_sound = viewer.is_none_or(|(user, account)| secret.confirms_form(&user.session, account, &token));
        if !is_sound {
            return Err(Error::Forbidden(Words::of(&call.parts.headers).text("failed.not_yours").to_owned()).into());
        }
        Ok(Self(fields))
    }

    /// Those that something was typed into.
    fn filled(&self) -> impl DoubleEndedIterator<Item = &(String, String)> {
        self.0.iter().filter(|(_, text)| !text.trim().is_empty())
    }

    /// A field's text, empty where it is not there. Of several the last counts.
    pub fn text(&self, name: &str) -> &str {
        self.filled().rev().find(|(known, _)| known == name).map(|(_, text)| text.as_str()).unwrap_or_default()
    }

    /// A field's text as it was sent, where it is there once, be it empty.
    pub fn once(&self, name: &str) -> Option<&str> {
        let mut given = self.0.iter().filter(|(known, _)| known == name);
        given.next().filter(|_| given.next().is_none()).map(|(_, text)| text.as_str())
    }

    /// The form as it was typed, to be shown again with what is wrong; what is secret is left out.
    pub fn again(&self, faults: Vec<FieldFault>) -> Typed {
        let fields = self.filled().filter(|(name, _)| !is_secret(name)).cloned().collect();
        Typed { fields, faults }
    }

    /// What came of it: where something is wrong that whoever typed can mend, the form again, and the status that says so.
    pub fn judged<T>(&self, call: &Call, done: Result<T, Error>) -> Result<Result<T, Wrong>, Unreadable> {
        let whole = |message: String| vec![FieldFault { field: String::new(), message }];
        let (status, faults) = match done {
            Ok(done) => return Ok(Ok(done)),
            Err(Error::Invalid(faults)) => (StatusCode::BAD_REQUEST, faults),
            Err(Error::Conflict(message)) => (StatusCode::CONFLICT, whole(message)),
            Err(error @ Error::NoBalance) => (StatusCode::BAD_REQUEST, whole(error.outer())),
            Err(Error::Refused(refusal)) => match refusal.verdict {
                Verdict::BadRequest => (StatusCode::BAD_REQUEST, refusal.errors),
                Verdict::TooManyTries => (StatusCode::TOO_MANY_REQUESTS, whole(too_many_text(call, &Shell::of(call, ""), &refusal))),
                _ => return Err(Error::Refused(refusal).into()),
            },
            Err(error) => return Err(error.into()),
        };
        Ok(Err((status, self.again(faults))))
    }

    /// These fields as the admin API takes them: those with a dot in an object, and of `lists` the words, one after the other.
    pub fn json(&self, names: &[&str], lists: &[&str]) -> Value {
        let mut body = Map::new();
        for (name, text) in self.filled() {
            if let Some((object, field)) = name.split_once('.').filter(|(object, _)| names.contains(object)) {
                let value = text.trim().parse::<u64>().map_or_else(|_| json!(text), |number| json!(number));
                // Where the object's own name was sent with a text, that text is what is wrong.
                if let Value::Object(fields) = body.entry(object).or_insert_with(|| json!({})) {
                    fields.insert(field.to_owned(), value);
                }
            } else if lists.contains(&name.as_str()) {
                let words = text.split([' ', ',', '\n', '\r', '\t']).filter(|word| !word.is_empty());
                body.insert(name.clone(), words.collect::<Vec<_>>().into());
            } else if names.contains(&name.as_str()) {
                // Blanks may be part of a password.
                body.insert(name.clone(), if is_secret(name) { text.as_str() } else { text.trim() }.into());
            }
        }
        Value::Object(body)
    }
}

/// What keeps a form from being done twice: its `Idempotency-Key`.
pub fn once() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// A form that is shown again, with the status that says why.
pub type Wrong = (StatusCode, Typed);

fn is_secret(field: &str) -> bool {
    field.contains("password") || field == "code"
}

/// What was typed into a form, and what is wrong with it. Of a form that nobody has sent: nothing.
#[derive(Default)]
pub struct Typed {
    fields: Vec<(String, String)>,
    faults: Vec<FieldFault>,
}

impl Typed {
    /// What was typed into a field, if it was sent.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.fields.iter().rev().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// What stands in a field.
    pub fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    /// The same, where something is there already.
    pub fn or<'t>(&'t self, name: &str, held: &'t str) -> &'t str {
        self.given(name).unwrap_or(held)
    }

    /// What is wrong with a field.
    pub fn fault(&self, name: &str) -> Option<&str> {
        self.faults.iter().find(|fault| fault.field == name).map(|fault| fault.message.as_str())
    }

    /// Whether anything is wrong with it.
    pub fn is_wrong(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Faults of what is not among these fields, nor a limit.
    pub fn others(&self, shown: &[&str]) -> Vec<&FieldFault> {
        self.faults.iter().filter(|fault| !shown.contains(&fault.field.as_str()) && !fault.field.starts_with("limits.")).collect()
    }
}
