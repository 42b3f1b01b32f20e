//! From the style as written to the style as used: every template taken apart, every verdict's answer worked out.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};

use super::field::Field;
use super::json::JsonTemplate;
use super::template::Template;
use super::vocabulary::Vocabulary;
use super::{AnswerSource, HeaderSource, StyleFault, StyleSource};
use crate::domain::decision::Decision;
use crate::domain::refusal::{By, Refusal as Refused};
use crate::domain::verdict::Verdict;

/// Headers that belong to the connection or to tollgate itself; the body's type has a setting of its own.
const NOT_THE_STYLES: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];

/// A compiled style.
#[derive(Clone, Debug)]
pub struct Style {
    pub(super) headers: Vec<StyleHeader>,
    pub(super) challenge: String,
    /// One for each verdict, in the order of [`Verdict::ALL`].
    refusals: Vec<Refusals>,
    /// The same of the sign-in.
    of_sign_in: Vec<Vec<OfSignIn>>,
}

/// What a verdict is told as, and where a certain limit decided.
#[derive(Clone, Debug)]
struct Refusals {
    any: Refusal,
    by_limit: Vec<(Arc<str>, Refusal)>,
}

/// What a verdict is told as on the way in: by this, with this status. The first of a verdict is for all that has none of its own.
#[derive(Clone, Debug)]
struct OfSignIn {
    by: Option<By>,
    status: Option<u16>,
    refusal: Refusal,
}

/// One refusal, ready to fill.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: Template,
    pub(super) content_type: HeaderValue,
    pub(super) headers: Vec<StyleHeader>,
    pub(super) body: RefusalBody,
}

/// A body, ready to fill.
#[derive(Clone, Debug)]
pub(super) enum RefusalBody {
    /// JSON.
    Json(JsonTemplate),
    /// Anything else.
    Text(Template),
}

/// A header, ready to fill.
#[derive(Clone, Debug)]
pub(super) struct StyleHeader {
    pub(super) name: HeaderName,
    /// The name as it was written: for people, case helps.
    pub(super) written: String,
    pub(super) value: Template,
    pub(super) each_limit: bool,
}

impl Style {
    /// Compiles a style over the answers of the built-in one; answers every fault in it.
    pub fn compile(source: &StyleSource, builtin: &StyleSource, vocabulary: &Vocabulary) -> Result<Self, Vec<StyleFault>> {
        let mut compiler = Compiler { vocabulary, source, builtin, faults: Vec::new() };
        compiler.check_answers("answers", &source.answers);
        compiler.check_answers("sign_in", &source.sign_in);
        let headers = compiler.headers("headers", &source.headers, None);
        let refusals = Verdict::ALL.iter().map(|verdict| compiler.refusals(*verdict)).collect::<Vec<_>>();
        let of_sign_in = Verdict::ALL.iter().map(|verdict| compiler.of_sign_in(*verdict)).collect::<Vec<_>>();
        let mut faults = compiler.faults;
        // Several verdicts share an answer, and so its faults.
        faults.sort_by(|a, b| (&a.key, &a.message).cmp(&(&b.key, &b.message)));
        faults.dedup();
        match (refusals.into_iter().collect(), of_sign_in.into_iter().collect()) {
            (Some(refusals), Some(of_sign_in)) if faults.is_empty() => {
                Ok(Self { headers, challenge: vocabulary.challenge.clone(), refusals, of_sign_in })
            }
            _ => Err(faults),
        }
    }

    /// All refusals that it knows.
    pub(super) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        let of_sign_in = self.of_sign_in.iter().flatten().map(|own| &own.refusal);
        Verdict::ALL.iter().flat_map(|verdict| self.refusals_of(*verdict)).chain(of_sign_in)
    }

    /// All refusals of one verdict.
    pub(super) fn refusals_of(&self, verdict: Verdict) -> impl Iterator<Item = &Refusal> {
        let of_verdict = &self.refusals[verdict as usize];
        [&of_verdict.any].into_iter().chain(of_verdict.by_limit.iter().map(|(_, refusal)| refusal))
    }

    /// The limits whose refusals are told in words of their own.
    pub fn limits_apart(&self, verdict: Verdict) -> impl Iterator<Item = &Arc<str>> {
        self.refusals[verdict as usize].by_limit.iter().map(|(limit, _)| limit)
    }

    /// All that a verdict may be told as on the way in, with this status of its own or with none.
    pub(super) fn on_the_way_in(&self, verdict: Verdict, status: Option<u16>) -> impl Iterator<Item = &Refusal> {
        let all = &self.of_sign_in[verdict as usize];
        let status = status.filter(|status| all.iter().any(|own| own.status == Some(*status)));
        all.iter().filter(move |own| own.status == status).map(|own| &own.refusal)
    }

    /// What somebody is told as who is not let in, and whether that has chosen the status.
    pub(super) fn telling(&self, why: &Refused) -> (&Refusal, bool) {
        let all = &self.of_sign_in[why.verdict as usize];
        let by = why.by.filter(|by| all.iter().any(|own| own.by == Some(*by)));
        let status = why.status.filter(|status| all.iter().any(|own| own.status == Some(*status)));
        let own = all.iter().find(|own| own.by == by && own.status == status);
        (own.map_or(&self.refusals[why.verdict as usize].any, |own| &own.refusal), status.is_some() || why.status.is_none())
    }

    /// The refusal that a decision is told as.
    pub(super) fn refusal(&self, decision: &Decision) -> &Refusal {
        let refusals = &self.refusals[decision.verdict as usize];
        let deciding = decision.deciding().map(|(limit, _)| &limit.name);
        let of_limit = refusals.by_limit.iter().find(|(name, _)| Some(name) == deciding);
        of_limit.map_or(&refusals.any, |(_, refusal)| refusal)
    }
}

/// The fields that hold for one verdict and limit, and which key each came from.
#[derive(Default)]
struct Cascade<'a> {
    status: Option<u16>,
    code: Option<&'a str>,
    message: Option<(String, &'a str)>,
    content_type: Option<(String, &'a str)>,
    headers: Option<(String, &'a [HeaderSource])>,
    body: Option<(String, &'a str)>,
}

impl<'a> Cascade<'a> {
    /// Lays the answers of a verdict over it that hold, one after the other.
    fn lay(&mut self, verdict: Verdict, list: &str, answers: &'a [AnswerSource], holds: &dyn Fn(&AnswerSource) -> bool) {
        let own = answers.iter().enumerate().filter(|(_, answer)| answer.verdicts.contains(&verdict) && holds(answer));
        own.for_each(|(index, answer)| self.over(&format!("{list}[{index}]"), answer));
    }

    fn over(&mut self, key: &str, answer: &'a AnswerSource) {
        let at = |field: &str| format!("{key}.{field}");
        self.status = answer.status.or(self.status);
        self.code = answer.code.as_deref().or(self.code);
        if let Some(message) = &answer.message {
            self.message = Some((at("message"), message));
        }
        if let Some(content_type) = &answer.content_type {
            self.content_type = Some((at("content_type"), content_type));
        }
        if let Some(headers) = &answer.headers {
            self.headers = Some((at("headers"), headers));
        }
        if let Some(body) = &answer.body {
            self.body = Some((at("body"), body));
        }
    }
}

struct Compiler<'a> {
    vocabulary: &'a Vocabulary,
    source: &'a StyleSource,
    builtin: &'a StyleSource,
    faults: Vec<StyleFault>,
}

impl<'a> Compiler<'a> {
    fn fault(&mut self, key: &str, message: impl Into<String>) {
        self.faults.push(StyleFault { key: key.into(), message: message.into() });
    }

    /// What can be said of each answer as it stands.
    fn check_answers(&mut self, list: &str, answers: &[AnswerSource]) {
        for (index, answer) in answers.iter().enumerate() {
            let key = format!("{list}[{index}]");
            if answer.status.is_some_and(|status| !(400..600).contains(&status)) {
                self.fault(&format!("{key}.status"), "a refusal is told with a status from 400 to 599");
            }
            if answer.verdicts.contains(&Verdict::Ok) {
                self.fault(&format!("{key}.verdicts"), "'ok' is no refusal; the headers of a pass stand in style.headers");
            }
            if answer.statuses.is_some() && answer.verdicts != [Verdict::BadRequest] {
                self.fault(&format!("{key}.statuses"), "only bad_request has several: name it alone");
            }
            for name in answer.limits.iter().flatten() {
                if self.vocabulary.limit(name).is_none() {
                    self.fault(&format!("{key}.limits"), format!("no plan has a limit '{name}'"));
                } else if !answer.verdicts.iter().any(|verdict| verdict.by_limit() && self.vocabulary.ends_in(name, *verdict)) {
                    let verdict = if self.vocabulary.ends_in(name, Verdict::QuotaExceeded) { "quota_exceeded" } else { "rate_limited" };
                    self.fault(
                        &format!("{key}.limits"),
                        format!("running out of '{name}' ends in {verdict}, which this answer is not for"),
                    );
                }
            }
        }
    }

    fn refusals(&mut self, verdict: Verdict) -> Option<Refusals> {
        let cascade = self.cascade(verdict, None);
        let any = self.finish(verdict, &cascade);
        let mut by_limit = Vec::new();
        for (name, _) in &self.vocabulary.limits {
            let own = |answer: &AnswerSource| {
                answer.verdicts.contains(&verdict)
                    && answer.limits.as_ref().is_some_and(|limits| limits.iter().any(|limit| **limit == **name))
            };
            if self.source.answers.iter().any(own) && self.vocabulary.ends_in(name, verdict) {
                let cascade = self.cascade(verdict, Some(name));
                by_limit.push((name.clone(), self.finish(verdict, &cascade)?));
            }
        }
        Some(Refusals { any: any?, by_limit })
    }

    /// What a verdict is told as on the way in: in each way, and with each status, that an answer names.
    fn of_sign_in(&mut self, verdict: Verdict) -> Option<Vec<OfSignIn>> {
        let (builtin, source) = (self.builtin, self.source);
        let answers = || builtin.sign_in.iter().chain(&source.sign_in).filter(|answer| answer.verdicts.contains(&verdict));
        let ways =
            By::ALL.into_iter().map(|(_, by)| by).filter(|by| answers().flat_map(|answer| answer.by.iter().flatten()).any(|own| own == by));
        let ways: Vec<_> = std::iter::once(None).chain(ways.map(Some)).collect();
        let mut statuses: Vec<_> = answers().flat_map(|answer| answer.statuses.iter().flatten()).copied().map(Some).chain([None]).collect();
        statuses.sort_unstable();
        statuses.dedup();
        let mut all = Vec::new();
        for (by, status) in ways.into_iter().flat_map(|by| statuses.iter().map(move |status| (by, *status))) {
            let cascade = self.cascade_of_sign_in(verdict, by, status);
            all.push(OfSignIn { by, status, refusal: self.finish(verdict, &cascade)? });
        }
        Some(all)
    }

    /// Whoever writes a verdict's answer says how it reads on the way in too: only what is built in gives way to the sign-in's words.
    fn cascade_of_sign_in(&self, verdict: Verdict, by: Option<By>, status: Option<u16>) -> Cascade<'a> {
        let holds = |answer: &AnswerSource| {
            answer.by.as_ref().is_none_or(|ways| by.is_some_and(|by| ways.contains(&by)))
                && answer.statuses.as_ref().is_none_or(|statuses| status.is_some_and(|status| statuses.contains(&status)))
        };
        let mut cascade = self.begun();
        cascade.lay(verdict, "answers", &self.builtin.answers, &|answer| answer.limits.is_none());
        cascade.lay(verdict, "sign_in", &self.builtin.sign_in, &holds);
        cascade.lay(verdict, "answers", &self.source.answers, &|answer| answer.limits.is_none());
        cascade.lay(verdict, "sign_in", &self.source.sign_in, &|answer| answer.statuses.is_none() && holds(answer));
        // Who says what wrong fields are told with speaks of no other status.
        cascade.status = status.or(cascade.status);
        cascade.lay(verdict, "sign_in", &self.source.sign_in, &|answer| answer.statuses.is_some() && holds(answer));
        cascade
    }

    fn cascade(&self, verdict: Verdict, limit: Option<&str>) -> Cascade<'a> {
        let holds = |answer: &AnswerSource| {
            answer.limits.as_ref().is_none_or(|limits| limit.is_some_and(|limit| limits.iter().any(|known| known == limit)))
        };
        let mut cascade = self.begun();
        cascade.lay(verdict, "answers", &self.builtin.answers, &holds);
        cascade.lay(verdict, "answers", &self.source.answers, &holds);
        cascade
    }

    /// What holds where no answer says anything.
    fn begun(&self) -> Cascade<'a> {
        Cascade {
            content_type: Some(("content_type".into(), &self.source.content_type)),
            body: Some(("body".into(), &self.source.body)),
            ..Cascade::default()
        }
    }

    fn finish(&mut self, verdict: Verdict, cascade: &Cascade<'_>) -> Option<Refusal> {
        let (message_key, message) = cascade.message.clone().unwrap_or_default();
        let message = self.template(&message_key, message, Some(verdict))?;
        if message.fields().any(|field| *field == Field::Message) {
            self.fault(&message_key, "a message cannot hold {message}");
        }
        let (type_key, content_type) = cascade.content_type.clone()?;
        let (headers_key, headers) = cascade.headers.clone().unwrap_or_default();
        let headers = self.headers(&headers_key, headers, Some(verdict));
        let (body_key, body) = cascade.body.clone()?;
        let body = self.body(&body_key, body, content_type, verdict)?;
        let Ok(content_type) = HeaderValue::from_str(content_type) else {
            self.fault(&type_key, format!("'{content_type}' is no media type"));
            return None;
        };
        let status = cascade.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Some(Refusal { status, code: cascade.code.unwrap_or(verdict.name()).into(), message, content_type, headers, body })
    }

    fn body(&mut self, key: &str, text: &str, content_type: &str, verdict: Verdict) -> Option<RefusalBody> {
        if !content_type.to_ascii_lowercase().contains("json") {
            return self.template(key, text, Some(verdict)).map(RefusalBody::Text);
        }
        match JsonTemplate::parse(text, self.vocabulary) {
            Ok(template) => {
                self.check_filled(key, template.fields(), Some(verdict));
                Some(RefusalBody::Json(template))
            }
            Err(faults) => {
                faults.into_iter().for_each(|fault| self.fault(key, fault));
                None
            }
        }
    }

    fn headers(&mut self, key: &str, headers: &[HeaderSource], verdict: Option<Verdict>) -> Vec<StyleHeader> {
        let compiled = headers.iter().enumerate().map(|(index, header)| {
            let key = format!("{key}[{index}]");
            let value = self.template(&format!("{key}.value"), &header.value, verdict.filter(|_| !header.each_limit))?;
            if HeaderValue::from_str(&header.value).is_err() {
                self.fault(&format!("{key}.value"), "no header can carry this text");
            }
            match header.name.to_ascii_lowercase().parse::<HeaderName>() {
                Ok(name) if !NOT_THE_STYLES.contains(&name.as_str()) => {
                    Some(StyleHeader { name, written: header.name.clone(), value, each_limit: header.each_limit })
                }
                Ok(name) => {
                    self.fault(&format!("{key}.name"), format!("'{name}' is not the style's to set"));
                    None
                }
                Err(_) => {
                    self.fault(&format!("{key}.name"), format!("'{}' is no header name", header.name));
                    None
                }
            }
        });
        compiled.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn template(&mut self, key: &str, text: &str, verdict: Option<Verdict>) -> Option<Template> {
        match Template::parse(text, self.vocabulary) {
            Ok(template) => {
                self.check_filled(key, template.fields(), verdict);
                Some(template)
            }
            Err(faults) => {
                faults.into_iter().for_each(|fault| self.fault(key, fault));
                None
            }
        }
    }

    /// A placeholder that the verdict can never fill would be a hole in every such answer.
    fn check_filled<'f>(&mut self, key: &str, fields: impl Iterator<Item = &'f Field>, verdict: Option<Verdict>) {
        let Some(verdict) = verdict.filter(|verdict| *verdict != Verdict::Ok) else { return };
        for field in fields.filter(|field| !field.can_be_filled(verdict)) {
            self.fault(key, format!("{{{}}} never has a value on the verdict {verdict}", field.name()));
        }
    }
}
