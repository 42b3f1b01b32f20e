//! When windows turn, whose requests count together, and what counts.

use super::markdown::{Markdown, code, plain};
use super::words::Words;
use super::{Context, fill};
use crate::config::upstream::Refund;
use crate::domain::limit::{Count, Limit, Per, Shape, Unit};

/// The part of the section.
pub fn write(context: &Context<'_>, text: &mut Markdown) {
    let words = context.words;
    let limits = apart(context);
    if limits.is_empty() {
        return;
    }
    text.list(&limits.iter().map(|limit| turns(context, limit)).collect::<Vec<_>>());
    text.paragraph(&[whose(words, &limits)]);
    let routes = context.policy.routes.all();
    let costs = if routes.iter().any(|route| route.cost != 1) { words.counts_cost } else { "" };
    let last = if limits.len() > 1 { words.counts_last } else { "" };
    text.paragraph(&[words.counts.into(), costs.into(), failed(context).into(), last.into()]);
}

/// `1,000 a day`.
pub fn amount(words: &Words, limit: &Limit) -> String {
    let number = words.number(limit.requests);
    let count = if limit.unit == Unit::Tokens { fill(words.tokens_of, &[("n", &number)]) } else { number };
    let sentence = match limit.per {
        Per::Second => words.per_second,
        Per::Minute => words.per_minute,
        Per::Hour => words.per_hour,
        Per::Day => words.per_day,
        Per::Month => words.per_month,
        Per::Length(_) => words.per_length,
    };
    fill(sentence, &[("n", &count), ("length", &words.length(limit.per.span()))])
}

/// Limits that can refuse, each once, however many plans have it.
fn apart<'p>(context: &Context<'p>) -> Vec<&'p Limit> {
    let all = context.policy.plans.all().iter().flat_map(|plan| &plan.limits).filter(|limit| !limit.observe);
    all.fold(Vec::new(), |mut known: Vec<&Limit>, limit| {
        if !known.iter().any(|other| other.slot == limit.slot && other.count == limit.count) {
            known.push(limit);
        }
        known
    })
}

fn turns(context: &Context<'_>, limit: &Limit) -> String {
    let words = context.words;
    let sentence = match (limit.shape, limit.per) {
        (Shape::Fixed, Per::Hour) => words.window_fixed_hour,
        (Shape::Fixed, Per::Day) => words.window_fixed_day,
        (Shape::Fixed, Per::Month) => words.window_fixed_month,
        (Shape::Fixed, _) => words.window_fixed,
        (Shape::Sliding, _) => words.window_sliding,
        (Shape::Rolling, _) => words.window_rolling,
    };
    let told = fill(sentence, &[("limit", &code(&limit.name)), ("length", &words.length(limit.per.span()))]);
    let own = |plan: &&std::sync::Arc<crate::domain::plan::Plan>| {
        plan.limits
            .iter()
            .find(|own| own.slot == limit.slot && own.burst() != own.requests)
            .map(|own| format!("{} {}", plain(&plan.title), words.number(own.burst())))
    };
    let bursts: Vec<String> = context.policy.plans.all().iter().filter_map(|plan| own(&plan)).collect();
    if bursts.is_empty() { told } else { format!("{told} {}", fill(words.window_burst, &[("bursts", &bursts.join(", "))])) }
}

/// Whose requests count together.
fn whose(words: &Words, limits: &[&Limit]) -> String {
    let first = limits.first().map_or(Count::Key, |limit| limit.count);
    if limits.iter().all(|limit| limit.count == first) {
        return match first {
            Count::Key => words.plans_counts_key,
            Count::Account => words.plans_counts_account,
            Count::Address => words.plans_counts_address,
        }
        .into();
    }
    let one = |limit: &&Limit| {
        let sentence = match limit.count {
            Count::Key => words.plans_count_of_key,
            Count::Account => words.plans_count_of_account,
            Count::Address => words.plans_count_of_address,
        };
        fill(sentence, &[("limit", &code(&limit.name))])
    };
    limits.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// What a request costs where the service behind the gate fails.
fn failed(context: &Context<'_>) -> &'static str {
    let (upstream, words) = (&context.policy.upstream, context.words);
    if upstream.target.is_none() {
        return "";
    }
    match upstream.refund {
        Refund::Never => words.counts_failed_never,
        Refund::Unreached => words.counts_failed_unreached,
        Refund::Failed => words.counts_failed_failed,
        Refund::Errors => words.counts_failed_errors,
    }
}
