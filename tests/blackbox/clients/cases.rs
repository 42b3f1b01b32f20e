//! What each example must do with each verdict: the same cases, as data, for all of them in both ways.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::gate::{ACCOUNT, Gate};
use super::process::{Ask, Example, Told};
use super::{Client, Way, each};

/// The default style, and two answers that are nothing like it.
pub const CONFIG: &str = r#"
[[plans]]
name = "free"
title = "Free"
default = true
limits = [{ name = "decade", requests = 100000, per = "3650d", shape = "fixed" }]

[[plans]]
name = "slow"
limits = [{ name = "few", requests = 2, per = "50m" }]

[[routes]]
path = "/open/**"
open = true

[[routes]]
path = "/reports/**"
methods = ["POST"]
scopes = ["reports:write"]

[[routes]]
path = "/partner/**"
plans = ["slow"]

[style]
headers = [
  { name = "X-Left", value = "{limit.remaining}" },
  { name = "X-Who", value = "{account.name}" },
  { name = "X-List", value = "a, b;c=\"d\"" },
]

[[style.answers]]
verdicts = ["wrong_scope"]
status = 418
content_type = "text/plain; charset=utf-8"
body = '''
"{message}" – zwei\n %s $HOME `id` \\ '\"'	Tab'''
message = "Nein"

[[style.answers]]
verdicts = ["wrong_plan"]
status = 499
content_type = "text/html"
body = "<p>{message}</p>"
message = ""
"#;

/// The plain text above, as its reader gets it.
pub const PLAIN: &str = "\"Nein\" – zwei\\n %s $HOME `id` \\\\ '\\\"'\tTab";

/// A key for each case that counts or changes one.
pub const KEYS: [(&str, &[&str]); 8] = [
    ("good", &[]),
    ("fresh", &[]),
    ("gone", &[]),
    ("slow", &["--plan", "slow"]),
    ("home", &["--ip", "127.0.0.0/8"]),
    ("away", &["--ip", "203.0.113.0/24"]),
    ("reader", &["--scope", "sets:read"]),
    ("twenty", &["--limit", "decade=20"]),
];

/// One case: what is asked, and what must and must not come back.
struct Case {
    name: &'static str,
    /// Which key is revoked before it.
    revoked: &'static str,
    method: &'static str,
    /// `{key}` stands for the good key.
    path: &'static str,
    /// The name of a key that was made, or any text.
    key: Option<&'static str>,
    /// Headers of the request beside the key's; the script carries none, so it is not asked.
    with: &'static [(&'static str, &'static str)],
    body: &'static str,
    times: usize,
    status: u16,
    /// Headers that are there; `<number>` stands for any.
    headers: &'static [(&'static str, &'static str)],
    /// Texts that the body holds; of a pass, the app's own.
    holds: &'static [&'static str],
    /// Texts that are nowhere in the answer.
    lacks: &'static [&'static str],
}

const CASE: Case = Case {
    name: "",
    revoked: "",
    method: "GET",
    path: "/v1/sets",
    key: None,
    with: &[],
    body: "",
    times: 1,
    status: 200,
    headers: &[],
    holds: &[],
    lacks: &[],
};

const JSON: (&str, &str) = ("content-type", "application/json");
const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");
const INVALID: (&str, &str) = ("www-authenticate", "Bearer error=\"invalid_token\"");

const CASES: &[Case] = &[
    Case {
        name: "a pass is the app's own answer, with the limit's headers",
        key: Some("fresh"),
        headers: &[JSON, ("x-left", "99999"), ("x-who", ACCOUNT), ("x-list", "a, b;c=\"d\"")],
        holds: &["{account}"],
        ..CASE
    },
    Case { name: "each pass is counted", key: Some("fresh"), headers: &[("x-left", "99998")], holds: &["{account}"], ..CASE },
    Case { name: "a query is asked with its path", key: Some("good"), path: "/v1/sets?page=2&q=a%20b", ..CASE },
    Case {
        name: "a missing key",
        status: 401,
        headers: &[PROBLEM, ("www-authenticate", "Bearer")],
        holds: &["\"verdict\":\"missing\"", "An API key is required."],
        lacks: &["account", "x-who"],
        ..CASE
    },
    Case { name: "an unknown key", key: Some("tg_live_nonsense"), status: 401, headers: &[PROBLEM, INVALID], holds: &["unknown"], ..CASE },
    Case { name: "a key before its revocation", key: Some("gone"), holds: &["{account}"], ..CASE },
    Case {
        name: "a key from its revocation on",
        revoked: "gone",
        key: Some("gone"),
        status: 401,
        headers: &[PROBLEM, INVALID],
        holds: &["This API key was revoked."],
        ..CASE
    },
    Case { name: "as many as the limit allows", key: Some("slow"), times: 2, holds: &["{account}"], ..CASE },
    Case {
        name: "one more than the limit allows",
        key: Some("slow"),
        status: 429,
        headers: &[PROBLEM, ("retry-after", "<number>"), ("x-left", "0")],
        holds: &["\"verdict\":\"rate_limited\"", "\"status\":429", "Too many requests: the limit is 2 a 50m."],
        lacks: &["account"],
        ..CASE
    },
    Case { name: "the address is asked, and right", key: Some("home"), holds: &["{account}"], ..CASE },
    Case { name: "the address is asked, and wrong", key: Some("away"), status: 403, headers: &[PROBLEM], holds: &["wrong_ip"], ..CASE },
    Case { name: "the method is asked, and needs no scope", key: Some("reader"), path: "/reports/1", ..CASE },
    Case {
        name: "plain text with a status of its own",
        key: Some("reader"),
        method: "POST",
        path: "/reports/1",
        body: "a body that nobody reads",
        status: 418,
        headers: &[("content-type", "text/plain; charset=utf-8"), ("x-who", ACCOUNT)],
        holds: &[PLAIN],
        lacks: &["verdict"],
        ..CASE
    },
    Case {
        name: "a status that HTTP has no name for",
        key: Some("good"),
        path: "/partner/x",
        status: 499,
        headers: &[("content-type", "text/html"), ("x-list", "a, b;c=\"d\"")],
        holds: &["<p></p>"],
        ..CASE
    },
    Case { name: "a body is no hindrance", key: Some("good"), method: "POST", body: "a=1", holds: &["{account}"], ..CASE },
    Case { name: "HEAD that passes", key: Some("good"), method: "HEAD", headers: &[JSON, ("content-length", "<number>")], ..CASE },
    Case { name: "HEAD that is refused", method: "HEAD", status: 401, headers: &[PROBLEM, ("content-length", "<number>")], ..CASE },
    Case { name: "an open path needs no key", path: "/open/x", holds: &["account", "null"], ..CASE },
    Case {
        name: "lines in a path stay there",
        key: Some("good"),
        path: "/v1/x%0d%0aX-Evil:%20yes",
        status: 400,
        headers: &[PROBLEM],
        holds: &["ambiguous"],
        lacks: &["evil"],
        ..CASE
    },
    Case {
        name: "lines in a query stay there",
        key: Some("good"),
        path: "/v1/x?a=%0d%0aX-Evil:%20yes",
        lacks: &["evil"],
        holds: &["{account}"],
        ..CASE
    },
    Case { name: "JSON in a path is a path", path: "/v1/x\",\"path\":\"/open/x", status: 401, holds: &["missing"], ..CASE },
    Case { name: "a backslash in a path is one", path: "/open/\\x", status: 400, holds: &["ambiguous"], ..CASE },
    Case {
        name: "JSON in a key is a key",
        key: Some("x\",\"path\":\"/open/x"),
        status: 401,
        holds: &["unknown"],
        lacks: &["open"],
        ..CASE
    },
    Case {
        name: "a key in the query is misplaced",
        key: Some("good"),
        path: "/v1/x?api_key={key}",
        status: 400,
        headers: &[PROBLEM],
        holds: &["misplaced"],
        ..CASE
    },
    Case { name: "the case of Bearer", with: &[("Authorization", "bEARER {key}")], holds: &["{account}"], ..CASE },
    Case {
        name: "another scheme",
        with: &[("Authorization", "Basic {key}")],
        status: 401,
        headers: &[("www-authenticate", "Bearer error=\"invalid_request\"")],
        holds: &["malformed"],
        ..CASE
    },
    Case { name: "no key behind the scheme", with: &[("Authorization", "Bearer")], status: 401, holds: &["malformed"], ..CASE },
    Case { name: "two words", with: &[("Authorization", "Bearer {key} {key}")], status: 401, holds: &["malformed"], ..CASE },
    Case {
        name: "two credentials",
        with: &[("Authorization", "Bearer {key}"), ("Authorization", "Bearer other")],
        status: 401,
        holds: &["malformed"],
        ..CASE
    },
];

#[test]
fn every_example_does_with_every_verdict_what_it_should() {
    each(|client, way| {
        let gate = Gate::start(way, CONFIG, &KEYS);
        let example = Example::start(client, &gate.place, &gate.token);
        for case in CASES {
            play(case, client, way, &gate, &example);
        }
        let printed = example.end();
        assert_discreet(&printed, &gate);
        assert!(!printed.contains("no verdict"), "{client:?} {way:?}: tollgate was there all the time: {printed}");
    });
}

/// Neither a key nor the token was printed.
pub fn assert_discreet(printed: &str, gate: &Gate) {
    let secret = gate.keys.values().map(|key| &key.raw).chain([&gate.token]).find(|secret| printed.contains(secret.as_str()));
    assert_eq!(secret, None, "{printed}");
}

fn play(case: &Case, client: Client, way: Way, gate: &Gate, example: &Example) {
    if client == Client::Shell && !case.with.is_empty() {
        return;
    }
    let what = format!("{client:?} over {way:?}: {}", case.name);
    if !case.revoked.is_empty() {
        gate.revoke(case.revoked);
    }
    let filled = |text: &str| text.replace("{key}", &gate.keys["good"].raw);
    let path = filled(case.path);
    let with: Vec<_> = case.with.iter().map(|(name, value)| (*name, filled(value))).collect();
    let with: Vec<_> = with.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let key = case.key.map(|key| gate.keys.get(key).map_or(key, |made| made.raw.as_str()));
    for _ in 0..case.times {
        match example.ask(&Ask { method: case.method, path: &path, key, headers: &with, body: case.body }) {
            Told::Answer(reply) => {
                assert_eq!(reply.status, case.status, "{what}: {reply:?}");
                for (name, value) in case.headers {
                    let told = reply.header(name).unwrap_or_else(|| panic!("{what}: no {name}: {reply:?}"));
                    let fits = if *value == "<number>" { told.parse::<u64>().is_ok() } else { told == *value };
                    assert!(fits, "{what}: {name} is {told}, and not {value}");
                }
                assert_eq!(reply.headers.iter().filter(|(name, _)| name == "content-length").count(), 1, "{what}: {reply:?}");
                check_texts(&what, case, gate, &reply.body, &format!("{reply:?}"));
            }
            Told::Ended(output) => {
                let (body, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                assert_eq!(output.status.code(), Some(if case.status == 200 { 0 } else { 1 }), "{what}: {body}{errors}");
                assert_eq!(errors, "", "{what}");
                if case.status == 200 {
                    assert_eq!(body, "", "{what}: a pass has nothing to tell");
                } else {
                    check_texts(&what, case, gate, &body, &body);
                    assert!(body.ends_with('\n') && !body.ends_with("\n\n"), "{what}: {body}");
                }
                assert_discreet(&errors, gate);
            }
        }
    }
}

fn check_texts(what: &str, case: &Case, gate: &Gate, body: &str, all: &str) {
    for text in case.holds {
        let text = text.replace("{account}", &gate.account);
        assert!(body.contains(&text), "{what}: {text} is not in {body}");
    }
    for text in case.lacks {
        assert!(!all.to_lowercase().contains(text), "{what}: {text} is in {all}");
    }
    assert_discreet(all, gate);
}

#[test]
fn requests_at_the_same_time_pass_as_often_as_the_limit_says() {
    const EACH: usize = 8;
    each(|client, way| {
        let gate = Gate::start(way, CONFIG, &KEYS);
        let example = Example::start(client, &gate.place, &gate.token);
        let (passed, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let told = example.ask(&Ask::get("/v1/sets", &gate.keys["twenty"].raw));
                        let code = match &told {
                            Told::Answer(reply) => i32::from(reply.status),
                            Told::Ended(output) => output.status.code().expect("it ends by itself"),
                        };
                        match code {
                            200 | 0 => passed.fetch_add(1, Ordering::Relaxed),
                            429 | 1 => refused.fetch_add(1, Ordering::Relaxed),
                            _ => panic!("{client:?} over {way:?}: {told:?}"),
                        };
                    }
                });
            }
        });
        assert_eq!((passed.into_inner(), refused.into_inner()), (20, 4 * EACH - 20), "{client:?} over {way:?}");
    });
}
