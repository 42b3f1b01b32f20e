//! The second factor is asked for by whatever way somebody comes: each of them as a row.

use serde_json::{Value, json};

use super::door::{AT_GATE, BASE, Door, PASSWORD, Session};
use super::second_factor::{Guarded, guarded, second};
use super::telegram;
use crate::support::provider::{CLIENT_ID, CLIENT_SECRET, FakeProvider};
use crate::support::server::text;
use crate::support::{Reply, Request};

const HERE: &str = "https://app.example.com/signed-in";
const PUBLIC: &str = "https://api.example.com";
const NUMBER: &str = "+4915112345678";
const OTHER: &str = "quite another horse battery";

type Way = fn(&Door, &Guarded, &FakeProvider) -> Reply;

/// Every way in, up to where it would sign in.
const WAYS: &[(&str, Way)] = &[
    ("a password", |door, ada, _| door.try_sign_in(&ada.user, PASSWORD)),
    ("a number and the password", |door, ada, _| {
        door.alter(&format!("UPDATE users SET phone = '{NUMBER}', phone_verified_at = 1 WHERE id = {}", ada.user.id));
        door.post("/auth/login-phone", &json!({ "phone": NUMBER, "password": PASSWORD }))
    }),
    ("a link", |door, ada, _| {
        change(door, ada, "email", "new@example.com");
        door.verify(&door.token("new@example.com", 1))
    }),
    ("a code", |door, ada, _| {
        change(door, ada, "phone", NUMBER);
        door.verify_code(NUMBER, &door.code(NUMBER, 1))
    }),
    ("a link that the operator had sent", |door, ada, _| {
        door.stage.patch(&format!("/users/{}", ada.user.id), &json!({ "email": "other@example.com" })).expect(200);
        door.verify(&door.token("other@example.com", 1))
    }),
    ("a new password", |door, ada, _| {
        door.forgot(&ada.user.email).expect(202);
        let reply = door.reset(&json!({ "token": door.token(&ada.user.email, 1), "password": OTHER })).expect(204);
        assert!(reply.header("Set-Cookie").is_none(), "{reply:?}");
        door.try_sign_in(&ada.user, OTHER)
    }),
    ("telegram", |door, ada, _| {
        door.alter(&format!("INSERT INTO identities VALUES ('telegram', '42', {}, 'ada', 1, 1)", ada.user.id));
        door.post("/auth/telegram", &telegram::signed(telegram::person(42)))
    }),
    ("telegram, linked a moment ago", |door, ada, _| {
        let mut payload = telegram::signed(telegram::person(42));
        payload["password"] = PASSWORD.into();
        let linked = door.ask("POST", "/user/identities/telegram", &ada.session.token, Some(&payload)).expect(204);
        assert!(linked.header("Set-Cookie").is_none(), "{linked:?}");
        let mut again = telegram::person(42);
        again["first_name"] = "Augusta".into();
        door.post("/auth/telegram", &telegram::signed(again))
    }),
    ("google", |door, ada, provider| by_code(door, ada, provider, "/auth/google")),
    ("another provider", |door, ada, provider| by_code(door, ada, provider, "/auth/oidc/house")),
    ("a browser that comes back from google", |door, ada, provider| {
        provider.person(person(ada));
        let begun = door.stage.server.send(&Request::get(&format!("{BASE}/auth/google/start?return_to=/here"))).expect(303);
        let back = provider.authorize(&begun.header("Location").expect("it is sent on"));
        let kept = begun.header("Set-Cookie").expect("a cookie").split(';').next().unwrap_or_default().to_owned();
        door.stage.server.send(&Request::get(back.strip_prefix(PUBLIC).expect("here")).header("Cookie", &kept))
    }),
];

#[track_caller]
fn change(door: &Door, ada: &Guarded, field: &str, address: &str) {
    door.change(&ada.session, &json!({ field: address, "current_password": PASSWORD })).expect(200);
}

/// Somebody whose address the provider vouches for.
fn person(ada: &Guarded) -> Value {
    json!({ "sub": "7", "name": "Ada", "email": ada.user.email, "email_verified": true })
}

fn by_code(door: &Door, ada: &Guarded, provider: &FakeProvider, path: &str) -> Reply {
    provider.person(person(ada));
    door.post(path, &json!({ "code": provider.code_for(HERE), "redirect_uri": HERE }))
}

fn config(provider: &FakeProvider) -> String {
    let table = |head: &str| {
        format!(
            "{head}\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\nissuer = \"{}\"\n\
             redirect_uris = [\"{HERE}\", \"{PUBLIC}{BASE}/auth/google/callback\"]\n",
            provider.issuer
        )
    };
    let (google, house) = (table("[sign_in.google]"), table("[[sign_in.oidc]]\nname = \"house\""));
    format!("[server]\npublic_url = \"{PUBLIC}\"\n{AT_GATE}[sign_in.telegram]\nbot_token = \"{}\"\n{google}{house}", telegram::BOT)
}

#[test]
fn no_way_in_skips_it() {
    for (what, way) in WAYS {
        let provider = FakeProvider::start();
        let door = Door::with(&config(&provider));
        let ada = guarded(&door, "ada");
        let before = door.count("sessions");
        let reply = way(&door, &ada, &provider);
        assert_eq!((reply.status, reply.verdict().as_str()), (403, "second_factor_needed"), "{what}: {reply:?}");
        assert!(!reply.body.contains("access_token") && !reply.body.contains("eyJ"), "{what}: {reply:?}");
        assert_eq!(door.count("sessions"), before, "{what}");
        let mut cookies = reply.headers.iter().filter_map(|(_, value)| value.strip_prefix("refresh_token="));
        let waiting = cookies.next().and_then(|rest| rest.split(';').next()).unwrap_or_else(|| panic!("{what}: {reply:?}")).to_owned();
        assert!(!door.refreshes(&waiting), "{what}");
        assert_eq!(Session::of(&second(&door, &waiting, &ada.app.code(0))).answer["user"]["id"], ada.user.id, "{what}");
    }
}

/// An invitation makes a user of whoever has none. Whoever has one signs in, and meets the second factor there.
#[test]
fn an_invitation_does_not_skip_it() {
    let door = Door::with(AT_GATE);
    let (ada, eve) = (guarded(&door, "ada"), door.sign_in(&door.user("eve")));
    let mills = text(&door.ask("POST", "/accounts", &eve.token, Some(&json!({ "name": "Mills" }))).expect(201).json()["id"]);
    let eve = Session::of(&door.ask("POST", "/auth/switch", &eve.token, Some(&json!({ "account": mills }))));
    let invitation = json!({ "email": ada.user.email, "role": "member" });
    door.ask("POST", &format!("/accounts/{mills}/invitations"), &eve.token, Some(&invitation)).expect(201);
    let token = door.token(&ada.user.email, 1);
    let reply = door.post("/auth/invitation", &json!({ "token": token, "name": "Ada", "password": PASSWORD })).expect(409);
    assert!(!reply.body.contains("access_token") && reply.header("Set-Cookie").is_none(), "{reply:?}");
    // On the invitation's page, too, whatever it brings along: the code has a page of its own.
    for code in ["", "000000"] {
        let form = format!("token={token}&email=ada%40example.com&password={}&code={code}", PASSWORD.replace(' ', "+"));
        let request = Request::new("POST", "/auth/invitation").header("Content-Type", "application/x-www-form-urlencoded");
        let page = door.stage.server.send(&request.body(form.as_bytes()));
        assert_eq!(page.header("Location").as_deref(), Some("/auth/second-factor"), "{page:?}");
        assert!(page.headers.iter().all(|(name, value)| name != "set-cookie" || !value.starts_with("refresh_token=")), "{page:?}");
        assert_eq!(door.count(&format!("members WHERE user = {}", ada.user.id)), 1, "their own account alone");
        assert_eq!(door.count(&format!("sessions WHERE user = {} AND ended_at IS NULL", ada.user.id)), 1);
    }
}
