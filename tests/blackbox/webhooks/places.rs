//! Where a message may go: never to a private address, unless that is meant.

use super::*;
use crate::support::Folder;

/// An endpoint that may not be in a private network.
fn outside(name: &str, url: &str) -> String {
    format!("[webhooks.{name}]\nurl = \"{url}\"\nsecret = \"{SECRET}\"\nretries = []\n")
}

#[test]
fn a_name_that_leads_to_a_private_address_is_not_gone_to() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let port = app.url.rsplit(':').next().unwrap();
    // Names, and ways to write an address that only a resolver reads.
    let hosts = ["localhost", "LOCALHOST", "2130706433", "127.1", "0x7f.0.0.1", "0177.0.0.1", "0"];
    let config: String = hosts.iter().enumerate().map(|(at, host)| outside(&format!("e{at}"), &format!("http://{host}:{port}/"))).collect();
    let stage = Stage::with(&config);
    for (at, host) in hosts.iter().enumerate() {
        let name = format!("e{at}");
        stage.post(&format!("/webhooks/{name}/test"), &json!({})).expect(201);
        let given_up = wait_for_state(&stage, "given_up", |message| message["endpoint"] == *name);
        let fault = text(&given_up["fault"]);
        assert!(fault.contains("private address") || fault.contains("cannot be looked up"), "{host}: {fault}");
        assert!(at > 0 || fault.contains("private address") && fault.contains("allow_private"), "{host}: {fault}");
    }
    assert_eq!((app.heard().len(), app.connections()), (0, 0), "not even a connection");
}

#[test]
fn where_it_is_meant_it_is_gone_to() {
    let app = App::answering(|_| answer("200 OK", "", ""));
    let port = app.url.rsplit(':').next().unwrap();
    let stage = Stage::with(&endpoint("main", &format!("http://localhost:{port}/"), ""));
    stage.post("/webhooks/main/test", &json!({})).expect(201);
    wait_for_state(&stage, "taken", |message| message["event"] == "webhook.test");
    assert_eq!(app.latest().one("host"), format!("localhost:{port}"));
}

#[test]
fn a_private_address_that_is_written_down_is_a_fault_of_the_configuration() {
    for host in
        ["127.0.0.1", "10.0.0.1:8080", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]:80", "0.0.0.0", "[64:ff9b::7f00:1]"]
    {
        let output = Folder::with(&outside("main", &format!("http://{host}/"))).run(&["validate"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains("webhooks.main.url") && told.contains("allow_private"), "{host}: {told}");
    }
    for host in ["192.0.9.1", "example.com", "[2606:4700::1]"] {
        let output = Folder::with(&outside("main", &format!("https://{host}/"))).run(&["validate"]);
        assert!(output.status.success(), "{host}: {output:?}");
    }
}

#[test]
fn a_misspelt_setting_is_told_with_the_nearest_one() {
    let misspelt = [("evnts = [\"*\"]", "'events'"), ("allow_privat = true", "'allow_private'"), ("retires = [\"5s\"]", "'retries'")];
    let more: Vec<&str> = misspelt.iter().map(|(line, _)| *line).collect();
    let output = Folder::with(&endpoint("main", "http://127.0.0.1:1/", &more.join("\n"))).run(&["validate"]);
    let told = String::from_utf8(output.stderr).unwrap();
    for (line, nearest) in misspelt {
        assert!(told.contains(&format!("did you mean {nearest}?")), "{line}: {told}");
    }
}
