//! `GET /auth/metrics`: who may read it, that every line is as Prometheus reads it, that counts move by exactly what was done, and
//! that nothing in it tells of anybody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::support::app::{answer, ok};
use crate::support::server::text;
use crate::support::{App, Folder, Request, Stage, eventually};

const CONFIG: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ requests = 2, per = "minute" }, { requests = 400, per = "day" }]

[[plans]]
name = "paid"
needs_balance = true
limits = []

[[routes]]
path = "/paid"
tokens = 5
"#;

const ROOM: &str = r#"
[[plans]]
name = "free"
limits = [{ requests = 1000, per = "minute" }]
"#;

/// Every verdict, as the contract has them.
const VERDICTS: [&str; 22] = [
    "insecure",
    "ambiguous",
    "misplaced",
    "missing",
    "malformed",
    "reserved",
    "unknown",
    "revoked",
    "expired",
    "disabled",
    "wrong_ip",
    "wrong_plan",
    "wrong_scope",
    "no_balance",
    "quota_exceeded",
    "rate_limited",
    "unavailable",
    "too_large",
    "upstream_down",
    "upstream_timeout",
    "internal",
    "ok",
];

/// What was read: the value of each series by its name and labels, `tollgate_requests_total{verdict="ok"}`.
#[derive(Debug)]
struct Samples {
    values: BTreeMap<String, f64>,
    kinds: BTreeMap<String, String>,
}

/// The metric that a series belongs to: a histogram's has three names.
fn family<'n>(kinds: &BTreeMap<String, String>, name: &'n str) -> &'n str {
    let of_histogram = |base: &&str| kinds.get(*base).is_some_and(|kind| kind == "histogram");
    ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end).filter(of_histogram)).unwrap_or(name)
}

impl Samples {
    /// Reads every line (Prometheus, exposition formats: the text-based format); fails at the first that is none.
    #[track_caller]
    fn parse(body: &str) -> Self {
        assert!(body.ends_with('\n'), "the last line ends, too");
        let mut samples = Self { values: BTreeMap::new(), kinds: BTreeMap::new() };
        let (mut helps, mut done, mut current) = (BTreeSet::new(), BTreeSet::new(), String::new());
        let is_name = |name: &str| {
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && name.starts_with(|first: char| first.is_ascii_lowercase())
        };
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
                assert!(is_name(name) && help.ends_with('.') && !help.contains('\\'), "{line}");
                assert!(helps.insert(name.to_owned()), "told once: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(helps.contains(name) && done.insert(name.to_owned()), "help, then type, once: {line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                samples.kinds.insert(name.to_owned(), kind.to_owned());
                current = name.to_owned();
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
                let (name, labels) = series.split_once('{').map_or((series, ""), |(name, labels)| {
                    (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("labels end: {line}")))
                });
                assert!(is_name(name), "{line}");
                assert_eq!(family(&samples.kinds, name), current, "all lines of a metric stand together: {line}");
                for label in labels.split(',').filter(|label| !label.is_empty()) {
                    let (label, value) = label.split_once('=').unwrap_or_else(|| panic!("no label: {line}"));
                    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                    assert!(is_name(label) && value.is_some_and(|value| !value.contains(['"', '\\'])), "{line}");
                }
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                assert!(samples.values.insert(series.to_owned(), value).is_none(), "stands once: {line}");
            }
        }
        samples.check_histograms();
        samples
    }

    /// Buckets never fall, the last is the count, and each is there for each set of labels.
    fn check_histograms(&self) {
        for (name, _) in self.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
            let counts: Vec<_> = self.values.iter().filter(|(series, _)| series.starts_with(&format!("{name}_count"))).collect();
            assert!(!counts.is_empty(), "{name}");
            for (series, count) in counts {
                let labels = series.strip_prefix(&format!("{name}_count")).unwrap().trim_matches(['{', '}']);
                let comma = if labels.is_empty() { "" } else { "," };
                let begin = format!("{name}_bucket{{{labels}{comma}le=\"");
                let mut buckets: Vec<(f64, f64)> = self
                    .values
                    .iter()
                    .filter_map(|(series, count)| {
                        let end = series.strip_prefix(&begin)?.strip_suffix("\"}")?;
                        Some((end.parse().unwrap_or_else(|_| panic!("no bucket: {series}")), *count))
                    })
                    .collect();
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name} {labels}: {buckets:?}");
                assert_eq!(buckets.first().map(|first| first.0), Some(0.00005), "{name} {labels}");
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name} {labels}");
                let sum = self.values[&format!("{name}_sum{}", if labels.is_empty() { String::new() } else { format!("{{{labels}}}") })];
                assert!(sum >= 0.0 && (*count > 0.0 || sum == 0.0), "{name} {labels}");
            }
        }
    }

    #[track_caller]
    fn of(&self, series: &str) -> f64 {
        *self.values.get(series).unwrap_or_else(|| panic!("there is no {series}: {self:?}"))
    }

    /// What came to a series since another reading.
    #[track_caller]
    fn since(&self, before: &Self, series: &str) -> f64 {
        self.of(series) - before.of(series)
    }
}

/// A stage, and somebody who may read the metrics.
struct Watched {
    stage: Stage,
    token: String,
}

impl Watched {
    fn with(config: &str) -> Self {
        let folder = Folder::with(config);
        let token = folder.token("metrics");
        Self { stage: Stage::of(folder), token }
    }

    fn body(&self) -> String {
        let reply = self.stage.server.get("/auth/metrics", &self.token).expect(200);
        assert_eq!(reply.header("Content-Type").as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
        assert_eq!(reply.header("Cache-Control").as_deref(), Some("no-store"));
        reply.body
    }

    fn read(&self) -> Samples {
        Samples::parse(&self.body())
    }
}

#[test]
fn only_who_may_reads_them() {
    let watched = Watched::with(CONFIG);
    let server = &watched.stage.server;
    let key = watched.stage.raw_key("free");
    let get = || Request::get("/auth/metrics");
    for (what, request, status) in [
        ("no token", get(), 401),
        ("a token that is none", get().bearer("tgs_nothing"), 401),
        ("a client's key", get().bearer(&key), 401),
        ("the wrong scopes", get().bearer(&watched.stage.token), 403),
        ("the wrong method", Request::post("/auth/metrics", &json!({})).bearer(&watched.token), 405),
    ] {
        let reply = server.send(&request);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert!(!reply.body.contains("tollgate_"), "{what}: {reply:?}");
    }
    let revoked = watched.stage.get("/tokens").expect(200).json();
    let id = revoked["data"].as_array().unwrap().iter().find(|token| token["scopes"] == json!(["metrics"])).map(|token| text(&token["id"]));
    watched.stage.delete(&format!("/tokens/{}", id.expect("it is listed"))).expect(204);
    server.get("/auth/metrics", &watched.token).expect(401);
}

#[test]
fn everything_is_there_from_the_start() {
    let watched = Watched::with(CONFIG);
    let samples = watched.read();
    for verdict in VERDICTS {
        assert_eq!(samples.of(&format!("tollgate_requests_total{{verdict=\"{verdict}\"}}")), 0.0, "{verdict}");
    }
    let verdicts = samples.values.keys().filter(|series| series.starts_with("tollgate_requests_total")).count();
    assert_eq!(verdicts, VERDICTS.len());
    for kind in ["gate", "check", "verify", "admin"] {
        assert_eq!(samples.of(&format!("tollgate_request_duration_seconds_count{{kind=\"{kind}\"}}")), 0.0, "{kind}");
    }
    for (series, least, most) in [
        ("tollgate_cache_capacity_entries{cache=\"keys\"}", 50_000.0, 60_000.0),
        ("tollgate_connections", 1.0, 1.0),
        ("tollgate_connections_max", 1.0, 10_000.0),
        ("tollgate_database_size_bytes{file=\"database\"}", 4096.0, 1e9),
        ("tollgate_database_size_bytes{file=\"wal\"}", 0.0, 1e9),
        ("tollgate_database_disk_free_bytes", 1.0, 1e18),
        ("tollgate_webhooks_waiting_messages", 0.0, 0.0),
        ("tollgate_webhooks_overflowed_messages_total", 0.0, 0.0),
        ("tollgate_mails_waiting", 0.0, 0.0),
        ("tollgate_mails_given_up_total", 0.0, 0.0),
        ("tollgate_reader_queue_readings{readers=\"holders\"}", 0.0, 10.0),
        (&format!("tollgate_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0, 1.0),
        ("process_start_time_seconds", jiff::Timestamp::now().as_second() as f64 - 120.0, jiff::Timestamp::now().as_second() as f64 + 1.0),
        ("process_resident_memory_bytes", 1e6, 1e9),
        ("process_open_fds", 8.0, 200.0),
        ("process_max_fds", 64.0, 1e12),
        ("process_cpu_seconds_total", 0.0001, 120.0),
    ] {
        let value = samples.of(series);
        assert!((least..=most).contains(&value), "{series} is {value}");
    }
    assert!(!samples.kinds.contains_key("tollgate_upstream_requests_total"), "there is no app");
}

#[test]
fn counts_move_by_exactly_what_was_done() {
    let watched = Watched::with(CONFIG);
    let stage = &watched.stage;
    let key = stage.raw_key("free");
    let before = watched.read();
    for _ in 0..3 {
        stage.server.get("/x", &key);
    }
    stage.server.send(&Request::get("/x").header("Authorization", "Bearer wrong"));
    stage.server.send(&Request::get("/x"));
    stage.server.send(&Request::get("/auth/v1/check").bearer(&key));
    stage.verify(&json!({ "key": key }));
    let list: Vec<_> = (0..4).map(|_| json!({})).collect();
    stage.post("/verify", &json!(list)).expect(200);
    // Not counted as requests: nothing is charged.
    stage.verify(&json!({ "key": key, "dry_run": true }));
    stage.server.get("/auth/v1/me", &key).expect(200);
    stage.get("/plans").expect(200);
    stage.get("/nothing").expect(404);
    let after = watched.read();
    let by_verdict = [("ok", 2.0), ("rate_limited", 2.0), ("unknown", 1.0), ("missing", 5.0), ("ambiguous", 1.0)];
    for verdict in VERDICTS {
        let wanted = by_verdict.iter().find(|(name, _)| *name == verdict).map_or(0.0, |(_, count)| *count);
        assert_eq!(after.since(&before, &format!("tollgate_requests_total{{verdict=\"{verdict}\"}}")), wanted, "{verdict}");
    }
    assert_eq!(after.since(&before, "tollgate_decision_duration_seconds_count"), 13.0);
    for (kind, wanted) in [("gate", 5.0), ("check", 1.0), ("verify", 3.0), ("admin", 1.0)] {
        assert_eq!(after.since(&before, &format!("tollgate_request_duration_seconds_count{{kind=\"{kind}\"}}")), wanted, "{kind}");
    }
    // The key was read once, and is remembered from then on; the one that is none never came so far.
    assert_eq!(after.since(&before, "tollgate_cache_misses_total{cache=\"keys\"}"), 1.0);
    assert_eq!(after.since(&before, "tollgate_cache_hits_total{cache=\"keys\"}"), 5.0);
    assert_eq!(after.of("tollgate_cache_entries{cache=\"keys\"}"), 1.0);
    assert!(after.of("tollgate_subjects") >= 2.0);
    // The first request waited for the day's first lease; some more were fetched ahead.
    assert_eq!(after.since(&before, "tollgate_lease_waits_total"), 1.0);
    assert!(after.since(&before, "tollgate_leases_asked_total") >= 1.0);
    assert_eq!(after.of("tollgate_leases_denied_total"), 0.0);
    assert_eq!(after.of("tollgate_commits_failed_total"), 0.0);
}

#[test]
fn changes_are_counted_when_they_are_written() {
    let watched = Watched::with(CONFIG);
    let before = watched.read();
    for number in 0..5 {
        watched.stage.account(json!({ "name": format!("number {number}") }));
    }
    let after = watched.read();
    let changes = after.since(&before, "tollgate_writer_changes_total{commit=\"done\"}");
    assert!(changes >= 5.0, "{changes}");
    assert!(after.since(&before, "tollgate_commit_duration_seconds_count") >= 5.0, "one waited for the other");
    eventually("the queue is empty", || (watched.read().of("tollgate_writer_queue_changes") == 0.0).then_some(()));
}

#[test]
fn a_charge_counts_once_however_often_it_is_asked() {
    let watched = Watched::with(CONFIG);
    let stage = &watched.stage;
    let account = stage.account(json!({ "plan": "paid", "balance": 100 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let before = watched.read();
    stage.server.get("/free", &key).expect(200);
    stage.server.get("/paid", &key).expect(200);
    for _ in 0..3 {
        let request = Request::post("/auth/v1/balance", &json!({ "account": account, "tokens": -30 })).bearer(&stage.token);
        stage.server.send(&request.header("Idempotency-Key", "once")).expect(200);
    }
    stage.post("/balance", &json!({ "account": account, "tokens": 7 })).expect(200);
    stage.post("/balance", &json!({ "account": account, "tokens": -1000 })).expect(402);
    let after = watched.read();
    assert_eq!(after.since(&before, "tollgate_balance_charges_total"), 2.0);
    assert_eq!(after.since(&before, "tollgate_balance_charged_tokens_total"), 35.0);
}

#[test]
fn what_becomes_of_requests_to_the_app_is_counted() {
    let app = App::answering(|heard| match heard.head.target() {
        "/broken" => answer("500 Internal Server Error", "", ""),
        "/garbage" => b"no HTTP\r\n\r\n".to_vec(),
        _ => ok("hello"),
    });
    let watched = Watched::with(&format!("[upstream]\nurl = \"{}\"\nmax_body_bytes = 5\n{ROOM}", app.url));
    let key = watched.stage.raw_key("free");
    let before = watched.read();
    for (path, status) in [("/", 200), ("/", 200), ("/broken", 500), ("/garbage", 502)] {
        watched.stage.server.get(path, &key).expect(status);
    }
    // Refused before they are passed on.
    watched.stage.server.send(&Request::get("/")).expect(401);
    watched.stage.server.send(&Request::new("PUT", "/").bearer(&key).header("Content-Length", "6").body(b"")).expect(413);
    // What becomes of a request is counted when it is over, a moment after its answer was read.
    let verdicts = [("ok", 3.0), ("upstream_down", 1.0), ("missing", 1.0), ("too_large", 1.0)];
    let counted = |after: &Samples, verdict: &str| after.since(&before, &format!("tollgate_requests_total{{verdict=\"{verdict}\"}}"));
    let after = eventually("all six are counted", || {
        let after = watched.read();
        let all: f64 = verdicts.iter().map(|(verdict, _)| counted(&after, verdict)).sum();
        (all == 6.0 && after.since(&before, "tollgate_upstream_duration_seconds_count") == 4.0).then_some(after)
    });
    for (outcome, wanted) in
        [("answered", 2.0), ("failed", 1.0), ("no_answer", 1.0), ("unreached", 0.0), ("too_slow", 0.0), ("client", 0.0), ("internal", 0.0)]
    {
        assert_eq!(after.since(&before, &format!("tollgate_upstream_requests_total{{outcome=\"{outcome}\"}}")), wanted, "{outcome}");
    }
    for (verdict, wanted) in verdicts {
        assert_eq!(counted(&after, verdict), wanted, "{verdict}");
    }
    drop(app);
    watched.stage.server.get("/", &key).expect(502);
    let later = watched.read();
    assert_eq!(later.since(&after, "tollgate_upstream_requests_total{outcome=\"unreached\"}"), 1.0);
    eventually("no connection to the app is left", || (watched.read().of("tollgate_upstream_connections") == 0.0).then_some(()));
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let watched = Watched::with(CONFIG);
    let address = &watched.stage.server.address;
    let open: Vec<_> = (0..5).map(|_| std::net::TcpStream::connect(address).expect("it accepts")).collect();
    eventually("they are counted", || (watched.read().of("tollgate_connections") == 6.0).then_some(()));
    drop(open);
    eventually("they are counted no more", || (watched.read().of("tollgate_connections") == 1.0).then_some(()));
}

#[test]
fn no_token_of_one_account_may_read_them() {
    let watched = Watched::with(CONFIG);
    let stage = &watched.stage;
    let account = stage.account(json!({}));
    let refused = stage.post("/tokens", &json!({ "scopes": ["metrics"], "account": account })).expect(400).json();
    assert_eq!(refused["errors"][0]["field"], "scopes");
    let bound = stage.post("/tokens", &json!({ "scopes": ["admin", "verify"], "account": account })).expect(201).json();
    stage.server.get("/auth/metrics", &text(&bound["token"])).expect(403);
}

#[test]
fn nothing_in_it_tells_of_anybody() {
    let watched = Watched::with(CONFIG);
    let stage = &watched.stage;
    let account = stage.account(json!({ "name": "Ada Lovelace" }));
    let key = stage.key(&account, json!({ "name": "her laptop" }));
    let raw = text(&key["key"]);
    for _ in 0..3 {
        stage.server.get("/secret/path", &raw);
    }
    let body = watched.body();
    let never = [
        raw.as_str(),
        &account,
        key["id"].as_str().unwrap(),
        key["prefix"].as_str().unwrap(),
        "Ada",
        "laptop",
        "secret",
        "127.0.0.1",
        &stage.token,
        &watched.token,
    ];
    for secret in never {
        assert!(!body.contains(secret), "{secret} stands in {body}");
    }
    for prefix in ["acc_", "key_", "tok_", "req_", "tgs_", "tg_live_"] {
        assert!(!body.contains(prefix), "{prefix} stands in {body}");
    }
}
