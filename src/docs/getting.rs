//! Getting a key: in the dashboard, and by API.

use serde_json::json;

use super::markdown::{Markdown, code, plain, target};
use super::{Context, fill, sample};

/// The section.
pub fn write(context: &Context<'_>) -> Markdown {
    let (policy, words) = (context.policy, context.words);
    let mut text = Markdown::default();
    if policy.sign_in.enabled {
        text.steps(&steps(context));
        text.paragraph(&[words.getting_expiry.into()]);
    } else {
        text.paragraph(&[words.getting_operator.into()]);
    }
    text.paragraph(&[which_plans(context)]);
    if !policy.sign_in.enabled {
        return text;
    }
    let reviewed: Vec<String> = policy.plans.all().iter().filter(|plan| plan.review).map(|plan| plain(&plan.title)).collect();
    if !reviewed.is_empty() {
        text.paragraph(&[fill(words.getting_review, &[("plans", &words.all_of(&reviewed))])]);
    }
    text.paragraph(&[words.getting_by_api.into()]);
    text.code("sh", &requests(context));
    text.paragraph(&[words.getting_answer.into()]);
    text.code("json", &answer(context));
    text
}

fn steps(context: &Context<'_>) -> Vec<String> {
    let (policy, words) = (context.policy, context.words);
    let sign_in = &policy.sign_in;
    let mut steps =
        vec![fill(if sign_in.registration { words.getting_register } else { words.getting_sign_in }, &[("url", &context.page("/"))])];
    if let Some(agreement) = &sign_in.agreement {
        let sentence = if agreement.url.is_empty() { words.getting_agreement_unlinked } else { words.getting_agreement };
        steps.push(fill(sentence, &[("url", &target(&agreement.url)), ("version", &plain(&agreement.version))]));
    }
    if sign_in.organizations > 0 {
        steps.push(words.getting_organization.into());
    }
    steps.push(fill(words.getting_make, &[("name", &code(sample::KEY_NAME))]));
    let ranges: Vec<String> = policy
        .keys
        .ranges
        .iter()
        .map(|range| {
            let (least, most) = (words.number(range.minimum), words.number(range.maximum));
            fill(words.range, &[("limit", &code(&range.name)), ("least", &least), ("most", &most)])
        })
        .collect();
    if !ranges.is_empty() {
        steps.push(fill(words.getting_choose, &[("ranges", &words.all_of(&ranges))]));
    }
    steps.push(words.getting_copy.into());
    steps
}

/// Which plans' keys may call, where not all may.
fn which_plans(context: &Context<'_>) -> String {
    let words = context.words;
    match context.api_plans().as_deref() {
        None => String::new(),
        Some([one]) => fill(words.getting_plan, &[("plan", one)]),
        Some(some) => fill(words.getting_plans, &[("plans", &words.all_of(some))]),
    }
}

/// The agreement is accepted first, where there is one.
fn requests(context: &Context<'_>) -> String {
    let accept = context.policy.sign_in.agreement.as_ref().map(|agreement| {
        let body = json!({ "version": agreement.version }).to_string().replace('\'', r"'\''");
        request(context, "/v1/agreement", &format!("'{body}'"))
    });
    let body = format!(r#""{{\"account\": \"$ACCOUNT\", \"name\": \"{}\"}}""#, sample::KEY_NAME);
    accept.into_iter().chain([request(context, "/v1/keys", &body)]).collect::<Vec<_>>().join("\n")
}

/// One that sends a body, which is quoted for the shell.
fn request(context: &Context<'_>, path: &str, body: &str) -> String {
    format!(
        "curl \"${{API_URL:-{}}}{}\" \\\n  -H \"Authorization: Bearer $ACCESS_TOKEN\" -H \"Content-Type: application/json\" \\\n  -d {body}",
        context.base(),
        context.own(path),
    )
}

/// What stands in the answer that matters to whoever asked.
fn answer(context: &Context<'_>) -> String {
    let policy = context.policy;
    let environment = policy.keys.environments.default().map(|environment| environment.name.as_str());
    let record = json!({
        "id": sample::KEY,
        "prefix": sample::prefix(policy),
        "name": sample::KEY_NAME,
        "account": sample::ACCOUNT,
        "environment": environment,
        "scopes": policy.keys.default_scopes,
        "expires_at": null,
        "key": sample::raw_key(policy),
    });
    let text = serde_json::to_string_pretty(&record).unwrap_or_default();
    // Of the record; the rest of it is in the reference.
    text.strip_suffix("\n}").map(|begin| format!("{begin},\n  …\n}}")).unwrap_or(text)
}
