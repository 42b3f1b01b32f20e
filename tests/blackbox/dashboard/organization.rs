//! Organizations in a browser: made, switched to, joined, looked after, left; each role as far as it goes.

use serde_json::json;

use super::{QUICK, signed_in};
use crate::support::Stage;
use crate::support::browser::{Browser, Page};
use crate::support::person::Person;
use crate::support::server::text;

/// Sends a form that the page does not offer, with the token that its forms carry.
#[track_caller]
fn sent_all_the_same(stage: &Stage, browser: &Browser<'_>, page: &Page, path: &str, fields: &str) -> (u16, String) {
    let token = page.form("sign-out").fields.remove(0).1;
    let body = format!("form_token={token}&{fields}");
    let reply = stage.server.send(&browser.request("POST", &format!("/auth/{path}"), Some(&body)));
    (reply.status, reply.body)
}

/// Goes on for an account.
#[track_caller]
pub fn switched(browser: &mut Browser<'_>, account: &str) -> Page {
    let page = browser.open("/auth/organization");
    browser.send(&page, "organization/switch", &[("account", account)]).says(200, "You act for this account now.")
}

#[test]
fn an_organization_is_made_renamed_and_left_for_oneself() {
    let stage = Stage::with(QUICK);
    let person = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &person);
    let page = browser.open("/auth/organization").says(200, "You act for yourself now.").says_not("Leave").says_not("Switch");
    browser.send(&page, "organization", &[("name", "")]).says(400, "must be given");
    browser.send(&page, "organization", &[("name", "a"), ("form_token", "x")]).says(403, "This form is not one of yours");
    let script = "<script>alert(1)</script>";
    let made = browser.send(&page, "organization", &[("name", script)]).says(200, "Made. You act for it now.");
    let made = made.says(200, "&#60;script&#62;").says_not("<script>a").says(200, "owner");
    // The forms of the page before are of the account before.
    browser.send(&page, "organization", &[("name", "second")]).says(403, "This form is not one of yours");
    let made = browser.send(&made, "organization/name", &[("name", "Team")]).says(200, "Saved.").says(200, "Team");
    let wrong = browser.send(&made, "organization/name", &[("name", "a\u{7}")]).says(400, "no control characters");
    assert!(wrong.form("organization/name").fields.contains(&("name".into(), "a\u{7}".into())));
    browser.open("/auth/keys").says(200, "· Team");
    browser.send(&made, "organization/leave", &[]).says(409, "This is the organization&#39;s only owner");
    switched(&mut browser, &person.account).says(200, "You act for yourself now.");
    browser.open("/auth/keys").says_not("· Team");
}

#[test]
fn one_switches_to_accounts_of_ones_own_alone() {
    let stage = Stage::with(QUICK);
    let (person, eve) = (Person::new(&stage), Person::new(&stage));
    let team = stage.account(json!({ "kind": "organization" }));
    stage.patch(&format!("/accounts/{team}/members/{}", eve.id), &json!({ "role": "owner" })).expect(200);
    let (mut browser, page) = signed_in(&stage, &person);
    for account in [team.as_str(), &eve.account, "acc_00000000000000000000000000", "<b>", ""] {
        let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
        let (status, body) = sent_all_the_same(&stage, &browser, &page, "organization/switch", &format!("account={account}"));
        assert!(status == 404 && body.contains("There is no such thing here.") && !body.contains("tester"), "{body}");
    }
    let (mut browser_of_eve, _) = signed_in(&stage, &eve);
    let page = switched(&mut browser_of_eve, &team).says(200, "tester");
    // Pages of before are refused; the app's own pages go on for the same account.
    browser_of_eve.send(&page, "organization/name", &[("name", "Renamed")]).says(200, "Saved.");
    let cookie = browser_of_eve.cookies.iter().find(|((name, _), _)| name == "refresh_token").expect("a cookie").1.clone();
    let refresh = crate::support::Request::post("/auth/v1/auth/refresh", &json!({})).header("Cookie", &format!("refresh_token={cookie}"));
    stage.server.send(&refresh).expect(200);
    browser.open("/auth/organization").says_not("Renamed");
}

#[test]
fn somebody_is_invited_joins_and_is_looked_after() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    let team = owner.organization("Team");
    let guest = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &owner);
    switched(&mut browser, &team);
    let page = browser.open("/auth/organization/invitations").says(200, "Nobody is asked at the moment.");
    let wrong = browser.send(&page, "organization/invitations", &[("email", "<b>nobody"), ("role", "admin")]).says(400, "class=\"fault\"");
    let fields = wrong.says_not("<b>nobody").form("organization/invitations").fields;
    assert!(fields.contains(&("email".into(), "<b>nobody".into())) && fields.contains(&("role".into(), "admin".into())), "{fields:?}");
    let page = browser.send(&page, "organization/invitations", &[("email", "other@example.com"), ("role", "owner")]);
    let page = page.says(200, "Invited: the link is on its way.").says(200, "other@example.com");
    let list = stage.get(&format!("/accounts/{team}/invitations")).expect(200).json();
    let id = text(&list["data"][0]["id"]);
    browser.send(&page, "organization/invitations/end", &[("invitation", &id)]).says(200, "Taken back.").says_not("other@example.com");
    browser.send(&page, "organization/invitations", &[("email", &guest.email), ("role", "member")]).says(200, &guest.email);
    let (mut theirs, _) = signed_in(&stage, &guest);
    let page = theirs.open("/auth/organization").says(200, "Ada asks you to join Team as member.");
    let page = theirs.send(&page, "organization/accept", &[]).says(200, "You have joined.").says_not("asks you");
    theirs.send(&page, "organization/switch", &[("account", &team)]).says(200, "Team");
    // A member sees who belongs to it, and changes nothing.
    theirs.open("/auth/organization/members").says(200, &owner.email).says(200, "(you)").says_not("/organization/members/");
    theirs.open(&format!("/auth/organization/members/{}", owner.id)).says(403, "Your part in this account does not let you do this.");
    let list = browser.open("/auth/organization/members").says(200, &guest.email);
    let link = list.links().into_iter().find(|link| link.ends_with(&format!("/members/{}", guest.id))).expect("a link");
    let page = browser.open(&link).says(200, &guest.email);
    let role = format!("organization/members/{}", guest.id);
    let wrong = browser.send(&page, &role, &[("role", "king")]);
    wrong.says(400, "must be owner, admin or member");
    browser.send(&page, &role, &[("role", "admin")]).says(200, "Saved.").says(200, "admin");
    theirs.open("/auth/organization/invitations").says(200, "Nobody is asked");
    browser.send(&page, &format!("{role}/remove"), &[]).says(200, "Taken out.").says_not(&guest.email);
    theirs.open("/auth/organization").says(200, "You act for yourself now.").says_not("Team");
    browser.open(&link).says(404, "There is no such thing here.");
}

#[test]
fn an_organization_is_passed_on() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    let team = owner.organization("Team");
    let heir = Person::of(&stage, &team, "member");
    let (mut browser, _) = signed_in(&stage, &owner);
    switched(&mut browser, &team);
    let own = browser.open(&format!("/auth/organization/members/{}", owner.id)).says_not("Take out");
    browser.send(&own, &format!("organization/members/{}", owner.id), &[("role", "admin")]).says(409, "only owner");
    let page = browser.open(&format!("/auth/organization/members/{}", heir.id));
    browser.send(&page, &format!("organization/members/{}", heir.id), &[("role", "owner")]).says(200, "Saved.");
    let page = browser.open("/auth/organization");
    let left = browser.send(&page, "organization/leave", &[]).says(200, "You have left it.").says(200, "You act for yourself now.");
    left.says_not("Team");
    let members = stage.get(&format!("/accounts/{team}/members")).expect(200).json();
    assert_eq!((members["data"].as_array().map(Vec::len), &members["data"][0]["role"]), (Some(1), &json!("owner")));
}

#[test]
fn an_invitation_is_declined_by_whose_it_is() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    let team = owner.organization("<i>Team");
    let (guest, eve) = (Person::new(&stage), Person::new(&stage));
    owner.post(&format!("/accounts/{team}/invitations"), &json!({ "email": guest.email, "role": "member" })).expect(201);
    let id = text(&guest.get("/invitations").expect(200).json()["data"][0]["id"]);
    let (others, page) = signed_in(&stage, &eve);
    for answer in ["accept", "decline"] {
        let (status, _) = sent_all_the_same(&stage, &others, &page, &format!("organization/{answer}"), &format!("invitation={id}"));
        assert_eq!(status, 404, "{answer}");
    }
    let (mut browser, _) = signed_in(&stage, &guest);
    let page = browser.open("/auth/organization").says(200, "&#60;i&#62;Team").says_not("<i>Team");
    browser.send(&page, "organization/decline", &[]).says(200, "Declined.").says_not("Team");
    browser.send(&page, "organization/accept", &[]).says(404, "There is no such thing here.");
    let list = owner.get(&format!("/accounts/{team}/invitations")).expect(200).json();
    assert_eq!(list["data"][0]["state"], "ended");
}

#[test]
fn what_a_role_may_not_is_not_offered_and_refused() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    let team = owner.organization("Team");
    let (admin, member) = (Person::of(&stage, &team, "admin"), Person::of(&stage, &team, "member"));
    let forbidden = "Your part in this account does not let you do this.";
    let owners = format!("organization/members/{}", owner.id);

    let (mut browser, _) = signed_in(&stage, &member);
    let page = switched(&mut browser, &team).says_not("Rename").says_not("organization/invitations");
    for (path, fields) in [
        ("organization/name", "name=mine"),
        ("organization/invitations", "email=a@example.com&role=member"),
        ("organization/invitations/end", "invitation=inv_1"),
        (&owners, "role=member"),
        (&format!("{owners}/remove"), ""),
    ] {
        let (status, body) = sent_all_the_same(&stage, &browser, &page, path, fields);
        assert!(status == 403 && body.contains(forbidden), "{path}: {status} {body}");
    }
    browser.open("/auth/organization/invitations").says(403, forbidden);

    let (mut browser, _) = signed_in(&stage, &admin);
    let page = switched(&mut browser, &team).says(200, "Rename");
    browser.open(&format!("/auth/{owners}")).says(200, "Only an owner can change this.").says_not("Take out");
    let invite = browser.open("/auth/organization/invitations").says_not("value=\"owner\"");
    browser.send(&invite, "organization/invitations", &[("email", "a@example.com"), ("role", "owner")]).says(403, forbidden);
    let members = format!("organization/members/{}", member.id);
    browser.open(&format!("/auth/{members}")).says(200, "value=\"admin\"").says_not("value=\"owner\"");
    for (path, fields) in [
        (owners.as_str(), "role=member"),
        (&format!("{owners}/remove"), ""),
        (&members, "role=owner"),
        ("organization/members/1x", "role=member"),
    ] {
        let (status, body) = sent_all_the_same(&stage, &browser, &page, path, fields);
        let wanted = if path.ends_with("1x") { 404 } else { 403 };
        assert_eq!(status, wanted, "{path}: {body}");
    }
    let roles = stage.get(&format!("/accounts/{team}/members")).expect(200).json();
    let roles: Vec<_> = roles["data"].as_array().expect("a list").iter().map(|one| text(&one["role"])).collect();
    assert_eq!(roles, ["owner", "admin", "member"]);
}

#[test]
fn whoever_belongs_elsewhere_is_not_there() {
    let stage = Stage::with(QUICK);
    let (mut owner, mut eve) = (Person::new(&stage), Person::new(&stage));
    let (team, other) = (owner.organization("Team"), eve.organization("Other"));
    let stranger = Person::of(&stage, &other, "member");
    eve.post(&format!("/accounts/{other}/invitations"), &json!({ "email": "a@example.com", "role": "member" })).expect(201);
    let invitation = text(&eve.get(&format!("/accounts/{other}/invitations")).expect(200).json()["data"][0]["id"]);
    let (mut browser, _) = signed_in(&stage, &owner);
    let page = switched(&mut browser, &team);
    let place = format!("organization/members/{}", stranger.id);
    browser.open(&format!("/auth/{place}")).says(404, "There is no such thing here.").says_not(&stranger.email);
    for (path, fields) in [
        (place.clone(), "role=admin".to_owned()),
        (format!("{place}/remove"), String::new()),
        ("organization/invitations/end".into(), format!("invitation={invitation}")),
    ] {
        let (status, body) = sent_all_the_same(&stage, &browser, &page, &path, &fields);
        assert!(status == 404 && !body.contains(&stranger.email), "{path}: {status} {body}");
    }
    let members = stage.get(&format!("/accounts/{other}/members")).expect(200).json();
    assert_eq!(members["data"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_administrator_of_the_server_makes_nobody_a_member_unasked() {
    let stage = Stage::with(QUICK);
    let admin = Person::with(&stage, json!({ "admin": true }));
    let stranger = Person::new(&stage);
    let (mut browser, _) = signed_in(&stage, &admin);
    let page = browser.open("/auth/organization");
    let page = browser.send(&page, "organization", &[("name", "Ours")]).says(200, "Made. You act for it now.").says(200, "owner");
    let path = format!("organization/members/{}", stranger.id);
    assert_eq!(sent_all_the_same(&stage, &browser, &page, &path, "role=member").0, 404);
    browser.open("/auth/organization/members").says(200, "(you)").says_not(&stranger.email);
}

#[test]
fn many_members_are_paged() {
    let stage = Stage::with(QUICK);
    let mut owner = Person::new(&stage);
    let team = owner.organization("Team");
    let name = "n".repeat(200);
    for number in 0..30 {
        let made =
            stage.post("/users", &json!({ "email": format!("{}{number}@example.com", "m".repeat(50)), "name": name, "verified": true }));
        let id = made.expect(201).json()["id"].as_i64().expect("a number");
        stage.patch(&format!("/accounts/{team}/members/{id}"), &json!({ "role": "member" })).expect(200);
    }
    let (mut browser, _) = signed_in(&stage, &owner);
    switched(&mut browser, &team);
    let page = browser.open("/auth/organization/members").says(200, "More");
    let next = page.links().into_iter().find(|link| link.contains("cursor=")).expect("a next page");
    let rest = browser.open(&next).says(200, "Members").says_not("More");
    let rows = |page: &Page| page.reply.body.matches("<th scope=\"row\">").count();
    assert_eq!((rows(&page), rows(&rest)), (25, 6));
}

#[test]
fn many_invitations_are_paged() {
    let stage = Stage::with(&format!("{QUICK}[sign_in.throttle]\nsent_by_address = \"1000/1h\"\n"));
    let mut owner = Person::new(&stage);
    let team = owner.organization("Team");
    for number in 0..30 {
        let email = format!("{}@{}.{number}.example.com", "m".repeat(60), "n".repeat(60));
        owner.post(&format!("/accounts/{team}/invitations"), &json!({ "email": email, "role": "member" })).expect(201);
    }
    let (mut browser, _) = signed_in(&stage, &owner);
    switched(&mut browser, &team);
    let page = browser.open("/auth/organization/invitations").says(200, "More");
    let next = page.links().into_iter().find(|link| link.contains("cursor=")).expect("a next page");
    let rest = browser.open(&next).says(200, ".29.example.com").says_not("More");
    let rows = |page: &Page| page.reply.body.matches("<th scope=\"row\">").count();
    assert_eq!((rows(&page), rows(&rest)), (25, 5));
}
