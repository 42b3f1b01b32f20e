//! How mails are sent: again and again until somebody takes them, one after the other to each address, and nothing lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::support::app::Latch;

const SOON: &str = "retries = [\"100ms\", \"100ms\", \"200ms\", \"500ms\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]";

/// Answers to one verb with the first that are scripted, each once, then as usual.
fn answering(verb: &'static str, first: &'static [&'static str]) -> Setup {
    let count = AtomicUsize::new(0);
    Setup::plain().script(move |said| {
        let at = if said.verb == verb { count.fetch_add(1, Ordering::SeqCst) } else { usize::MAX };
        first.get(at).map(|answer| (*answer).to_owned())
    })
}

#[test]
fn a_mail_arrives_whole() {
    let (smtp, stage) = stage("reply_to = \"help@example.com\"");
    let id = test(&stage, "Ada@Example.org");
    let mail = smtp.wait_for(1).remove(0);
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("noreply@example.com", ["ada@example.org".to_owned()].as_slice()));
    assert_eq!(mail.header("From"), "Example <noreply@example.com>");
    assert_eq!((mail.header("To").as_str(), mail.header("Reply-To").as_str()), ("ada@example.org", "help@example.com"));
    assert_eq!(mail.header("Subject"), "A test mail of api.example.com");
    assert_eq!((mail.header("Message-ID"), mail.header("Auto-Submitted")), (format!("<{id}@example.com>"), "auto-generated".into()));
    assert!(mail.header("Date").ends_with("+0000") && mail.header("Content-Type").starts_with("multipart/alternative"), "{mail:?}");
    assert!(mail.text().contains("arrives at\r\nada@example.org. It does.") && mail.html().unwrap().contains("<p>Hello,</p>"), "{mail:?}");
    assert!(mail.data.is_ascii() && mail.data.lines().all(|line| line.len() < 998));
    let taken = wait_for_state(&stage, &id, "taken");
    assert_eq!((&taken["tries"], &taken["fault"], &taken["due_at"]), (&json!(1), &Value::Null, &Value::Null));
    assert!(taken["taken_at"].is_string(), "{taken}");
    assert!(!smtp.said().iter().any(|line| line.starts_with("AUTH") || line.starts_with("STARTTLS")), "{:?}", smtp.said());
}

#[test]
fn a_link_holds_the_token_and_nothing_else_does() {
    let smtp = Smtp::new(Setup::plain());
    let folder = folder(&config(&smtp.url(), "")).variable("TOLLGATE_LOG", "trace");
    let seed = reset(&folder, 1, "email", "ada@example.org");
    assert!(!holds(&bytes_of(&folder), &seed.token));
    let stage = on(folder);
    let mail = smtp.wait_for(1).remove(0);
    assert_eq!(mail.link(), format!("https://api.example.com/auth/reset?token={}", seed.token));
    assert!(mail.html().unwrap().contains(&format!("href=\"{}\"", mail.link())), "{mail:?}");
    assert!(mail.data.contains(&mail.link()), "whoever reads it as it came finds the link: {}", mail.data);
    assert!(mail.text().contains("1 hour") && mail.text().contains("Hello Ada,"), "{mail:?}");
    let taken = wait_for_state(&stage, &seed.id, "taken");
    assert!(!taken.to_string().contains(&seed.token), "{taken}");
    assert!(!holds(&bytes_of(&stage.folder), &seed.token), "not while it runs");
    let Stage { folder, server, .. } = stage;
    let (_, log) = server.stop();
    assert!(!holds(&bytes_of(&folder), &seed.token) && !log.contains(&seed.token), "{log}");
    assert!(!log.contains("ada@example.org") || !log.contains("Hello"), "what it says is in no log: {log}");
}

#[test]
fn a_link_leads_where_the_configuration_says() {
    for (more, before) in [
        ("[server]\npublic_url = \"https://api.example.com/base\"\nprefix = \"/own\"", "https://api.example.com/base/own/reset?token="),
        ("[sign_in.links]\nreset = \"https://app.example.com/new\"", "https://app.example.com/new?token="),
        ("", "http://127.0.0.1:"),
    ] {
        let smtp = Smtp::new(Setup::plain());
        let folder = folder(&format!("{more}\n[mail]\nsmtp_url = \"{}\"\nfrom = \"noreply@example.com\"", smtp.url()));
        let seed = reset(&folder, 1, "email", "ada@example.org");
        let stage = on(folder);
        let link = smtp.wait_for(1)[0].link();
        assert!(link.starts_with(before) && link.ends_with(&seed.token), "{link}");
        if more.is_empty() {
            assert_eq!(link, format!("http://{}/auth/reset?token={}", stage.server.address, seed.token));
            assert!(stage.server.log().contains("public_url is not set"));
        }
    }
}

#[test]
fn where_nothing_sends_the_log_has_the_link_and_the_code() {
    let folder = folder("[server]\npublic_url = \"https://api.example.com\"");
    let (mail, sms) = (reset(&folder, 1, "email", "ada@example.org"), reset(&folder, 2, "phone", "+4915112345678"));
    let stage = on(folder);
    wait_for_state(&stage, &mail.id, "taken");
    wait_for_state(&stage, &sms.id, "taken");
    let test = test(&stage, "eve@example.org");
    wait_for_state(&stage, &test, "taken");
    let (_, log) = stage.server.stop();
    for words in [
        format!("the link for ada@example.org: https://api.example.com/auth/reset?token={}", mail.token),
        format!("the code for +4915112345678: {}", sms.code),
        "a mail for eve@example.org is not sent, because [mail] names no server: A test mail of api.example.com".to_owned(),
    ] {
        assert!(log.lines().any(|line| line.contains("INFO") && line.contains(&words)), "{words}: {log}");
    }
}

#[test]
fn what_was_used_or_has_expired_is_not_sent() {
    for change in ["used_at = 1", "expires_at = 1"] {
        let smtp = Smtp::new(Setup::plain());
        let folder = folder(&config(&smtp.url(), ""));
        let seed = reset(&folder, 1, "email", "ada@example.org");
        Connection::open(folder.database()).unwrap().execute(&format!("UPDATE proofs SET {change} WHERE id = ?1"), [&seed.proof]).unwrap();
        let stage = on(folder);
        let given_up = wait_for_state(&stage, &seed.id, "given_up");
        assert!(text(&given_up["fault"]).contains("used, or has expired"), "{given_up}");
        stage.post(&format!("/mails/{}/retry", seed.id), &json!({})).expect(409);
        assert_eq!(smtp.connections(), 0);
    }
}

#[test]
fn a_secret_that_is_another_sends_no_wrong_link() {
    let smtp = Smtp::new(Setup::plain());
    let folder = folder(&config(&smtp.url(), ""));
    let seed = reset(&folder, 1, "email", "ada@example.org");
    std::fs::write(folder.path("tollgate.db.secret"), "another secret that is long enough for anybody\n").unwrap();
    let stage = on(folder);
    let given_up = wait_for_state(&stage, &seed.id, "given_up");
    assert!(text(&given_up["fault"]).contains("secret is another"), "{given_up}");
    assert_eq!(smtp.connections(), 0);
}

#[test]
fn what_is_refused_for_good_is_given_up_at_once_and_told() {
    for (verb, answer) in
        [("RCPT", "550 5.1.1 no such user"), ("DATA", "554 5.7.1 no"), (".", "554-5.7.1 spam,\r\n554 5.7.1 says the filter")]
    {
        let (smtp, stage) = stage_with(Setup::plain().script(move |said| (said.verb == verb).then(|| answer.to_owned())), SOON);
        let id = test(&stage, "ada@example.org");
        let given_up = wait_for_state(&stage, &id, "given_up");
        assert_eq!((&given_up["tries"], smtp.connections()), (&json!(1), 1), "{given_up}");
        assert!(text(&given_up["fault"]).contains(&answer[..3]) && text(&given_up["fault"]).contains(&answer[4..9]), "{given_up}");
        let (_, log) = stage.server.stop();
        let told = log.lines().find(|line| line.contains("given up")).expect("it is told");
        assert!(told.contains("WARN") && told.contains(&id) && told.contains(&answer[..3]), "{told}");
        assert!(smtp.received().is_empty());
    }
}

#[test]
fn what_is_refused_for_now_is_sent_again_as_it_was() {
    for (verb, first) in [
        ("RCPT", &["451 4.7.1 greylisted", "451 4.7.1 greylisted"][..]),
        ("GREETING", &["421 too busy", "554 go away"]),
        ("EHLO", &["500 what?", "421 no"]),
        ("MAIL", &["550 not from you", "452 full"]),
        ("DATA", &["451 later", "421 bye"]),
        (".", &["452 4.3.1 full", ""]),
        ("RCPT", &["530 5.7.0 sign in first", ""]),
        ("GREETING", &["nonsense", ""]),
    ] {
        let (smtp, stage) = stage_with(answering(verb, first), SOON);
        let id = test(&stage, "ada@example.org");
        let taken = wait_for_state(&stage, &id, "taken");
        assert_eq!((&taken["tries"], &taken["fault"]), (&json!(3), &Value::Null), "{verb}: {taken}");
        assert_eq!(smtp.received().len(), 1, "{verb}");
        assert_eq!(smtp.received()[0].header("Message-ID"), format!("<{id}@example.com>"));
    }
}

#[test]
fn what_a_server_repeats_is_not_told_on() {
    let smtp = Smtp::new(Setup::plain().script(|said| {
        // A filter that quotes what it does not like.
        (said.verb == ".").then(|| format!("554 5.7.1 the link {} is on a list", said.mail.link()))
    }));
    let folder = folder(&config(&smtp.url(), ""));
    let seed = reset(&folder, 1, "email", "ada@example.org");
    let stage = on(folder);
    let given_up = wait_for_state(&stage, &seed.id, "given_up");
    assert!(text(&given_up["fault"]).contains("554") && !given_up.to_string().contains(&seed.token[..8]), "{given_up}");
    let Stage { folder, server, .. } = stage;
    let (_, log) = server.stop();
    assert!(!log.contains(&seed.token[..8]) && !holds(&bytes_of(&folder), &seed.token[..8]), "{log}");
}

#[test]
fn what_nobody_takes_is_given_up_in_the_end_and_can_be_sent_again() {
    let (smtp, stage) = stage_with(answering("RCPT", &["451 later", "451 later"]), "retries = [\"100ms\"]");
    let id = test(&stage, "ada@example.org");
    let given_up = wait_for_state(&stage, &id, "given_up");
    assert_eq!(given_up["tries"], 2);
    let again = stage.folder.json(&["mail", "retry", &id]);
    assert_eq!((&again["state"], &again["tries"]), (&json!("waiting"), &json!(0)));
    wait_for_state(&stage, &id, "taken");
    assert_eq!(smtp.received().len(), 1);
}

#[test]
fn a_dead_server_loses_nothing_across_a_restart() {
    let smtp = Smtp::new(Setup::plain());
    let (port, url) = (smtp.port, smtp.url());
    drop(smtp);
    let stage = Stage::with(&config(&url, SOON));
    let ids: Vec<String> = (0..5).map(|nth| test(&stage, &format!("user{nth}@example.org"))).collect();
    let waiting = wait_for_try(&stage, &ids[0]);
    assert!(text(&waiting["fault"]).contains("no connection"), "{waiting}");
    // Once is nothing; one that stays away is worth a warning.
    eventually("a warning", || {
        stage.server.log().lines().any(|line| line.contains("WARN") && line.contains("not taken again")).then_some(())
    });
    assert!(stage.server.log().lines().any(|line| line.contains("INFO") && line.contains("a mail was not taken: ")));
    let stage = stage.restart();
    let smtp = Smtp::at(port, Setup::plain());
    for id in &ids {
        wait_for_state(&stage, id, "taken");
    }
    let mut received: Vec<String> = smtp.received().iter().map(|mail| mail.header("Message-ID")).collect();
    received.sort();
    assert_eq!(received, ids.iter().map(|id| format!("<{id}@example.com>")).collect::<Vec<_>>(), "each once");
}

#[test]
fn a_kill_before_the_answer_sends_it_again_under_the_same_id() {
    let (arrived, go) = (Latch::default(), Latch::default());
    let (smtp, stage) = stage_with(
        Setup::plain().script({
            let (arrived, go) = (arrived.clone(), go.clone());
            move |said| {
                if said.verb == "." && said.connection == 1 {
                    arrived.open();
                    go.wait();
                }
                None
            }
        }),
        SOON,
    );
    let id = test(&stage, "ada@example.org");
    arrived.wait();
    let Stage { folder, server, token } = stage;
    server.kill();
    go.open();
    let stage = Stage { server: folder.serve(), folder, token };
    wait_for_state(&stage, &id, "taken");
    let ids: std::collections::BTreeSet<String> = smtp.received().iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), [format!("<{id}@example.com>")]);
}

#[test]
fn one_address_gets_its_mails_in_their_order_and_holds_up_nobody_else() {
    let held = Latch::default();
    let (smtp, stage) = stage_with(
        Setup::plain().script({
            let held = held.clone();
            let first = AtomicUsize::new(0);
            move |said| {
                let is_first = said.verb == "RCPT" && said.line.contains("ada@") && first.fetch_add(1, Ordering::SeqCst) == 0;
                if is_first {
                    held.wait();
                }
                is_first.then(|| "451 later".to_owned())
            }
        }),
        SOON,
    );
    let ids: Vec<String> = (0..4).map(|_| test(&stage, "ada@example.org")).collect();
    let others: Vec<String> = (0..20).map(|nth| test(&stage, &format!("user{nth}@example.org"))).collect();
    for id in &others {
        wait_for_state(&stage, id, "taken");
    }
    assert!(ids.iter().all(|id| mail(&stage, id)["state"] == "waiting"), "they wait for the first");
    held.open();
    wait_for_state(&stage, &ids[3], "taken");
    let order: Vec<String> =
        smtp.received().iter().filter(|mail| mail.to == ["ada@example.org"]).map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(order, ids.iter().map(|id| format!("<{id}@example.com>")).collect::<Vec<_>>());
}

#[test]
fn a_slow_server_is_not_overrun_and_gets_each_once() {
    const MAILS: usize = 30;
    let (latch, at_once) = (Latch::default(), Arc::new(AtomicUsize::new(0)));
    let (smtp, stage) = stage_with(
        Setup::plain().script({
            let (latch, at_once) = (latch.clone(), at_once.clone());
            move |said| {
                if said.verb == "." {
                    at_once.fetch_add(1, Ordering::SeqCst);
                    latch.wait();
                }
                None
            }
        }),
        "",
    );
    let ids: Vec<String> = (0..MAILS).map(|nth| test(&stage, &format!("user{nth}@example.org"))).collect();
    eventually("every lane is taken", || (at_once.load(Ordering::SeqCst) == 8).then_some(()));
    // Nothing else of the server waits for it.
    stage.get("/accounts").expect(200);
    latch.open();
    for id in &ids {
        wait_for_state(&stage, id, "taken");
    }
    assert_eq!(smtp.received().len(), MAILS);
}

#[test]
fn a_server_that_talks_without_end_is_left() {
    let (_smtp, stage) = stage_with(
        Setup::plain().script(|said| (said.verb == "GREETING").then(|| "220-".to_owned() + &"x".repeat(2_000_000))),
        "retries = [\"1h\"]",
    );
    let id = test(&stage, "ada@example.org");
    let waiting = wait_for_try(&stage, &id);
    assert!(text(&waiting["fault"]).contains("more than is read") && text(&waiting["fault"]).len() < 300, "{waiting}");
}

#[test]
fn another_configuration_holds_from_the_next_try_on() {
    let (old, new) =
        (Smtp::new(Setup::plain().script(|said| (said.verb == "RCPT").then(|| "451 no".to_owned()))), Smtp::new(Setup::plain()));
    let stage = Stage::with(&config(&old.url(), "retries = [\"1h\"]"));
    let id = test(&stage, "ada@example.org");
    wait_for_try(&stage, &id);
    stage.folder.rewrite(&config(&new.url(), "retries = [\"1h\"]"));
    stage.server.reload();
    stage.folder.json(&["mail", "retry", &id]);
    wait_for_state(&stage, &id, "taken");
    assert_eq!((new.received().len(), old.received().len()), (1, 0));
}

#[test]
fn what_the_command_line_writes_without_a_server_is_sent_by_the_next() {
    let smtp = Smtp::new(Setup::plain());
    let folder = Folder::with(&config(&smtp.url(), ""));
    let made = folder.json(&["mail", "test", "ada@example.org"]);
    assert_eq!(made["state"], "waiting");
    let said = folder.run(&["mail", "test", "eve@example.org"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("once a server runs"), "{said:?}");
    let _server: Server = folder.serve();
    smtp.wait_for(2);
}
