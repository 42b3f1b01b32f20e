//! Which paths are open, cost more, or need a plan or a scope.

use super::markdown::{Markdown, code, plain};
use super::{Context, fill};
use crate::domain::route::Route;

/// The part of the section; nothing without routes.
pub fn write(context: &Context<'_>, text: &mut Markdown) {
    let (policy, words) = (context.policy, context.words);
    let routes = policy.routes.all();
    if routes.is_empty() {
        return;
    }
    text.heading(words.routes);
    let rows: Vec<Vec<String>> = routes.iter().map(|route| vec![path(route), needs(context, route), costs(context, route)]).collect();
    text.table(&[words.routes_path, words.routes_needs, words.routes_costs], &rows);
    let is_marked = routes.iter().any(|route| route.path.contains('*'));
    let other = if policy.anonymous.is_some() { words.routes_other_anyone } else { words.routes_other };
    text.paragraph(&[other.into(), if is_marked { words.routes_marks.into() } else { String::new() }]);
    if routes.iter().any(|route| !route.scopes.is_empty()) {
        let scopes = &policy.keys.default_scopes;
        let all = scopes.iter().any(|scope| scope == "*");
        let named: Vec<String> = scopes.iter().map(|scope| code(scope)).collect();
        let none = words.none.to_owned();
        let named = if named.is_empty() { none } else { words.all_of(&named) };
        text.paragraph(&[if all { words.scopes_all.into() } else { fill(words.scopes, &[("scopes", &named)]) }]);
    }
}

/// A route's methods and path.
pub fn path(route: &Route) -> String {
    let methods: Vec<&str> = route.methods.iter().map(|method| method.as_str()).collect();
    if methods.is_empty() { code(&route.path) } else { code(&format!("{} {}", methods.join(", "), route.path)) }
}

fn needs(context: &Context<'_>, route: &Route) -> String {
    let (policy, words) = (context.policy, context.words);
    let titled = |name: &String| policy.plans.named(name).map_or_else(|| plain(name), |plan| plain(&plan.title));
    let plans: Vec<String> = route.plans.iter().map(titled).collect();
    let scopes: Vec<String> = route.scopes.iter().map(|scope| code(scope)).collect();
    let mut needs = Vec::new();
    if !plans.is_empty() {
        needs.push(fill(words.routes_plans, &[("plans", &words.one_of(&plans))]));
    }
    if !scopes.is_empty() {
        needs.push(fill(words.routes_scopes, &[("scopes", &words.all_of(&scopes))]));
    }
    match needs.is_empty() {
        false => words.all_of(&needs),
        true if route.open || (policy.anonymous.is_some() && route.tokens == 0) => words.routes_open.into(),
        true => words.routes_key.into(),
    }
}

fn costs(context: &Context<'_>, route: &Route) -> String {
    let words = context.words;
    let requests = match route.cost {
        _ if route.open => words.routes_cost_nothing.into(),
        0 if route.tokens > 0 => String::new(),
        0 => words.routes_cost_nothing.into(),
        1 => words.routes_cost_one.into(),
        many => fill(words.routes_cost, &[("n", &words.number(many))]),
    };
    let limits: Vec<String> = route.limits.iter().flatten().map(|limit| code(limit)).collect();
    let of =
        if limits.is_empty() { String::new() } else { format!(" {}", fill(words.routes_limits, &[("limits", &words.all_of(&limits))])) };
    let tokens = (route.tokens > 0).then(|| fill(words.routes_tokens, &[("n", &words.number(route.tokens))]));
    let parts: Vec<String> = [Some(format!("{requests}{of}")).filter(|part| !part.is_empty()), tokens].into_iter().flatten().collect();
    words.all_of(&parts)
}
