//! What a placeholder stands for.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;

use super::format::{Format, NAMES};
use super::vocabulary::Vocabulary;
use crate::domain::decision::{Decision, Standing};
use crate::domain::error::FieldFault;
use crate::domain::limit::Limit;
use crate::domain::nearest::nearest;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;

/// A placeholder.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    RequestId,
    Verdict,
    Code,
    Status,
    Message,
    Challenge,
    Plan,
    PlanTitle,
    Balance,
    Cost,
    Tokens,
    RetryAfter,
    RetryAt(Format),
    KeyId,
    KeyName,
    KeyPrefix,
    KeyScopes,
    KeyExpiresAt(Format),
    AccountId,
    AccountName,
    Limit(Which, LimitField),
    Errors,
    Detail,
}

/// Which limit.
#[derive(Clone, Debug, PartialEq)]
pub enum Which {
    /// `{limit.…}`: the one that decided; in a header repeated over all limits, each in turn.
    Deciding,
    /// `{minute.…}`: by its name.
    Named(Arc<str>),
}

/// What of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LimitField {
    Name,
    Window,
    WindowSeconds,
    Requests,
    Burst,
    Used,
    Remaining,
    Reset(Format),
}

/// The placeholders without a dot, and `key` and `account`.
const PLAIN: [(&str, Field); 20] = [
    ("request_id", Field::RequestId),
    ("verdict", Field::Verdict),
    ("code", Field::Code),
    ("status", Field::Status),
    ("message", Field::Message),
    ("challenge", Field::Challenge),
    ("plan", Field::Plan),
    ("plan_title", Field::PlanTitle),
    ("balance", Field::Balance),
    ("cost", Field::Cost),
    ("tokens", Field::Tokens),
    ("retry_after", Field::RetryAfter),
    ("key.id", Field::KeyId),
    ("key.name", Field::KeyName),
    ("key.prefix", Field::KeyPrefix),
    ("key.scopes", Field::KeyScopes),
    ("account.id", Field::AccountId),
    ("account.name", Field::AccountName),
    ("errors", Field::Errors),
    ("detail", Field::Detail),
];

const OF_LIMIT: [(&str, LimitField); 7] = [
    ("name", LimitField::Name),
    ("window", LimitField::Window),
    ("window_seconds", LimitField::WindowSeconds),
    ("requests", LimitField::Requests),
    ("burst", LimitField::Burst),
    ("used", LimitField::Used),
    ("remaining", LimitField::Remaining),
];

impl Field {
    /// Reads `limit.reset:http_date`.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Self, String> {
        let (name, format) = match text.split_once(':') {
            Some((name, format)) => (name, Some(format)),
            None => (text, None),
        };
        let plain = PLAIN.iter().find(|(known, _)| *known == name).map(|(_, field)| field.clone());
        match (plain.or_else(|| Self::limit(name, vocabulary)), format) {
            (Some(field), None) => return Ok(field),
            (Some(_), Some(_)) => return Err(format!("{{{text}}}: only times take a format")),
            (None, _) => {}
        }
        let time: Box<dyn Fn(Format) -> Self> = match name.rsplit_once('.') {
            None if name == "retry_at" => Box::new(Self::RetryAt),
            Some(("key", "expires_at")) => Box::new(Self::KeyExpiresAt),
            Some((limit, "reset")) if which(limit, vocabulary).is_some() => {
                let which = which(limit, vocabulary).unwrap_or(Which::Deciding);
                Box::new(move |format| Self::Limit(which.clone(), LimitField::Reset(format)))
            }
            _ => return Err(unknown(name, vocabulary)),
        };
        match format {
            None => Ok(time(Format::default())),
            Some(format) => Format::from_name(format).map(time).ok_or_else(|| {
                let known: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
                format!("{{{text}}}: '{format}' is no format of times; there are {}", known.join(", "))
            }),
        }
    }

    fn limit(name: &str, vocabulary: &Vocabulary) -> Option<Self> {
        let (limit, field) = name.rsplit_once('.')?;
        let (_, field) = OF_LIMIT.iter().find(|(known, _)| *known == field)?;
        Some(Self::Limit(which(limit, vocabulary)?, *field))
    }

    /// Whether an answer of that verdict could ever have a value here.
    pub fn can_be_filled(&self, verdict: Verdict) -> bool {
        match self {
            Self::RequestId | Self::Verdict | Self::Code | Self::Status | Self::Message | Self::Challenge => true,
            Self::RetryAfter | Self::RetryAt(_) => verdict.by_limit() || verdict == Verdict::TooManyTries,
            Self::Errors | Self::Detail => verdict == Verdict::BadRequest,
            Self::Limit(Which::Deciding, _) => verdict.by_limit() || verdict.has_passed(),
            Self::Limit(Which::Named(_), _) => verdict.knows_caller() && (verdict > Verdict::WrongIp),
            _ => verdict.knows_caller(),
        }
    }

    /// How a time is written; of anything else nothing.
    pub fn format(&self) -> Option<&'static str> {
        let (Self::RetryAt(format) | Self::KeyExpiresAt(format) | Self::Limit(_, LimitField::Reset(format))) = self else { return None };
        NAMES.iter().find(|(_, known)| known == format).map(|(name, _)| *name)
    }

    /// How it is written.
    pub fn name(&self) -> String {
        let plain = PLAIN.iter().find(|(_, field)| field == self).map(|(name, _)| (*name).to_owned());
        plain.unwrap_or_else(|| match self {
            Self::RetryAt(_) => "retry_at".into(),
            Self::KeyExpiresAt(_) => "key.expires_at".into(),
            Self::Limit(which, field) => {
                let which = match which {
                    Which::Deciding => "limit",
                    Which::Named(name) => name,
                };
                let field = OF_LIMIT.iter().find(|(_, known)| known == field).map_or("reset", |(name, _)| name);
                format!("{which}.{field}")
            }
            _ => String::new(),
        })
    }
}

fn which(name: &str, vocabulary: &Vocabulary) -> Option<Which> {
    match name {
        "limit" => Some(Which::Deciding),
        _ => vocabulary.limit(name).map(Which::Named),
    }
}

fn unknown(name: &str, vocabulary: &Vocabulary) -> String {
    let plain = PLAIN.iter().map(|(known, _)| (*known).to_owned());
    let times = ["retry_at".to_owned(), "key.expires_at".to_owned()];
    let limits = vocabulary.limits.iter().map(|(name, _)| &**name).chain(["limit"]);
    let of_limits =
        limits.flat_map(|limit| OF_LIMIT.iter().map(|(field, _)| *field).chain(["reset"]).map(move |field| format!("{limit}.{field}")));
    let nearest = nearest(name, plain.chain(times).chain(of_limits));
    format!("there is no placeholder {{{name}}}; did you mean {{{}}}? A brace itself is written {{{{ or }}}}", nearest.unwrap_or_default())
}

/// What fills placeholders: one decision, and what the style says of its verdict.
pub struct Facts<'a> {
    /// The decision.
    pub decision: &'a Decision,
    /// The request's id.
    pub request_id: &'a str,
    /// What `{code}` stands for.
    pub code: &'a str,
    /// What `{status}` stands for.
    pub status: u16,
    /// What `{challenge}` stands for.
    pub challenge: &'a str,
    /// What `{message}` stands for.
    pub message: &'a str,
    /// Which limit `{limit.…}` means, where it is not the one that decided.
    pub each: Option<&'a Standing>,
    /// Why somebody was not let in, where that is what is told.
    pub refusal: Option<&'a Refusal>,
}

impl<'a> Facts<'a> {
    /// The value of a field as JSON; `None` where it has none.
    pub fn value(&self, field: &Field) -> Option<Value> {
        let (decision, key) = (self.decision, self.key());
        match field {
            Field::KeyScopes => key.map(|key| key.scopes.clone().into()),
            Field::Status => Some(self.status.into()),
            Field::Balance => decision.balance.map(Value::from),
            Field::Cost => decision.caller.as_ref().map(|_| decision.cost.into()),
            Field::Tokens => decision.caller.as_ref().map(|_| decision.tokens.into()),
            Field::RetryAfter => {
                let of_refusal = || self.refusal.and_then(|refusal| refusal.retry_after(decision.at));
                decision.retry_after().or_else(of_refusal).map(Value::from)
            }
            Field::RetryAt(format) => {
                let at = decision.retry_at().or_else(|| self.refusal.and_then(|refusal| refusal.retry_at));
                at.map(|at| format.value(at, decision.at))
            }
            Field::Errors => self.refusal.map(|refusal| refusal.errors.iter().map(FieldFault::as_json).collect()),
            Field::Detail => self.refusal.map(|refusal| refusal.detail().into()),
            Field::KeyExpiresAt(format) => key.and_then(|key| key.expires_at).map(|at| format.value(at, decision.at)),
            Field::Limit(which, field) => self.limit(which).map(|(limit, standing)| of_limit(*field, limit, standing, decision.at)),
            _ => self.text(field).map(Value::from),
        }
    }

    /// Writes the value of a field as text; answers whether it has one.
    pub fn write(&self, field: &Field, into: &mut String) -> bool {
        if let Some(text) = self.text(field) {
            into.push_str(text);
            return true;
        }
        match self.value(field) {
            None => false,
            Some(Value::String(text)) => {
                into.push_str(&text);
                true
            }
            // Writing to a String cannot fail.
            Some(other) => write!(into, "{other}").is_ok(),
        }
    }

    /// The value of a field that is a text already.
    fn text(&self, field: &Field) -> Option<&'a str> {
        let caller = self.decision.caller.as_deref();
        match field {
            Field::RequestId => Some(self.request_id),
            Field::Verdict => Some(self.decision.verdict.name()),
            Field::Code => Some(self.code),
            Field::Message => Some(self.message),
            Field::Challenge => Some(self.challenge),
            Field::Plan => caller.map(|caller| caller.plan.name.as_str()),
            Field::PlanTitle => caller.map(|caller| caller.plan.title.as_str()),
            Field::KeyId => self.key().map(|key| key.id.as_str()),
            Field::KeyName => self.key().map(|key| key.name.as_str()),
            Field::KeyPrefix => self.key().map(|key| key.prefix.as_str()),
            Field::KeyScopes => caller.and_then(|caller| caller.key.as_ref().map(|_| caller.scopes.as_str())),
            Field::AccountId => self.account().map(|account| account.id.as_str()),
            Field::AccountName => self.account().map(|account| account.name.as_str()),
            Field::Limit(which, LimitField::Name) => self.limit(which).map(|(limit, _)| &*limit.name),
            _ => None,
        }
    }

    fn key(&self) -> Option<&'a crate::domain::caller::KeyRecord> {
        self.decision.caller.as_deref()?.key.as_ref()
    }

    fn account(&self) -> Option<&'a crate::domain::caller::AccountRecord> {
        self.decision.caller.as_deref()?.account.as_ref()
    }

    fn limit(&self, which: &Which) -> Option<(&'a Limit, &'a Standing)> {
        match (which, self.each) {
            (Which::Deciding, Some(standing)) => Some((self.decision.limit(standing)?, standing)),
            (Which::Deciding, None) => self.decision.deciding(),
            (Which::Named(name), _) => self.decision.named(name),
        }
    }
}

fn of_limit(field: LimitField, limit: &Limit, standing: &Standing, now: Timestamp) -> Value {
    match field {
        LimitField::Name => (*limit.name).into(),
        LimitField::Window => limit.per.to_string().into(),
        LimitField::WindowSeconds => limit.per.span().seconds_up().into(),
        LimitField::Requests => limit.requests.into(),
        LimitField::Burst => limit.burst().into(),
        LimitField::Used => limit.burst().saturating_sub(standing.remaining).into(),
        LimitField::Remaining => standing.remaining.into(),
        LimitField::Reset(format) => format.value(standing.reset, now),
    }
}
