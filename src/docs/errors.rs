//! Every refusal that this configuration can tell, with its exact answer: rendered by the style that tells it.

use http::HeaderMap;

use super::markdown::{Markdown, capital, plain};
use super::words::Words;
use super::{Context, fill, sample};
use crate::domain::error::FieldFault;
use crate::domain::limit::Unit;
use crate::domain::plan::Plan;
use crate::domain::refusal::{By, Refusal};
use crate::domain::time::Span;
use crate::domain::verdict::Verdict;
use crate::style::Answer;

/// A verdict's name in a heading, and what it means.
type WordsOf = fn(&Words, Cause) -> (&'static str, &'static str);

/// How many a heading names; where there are more, it is the status' own words.
const FEW: usize = 3;

/// Why something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cause {
    verdict: Verdict,
    /// What somebody wanted to be let in by.
    by: Option<By>,
}

impl From<Verdict> for Cause {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, by: None }
    }
}

/// What is told in one and the same way.
struct Told {
    causes: Vec<Cause>,
    answer: Answer,
    /// The headers that are this answer's own.
    headers: Vec<(String, String)>,
}

/// The section.
pub fn write(context: &Context<'_>) -> Markdown {
    let (policy, words) = (context.policy, context.words);
    let mut text = Markdown::default();
    let plan = sample::plan(policy);
    let numbers = if policy.plans.all().len() > 1 {
        fill(words.errors_numbers_plan, &[("plan", &plain(&plan.title))])
    } else {
        words.errors_numbers.into()
    };
    text.paragraph(&[fill(words.errors_lead, &[("numbers", &numbers)])]);
    tell(context, &mut text, gate(context), gate_words, Markdown::heading);
    text
}

/// The refusals of sign-in.
pub fn write_sign_in(context: &Context<'_>, text: &mut Markdown) {
    text.heading(context.words.sign_in_errors);
    tell(context, text, sign_in(context), sign_in_words, Markdown::lesser_heading);
    text.paragraph(&[fill(context.words.errors_alike, &[("statuses", &statuses_alike(context))])]);
}

/// The status of a verdict, in a sentence.
pub fn status(context: &Context<'_>, verdict: Verdict) -> String {
    context.policy.style.told_as(verdict).next().map(|(status, _)| status.as_u16().to_string()).unwrap_or_default()
}

/// Whether a revoked key is told as an unknown one.
pub fn revoked_is_unknown(context: &Context<'_>) -> bool {
    let of = |verdict| answer(context, sample::plan(context.policy), verdict, None);
    of(Verdict::Revoked).body == of(Verdict::Unknown).body
}

/// A sample of `Retry-After`, where limits send it.
pub fn retry_after(context: &Context<'_>) -> Option<String> {
    let plan = sample::plan(context.policy);
    let limit = plan.limits.iter().find(|limit| !limit.observe)?;
    let verdict = if limit.is_quota() { Verdict::QuotaExceeded } else { Verdict::RateLimited };
    let answer = answer(context, plan, verdict, Some(&limit.name));
    answer.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn answer(context: &Context<'_>, plan: &Plan, verdict: Verdict, ran_out: Option<&str>) -> Answer {
    context.policy.style.answer(&sample::decision(context.policy, plan, verdict, ran_out), sample::REQUEST)
}

/// What the gate can refuse by.
fn gate(context: &Context<'_>) -> Vec<Told> {
    let policy = context.policy;
    let (plans, routes) = (policy.plans.all(), policy.routes.all());
    let gated = policy.upstream.target.is_some();
    let can = |verdict: Verdict| match verdict {
        Verdict::Insecure => policy.server.require_https,
        Verdict::Reserved => policy.keys.environments.all().iter().any(|environment| environment.reserved),
        Verdict::WrongPlan => plans.iter().any(|plan| !plan.api) || routes.iter().any(|route| !route.plans.is_empty()),
        Verdict::WrongScope => routes.iter().any(|route| !route.scopes.is_empty()),
        Verdict::NoBalance => plans.iter().any(|plan| plan.api && plan.needs_balance) || routes.iter().any(|route| route.tokens > 0),
        Verdict::TooLarge => gated && policy.upstream.max_body_bytes.is_some(),
        Verdict::UpstreamDown | Verdict::UpstreamTimeout | Verdict::Internal => gated,
        Verdict::Ok => false,
        verdict => !verdict.is_of_sign_in(),
    };
    let mut told = Vec::new();
    for verdict in Verdict::ALL.iter().copied().filter(|verdict| can(*verdict)) {
        let plan = plan_of(context, verdict);
        if !verdict.by_limit() {
            add(context, &mut told, verdict.into(), answer(context, plan, verdict, None));
            continue;
        }
        for (plan, limit) in shown_limits(context, verdict) {
            add(context, &mut told, verdict.into(), answer(context, plan, verdict, Some(&limit)));
        }
    }
    told
}

/// The plan that a refusal is shown of: where the plan is the reason, one that is.
fn plan_of<'p>(context: &Context<'p>, verdict: Verdict) -> &'p Plan {
    let plans = context.policy.plans.all();
    let refused = |plan: &&std::sync::Arc<Plan>| {
        !plan.api || context.policy.routes.all().iter().any(|route| !route.plans.is_empty() && !route.plans.contains(&plan.name))
    };
    let reason = plans.iter().find(refused).filter(|_| verdict == Verdict::WrongPlan);
    reason.unwrap_or_else(|| sample::plan(context.policy))
}

/// Which limits a refusal is shown of: one that stands for all, and each that is told in words of its own.
fn shown_limits<'p>(context: &Context<'p>, verdict: Verdict) -> Vec<(&'p Plan, String)> {
    let policy = context.policy;
    let apart: Vec<_> = policy.style.limits_apart(verdict).collect();
    let mut shown: Vec<(&Plan, String)> = Vec::new();
    let mut stands_for_all = false;
    for plan in policy.plans.all().iter().filter(|plan| plan.api) {
        let ends_so = |limit: &&crate::domain::limit::Limit| {
            !limit.observe
                && limit.is_quota() == (verdict == Verdict::QuotaExceeded)
                && (limit.unit == Unit::Requests || draws_tokens(context))
        };
        for limit in plan.limits.iter().filter(ends_so) {
            let is_apart = apart.iter().any(|name| ***name == *limit.name);
            let is_shown = shown.iter().any(|(_, name)| **name == *limit.name);
            if !is_shown && (is_apart || !stands_for_all) {
                stands_for_all |= !is_apart;
                shown.push((plan, limit.name.to_string()));
            }
        }
    }
    shown
}

fn draws_tokens(context: &Context<'_>) -> bool {
    context.policy.routes.all().iter().any(|route| route.tokens > 0)
}

/// What a sign-in can be refused by.
fn sign_in(context: &Context<'_>) -> Vec<Told> {
    let settings = &context.policy.sign_in;
    let offers_more = super::sign_in::not_set_up(context).next().is_some();
    let can = |verdict: Verdict| match verdict {
        Verdict::Missing | Verdict::Unknown | Verdict::Disabled => true,
        Verdict::AgreementNeeded => settings.agreement.is_some(),
        Verdict::NotConfigured => offers_more,
        verdict => verdict.is_of_sign_in(),
    };
    let mut told = Vec::new();
    for verdict in Verdict::ALL.iter().copied().filter(|verdict| can(*verdict)) {
        for by in ways(context, verdict) {
            let why = match verdict {
                Verdict::TooManyTries => Refusal::until(sample::NOW.plus(Span::from_secs(180))),
                Verdict::BadRequest => Refusal::fields(vec![FieldFault { field: "password".into(), message: "must be given".into() }]),
                verdict => Refusal::of(verdict),
            };
            let why = if let Some(by) = by { why.by(by) } else { why };
            add(context, &mut told, Cause { verdict, by }, context.policy.style.tell(&why, sample::REQUEST, sample::NOW));
        }
    }
    told
}

/// What somebody may have wanted to be let in by who is refused so.
fn ways(context: &Context<'_>, verdict: Verdict) -> Vec<Option<By>> {
    let providers = &context.policy.sign_in.providers;
    let offers = providers.offers_widget || providers.oidc.iter().any(|provider| provider.is_offered());
    match verdict {
        Verdict::Unknown => By::ALL.into_iter().map(|(_, by)| by).filter(|by| *by != By::Provider || offers).map(Some).collect(),
        Verdict::Missing => vec![Some(By::Session)],
        Verdict::SecondFactorNeeded | Verdict::NotVerified => vec![Some(By::Password)],
        Verdict::NotConfigured => vec![Some(By::Provider)],
        _ => vec![None],
    }
}

/// The statuses, beside its own, that tell which way a request was wrong.
fn statuses_alike(context: &Context<'_>) -> String {
    let style = &context.policy.style;
    let all = [403, 404, 405, 408, 409, 415].map(|status| style.told_on_the_way_in(Verdict::BadRequest, Some(status)).next());
    let own = style.told_as(Verdict::BadRequest).next().map(|(status, _)| status);
    let mut named: Vec<String> = all
        .into_iter()
        .flatten()
        .map(|(status, _)| status)
        .filter(|status| Some(*status) != own)
        .map(|status| status.as_str().to_owned())
        .collect();
    named.dedup();
    context.words.one_of(&named)
}

/// Adds what is told of a verdict, to what is told alike where there is such.
fn add(context: &Context<'_>, all: &mut Vec<Told>, cause: Cause, answer: Answer) {
    let headers = own_headers(context, &answer.headers);
    let same =
        all.iter_mut().find(|told| told.answer.status == answer.status && told.answer.body == answer.body && told.headers == headers);
    match same {
        Some(told) if told.causes.contains(&cause) => {}
        Some(told) => told.causes.push(cause),
        None => all.push(Told { causes: vec![cause], answer, headers }),
    }
}

/// The headers that not every checked answer has.
fn own_headers(context: &Context<'_>, headers: &HeaderMap) -> Vec<(String, String)> {
    let style = &context.policy.style;
    let own = headers.iter().filter(|(name, _)| !style.pass_headers().any(|of_all| of_all == *name));
    own.map(|(name, value)| {
        let name = if *name == http::header::CONTENT_TYPE { "Content-Type" } else { style.written(name) };
        (name.to_owned(), value.to_str().unwrap_or_default().to_owned())
    })
    .collect()
}

/// Writes them, by status.
fn tell(context: &Context<'_>, text: &mut Markdown, mut all: Vec<Told>, words_of: WordsOf, heading: fn(&mut Markdown, &str)) {
    let words = context.words;
    all.sort_by_key(|told| told.answer.status);
    for told in all {
        let named: Vec<_> = told.causes.iter().map(|cause| words_of(words, *cause)).collect();
        let what = match named.len() {
            0..=FEW => named.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            _ => told.answer.status.canonical_reason().unwrap_or_default().to_lowercase(),
        };
        heading(text, &fill(words.error_title, &[("status", told.answer.status.as_str()), ("what", &what)]));
        let all = told.causes.iter().zip(&named);
        let means: Vec<String> = all.map(|(cause, (_, sentence))| means(context, cause.verdict, sentence, &told.headers)).collect();
        match means.as_slice() {
            [one] => text.paragraph(std::slice::from_ref(one)),
            several => {
                let why =
                    |((what, _), means): (&(&str, &str), &String)| fill(words.error_why, &[("what", &capital(what)), ("means", means)]);
                text.list(&named.iter().zip(several).map(why).collect::<Vec<_>>());
            }
        }
        text.code("http", &written(&told));
    }
}

fn means(context: &Context<'_>, verdict: Verdict, sentence: &str, headers: &[(String, String)]) -> String {
    let (policy, words) = (context.policy, context.words);
    let text = fill(sentence, &[("bytes", &words.number(policy.upstream.max_body_bytes.unwrap_or(0)))]);
    let says_when = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    match verdict {
        Verdict::Unknown if policy.sign_in.enabled && policy.sign_in.at_gate && sentence == words.unknown_means => {
            format!("{text} {}", words.unknown_token)
        }
        verdict if verdict.by_limit() && says_when => format!("{text} {}", words.rate_limited_after),
        _ => text,
    }
}

/// The answer as it goes over the wire, but for the headers that every answer has.
fn written(told: &Told) -> String {
    let reason = told.answer.status.canonical_reason().unwrap_or_default();
    let headers: String = told.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let body = String::from_utf8_lossy(&told.answer.body);
    format!("HTTP/1.1 {} {reason}\n{headers}\n{body}", told.answer.status.as_u16())
}

fn gate_words(words: &Words, cause: Cause) -> (&'static str, &'static str) {
    match cause.verdict {
        Verdict::Insecure => (words.insecure, words.insecure_means),
        Verdict::Ambiguous => (words.ambiguous, words.ambiguous_means),
        Verdict::Misplaced => (words.misplaced, words.misplaced_means),
        Verdict::Missing => (words.missing, words.missing_means),
        Verdict::Malformed => (words.malformed, words.malformed_means),
        Verdict::Reserved => (words.reserved, words.reserved_means),
        Verdict::Unknown => (words.unknown, words.unknown_means),
        Verdict::Revoked => (words.revoked, words.revoked_means),
        Verdict::Expired => (words.expired, words.expired_means),
        Verdict::Disabled => (words.disabled, words.disabled_means),
        Verdict::WrongIp => (words.wrong_ip, words.wrong_ip_means),
        Verdict::WrongPlan => (words.wrong_plan, words.wrong_plan_means),
        Verdict::WrongScope => (words.wrong_scope, words.wrong_scope_means),
        Verdict::NoBalance => (words.no_balance, words.no_balance_means),
        Verdict::QuotaExceeded => (words.quota_exceeded, words.quota_exceeded_means),
        Verdict::RateLimited => (words.rate_limited, words.rate_limited_means),
        Verdict::Unavailable => (words.unavailable, words.unavailable_means),
        Verdict::TooLarge => (words.too_large, words.too_large_means),
        Verdict::UpstreamDown => (words.upstream_down, words.upstream_down_means),
        Verdict::UpstreamTimeout => (words.upstream_timeout, words.upstream_timeout_means),
        _ => (words.internal, words.internal_means),
    }
}

fn sign_in_words(words: &Words, cause: Cause) -> (&'static str, &'static str) {
    match (cause.verdict, cause.by) {
        (Verdict::Missing, _) => (words.no_cookie, words.no_cookie_means),
        (Verdict::Unknown, Some(By::Proof)) => (words.by_proof, words.by_proof_means),
        (Verdict::Unknown, Some(By::Provider)) => (words.by_provider, words.by_provider_means),
        (Verdict::Unknown, Some(By::SecondFactor)) => (words.by_second_factor, words.by_second_factor_means),
        (Verdict::Unknown, Some(By::Session)) => (words.by_session, words.by_session_means),
        (Verdict::Unknown, _) => (words.by_password, words.by_password_means),
        (Verdict::Disabled, _) => (words.user_disabled, words.user_disabled_means),
        (Verdict::NotVerified, _) => (words.not_verified, words.not_verified_means),
        (Verdict::TooManyTries, _) => (words.too_many_tries, words.too_many_tries_means),
        (Verdict::SecondFactorNeeded, _) => (words.second_factor_needed, words.second_factor_needed_means),
        (Verdict::AgreementNeeded, _) => (words.agreement_needed, words.agreement_needed_means),
        (Verdict::BadRequest, _) => (words.bad_request, words.bad_request_means),
        (Verdict::NotConfigured, _) => (words.not_configured, words.not_configured_means),
        _ => gate_words(words, cause),
    }
}
