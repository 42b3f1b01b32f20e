//! What the style would tell, and whether it came through a proxy whole.

use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::server::Server;
use super::wire::Answer;
use crate::config::Policy;
use crate::domain::decision::Decision;
use crate::domain::id;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;

/// Stands for a request's id, which differs from answer to answer.
const ID: char = '\u{1}';

/// How long such an id may be.
const LONGEST_ID: usize = 128;

/// How far two answers' `Retry-After` may be apart.
const LATER: u64 = 5;

/// What a request should be told.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The verdict's name.
    pub verdict: String,
    /// How the limits stand.
    pub limits: Value,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    retry_after: Option<u64>,
}

/// What is asked about.
#[derive(Clone, Copy, Debug, Default)]
pub struct About<'a> {
    /// The raw key.
    pub key: Option<&'a str>,
    /// The path; without one no route holds.
    pub path: Option<&'a str>,
    /// The client's address.
    pub ip: Option<std::net::IpAddr>,
}

impl Expected {
    /// Asks the server itself, without charging.
    pub async fn of(server: &Server, about: About<'_>) -> Result<Self, String> {
        let mut ask = json!({ "method": "GET", "dry_run": true });
        if let Some(path) = about.path {
            ask["path"] = path.into();
        }
        if let Some(key) = about.key {
            ask["key"] = key.into();
        }
        if let Some(ip) = about.ip {
            ask["ip"] = ip.to_string().into();
        }
        let told = server.call(Method::POST, "/verify", Some(ask)).await?;
        let answer = &told["answer"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let headers = answer["headers"].as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value)));
        Ok(Self {
            verdict: text(&told["verdict"]),
            limits: told["limits"].clone(),
            status: answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
            headers: headers.collect(),
            body: text(&answer["body"]),
            retry_after: told["retry_after"].as_u64(),
        })
    }

    /// What the style tells of somebody whom nobody knows.
    fn of_nobody(policy: &Policy, verdict: Verdict) -> Self {
        let now = Timestamp::now();
        let answer = policy.style.answer(&Decision::of_nobody(verdict, now), &id::new(id::REQUEST, now));
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            verdict: verdict.name().into(),
            limits: Value::Null,
            status: answer.status.as_u16(),
            headers: answer.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
            retry_after: None,
        }
    }

    /// Whether it is a pass.
    pub fn passes(&self) -> bool {
        self.verdict == Verdict::Ok.name()
    }

    /// What a refusal does not have in common with what should have been told. Request ids are left aside, and where a limit
    /// decided the numbers, which move on.
    pub fn differences(&self, answer: &Answer) -> Vec<String> {
        let mut differences = Vec::new();
        if answer.status.as_u16() != self.status {
            differences.push(format!("the status is {} instead of {}", answer.status.as_u16(), self.status));
        }
        differences.extend(self.header_differences(answer));
        if !fits(&self.masked(&self.body, None), &self.masked(&answer.body, answer.header("x-request-id").as_deref())) {
            differences.push("the body is another one than the style's".into());
        }
        differences
    }

    /// Which of the style's headers are missing, or say something else.
    pub fn header_differences(&self, answer: &Answer) -> Vec<String> {
        let mut differences = Vec::new();
        for (name, value) in &self.headers {
            match answer.header(name) {
                None => differences.push(format!("{name} is missing")),
                Some(told) if !fits(&self.masked(value, None), &self.masked(&told, None)) => {
                    differences.push(format!("{name} is another one than the style's"));
                }
                Some(told) if name.eq_ignore_ascii_case("retry-after") && !self.is_near(&told) => {
                    differences.push(format!("{name} says another time"));
                }
                Some(_) => {}
            }
        }
        differences
    }

    fn is_near(&self, told: &str) -> bool {
        // A style may tell a time in another way than in seconds.
        let (Ok(told), Some(meant)) = (told.parse::<u64>(), self.retry_after) else { return true };
        told.abs_diff(meant) <= LATER
    }

    /// A text without what differs from answer to answer.
    fn masked(&self, text: &str, request_id: Option<&str>) -> String {
        let mut text = text.to_owned();
        if let Some(request_id) = request_id.filter(|id| !id.is_empty()) {
            text = text.replace(request_id, &ID.to_string());
        }
        while let Some(at) =
            text.match_indices(id::REQUEST).map(|(at, _)| at).find(|at| text.get(*at..at + 30).is_some_and(|one| id::is(id::REQUEST, one)))
        {
            text.replace_range(at..at + 30, &ID.to_string());
        }
        if self.retry_after.is_some() || self.passes() { without_numbers(&text) } else { text }
    }
}

/// Every number as one sign: what counts down, and times.
fn without_numbers(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii_digit() && masked.ends_with('#') => {}
            c if c.is_ascii_digit() => masked.push('#'),
            c => masked.push(c),
        }
    }
    masked
}

/// Whether a text is what a pattern says, in which [`ID`] stands for any id.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split(ID);
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let at = if is_last { rest.len().checked_sub(piece.len()).filter(|_| rest.ends_with(piece)) } else { rest.find(piece) };
        match at {
            Some(at) if (1..=LONGEST_ID).contains(&at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
            _ => return false,
        }
    }
    true
}

/// Which verdict about nobody an answer tells, if any; else what its body calls a verdict.
pub fn verdict_of(policy: &Policy, answer: &Answer) -> Option<String> {
    let of_nobody = Verdict::ALL.iter().filter(|verdict| !verdict.knows_caller());
    let told = of_nobody.map(|verdict| Expected::of_nobody(policy, *verdict)).find(|expected| expected.differences(answer).is_empty());
    let named = || {
        let body: Value = serde_json::from_str(&answer.body).ok()?;
        Verdict::from_name(body["verdict"].as_str()?).map(|verdict| verdict.name().to_owned())
    };
    told.map(|expected| expected.verdict).or_else(|| named().filter(|_| !answer.status.is_success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_left_aside_and_nothing_else() {
        let pattern = format!("{{\"id\": \"{ID}\", \"again\": \"{ID}\"}}");
        for (text, is_fitting) in [
            (r#"{"id": "req_1", "again": "abc"}"#, true),
            (r#"{"id": "", "again": "abc"}"#, false),
            (r#"{"id": "req_1", "again": "abc"} "#, false),
            (r#"{"id": "req_1"}"#, false),
            ("", false),
        ] {
            assert_eq!(fits(&pattern, text), is_fitting, "{text}");
        }
        assert!(fits("plain", "plain") && !fits("plain", "plainer") && !fits("plain", "plai"));
        assert_eq!(without_numbers("in 60 s, or at 2026-11-21T14:00:00Z"), "in # s, or at #-#-#T#:#:#Z");
    }
}
