//! Organizations: made by users, with people in them who come and go; they always keep an owner.

use std::sync::Barrier;

use super::*;

/// An organization of the operator's making, with its owner.
fn with_owner(stage: &Stage) -> (String, Person<'_>) {
    let mut owner = Person::new(stage);
    (owner.organization("Analytical Engines"), owner)
}

/// What everybody in it is, by their ids.
fn roles(stage: &Stage, org: &str) -> Vec<(i64, String)> {
    let members = data(&stage.get(&format!("/accounts/{org}/members")).expect(200));
    members.iter().map(|member| (member["user"].as_i64().unwrap(), text(&member["role"]))).collect()
}

#[test]
fn a_user_makes_a_bounded_number_of_them() {
    let stage = Stage::with(&format!("[sign_in]\norganizations = 2\n{CONFIG}"));
    let mut person = Person::new(&stage);
    let first = person.organization("First");
    let made = person.get(&format!("/accounts/{first}")).expect(200).json();
    assert_eq!((&made["kind"], &made["plan"], &made["name"]), (&json!("organization"), &json!("free"), &json!("First")));
    assert_eq!(roles(&stage, &first), [(person.id, "owner".to_owned())]);
    person.post("/accounts", &json!({ "name": "Second", "kind": "organization" })).expect(201);
    person.post("/accounts", &json!({ "name": "Third" })).expect(409);
    assert_eq!(data(&person.get("/accounts").expect(200)).len(), 3, "and the personal one");
    let none = Stage::with(&format!("[sign_in]\norganizations = 0\n{CONFIG}"));
    Person::new(&none).post("/accounts", &json!({ "name": "x" })).expect(409);
}

#[test]
fn who_may_give_whom_which_role() {
    let stage = Stage::with(CONFIG);
    let rank = |role: &str| ["member", "admin", "owner"].iter().position(|known| *known == role).unwrap();
    let (org, _keeper) = with_owner(&stage);
    for actor in ["member", "admin", "owner"] {
        for held in ["member", "admin", "owner"] {
            for role in ["member", "admin", "owner"] {
                let (one, other) = (Person::of(&stage, &org, actor), Person::of(&stage, &org, held));
                let may = rank(actor) >= 1 && (rank(actor) == 2 || (rank(held) < 2 && rank(role) < 2));
                let path = format!("/accounts/{org}/members/{}", other.id);
                let reply = one.patch(&path, &json!({ "role": role }));
                assert_eq!(reply.status, if may { 200 } else { 403 }, "{actor} makes {held} {role}: {reply:?}");
                let is = roles(&stage, &org).into_iter().find(|(user, _)| *user == other.id).unwrap().1;
                assert_eq!(is, if may { role } else { held });
            }
            let (one, other) = (Person::of(&stage, &org, actor), Person::of(&stage, &org, held));
            let may = rank(actor) == 2 || (rank(actor) == 1 && rank(held) < 2);
            let reply = one.delete(&format!("/accounts/{org}/members/{}", other.id));
            assert_eq!(reply.status, if may { 204 } else { 403 }, "{actor} removes {held}: {reply:?}");
        }
        // Nobody raises themselves.
        let one = Person::of(&stage, &org, actor);
        let reply = one.patch(&format!("/accounts/{org}/members/{}", one.id), &json!({ "role": "owner" }));
        assert_eq!(reply.status, if actor == "owner" { 200 } else { 403 }, "{actor}");
    }
}

#[test]
fn whoever_leaves_or_is_taken_out_has_no_access_from_the_next_request_on() {
    let stage = Stage::with(CONFIG);
    let (org, owner) = with_owner(&stage);
    for is_leaving in [true, false] {
        let member = Person::of(&stage, &org, "member");
        let key = member.post("/keys", &json!({ "name": "theirs" })).expect(201).json();
        for _ in 0..2 {
            member.get(&format!("/accounts/{org}")).expect(200);
        }
        assert_eq!(stage.verify(&json!({ "token": member.access }))["verdict"], "ok");
        let path = format!("/accounts/{org}/members/{}", member.id);
        if is_leaving { member.delete(&path) } else { owner.delete(&path) }.expect(204);
        // The access token, remembered and not.
        assert_eq!(member.get(&format!("/accounts/{org}")).status, 401, "{is_leaving}");
        assert_eq!(member.get("/keys").status, 401, "{is_leaving}");
        assert_eq!(stage.verify(&json!({ "token": member.access }))["verdict"], "unknown");
        // The refresh token goes on for themselves.
        let refreshed = member.refresh().expect(200).json();
        let me = stage.server.get("/auth/v1/user/me", &text(&refreshed["access_token"])).expect(200).json();
        assert_eq!(me["account"], member.account);
        let reply = stage.server.post("/auth/v1/auth/switch", &text(&refreshed["access_token"]), &json!({ "account": org }));
        assert_eq!(reply.status, 404);
        // What they made stays, and is the account's.
        assert_eq!(stage.server.get("/sets", &text(&key["key"])).status, 200);
        owner.delete(&format!("/keys/{}", text(&key["id"]))).expect(204);
        // Again there is nobody to take out.
        owner.delete(&path).expect(404);
    }
}

#[test]
fn an_organization_keeps_an_owner() {
    let stage = Stage::with(CONFIG);
    let (org, owner) = with_owner(&stage);
    let own = format!("/accounts/{org}/members/{}", owner.id);
    owner.delete(&own).expect(409);
    owner.patch(&own, &json!({ "role": "admin" })).expect(409);
    stage.patch(&own, &json!({ "role": "member" })).expect(409);
    stage.delete(&own).expect(409);
    // Passed on: another one first.
    let heir = Person::of(&stage, &org, "member");
    owner.patch(&format!("/accounts/{org}/members/{}", heir.id), &json!({ "role": "owner" })).expect(200);
    owner.patch(&own, &json!({ "role": "member" })).expect(200);
    owner.patch(&own, &json!({ "role": "owner" })).expect(403);
    heir.delete(&format!("/accounts/{org}/members/{}", heir.id)).expect(409);
    owner.delete(&own).expect(204);
    assert_eq!(roles(&stage, &org), [(heir.id, "owner".to_owned())]);
    // One of the operator's making has its first owner by the operator.
    let made = stage.account(json!({ "organization": true }));
    let somebody = Person::new(&stage);
    let path = format!("/accounts/{made}/members/{}", somebody.id);
    stage.patch(&path, &json!({ "role": "admin" })).expect(409);
    stage.patch(&path, &json!({ "role": "owner" })).expect(200);
    // A personal account is one person's.
    let path = format!("/accounts/{}/members/{}", somebody.account, somebody.id);
    for (method, body) in [("DELETE", None), ("PATCH", Some(json!({ "role": "member" })))] {
        somebody.call(method, &path, body.as_ref()).expect(409);
        stage.call(method, &path, body.as_ref()).expect(409);
    }
    stage.patch(&format!("/accounts/{}/members/{}", somebody.account, heir.id), &json!({ "role": "member" })).expect(409);
    somebody
        .post(&format!("/accounts/{}/invitations", somebody.account), &json!({ "email": "x@example.com", "role": "member" }))
        .expect(409);
}

#[test]
fn two_who_take_each_other_out_at_once_leave_one() {
    let stage = Stage::with(CONFIG);
    for role in ["admin", "owner"] {
        let (org, _keeper) = with_owner(&stage);
        for _ in 0..5 {
            let pair = [Person::of(&stage, &org, role), Person::of(&stage, &org, role)];
            let both = Barrier::new(2);
            let statuses: Vec<u16> = std::thread::scope(|scope| {
                let threads: Vec<_> = [(0, 1), (1, 0)]
                    .map(|(one, other)| {
                        let (pair, both, org) = (&pair, &both, &org);
                        scope.spawn(move || {
                            both.wait();
                            pair[one].delete(&format!("/accounts/{org}/members/{}", pair[other].id)).status
                        })
                    })
                    .into_iter()
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{role}: {statuses:?}");
            let left = roles(&stage, &org).iter().filter(|(user, _)| pair.iter().any(|person| person.id == *user)).count();
            assert_eq!(left, 1, "{role}");
        }
    }
}

#[test]
fn the_last_two_owners_cannot_both_go() {
    let stage = Stage::with(CONFIG);
    for _ in 0..5 {
        let (org, owner) = with_owner(&stage);
        let pair = [owner, Person::of(&stage, &org, "owner")];
        let both = Barrier::new(2);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = pair
                .iter()
                .map(|person| {
                    let (both, org) = (&both, &org);
                    scope.spawn(move || {
                        both.wait();
                        person.delete(&format!("/accounts/{org}/members/{}", person.id)).status
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(statuses.contains(&204) && statuses.contains(&409), "{statuses:?}");
        assert_eq!(roles(&stage, &org).len(), 1);
    }
}

#[test]
fn the_audit_tells_who_of_them_did_what() {
    let stage = Stage::with(CONFIG);
    let (org, owner) = with_owner(&stage);
    let member = Person::of(&stage, &org, "member");
    let key = text(&member.post("/keys", &json!({ "name": "theirs" })).expect(201).json()["id"]);
    member.get("/audit").expect(403);
    let of_key = data(&owner.get(&format!("/audit?target={key}")).expect(200))[0].clone();
    assert_eq!(of_key["actor"], format!("user_{}", member.id));
    let joined = data(&owner.get("/audit?action=member.joined").expect(200));
    assert_eq!((joined.len(), &joined[0]["actor"], &joined[0]["after"]["role"]), (2, &json!("operator"), &json!("member")));
    owner.delete(&format!("/accounts/{org}/members/{}", member.id)).expect(204);
    // Whoever has left is still told of, but no more from where they came.
    let of_key = data(&owner.get(&format!("/audit?target={key}")).expect(200))[0].clone();
    assert_eq!((&of_key["actor"], &of_key["origin"]), (&json!(format!("user_{}", member.id)), &json!("")));
    let left = data(&owner.get("/audit?action=member.left").expect(200));
    assert_eq!((left.len(), &left[0]["target"]), (1, &json!(format!("user_{}", member.id))));
}

#[test]
fn whoever_belongs_to_an_account_is_told_how_to_get_there() {
    let stage = Stage::with(CONFIG);
    let mut owner = Person::new(&stage);
    let stranger = Person::new(&stage);
    let org = owner.organization("Mills");
    owner.sign_in();
    for path in ["", "/members", "/invitations", "/balance"] {
        let path = format!("/accounts/{org}{path}");
        let told = owner.get(&path).expect(404);
        assert!(told.body.contains("auth/switch") && told.body.contains(&org), "{path}: {told:?}");
        assert!(!stranger.get(&path).expect(404).body.contains("switch"));
    }
    assert!(owner.patch(&format!("/accounts/{org}"), &json!({ "name": "x" })).expect(404).body.contains("auth/switch"));
    assert!(owner.post("/keys", &json!({ "name": "x", "account": org })).expect(404).body.contains("auth/switch"));
    assert!(!owner.get("/accounts/acc_00000000000000000000000000").expect(404).body.contains("switch"));
    owner.switch(&org);
    owner.get(&format!("/accounts/{org}")).expect(200);
}
