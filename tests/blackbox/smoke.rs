//! The first five minutes with tollgate.

use crate::support::{Folder, Request};

#[test]
fn without_any_configuration_a_key_is_made_used_and_revoked() {
    let folder = Folder::new();
    let server = folder.serve();
    let account = folder.account(&[]);
    let key = folder.key(&account, &[]);
    let raw = key["key"].as_str().unwrap();
    let passed = server.get("/hello", raw).expect(200);
    assert_eq!(passed.json()["verdict"], "ok");
    assert_eq!(passed.header("x-auth-account").as_deref(), Some(account.as_str()));
    assert_eq!(server.send(&Request::get("/hello")).expect(401).json()["verdict"], "missing");
    folder.json(&["key", "revoke", key["id"].as_str().unwrap()]);
    assert_eq!(server.get("/hello", raw).expect(401).json()["verdict"], "revoked");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains(raw), "a raw key is never logged");
}
