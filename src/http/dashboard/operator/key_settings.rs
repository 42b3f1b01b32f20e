//! What is set of a key, when it is made and afterwards: plan and limits of its own, scopes, addresses, end.

use std::borrow::Cow;

use askama::Template;
use http::StatusCode;
use serde_json::Value;

use super::accounts::plans;
use super::forms;
use super::keys::{TAB, show_key};
use crate::domain::caller::KeyRecord;
use crate::http::dashboard::form::{Form, Typed, once};
use crate::http::dashboard::given;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::fields::Fields;
use crate::http::handlers;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::http::views;

/// What a form of a key sends as lists.
const LISTS: [&str; 2] = ["scopes", "ips"];

/// What stands in the fields that making a key and changing one have in common.
pub struct Settings<'a> {
    /// What people call it.
    pub name: String,
    /// The name of its own plan; empty where it has the account's.
    pub plan: String,
    /// The plans there are, and the one that it has, be it there or not.
    pub plans: Vec<Cow<'a, str>>,
    /// Each limit there is, and what is set of it.
    pub limits: Vec<(String, String)>,
    /// Its scopes, with blanks between.
    pub scopes: String,
    /// What a new key has where none are named.
    pub usual_scopes: Option<String>,
    /// What routes need.
    pub known_scopes: String,
    /// The ranges of addresses that it may be used from, with blanks between.
    pub ips: String,
    /// When it ends: a length from now, or a time (RFC 3339); empty: never.
    pub expires_at: String,
    /// Whether it is switched off.
    pub is_disabled: bool,
}

impl<'a> Settings<'a> {
    /// As they were typed; of a form that nobody has sent: as for any new key.
    fn typed(call: &'a Call, typed: &Typed) -> Self {
        let text = |name: &str| typed.text(name).to_owned();
        let limits = forms::limit_names(call).into_iter().map(|name| {
            let typed = text(&format!("limits.{name}"));
            (name, typed)
        });
        Self {
            name: text("name"),
            plan: text("plan"),
            plans: plans(call).into_iter().map(Cow::Borrowed).collect(),
            limits: limits.collect(),
            scopes: text("scopes"),
            usual_scopes: Some(call.front.services.policy.keys.default_scopes.join(" ")),
            known_scopes: call.front.services.policy.routes.scopes().into_iter().collect::<Vec<_>>().join(" "),
            ips: text("ips"),
            expires_at: text("expires_at"),
            is_disabled: typed.given("disabled").is_some(),
        }
    }

    /// As they were typed; of a form that nobody has sent: as they are held.
    pub fn held(call: &'a Call, typed: &Typed, key: &KeyRecord) -> Self {
        let mut settings = Self::typed(call, typed);
        let own = key.plan.clone().map(Cow::Owned).filter(|own| !settings.plans.contains(own));
        settings.plans.extend(own);
        settings.usual_scopes = None;
        if typed.given("revision").is_some() {
            return settings;
        }
        for (name, text) in &mut settings.limits {
            *text = key.limits.get(name).map(u64::to_string).unwrap_or_default();
        }
        Self {
            name: key.name.clone(),
            plan: key.plan.clone().unwrap_or_default(),
            scopes: key.scopes.join(" "),
            ips: key.ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            expires_at: key.expires_at.map(|at| at.rfc3339()).unwrap_or_default(),
            is_disabled: key.disabled,
            ..settings
        }
    }
}

#[derive(Template)]
#[template(path = "admin_key_new.html")]
struct NewKeyPage<'a> {
    s: Shell,
    account: String,
    environments: Vec<&'a str>,
    /// The one that is chosen.
    environment: String,
    settings: Settings<'a>,
    typed: Typed,
    once: String,
}

/// `GET PREFIX/admin/keys/new`, of an account where the query names one.
pub async fn new(call: Call) -> Result<Response, Unreadable> {
    let account = given(&call, "account").unwrap_or_default();
    show_new(&call, StatusCode::OK, account, Typed::default(), once())
}

fn show_new(call: &Call, status: StatusCode, account: String, typed: Typed, once: String) -> Result<Response, Unreadable> {
    let environments = &call.front.services.policy.keys.environments;
    let usual = environments.default().map(|environment| environment.name.as_str()).unwrap_or_default();
    let (settings, environment) = (Settings::typed(call, &typed), typed.or("environment", usual).to_owned());
    let environments = environments.all().iter().map(|environment| environment.name.as_str()).collect();
    page(status, &NewKeyPage { s: Shell::of(call, TAB), account, environments, environment, settings, typed, once })
}

/// `POST PREFIX/admin/keys`: makes one, and shows it, once.
pub async fn create(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let body = form.json(&["account", "name", "environment", "plan", "limits", "expires_at"], &LISTS);
    let once = call.once_of("key", form.text("once"), &body)?;
    let (account, input) = handlers::keys::read_new(Fields::new(body)?, None, call.now);
    let made = call.front.services.create_key(&account, input, once, &call.act()?).await;
    match form.judged(&call, forms::named("account", made))? {
        Ok(made) => {
            let (s, place) = (Shell::of(&call, TAB), format!("keys/{}", made.record.id));
            forms::show_once(&call, TAB, s.t("operator.key_made"), made.plain, place, &made.record.name)
        }
        Err((status, typed)) => show_new(&call, status, account, typed, form.text("once").to_owned()),
    }
}

/// `POST PREFIX/admin/keys/{id}`: changes its settings.
pub async fn change(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let held = views::key(&call.front.services.key(&call.id, &call.act()?).await?);
    let mut body = forms::body(&form, &["plan", "expires_at"], &["disabled"]);
    body["name"] = form.text("name").into();
    body["limits"] = forms::limits(&form, forms::limit_names(&call).iter().map(String::as_str));
    let lists = form.json(&[], &LISTS);
    for name in LISTS {
        // An empty field takes what stood there away.
        body[name] = lists.get(name).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    }
    let input = handlers::keys::read(Fields::new(forms::changed(body, &held))?, call.now);
    let done = call.front.services.set_key(&call.id, input, &forms::act_on(&call, &form)?).await;
    match form.judged(&call, done)? {
        Ok(_) => see(&format!("{}admin/keys/{}?done=saved", root(&call), call.id)),
        Err((status, typed)) => show_key(&call, status, typed, Typed::default()).await,
    }
}
