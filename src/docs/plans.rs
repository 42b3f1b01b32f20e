//! Plans and limits: what each plan lets through, what a developer may choose, the balance, and the routes.

use super::markdown::{Markdown, code, plain};
use super::{Context, errors, fill, routes, windows};
use crate::domain::plan::Plan;
use crate::domain::verdict::Verdict;

/// The section.
pub fn write(context: &Context<'_>) -> Markdown {
    let (policy, words) = (context.policy, context.words);
    let mut text = Markdown::default();
    table(context, &mut text);
    let default = fill(words.plans_default, &[("plan", &plain(&policy.plans.default().title))]);
    let anonymous = policy.anonymous.as_ref().map(|caller| fill(words.plans_anonymous, &[("plan", &plain(&caller.plan.title))]));
    let has_several = policy.plans.all().len() > 1;
    text.paragraph(&[if has_several { default } else { String::new() }, anonymous.unwrap_or_default()]);
    windows::write(context, &mut text);
    text.paragraph(&[fill(words.plans_own, &[("call", &context.get("/v1/me"))])]);
    ranges(context, &mut text);
    balance(context, &mut text);
    routes::write(context, &mut text);
    text
}

/// What differs between plans has a column.
fn table(context: &Context<'_>, text: &mut Markdown) {
    let (plans, words) = (context.policy.plans.all(), context.words);
    let tells_api = context.api_plans().is_some();
    let tells_tokens = plans.iter().any(|plan| plan.monthly_tokens > 0);
    let row = |plan: &Plan| {
        let api = tells_api.then(|| if plan.api { words.yes } else { words.no }.to_owned());
        let tokens = tells_tokens.then(|| words.number(plan.monthly_tokens.unsigned_abs()));
        [Some(plain(&plan.title)), api, Some(limits(context, plan)), tokens].into_iter().flatten().collect::<Vec<_>>()
    };
    let api_title = tells_api.then_some(words.plans_calls);
    let tokens_title = tells_tokens.then_some(words.plans_tokens);
    let titles: Vec<&str> = [Some(words.plans_plan), api_title, Some(words.plans_limits), tokens_title].into_iter().flatten().collect();
    text.table(&titles, &plans.iter().map(|plan| row(plan)).collect::<Vec<_>>());
}

fn limits(context: &Context<'_>, plan: &Plan) -> String {
    let words = context.words;
    let all: Vec<String> = plan.limits.iter().filter(|limit| !limit.observe).map(|limit| windows::amount(words, limit)).collect();
    if all.is_empty() { words.plans_unlimited.into() } else { all.join(", ") }
}

/// What a developer may choose.
fn ranges(context: &Context<'_>, text: &mut Markdown) {
    let (policy, words) = (context.policy, context.words);
    if policy.keys.ranges.is_empty() || !policy.sign_in.enabled {
        return;
    }
    text.heading(words.ranges);
    text.paragraph(&[words.ranges_lead.into()]);
    let default = |default: Option<u64>| default.map_or_else(|| words.ranges_plan.to_owned(), |default| words.number(default));
    let rows: Vec<Vec<String>> = policy
        .keys
        .ranges
        .iter()
        .map(|range| vec![plain(&range.name), words.number(range.minimum), words.number(range.maximum), default(range.default)])
        .collect();
    text.table(&[words.ranges_limit, words.ranges_least, words.ranges_most, words.ranges_default], &rows);
}

/// What is paid for in tokens.
fn balance(context: &Context<'_>, text: &mut Markdown) {
    let (policy, words) = (context.policy, context.words);
    let callable: Vec<_> = policy.plans.all().iter().filter(|plan| plan.api).collect();
    let needing: Vec<String> = callable.iter().filter(|plan| plan.needs_balance).map(|plan| plain(&plan.title)).collect();
    let by_route = policy.routes.all().iter().any(|route| route.tokens > 0);
    if needing.is_empty() && !by_route {
        return;
    }
    text.heading(words.balance);
    let status = errors::status(context, Verdict::NoBalance);
    let needed = match needing.len() {
        0 => String::new(),
        count if count == callable.len() => fill(words.balance_needed, &[("status", &status)]),
        _ => fill(words.balance_needed_some, &[("plans", &words.all_of(&needing)), ("status", &status)]),
    };
    let routes = if by_route { fill(words.balance_route, &[("status", &status)]) } else { String::new() };
    let monthly = if policy.plans.all().iter().any(|plan| plan.monthly_tokens > 0) { words.balance_monthly } else { "" };
    let own = if policy.sign_in.enabled { code(&format!("GET {}", context.of_sign_in("/balance"))) } else { context.get("/v1/me") };
    text.paragraph(&[needed, routes, monthly.into(), fill(words.balance_show, &[("call", &own)])]);
}
