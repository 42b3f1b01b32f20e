//! What stands in a letter: names that somebody chose do no harm, and an operator's own templates.

use super::*;

const EVIL: &str = "<script>alert(1)</script> www.evil.example https://evil.example/x\r\nBcc: eve@evil.example";

#[test]
fn a_name_adds_no_header_and_no_link_and_no_html() {
    let smtp = Smtp::new(Setup::plain());
    let folder = folder(&config(&smtp.url(), ""));
    let fields = json!({ "account": EVIL, "inviter": EVIL, "role": "member", "valid_for": "7 days" });
    let seed = seed(&folder, 1, "email", "ada@example.org", "invitation", &fields);
    let stage = on(folder);
    wait_for_state(&stage, &seed.id, "taken");
    let mail = smtp.received().remove(0);
    assert_eq!(mail.to, ["ada@example.org"]);
    assert!(!mail.data.lines().any(|line| line.starts_with("Bcc")), "{}", mail.data);
    let (text, html) = (mail.text(), mail.html().unwrap());
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
    for told in [&text, &html, &mail.header("Subject")] {
        assert!(!told.contains("evil.example") && !told.contains("https://evil"), "{told}");
    }
    assert_eq!(mail.link(), format!("https://api.example.com/auth/invitation?token={}", seed.token));
}

#[test]
fn a_service_is_called_as_its_operator_has_it() {
    let smtp = Smtp::new(Setup::plain());
    let stage = Stage::with(&config(&smtp.url(), "[sign_in]\nname = \"Müller & Söhne\""));
    let id = test(&stage, "ada@example.org");
    wait_for_state(&stage, &id, "taken");
    let mail = smtp.received().remove(0);
    assert!(mail.data.is_ascii(), "{}", mail.data);
    assert!(mail.text().contains("Müller & Söhne") && mail.html().unwrap().contains("Müller &amp; Söhne"), "{mail:?}");
}

#[test]
fn an_operators_templates_take_the_place_of_ours() {
    let smtp = Smtp::new(Setup::plain());
    let folder = Folder::with(&config(&smtp.url(), "templates = \"mails\""));
    std::fs::create_dir(folder.path("mails")).unwrap();
    std::fs::write(folder.path("mails/reset.txt"), "Subject: Neues Passwort für {{ service }}\r\n\r\nHallo {{ name }}!\r\n{{ link }}\r\n")
        .unwrap();
    std::fs::write(folder.path("mails/reset.html"), "<b>{{ name }}</b> <a href=\"{{ link }}\">hier</a>").unwrap();
    std::fs::write(folder.path("mails/test.txt"), "Subject: Ein Versuch\n\nJa.\n").unwrap();
    std::fs::write(folder.path("mails/.hidden"), "{{ nothing").unwrap();
    folder.account(&[]);
    let seed = reset(&folder, 1, "email", "ada@example.org");
    let stage = on(folder);
    let reset = smtp.wait_for_mail_to("ada@example.org");
    assert!(reset.text().contains("Hallo Ada!") && reset.token() == seed.token, "{reset:?}");
    assert!(reset.html().unwrap().contains("<b>Ada</b>") && reset.html().unwrap().contains("<!DOCTYPE html>"), "{reset:?}");
    test(&stage, "eve@example.org");
    let tried = smtp.wait_for_mail_to("eve@example.org");
    assert_eq!((tried.header("Subject").as_str(), tried.html()), ("Ein Versuch", None), "text alone");
}

#[test]
fn a_template_with_a_fault_keeps_the_server_from_starting() {
    for (file, text, says) in [
        ("reset.txt", "Subject: x\n\n{{ lnk }}", "line 3"),
        ("reset.html", "<p>\n{% if %}", "line 2"),
        ("reset.txt", "no subject", "Subject:"),
        ("rest.txt", "Subject: x\n\ny", "reset.txt"),
        ("reset.sms", "{{ link }}", "line 1"),
    ] {
        let folder = Folder::with("[mail]\ntemplates = \"mails\"");
        std::fs::create_dir(folder.path("mails")).unwrap();
        std::fs::write(folder.path("mails").join(file), text).unwrap();
        for command in ["validate", "serve"] {
            let output = folder.run(&[command, "--json"]);
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(told.contains("mail.templates") && told.contains(&format!("mails/{file}")) && told.contains(says), "{file}: {told}");
        }
    }
    let folder = Folder::with("[mail]\ntemplates = \"nowhere\"");
    let output = folder.run(&["validate", "--json"]);
    assert!(output.status.code() == Some(2) && String::from_utf8_lossy(&output.stdout).contains("nowhere cannot be read"), "{output:?}");
}
