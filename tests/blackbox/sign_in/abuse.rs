//! Who guesses is slowed, who knows is let in; what is sent is capped; and what waits for a hash is bounded.

use serde_json::json;

use super::door::{BASE, Door, NOT_AT_GATE, PASSWORD, Session, User};
use super::post::{bare, from, refused};
use crate::support::{Reply, Request};

const WRONG: &str = "wrong horse battery staple";
const HOME: &str = "203.0.113.7";

fn door(throttle: &str) -> Door {
    Door::with(&format!("{NOT_AT_GATE}[sign_in.throttle]\n{throttle}\n"))
}

fn login(door: &Door, address: &str, user: &User, password: &str) -> Reply {
    door.post_from(address, "/auth/login", &json!({ "email": user.email, "password": password }))
}

/// Fails unless it is told by the style, with a time to come back.
#[track_caller]
pub fn throttled(reply: &Reply, most: i64) {
    refused(reply, 429, "too_many_tries");
    let seconds = reply.number("Retry-After").expect("it says when");
    assert!((1..=most).contains(&seconds), "{reply:?}");
}

#[test]
fn one_address_that_guesses_is_slowed_and_nobody_else() {
    let door = door("wrong_by_address = \"3/1h\"\n");
    let users = [door.user("ada"), door.user("eve")];
    let unknown = User { id: 0, email: "nobody@example.com".into(), account: String::new() };
    // Whatever it guesses at: that a user is known makes no difference.
    for user in [&users[0], &unknown, &users[1]] {
        refused(&login(&door, "192.0.2.1", user, WRONG), 401, "unknown");
    }
    let told: Vec<_> = [&users[0], &unknown].map(|user| login(&door, "192.0.2.1", user, PASSWORD)).into_iter().collect();
    for reply in &told {
        throttled(reply, 1200);
    }
    assert_eq!((told[0].status, &told[0].json()["detail"]), (told[1].status, &told[1].json()["detail"]));
    Session::of(&login(&door, HOME, &users[0], PASSWORD));
    Session::of(&login(&door, "192.0.2.2", &users[1], PASSWORD));
    // Other paths guess as well: codes, by the same address.
    throttled(&door.post_from("192.0.2.1", "/auth/verify", &json!({ "phone": "+4915112345678", "code": "123456" })), 1200);
    throttled(&door.post_from("192.0.2.1", "/auth/login-phone", &json!({ "phone": "+4915112345678", "password": "x" })), 1200);
    // Not those that guess nothing.
    door.post_from("192.0.2.1", "/auth/forgot", &json!({ "email": users[0].email })).expect(202);
}

#[test]
fn an_ipv6_network_is_one_address() {
    let door = door("wrong_by_address = \"3/1h\"\n");
    let user = door.user("ada");
    for nth in 1..4 {
        refused(&login(&door, &format!("2001:db8:1:1::{nth}"), &user, WRONG), 401, "unknown");
    }
    throttled(&login(&door, "2001:db8:1:1:ffff::1", &user, PASSWORD), 1200);
    Session::of(&login(&door, "2001:db8:1:2::1", &user, PASSWORD));
}

#[test]
fn who_knows_is_never_counted() {
    let door = door(
        "wrong_by_address = \"2/1h\"\nwrong_by_target = \"2/1h\"\nwrong_overall = \"2/1h\"\nwrong_when_familiar = \"2/1h\"\nwrong_when_attacked = \"1/1h\"\n",
    );
    let user = door.user("ada");
    for _ in 0..8 {
        Session::of(&login(&door, HOME, &user, PASSWORD));
    }
    refused(&login(&door, HOME, &user, WRONG), 401, "unknown");
    for _ in 0..8 {
        Session::of(&login(&door, HOME, &user, PASSWORD));
    }
}

/// From one address and from thousands: the owner gets in, from where they have been before and from anywhere else.
#[test]
fn nobody_can_lock_the_owner_out() {
    let door = door("wrong_by_target = \"10/1h\"\nwrong_by_address = \"1000/1h\"\n");
    let (user, other) = (door.user("ada"), door.user("eve"));
    Session::of(&login(&door, HOME, &user, PASSWORD));
    let mut let_through = 0;
    for nth in 0..120_u32 {
        let reply = login(&door, &format!("198.51.{}.{}", nth / 4, nth % 4), &user, WRONG);
        let_through += u32::from(reply.status == 401);
        if reply.status != 401 {
            throttled(&reply, 6 * 3600);
        }
    }
    assert!(let_through <= 120, "{let_through}");
    // One that has used up what it has of its own waits; there the right password is not looked at either.
    for _ in 0..6 {
        login(&door, "198.51.100.99", &user, WRONG);
    }
    throttled(&login(&door, "198.51.100.99", &user, PASSWORD), 6 * 3600);
    for address in [HOME, "203.0.113.99", "2001:db8:5::1"] {
        Session::of(&login(&door, address, &user, PASSWORD));
    }
    // An attacker behind the owner's own address uses up what a familiar one has; that is the bound, and the rest goes on.
    Session::of(&login(&door, "198.51.100.99", &other, PASSWORD));
    door.post_from("203.0.113.50", "/auth/forgot", &json!({ "email": user.email })).expect(202);
}

#[test]
fn all_together_are_bounded_and_still_nobody_is_locked_out() {
    let door = door("wrong_overall = \"5/1h\"\nwrong_by_address = \"1000/1h\"\nwrong_when_attacked = \"1/6h\"\n");
    let users: Vec<User> = (0..3).map(|nth| door.user(&format!("user{nth}"))).collect();
    let mut wrong = 0;
    for nth in 0..30_u32 {
        let unknown = User { email: format!("guess{nth}@example.com"), ..users[0].clone() };
        wrong += u32::from(login(&door, "198.51.100.1", &unknown, WRONG).status == 401);
    }
    assert!(wrong >= 5, "{wrong}");
    for user in &users {
        Session::of(&login(&door, HOME, user, PASSWORD));
    }
}

#[test]
fn what_is_sent_is_capped() {
    for (throttle, ask, most) in [
        ("sent_by_address = \"2/1h\"", &["a", "b", "c"][..], 1800),
        ("sent_by_target = \"2/1h\"", &["a", "a", "a"], 1800),
        ("sent_by_target_daily = \"2/1d\"", &["a", "a", "a"], 12 * 3600),
        ("sent_overall = \"2/1h\"", &["a", "b", "c"], 1800),
    ] {
        for path in ["/auth/forgot", "/auth/register"] {
            for is_known in [true, false] {
                let door = door(throttle);
                let domain = if is_known { "example.com" } else { "example.org" };
                ["a", "b", "c"].iter().for_each(|name| drop(door.user(name)));
                let body = |name: &str| match path {
                    "/auth/forgot" => json!({ "email": format!("{name}@{domain}") }),
                    _ => json!({ "email": format!("{name}@{domain}"), "password": PASSWORD }),
                };
                for name in &ask[..2] {
                    door.post_from("192.0.2.1", path, &body(name)).expect(202);
                }
                let before = door.count("mails") + door.count("proofs");
                throttled(&door.post_from("192.0.2.1", path, &body(ask[2])), most);
                assert_eq!(door.count("mails") + door.count("proofs"), before);
                let from_elsewhere = door.post_from("192.0.2.2", path, &body(ask[2]));
                if throttle.starts_with("sent_by_address") {
                    from_elsewhere.expect(202);
                } else {
                    throttled(&from_elsewhere, most);
                }
            }
        }
    }
}

#[test]
fn registering_uses_up_nobodys_resets() {
    let door = door("sent_by_target = \"2/1h\"\n");
    let user = door.user("ada");
    for nth in 0..6 {
        let body = json!({ "email": user.email, "password": PASSWORD });
        door.post_from(&format!("192.0.2.{nth}"), "/auth/register", &body);
    }
    door.forgot(&user.email).expect(202);
}

#[test]
fn registrations_are_capped() {
    for (throttle, elsewhere) in [("registered_by_address = \"2/1h\"", 202), ("registered_overall = \"2/1h\"", 429)] {
        let door = door(throttle);
        let ask = |address: &str, nth: u32| {
            door.post_from(address, "/auth/register", &json!({ "email": format!("user{nth}@example.com"), "password": PASSWORD }))
        };
        ask("192.0.2.1", 0).expect(202);
        ask("192.0.2.1", 1).expect(202);
        throttled(&ask("192.0.2.1", 2), 1800);
        assert_eq!(ask("192.0.2.2", 3).status, elsewhere, "{throttle}");
        // What is wrong with a registration is told before it counts.
        for _ in 0..5 {
            let reply = door.post_from("192.0.2.3", "/auth/register", &json!({ "email": "x@example.com", "password": "weak" }));
            refused(&reply, 400, "bad_request");
        }
    }
}

/// A proxy tells where somebody is; who is no proxy of ours tells nothing.
#[test]
fn who_may_say_where_somebody_is() {
    let door = Door::with(&format!(
        "[server]\ntrusted_proxies = [\"192.0.2.0/24\"]\n{NOT_AT_GATE}[sign_in.throttle]\nwrong_by_address = \"2/1h\"\n"
    ));
    let user = door.user("ada");
    for nth in 0..2 {
        refused(&login(&door, &format!("203.0.113.{nth}"), &user, WRONG), 401, "unknown");
    }
    throttled(&login(&door, "203.0.113.9", &user, PASSWORD), 1800);
}

/// A list that cannot be read is no way around it either.
#[test]
fn a_list_that_cannot_be_read_counts_as_the_proxy() {
    let door = door("wrong_by_address = \"2/1h\"\n");
    let user = door.user("ada");
    let mut wrong = 0;
    for list in ["nonsense", "1.2.3.4, nonsense", "unknown", ",", "999.1.1.1", "nonsense, 1.2.3.4", "_hidden"] {
        let request = Request::post(&format!("{BASE}/auth/login"), &json!({ "email": user.email, "password": WRONG }));
        let reply = door.stage.server.send(&from(request, list));
        wrong += u32::from(reply.status == 401);
    }
    assert!(wrong <= 2, "{wrong}");
}

/// What is hashed at once is bounded, and so is who waits: beyond that nobody is kept, nothing is counted, and it works afterwards.
#[test]
fn more_than_can_be_hashed_are_told_to_come_back() {
    let door = Door::with(
        "[[plans]]\nname = \"free\"\nunlimited = true\n[sign_in.passwords]\nmemory_kib = 65536\npasses = 10\nat_once = 1\nqueue = 1\n[sign_in.throttle]\nwrong_by_address = \"100000/1h\"\n",
    );
    let user = door.user("ada");
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..12)
            .map(|nth| {
                scope.spawn({
                    let (door, user) = (&door, &user);
                    move || {
                        if nth % 2 == 0 {
                            login(door, HOME, user, WRONG)
                        } else {
                            login(door, HOME, &User { email: "no@example.com".into(), ..user.clone() }, WRONG)
                        }
                    }
                })
            })
            .collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let busy: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!(busy.len() >= 6 && busy.len() < 12, "{}", busy.len());
    for reply in busy {
        throttled(reply, 2);
    }
    replies.iter().filter(|reply| reply.status != 429).for_each(|reply| refused(reply, 401, "unknown"));
    // The gate never waits for any of it.
    Session::of(&login(&door, HOME, &user, PASSWORD));
    // A registration is refused as well, and leaves nothing.
    assert_eq!(door.count("proofs"), 0);
}

#[test]
fn the_answer_is_the_styles() {
    let style = "[[style.answers]]\nverdicts = [\"too_many_tries\"]\nstatus = 503\nbody = '{\"wait\": \"{retry_after}\", \"until\": \"{retry_at:rfc3339}\", \"why\": \"{message}\"}'\nheaders = [{ name = \"Retry-After\", value = \"{retry_after}\" }, { name = \"X-Until\", value = \"{retry_at:http_date}\" }]\n";
    let door = door(&format!("wrong_by_address = \"1/1h\"\nsent_by_address = \"1/1h\"\n{style}"));
    let user = door.user("ada");
    refused(&login(&door, HOME, &user, WRONG), 401, "unknown");
    let ask = |path: &str, body| door.stage.server.send(&from(Request::post(&format!("{BASE}{path}"), &body), HOME));
    ask("/auth/forgot", json!({ "email": user.email })).expect(202);
    for (path, body) in [
        ("/auth/login", json!({ "email": user.email, "password": PASSWORD })),
        ("/auth/forgot", json!({ "email": user.email })),
        ("/auth/register", json!({ "email": "new@example.com", "password": PASSWORD })),
    ] {
        let reply = ask(path, body).expect(503);
        let body = reply.json();
        assert_eq!(body["wait"].as_i64(), reply.number("Retry-After"));
        assert!(body["until"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()), "{body}");
        assert!(reply.header("X-Until").is_some_and(|at| at.ends_with("GMT")), "{reply:?}");
    }
    // Alike for a user who is there and for one who is not.
    let answers =
        ["ada@example.com", "no@example.com"].map(|email| bare(&ask("/auth/login", json!({ "email": email, "password": "x" }))).0);
    assert_eq!(answers[0], answers[1]);
}
