//! Invitations: for one address, once, and only as long as whoever asks may.

use super::*;

struct Scene {
    smtp: Smtp,
    stage: Stage,
}

impl Scene {
    fn new(more: &str) -> Self {
        let smtp = Smtp::new(Setup::plain());
        let mail = format!(
            "[server]\npublic_url = \"https://api.example.com\"\n[mail]\nsmtp_url = \"{}\"\nfrom = \"noreply@example.com\"\n",
            smtp.url()
        );
        Self { stage: Stage::with(&format!("{mail}{more}{CONFIG}")), smtp }
    }

    /// Invites an address; the invitation's id.
    #[track_caller]
    fn invite(&self, by: &Person<'_>, org: &str, email: &str, role: &str) -> String {
        let body = json!({ "email": email, "role": role });
        text(&by.post(&format!("/accounts/{org}/invitations"), &body).expect(201).json()["id"])
    }

    /// The token in the newest mail to an address.
    fn token(&self, email: &str) -> String {
        self.smtp.wait_for_mail_to(email).token()
    }
}

fn accept(person: &Person<'_>, token: &str) -> Reply {
    person.post("/invitations/accept", &json!({ "token": token }))
}

#[test]
fn whoever_has_the_address_joins_as_they_were_asked_to() {
    let scene = Scene::new("");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Analytical Engines");
    let mut guest = Person::new(&scene.stage);
    let sent =
        owner.post(&format!("/accounts/{org}/invitations"), &json!({ "email": guest.email.to_uppercase(), "role": "admin" })).expect(201);
    let invitation = sent.json();
    assert_eq!((&invitation["email"], &invitation["state"]), (&json!(guest.email), &json!("open")));
    let mail = scene.smtp.wait_for_mail_to(&guest.email);
    assert!(mail.text().contains("Analytical Engines") && mail.link().starts_with("https://api.example.com/"), "{}", mail.text());
    assert!(!sent.body.contains(&mail.token()));
    let received = data(&guest.get("/invitations").expect(200));
    assert_eq!((received.len(), &received[0]["account_name"], &received[0]["role"]), (1, &json!("Analytical Engines"), &json!("admin")));
    // Until then nothing of it is theirs.
    guest.get(&format!("/accounts/{org}")).expect(404);
    let joined = accept(&guest, &mail.token()).expect(200).json();
    assert_eq!((&joined["account"], &joined["role"], &joined["user"]), (&json!(org), &json!("admin"), &json!(guest.id)));
    guest.switch(&org);
    let list = data(&guest.get(&format!("/accounts/{org}/invitations")).expect(200));
    assert_eq!(list[0]["state"], "accepted");
    assert!(data(&guest.get("/invitations")).is_empty());
    // A second time there is none.
    assert_eq!(accept(&guest, &mail.token()).status, 404);
    // By its id, as a page of theirs would.
    let second = Person::new(&scene.stage);
    let id = scene.invite(&owner, &org, &second.email, "member");
    second.post("/invitations/accept", &json!({ "id": id })).expect(200);
}

#[test]
fn what_does_not_count_is_told_alike() {
    let scene = Scene::new("");
    let stage = &scene.stage;
    let mut owner = Person::new(stage);
    let org = owner.organization("Analytical Engines");
    let none = told(&accept(&owner, "nonsense").expect(404), &[]);
    let refused = |person: &Person<'_>, token: &str, why: &str| {
        let reply = accept(person, token);
        assert_eq!(told(&reply, &[]), none, "{why}");
        assert!(!data(&stage.get(&format!("/accounts/{org}/members"))).iter().any(|member| member["user"] == person.id), "{why}");
    };
    let invited = |role: &str, by: &Person<'_>| {
        let guest = Person::new(stage);
        let id = scene.invite(by, &org, &guest.email, role);
        let token = scene.token(&guest.email);
        (guest, id, token)
    };
    // By somebody with another address.
    let (guest, _, token) = invited("member", &owner);
    refused(&Person::new(stage), &token, "another's");
    // Whose address is not proven, or has changed.
    let path = format!("/users/{}", guest.id);
    stage.patch(&path, &json!({ "verified": false })).expect(200);
    refused(&guest, &token, "not proven");
    stage.patch(&path, &json!({ "email": "elsewhere@example.com", "verified": true })).expect(200);
    refused(&guest, &token, "another address");
    // Taken back.
    let (guest, id, token) = invited("member", &owner);
    owner.delete(&format!("/accounts/{org}/invitations/{id}")).expect(204);
    owner.delete(&format!("/accounts/{org}/invitations/{id}")).expect(204);
    refused(&guest, &token, "taken back");
    // Replaced by the next one.
    let (guest, _, token) = invited("member", &owner);
    scene.invite(&owner, &org, &guest.email, "admin");
    refused(&guest, &token, "replaced");
    assert_eq!(data(&guest.get("/invitations")).len(), 1);
    // By somebody who may not any more: removed, or below the role by now.
    for then in ["member", "removed", "disabled"] {
        let admin = Person::of(stage, &org, "admin");
        let (guest, _, token) = invited("admin", &admin);
        match then {
            "removed" => drop(owner.delete(&format!("/accounts/{org}/members/{}", admin.id)).expect(204)),
            "disabled" => drop(stage.patch(&format!("/users/{}", admin.id), &json!({ "disabled": true })).expect(200)),
            role => drop(owner.patch(&format!("/accounts/{org}/members/{}", admin.id), &json!({ "role": role })).expect(200)),
        }
        assert!(data(&guest.get("/invitations")).is_empty(), "{then}");
        refused(&guest, &token, then);
    }
    // To an account that is switched off.
    let (guest, _, token) = invited("member", &owner);
    stage.patch(&format!("/accounts/{org}"), &json!({ "disabled": true })).expect(200);
    refused(&guest, &token, "switched off");
}

#[test]
fn one_who_was_taken_out_does_not_come_back_by_an_old_invitation() {
    let scene = Scene::new("");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Analytical Engines");
    let member = Person::of(&scene.stage, &org, "member");
    // Who belongs to it cannot be asked, so that nobody gets another role by their own hand.
    let reply = owner.post(&format!("/accounts/{org}/invitations"), &json!({ "email": member.email, "role": "admin" })).expect(400);
    assert_eq!(wrong_fields(&reply), ["email"]);
    // Asked before they joined otherwise.
    let guest = Person::new(&scene.stage);
    let id = scene.invite(&owner, &org, &guest.email, "admin");
    scene.stage.patch(&format!("/accounts/{org}/members/{}", guest.id), &json!({ "role": "member" })).expect(200);
    guest.post("/invitations/accept", &json!({ "id": id })).expect(409);
    owner.delete(&format!("/accounts/{org}/members/{}", guest.id)).expect(204);
    guest.post("/invitations/accept", &json!({ "id": id })).expect(404);
}

#[test]
fn who_may_invite_as_what() {
    let scene = Scene::new("");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Analytical Engines");
    let path = format!("/accounts/{org}/invitations");
    for (actor, role, status) in
        [("member", "member", 403), ("admin", "member", 201), ("admin", "admin", 201), ("admin", "owner", 403), ("owner", "owner", 201)]
    {
        let person = Person::of(&scene.stage, &org, actor);
        let reply = person.post(&path, &json!({ "email": format!("{actor}-{role}@example.com"), "role": role }));
        assert_eq!(reply.status, status, "{actor} asks {role}: {reply:?}");
        let list = person.get(&path);
        assert_eq!(list.status, if actor == "member" { 403 } else { 200 }, "{actor}");
    }
    let reply = owner.post(&path, &json!({ "email": "a@@b", "role": "king", "colour": 1 })).expect(400);
    assert_eq!(wrong_fields(&reply), ["colour", "email", "role"]);
    // So many may be open; asked for from as many places, since one alone is slowed down before that.
    let invite = |number: usize| {
        let body = json!({ "email": format!("guest{number}@example.com"), "role": "member" });
        let request = Request::post(&format!("/auth/v1{path}"), &body).bearer(&owner.access);
        scene.stage.server.send(&request.header("X-Forwarded-For", &format!("10.9.0.{number}"))).status
    };
    let open = data(&owner.get(&path)).len();
    assert_eq!((open..50).map(invite).collect::<Vec<_>>(), vec![201; 50 - open]);
    assert_eq!(invite(51), 409);
    // A service token invites nobody: somebody has to ask.
    scene.stage.post(&path, &json!({ "email": "x@example.com", "role": "member" })).expect(401);
}

#[test]
fn whoever_may_not_invite_uses_up_nothing_of_what_may_be_sent() {
    let scene = Scene::new("");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Analytical Engines");
    let victim = Person::new(&scene.stage);
    let (member, stranger) = (Person::of(&scene.stage, &org, "member"), Person::new(&scene.stage));
    let body = json!({ "email": victim.email, "role": "member" });
    for _ in 0..20 {
        member.post(&format!("/accounts/{org}/invitations"), &body).expect(403);
        stranger.post(&format!("/accounts/{org}/invitations"), &body).expect(404);
    }
    owner.post(&format!("/accounts/{org}/invitations"), &body).expect(201);
    scene.stage.server.send(&Request::post("/auth/v1/auth/forgot", &json!({ "email": victim.email }))).expect(202);
    let told = || scene.smtp.received().iter().any(|mail| mail.header("Subject").to_lowercase().contains("password"));
    crate::support::eventually("the mail to reset arrives", || told().then_some(()));
}

#[test]
fn two_who_accept_at_once_are_one() {
    let scene = Scene::new("");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Analytical Engines");
    for _ in 0..5 {
        let guest = Person::new(&scene.stage);
        scene.invite(&owner, &org, &guest.email, "member");
        let token = scene.token(&guest.email);
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| accept(&guest, &token).status)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404]);
    }
}

#[test]
fn one_that_has_expired_counts_no_more() {
    let scene = Scene::new("[sign_in]\ninvitation_lifetime = \"1m\"\n");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Analytical Engines");
    let guest = Person::new(&scene.stage);
    let id = scene.invite(&owner, &org, &guest.email, "member");
    let connection = rusqlite::Connection::open(scene.stage.folder.database()).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    connection.execute("UPDATE invitations SET expires_at = created_at + 1 WHERE id = ?1", [&id]).unwrap();
    guest.post("/invitations/accept", &json!({ "id": id })).expect(404);
    assert!(data(&guest.get("/invitations")).is_empty());
    assert_eq!(data(&owner.get(&format!("/accounts/{org}/invitations")))[0]["state"], "expired");
}

#[test]
fn whoever_is_new_becomes_a_user_by_it_even_where_nobody_may_register() {
    let scene = Scene::new("[sign_in]\nregistration = false\n");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Analytical Engines");
    let send = |path: &str, body: &Value| scene.stage.server.send(&Request::post(&format!("/auth/v1/auth/{path}"), body));
    let newcomer = json!({ "email": "new@example.com", "password": PASSWORD, "name": "Newcomer" });
    send("register", &newcomer).expect(501);
    scene.invite(&owner, &org, "new@example.com", "member");
    let token = scene.token("new@example.com");
    for (body, status) in [
        (json!({ "token": token, "name": "", "password": PASSWORD }), 400),
        (json!({ "token": token, "name": "Newcomer", "password": "password" }), 400),
        (json!({ "token": "nonsense", "name": "Newcomer", "password": PASSWORD }), 401),
    ] {
        send("invitation", &body).expect(status);
    }
    let entered = send("invitation", &json!({ "token": token, "name": "Newcomer", "password": PASSWORD })).expect(200).json();
    assert_eq!((&entered["is_new_user"], &entered["user"]["name"]), (&json!(true), &json!("Newcomer")));
    let members = data(&scene.stage.get(&format!("/accounts/{org}/members")));
    assert!(members.iter().any(|member| member["user"] == entered["user"]["id"] && member["role"] == "member"), "{members:?}");
    // Once; and then they sign in as anybody.
    send("invitation", &json!({ "token": token, "name": "Newcomer", "password": PASSWORD })).expect(401);
    send("login", &json!({ "email": "new@example.com", "password": PASSWORD })).expect(200);
    // Who has a user already signs in instead.
    let guest = Person::new(&scene.stage);
    scene.invite(&owner, &org, &guest.email, "admin");
    let token = scene.token(&guest.email);
    send("invitation", &json!({ "token": token, "name": "Eve", "password": PASSWORD })).expect(409);
    accept(&guest, &token).expect(200);
}

#[test]
fn its_page_takes_who_is_there_and_who_is_new() {
    let scene = Scene::new("");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Analytical Engines");
    let page = scene.stage.server.send(&Request::get("/auth/invitation?token=abc")).expect(401);
    assert!(!page.body.contains("<form"), "{}", page.body);
    let hostile = scene.stage.server.send(&Request::get("/auth/invitation?token=abc%22%3E%3Cscript%3E")).expect(400);
    assert!(!hostile.body.contains("script") && !hostile.body.contains("abc"), "{}", hostile.body);
    let press = |fields: &[(&str, &str)]| {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace('@', "%40").replace(' ', "+")))
            .collect::<Vec<_>>()
            .join("&");
        let form = Request::new("POST", "/auth/invitation").header("Content-Type", "application/x-www-form-urlencoded");
        scene.stage.server.send(&form.body(body.as_bytes()))
    };
    let guest = Person::new(&scene.stage);
    scene.invite(&owner, &org, &guest.email, "member");
    let token = scene.token(&guest.email);
    press(&[("token", &token), ("email", &guest.email), ("password", "wrong"), ("code", "")]).expect(401);
    let joined = press(&[("token", &token), ("email", &guest.email), ("password", PASSWORD), ("code", "")]).expect(200);
    assert!(joined.header("Set-Cookie").is_some_and(|cookie| cookie.starts_with("refresh_token=")), "{joined:?}");
    scene.invite(&owner, &org, "new@example.com", "admin");
    let token = scene.token("new@example.com");
    press(&[("token", &token), ("name", "Newcomer"), ("password", "12345678")]).expect(400);
    press(&[("token", &token), ("name", "Newcomer"), ("password", PASSWORD)]).expect(200);
    press(&[("token", &token), ("name", "Newcomer"), ("password", PASSWORD)]).expect(401);
    let members = data(&scene.stage.get(&format!("/accounts/{org}/members")));
    assert_eq!(members.len(), 3, "{members:?}");
    // Each of these is counted once, beside two who signed in before.
    let counted = |verdict: &str| {
        let metrics = scene.stage.server.get("/auth/metrics", &scene.stage.folder.token("metrics")).expect(200).body;
        let begin = format!("tollgate_sign_ins_total{{verdict=\"{verdict}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&begin)).map(str::to_owned)
    };
    assert_eq!(["ok", "unknown", "bad_request"].map(counted), ["4", "2", "1"].map(|count| Some(count.to_owned())));
    // And so is the same by a page of one's own.
    scene.invite(&owner, &org, "third@example.com", "member");
    let body = json!({ "token": scene.token("third@example.com"), "name": "Third", "password": PASSWORD });
    scene.stage.server.send(&Request::post("/auth/v1/auth/invitation", &body)).expect(200);
    scene.stage.server.send(&Request::post("/auth/v1/auth/invitation", &body)).expect(401);
    assert_eq!(["ok", "unknown"].map(counted), ["5", "3"].map(|count| Some(count.to_owned())));
}

/// An organization that anybody belongs to has an owner: of one to which nobody does, an administrator invites one first.
#[test]
fn the_first_who_joins_owns_it() {
    let scene = Scene::new("");
    let root = Person::with(&scene.stage, json!({ "admin": true }));
    let org = scene.stage.account(json!({ "kind": "organization" }));
    let (ada, bo) = (Person::new(&scene.stage), Person::new(&scene.stage));
    let path = format!("/accounts/{org}/invitations");
    let reply = root.post(&path, &json!({ "email": ada.email, "role": "admin" })).expect(409);
    assert!(reply.body.contains("an owner must come first"), "{reply:?}");
    for (person, role) in [(&ada, "owner"), (&bo, "member")] {
        scene.stage.patch(&format!("/accounts/{org}/members/{}", root.id), &json!({ "role": "owner" })).expect(200);
        scene.invite(&root, &org, &person.email, role);
        // Whoever had it is gone meanwhile.
        let database = rusqlite::Connection::open(scene.stage.folder.database()).unwrap();
        database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        database.execute("DELETE FROM members WHERE account = ?1", [&org]).unwrap();
        let status = if role == "owner" { 200 } else { 404 };
        accept(person, &scene.token(&person.email)).expect(status);
    }
}

/// An owner who is switched off is none, whichever way somebody comes to belong to it.
#[test]
fn while_its_owner_is_switched_off_only_an_owner_joins() {
    let scene = Scene::new("");
    let mut owner = Person::new(&scene.stage);
    let org = owner.organization("Team");
    let admin = Person::of(&scene.stage, &org, "admin");
    let root = Person::with(&scene.stage, json!({ "admin": true }));
    let (ada, bo) = (Person::new(&scene.stage), Person::new(&scene.stage));
    scene.invite(&admin, &org, &ada.email, "member");
    let token = scene.token(&ada.email);
    let (owners, path) = (format!("/users/{}", owner.id), format!("/accounts/{org}/invitations"));
    scene.stage.patch(&owners, &json!({ "disabled": true })).expect(200);
    let told = "an owner must come first";
    let member = format!("/accounts/{org}/members/{}", bo.id);
    for reply in
        [admin.post(&path, &json!({ "email": bo.email, "role": "member" })), scene.stage.patch(&member, &json!({ "role": "member" }))]
    {
        assert!(reply.clone().expect(409).body.contains(told), "{reply:?}");
    }
    accept(&ada, &token).expect(404);
    root.post(&path, &json!({ "email": bo.email, "role": "owner" })).expect(201);
    scene.stage.patch(&owners, &json!({ "disabled": false })).expect(200);
    accept(&ada, &token).expect(200);
    scene.stage.patch(&member, &json!({ "role": "member" })).expect(200);
}
