//! Rotation and safety: what to do with keys, and what revoking one means.

use super::markdown::{Markdown, code};
use super::{Context, errors, fill, sample};
use crate::domain::verdict::Verdict;

/// The section.
pub fn write(context: &Context<'_>) -> Markdown {
    let (policy, words) = (context.policy, context.words);
    let mut text = Markdown::default();
    text.paragraph(&[words.safety_server.into(), browsers(context)]);
    text.paragraph(&[words.safety_environment.into()]);
    text.code("sh", &format!("# .env\n{}={}", policy.docs.variable, sample::raw_key(policy)));
    let bounds = if policy.keys.ranges.is_empty() { words.safety_bounds } else { words.safety_bounds_limits };
    let watch = if policy.sign_in.enabled { words.safety_watch } else { words.safety_watch_only };
    let watch = fill(watch, &[("call", &context.get("/v1/me/usage"))]);
    let own = [words.safety_each.to_owned(), bounds.to_owned(), watch.clone()];
    text.list(if policy.sign_in.enabled { &own } else { &own[2..] });
    text.heading(words.rotation);
    text.paragraph(&[words.rotation_when.into()]);
    if policy.sign_in.enabled {
        let make = fill(words.rotation_make, &[("name", &code("production-2"))]);
        text.steps(&[make, words.rotation_deploy.into(), words.rotation_revoke.into()]);
        let rotate = code(&format!("POST {}", context.own("/v1/keys/KEY_ID/rotate")));
        text.paragraph(&[fill(words.rotation_api, &[("post", &rotate)])]);
        text.code("json", "{ \"grace\": \"7d\" }");
    }
    let revoked = if errors::revoked_is_unknown(context) { words.revocation_alike } else { words.revocation };
    text.paragraph(&[fill(revoked, &[("status", &errors::status(context, Verdict::Revoked))])]);
    text
}

/// Which pages may call from a browser, where any may.
fn browsers(context: &Context<'_>) -> String {
    let words = context.words;
    match &context.policy.cors {
        None => String::new(),
        Some(settings) => match &settings.origins {
            None => words.safety_browser_all.into(),
            Some(origins) => {
                let named: Vec<String> = origins.iter().map(|origin| code(origin)).collect();
                fill(words.safety_browser, &[("origins", &words.all_of(&named))])
            }
        },
    }
}
