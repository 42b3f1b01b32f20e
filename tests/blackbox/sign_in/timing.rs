//! How long an answer takes tells nobody whether there is such a user: the same work is done for each.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::door::{BASE, Door, PASSWORD};
use crate::support::Request;

/// So many of each.
const ROUNDS: usize = 30;

/// How much one may take longer than the other. A hash that is left out, or a commit, makes more.
const BOUND: f64 = 1.5;

/// A hash takes most of what a sign-in takes here, so that one that is left out is seen.
fn door() -> Door {
    Door::with(
        "[sign_in.passwords]\nmemory_kib = 16384\npasses = 2\nqueue = 1000\n[sign_in.throttle]\nwrong_by_address = \"100000/1h\"\nwrong_by_target = \"100000/1h\"\n\
         wrong_overall = \"100000/1h\"\nsent_by_address = \"100000/1h\"\nsent_by_target = \"100000/1h\"\nsent_by_target_daily = \"100000/1d\"\n\
         sent_overall = \"100000/1h\"\nregistered_by_address = \"100000/1h\"\nregistered_overall = \"100000/1h\"\n",
    )
}

/// How long each of two asks takes, both by turns, each as often first as second: the slowest of the fastest quarter, as what else this
/// machine does only ever makes them slower.
fn quartiles(door: &Door, ask: impl Fn(bool, usize) -> Request) -> [Duration; 2] {
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let first = round % 2 == 0;
        for known in [first, !first] {
            let request = ask(known, round);
            let began = Instant::now();
            let reply = door.stage.server.send(&request);
            taken[usize::from(known)].push(began.elapsed());
            assert!([202, 401].contains(&reply.status), "{reply:?}");
        }
    }
    taken.map(|mut taken| {
        taken.sort();
        taken[taken.len() / 4]
    })
}

/// Fails unless both take as long. What else this machine does may disturb once, not twice.
#[track_caller]
fn alike(what: &str, door: &Door, ask: impl Fn(bool, usize) -> Request) {
    let measure = || {
        let [unknown, known] = quartiles(door, &ask);
        println!("{what}: unknown {unknown:?}, known {known:?}");
        unknown.max(known).as_secs_f64() / unknown.min(known).as_secs_f64()
    };
    let ratio = measure();
    if ratio > BOUND {
        let again = measure();
        assert!(again <= BOUND, "{what}: one takes {ratio:.2}, and again {again:.2}, times as long as the other");
    }
}

fn post(path: &str, body: Value) -> Request {
    Request::post(&format!("{BASE}{path}"), &body)
}

#[test]
fn a_wrong_password_takes_as_long_for_everybody() {
    let door = door();
    let user = door.user("ada");
    door.stage.post("/users", &json!({ "email": "bare@example.com", "verified": true })).expect(201);
    door.register(&json!({ "email": "pending@example.com", "password": PASSWORD })).expect(202);
    door.register(&json!({ "email": user.email, "password": PASSWORD })).expect(202);
    door.user("eve");
    for (what, known, unknown) in [
        ("a user", "eve@example.com", "nobody@example.com"),
        ("a user without a password", "bare@example.com", "nobody@example.com"),
        ("a user for whom somebody registered", "ada@example.com", "pending@example.com"),
    ] {
        alike(what, &door, |is_known, _| {
            post("/auth/login", json!({ "email": if is_known { known } else { unknown }, "password": "wrong horse battery staple" }))
        });
    }
}

/// A hash that another program made takes another time than ours.
#[test]
fn whose_hash_was_made_elsewhere_is_not_seen() {
    let door = door();
    door.user("ada");
    door.user("eve");
    door.alter(
        "UPDATE users SET password = '$2b$10$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2' WHERE email = 'ada@example.com'",
    );
    // It learns at its start how long those take that are there.
    let door = door.restart();
    for (what, other) in [("another user", "eve@example.com"), ("nobody", "nobody@example.com")] {
        alike(what, &door, |is_known, _| {
            post(
                "/auth/login",
                json!({ "email": if is_known { "ada@example.com" } else { other }, "password": "wrong horse battery staple" }),
            )
        });
    }
}

/// Once the parameters were raised, a hash of before takes less than nobody's.
#[test]
fn whose_hash_is_older_is_not_seen() {
    let door = door();
    door.user("ada");
    let config = door.stage.folder.path("auth.toml");
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap().replace("16384", "32768")).unwrap();
    let door = door.restart();
    door.user("eve");
    for (what, other) in [("another user", "eve@example.com"), ("nobody", "nobody@example.com")] {
        alike(what, &door, |is_known, _| {
            post(
                "/auth/login",
                json!({ "email": if is_known { "ada@example.com" } else { other }, "password": "wrong horse battery staple" }),
            )
        });
    }
}

#[test]
fn asking_for_a_new_password_takes_as_long_for_everybody() {
    let door = door();
    let user = door.user("ada");
    alike("forgot", &door, |is_known, round| {
        post("/auth/forgot", json!({ "email": if is_known { user.email.clone() } else { format!("nobody{round}@example.com") } }))
    });
}

#[test]
fn registering_takes_as_long_for_everybody() {
    let door = door();
    let user = door.user("ada");
    alike("register", &door, |is_known, round| {
        let email = if is_known { user.email.clone() } else { format!("nobody{round}@example.com") };
        post("/auth/register", json!({ "email": email, "password": PASSWORD }))
    });
}
