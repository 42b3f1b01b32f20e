//! A revocation races everything that could bring the key back: cold keys, evicted ones, refills under way, batches.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::rounds;
use crate::support::server::text;
use crate::support::{Raise, Request, Stage};

/// So few are held that every other request reads its key anew.
const CONFIG: &str = "[server]\ncached_keys = 16\n[[plans]]\nname = \"free\"\nunlimited = true\n";

/// How many keys are revoked one after the other, and how many more there are to push them out of the cache.
const REVOKED: usize = 36;
const KEYS: usize = 80;

/// A key, and whether its revocation was acknowledged.
struct Target {
    id: String,
    raw: String,
    is_revoked: AtomicBool,
}

/// Everybody asks for these keys, and most for the one that is being revoked.
struct Range {
    targets: Vec<Target>,
    current: AtomicUsize,
    is_over: AtomicBool,
}

impl Range {
    fn of(stage: &Stage) -> Self {
        let account = stage.account(json!({}));
        let target = |_| {
            let key = stage.key(&account, json!({}));
            Target { id: text(&key["id"]), raw: text(&key["key"]), is_revoked: AtomicBool::new(false) }
        };
        Self { targets: (0..KEYS).map(target).collect(), current: AtomicUsize::new(0), is_over: AtomicBool::new(false) }
    }

    /// The key that is being revoked now, or any.
    fn pick(&self) -> &Target {
        let any = rand::random_range(0..3) == 0;
        let index = if any { rand::random_range(0..KEYS) } else { self.current.load(Ordering::Relaxed) };
        &self.targets[index.min(KEYS - 1)]
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }
}

/// Whether an answer fits: a request that began after the acknowledgement never passes.
fn check(was_revoked: bool, verdict: &str) {
    if was_revoked {
        assert_eq!(verdict, "revoked", "the revocation was acknowledged before this request began");
    } else {
        assert!(["ok", "revoked"].contains(&verdict), "{verdict}");
    }
}

fn knock(stage: &Stage, range: &Range) {
    while range.goes_on() {
        let target = range.pick();
        let was_revoked = target.is_revoked.load(Ordering::SeqCst);
        check(was_revoked, &stage.server.send(&Request::get("/x").bearer(&target.raw)).verdict());
    }
}

fn ask_in_batches(stage: &Stage, range: &Range) {
    while range.goes_on() {
        let targets: Vec<&Target> = (0..20).map(|_| range.pick()).collect();
        let were_revoked: Vec<bool> = targets.iter().map(|target| target.is_revoked.load(Ordering::SeqCst)).collect();
        let asks: Vec<Value> = targets.iter().map(|target| json!({ "key": target.raw })).collect();
        let answers = stage.verify(&asks.into());
        for (was_revoked, answer) in were_revoked.into_iter().zip(answers.as_array().unwrap()) {
            check(was_revoked, answer["verdict"].as_str().unwrap());
        }
    }
}

/// Revokes one after the other; the ways take turns.
fn revoke_all(stage: &Stage, range: &Range) {
    for (index, target) in range.targets.iter().take(REVOKED).enumerate() {
        range.current.store(index, Ordering::Relaxed);
        match index % 3 {
            0 => drop(stage.folder.json(&["key", "revoke", &target.id])),
            1 => drop(stage.delete(&format!("/keys/{}", target.id)).expect(204)),
            _ => drop(stage.post(&format!("/keys/{}/rotate", target.id), &json!({ "grace": "0s" })).expect(201)),
        }
        target.is_revoked.store(true, Ordering::SeqCst);
        // From here, on this very thread: the next request.
        assert_eq!(stage.server.send(&Request::get("/x").bearer(&target.raw)).verdict(), "revoked");
    }
}

#[test]
fn no_request_passes_after_a_revocation_was_acknowledged() {
    let stage = Stage::with(CONFIG);
    let sets = rounds().div_ceil(12);
    for _ in 0..sets {
        race(&stage, &Range::of(&stage));
    }
    println!("{} revocations raced requests for their keys, and none passed afterwards", sets * REVOKED);
}

fn race(stage: &Stage, range: &Range) {
    std::thread::scope(|scope| {
        let raise = Raise(&range.is_over);
        let knocking: Vec<_> = (0..3).map(|_| scope.spawn(|| knock(stage, range))).collect();
        let asking = scope.spawn(|| ask_in_batches(stage, range));
        revoke_all(stage, range);
        drop(raise);
        knocking.into_iter().chain([asking]).for_each(|thread| thread.join().unwrap());
    });
    for (index, target) in range.targets.iter().enumerate() {
        let expected = if index < REVOKED { "revoked" } else { "ok" };
        assert_eq!(stage.server.send(&Request::get("/x").bearer(&target.raw)).verdict(), expected);
    }
}

#[test]
fn an_account_that_is_switched_off_and_on_is_refused_and_passes_at_once() {
    let stage = Stage::with(CONFIG);
    let account = stage.account(json!({}));
    let keys: Vec<String> = (0..24).map(|_| text(&stage.key(&account, json!({}))["key"])).collect();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let raise = Raise(&is_over);
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let verdict = stage.verdict(&Request::get("/x").bearer(&keys[rand::random_range(0..keys.len())]));
                    assert!(["ok", "disabled"].contains(&verdict.as_str()), "{verdict}");
                }
            });
        }
        for turn in 0..40 {
            let disabled = turn % 2 == 0;
            stage.patch(&format!("/accounts/{account}"), &json!({ "disabled": disabled })).expect(200);
            for raw in keys.iter().skip(turn % 7).step_by(7) {
                assert_eq!(stage.verdict(&Request::get("/x").bearer(raw)), if disabled { "disabled" } else { "ok" });
            }
        }
        drop(raise);
    });
}
