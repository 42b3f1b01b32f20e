//! What has had its time is forgotten, and what has not stays: as the server tidies when it starts.

use super::door::{AT_GATE, Door, PASSWORD};
use super::second_factor::guarded;
use crate::support::eventually;
use serde_json::json;

const DAY: i64 = 86_400_000;

/// Waits until none of these rows is there.
fn gone(door: &Door, rows: &str) {
    eventually(&format!("no {rows}"), || (door.count(rows) == 0).then_some(()));
}

#[test]
fn what_has_had_its_time_is_forgotten() {
    let door = Door::with(AT_GATE);
    let user = door.user("ada");
    let (old, late, young) = (door.sign_in(&user), door.sign_in(&user), door.sign_in(&user));
    door.forgot(&user.email).expect(202);
    door.forgot("nobody@example.com").expect(202);
    door.token(&user.email, 1);
    eventually("the mail is noted as taken", || (door.count("mails WHERE due_at IS NULL") == 1).then_some(()));
    door.alter(&format!("UPDATE sessions SET expires_at = created_at - 31 * {DAY} WHERE id = '{}'", old.id()));
    door.alter(&format!("UPDATE sessions SET expires_at = created_at - 29 * {DAY} WHERE id = '{}'", late.id()));
    door.alter(&format!("UPDATE proofs SET expires_at = created_at - 31 * {DAY} WHERE address = '{}'", user.email));
    for (hash, until) in [("01", "1"), ("02", "4102444800000")] {
        door.alter(&format!("INSERT INTO spent VALUES (x'{}', {until})", hash.repeat(32)));
    }
    door.alter(&format!("UPDATE mails SET created_at = created_at - 31 * {DAY}"));
    door.alter(&format!(
        "INSERT INTO mails (id, channel, address, template, fields, created_at, due_at, tries)
         VALUES ('eml_waits', 'email', 'waits@example.com', 'test', '{{}}', 1, {}, 0)",
        4_102_444_800_000_i64
    ));
    let door = door.restart();
    gone(&door, &format!("sessions WHERE id = '{}'", old.id()));
    gone(&door, "spent WHERE until = 1");
    gone(&door, &format!("proofs WHERE user = {}", user.id));
    gone(&door, "mails WHERE template = 'reset'");
    // With its refresh tokens; the others stay, and one that ended lately tells who is familiar.
    assert_eq!(door.count("refresh_tokens"), 2);
    assert_eq!(door.count(&format!("sessions WHERE id IN ('{}', '{}')", late.id(), young.id())), 2);
    assert_eq!((door.count("spent"), door.count("mails"), door.count("proofs")), (1, 1, 1));
    assert!(door.passes(&young.token) && !door.passes(&late.token));
}

/// Of a proof that counts no more, however it came to that, neither the address nor what it was for is kept.
#[test]
fn a_proof_that_counts_no_more_says_nothing_of_anybody() {
    let door = Door::with(AT_GATE);
    let personal = "proofs WHERE address <> '' OR payload NOT IN ('{}', 'null')";
    let join =
        |name: &str| door.register(&json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "name": name })).expect(202);
    // Used, and ended with it.
    join("ada");
    join("ada");
    assert_eq!(door.count(personal), 2);
    // With its password: else whoever has the address is sent another proof.
    door.post("/auth/verify", &json!({ "token": door.token("ada@example.com", 2), "password": PASSWORD })).expect(200);
    assert_eq!((door.count(personal), door.count("proofs")), (0, 2));
    // Expired: wiped at once, forgotten in time. What is not stays.
    join("eve");
    join("bo");
    door.alter("UPDATE proofs SET expires_at = created_at - 1000 WHERE address = 'eve@example.com'");
    let door = door.restart();
    gone(&door, "proofs WHERE address = 'eve@example.com'");
    assert_eq!((door.count(personal), door.count("proofs")), (1, 4));
}

/// Who waited for the second factor left nothing that is of use once the wait is over.
#[test]
fn a_wait_that_is_over_is_forgotten() {
    let door = Door::with(AT_GATE);
    let ada = guarded(&door, "ada");
    for _ in 0..3 {
        door.try_sign_in(&ada.user, PASSWORD).expect(403);
    }
    door.alter("UPDATE proofs SET expires_at = created_at - 1000 WHERE id IN (SELECT id FROM proofs ORDER BY id LIMIT 2)");
    door.forgot("nobody@example.com").expect(202);
    door.alter("UPDATE proofs SET expires_at = created_at - 1000 WHERE purpose = 'reset'");
    let door = door.restart();
    gone(&door, "proofs WHERE expires_at < created_at AND purpose = 'second_factor'");
    assert_eq!((door.count("proofs WHERE purpose = 'second_factor'"), door.count("proofs WHERE purpose = 'reset'")), (1, 1));
}
