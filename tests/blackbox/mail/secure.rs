//! Who is spoken to: STARTTLS and TLS by whom the certificate is believed, a name and a password, and nothing in the clear.

use super::*;
use crate::support::smtp::AUTHORITY;

const QUIET: &str = "retries = [\"1h\"]";

fn with_ca() -> String {
    format!("{QUIET}\nca = \"{AUTHORITY}\"")
}

/// Sends one by this server, and answers what became of it.
fn sent(smtp: &Smtp, url: &str, more: &str, state: &str) -> Value {
    let stage = Stage::with(&config(&url.replace("PORT", &smtp.port.to_string()), more));
    let id = test(&stage, "ada@example.org");
    match state {
        "taken" => wait_for_state(&stage, &id, "taken"),
        _ => wait_for_try(&stage, &id),
    }
}

#[test]
fn starttls_comes_before_anything_that_matters() {
    let smtp = Smtp::new(Setup::plain().starttls().user("ada@example.com", "p:w/ d"));
    sent(&smtp, "smtp://ada%40example.com:p%3Aw%2F%20d@localhost:PORT?tls=required", &with_ca(), "taken");
    let mail = smtp.received().remove(0);
    assert!(mail.is_secured && mail.user == Some(("ada@example.com".into(), "p:w/ d".into())), "{mail:?}");
    let said = smtp.said();
    let place = |verb: &str| said.iter().position(|line| line.starts_with(verb)).unwrap_or_else(|| panic!("{verb}: {said:?}"));
    assert!(place("STARTTLS") < place("AUTH") && place("AUTH") < place("MAIL FROM") && place("MAIL FROM") < place("RCPT TO"), "{said:?}");
}

#[test]
fn tls_from_the_first_byte_on() {
    let smtp = Smtp::new(Setup::plain().tls());
    sent(&smtp, "smtps://localhost:PORT", &with_ca(), "taken");
    assert!(smtp.received()[0].is_secured);
}

#[test]
fn who_is_not_believed_gets_nothing() {
    for (url, more, setup) in [
        // Nobody vouches for its certificate.
        ("smtp://u:hush@localhost:PORT?tls=required", QUIET.to_owned(), Setup::plain().starttls()),
        ("smtps://u:hush@localhost:PORT", QUIET.to_owned(), Setup::plain().tls()),
        // It is for another name.
        ("smtp://u:hush@127.0.0.1:PORT?tls=required", with_ca(), Setup::plain().starttls()),
        // It offers none, or somebody on the way has taken that out.
        ("smtp://u:hush@localhost:PORT?tls=required", with_ca(), Setup::plain()),
        // It speaks none.
        ("smtps://u:hush@localhost:PORT", with_ca(), Setup::plain()),
    ] {
        let smtp = Smtp::new(setup);
        let waiting = sent(&smtp, url, &more, "waiting");
        assert!(smtp.received().is_empty() && !waiting.to_string().contains("hush"), "{url}: {waiting}");
        let said = smtp.said();
        assert!(!said.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL") || line.contains("ada@")), "{url}: {said:?}");
    }
}

#[test]
fn what_is_slipped_in_behind_the_answer_to_starttls_is_not_believed() {
    let smtp = Smtp::new(
        Setup::plain()
            .starttls()
            .script(|said| (said.verb == "STARTTLS").then(|| "220 go on\r\n250-localhost\r\n250-AUTH PLAIN\r\n250 8BITMIME".to_owned())),
    );
    let waiting = sent(&smtp, "smtp://u:hush@localhost:PORT?tls=required", &with_ca(), "waiting");
    assert!(smtp.received().is_empty() && text(&waiting["fault"]).contains("STARTTLS"), "{waiting}");
    assert!(!smtp.said().iter().any(|line| line.starts_with("AUTH")), "{:?}", smtp.said());
}

#[test]
fn a_wrong_password_loses_nothing_and_is_not_told() {
    let smtp = Smtp::new(Setup::plain().user("ada", "right"));
    let waiting = sent(&smtp, "smtp://ada:hush-hush@127.0.0.1:PORT", QUIET, "waiting");
    assert!(text(&waiting["fault"]).contains("AUTH") && text(&waiting["fault"]).contains("535"), "{waiting}");
    assert!(!waiting.to_string().contains("hush"), "{waiting}");
}

#[test]
fn a_password_may_stand_elsewhere_and_is_never_told() {
    let smtp = Smtp::new(Setup::plain().user("ada", "hush-hush"));
    let url = format!("smtp://ada:hush-hush@127.0.0.1:{}", smtp.port);
    let from = "from = \"noreply@example.com\"";
    let text = |url: &str| format!("[mail]\nsmtp_url = {url}\n{from}");
    let in_file = Folder::with(&text("{ file = \"smtp.txt\" }"));
    std::fs::write(in_file.path("smtp.txt"), format!("{url}\n")).unwrap();
    let in_variable = Folder::with(&text("{ env = \"SMTP\" }")).variable("SMTP", &url);
    let by_name = Folder::new().variable("TOLLGATE_MAIL__SMTP_URL", &url).variable("TOLLGATE_MAIL__FROM", "noreply@example.com");
    for folder in [Folder::with(&text(&format!("\"{url}\""))), in_file, in_variable, by_name] {
        let stage = Stage::of(folder.variable("TOLLGATE_LOG", "trace"));
        let id = test(&stage, "ada@example.org");
        wait_for_state(&stage, &id, "taken");
        let state = crate::support::Request::get("/v1/state").send_unix(&stage.folder.path("tollgate.db.sock"));
        assert!(!state.body.contains("hush"));
        let (_, log) = stage.server.stop();
        assert!(!log.contains("hush"), "{log}");
    }
    assert_eq!(smtp.received().len(), 4);
}
