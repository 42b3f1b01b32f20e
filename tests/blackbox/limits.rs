//! Limits and balances over HTTP: each shape of window, what several of them do together, overrides, tokens, and what a
//! restart and many threads leave of them.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{Folder, Request, Stage, eventually};

/// A window that no test sees the end of.
const EVER: &str = "per = \"3650d\"";

/// What an ask was told, in short.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    verdict: String,
    /// What is left of each limit, in the plan's order.
    left: Vec<u64>,
    balance: i64,
    retry_after: Option<u64>,
    /// When the first limit is full again, in Unix seconds.
    reset: i64,
}

impl Told {
    fn of(answer: &Value) -> Self {
        let limits = answer["limits"].as_array().unwrap();
        Self {
            verdict: text(&answer["verdict"]),
            left: limits.iter().map(|limit| limit["remaining"].as_u64().unwrap()).collect(),
            balance: answer["account"]["balance"].as_i64().unwrap_or(0),
            retry_after: answer["retry_after"].as_u64(),
            reset: limits.first().map_or(0, |limit| limit["reset"].as_i64().unwrap()),
        }
    }

    fn passed(&self) -> bool {
        self.verdict == "ok"
    }
}

impl Stage {
    /// Asks once for a key.
    #[track_caller]
    fn ask(&self, key: &str) -> Told {
        self.ask_for(json!({ "key": key }))
    }

    #[track_caller]
    fn ask_for(&self, ask: Value) -> Told {
        Told::of(&self.verify(&ask))
    }

    /// Looks without charging.
    #[track_caller]
    fn look(&self, key: &str) -> Told {
        self.ask_for(json!({ "key": key, "dry_run": true }))
    }

    /// Asks until it is refused; what passed before, and the refusal.
    #[track_caller]
    fn exhaust(&self, key: &str) -> (Vec<Told>, Told) {
        let mut passed = Vec::new();
        loop {
            let told = self.ask(key);
            if !told.passed() {
                return (passed, told);
            }
            passed.push(told);
            assert!(passed.len() < 10_000, "it is never refused");
        }
    }
}

/// A configuration with these plans: a name, settings, and its limits.
fn plans(rows: &[(&str, &str)]) -> String {
    let plan = |(index, (name, rest)): (usize, &(&str, &str))| format!("[[plans]]\nname = \"{name}\"\ndefault = {}\n{rest}\n", index == 0);
    rows.iter().enumerate().map(plan).collect()
}

/// A configuration of one plan with these limits.
fn limits(limits: &str) -> String {
    plans(&[("free", &format!("limits = [{limits}]"))])
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

// ---- each shape by itself ----

#[test]
fn after_retry_after_it_passes_again_in_every_shape() {
    let stage = Stage::with(&plans(&[
        ("fixed", r#"limits = [{ name = "short", requests = 3, per = "2s", shape = "fixed" }]"#),
        ("sliding", r#"limits = [{ name = "short", requests = 3, per = "2s", shape = "sliding" }]"#),
        ("rolling", r#"limits = [{ name = "short", requests = 3, per = "6s", shape = "rolling" }]"#),
        ("burst", r#"limits = [{ name = "short", requests = 20, per = "20s", shape = "rolling", burst = 3 }]"#),
        ("second", r#"limits = [{ requests = 2, per = "second" }]"#),
    ]));
    std::thread::scope(|scope| {
        for plan in ["fixed", "sliding", "rolling", "burst", "second"] {
            let (stage, key) = (&stage, stage.raw_key(plan));
            scope.spawn(move || {
                let (_, refused) = stage.exhaust(&key);
                assert_eq!((&*refused.verdict, &*refused.left), ("rate_limited", &[0][..]), "{plan}");
                let seconds = refused.retry_after.unwrap();
                assert!((1..=2).contains(&seconds), "{plan} {seconds}");
                let sent = stage.server.get("/x", &key);
                assert!(sent.status == 200 || sent.header("Retry-After").is_some(), "{plan} {sent:?}");
                std::thread::sleep(Duration::from_secs(seconds));
                assert!(stage.ask(&key).passed(), "{plan}: after {seconds} s it passes");
            });
        }
    });
}

#[test]
fn a_fixed_window_lets_exactly_so_many_through_and_is_aligned_to_the_epoch() {
    let stage = Stage::with(&limits(r#"{ name = "short", requests = 3, per = "2s", shape = "fixed" }"#));
    let key = stage.raw_key("free");
    for _ in 0..2 {
        let (passed, refused) = stage.exhaust(&key);
        let in_its_window: Vec<&[u64]> = passed.iter().filter(|told| told.reset == refused.reset).map(|told| &*told.left).collect();
        assert_eq!(in_its_window, [[2], [1], [0]]);
        assert_eq!(refused.reset % 2, 0);
        let left = refused.reset - now();
        assert!((0..=2).contains(&left), "{left}");
        eventually("the window turns", || stage.look(&key).passed().then_some(()));
        assert!(now() >= refused.reset, "not before its reset");
    }
}

/// When a request was sent, and when its answer was there: it was decided in between.
type Decided = (Instant, Instant);

/// Asks on and on for so long; when those were that passed.
fn hammer(stage: &Stage, key: &str, length: Duration) -> Vec<Decided> {
    let started = Instant::now();
    let mut passed = Vec::new();
    while started.elapsed() < length {
        let sent = Instant::now();
        if stage.ask(key).passed() {
            passed.push((sent, Instant::now()));
        }
    }
    passed
}

/// Clocks here and there are read to the millisecond.
const CLOCKS: Duration = Duration::from_millis(5);

#[test]
fn a_sliding_window_never_holds_more_wherever_it_starts() {
    let stage = Stage::with(&limits(r#"{ name = "short", requests = 5, per = "1s", shape = "sliding" }"#));
    let key = stage.raw_key("free");
    let passed = hammer(&stage, &key, Duration::from_millis(3300));
    for (first, after) in passed.iter().zip(passed.iter().skip(5)) {
        let at_most = after.1 - first.0 + CLOCKS;
        assert!(at_most >= Duration::from_secs(1), "six within {at_most:?}");
    }
    assert!(passed.len() >= 15, "and none is kept out who need not be: {} passed", passed.len());
}

#[test]
fn a_rolling_window_lets_its_burst_through_and_then_its_rate() {
    // One each 100 ms.
    let stage = Stage::with(&limits(r#"{ name = "short", requests = 10, per = "1s", shape = "rolling", burst = 4 }"#));
    let key = stage.raw_key("free");
    let passed = hammer(&stage, &key, Duration::from_millis(2500));
    for (at, first) in passed.iter().enumerate() {
        for (more, last) in passed[at..].iter().enumerate() {
            let stretch = last.1 - first.0 + CLOCKS;
            let bound = 4.0 + stretch.as_secs_f64() * 10.0;
            assert!((more + 1) as f64 <= bound, "{} within {stretch:?}", more + 1);
        }
    }
    assert!(passed.len() >= 20, "4 at once and 10 a second: {} passed", passed.len());
}

#[test]
fn a_burst_is_what_passes_at_once() {
    let stage = Stage::with(&plans(&[
        ("free", &format!(r#"limits = [{{ name = "long", requests = 100, {EVER}, shape = "rolling", burst = 3 }}]"#)),
        ("plain", &format!(r#"limits = [{{ name = "long", requests = 5, {EVER}, shape = "rolling" }}]"#)),
    ]));
    for (plan, burst) in [("free", 3), ("plain", 5)] {
        let key = stage.raw_key(plan);
        let (passed, refused) = stage.exhaust(&key);
        let left: Vec<u64> = passed.iter().map(|told| told.left[0]).collect();
        assert_eq!(left, (0..burst).rev().collect::<Vec<u64>>(), "{plan}");
        assert_eq!((&*refused.verdict, &*refused.left), ("rate_limited", &[0][..]), "{plan}");
    }
}

#[test]
fn the_reset_of_a_rolling_window_is_when_its_full_burst_is_back() {
    // One each 100 s.
    let stage = Stage::with(&limits(r#"{ name = "slow", requests = 36, per = "1h", shape = "rolling", burst = 3 }"#));
    let key = stage.raw_key("free");
    for used in 1..=3 {
        let seconds = stage.ask(&key).reset - now();
        assert!((100 * used - 2..=100 * used + 1).contains(&seconds), "{used} used: {seconds}");
    }
    let refused = stage.ask(&key);
    assert!((98..=100).contains(&refused.retry_after.unwrap()), "the next one passes before the burst is back: {refused:?}");
}

#[test]
fn nobody_is_told_to_wait_longer_than_the_window_is() {
    let stage = Stage::with(&plans(&[
        ("fixed", r#"limits = [{ requests = 3, per = "minute", shape = "fixed" }]"#),
        ("sliding", r#"limits = [{ requests = 3, per = "minute", shape = "sliding" }]"#),
        ("rolling", r#"limits = [{ requests = 1, per = "minute", shape = "rolling" }]"#),
    ]));
    for plan in ["fixed", "sliding", "rolling"] {
        // Which millisecond a request falls into is chance, so there are many.
        for _ in 0..40 {
            let key = stage.raw_key(plan);
            // Four at once, so that all may fall into one.
            let asks: Vec<Value> = (0..4).map(|_| json!({ "key": key })).collect();
            let answers = stage.post("/verify", &json!(asks)).expect(200).json();
            let refused = Told::of(&answers[3]);
            let seconds = refused.retry_after.unwrap_or_else(|| panic!("{plan}: {answers}"));
            assert!((1..=60).contains(&seconds), "{plan}: {seconds} s for a minute");
        }
    }
}

#[test]
fn only_a_fixed_window_of_a_day_or_longer_is_a_quota() {
    let rows = [
        ("f-hour", r#"per = "hour""#, "rate_limited"),
        ("f-23h", r#"per = "23h""#, "rate_limited"),
        ("f-day", r#"per = "day""#, "quota_exceeded"),
        ("f-24h", r#"per = "24h""#, "quota_exceeded"),
        ("f-month", r#"per = "month""#, "quota_exceeded"),
        ("f-minute", r#"per = "minute", shape = "fixed""#, "rate_limited"),
        ("s-day", r#"per = "day", shape = "sliding""#, "rate_limited"),
        ("r-day", r#"per = "day", shape = "rolling""#, "rate_limited"),
        ("r-minute", r#"per = "minute""#, "rate_limited"),
    ];
    let settings: Vec<String> = rows.iter().map(|(_, per, _)| format!("limits = [{{ requests = 1, {per} }}]")).collect();
    let named: Vec<(&str, &str)> = rows.iter().zip(&settings).map(|((name, ..), settings)| (*name, &**settings)).collect();
    let stage = Stage::with(&plans(&named));
    for (plan, per, verdict) in rows {
        let (_, refused) = stage.exhaust(&stage.raw_key(plan));
        assert_eq!(refused.verdict, verdict, "{per}");
    }
}

#[test]
fn fixed_windows_turn_with_the_hour_the_day_and_the_month_in_utc() {
    let stage = Stage::with(&limits(
        r#"{ requests = 100, per = "hour" }, { requests = 100, per = "day" }, { requests = 100, per = "month" }, { requests = 100, per = "10m", shape = "fixed" }"#,
    ));
    let answer = stage.verify(&json!({ "key": stage.raw_key("free") }));
    let reset = |at: usize| answer["limits"][at]["reset"].as_i64().unwrap();
    for (at, seconds) in [(0, 3600), (1, 86_400), (3, 600)] {
        assert_eq!(reset(at) % seconds, 0);
        assert!((0..=seconds).contains(&(reset(at) - now())));
    }
    let turns = jiff::Timestamp::from_second(reset(2)).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
    assert_eq!((turns.day(), turns.hour(), turns.minute(), turns.second()), (1, 0, 0, 0));
    assert!((0..=31 * 86_400).contains(&(reset(2) - now())));
    let names: Vec<&Value> = answer["limits"].as_array().unwrap().iter().map(|limit| &limit["name"]).collect();
    assert_eq!(names, ["hour", "day", "month", "10m"], "the name defaults to the window");
}

// ---- several windows ----

#[test]
fn of_several_windows_that_ran_out_the_one_that_opens_last_decides() {
    // Each plan runs out of both at once; in either order the longer one decides.
    let [minute, hour, ever] = [
        r#"{ name = "minute", requests = 1, per = "minute", shape = "sliding" }"#,
        r#"{ name = "hour", requests = 1, per = "1h", shape = "sliding" }"#,
        r#"{ name = "ever", requests = 1, per = "3650d", shape = "fixed" }"#,
    ];
    let rows = [
        ("a", format!("limits = [{minute}, {hour}]"), "rate_limited", "hour", 3590..=3601),
        ("b", format!("limits = [{hour}, {minute}]"), "rate_limited", "hour", 3590..=3601),
        ("c", format!("limits = [{hour}, {ever}]"), "quota_exceeded", "ever", 86_400..=3650 * 86_400),
        ("d", format!("limits = [{ever}, {minute}, {hour}]"), "quota_exceeded", "ever", 86_400..=3650 * 86_400),
    ];
    let named: Vec<(&str, &str)> = rows.iter().map(|(name, settings, ..)| (*name, &**settings)).collect();
    let stage = Stage::with(&plans(&named));
    for (plan, settings, verdict, decides, retry) in &rows {
        let key = stage.raw_key(plan);
        assert!(stage.ask(&key).passed());
        let refused = stage.server.get("/x", &key).expect(429);
        assert_eq!(refused.verdict(), *verdict, "{settings}");
        let seconds = refused.number("Retry-After").unwrap() as u64;
        assert!(retry.contains(&seconds), "{settings}: {seconds}");
        let answer = stage.verify(&json!({ "key": key }));
        for limit in answer["limits"].as_array().unwrap() {
            assert_eq!((&limit["exceeded"], &limit["remaining"]), (&json!(true), &json!(0)), "{settings}");
        }
        let decided = answer["limits"].as_array().unwrap().iter().find(|limit| limit["name"] == *decides).unwrap();
        assert_eq!(refused.number("X-RateLimit-Reset"), decided["reset"].as_i64(), "{settings}");
    }
}

#[test]
fn a_request_that_one_window_refuses_eats_no_other_nor_the_balance() {
    const SHAPES: [&str; 3] = ["rolling", "sliding", "fixed"];
    let mut rows = Vec::new();
    for wide in SHAPES {
        for narrow in SHAPES {
            let [wide_limit, narrow_limit] = [(wide, "wide", 10), (narrow, "narrow", 2)]
                .map(|(shape, name, requests)| format!("{{ name = \"{name}\", requests = {requests}, {EVER}, shape = \"{shape}\" }}"));
            rows.push((format!("{wide}-then-{narrow}"), format!("limits = [{wide_limit}, {narrow_limit}]"), 0));
            rows.push((format!("{narrow}-before-{wide}"), format!("limits = [{narrow_limit}, {wide_limit}]"), 1));
        }
    }
    let named: Vec<(&str, &str)> = rows.iter().map(|(name, settings, _)| (&**name, &**settings)).collect();
    let stage = Stage::with(&format!("{}[[routes]]\npath = \"/wide\"\nlimits = [\"wide\"]\n", plans(&named)));
    for (plan, settings, wide) in &rows {
        let account = stage.account(json!({ "plan": plan, "balance": 100 }));
        let key = text(&stage.key(&account, json!({}))["key"]);
        let ask = |path: &str| {
            let told = stage.ask_for(json!({ "key": key, "path": path, "tokens": 3 }));
            (told.passed(), told.left[*wide], told.left[1 - *wide], told.balance)
        };
        assert_eq!(ask("/"), (true, 9, 1, 97), "{settings}");
        assert_eq!(ask("/"), (true, 8, 0, 94), "{settings}");
        for _ in 0..4 {
            assert_eq!(ask("/"), (false, 8, 0, 94), "{settings}");
        }
        assert_eq!(ask("/wide"), (true, 7, 0, 91), "{settings}");
    }
}

#[test]
fn a_balance_that_does_not_cover_it_eats_no_window() {
    let stage = Stage::with(&limits(&format!(
        r#"{{ name = "a", requests = 10, {EVER}, shape = "fixed" }}, {{ name = "b", requests = 10, {EVER}, shape = "rolling" }}, {{ name = "c", requests = 10, {EVER}, shape = "sliding" }}"#
    )));
    let account = stage.account(json!({ "balance": 5 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    for _ in 0..3 {
        let refused = stage.ask_for(json!({ "key": key, "tokens": 6 }));
        assert_eq!((&*refused.verdict, &*refused.left, refused.balance), ("no_balance", &[10, 10, 10][..], 5));
    }
    let passed = stage.ask_for(json!({ "key": key, "tokens": 5 }));
    assert_eq!((&*passed.verdict, &*passed.left, passed.balance), ("ok", &[9, 9, 9][..], 0));
}

// ---- what a request costs ----

#[test]
fn a_cost_is_drawn_whole_or_not_at_all() {
    for shape in ["rolling", "sliding", "fixed"] {
        let stage = Stage::with(&limits(&format!(r#"{{ name = "ever", requests = 5, {EVER}, shape = "{shape}" }}"#)));
        let key = stage.raw_key("free");
        let ask = |cost: u64| {
            let told = stage.ask_for(json!({ "key": key, "cost": cost }));
            (told.passed(), told.left[0])
        };
        assert_eq!(ask(3), (true, 2), "{shape}");
        assert_eq!(ask(3), (false, 2), "{shape}: more than is left takes nothing");
        assert_eq!(ask(2), (true, 0), "{shape}");
        assert_eq!(ask(1), (false, 0), "{shape}");
        assert_eq!(ask(0), (true, 0), "{shape}: what costs nothing passes");
        let never = stage.ask_for(json!({ "key": stage.raw_key("free"), "cost": 6 }));
        assert_eq!((never.passed(), never.left[0], never.retry_after), (false, 5, None), "{shape}: more than the limit can never pass");
    }
}

#[test]
fn a_limit_may_count_tokens_instead_of_requests() {
    let stage = Stage::with(&limits(&format!(
        r#"{{ name = "calls", requests = 10, {EVER}, shape = "fixed" }}, {{ name = "tokens", requests = 100, {EVER}, shape = "fixed", unit = "tokens" }}"#
    )));
    let account = stage.account(json!({ "balance": 1000 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let ask = |tokens: u64| {
        let told = stage.ask_for(json!({ "key": key, "tokens": tokens }));
        (told.verdict, told.left, told.balance)
    };
    assert_eq!(ask(60), ("ok".into(), vec![9, 40], 940));
    assert_eq!(ask(41), ("quota_exceeded".into(), vec![9, 40], 940));
    assert_eq!(ask(0), ("ok".into(), vec![8, 40], 940));
    assert_eq!(ask(40), ("ok".into(), vec![7, 0], 900));
    assert_eq!(ask(0), ("ok".into(), vec![6, 0], 900), "a request without tokens does not draw on it");
}

#[test]
fn a_limit_that_only_observes_counts_and_logs_and_never_refuses() {
    let stage = Stage::with(&limits(&format!(
        r#"{{ name = "watched", requests = 2, {EVER}, shape = "fixed", observe = true }}, {{ name = "real", requests = 100, {EVER}, shape = "fixed" }}"#
    )));
    let key = stage.raw_key("free");
    let passed: Vec<Told> = (0..6).map(|_| stage.ask(&key)).collect();
    assert!(passed.iter().all(Told::passed), "{passed:?}");
    let watched: Vec<u64> = passed.iter().map(|told| told.left[0]).collect();
    assert_eq!(watched, [1, 0, 0, 0, 0, 0]);
    assert_eq!(passed[5].left[1], 94);
    let reply = stage.server.get("/x", &key).expect(200);
    assert_eq!(reply.number("X-RateLimit-Limit"), Some(100), "the tightest is one that can refuse");
    let (_, log) = stage.server.stop();
    assert!(log.contains("watched"), "{log}");
}

#[test]
fn an_unlimited_plan_has_no_limits_whatever_is_overridden() {
    let stage = Stage::with(&format!(
        "{}[[plans]]\nname = \"elite\"\nunlimited = true\n",
        limits(&format!(r#"{{ name = "ever", requests = 1, {EVER}, shape = "fixed" }}"#))
    ));
    let account = stage.account(json!({ "plan": "elite", "limits": { "ever": 1 } }));
    let key = text(&stage.key(&account, json!({ "limits": { "ever": 1 } }))["key"]);
    for _ in 0..5 {
        let told = stage.ask(&key);
        assert_eq!((told.passed(), told.left), (true, vec![]));
    }
    stage.patch(&format!("/accounts/{account}"), &json!({ "plan": "free" })).expect(200);
    assert_eq!(stage.ask(&key).left, [0], "what passed before was not counted");
}

// ---- whose requests are counted together ----

#[test]
fn requests_are_counted_by_key_account_or_address() {
    let by = |count: &str| format!(r#"limits = [{{ name = "ever", requests = 100, {EVER}, shape = "fixed", count = "{count}" }}]"#);
    let stage = Stage::with(&plans(&[("key", &by("key")), ("account", &by("account")), ("address", &by("address"))]));
    let [here, there] = ["192.0.2.1", "192.0.2.2"];
    // Who asked, and how much is left afterwards: by key, by account, by address.
    let rows = [
        ("a1", here, [99, 99, 99]),
        ("a1", here, [98, 98, 98]),
        ("a2", here, [99, 97, 97]),
        ("b1", here, [99, 99, 96]),
        ("a1", there, [97, 96, 99]),
        ("b1", there, [98, 98, 98]),
        ("b1", here, [97, 97, 95]),
    ];
    for (at, plan) in ["key", "account", "address"].iter().enumerate() {
        let [a, b] = [(); 2].map(|()| stage.account(json!({ "plan": plan })));
        let made = |account: &str| text(&stage.key(account, json!({}))["key"]);
        let (a1, a2, b1) = (made(&a), made(&a), made(&b));
        for (who, ip, left) in rows {
            let key = match who {
                "a1" => &a1,
                "a2" => &a2,
                _ => &b1,
            };
            let told = stage.ask_for(json!({ "key": key, "ip": ip }));
            assert_eq!(told.left, [left[at]], "{plan}: {who} from {ip}");
        }
    }
}

#[test]
fn an_ipv6_network_of_64_bits_is_one_client() {
    let stage = Stage::with(&limits(&format!(r#"{{ name = "ever", requests = 100, {EVER}, shape = "fixed", count = "address" }}"#)));
    let key = stage.raw_key("free");
    for (address, left) in [
        ("2001:db8:1:2::1", 99),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", 98),
        ("2001:DB8:0001:0002:0:0:0:1", 97),
        ("2001:db8:1:3::1", 99),
        ("192.0.2.1", 99),
        ("::ffff:192.0.2.1", 98),
        ("192.0.2.2", 99),
    ] {
        let reply = stage.server.send(&Request::get("/x").bearer(&key).header("X-Forwarded-For", address)).expect(200);
        assert_eq!(reply.number("X-RateLimit-Remaining"), Some(left), "{address}");
    }
    assert_eq!(stage.server.get("/x", &key).expect(200).number("X-RateLimit-Remaining"), Some(99), "without a proxy, the peer itself");
}

// ---- overrides ----

#[test]
fn a_keys_override_goes_before_its_accounts_and_that_before_the_plan() {
    let stage = Stage::with(&limits(&format!(
        r#"{{ name = "ever", requests = 10, {EVER}, shape = "fixed" }}, {{ name = "other", requests = 7, {EVER}, shape = "sliding" }}"#
    )));
    let account = stage.account(json!({}));
    let [first, second] = [(); 2].map(|()| stage.key(&account, json!({})));
    let left = |key: &Value| stage.look(&text(&key["key"])).left;
    let of_account =
        |value: Value| stage.patch(&format!("/accounts/{account}"), &json!({ "limits": { "ever": value } })).expect(200).json();
    let of_key =
        |value: Value| stage.patch(&format!("/keys/{}", text(&first["id"])), &json!({ "limits": { "ever": value } })).expect(200).json();
    assert_eq!((left(&first), left(&second)), (vec![10, 7], vec![10, 7]));
    assert_eq!(of_account(json!(20))["limits"], json!({ "ever": 20 }));
    assert_eq!((left(&first), left(&second)), (vec![20, 7], vec![20, 7]), "the value for each of its keys");
    stage.ask(&text(&first["key"]));
    assert_eq!((left(&first), left(&second)), (vec![19, 6], vec![20, 7]), "each counted by itself");
    assert_eq!(of_key(json!(3))["limits"], json!({ "ever": 3 }));
    assert_eq!((left(&first), left(&second)), (vec![2, 6], vec![20, 7]));
    of_account(Value::Null);
    assert_eq!((left(&first), left(&second)), (vec![2, 6], vec![10, 7]), "null takes the account's away and leaves the key's");
    assert_eq!(of_key(Value::Null)["limits"], json!({}));
    assert_eq!(left(&first), [9, 6]);
    of_key(json!(1));
    assert_eq!(stage.ask(&text(&first["key"])).verdict, "quota_exceeded", "one that is less than what is used up refuses");
}

#[test]
fn a_raised_limit_makes_room_at_once_and_what_was_used_stays_used() {
    for shape in ["fixed", "sliding", "rolling"] {
        let stage = Stage::with(&limits(&format!(r#"{{ name = "ever", requests = 3, {EVER}, shape = "{shape}" }}"#)));
        let account = stage.account(json!({}));
        let key = stage.key(&account, json!({}));
        let raw = text(&key["key"]);
        let set = |value: Value| stage.patch(&format!("/keys/{}", text(&key["id"])), &json!({ "limits": { "ever": value } })).expect(200);
        let (passed, _) = stage.exhaust(&raw);
        assert_eq!(passed.len(), 3, "{shape}");
        for _ in 0..3 {
            set(json!(10));
            assert_eq!(stage.look(&raw).left, [7], "{shape}");
            set(json!(1));
            let refused = stage.ask(&raw);
            assert_eq!((refused.passed(), refused.left), (false, vec![0]), "{shape}");
        }
        set(json!(5));
        assert_eq!((stage.ask(&raw).left, stage.exhaust(&raw).0.len()), (vec![1], 1), "{shape}");
        set(Value::Null);
        assert!(!stage.ask(&raw).passed(), "{shape}");
    }
}

#[test]
fn overrides_are_set_on_the_command_line_as_over_http() {
    let stage = Stage::with(&limits(&format!(r#"{{ name = "ever", requests = 10, {EVER}, shape = "fixed" }}"#)));
    let account = stage.folder.account(&["--limit", "ever=20"]);
    let key = stage.folder.key(&account, &["--limit", "ever=5"]);
    let (id, raw) = (text(&key["id"]), text(&key["key"]));
    assert_eq!(key["limits"], json!({ "ever": 5 }));
    assert_eq!(stage.look(&raw).left, [5]);
    stage.folder.json(&["key", "set", &id, "--limit", "ever=6"]);
    assert_eq!(stage.look(&raw).left, [6]);
    stage.folder.json(&["key", "set", &id, "--limit", "ever="]);
    assert_eq!(stage.look(&raw).left, [20]);
    stage.folder.json(&["account", "set", &account, "--limit", "ever="]);
    assert_eq!(stage.look(&raw).left, [10]);
}

#[test]
fn an_override_must_name_a_limit_and_be_at_least_one() {
    let stage = Stage::with(&limits(&format!(r#"{{ name = "ever", requests = 10, {EVER} }}"#)));
    let account = stage.account(json!({}));
    let key = text(&stage.key(&account, json!({}))["id"]);
    for path in [format!("/accounts/{account}"), format!("/keys/{key}")] {
        for (wrong, field) in [
            (json!({ "ever": 0 }), "limits.ever"),
            (json!({ "ever": -1 }), "limits.ever"),
            (json!({ "ever": 1.5 }), "limits.ever"),
            (json!({ "ever": "5" }), "limits.ever"),
            (json!({ "never": 5 }), "limits.never"),
            (json!([5]), "limits"),
        ] {
            let reply = stage.patch(&path, &json!({ "limits": wrong })).expect(400).json();
            assert_eq!(reply["errors"][0]["field"], field, "{path} {wrong}");
        }
        assert_eq!(stage.get(&path).expect(200).json()["limits"], json!({}), "nothing was set");
    }
}

#[test]
fn a_range_of_the_config_binds_everyone_and_gives_new_keys_their_default() {
    let ranges = r#"[keys]
        limits = [{ name = "ever", minimum = 5, maximum = 50, default = 8 }, { name = "free-for-all", maximum = 1000 }]"#;
    let config = limits(&format!(
        r#"{{ name = "ever", requests = 100, {EVER}, shape = "fixed" }}, {{ name = "free-for-all", requests = 9, {EVER}, shape = "fixed" }}"#
    ));
    let stage = Stage::with(&format!("{ranges}\n{config}"));
    let account = stage.account(json!({}));
    let fresh = stage.key(&account, json!({}));
    assert_eq!(fresh["limits"], json!({ "ever": 8 }));
    assert_eq!(stage.look(&text(&fresh["key"])).left, [8, 9]);
    let path = format!("/keys/{}", text(&fresh["id"]));
    for (value, status) in [(4, 400), (5, 200), (50, 200), (51, 400)] {
        stage.patch(&path, &json!({ "limits": { "ever": value } })).expect(status);
        stage.post("/keys", &json!({ "account": account, "name": "n", "limits": { "ever": value } })).expect(if status == 200 {
            201
        } else {
            400
        });
        stage.patch(&format!("/accounts/{account}"), &json!({ "limits": { "ever": value } })).expect(status);
    }
    let refused = stage.folder.run(&["key", "create", "--account", &account, "--name", "n", "--limit", "ever=51"]);
    assert_eq!(refused.status.code(), Some(2), "the operator too: {refused:?}");
    stage.patch(&path, &json!({ "limits": { "ever": null } })).expect(200);
    stage.patch(&format!("/accounts/{account}"), &json!({ "limits": { "ever": null } })).expect(200);
    assert_eq!(stage.look(&text(&fresh["key"])).left, [100, 9], "null takes it away");
}

// ---- balance ----

#[test]
fn a_plan_that_needs_a_balance_refuses_at_zero_and_below() {
    let stage = Stage::with(&plans(&[("free", "needs_balance = true"), ("none", "")]));
    let account = stage.account(json!({ "plan": "free" }));
    let key = stage.key(&account, json!({}));
    let (raw, in_no_need) = (text(&key["key"]), text(&stage.key(&account, json!({ "plan": "none" }))["key"]));
    for (balance, verdict) in [(0, "no_balance"), (1, "ok"), (-3, "no_balance"), (1_000_000_000_000_i64, "ok"), (0, "no_balance")] {
        let set = stage.folder.json(&["account", "set", &account, "--balance", &balance.to_string()]);
        assert_eq!(set["balance"], balance);
        assert_eq!(stage.ask(&raw).verdict, verdict, "{balance}");
        assert!(stage.ask(&in_no_need).passed(), "{balance}");
        assert_eq!(stage.get(&format!("/accounts/{account}")).json()["balance"], balance, "asking cost nothing");
    }
    assert_eq!(stage.server.get("/x", &raw).expect(402).verdict(), "no_balance");
}

#[test]
fn plan_tokens_are_used_before_bonus_tokens_and_balance_sets_the_whole() {
    let stage = Stage::with(&plans(&[("free", "monthly_tokens = 100")]));
    let account = stage.account(json!({}));
    let path = format!("/accounts/{account}");
    let parts = |record: Value| ["balance", "plan_tokens", "bonus_tokens"].map(|name| record[name].as_i64().unwrap());
    let charge = |tokens: i64| {
        parts(stage.post("/balance", &json!({ "account": account, "tokens": tokens, "reason": "a test" })).expect(200).json())
    };
    assert_eq!(parts(stage.get(&path).json()), [100, 100, 0]);
    assert_eq!(charge(50), [150, 100, 50]);
    assert_eq!(charge(-30), [120, 70, 50]);
    assert_eq!(charge(-90), [30, 0, 30]);
    stage.post("/balance", &json!({ "account": account, "tokens": -31 })).expect(402);
    assert_eq!(parts(stage.get(&path).json()), [30, 0, 30], "all or nothing");
    for total in [500, 7, 0, -12, 40] {
        assert_eq!(parts(stage.patch(&path, &json!({ "balance": total })).expect(200).json())[0], total);
        assert_eq!(parts(stage.get(&path).json())[0], total);
    }
    assert_eq!(parts(stage.folder.json(&["account", "show", &account]))[0], 40);
}

#[test]
fn an_idempotency_key_charges_once() {
    let stage = Stage::with(&plans(&[("free", "")]));
    let [account, other] = [(); 2].map(|()| stage.account(json!({ "balance": 100 })));
    let post = |key: &str, body: Value| {
        let request = Request::post("/auth/v1/balance", &body).bearer(&stage.token).header("Idempotency-Key", key);
        stage.server.send(&request)
    };
    let charge = |tokens: i64| json!({ "account": account, "tokens": tokens, "reason": "call" });
    assert_eq!(post("a", charge(-10)).expect(200).json()["balance"], 90);
    assert_eq!(post("a", charge(-10)).expect(200).json()["balance"], 90, "the same again charges nothing");
    post("a", charge(-11)).expect(409);
    post("a", json!({ "account": other, "tokens": -10, "reason": "call" })).expect(409);
    assert_eq!(post("b", charge(-10)).expect(200).json()["balance"], 80);
    post("c", charge(-81)).expect(402);
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": 81 })).expect(200);
    assert_eq!(post("c", charge(-81)).expect(200).json()["balance"], 0, "what was refused may be tried again");
    for wrong in ["", &"x".repeat(300)] {
        post(wrong, charge(1)).expect(400);
    }
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                post("together", json!({ "account": other, "tokens": -7 })).expect(200);
            });
        }
    });
    let stage = stage.restart();
    let again = Request::post("/auth/v1/balance", &json!({ "account": other, "tokens": -7 })).bearer(&stage.token);
    let after = stage.server.send(&again.header("Idempotency-Key", "together")).expect(200).json();
    assert_eq!(after["balance"], 93, "eight at once, and one after a restart, are one");
}

#[test]
fn a_balance_ask_that_is_wrong_changes_nothing() {
    let stage = Stage::with(&plans(&[("free", "")]));
    let account = stage.account(json!({ "balance": 10 }));
    for (body, status) in [
        (json!({ "tokens": 1 }), 400),
        (json!({ "account": account }), 400),
        (json!({ "account": account, "tokens": 1.5 }), 400),
        (json!({ "account": account, "tokens": "1" }), 400),
        (json!({ "account": account, "tokens": 1e300 }), 400),
        (json!({ "account": account, "tokens": 1, "raeson": "x" }), 400),
        (json!({ "account": account, "tokens": 1, "reason": 5 }), 400),
        (json!([]), 400),
        (json!({ "account": "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV", "tokens": 1 }), 404),
        (json!({ "account": account, "tokens": -11 }), 402),
    ] {
        stage.post("/balance", &body).expect(status);
    }
    let told = stage.post("/balance", &json!({ "tokens": "x", "reason": 5, "colour": "red" })).expect(400).json();
    let mut fields: Vec<&str> = told["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(fields, ["account", "colour", "reason", "tokens"], "each wrong field in one answer");
    assert_eq!(stage.get(&format!("/accounts/{account}")).json()["balance"], 10);
}

// ---- many at once ----

/// Asks from many threads at once, each so often; how many got which verdict.
fn storm(stage: &Stage, asks: &[Value], times: usize) -> Vec<(String, usize)> {
    let barrier = Barrier::new(asks.len());
    let verdicts: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = asks
            .iter()
            .map(|ask| {
                scope.spawn(|| {
                    barrier.wait();
                    (0..times).map(|_| text(&stage.verify(ask)["verdict"])).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut counts: Vec<(String, usize)> = Vec::new();
    for verdict in verdicts {
        match counts.iter_mut().find(|(known, _)| *known == verdict) {
            Some((_, count)) => *count += 1,
            None => counts.push((verdict, 1)),
        }
    }
    counts.sort();
    counts
}

#[test]
fn many_threads_get_exactly_the_limit_through() {
    for (shape, verdict) in [("fixed", "quota_exceeded"), ("sliding", "rate_limited"), ("rolling", "rate_limited")] {
        for requests in [1, 7, 250] {
            let stage = Stage::with(&limits(&format!(
                r#"{{ name = "ever", requests = {requests}, {EVER}, shape = "{shape}", count = "account" }}"#
            )));
            let account = stage.account(json!({}));
            let asks: Vec<Value> = (0..8).map(|_| json!({ "key": stage.key(&account, json!({}))["key"] })).collect();
            let counts = storm(&stage, &asks, 40);
            assert_eq!(counts, [("ok".into(), requests), (verdict.into(), 320 - requests)], "{shape} {requests}");
        }
    }
}

#[test]
fn many_threads_with_costs_never_overspend_and_leave_nothing_that_fits() {
    let stage = Stage::with(&limits(&format!(r#"{{ name = "ever", requests = 1000, {EVER}, shape = "fixed" }}"#)));
    let key = stage.raw_key("free");
    let asks: Vec<Value> = (0..8).map(|at| json!({ "key": key, "cost": 1 + at % 4 })).collect();
    let left = |told: &Told| told.left[0];
    storm(&stage, &asks, 40);
    let spent = 1000 - left(&stage.look(&key));
    assert_eq!(spent, 40 * 2 * (1 + 2 + 3 + 4), "800 of 1000: all fit, and none is lost or counted twice");
    storm(&stage, &asks, 40);
    assert_eq!(stage.look(&key).left, [0], "those that cost 1 take the last");
}

#[test]
fn many_threads_never_overspend_a_balance() {
    let stage = Stage::with(&plans(&[("free", "")]));
    let account = stage.account(json!({ "balance": 100 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let asks: Vec<Value> = (0..8).map(|_| json!({ "key": key, "tokens": 3 })).collect();
    assert_eq!(storm(&stage, &asks, 10), [("no_balance".into(), 47), ("ok".into(), 33)]);
    assert_eq!(stage.look(&key).balance, 1);
    stage.patch(&format!("/accounts/{account}"), &json!({ "balance": 50 })).expect(200);
    let barrier = Barrier::new(8);
    let paid: usize = std::thread::scope(|scope| {
        let charge = || {
            barrier.wait();
            (0..10).filter(|_| stage.post("/balance", &json!({ "account": account, "tokens": -1 })).status == 200).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(charge)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!((paid, stage.look(&key).balance), (50, 0));
}

#[test]
fn a_refused_balance_gives_back_exactly_what_the_windows_were_charged() {
    let stage = Stage::with(&limits(&format!(
        r#"{{ name = "a", requests = 1000, {EVER}, shape = "fixed" }}, {{ name = "b", requests = 1000, {EVER}, shape = "rolling" }}, {{ name = "c", requests = 1000, {EVER}, shape = "sliding" }}"#
    )));
    let account = stage.account(json!({ "balance": 20 }));
    let key = text(&stage.key(&account, json!({}))["key"]);
    let asks: Vec<Value> = (0..8).map(|_| json!({ "key": key, "tokens": 1 })).collect();
    assert_eq!(storm(&stage, &asks, 10), [("no_balance".into(), 60), ("ok".into(), 20)]);
    let after = stage.look(&key);
    assert_eq!((after.left, after.balance), (vec![980, 980, 980], 0));
}

// ---- restarts ----

#[test]
fn a_restart_forgets_no_window() {
    let [of_key, of_account, of_address] = ["key", "account", "address"].map(|count| {
        let limit =
            |shape: &str| format!(r#"{{ name = "{shape}-{count}", requests = 100, {EVER}, shape = "{shape}", count = "{count}" }}"#);
        ["fixed", "rolling", "sliding"].map(limit).join(", ")
    });
    let mut stage = Stage::with(&limits(&format!("{of_key}, {of_account}, {of_address}")));
    let key = stage.raw_key("free");
    let mut left = 100;
    for cost in [3, 1, 40] {
        let told = stage.ask_for(json!({ "key": key, "ip": "192.0.2.1", "cost": cost }));
        left -= cost;
        assert_eq!(told.left, [left; 9]);
        stage = stage.restart();
        let told = stage.ask_for(json!({ "key": key, "ip": "192.0.2.1", "dry_run": true }));
        assert_eq!(told.left, [left; 9], "after a restart");
    }
    assert_eq!(stage.ask_for(json!({ "key": key, "ip": "192.0.2.1", "cost": 57 })).verdict, "rate_limited", "one more than is left");
}

#[test]
fn a_graceful_stop_gives_every_open_lease_back() {
    let mut stage = Stage::with(&limits(&format!(
        r#"{{ name = "ever", requests = 1000000, {EVER}, shape = "fixed" }}, {{ name = "small", requests = 20, {EVER}, shape = "fixed" }}"#
    )));
    let key = stage.raw_key("free");
    for used in 1..=6 {
        assert_eq!(stage.ask(&key).left, [1_000_000 - used, 20 - used], "exactly what was used is gone");
        stage = stage.restart();
    }
}

#[test]
fn a_stop_under_load_counts_exactly_what_passed() {
    let of_shape = |shape: &str| format!(r#"{{ name = "{shape}", requests = 1000000, {EVER}, shape = "{shape}" }}"#);
    let stage = Stage::with(&limits(&["fixed", "rolling", "sliding"].map(of_shape).join(", ")));
    let (key, address) = (stage.raw_key("free"), stage.server.address.clone());
    let passed = AtomicUsize::new(0);
    let hammer = || {
        // Until nobody listens any more.
        while let Ok(reply) = Request::get("/x").bearer(&key).try_send(&address) {
            reply.expect(200);
            passed.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (folder, token) = std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(hammer);
        }
        eventually("it is under load", || (passed.load(Ordering::SeqCst) >= 200).then_some(()));
        let (code, log) = stage.server.stop();
        assert_eq!(code, Some(0), "{log}");
        (stage.folder, stage.token)
    });
    let stage = Stage { server: folder.serve(), folder, token };
    let left = 1_000_000 - passed.load(Ordering::SeqCst) as u64;
    assert_eq!(stage.look(&key).left, [left; 3], "every request that passed was answered, and is counted");
}

#[test]
fn a_sliding_window_goes_on_where_it_was_and_opens_when_it_should() {
    let stage = Stage::with(&limits(r#"{ name = "short", requests = 2, per = "4s", shape = "sliding" }"#));
    let key = stage.raw_key("free");
    let sent = Instant::now();
    assert!(stage.ask(&key).passed());
    assert!(stage.ask(&key).passed());
    let answered = Instant::now();
    let stage = stage.restart();
    let refused = stage.ask(&key);
    if sent.elapsed() < Duration::from_secs(4) {
        assert_eq!((&*refused.verdict, &*refused.left), ("rate_limited", &[0][..]));
    }
    eventually("it opens", || stage.ask(&key).passed().then_some(()));
    assert!(sent.elapsed() + CLOCKS >= Duration::from_secs(4), "not before its time");
    assert!(answered.elapsed() < Duration::from_secs(6), "and not long after it");
}

#[test]
fn a_plan_that_the_config_changes_keeps_what_was_counted() {
    let folder = Folder::with(&limits(&format!(r#"{{ name = "ever", requests = 100, {EVER}, shape = "fixed" }}"#)));
    let stage = Stage::of(folder);
    let key = stage.raw_key("free");
    stage.ask_for(json!({ "key": key, "cost": 30 }));
    std::fs::write(stage.folder.path("auth.toml"), limits(&format!(r#"{{ name = "ever", requests = 50, {EVER}, shape = "fixed" }}"#)))
        .unwrap();
    let stage = stage.restart();
    assert_eq!(stage.look(&key).left, [20]);
}
