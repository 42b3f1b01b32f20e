//! A disk that fills up in the middle of an import: what was acknowledged stays, what is cut off is nothing, or follows by itself.

use std::process::Command;

use serde_json::json;

use super::{CONFIG, JSONL, assert_clean, import, importing, keys, raw};
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

/// Imports through a disk that is full as soon as rows move; what `ask` was told.
fn through_a_full_disk<T: Send>(ask: impl FnOnce(&Stage, &str) -> T + Send) -> T {
    let (stage, bound) = bounded();
    let account = stage.account(json!({}));
    let rows = keys(&account, 0..8_000);
    let told = std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&stage, &rows));
        eventually("rows move", || stage.folder.path("tollgate.db.import").exists().then_some(()));
        let size = std::fs::metadata(stage.folder.path("tollgate.db-wal")).map_or(0, |file| file.len());
        bound(&size.to_string());
        asked.join().expect("it is answered")
    });
    assert!(stage.folder.path("tollgate.db.import").exists(), "it is kept");
    import(&stage, "keys", JSONL, "").expect(409);
    bound("unlimited");
    eventually("it is finished", || (!stage.folder.path("tollgate.db.import").exists()).then_some(()));
    assert_eq!(stage.get("/keys/export").expect(200).body.lines().count(), 8_000);
    assert_eq!(stage.verdict(&Request::get("/x").bearer(&raw(7_999))), "ok");
    assert_clean(&stage.folder);
    told
}

#[test]
fn full_while_rows_move_it_says_so_and_the_rest_follows() {
    let reply = through_a_full_disk(|stage, rows| import(stage, "keys", JSONL, rows)).expect(503);
    assert!(reply.body.contains("goes on by itself"), "{}", reply.body);
}

#[test]
fn an_answer_that_has_begun_says_so_and_does_not_end_properly() {
    let cut =
        through_a_full_disk(|stage, rows| importing(stage, "keys", JSONL, rows).header("Accept", JSONL).try_send(&stage.server.address));
    assert!(cut.is_err(), "nobody takes it for whole: {cut:?}");
    let command = through_a_full_disk(|stage, rows| stage.folder.run_with_input(&["key", "import", "-"], rows));
    let told = String::from_utf8_lossy(&command.stderr).into_owned();
    assert_eq!((command.status.code(), told.contains("goes on by itself")), (Some(1), true), "{told}");
}
