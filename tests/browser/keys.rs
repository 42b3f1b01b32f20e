//! A developer's keys: made, used, rotated, revoked.

use super::driver::BOTH;
use super::site::{CONFIG, signed_in};
use super::support::Stage;

#[test]
#[ignore = "needs a browser: tests/browse"]
fn a_key_from_its_making_to_its_end() {
    for setup in BOTH {
        let stage = Stage::with(CONFIG);
        let browser = signed_in(&stage, setup, "ada");
        browser.see("There are no keys yet.");
        browser.follow("New key");
        browser.fill("Name", "shop <b>server</b>");
        browser.fill("Limit: minute", "50");
        browser.press("Create the key");
        browser.see("shown this once");
        let key = browser.read(".secret code");
        assert_eq!(stage.server.get("/x", &key).verdict(), "ok", "{setup:?}");
        browser.follow("API keys");
        browser.see("shop <b>server</b>");
        browser.see_no(&key);
        browser.follow("shop <b>server</b>");
        browser.press("Rotate");
        browser.see("shown this once");
        let next = browser.read(".secret code");
        for key in [&key, &next] {
            assert_eq!(stage.server.get("/x", key).verdict(), "ok", "the old one lives on for a while");
        }
        browser.follow("API keys");
        browser.follow("shop <b>server</b>");
        browser.unfold("Revoke");
        browser.press("Revoke it now");
        browser.see("Revoked: from now on it is refused.");
        let verdicts = [&key, &next].map(|key| stage.server.get("/x", key).verdict());
        assert!(verdicts.contains(&"revoked".to_owned()), "{verdicts:?}");
        assert_eq!(browser.complaints(), [""; 0]);
    }
}
