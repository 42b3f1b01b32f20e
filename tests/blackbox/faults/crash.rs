//! `kill -9` at a random moment under load, and SIGTERM: what was acknowledged is there afterwards, and nothing is over-spent.
//!
//! `SOAK_ROUNDS` says how often the process is killed in each of these tests; `tests/soak` runs them for long.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::rounds;
use crate::support::server::text;
use crate::support::{Folder, Raise, Reply, Request, Server, Stage, eventually};

/// One round of load, and its end.
struct Round {
    /// The server is about to be killed: nobody begins anything new.
    is_over: AtomicBool,
    /// Requests answered so far.
    answered: AtomicUsize,
    address: String,
}

impl Round {
    /// Sends a request. Where no answer came any more: how many requests may have been counted all the same, 1 or, where
    /// nobody listened, 0.
    fn send(&self, request: &Request) -> Result<Reply, usize> {
        let reply = request.try_send(&self.address).map_err(|error| usize::from(error.kind() != ErrorKind::ConnectionRefused))?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(reply)
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }
}

/// Lets workers loose on a server and kills it after so many answers, in the middle of whatever is under way. What the workers
/// did is handed back.
fn until_killed<T: Send>(server: Server, answers: usize, workers: usize, work: impl Fn(usize, &Round) -> T + Sync) -> Vec<T> {
    let round = Round { is_over: AtomicBool::new(false), answered: AtomicUsize::new(0), address: server.address.clone() };
    std::thread::scope(|scope| {
        let raise = Raise(&round.is_over);
        let workers: Vec<_> = (0..workers)
            .map(|worker| {
                let (work, round) = (&work, &round);
                scope.spawn(move || work(worker, round))
            })
            .collect();
        let is_done = || round.answered.load(Ordering::Relaxed) >= answers || workers.iter().all(|worker| worker.is_finished());
        eventually("the load is there", || is_done().then_some(()));
        server.kill();
        drop(raise);
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    })
}

fn between(least: usize, most: usize) -> usize {
    rand::random_range(least..=most)
}

// Keys and revocations.

/// What is known of a key whose making was acknowledged.
struct Made {
    raw: String,
    /// Its revocation was asked for.
    asked: bool,
    /// And acknowledged.
    revoked: bool,
}

/// Makes keys and revokes every other one, until the server is gone.
fn make_and_revoke(round: &Round, token: &str, account: &str) -> Vec<Made> {
    let mut all = Vec::new();
    while round.goes_on() {
        let request = Request::post("/auth/v1/keys", &json!({ "account": account, "name": "x" })).bearer(token);
        let Ok(reply) = round.send(&request) else { break };
        let key = reply.expect(201).json();
        let mut made = Made { raw: text(&key["key"]), asked: all.len() % 2 == 1, revoked: false };
        if made.asked {
            let request = Request::new("DELETE", &format!("/auth/v1/keys/{}", text(&key["id"]))).bearer(token);
            made.revoked = round.send(&request).is_ok_and(|reply| reply.expect(204).status == 204);
        }
        all.push(made);
    }
    all
}

/// Asks for the verdicts of many keys.
fn verdicts(server: &Server, token: &str, made: &[Made]) -> Vec<String> {
    let of_hundred = |chunk: &[Made]| {
        let asks: Vec<Value> = chunk.iter().map(|made| json!({ "key": made.raw, "dry_run": true })).collect();
        let answers = server.post("/auth/v1/verify", token, &asks.into()).expect(200).json();
        answers.as_array().unwrap().iter().map(|answer| text(&answer["verdict"])).collect::<Vec<_>>()
    };
    made.chunks(100).flat_map(of_hundred).collect()
}

#[track_caller]
fn check_keys(server: &Server, token: &str, all: &[Made]) {
    for (made, verdict) in all.iter().zip(verdicts(server, token, all)) {
        let expected: &[&str] = match (made.asked, made.revoked) {
            (_, true) => &["revoked"],
            (true, false) => &["ok", "revoked"],
            (false, false) => &["ok"],
        };
        assert!(expected.contains(&verdict.as_str()), "it must be {expected:?}, and is {verdict}");
    }
}

#[test]
fn every_acknowledged_key_and_revocation_survives_being_killed() {
    let folder = Folder::with("[[plans]]\nname = \"free\"\nunlimited = true\n");
    let token = text(&folder.json(&["token", "create", "--scope", "admin", "--scope", "verify"])["token"]);
    let account = folder.account(&[]);
    let mut all = Vec::new();
    for _ in 0..rounds() {
        let made = until_killed(folder.serve(), between(1, 120), 3, |_, round| make_and_revoke(round, &token, &account));
        let made: Vec<Made> = made.into_iter().flatten().collect();
        let server = folder.serve();
        check_keys(&server, &token, &made);
        server.kill();
        all.extend(made);
    }
    let server = folder.serve();
    check_keys(&server, &token, &all);
    assert!(all.iter().any(|made| made.revoked) && all.iter().any(|made| !made.asked), "{} keys were made", all.len());
    println!("{} keys, of them {} revoked, over {} kills", all.len(), all.iter().filter(|made| made.revoked).count(), 2 * rounds());
}

#[test]
fn what_a_killed_server_leaves_behind_is_no_obstacle() {
    let folder = Folder::new();
    let account = folder.account(&[]);
    let server = folder.serve();
    let raw = text(&folder.key(&account, &[])["key"]);
    server.kill();
    for side in ["tollgate.db.sock", "tollgate.db.lock"] {
        assert!(folder.path(side).exists(), "{side} is left behind, or this test tests nothing");
    }
    let began = Instant::now();
    assert_eq!(folder.json(&["key", "list"])["data"].as_array().unwrap().len(), 1, "a command finds the key");
    let server = folder.serve();
    assert!(began.elapsed() < Duration::from_secs(5), "and nobody waits: {:?}", began.elapsed());
    server.get("/x", &raw).expect(200);
    folder.key(&account, &[]);
    assert_eq!(folder.run(&["serve"]).status.code(), Some(1), "the new server holds the lock");
}

#[test]
fn whatever_ends_by_itself_leaves_only_the_one_file() {
    let folder = Folder::new();
    let side_files = || ["wal", "shm"].map(|side| folder.path(&format!("tollgate.db-{side}")).exists());
    let raw = folder.raw_key("free");
    assert_eq!(side_files(), [false; 2], "after a command");
    let elsewhere = Folder::new();
    std::fs::copy(folder.database(), elsewhere.database()).unwrap();
    elsewhere.serve().get("/x", &raw).expect(200);
    let server = folder.serve();
    server.get("/x", &raw).expect(200);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(side_files(), [false; 2], "after a server");
}

// Fixed windows.

/// Requests of one key, until it is refused or the server is gone: how many passed, how many were never answered.
fn spend(round: &Round, raw: &str) -> (usize, usize) {
    let request = Request::get("/x").bearer(raw);
    let mut served = 0;
    while round.goes_on() {
        match round.send(&request) {
            Ok(reply) if reply.status == 200 => served += 1,
            Ok(reply) => {
                assert_eq!(reply.expect(429).verdict(), "quota_exceeded");
                return (served, 0);
            }
            Err(unanswered) => return (served, unanswered),
        }
    }
    (served, 0)
}

/// Several kills, then whatever is left. Of `limit` requests never more pass, and a crash costs no more than it may.
fn spend_over_kills(limit: usize, count: &str, workers: usize, kills: usize) {
    let plan = format!("requests = {limit}, per = \"3650d\", count = \"{count}\"");
    let folder = Folder::with(&format!("[[plans]]\nname = \"free\"\nlimits = [{{ {plan} }}]\n"));
    let account = folder.account(&[]);
    let keys: Vec<String> = (0..3).map(|_| text(&folder.key(&account, &[])["key"])).collect();
    // What counts by the key is asked of one key, what counts by the account of all of them.
    let key = |worker: usize| if count == "key" { &keys[0] } else { &keys[worker] };
    let (mut served, mut unanswered) = (0, 0);
    for _ in 0..kills {
        let answers = between(1, limit / kills);
        for (more, lost) in until_killed(folder.serve(), answers, workers, |worker, round| spend(round, key(worker))) {
            served += more;
            unanswered += lost;
        }
        assert!(served <= limit, "{served} of {limit} passed");
    }
    let server = folder.serve();
    served += (0..=limit).take_while(|index| server.get("/x", key(index % 3)).status == 200).count();
    for index in 0..9 {
        assert_eq!(server.get("/x", key(index % 3)).expect(429).verdict(), "quota_exceeded");
    }
    let lost = limit - served;
    println!("{served} of {limit} by {count} passed over {kills} kills: {lost} lost, {unanswered} never answered");
    assert!(served <= limit, "{served} of {limit} passed");
    let most = kills * (limit / 100).max(2) + unanswered;
    assert!(lost <= most, "{lost} of {limit} were lost to {kills} kills, {most} may be");
}

/// As many kills as `SOAK_ROUNDS` says over the three sizes of windows, four for each window.
fn in_sets_of_four(limit: usize, count: &str, workers: usize) {
    for _ in 0..rounds().div_ceil(12) {
        spend_over_kills(limit, count, workers, 4);
    }
}

#[test]
fn a_small_fixed_window_is_never_over_spent_by_kills() {
    in_sets_of_four(40, "key", 1);
}

#[test]
fn a_fixed_window_is_never_over_spent_by_kills() {
    in_sets_of_four(400, "account", 3);
}

#[test]
fn a_large_fixed_window_is_never_over_spent_by_kills() {
    in_sets_of_four(3000, "key", 3);
}

#[test]
fn a_clean_stop_costs_a_fixed_window_nothing() {
    const LIMIT: usize = 4000;
    let folder = Folder::with(&format!("[[plans]]\nname = \"free\"\nlimits = [{{ requests = {LIMIT}, per = \"3650d\" }}]\n"));
    let raws = ["free", "free"].map(|plan| folder.raw_key(plan));
    let served = raws.each_ref().map(|_| AtomicUsize::new(0));
    for _ in 0..5 {
        let server = folder.serve();
        for (raw, served) in raws.iter().zip(&served) {
            let left = server.get("/x", raw).expect(200).number("x-ratelimit-remaining");
            let used = served.fetch_add(1, Ordering::Relaxed) + 1;
            assert_eq!(left, Some((LIMIT - used) as i64), "of {LIMIT}, after {used}");
        }
        stop_under_load(server, &raws, &served);
    }
}

/// Spends of two keys until the server is gone, and stops it in the middle of that, while leases are on their way.
fn stop_under_load(server: Server, raws: &[String; 2], served: &[AtomicUsize; 2]) {
    let (address, is_over) = (server.address.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _raise = Raise(&is_over);
        for worker in 0..4 {
            let (address, is_over, served) = (&address, &is_over, &served[worker % 2]);
            let request = Request::get("/x").bearer(&raws[worker % 2]);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let Ok(reply) = request.try_send(address) else { break };
                    served.fetch_add(usize::from(reply.expect(200).status == 200), Ordering::Relaxed);
                }
            });
        }
        let enough = served[0].load(Ordering::Relaxed) + between(1, 150);
        eventually("the load is there", || (served[0].load(Ordering::Relaxed) >= enough).then_some(()));
        let (code, log) = server.stop();
        assert_eq!(code, Some(0), "{log}");
    });
}

#[test]
fn what_is_just_being_written_off_at_a_clean_stop_is_given_back() {
    let folder = Folder::with("[[plans]]\nname = \"free\"\nlimits = [{ requests = 400, per = \"3650d\" }]\n");
    let raw = folder.raw_key("free");
    let server = folder.serve();
    let mut used = 0;
    let mut spend = |server: &Server| {
        used += 1;
        let left = server.get("/x", &raw).expect(200).number("x-ratelimit-remaining");
        assert_eq!(left, Some(400 - used), "after {used}");
        used
    };
    let first = spend(&server);
    let written_off = |connection: &Connection| -> i64 {
        connection.query_row("SELECT coalesce(max(written), 0) FROM windows", [], |row| row.get(0)).unwrap()
    };
    let other = Connection::open(folder.database()).unwrap();
    let open = eventually("more is written off than was used", || Some(written_off(&other) - first).filter(|open| *open > 0));
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // All that is open is spent, and more is asked for; it cannot be written before the lock is gone.
    for _ in 0..open {
        spend(&server);
    }
    let address = server.address.clone();
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop());
        eventually("nobody new is accepted", || std::net::TcpStream::connect(&address).err().map(|_| ()));
        // Long enough for it to come to closing its database, and shorter than it waits for the lock.
        std::thread::sleep(Duration::from_millis(500));
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(stopping.join().unwrap().0, Some(0));
    });
    spend(&folder.serve());
}

// Balances.

/// The balance of an account.
fn balance(server: &Server, token: &str, account: &str) -> i64 {
    server.get(&format!("/auth/v1/accounts/{account}"), token).expect(200).json()["balance"].as_i64().unwrap()
}

#[test]
fn a_balance_is_never_over_spent_by_kills() {
    let config = "[[plans]]\nname = \"free\"\nunlimited = true\n[[routes]]\npath = \"/paid\"\ntokens = 3\n";
    let folder = Folder::with(config);
    let token = text(&folder.json(&["token", "create", "--scope", "admin"])["token"]);
    for _ in 0..rounds() {
        let account = folder.account(&["--balance", "100"]);
        let request = Request::get("/paid").bearer(&text(&folder.key(&account, &[])["key"]));
        let pay = |round: &Round| {
            let mut served = 0;
            while round.goes_on() {
                match round.send(&request) {
                    Ok(reply) if reply.status == 200 => served += 1,
                    Ok(reply) => {
                        assert_eq!(reply.expect(402).verdict(), "no_balance");
                        return (served, 0);
                    }
                    Err(unanswered) => return (served, unanswered as i64),
                }
            }
            (served, 0)
        };
        let ended = until_killed(folder.serve(), between(1, 40), 3, |_, round| pay(round));
        let (served, unanswered) = ended.iter().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        let server = folder.serve();
        let taken = 100 - balance(&server, &token, &account);
        assert!((3 * served..=3 * (served + unanswered)).contains(&taken), "{taken} taken for {served} served and {unanswered} unanswered");
        let rest = (0..=33).take_while(|_| server.send(&request).status == 200).count() as i64;
        server.send(&request).expect(402);
        assert_eq!(balance(&server, &token, &account), 1, "34 times 3 are more than 100");
        assert_eq!(taken + 3 * rest, 99);
        assert_eq!(server.stop().0, Some(0));
    }
    println!("{0} balances over {0} kills, none over-spent", rounds());
}

#[test]
fn a_charge_under_an_idempotency_key_is_taken_exactly_once_over_kills() {
    let folder = Folder::new();
    let scopes = ["token", "create", "--scope", "admin", "--scope", "verify"];
    let token = text(&folder.json(&scopes)["token"]);
    let account = folder.account(&["--balance", "1000000"]);
    let charge = |key: &str| {
        Request::post("/auth/v1/balance", &json!({ "account": account, "tokens": -7, "reason": "test" }))
            .bearer(&token)
            .header("Idempotency-Key", key)
    };
    let mut asked = 0;
    for turn in 0..rounds() {
        let work = |worker: usize, round: &Round| {
            let mut keys: Vec<String> = Vec::new();
            while round.goes_on() {
                keys.push(format!("{turn}-{worker}-{}", keys.len()));
                let Ok(reply) = round.send(&charge(&keys[keys.len() - 1])) else { break };
                reply.expect(200);
            }
            keys
        };
        let keys: Vec<Vec<String>> = until_killed(folder.serve(), between(1, 100), 3, work);
        let server = folder.serve();
        // Whoever got no answer asks again; and some who did, too.
        for key in keys.iter().flat_map(|keys| keys.iter().rev().take(3)) {
            server.send(&charge(key)).expect(200);
        }
        asked += keys.iter().map(Vec::len).sum::<usize>() as i64;
        assert_eq!(balance(&server, &token, &account), 1_000_000 - 7 * asked, "after {asked} charges");
        server.kill();
    }
    println!("{asked} charges over {} kills, each taken exactly once", 2 * rounds());
}

// Statistics, rolling and sliding windows.

/// What the usage table has counted, by verdict.
fn usage(database: &Path) -> BTreeMap<String, usize> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection.prepare("SELECT verdict, sum(count) FROM usage GROUP BY verdict").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as usize))).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// Three requests of three verdicts.
fn three(raw: &str) -> [(&'static str, Request); 3] {
    [("ok", Request::get("/x").bearer(raw)), ("missing", Request::get("/x")), ("unknown", Request::get("/x").bearer("tg_live_nobody"))]
}

const UNLIMITED: &str = "[[plans]]\nname = \"free\"\nunlimited = true\n";

#[test]
fn statistics_lose_at_most_one_second_to_a_kill() {
    let folder = Folder::with(UNLIMITED);
    let raw = folder.raw_key("free");
    for _ in 0..rounds().div_ceil(6) {
        let before = usage(&folder.database());
        let server = folder.serve();
        // When each request was sent and answered, by verdict.
        let mut sent: BTreeMap<&str, Vec<(Instant, Instant)>> = BTreeMap::new();
        let began = Instant::now();
        let long = Duration::from_millis(between(1200, 2200) as u64);
        while began.elapsed() < long {
            for (verdict, request) in three(&raw) {
                let at = Instant::now();
                server.send(&request);
                sent.entry(verdict).or_default().push((at, Instant::now()));
            }
        }
        let killed = Instant::now();
        server.kill();
        let after = usage(&folder.database());
        for (verdict, times) in &sent {
            let counted = after.get(*verdict).copied().unwrap_or(0) - before.get(*verdict).copied().unwrap_or(0);
            let safe = times.iter().filter(|(_, answered)| killed - *answered > Duration::from_secs(1)).count();
            assert!(counted >= safe, "{verdict}: {counted} counted, {safe} were older than a second");
            assert!(counted <= times.len(), "{verdict}: {counted} counted, {} sent", times.len());
            println!("{counted} of {} {verdict} counted over a kill; {safe} had to be", times.len());
        }
    }
}

#[test]
fn statistics_lose_nothing_to_sigterm() {
    let folder = Folder::with(UNLIMITED);
    let raw = folder.raw_key("free");
    let mut sent = 0;
    for _ in 0..4 {
        let server = folder.serve();
        for _ in 0..between(1, 60) {
            sent += 1;
            for (_, request) in three(&raw) {
                server.send(&request);
            }
        }
        assert_eq!(server.stop().0, Some(0));
        let expected: BTreeMap<String, usize> = three(&raw).iter().map(|(verdict, _)| (verdict.to_string(), sent)).collect();
        assert_eq!(usage(&folder.database()), expected);
    }
}

#[test]
fn sigterm_under_load_loses_no_answer_and_no_count() {
    let folder = Folder::with(UNLIMITED);
    let raw = folder.raw_key("free");
    let request = Request::get("/x").bearer(&raw);
    let passed = Mutex::new(0);
    for _ in 0..6 {
        let server = folder.serve();
        let (address, is_over) = (server.address.clone(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let raise = Raise(&is_over);
            for _ in 0..4 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        // One that was never accepted breaks off; one that was is answered whole.
                        match request.try_send(&address) {
                            Ok(reply) => *passed.lock().unwrap() += usize::from(reply.expect(200).status == 200),
                            Err(_) => break,
                        }
                    }
                });
            }
            let enough = *passed.lock().unwrap() + between(1, 400);
            eventually("the load is there", || (*passed.lock().unwrap() >= enough).then_some(()));
            let began = Instant::now();
            let (code, log) = server.stop();
            assert_eq!(code, Some(0), "{log}");
            assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
            assert!(!log.contains("cut off"), "{log}");
            drop(raise);
        });
        assert_eq!(usage(&folder.database())["ok"], *passed.lock().unwrap(), "what was counted was answered");
    }
}

/// Windows whose steady rate gives nothing back while a test runs.
const WINDOWS: &str = r#"
[keys]
anonymous = "nobody"

[[plans]]
name = "rolling"
default = true
limits = [{ requests = 20, per = "50m", name = "w" }]

[[plans]]
name = "sliding"
limits = [{ requests = 20, per = "50m", shape = "sliding", name = "w" }]

[[plans]]
name = "shared"
limits = [{ requests = 20, per = "50m", count = "account", name = "w" }]

[[plans]]
name = "nobody"
limits = [{ requests = 20, per = "50m", count = "address", name = "w" }]
"#;

#[test]
fn rolling_and_sliding_windows_are_remembered() {
    let stage = Stage::with(WINDOWS);
    let mut requests: Vec<Request> = ["rolling", "sliding", "shared"].map(|plan| Request::get("/x").bearer(&stage.raw_key(plan))).into();
    requests.push(Request::get("/x"));
    // What is left of each window after one more request.
    let each = |server: &Server| -> Vec<Option<i64>> {
        requests.iter().map(|request| server.send(request).expect(200).number("x-ratelimit-remaining")).collect()
    };
    let Stage { folder, mut server, .. } = stage;
    let mut left = 20;
    // Stopped, it forgets nothing.
    for _ in 0..3 {
        for _ in 0..3 {
            left -= 1;
            assert_eq!(each(&server), [Some(left); 4]);
        }
        assert_eq!(server.stop().0, Some(0));
        server = folder.serve();
    }
    // Killed, it forgets at most what the last second brought.
    for _ in 0..2 {
        left -= 1;
        assert_eq!(each(&server), [Some(left); 4]);
        std::thread::sleep(Duration::from_secs(1));
        server.kill();
        server = folder.serve();
    }
    let before = left - 2;
    each(&server);
    assert_eq!(each(&server), [Some(before); 4]);
    server.kill();
    let server = folder.serve();
    for remaining in each(&server) {
        assert!((before - 1..=left - 1).contains(&remaining.unwrap()), "{remaining:?} after a kill within the second, {before} before it");
    }
}

#[test]
fn a_window_that_was_used_up_is_still_used_up_after_a_kill() {
    let stage = Stage::with(WINDOWS);
    let keys = ["rolling", "sliding", "shared"].map(|plan| stage.raw_key(plan));
    for raw in &keys {
        (0..20).for_each(|_| drop(stage.server.get("/x", raw).expect(200)));
        stage.server.get("/x", raw).expect(429);
    }
    std::thread::sleep(Duration::from_secs(1));
    let Stage { folder, server, .. } = stage;
    server.kill();
    let server = folder.serve();
    for raw in &keys {
        assert_eq!(server.get("/x", raw).expect(429).verdict(), "rate_limited");
    }
}
