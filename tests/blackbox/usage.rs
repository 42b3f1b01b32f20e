//! Usage: how many requests got which verdict, by hour and day, for whoever administrates and for the holder of a key.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{Folder, Raise, Request, Stage, eventually};

const PLANS: &str = r#"
[[plans]]
name = "free"
default = true
limits = [{ requests = 3, per = "month" }]

[[plans]]
name = "wide"
unlimited = true
"#;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Now, and never so close to the end of an hour that a test would see two of them.
fn now() -> i64 {
    eventually("an hour of which enough is left", || {
        let now = Timestamp::now().as_millisecond();
        (now % HOUR < HOUR - 15_000).then_some(now)
    })
}

fn written(millis: i64) -> String {
    Timestamp::from_millisecond(millis).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Account, key, start, verdict, count.
type Row = (String, String, i64, &'static str, i64);

/// Puts rows into a database: hours, which count for their days as well, and days whose hours are gone.
fn seed(folder: &Folder, hours: &[Row], days: &[Row]) {
    let mut database = Connection::open(folder.database()).unwrap();
    let transaction = database.transaction().unwrap();
    let by_hour = "INSERT INTO usage (account, key, hour, verdict, count) VALUES (?1, ?2, ?3, ?4, ?5)";
    let by_day = "INSERT INTO usage_days (account, key, day, verdict, count) VALUES (?1, ?2, ?3 / 86400000 * 86400000, ?4, ?5)
        ON CONFLICT DO UPDATE SET count = count + excluded.count";
    for (sql, rows) in [(by_hour, hours), (by_day, hours), (by_day, days)] {
        let mut insert = transaction.prepare(sql).unwrap();
        for (account, key, start, verdict, count) in rows {
            insert.execute(params![account, key, start, verdict, count]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// Every page of a list, one after the other.
fn pages(stage: &Stage, query: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stage.get(&format!("/usage?{query}&limit={limit}{cursor}")).expect(200).json();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= limit, "{page}");
        rows.extend(data.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

/// Two accounts of two keys each, and what was counted of them: in the last three days by hour, in the days before by day, and
/// one day of whose hours a part is gone.
struct Seeded {
    stage: Stage,
    accounts: Vec<String>,
    keys: Vec<String>,
    hours: Vec<Row>,
    days: Vec<Row>,
    today: i64,
}

fn seeded() -> Seeded {
    let folder = Folder::with(PLANS);
    let today = now() / DAY * DAY;
    let accounts: Vec<String> = (0..2).map(|_| folder.account(&[])).collect();
    let keys: Vec<String> = (0..4).map(|at| text(&folder.key(&accounts[at / 2], &[])["id"])).collect();
    let (mut hours, mut days) = (Vec::new(), Vec::new());
    let verdicts = ["expired", "ok", "rate_limited", "wrong_ip"];
    for (at, key) in keys.iter().enumerate() {
        let row = |start: i64, verdict: usize, count: i64| (accounts[at / 2].clone(), key.clone(), start, verdicts[verdict], count);
        hours.extend((0..72).filter(|hour| (hour + at as i64) % 3 > 0).flat_map(|hour| {
            let row = &row;
            (0..=(hour as usize + at) % 3).map(move |verdict| row(today - 3 * DAY + hour * HOUR, verdict, 1 + hour * 10 + at as i64))
        }));
        days.extend((3..9).filter(|day| (day + at) % 4 > 0).map(|day| row(today - day as i64 * DAY, at, 7000 + day as i64)));
    }
    let nobody = |start: i64| (String::new(), String::new(), start, "missing", 5);
    hours.extend([nobody(today - 2 * DAY), nobody(today - 2 * DAY + 5 * HOUR)]);
    days.extend([nobody(today - 7 * DAY)]);
    seed(&folder, &hours, &days);
    Seeded { stage: Stage::of(folder), accounts, keys, hours, days, today }
}

impl Seeded {
    /// What must come out: rows as JSON, in order.
    fn expected(&self, by: &str, of: &str, whose: impl Fn(&Row) -> bool) -> Vec<Value> {
        let length = if by == "day" { DAY } else { HOUR };
        let days = self.days.iter().filter(|_| by == "day");
        let mut sums: BTreeMap<(i64, String, String, &str), i64> = BTreeMap::new();
        for row in self.hours.iter().chain(days).filter(|row| whose(row)) {
            let (account, key, start, verdict, count) = row.clone();
            let (account, key) = match of {
                "key" => (account, key),
                "account" => (account, String::new()),
                _ => Default::default(),
            };
            *sums.entry((start / length * length, account, key, verdict)).or_default() += count;
        }
        let id = |id: String| if id.is_empty() { Value::Null } else { id.into() };
        let rows = sums.into_iter().map(|((start, account, key, verdict), count)| match of {
            "key" => json!({ "start": written(start), "account": id(account), "key": id(key), "verdict": verdict, "count": count }),
            "account" => json!({ "start": written(start), "account": id(account), "verdict": verdict, "count": count }),
            _ => json!({ "start": written(start), "verdict": verdict, "count": count }),
        });
        rows.collect()
    }

    fn range(&self, days: i64) -> String {
        format!("from={}&to={}", written(self.today - days * DAY), written(self.today))
    }
}

#[test]
fn rows_add_up_to_what_was_counted_however_they_are_paged() {
    let seeded = seeded();
    let (account, key) = (&seeded.accounts[1], &seeded.keys[2]);
    type Whose<'a> = (String, Box<dyn Fn(&Row) -> bool + 'a>);
    let whose: [Whose<'_>; 4] = [
        (String::new(), Box::new(|_| true)),
        (format!("&account={account}"), Box::new(|row| row.0 == *account)),
        (format!("&key={key}"), Box::new(|row| row.1 == *key)),
        ("&verdict=ok".into(), Box::new(|row| row.3 == "ok")),
    ];
    for by in ["hour", "day"] {
        for of in ["key", "account", "all"] {
            for (filter, is_theirs) in &whose {
                let query = format!("by={by}&of={of}&{}{filter}", seeded.range(20));
                let expected = seeded.expected(by, of, is_theirs);
                assert!(!expected.is_empty());
                for limit in [1000, 7, 1] {
                    if limit * 100 >= expected.len() {
                        assert_eq!(pages(&seeded.stage, &query, limit), expected, "{query} by {limit}");
                    }
                }
            }
        }
    }
}

#[test]
fn only_starts_within_the_range_are_told() {
    let seeded = seeded();
    let at = |days: i64, hours: i64| seeded.today - days * DAY + hours * HOUR;
    let cases = [
        ("hour", at(2, 0), at(1, 0), at(2, 0), at(1, 0)),
        ("hour", at(2, 0) + 1, at(2, 3), at(2, 1), at(2, 3)),
        ("hour", at(2, 0), at(2, 3) + 1, at(2, 0), at(2, 4)),
        ("day", at(8, 0), at(4, 0), at(8, 0), at(4, 0)),
        ("day", at(8, 1), at(4, 1), at(7, 0), at(3, 0)),
        ("day", at(400, 0), at(300, 0), at(400, 0), at(300, 0)),
    ];
    for (by, from, to, first, end) in cases {
        let (from, to) = (Timestamp::from_millisecond(from).unwrap(), Timestamp::from_millisecond(to).unwrap());
        let expected = seeded.expected(by, "key", |row| {
            let length = if by == "day" { DAY } else { HOUR };
            (first..end).contains(&(row.2 / length * length))
        });
        assert_eq!(pages(&seeded.stage, &format!("by={by}&of=key&from={from}&to={to}"), 100), expected, "{by} {from} {to}");
    }
    // A date is midnight; without a time it is the last 30 days, or 48 hours, with the present one.
    let date = written(seeded.today - 5 * DAY)[..10].to_owned();
    let whole = |query: &str| pages(&seeded.stage, query, 1000);
    assert_eq!(whole(&format!("of=all&from={date}")), seeded.expected("day", "all", |row| row.2 >= seeded.today - 5 * DAY));
    assert_eq!(whole("of=all"), seeded.expected("day", "all", |_| true));
    let last = now() / HOUR * HOUR - 47 * HOUR;
    assert_eq!(whole("of=all&by=hour"), seeded.expected("hour", "all", |row| row.2 >= last));
}

#[test]
fn pages_neither_repeat_nor_skip_while_counts_grow() {
    let folder = Folder::with(PLANS);
    let account = folder.account(&["--plan", "wide"]);
    let keys: Vec<Value> = (0..12).map(|_| folder.key(&account, &[])).collect();
    let stage = Stage::of(folder);
    let call = |key: &Value| stage.server.get("/x", &text(&key["key"])).status;
    now();
    keys.iter().for_each(|key| assert_eq!(call(key), 200));
    eventually("all keys are counted", || (pages(&stage, "of=key&by=hour&verdict=ok", 100).len() >= 12).then_some(()));
    let is_over = AtomicBool::new(false);
    let told: Vec<Vec<Value>> = std::thread::scope(|scope| {
        let _raise = Raise(&is_over);
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                keys.iter().for_each(|key| assert_eq!(call(key), 200));
            }
        });
        (0..20).map(|_| pages(&stage, &format!("of=key&by=hour&account={account}"), 1)).collect()
    });
    for rows in told {
        let mut of_keys: Vec<String> = rows.iter().map(|row| text(&row["key"])).collect();
        of_keys.dedup();
        assert_eq!(of_keys.len(), 12, "each key once: {rows:?}");
        assert!(of_keys.is_sorted());
    }
}

#[test]
fn every_wrong_parameter_is_named_in_one_answer() {
    let seeded = seeded();
    let stage = &seeded.stage;
    let cases = [
        ("by=week", &["by"][..], "hour or day"),
        ("of=plan", &["of"], "key, account or all"),
        ("verdict=allowed", &["verdict"], "allowed"),
        ("verdict=rate_limit", &["verdict"], "rate_limited"),
        ("account=me&key=mine", &["account", "key"], "key_…"),
        ("from=yesterday&to=soon", &["from", "to"], "2026-12-31"),
        ("from=2026-02-01&to=2026-01-01", &["from"], "before"),
        ("limit=0", &["limit"], "1 to 1000"),
        ("limit=1001&format=xml", &["format", "limit"], "json or csv"),
        ("cursor=5", &["cursor"], "none that this list gave"),
        ("cursor=key_01ARZ3NDEKTSV4RRFFQ69G5FAV", &["cursor"], "none that this list gave"),
        ("format=csv&limit=5", &["limit"], "CSV comes whole"),
        ("by=x&of=x&verdict=x&from=x&limit=x", &["by", "from", "limit", "of", "verdict"], "hour or day"),
        ("month=5", &["month"], "no such parameter"),
        ("by=day&by=hour", &["by"], "twice"),
    ];
    for (query, fields, says) in cases {
        let reply = stage.get(&format!("/usage?{query}")).expect(400);
        let mut named: Vec<String> = reply.json()["errors"].as_array().unwrap().iter().map(|error| text(&error["field"])).collect();
        named.sort();
        assert_eq!(named, fields, "{query}: {reply:?}");
        assert!(reply.body.contains(says), "{query}: {reply:?}");
    }
    let (account, key) = (&seeded.accounts[0], &seeded.keys[3]);
    for nothing in [
        "account=acc_01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
        "key=key_01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
        format!("account={account}&key={key}"),
    ] {
        stage.get(&format!("/usage?{nothing}")).expect(404);
    }
}

#[test]
fn a_token_of_one_account_sees_that_account_alone() {
    let seeded = seeded();
    let (own, other) = (&seeded.accounts[0], &seeded.accounts[1]);
    let bound = text(&seeded.stage.post("/tokens", &json!({ "scopes": ["admin"], "account": own })).expect(201).json()["token"]);
    let get = |query: &str| seeded.stage.server.get(&format!("/auth/v1/usage?{query}&limit=1000"), &bound);
    let expected = seeded.expected("day", "key", |row| row.0 == *own);
    for query in ["of=key".to_owned(), format!("of=key&account={own}")] {
        assert_eq!(get(&query).expect(200).json()["data"], json!(expected), "{query}");
    }
    assert_eq!(get("of=all").expect(200).json()["data"], json!(seeded.expected("day", "all", |row| row.0 == *own)));
    for hidden in [format!("account={other}"), format!("key={}", seeded.keys[2]), format!("account={own}&key={}", seeded.keys[2])] {
        let (reply, nothing) = (get(&hidden).expect(404), get(&hidden.replace(other, "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV")));
        assert_eq!(nothing.status, 404);
        assert!(!reply.body.contains("\"data\""), "{reply:?}");
    }
    get(&format!("key={}", seeded.keys[1])).expect(200);
    let csv = seeded.stage.server.get("/auth/v1/usage?of=key&format=csv", &bound).expect(200);
    assert!(csv.body.contains(own.as_str()) && !csv.body.contains(other.as_str()), "{csv:?}");
}

/// CSV as rows of cells, the header first.
fn cells(csv: &str) -> Vec<Vec<&str>> {
    assert!(csv.ends_with("\r\n"), "every line has its end");
    csv.trim_end_matches("\r\n").split("\r\n").map(|line| line.split(',').collect()).collect()
}

#[test]
fn csv_holds_the_same_rows_whole() {
    let folder = Folder::with(PLANS);
    let (today, account) = (now() / DAY * DAY, folder.account(&[]));
    let key = text(&folder.key(&account, &[])["id"]);
    // More than is read at a time.
    let rows: Vec<Row> = (0..700)
        .flat_map(|hour| ["expired", "ok", "revoked"].map(|verdict| (account.clone(), key.clone(), today - hour * HOUR, verdict, 1 + hour)))
        .collect();
    seed(&folder, &rows, &[]);
    let stage = Stage::of(folder);
    let from = written(today - 40 * DAY);
    for (of, header) in
        [("key", "start,account,key,verdict,count"), ("account", "start,account,verdict,count"), ("all", "start,verdict,count")]
    {
        let query = format!("by=hour&of={of}&from={from}");
        let reply = stage.get(&format!("/usage?{query}&format=csv")).expect(200);
        assert_eq!(reply.header("Content-Type").as_deref(), Some("text/csv; charset=utf-8; header=present"));
        let csv = cells(&reply.body);
        assert_eq!(csv[0].join(","), header);
        let as_csv = |row: &Value| {
            row.as_object().unwrap().values().map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect::<Vec<_>>()
        };
        let expected: Vec<Vec<String>> = pages(&stage, &query, 1000).iter().map(as_csv).collect();
        assert_eq!((expected.len(), &csv[1..] == expected.as_slice()), (2100, true));
    }
    let accepting = |accept: &str, format: &str| {
        let request = Request::get(&format!("/auth/v1/usage?by=hour{format}")).bearer(&stage.token).header("Accept", accept);
        stage.server.send(&request).expect(200).header("Content-Type").unwrap()
    };
    assert!(accepting("text/csv", "").starts_with("text/csv"));
    assert!(accepting("text/csv, application/json;q=0.5", "").starts_with("text/csv"));
    assert!(accepting("text/csv", "&format=json").starts_with("application/json"));
    assert!(accepting("*/*", "").starts_with("application/json"));
    let empty = stage.get("/usage?of=key&format=csv&from=2001-01-01&to=2001-02-01").expect(200);
    assert_eq!(empty.body, "start,account,key,verdict,count\r\n");
}

#[test]
fn what_was_counted_shows_within_a_second_to_its_holder_too() {
    let stage = Stage::with(PLANS);
    let (account, other) = (stage.account(json!({})), stage.account(json!({ "plan": "wide" })));
    let (key, others) = (stage.key(&account, json!({})), stage.key(&other, json!({})));
    let raw = text(&key["key"]);
    let hour = now() / HOUR * HOUR;
    for status in [200, 200, 200, 429, 429] {
        stage.server.get("/x", &raw).expect(status);
    }
    stage.server.get("/x", &text(&others["key"])).expect(200);
    let counted = std::time::Instant::now();
    let counts = json!({ "ok": 3, "quota_exceeded": 2 });
    eventually("it is counted", || {
        let usage = stage.server.get("/auth/v1/me", &raw).expect(200).json()["usage"].clone();
        (usage == json!({ "hour": counts, "day": counts, "month": counts })).then_some(())
    });
    println!("it showed after {:?}", counted.elapsed());
    let row = |verdict: &str, count: i64| json!({ "start": written(hour), "account": account, "key": key["id"], "verdict": verdict, "count": count });
    let own = stage.server.get("/auth/v1/me/usage?by=hour", &raw).expect(200).json();
    assert_eq!(own, json!({ "data": [row("ok", 3), row("quota_exceeded", 2)], "next_cursor": null }));
    let one = stage.server.get("/auth/v1/me/usage?by=hour&verdict=ok", &raw).expect(200).json();
    assert_eq!(one["data"], json!([row("ok", 3)]));
    let csv = stage.server.get("/auth/v1/me/usage?by=hour&format=csv", &raw).expect(200).body;
    assert_eq!(cells(&csv).len(), 3);
    let page = stage.server.get("/auth/v1/me/usage?by=hour&limit=1", &raw).expect(200).json();
    let next = stage.server.get(&format!("/auth/v1/me/usage?by=hour&limit=1&cursor={}", text(&page["next_cursor"])), &raw).expect(200);
    assert_eq!((&page["data"], &next.json()["data"]), (&json!([row("ok", 3)]), &json!([row("quota_exceeded", 2)])));
    // Whoever asks for another's is told that there is no such thing to ask.
    for stray in [format!("key={}", text(&others["id"])), format!("account={other}"), "of=all".into()] {
        let reply = stage.server.get(&format!("/auth/v1/me/usage?{stray}"), &raw).expect(400);
        assert!(reply.body.contains("no such parameter"), "{reply:?}");
    }
    // Asking is counted nowhere.
    let again = stage.server.get("/auth/v1/me", &raw).expect(200).json();
    assert_eq!(again["usage"]["hour"], counts);
}

#[test]
fn a_refused_credential_gets_the_styles_answer() {
    let stage = Stage::with(&format!("{PLANS}\n[keys]\ncarriers = [\"query:api_key\", \"bearer\"]\n"));
    let account = stage.account(json!({}));
    let (good, gone) = (stage.key(&account, json!({})), stage.key(&account, json!({})));
    stage.delete(&format!("/keys/{}", text(&gone["id"]))).expect(204);
    for path in ["/auth/v1/me", "/auth/v1/me/usage"] {
        for (query, status, says) in [
            (String::new(), 401, "missing"),
            (format!("?api_key={}", text(&gone["key"])), 401, "revoked"),
            (format!("?api_key={}x", text(&good["key"])), 401, "unknown"),
        ] {
            let reply = stage.server.send(&Request::get(&format!("{path}{query}"))).expect(status);
            assert!(reply.body.contains(says) && reply.header("WWW-Authenticate").is_some(), "{path}: {reply:?}");
        }
        stage.server.send(&Request::get(&format!("{path}?api_key={}", text(&good["key"])))).expect(200);
    }
    // A wrong parameter beside a credential does not repeat the credential.
    let reply = stage.server.send(&Request::get(&format!("/auth/v1/me/usage?by=week&api_key={}", text(&good["key"])))).expect(400);
    assert!(reply.body.contains("by") && !reply.body.contains(&text(&good["key"])[..16]), "{reply:?}");
}

/// Account, key, day, verdict, count.
type Stored = (String, String, i64, String, i64);

/// What is there: counts by account, key, day and verdict, and the oldest hour.
fn stored(folder: &Folder) -> (Vec<Stored>, Option<i64>) {
    let database = Connection::open(folder.database()).unwrap();
    let mut statement = database.prepare("SELECT account, key, day, verdict, count FROM usage_days ORDER BY 1, 2, 3, 4").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))).unwrap();
    let rows = rows.collect::<rusqlite::Result<_>>().unwrap();
    (rows, database.query_row("SELECT min(hour) FROM usage", [], |row| row.get(0)).unwrap())
}

/// Many hours that are to go, the first of whose days had more that went before.
fn old_hours(folder: &Folder, first: i64, hours: i64) {
    let account = folder.account(&[]);
    let key = text(&folder.key(&account, &[])["id"]);
    let rows: Vec<Row> = (0..hours)
        .flat_map(|hour| ["expired", "ok", "revoked"].map(|verdict| (account.clone(), key.clone(), first + hour * HOUR, verdict, 1 + hour)))
        .collect();
    seed(folder, &rows, &[(account, key, first / DAY * DAY, "ok", 1_000_000)]);
}

#[test]
fn hours_go_in_their_time_and_days_in_theirs() {
    let folder = Folder::with(&format!("{PLANS}\n[history]\nusage_by_hour = \"5d\"\nusage_by_day = \"60d\"\n"));
    let now = now();
    old_hours(&folder, now / HOUR * HOUR - 90 * DAY, 90 * 24);
    let (before, _) = stored(&folder);
    let server = folder.serve();
    let oldest = (now - 5 * DAY) / HOUR * HOUR;
    eventually("old hours go", || (stored(&folder).1 >= Some(oldest)).then_some(()));
    let last_kept = (now - 60 * DAY) / DAY * DAY;
    eventually("old days go", || stored(&folder).0.iter().all(|row| row.2 >= last_kept).then_some(()));
    let (after, oldest_hour) = stored(&folder);
    assert_eq!(oldest_hour, Some(oldest));
    let kept: Vec<_> = before.into_iter().filter(|row| row.2 >= last_kept).collect();
    assert_eq!(after, kept, "no count of the days that stay is lost, and none is counted twice");
    drop(server);
}

#[test]
fn a_server_that_is_killed_while_hours_go_loses_no_count_of_a_day() {
    let folder = Folder::with(PLANS);
    old_hours(&folder, now() / HOUR * HOUR - 500 * DAY, 300 * 24);
    let (before, _) = stored(&folder);
    let mut gone = false;
    for round in 0..30 {
        let server = folder.serve();
        let left = stored(&folder).1;
        if round > 0 {
            eventually("a part of it goes", || (stored(&folder).1 > left || stored(&folder).1.is_none()).then_some(()));
        }
        server.kill();
        let (rows, oldest) = stored(&folder);
        assert_eq!(rows, before, "after {round} kills");
        gone |= oldest > left;
        if oldest.is_none() {
            break;
        }
    }
    assert!(gone);
}

#[test]
fn the_command_line_shows_a_table_json_and_csv() {
    let folder = Folder::with(PLANS);
    let (today, account) = (now() / DAY * DAY, folder.account(&[]));
    let key = text(&folder.key(&account, &[])["id"]);
    let row = |day: i64, verdict: &'static str, count: i64| (account.clone(), key.clone(), today - day * DAY, verdict, count);
    seed(&folder, &[], &[row(2, "ok", 1200), row(2, "rate_limited", 7), row(1, "ok", 5), row(1, "missing", 0)]);
    let shown = |arguments: &[&str]| {
        let output = folder.run(&[&["usage"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let table = shown(&[]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let (first, second) = (written(today - 2 * DAY), written(today - DAY));
    let expected = [
        vec!["START", "(UTC)", "ok", "rate_limited", "missing"],
        vec![&first[..10], "00:00", "1200", "7", "-"],
        vec![&second[..10], "00:00", "5", "-", "0"],
    ];
    assert_eq!(lines, expected, "{table}");
    assert!(shown(&["--of", "key", "--account", &account]).contains(&key));
    assert_eq!(shown(&["--from", "2001-01-01", "--to", "2001-02-01"]).trim(), "Nothing was counted then.");
    let csv = shown(&["--csv", "--of", "all", "--verdict", "ok"]);
    assert_eq!(cells(&csv), [vec!["start", "verdict", "count"], vec![&first, "ok", "1200"], vec![&second, "ok", "5"]]);
    let list = folder.json(&["usage", "--key", &key, "--verdict", "ok"]);
    assert_eq!(list["data"][0], json!({ "start": first, "verdict": "ok", "count": 1200 }));
    for (wrong, code, says) in [
        (&["--by", "week"][..], 2, "hour or day"),
        (&["--account", "nobody"], 2, "acc_…"),
        (&["--account", "acc_01ARZ3NDEKTSV4RRFFQ69G5FAV"], 1, "no account"),
        (&["--verdict", "fine"], 2, "no verdict"),
    ] {
        let output = folder.run(&[&["usage"], wrong].concat());
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{output:?}");
    }
}

#[test]
fn who_reads_much_of_its_own_keeps_no_other_holder_waiting() {
    let folder = Folder::with(PLANS);
    let today = now() / DAY * DAY;
    let account = folder.account(&["--plan", "wide"]);
    let key = folder.key(&account, &[]);
    let verdicts = ["expired", "ok", "rate_limited", "wrong_ip"];
    let row = |at: i64| (account.clone(), text(&key["id"]), today - (at / 4) * HOUR, verdicts[at as usize % 4], 1 + at);
    seed(&folder, &(0..2880).map(row).collect::<Vec<_>>(), &[]);
    let (stage, ended) = (Stage::of(folder), AtomicBool::new(false));
    let metrics = stage.folder.token("metrics");
    let greedy = Request::get("/auth/v1/me/usage?by=hour&from=2020-01-01&format=csv").bearer(&text(&key["key"]));
    let waiting = |text: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with("tollgate_reader_queue_readings{readers=\"holders\"}"));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> =
            (0..24).map(|_| scope.spawn(|| (0..4).map(|_| stage.server.send(&greedy).expect(200).body).collect::<Vec<_>>())).collect();
        let most = scope.spawn(|| {
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(waiting(&stage.server.get("/auth/metrics", &metrics).expect(200).body));
            }
            most
        });
        for reader in readers {
            let texts = reader.join().unwrap();
            assert!(texts.iter().all(|text| text.lines().count() == 2881), "each got all of it");
        }
        ended.store(true, Ordering::Relaxed);
        let most = most.join().unwrap();
        assert!(most <= 1, "{most} readings of one account waited before everybody else's");
    });
}
