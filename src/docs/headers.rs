//! The headers that tell of limits, and what stands in them.

use super::markdown::{Markdown, capital, code};
use super::words::Words;
use super::{Context, errors, fill, sample};
use crate::domain::verdict::Verdict;
use crate::style::answer::HeaderFact;

/// The section.
pub fn write(context: &Context<'_>) -> Markdown {
    let (policy, words) = (context.policy, context.words);
    let pass = policy.style.answer(&sample::decision(policy, sample::plan(policy), Verdict::Ok, None), sample::REQUEST);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for fact in policy.style.header_facts() {
        let value = pass.headers.get(fact.name).and_then(|value| value.to_str().ok());
        // What no plan could ever fill is not spoken of.
        if let Some(value) = value {
            rows.push(vec![code(fact.name), code(value), told(words, &fact)]);
        }
    }
    let mut text = Markdown::default();
    let has_some = !rows.is_empty();
    rows.push(vec![code("X-Request-Id"), code(sample::REQUEST), words.headers_request_id.into()]);
    if let Some(value) = errors::retry_after(context) {
        rows.push(vec![code("Retry-After"), code(&value), words.headers_retry_after.into()]);
    }
    if has_some {
        text.paragraph(&[words.headers_lead.into()]);
    }
    text.table(&[words.headers_header, words.headers_example, words.headers_tells], &rows);
    if has_some {
        text.paragraph(&[words.headers_unset.into()]);
    }
    text
}

/// What a header tells, in words.
fn told(words: &Words, fact: &HeaderFact<'_>) -> String {
    let facts: Vec<String> = fact.fields.iter().map(|(name, format)| one(words, name, *format)).collect();
    let limits: Vec<&str> = fact.fields.iter().filter_map(|(name, _)| limit_of(name)).collect();
    let all = words.all_of(&facts);
    let text = match limits.first() {
        _ if fact.each_limit => fill(words.headers_each_limit, &[("facts", &all)]),
        Some(&"limit") => fill(words.of_tightest, &[("facts", &all)]),
        Some(limit) => fill(words.of_limit, &[("limit", &code(limit)), ("facts", &all)]),
        None => all,
    };
    capital(&text)
}

/// The limit that a placeholder is of: `hour` of `hour.reset`.
fn limit_of(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(limit, _)| limit).filter(|limit| !["key", "account"].contains(limit))
}

fn one(words: &Words, name: &str, format: Option<&str>) -> String {
    let format = match format {
        Some("unix_ms") => words.format_unix_ms,
        Some("unix_float") => words.format_unix_float,
        Some("rfc3339" | "rfc3339_ms") => words.format_rfc3339,
        Some("http_date") => words.format_http_date,
        Some("after") => words.format_after,
        Some("after_ms") => words.format_after_ms,
        Some("duration") => words.format_duration,
        _ => words.format_unix,
    };
    let sentence = match (limit_of(name), name.rsplit('.').next().unwrap_or(name)) {
        (Some(_), "requests") => words.fact_requests,
        (Some(_), "remaining") => words.fact_remaining,
        (Some(_), "used") => words.fact_used,
        (Some(_), "burst") => words.fact_burst,
        (Some(_), "name") => words.fact_name,
        (Some(_), "window") => words.fact_window,
        (Some(_), "window_seconds") => words.fact_window_seconds,
        (Some(_), "reset") => words.fact_reset,
        (None, "plan" | "plan_title") => words.fact_plan,
        (None, "balance" | "tokens") => words.fact_balance,
        (None, "cost") => words.fact_cost,
        (None, "verdict" | "code") => words.fact_verdict,
        (None, "retry_after" | "retry_at") => words.fact_retry,
        _ if name.starts_with("key.") => words.fact_key,
        _ if name.starts_with("account.") => words.fact_account,
        _ => words.fact_other,
    };
    fill(sentence, &[("format", format), ("name", &code(name))])
}
