//! What a caller is told, ready to send.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::compile::{Refusal, RefusalBody, Style, StyleHeader};
use super::field::Facts;
use crate::domain::decision::Decision;
use crate::domain::refusal::Refusal as Refused;
use crate::domain::time::Timestamp;
use crate::domain::verdict::Verdict;

/// An answer: what the style makes of a decision.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, the body's type among them.
    pub headers: HeaderMap,
    /// The body; empty on a pass.
    pub body: Bytes,
}

/// A header, and what stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderFact<'a> {
    /// Its name, as the configuration writes it.
    pub name: &'a str,
    /// Whether its value is repeated over all limits.
    pub each_limit: bool,
    /// Its placeholders: `hour.reset`; of a time also the format's name.
    pub fields: Vec<(String, Option<&'static str>)>,
}

impl Style {
    /// What the caller is told: on a pass 200 and the headers of every answer, else the refusal, whole.
    pub fn answer(&self, decision: &Decision, request_id: &str) -> Answer {
        if decision.verdict == Verdict::Ok {
            let facts = self.facts(decision, request_id, None);
            let mut headers = HeaderMap::with_capacity(self.headers.len());
            write_headers(&self.headers, &facts, &mut headers);
            return Answer { status: StatusCode::OK, headers, body: Bytes::new() };
        }
        self.filled(decision, self.refusal(decision), None, request_id)
    }

    /// What somebody is told who is not let in.
    pub fn tell(&self, why: &Refused, request_id: &str, now: Timestamp) -> Answer {
        let (refusal, chooses) = self.telling(why);
        let decision = Decision::of_nobody(why.verdict, now);
        let status = why.status.filter(|_| !chooses).and_then(|status| StatusCode::from_u16(status).ok());
        match status {
            None => self.filled(&decision, refusal, Some(why), request_id),
            Some(status) => self.filled(&decision, &Refusal { status, ..refusal.clone() }, Some(why), request_id),
        }
    }

    /// A refusal, whole.
    fn filled(&self, decision: &Decision, refusal: &Refusal, why: Option<&Refused>, request_id: &str) -> Answer {
        let mut facts = Facts { refusal: why, ..self.facts(decision, request_id, Some(refusal)) };
        let message = refusal.message.fill_what_there_is(&facts);
        facts.message = &message;
        let body = match &refusal.body {
            RefusalBody::Json(template) => template.fill(&facts),
            RefusalBody::Text(template) => template.fill_what_there_is(&facts),
        };
        let mut headers = HeaderMap::with_capacity(self.headers.len() + refusal.headers.len() + 1);
        headers.insert(http::header::CONTENT_TYPE, refusal.content_type.clone());
        write_headers(&self.headers, &facts, &mut headers);
        write_headers(&refusal.headers, &facts, &mut headers);
        Answer { status: refusal.status, headers, body: body.into() }
    }

    /// The names of all headers that it ever sets, each once.
    pub fn header_names(&self) -> Vec<HeaderName> {
        let refusals = self.refusals().flat_map(|refusal| &refusal.headers);
        let mut names: Vec<HeaderName> = self.headers.iter().chain(refusals).map(|header| header.name.clone()).collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        names
    }

    /// What a verdict may be told as: the status, and the media type of the body.
    pub fn told_as(&self, verdict: Verdict) -> impl Iterator<Item = (StatusCode, &str)> {
        self.refusals_of(verdict).map(|refusal| (refusal.status, refusal.content_type.to_str().unwrap_or_default()))
    }

    /// The same on the way in; of `bad_request` with a status of its own.
    pub fn told_on_the_way_in(&self, verdict: Verdict, status: Option<u16>) -> impl Iterator<Item = (StatusCode, &str)> {
        let own = move |refusal: &Refusal| status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(refusal.status);
        self.on_the_way_in(verdict, status).map(move |refusal| (own(refusal), refusal.content_type.to_str().unwrap_or_default()))
    }

    /// The headers that a pass may carry: those of every checked answer.
    pub fn pass_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.iter().map(|header| &header.name)
    }

    /// What the headers of every checked answer speak of.
    pub fn header_facts(&self) -> impl Iterator<Item = HeaderFact<'_>> {
        self.headers.iter().map(|header| HeaderFact {
            name: &header.written,
            each_limit: header.each_limit,
            fields: header.value.fields().map(|field| (field.name(), field.format())).collect(),
        })
    }

    /// A header's name as the configuration writes it.
    pub fn written<'a>(&'a self, name: &'a HeaderName) -> &'a str {
        let own = self.refusals().flat_map(|refusal| &refusal.headers);
        self.headers.iter().chain(own).find(|header| header.name == *name).map_or(name.as_str(), |header| &header.written)
    }

    /// The message of a verdict alone.
    pub fn message(&self, decision: &Decision, request_id: &str) -> String {
        if decision.verdict == Verdict::Ok {
            return String::new();
        }
        let refusal = self.refusal(decision);
        refusal.message.fill_what_there_is(&self.facts(decision, request_id, Some(refusal)))
    }

    fn facts<'a>(&'a self, decision: &'a Decision, request_id: &'a str, refusal: Option<&'a Refusal>) -> Facts<'a> {
        Facts {
            decision,
            request_id,
            code: refusal.map_or("ok", |refusal| &refusal.code),
            status: refusal.map_or(200, |refusal| refusal.status.as_u16()),
            challenge: &self.challenge,
            message: "",
            each: None,
            refusal: None,
        }
    }
}

/// A header with a placeholder that has no value is left out, and so is one whose value no header can carry.
fn write_headers(headers: &[StyleHeader], facts: &Facts<'_>, into: &mut HeaderMap) {
    for header in headers {
        let value = if header.each_limit { over_all_limits(header, facts) } else { header.value.fill(facts) };
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            into.insert(HeaderName::clone(&header.name), value);
        }
    }
}

/// The value over all limits that can refuse, as one list (RFC 9110, 5.6.1).
fn over_all_limits(header: &StyleHeader, facts: &Facts<'_>) -> Option<String> {
    let refusing = |standing: &&_| facts.decision.limit(standing).is_some_and(|limit| !limit.observe);
    let standings = facts.decision.standings.iter().filter(refusing);
    let mut list = String::new();
    for standing in standings {
        let before = list.len();
        list.push_str(if before == 0 { "" } else { ", " });
        if !header.value.write(&Facts { each: Some(standing), ..*facts }, &mut list) {
            list.truncate(before);
        }
    }
    (!list.is_empty()).then_some(list)
}
