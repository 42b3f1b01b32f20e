//! The order of verdicts: a request that several fit gets the earliest.

use serde_json::{Value, json};

use super::{AWAY, FREE, HOME, HOME_RANGE};
use crate::support::server::text;
use crate::support::{Request, Stage, eventually};

const ORDER: &str = r#"
[server]
require_https = true

[keys]
carriers = ["bearer", "header:api-key"]
environments = [
  { name = "live", prefix = "tg_live_", length = 48 },
  { name = "demo", prefix = "tg_demo_", length = 48, reserved = true },
]

[[plans]]
name = "free"
default = true
needs_balance = true
limits = [{ name = "decade", requests = 1, per = "3650d", shape = "fixed", count = "account" }]

[[plans]]
name = "partner"
needs_balance = true
limits = [{ name = "decade", requests = 1, per = "3650d", shape = "fixed", count = "account" }]

[[routes]]
path = "/partner/**"
plans = ["partner"]
scopes = ["partner:read"]
"#;

/// A request that several verdicts fit; what is empty is not sent.
struct Case<'a> {
    verdict: &'static str,
    is_https: bool,
    target: &'a str,
    from: &'a str,
    authorization: &'a str,
    api_key: &'a str,
}

impl<'a> Case<'a> {
    fn new(verdict: &'static str, target: &'a str, from: &'a str, authorization: &'a str) -> Self {
        Self { verdict, is_https: true, target, from, authorization, api_key: "" }
    }

    /// Over plain HTTP.
    fn insecure(target: &'a str, from: &'a str, authorization: &'a str) -> Self {
        Self { is_https: false, ..Self::new("insecure", target, from, authorization) }
    }

    /// With another credential beside the first.
    fn and(self, api_key: &'a str) -> Self {
        Self { api_key, ..self }
    }

    /// As the gate gets it from a proxy in front.
    fn at_the_gate(&self) -> Request {
        self.told(Request::get(self.target))
    }

    /// As a proxy asks about it.
    fn at_check(&self) -> Request {
        self.told(Request::get("/auth/v1/check").header("X-Forwarded-Method", "GET").header("X-Forwarded-Uri", self.target))
    }

    fn told(&self, request: Request) -> Request {
        let proto = if self.is_https { "https" } else { "http" };
        let request = request.header("X-Forwarded-Proto", proto).header("X-Forwarded-For", self.from);
        let credentials = [("Authorization", self.authorization), ("api-key", self.api_key)];
        let sent = credentials.iter().filter(|(_, value)| !value.is_empty());
        sent.fold(request, |request, (name, value)| request.header(name, value))
    }
}

#[test]
fn of_several_verdicts_that_fit_the_earlier_one_is_told() {
    let stage = Stage::with(ORDER);
    let account = stage.account(json!({ "plan": "free", "balance": 10 }));
    // Each key has every fault of those after it.
    let made = |settings: Value| stage.key(&account, settings);
    let revoked = made(json!({ "ips": [HOME_RANGE], "scopes": ["other"], "disabled": true, "expires": "1s" }));
    let expired = made(json!({ "ips": [HOME_RANGE], "scopes": ["other"], "disabled": true, "expires": "1s" }));
    let disabled = made(json!({ "ips": [HOME_RANGE], "scopes": ["other"], "disabled": true }));
    let plain = made(json!({ "ips": [HOME_RANGE], "scopes": ["other"] }));
    let partner = made(json!({ "ips": [HOME_RANGE], "scopes": ["other"], "plan": "partner" }));
    let scoped = made(json!({ "ips": [HOME_RANGE], "scopes": ["partner:read"], "plan": "partner" }));
    stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
    let bearer = |key: &Value| format!("Bearer {}", text(&key["key"]));
    let [of_revoked, of_expired, of_disabled, of_plain, of_partner, of_scoped] =
        [&revoked, &expired, &disabled, &plain, &partner, &scoped].map(bearer);
    let faultless = Case::new("ok", "/partner/x", HOME, &of_scoped);
    assert_eq!(stage.verdict(&faultless.at_the_gate()), "ok", "and with it the window has run out");
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": 0 })).expect(200);
    let is_over = || (stage.verify(&json!({ "key": expired["key"], "dry_run": true }))["verdict"] == "expired").then_some(());
    eventually("the keys expire", is_over);

    let in_query = format!("/partner/x?x={}", text(&plain["key"]));
    let twice_wrong = format!("/partner//x?x={}", text(&plain["key"]));
    let long_and_reserved = format!("Bearer tg_demo_{}", "x".repeat(600));
    let cases = [
        Case::insecure("/partner/x", HOME, ""),
        Case::insecure("/partner/x", HOME, &of_scoped),
        Case::insecure(&twice_wrong, HOME, "Bearer a b"),
        Case::new("ambiguous", &twice_wrong, HOME, "Bearer a b"),
        Case::new("ambiguous", &in_query, "nobody", &of_revoked),
        Case::new("ambiguous", "/partner//x", HOME, ""),
        Case::new("misplaced", &in_query, AWAY, ""),
        Case::new("misplaced", &in_query, AWAY, "Bearer a b"),
        Case::new("misplaced", &in_query, AWAY, "Bearer tg_demo_x"),
        Case::new("misplaced", &in_query, AWAY, "Bearer nonsense"),
        Case::new("misplaced", &in_query, AWAY, &of_revoked),
        Case::new("misplaced", &in_query, HOME, &of_scoped),
        Case::new("missing", "/partner/x", AWAY, ""),
        Case::new("malformed", "/partner/x", AWAY, &long_and_reserved),
        Case::new("malformed", "/partner/x", AWAY, "Bearer tg_demo_x").and("nonsense"),
        Case::new("malformed", "/partner/x", AWAY, &of_revoked).and("tg_demo_x"),
        Case::new("reserved", "/partner/x", AWAY, "Bearer tg_demo_of_no_known_shape"),
        Case::new("unknown", "/partner/x", AWAY, "Bearer tg_live_of_no_known_shape"),
        Case::new("revoked", "/partner/x", AWAY, &of_revoked),
        Case::new("expired", "/partner/x", AWAY, &of_expired),
        Case::new("disabled", "/partner/x", AWAY, &of_disabled),
        Case::new("wrong_ip", "/partner/x", AWAY, &of_plain),
        Case::new("wrong_plan", "/partner/x", HOME, &of_plain),
        Case::new("wrong_scope", "/partner/x", HOME, &of_partner),
        Case::new("no_balance", "/partner/x", HOME, &of_scoped),
    ];
    let told = |case: &Case<'_>| {
        for (way, request) in [("gate", case.at_the_gate()), ("check", case.at_check())] {
            assert_eq!(stage.verdict(&request), case.verdict, "{way}: {request:?}");
        }
    };
    cases.iter().for_each(told);
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": 5 })).expect(200);
    told(&Case::new("quota_exceeded", "/partner/x", HOME, &of_scoped));
}

#[test]
fn plain_http_is_told_before_a_forwarded_header_that_can_be_read_in_two_ways() {
    let stage = Stage::with(&format!("[server]\nrequire_https = true\n{FREE}"));
    let key = stage.raw_key("free");
    let over_http = |target: &str| Request::get(target).bearer(&key).header("X-Forwarded-Proto", "http");
    for (why, request) in [
        ("no address", over_http("/x").header("X-Forwarded-For", "nobody")),
        ("two addresses", over_http("/x").header("X-Forwarded-For", HOME).header("X-Forwarded-For", AWAY)),
        ("two hosts", over_http("/x").header("X-Forwarded-Host", "a").header("X-Forwarded-Host", "b")),
        ("nobody says https", Request::get("/x").bearer(&key).header("X-Forwarded-For", "nobody")),
        ("no path", over_http("/auth/v1/check")),
        ("two paths", over_http("/auth/v1/check").header("X-Forwarded-Uri", "/x").header("X-Forwarded-Uri", "/y")),
    ] {
        assert_eq!(stage.verdict(&request), "insecure", "{why}");
    }
}

#[test]
fn an_account_that_is_off_makes_its_keys_disabled_but_revoked_and_expired_come_first() {
    let stage = Stage::with(FREE);
    let account = stage.account(json!({}));
    let [plain, revoked, expiring] = [json!({}), json!({}), json!({ "expires": "1s" })].map(|settings| stage.key(&account, settings));
    stage.delete(&format!("/keys/{}", text(&revoked["id"]))).expect(204);
    stage.patch(&format!("/accounts/{account}"), &json!({ "disabled": true })).expect(200);
    let verdict = |key: &Value| stage.verify(&json!({ "key": key["key"] }))["verdict"].clone();
    assert_eq!(verdict(&plain), "disabled");
    assert_eq!(verdict(&revoked), "revoked");
    eventually("the key expires", || (verdict(&expiring) == "expired").then_some(()));
    stage.patch(&format!("/accounts/{account}"), &json!({ "disabled": false })).expect(200);
    assert_eq!(verdict(&plain), "ok");
}
