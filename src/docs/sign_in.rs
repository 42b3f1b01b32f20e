//! Sign-in, for apps whose users have an account here: the paths, what they take and answer, how long it lasts.

use serde_json::{Value, json};

use super::markdown::{Markdown, code, plain};
use super::{Context, errors, fill, sample};
use crate::config::sign_in::Signing;
use crate::domain::limit::Per;
use crate::domain::verdict::Verdict;

/// The section; empty where nobody signs in.
pub fn write(context: &Context<'_>) -> Markdown {
    let mut text = Markdown::default();
    if !context.policy.sign_in.enabled {
        return text;
    }
    lead(context, &mut text);
    paths(context, &mut text);
    text.paragraph(&[context.words.sign_in_answer.into()]);
    text.code("json", &pretty(&signed_in(context)));
    let second = fill(context.words.sign_in_second, &[("status", &errors::status(context, Verdict::SecondFactorNeeded))]);
    text.paragraph(&[context.words.sign_in_new.into(), second]);
    unset(context, &mut text);
    ways(context, &mut text);
    staying(context, &mut text);
    text.heading(context.words.sign_in_me);
    text.code("json", &format!("GET {}\n\n{}", context.of_sign_in("/user/me"), pretty(&profile(context))));
    text.code("json", &format!("GET {}\n\n{}", context.of_sign_in("/balance"), pretty(&balance(context))));
    errors::write_sign_in(context, &mut text);
    text
}

fn lead(context: &Context<'_>, text: &mut Markdown) {
    let (settings, words) = (&context.policy.sign_in, context.words);
    let reference = context.page("/docs/reference");
    let token = if settings.at_gate { words.sign_in_lead_token.into() } else { fill(words.sign_in_lead_no_token, &[("url", &reference)]) };
    text.paragraph(&[words.sign_in_lead.into(), token]);
    text.paragraph(&[fill(words.sign_in_paths, &[("base", &code(&context.of_sign_in("")))])]);
}

/// Whether people have phone numbers here.
fn knows_phones(context: &Context<'_>) -> bool {
    context.policy.sms.is_some() || context.policy.sign_in.country.is_some()
}

/// The paths, what they take, and what they answer.
fn paths(context: &Context<'_>, text: &mut Markdown) {
    let (settings, words) = (&context.policy.sign_in, context.words);
    let phones = knows_phones(context);
    let address = if phones { "`email` or `phone`" } else { "`email`" };
    let proof = if phones { "`token`, or `phone` and `code`" } else { "`token`" };
    let (verify, reset) = (format!("{proof}; the `password` chosen with it"), format!("{proof}; `password`"));
    let mut rows: Vec<(String, String, &str)> = Vec::new();
    let mut add = |path: &str, takes: &str, answers| rows.push((path.to_owned(), takes.to_owned(), answers));
    if settings.registration {
        add("POST auth/register", &format!("{address}, `password`, `name`"), words.accepted);
    }
    add("POST auth/verify", &verify, words.a_sign_in);
    add("POST auth/login", "`email`, `password`", words.a_sign_in);
    if phones {
        add("POST auth/login-phone", "`phone`, `password`", words.a_sign_in);
    }
    if settings.providers.offers_widget {
        add("POST auth/telegram", words.widget_fields, words.a_sign_in);
    }
    for provider in settings.providers.oidc.iter().filter(|provider| provider.is_offered()) {
        add(&format!("POST {}", provider_path(provider)), "`code`, `redirect_uri`", words.a_sign_in);
    }
    add("POST auth/second-factor", "`code`", words.a_sign_in);
    add("POST auth/refresh", words.the_cookie, words.next_tokens);
    add("POST auth/logout", words.the_cookie_everywhere, words.nothing);
    add("POST auth/forgot", address, words.accepted);
    add("POST auth/reset", &reset, words.nothing);
    add("GET auth/sessions", words.none, words.list);
    add("GET user/me", words.none, words.who);
    add("GET balance", words.none, words.tokens_left);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(path, takes, answers)| vec![code(&path), takes, answers.into()]).collect();
    text.table(&[words.sign_in_path, words.sign_in_takes, words.sign_in_answers], &rows);
}

/// Where a provider's path lies.
fn provider_path(provider: &crate::config::providers::Provider) -> String {
    use crate::config::providers::Kind;
    match provider.kind {
        Kind::Google | Kind::Telegram => format!("auth/{}", provider.name),
        Kind::Other => format!("auth/oidc/{}", provider.name),
    }
}

/// The ways that are meant to be there, and lack their secret.
pub fn not_set_up<'p>(context: &Context<'p>) -> impl Iterator<Item = &'p str> {
    let providers = &context.policy.sign_in.providers;
    let widget = (providers.offers_widget && providers.bot.is_none()).then_some("Telegram Login");
    let others = providers.oidc.iter().filter(|provider| provider.is_offered() && !provider.is_configured());
    widget.into_iter().chain(others.map(|provider| provider.title.as_str()))
}

fn unset(context: &Context<'_>, text: &mut Markdown) {
    let words = context.words;
    let ways: Vec<String> = not_set_up(context).map(plain).collect();
    if !ways.is_empty() {
        let status = errors::status(context, Verdict::NotConfigured);
        text.paragraph(&[fill(words.sign_in_not_set_up, &[("ways", &words.all_of(&ways)), ("status", &status)])]);
    }
}

/// Each first factor with a sample.
fn ways(context: &Context<'_>, text: &mut Markdown) {
    let (settings, words) = (&context.policy.sign_in, context.words);
    if settings.providers.offers_widget {
        text.heading(words.sign_in_telegram);
        text.paragraph(&[words.sign_in_telegram_means.into()]);
        let payload = json!({ "id": 123_456_789, "first_name": "Ada", "username": "ada_dev", "auth_date": sample::NOW.millis() / 1000, "hash": "abc123…" });
        text.code("json", &posted(context, "/auth/telegram", &payload));
    }
    text.heading(words.sign_in_password);
    text.code("json", &posted(context, "/auth/login", &json!({ "email": "ada@example.com", "password": "your password" })));
    if knows_phones(context) {
        text.code("json", &posted(context, "/auth/login-phone", &json!({ "phone": number(context), "password": "your password" })));
        text.paragraph(&[phones(context), words.sign_in_either.into()]);
    }
    for provider in settings.providers.oidc.iter().filter(|provider| provider.is_offered()) {
        text.heading(&fill(words.sign_in_oidc, &[("title", &plain(&provider.title))]));
        let path = provider_path(provider);
        let start = code(&format!("GET {}", context.of_sign_in(&format!("/{path}/start"))));
        text.paragraph(&[fill(words.sign_in_oidc_means, &[("start", &start)])]);
        let back = provider.redirect_uris.first().map_or("https://app.example.com/signed-in", String::as_str);
        text.code("json", &posted(context, &format!("/{path}"), &json!({ "code": "4/0AX4XfWh…", "redirect_uri": back })));
    }
}

/// A phone number of here, by its shape.
fn number(context: &Context<'_>) -> String {
    let code = context.policy.sign_in.country.and_then(|country| country.calling_code()).unwrap_or(49);
    format!("+{code}XXXXXXXXXX")
}

fn phones(context: &Context<'_>) -> String {
    let words = context.words;
    let number = code(&number(context));
    match &context.policy.sign_in.country {
        Some(country) => fill(words.sign_in_phone_home, &[("number", &number), ("country", country.letters())]),
        None => fill(words.sign_in_phone, &[("number", &number)]),
    }
}

/// How long it lasts, and how tokens are signed.
fn staying(context: &Context<'_>, text: &mut Markdown) {
    let (settings, words) = (&context.policy.sign_in, context.words);
    text.heading(words.sign_in_refresh);
    let values = [
        ("access", words.length(settings.access_lifetime)),
        ("idle", words.length(settings.session_idle)),
        ("lifetime", words.length(settings.session_lifetime)),
        ("post", code(&format!("POST {}", context.of_sign_in("/auth/refresh")))),
    ];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    text.paragraph(&[fill(words.sign_in_refresh_means, &values)]);
    text.code("json", &pretty(&tokens(context)));
    let signed = match settings.signing {
        Signing::Hs256 => words.sign_in_signed.into(),
        Signing::EdDsa(_) => fill(words.sign_in_keys, &[("call", &context.get("/.well-known/jwks.json"))]),
    };
    text.paragraph(&[signed]);
}

fn posted(context: &Context<'_>, path: &str, body: &Value) -> String {
    format!("POST {}\nContent-Type: application/json\n\n{}", context.of_sign_in(path), pretty(body))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn tokens(context: &Context<'_>) -> Value {
    let expires_in = context.policy.sign_in.access_lifetime.seconds_up();
    let header =
        if matches!(context.policy.sign_in.signing, Signing::Hs256) { "eyJhbGciOiJIUzI1NiJ9…" } else { "eyJhbGciOiJFZERTQSJ9…" };
    json!({ "access_token": header, "token_type": "bearer", "expires_in": expires_in })
}

fn signed_in(context: &Context<'_>) -> Value {
    let mut body = tokens(context);
    let plan = sample::plan(context.policy);
    body["user"] = json!({ "id": 42, "name": "Ada", "plan": plan.name, "token_balance": left(context) });
    body["is_new_user"] = false.into();
    body
}

/// The tokens of the sample's account.
fn left(context: &Context<'_>) -> i64 {
    let plan = sample::plan(context.policy);
    if plan.monthly_tokens > 0 || !plan.needs_balance { plan.monthly_tokens } else { sample::BALANCE }
}

fn profile(context: &Context<'_>) -> Value {
    let plan = sample::plan(context.policy);
    let per = |per: Per| plan.limits.iter().find(|limit| limit.per == per && !limit.observe).map(|limit| limit.requests);
    json!({
        "id": 42,
        "name": "Ada",
        "email": "ada@example.com",
        "phone": null,
        "telegram_username": null,
        "avatar_url": null,
        "account": sample::ACCOUNT,
        "plan": plan.name,
        "plan_expires_at": null,
        "token_balance": left(context),
        "token_limit": plan.monthly_tokens,
        "rate_limit_hourly": per(Per::Hour),
        "rate_limit_daily": per(Per::Day),
        "auth_methods": { "telegram": false, "google": false, "email": true, "phone": false, "oidc": [] },
        "second_factor": false,
    })
}

fn balance(context: &Context<'_>) -> Value {
    json!({ "token_balance": left(context), "plan": sample::plan(context.policy).name, "plan_expires_at": null })
}
