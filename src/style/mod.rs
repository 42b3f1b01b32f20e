//! How a verdict is told to the caller: status, headers and body, wholly from `auth.toml`, compiled once at start.

pub mod answer;
pub mod compile;
mod field;
mod format;
pub mod gateway;
mod json;
pub mod letters;
mod template;
#[cfg(test)]
mod tests;
pub mod vocabulary;

pub use answer::Answer;
pub use compile::Style;
pub use vocabulary::Vocabulary;

use crate::domain::refusal::By;
use crate::domain::verdict::Verdict;

/// The style as written.
#[derive(Clone, Debug, Default)]
pub struct StyleSource {
    /// The media type of every refusal's body.
    pub content_type: String,
    /// The body of every refusal that has none of its own: a JSON template or plain text.
    pub body: String,
    /// Headers of every checked answer, passes and refusals alike.
    pub headers: Vec<HeaderSource>,
    /// The refusals, each over those before it.
    pub answers: Vec<AnswerSource>,
    /// Over those, what the sign-in tells otherwise.
    pub sign_in: Vec<AnswerSource>,
}

/// One header as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSource {
    /// Its name.
    pub name: String,
    /// A template; where one of its placeholders has no value, the header is left out.
    pub value: String,
    /// Whether the value is repeated over all limits, joined by commas.
    pub each_limit: bool,
}

/// What some verdicts are told as. What is not given stays as an earlier answer, or the default, says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerSource {
    /// Which verdicts.
    pub verdicts: Vec<Verdict>,
    /// Only where one of these limits decided.
    pub limits: Option<Vec<String>>,
    /// Of a sign-in: only where somebody wanted to be let in by one of these.
    pub by: Option<Vec<By>>,
    /// Of a sign-in: only where `bad_request` has one of these statuses.
    pub statuses: Option<Vec<u16>>,
    /// 400 to 599.
    pub status: Option<u16>,
    /// What `{code}` stands for; the verdict's name where nobody says.
    pub code: Option<String>,
    /// What `{message}` stands for: a template.
    pub message: Option<String>,
    /// The media type of the body.
    pub content_type: Option<String>,
    /// Headers of this answer, beside those of every answer.
    pub headers: Option<Vec<HeaderSource>>,
    /// The body.
    pub body: Option<String>,
}

/// A fault of the style: where (`answers[3].body`), and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StyleFault {
    /// The key below `style`.
    pub key: String,
    /// What is wrong, and how to mend it.
    pub message: String,
}
