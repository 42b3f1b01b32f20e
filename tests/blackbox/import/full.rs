//! A disk that fills up in the middle of an import: what was acknowledged stays, what is cut off is nothing, or follows by itself.

use std::process::Command;

use serde_json::json;

use super::{CONFIG, JSONL, assert_clean, import, keys, raw};
use crate::support::{Folder, Request, Server, Stage, eventually};

/// A server that lives with a bound on the size of its files, as on a full disk.
fn bounded() -> (Stage, impl Fn(&str)) {
    let folder = Folder::with(CONFIG);
    let token = folder.json(&["token", "create", "--scope", "admin", "--scope", "verify"])["token"].as_str().unwrap().to_owned();
    let serve = folder.command(&["serve", "--json"]);
    // Whoever sets such a bound ignores its signal, or is killed by it.
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "bash"]).arg(serve.get_program()).args(serve.get_args());
    command.env_clear().current_dir(folder.path(""));
    command.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let server = Server::start(command);
    let pid = server.pid().to_string();
    let bound = move |bytes: &str| {
        let done = Command::new("/usr/bin/prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status().expect("prlimit runs");
        assert!(done.success());
    };
    (Stage { folder, server, token }, bound)
}

#[test]
fn full_while_rows_come_nothing_is_changed() {
    let (stage, bound) = bounded();
    let account = stage.account(json!({}));
    let key = stage.key(&account, json!({}));
    // Enough for the gate, and less than the rows need.
    bound(&(2 << 20).to_string());
    let reply = import(&stage, "keys", JSONL, &keys(&account, 0..20_000)).expect(503);
    assert!(reply.body.contains("nothing was changed"), "{}", reply.body);
    eventually("it is thrown away", || (!stage.folder.path("tollgate.db.import.new").exists()).then_some(()));
    assert_eq!(stage.verdict(&Request::get("/x").bearer(key["key"].as_str().unwrap())), "ok");
    bound("unlimited");
    assert_eq!(stage.get("/keys/export").expect(200).body.lines().count(), 1);
    eventually("another may begin", || (import(&stage, "keys", JSONL, &keys(&account, 0..50)).status == 200).then_some(()));
    assert_clean(&stage.folder);
}

#[test]
fn full_while_rows_move_it_says_so_and_the_rest_follows() {
    let (stage, bound) = bounded();
    let account = stage.account(json!({}));
    let rows = keys(&account, 0..8_000);
    let (reply, _) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| import(&stage, "keys", JSONL, &rows));
        eventually("rows move", || stage.folder.path("tollgate.db.import").exists().then_some(()));
        let size = std::fs::metadata(stage.folder.path("tollgate.db-wal")).map_or(0, |file| file.len());
        bound(&size.to_string());
        (asked.join().unwrap(), size)
    });
    let reply = reply.expect(503);
    assert!(reply.body.contains("goes on by itself"), "{}", reply.body);
    assert!(stage.folder.path("tollgate.db.import").exists(), "it is kept");
    import(&stage, "keys", JSONL, "").expect(409);
    bound("unlimited");
    eventually("it is finished", || (!stage.folder.path("tollgate.db.import").exists()).then_some(()));
    assert_eq!(stage.get("/keys/export").expect(200).body.lines().count(), 8_000);
    assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(7_999))), "ok");
    assert_clean(&stage.folder);
}
