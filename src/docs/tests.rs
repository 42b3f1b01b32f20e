//! The page, section by section, with policies that have and lack what it tells of.

use std::time::{Duration, Instant};

use super::{Assets, Page, Place, page};
use crate::config::Policy;

fn policy(config: &str) -> Policy {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("auth.toml");
    std::fs::write(&file, config).expect("it can be written");
    Policy::load(Some(&file)).unwrap_or_else(|faults| panic!("{config}: {faults:?}"))
}

/// What a section says.
fn said(page: &Page, id: &str) -> String {
    page.sections.iter().find(|section| section.id == id).map(|section| section.text.clone()).unwrap_or_default()
}

/// Each row: a configuration, a section, what it holds and what it lacks.
#[track_caller]
fn each_says(rows: &[(&str, &str, &[&str], &[&str])]) {
    for (config, id, holds, lacks) in rows {
        let text = said(&page(&policy(config)), id);
        for word in *holds {
            assert!(text.contains(word), "--- {config}\n{id} lacks '{word}':\n{text}");
        }
        for word in *lacks {
            assert!(!text.contains(word), "--- {config}\n{id} tells of '{word}':\n{text}");
        }
    }
}

const OWN_KEYS: &str = r#"
[keys]
environments = [
  { name = "live", prefix = "a-b.", length = 40, alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789", checksum = false },
  { name = "old", prefix = "old_", length = 64, alphabet = "hex", imported = true },
  { name = "test", prefix = "dry_", length = 48, reserved = true },
]
"#;

#[test]
fn how_a_key_looks() {
    each_says(&[
        (
            "",
            "key",
            &[
                "`tg_live_` or `tg_test_`",
                "48 characters",
                "The 40 after the prefix",
                "The last 6 are a checksum",
                "(tg_live_|tg_test_)[0-9A-Za-z]{40}",
                "first 12 characters",
            ],
            &["reserved", "brought along"],
        ),
        (
            OWN_KEYS,
            "key",
            &[
                "begins with `a-b.` and has 40",
                "`ABCDEFGHJKLMNPQRSTUVWXYZ23456789`",
                "a\\-b\\.[2-9A-HJ-NP-Z]{36}",
                "The last 8 are a checksum",
                "`dry_` are reserved",
                "brought along",
            ],
            &["old_[", "tg_", "dry_x"],
        ),
    ]);
    let text = said(&page(&policy("[keys]\nenvironments = [{ name = \"live\", prefix = \"\", length = 40 }]\n")), "key");
    assert!(text.contains("A key has 40 characters, which are letters and digits.") && !text.contains("begins with"), "{text}");
}

#[test]
fn getting_one() {
    each_says(&[
        (
            "",
            "getting",
            &["Sign up, or sign in", "[dashboard](/auth/)", "organization", "\\\"account\\\"", "tg_live_xxxx"],
            &["greement", "review", "Only keys"],
        ),
        ("[sign_in]\nregistration = false\norganizations = 0\n", "getting", &["1. Sign in to the"], &["Sign up", "organization"]),
        ("[sign_in.agreement]\nversion = \"2\"\n", "getting", &["Accept the agreement, version 2."], &["]()"]),
        ("[sign_in]\nenabled = false\n", "getting", &["given out by the operator"], &["dashboard", "curl"]),
        (
            "[[plans]]\nname = \"a\"\napi = false\ndefault = true\n[[plans]]\nname = \"b\"\nreview = true\ntitle = \"Big\"\n",
            "getting",
            &["Only keys of the plan Big may call", "Big is granted by review"],
            &[],
        ),
    ]);
}

#[test]
fn sending_it() {
    each_says(&[
        (
            "",
            "sending",
            &["Authorization: Bearer tg_live_xxx", "refused with 400", "GET /auth/v1/me"],
            &["header's name", "in one of these ways", "access token", "Plain HTTP is refused"],
        ),
        (
            "[server]\nrequire_https = true\n[sign_in]\nat_gate = true\n",
            "sending",
            &["Plain HTTP is refused with 403", "the access token of a [sign-in]"],
            &[],
        ),
        (
            "[keys]\ncarriers = [\"header:x-key\", \"basic:user\", \"basic:password\", \"scheme:Bot\", \"query:k\"]\n",
            "sending",
            &[
                "1. The header `x-key`: `x-key: tg_",
                "2. The user of HTTP Basic",
                "4. `Authorization` with the scheme `Bot`: `Authorization: Bot tg_",
                "5. The query parameter `k`: `?k=tg_",
                "any other parameter",
            ],
            &["Bearer"],
        ),
    ]);
}

#[test]
fn plans_and_limits() {
    let many = r#"
[upstream]
url = "http://127.0.0.1:3000"
[keys]
anonymous = "open"
limits = [{ name = "minute", minimum = 2, maximum = 50, default = 5 }, { name = "day", maximum = 9000 }]
[[plans]]
name = "open"
title = "Open"
limits = [{ requests = 5, per = "minute", count = "address" }]
[[plans]]
name = "paid"
title = "Paid"
default = true
needs_balance = true
monthly_tokens = 2000
limits = [
  { requests = 50, per = "minute", burst = 7 },
  { requests = 9000, per = "day", count = "account" },
  { requests = 100000, per = "month", unit = "tokens" },
  { requests = 10, per = "10s", shape = "sliding", observe = true },
]
[[routes]]
path = "/v1/pictures/*"
methods = ["POST"]
cost = 3
tokens = 20
limits = ["minute"]
[[routes]]
path = "/v1/status"
open = true
[[routes]]
path = "/v1/admin/**"
scopes = ["admin", "write"]
plans = ["paid"]
"#;
    each_says(&[
        (
            "",
            "plans",
            &["| Free | 60 a minute, 10,000 a month |", "rolling", "1st of each month", "each key by itself"],
            &["Paths", "Balance", "Tokens", "### Limits", "without a key", "Calls"],
        ),
        (
            many,
            "plans",
            &[
                "| Paid | 50 a minute, 9,000 a day, 100,000 tokens a month | 2,000 |",
                "Without a key the plan Open holds.",
                "`minute` counts for each address",
                "`day` is the account's",
                "At once: Paid 7.",
                "what the request cost is given back",
                "| minute | 2 | 50 | 5 |",
                "| day | 1 | 9,000 | as the plan says |",
                "On Paid, the API draws",
                "refused with 402",
                "| `POST /v1/pictures/*` | a key | 3 requests of `minute` and 20 tokens |",
                "| `/v1/status` | no key | nothing |",
                "| `/v1/admin/**` | the plan Paid and the scope `admin` and `write` | 1 request |",
                "Every other path can be called without a key",
                "may use all of them",
            ],
            &["10 every", "sliding", "needs a key, and costs"],
        ),
        ("[[plans]]\nname = \"x\"\n", "plans", &["| x | no limits |"], &["Only requests that pass", "window"]),
    ]);
}

#[test]
fn headers() {
    let style = "[style]\nheaders = [{ name = \"X-Left\", value = \"{limit.remaining}\" }, { name = \"X-Ends\", value = \"{month.reset:http_date}\" }, { name = \"X-Gone\", value = \"{key.expires_at}\" }]\n";
    each_says(&[
        (
            "",
            "headers",
            &[
                "`RateLimit-Policy`",
                "For each limit: its name, how much it lets through and its window, in seconds",
                "`Retry-After`",
                "`X-Request-Id`",
            ],
            &[],
        ),
        (
            style,
            "headers",
            &[
                "| `X-Left` | `59` | The limit that leaves least, or that refused: what is left |",
                "| `X-Ends` | `Fri, 01 May 2026 00:00:00 GMT` | The limit `month`: when it is whole again, as an HTTP date |",
            ],
            &["X-Gone", "RateLimit"],
        ),
    ]);
}

#[test]
fn errors() {
    let apart = r#"
[[plans]]
name = "p"
limits = [{ requests = 5, per = "second" }, { requests = 50, per = "minute" }]
[[style.answers]]
verdicts = ["rate_limited"]
limits = ["minute"]
message = "This minute is full."
headers = []
"#;
    each_says(&[
        (
            "",
            "errors",
            &["401 Unauthorized", "\"verdict\":\"quota_exceeded\"", "The quota of 10000 a month is used up.", "Retry-After: "],
            &["no_balance", "insecure", "wrong_plan", "wrong_scope", "reserved", "upstream", "internal", "not_verified"],
        ),
        (apart, "errors", &["the limit is 5 a second", "This minute is full."], &["quota_exceeded"]),
        (
            "[server]\nrequire_https = true\n[upstream]\nurl = \"http://127.0.0.1:3000\"\nmax_body_bytes = 5000\n",
            "errors",
            &["403: plain HTTP", "502", "504", "500", "413", "over 5,000 bytes"],
            &[],
        ),
        (
            "[style]\ncontent_type = \"text/plain\"\nbody = \"{message}```\"\n",
            "errors",
            &["Content-Type: text/plain", "````http\n", "```\n````"],
            &[],
        ),
    ]);
}

#[test]
fn sign_in() {
    let others = r#"
[sign_in]
access_lifetime = "5m"
session_idle = "7d"
registration = false
country = "DE"
[sign_in.telegram]
bot_token = "123:abc"
[[sign_in.oidc]]
name = "house"
title = "House *account*"
issuer = "https://login.example.com"
client_id = "x"
redirect_uris = ["https://app.example.com/back"]
"#;
    each_says(&[
        (
            "",
            "sign-in",
            &[
                "POST auth/register",
                "below `/auth/v1`",
                "15 minutes",
                "30 days",
                "90 days",
                "HS256",
                "\"expires_in\": 900",
                "the API itself takes keys",
            ],
            &["auth/telegram", "auth/google", "login-phone", "Not set up", "501", "agreement", "EdDSA"],
        ),
        (
            others,
            "sign-in",
            &[
                "POST auth/telegram",
                "POST auth/oidc/house",
                "House \\*account\\*",
                "https://app.example.com/back",
                "Not set up on this server right now: House \\*account\\*",
                "501",
                "+49XXX",
                "5 minutes",
                "7 days",
                "\"expires_in\": 300",
            ],
            &["auth/register", "Telegram Login and"],
        ),
    ]);
    assert_eq!(said(&page(&policy("[sign_in]\nenabled = false\n")), "sign-in"), "");
}

#[test]
fn rotation_and_safety() {
    each_says(&[
        (
            "",
            "safety",
            &[".env", "API_KEY=tg_live_", "KEY_ID/rotate", "refused with 401", "or the dashboard"],
            &["from a browser", "as an unknown key", "limits or an end"],
        ),
        (
            "[cors]\norigins = [\"https://app.example.com\"]\n[docs]\nvariable = \"OURS\"\n",
            "safety",
            &["Pages of `https://app.example.com` may call", "OURS=tg_"],
            &[],
        ),
        ("[sign_in]\nenabled = false\n", "safety", &["GET /auth/v1/me/usage"], &["dashboard", "rotate"]),
    ]);
}

#[test]
fn examples_carry_the_key_as_the_first_carrier_does() {
    for (carriers, curl, javascript, python) in [
        (
            "bearer",
            "-H \"Authorization: Bearer $API_KEY\"",
            "Authorization: `Bearer ${process.env.API_KEY}`",
            "\"Bearer \" + os.environ[\"API_KEY\"]",
        ),
        ("header:x-key", "-H \"x-key: $API_KEY\"", "\"x-key\": process.env.API_KEY", "\"x-key\": os.environ[\"API_KEY\"]"),
        ("basic:user", "-u \"${API_KEY}:\"", "btoa(`${process.env.API_KEY}:`)", "os.environ[\"API_KEY\"] + \":\")"),
        ("basic:password", "-u \":${API_KEY}\"", "btoa(`:${process.env.API_KEY}`)", "(\":\" + os.environ[\"API_KEY\"] + \"\")"),
        ("scheme:Bot", "-H \"Authorization: Bot $API_KEY\"", "Authorization: `Bot ${process.env.API_KEY}`", "\"Bot \" + os.environ"),
        ("query:k", "/auth/v1/me?k=$API_KEY\"", "/auth/v1/me?k=${process.env.API_KEY}`", "/auth/v1/me?k=\" + os.environ"),
    ] {
        let text = said(&page(&policy(&format!("[keys]\ncarriers = [\"{carriers}\", \"header:other\"]\n"))), "examples");
        for code in [curl, javascript, python] {
            assert!(text.contains(code), "{carriers}: {code} in {text}");
        }
        assert!(!text.contains("other"), "{text}");
    }
}

#[test]
fn the_title_and_where_the_api_is() {
    for (config, title, base) in [
        ("", "Authentication", "https://api.example.com}"),
        ("[server]\npublic_url = \"https://gate.example.org\"\n", "gate.example.org authentication", "https://gate.example.org}"),
        (
            "[server]\npublic_url = \"https://gate.example.org\"\n[docs]\nbase_url = \"https://api.example.org/\"\n[sign_in]\nname = \"A\"\n",
            "A authentication",
            "https://api.example.org}",
        ),
        ("[docs]\ntitle = \"Keys\"\n", "Keys", "https://api.example.com}"),
    ] {
        let page = page(&policy(config));
        assert_eq!(page.title, title);
        assert!(said(&page, "examples").contains(base), "{config}");
    }
}

#[test]
fn a_page_is_written_quickly() {
    let policy = policy("");
    let once = || {
        let began = Instant::now();
        let html = page(&policy).html(&Assets::of(&policy), Place::Docs);
        assert!(html.len() > 10_000);
        began.elapsed()
    };
    let mut times: Vec<Duration> = (0..21).map(|_| once()).collect();
    times.sort();
    // Ours is 5 ms; a build for tests takes its time.
    assert!(times[10] < Duration::from_millis(50), "{times:?}");
}
