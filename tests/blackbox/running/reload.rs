//! SIGHUP: a new configuration holds from the next request on, whole, or the old one holds and the log says why.

use std::fs::File;
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::app::ok;
use crate::support::server::text;
use crate::support::wire::PATIENCE;
use crate::support::{App, Folder, Line, Request, Server, Stage, eventually};

/// A plan with so many a day.
fn plan(requests: u64) -> String {
    format!("[[plans]]\nname = \"free\"\nlimits = [{{ requests = {requests}, per = \"day\" }}]\n")
}

/// Rewrites the configuration and reloads; fails where it was not taken.
#[track_caller]
fn take(stage: &Stage, config: &str) -> String {
    stage.folder.rewrite(config);
    let log = stage.server.reload();
    assert!(log.contains("is in force") && !log.contains("ERROR"), "{log}");
    log
}

/// What the server says of itself at its control socket.
#[track_caller]
fn state(folder: &Folder) -> Value {
    Request::get("/v1/state").send_unix(&folder.path("tollgate.db.sock")).expect(200).json()
}

#[test]
fn a_limit_holds_at_once_for_a_key_that_is_in_use_and_what_was_counted_stays() {
    let stage = Stage::with(&plan(1000));
    let key = stage.raw_key("free");
    // One connection all along: what counts is when a request begins.
    let mut line = Line::to(&stage.server.address);
    let mut ask = || line.ask(format!("GET /x HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\r\n"));
    for left in [999, 998, 997] {
        assert_eq!(ask().expect(200).number("x-ratelimit-remaining"), Some(left));
    }
    let log = take(&stage, &plan(5));
    assert!(log.contains("[plans]") && !log.contains("[style]") && !log.contains("WARN"), "{log}");
    let told: Vec<_> =
        (0..2).map(|_| ask().expect(200)).map(|reply| (reply.number("x-ratelimit-limit"), reply.number("x-ratelimit-remaining"))).collect();
    assert_eq!(told, [(Some(5), Some(1)), (Some(5), Some(0))]);
    assert_eq!(ask().expect(429).verdict(), "quota_exceeded");
    take(&stage, &plan(7));
    assert_eq!(ask().expect(200).number("x-ratelimit-remaining"), Some(1));
    // A restart counts alike: nothing was forgotten, and nothing charged twice.
    let stage = stage.restart();
    assert_eq!(stage.server.get("/x", &key).expect(200).number("x-ratelimit-remaining"), Some(0));
    assert_eq!(stage.server.get("/x", &key).expect(429).verdict(), "quota_exceeded");
}

#[test]
fn each_section_holds_from_the_next_request_on() {
    let stage = Stage::with("");
    let key = stage.raw_key("free");
    let bearer = Request::get("/v1/sets").bearer(&key);
    stage.server.send(&bearer).expect(200);
    take(&stage, "[keys]\ncarriers = [\"header:api-key\"]\n");
    assert_eq!(stage.server.send(&bearer).expect(401).verdict(), "missing");
    let header = Request::get("/v1/sets").header("api-key", &key);
    stage.server.send(&header).expect(200);
    take(&stage, "[[style.answers]]\nverdicts = [\"missing\"]\nstatus = 418\n");
    stage.server.send(&header).expect(418);
    take(&stage, "[[routes]]\npath = \"/v1/sets\"\nscopes = [\"sets:read\"]\n[keys]\ndefault_scopes = [\"none\"]\n");
    let narrow = text(&stage.key(&stage.account(json!({})), json!({}))["key"]);
    assert_eq!(stage.server.send(&Request::get("/v1/sets").bearer(&narrow)).expect(403).verdict(), "wrong_scope");
    stage.server.send(&bearer).expect(200);
    take(&stage, "[server]\nprefix = \"/gate\"\nrequire_https = true\n");
    assert_eq!(stage.server.send(&bearer).expect(403).verdict(), "insecure");
    stage.server.send(&Request::get("/gate/v1/health")).expect(200);
    take(&stage, "[cors]\norigins = [\"https://app.example.com\"]\n");
    let cross = stage.server.send(&bearer.clone().header("Origin", "https://app.example.com")).expect(200);
    assert_eq!(cross.header("access-control-allow-origin").as_deref(), Some("https://app.example.com"));
    take(&stage, "# all as it is built in\n");
    let cross = stage.server.send(&bearer.header("Origin", "https://app.example.com")).expect(200);
    assert_eq!(cross.header("access-control-allow-origin"), None);
}

#[test]
fn another_prefix_makes_other_keys_and_those_of_an_environment_that_is_gone_are_unknown() {
    let stage = Stage::with("");
    let (account, old) = (stage.account(json!({})), stage.raw_key("free"));
    stage.server.get("/x", &old).expect(200);
    let environments = |list: &str| format!("[keys]\nenvironments = [{list}]\n");
    let acme = r#"{ name = "live", prefix = "acme_", length = 48 }"#;
    let own = r#"{ name = "old", prefix = "tg_live_", length = 48 }"#;
    take(&stage, &environments(acme));
    assert_eq!(stage.server.get("/x", &old).expect(401).verdict(), "unknown");
    // By the command line, too, which speaks with the server.
    let new = text(&stage.folder.key(&account, &[])["key"]);
    assert!(new.starts_with("acme_"), "the new prefix");
    stage.server.get("/x", &new).expect(200);
    take(&stage, &environments(&format!("{acme}, {own}")));
    stage.server.get("/x", &old).expect(200);
    take(&stage, &environments(&format!("{acme}, {}", own.replace("}", ", reserved = true }"))));
    assert_eq!(stage.server.get("/x", &old).expect(401).verdict(), "reserved");
}

#[test]
fn a_plan_can_be_taken_away_and_the_database_shows_what_holds() {
    let both = |more: &str| format!("[[plans]]\nname = \"free\"\ndefault = true\n{more}");
    let stage = Stage::with(&both("[[plans]]\nname = \"gold\"\nlimits = [{ requests = 9, per = \"day\" }]\n"));
    let key = stage.raw_key("gold");
    assert_eq!(stage.server.get("/x", &key).expect(200).header("x-auth-plan").as_deref(), Some("gold"));
    take(&stage, &both("title = \"Gratis\"\n"));
    let passed = stage.server.get("/x", &key).expect(200);
    assert_eq!((passed.header("x-auth-plan").as_deref(), passed.number("x-ratelimit-limit")), (Some("free"), None));
    let plans = stage.get("/plans").expect(200).json();
    assert_eq!(plans["data"].as_array().map(Vec::len), Some(1), "{plans}");
    let database = Connection::open(stage.folder.database()).unwrap();
    let mirrored: Vec<(String, String)> = database
        .prepare("SELECT name, title FROM plans")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert_eq!(mirrored, [("free".into(), "Gratis".into())]);
}

/// What the audit tells of the configuration, newest first: the sections that differ, with their digests before and after.
fn taken(stage: &Stage) -> Vec<Value> {
    let entries = stage.get("/audit?action=config.taken").expect(200).json();
    entries["data"].as_array().unwrap().clone()
}

#[test]
fn the_audit_tells_of_a_configuration_that_was_changed_between_two_runs() {
    let stage = Stage::with(&plan(5));
    let first = taken(&stage);
    assert_eq!(first.len(), 1, "what it began with");
    assert_eq!((&first[0]["before"], &first[0]["actor"]), (&Value::Null, &json!("tollgate")));
    let digests = |entry: &Value, side: &str| entry[side]["digests"].as_object().unwrap().clone();
    let all = digests(&first[0], "after");
    assert!(all.keys().eq(first[0]["after"]["sections"].as_array().unwrap()), "{first:?}");
    let stage = stage.restart();
    assert_eq!(taken(&stage), first, "nothing changed");
    let Stage { folder, server, token } = stage;
    assert_eq!(server.stop().0, Some(0));
    folder.rewrite(&format!("{}[log]\nrequests = true\n", plan(6)));
    let stage = Stage { server: folder.serve(), folder, token };
    let entries = taken(&stage);
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!(entries[0]["after"]["sections"], json!(["log", "plans"]));
    let (before, after) = (digests(&entries[0], "before"), digests(&entries[0], "after"));
    assert!(before.keys().eq(["log", "plans"]) && after.len() == all.len(), "{entries:?}");
    assert!(before.iter().all(|(name, digest)| all[name] == *digest && after[name] != *digest), "{entries:?}");
    // What a reload took is what the next start compares with.
    take(&stage, &plan(7));
    let told = eventually("the reload is told", || Some(taken(&stage)).filter(|entries| entries.len() == 3));
    assert_eq!(told[0]["after"]["sections"], json!(["log", "plans"]));
    let stage = stage.restart();
    assert_eq!(taken(&stage), told);
}

#[test]
fn a_request_under_way_ends_at_the_app_it_began_at_and_under_the_style_it_began_under() {
    let (first, asking, go_on) = App::holding("first");
    let second = App::answering(|_| ok("second"));
    let config = |app: &App, name: &str| {
        format!("[upstream]\nurl = \"{}\"\n[style]\nheaders = [{{ name = \"X-Style\", value = \"{name}\" }}]\n", app.url)
    };
    let stage = Stage::with(&config(&first, "first"));
    let key = stage.raw_key("free");
    let ask = format!("GET /x HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\r\n");
    let mut line = Line::to(&stage.server.address);
    line.say(&ask);
    asking.recv_timeout(PATIENCE).unwrap();
    take(&stage, &config(&second, "second"));
    let told = |reply: crate::support::Reply| (reply.body.clone(), reply.header("x-style").unwrap_or_default());
    assert_eq!(told(stage.server.get("/x", &key).expect(200)), ("second".into(), "second".into()));
    go_on.open();
    assert_eq!(told(line.reply("GET").expect(200)), ("first".into(), "first".into()));
    assert_eq!(told(line.ask(&ask).expect(200)), ("second".into(), "second".into()));
    take(&stage, "# all as it is built in\n");
    assert!(stage.server.get("/x", &key).expect(200).json()["valid"] == true, "the gate answers for itself");
}

#[test]
fn a_broken_file_changes_nothing_and_each_fault_is_in_the_log() {
    let stage = Stage::with(&plan(10));
    let key = stage.raw_key("free");
    stage.server.get("/x", &key).expect(200);
    let before = state(&stage.folder);
    let rows: [(&str, &[&str]); 4] = [
        ("[server]\nlisten = 5\nprefix = 'x'\n[plans", &["auth.toml", "cannot be read"]),
        ("[server]\nprefix = 'x'\n[keyz]\n[log]\nformat = 'xml'\n", &["server.prefix", "keyz", "log.format", "text or json", "3 faults"]),
        ("[[plans]]\nname = 'a'\nlimits = [{ requests = 0, per = 'day' }]\n", &["plans[0].limits[0].requests", "1 fault "]),
        ("[upstream]\nurl = 'ftp://x'\n", &["upstream.url", "auth.toml"]),
    ];
    for (config, words) in rows {
        stage.folder.rewrite(config);
        let log = stage.server.reload();
        assert!(log.contains("the old one holds") && words.iter().all(|word| log.contains(word)), "{config}: {log}");
        // As `validate` tells them.
        let told = String::from_utf8(stage.folder.run(&["validate"]).stderr).unwrap();
        for fault in told.lines().filter(|line| line.starts_with("config: ")) {
            let first = fault.split("\\n").next().unwrap();
            assert!(log.contains(first), "{first}\n{log}");
        }
    }
    std::fs::remove_file(stage.folder.path("auth.toml")).unwrap();
    let log = stage.server.reload();
    assert!(log.contains("auth.toml") && log.contains("the old one holds"), "a file that is gone is not the defaults: {log}");
    assert_eq!(stage.server.get("/x", &key).expect(200).number("x-ratelimit-remaining"), Some(8));
    let after = state(&stage.folder);
    assert_eq!((&after["configuration"], &after["configured_at"]), (&before["configuration"], &before["configured_at"]));
    take(&stage, &plan(5));
    assert_eq!(stage.server.get("/x", &key).expect(200).number("x-ratelimit-remaining"), Some(2));
    let (code, _) = stage.server.stop();
    assert_eq!(code, Some(0));
}

#[test]
fn a_file_that_comes_later_is_found() {
    let folder = Folder::new();
    let stage = Stage::of(folder);
    let key = stage.raw_key("free");
    stage.server.get("/x", &key).expect(200);
    take(&stage, &plan(3));
    assert_eq!(stage.server.get("/x", &key).expect(200).number("x-ratelimit-limit"), Some(3));
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_taken() {
    let folder = Folder::with("[server]\nlisten = \"127.0.0.1:0\"\n");
    let mut command = folder.command(&["serve", "--json"]);
    command.env_remove("TOLLGATE_SERVER__LISTEN");
    let server = Server::start(command);
    let key = folder.raw_key("free");
    let fixed = [
        ("listen", "\"127.0.0.1:1\""),
        ("socket_mode", "\"666\""),
        ("database", "\"other.db\""),
        ("max_connections", "9"),
        ("cached_keys", "99"),
        ("held_windows", "99"),
    ];
    let settings: String = fixed.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    folder.rewrite(&format!("[server]\n{settings}prefix = \"/gate\"\n{}", plan(3)));
    let before = server.log().len();
    server.reload();
    // What waits is told after what is in force.
    let log = eventually("each is named", || {
        Some(server.log()[before..].to_owned()).filter(|log| log.matches("waits for a restart").count() >= fixed.len())
    });
    for (name, _) in fixed {
        assert!(log.contains(&format!("server.{name} was changed, and waits for a restart")), "{name}: {log}");
    }
    assert_eq!(log.matches("waits for a restart").count(), fixed.len(), "{log}");
    assert!(log.contains("differs in [plans], [server]") || log.contains("differs in [server], [plans]"), "{log}");
    assert_eq!(server.get("/x", &key).expect(200).number("x-ratelimit-limit"), Some(3));
    server.send(&Request::get("/gate/v1/health")).expect(200);
    assert!(!folder.path("other.db").exists());
    let waits = state(&folder)["waits_for_restart"].clone();
    assert_eq!(waits.as_array().map(Vec::len), Some(fixed.len()), "{waits}");
    folder.rewrite("[server]\nlisten = \"127.0.0.1:0\"\n");
    let log = server.reload();
    assert!(!log.contains("waits for a restart"), "{log}");
    assert_eq!(state(&folder)["waits_for_restart"], json!([]));
}

#[test]
fn an_app_that_is_tollgate_itself_until_its_next_start_is_refused() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = Folder::with(&format!("[server]\nlisten = \"127.0.0.1:{port}\"\n"));
    let mut command = folder.command(&["serve", "--json"]);
    command.env_remove("TOLLGATE_SERVER__LISTEN");
    let server = Server::start(command);
    folder.rewrite(&format!("[server]\nlisten = \"127.0.0.1:1\"\n[upstream]\nurl = \"http://127.0.0.1:{port}\"\n"));
    let log = server.reload();
    assert!(log.contains("upstream.url") && log.contains("the old one holds"), "{log}");
}

#[test]
fn the_state_tells_what_is_in_force_and_the_doctor_compares_with_it() {
    let stage = Stage::with(&plan(100));
    let first = state(&stage.folder);
    stage.folder.rewrite(&plan(200));
    let check = || -> Value {
        let told: Value = serde_json::from_slice(&stage.folder.run(&["doctor", "--json"]).stdout).unwrap();
        told["checks"].as_array().unwrap().iter().find(|check| check["name"] == "server_config").cloned().unwrap_or_default()
    };
    let told = check();
    assert!(told["outcome"] == "warning" && told.to_string().contains("[plans]"), "{told}");
    stage.server.reload();
    let second = state(&stage.folder);
    assert_ne!(first["configuration"]["plans"], second["configuration"]["plans"]);
    assert_eq!(first["configuration"]["style"], second["configuration"]["style"]);
    assert!(text(&first["configured_at"]) < text(&second["configured_at"]) && first["since"] == second["since"], "{first} {second}");
    assert_eq!(check(), Value::Null, "both have the same configuration");
    stage.folder.rewrite(&format!("[server]\ncached_keys = 77\n{}", plan(200)));
    stage.server.reload();
    let told = check();
    assert!(told["outcome"] == "warning" && told.to_string().contains("server.cached_keys"), "{told}");
}

#[test]
fn an_open_connection_closes_after_its_answer_where_other_bounds_hold_by_now_and_else_stays() {
    let stage = Stage::with(&plan(100));
    let key = stage.raw_key("free");
    let ask = format!("GET /x HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\r\n");
    let mut line = Line::to(&stage.server.address);
    assert_eq!(line.ask(&ask).expect(200).header("connection"), None);
    take(&stage, &plan(200));
    assert_eq!(line.ask(&ask).expect(200).header("connection"), None);
    take(&stage, &format!("[server]\nmax_headers = 20\n{}", plan(200)));
    assert_eq!(line.ask(&ask).expect(200).header("connection").as_deref(), Some("close"));
    assert_eq!(line.rest(), b"");
    let many = (0..30).fold(Request::get("/x").bearer(&key), |request, index| request.header(&format!("X-{index}"), "1"));
    stage.server.send(&many).expect(431);
}

#[test]
fn a_reload_while_it_still_starts_waits_until_it_serves() {
    let folder = Folder::with(&plan(100));
    // Another program has the database, so that the start takes as long as the test wants.
    let lock = File::create(folder.path("tollgate.db.lock")).unwrap();
    lock.lock().unwrap();
    let starting = {
        let command = folder.command(&["serve", "--json"]);
        std::thread::spawn(move || Server::start(command))
    };
    let pid = eventually("it starts", || {
        let found = Command::new("pgrep").args(["-f", "tollgate serve --json"]).output().unwrap();
        let pids = String::from_utf8(found.stdout).unwrap();
        let here =
            |pid: &&str| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder.path("").canonicalize().unwrap());
        pids.lines().find(here).map(str::to_owned)
    });
    eventually("it catches the signal", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        (u64::from_str_radix(caught.trim(), 16).unwrap() & 1 == 1).then_some(())
    });
    for _ in 0..3 {
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }
    folder.rewrite(&plan(200));
    drop(lock);
    let server = starting.join().unwrap();
    eventually("it has reloaded", || server.log().contains("is in force").then_some(()));
    let key = folder.raw_key("free");
    assert_eq!(server.get("/x", &key).expect(200).number("x-ratelimit-limit"), Some(200));
}

#[test]
fn a_reload_while_it_stops_does_no_harm() {
    let (app, asking, go_on) = App::holding("late");
    let stage = Stage::with(&format!("[upstream]\nurl = \"{}\"\n{}", app.url, plan(10)));
    let key = stage.raw_key("free");
    let mut line = Line::to(&stage.server.address);
    line.say(format!("GET /x HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n\r\n"));
    asking.recv_timeout(PATIENCE).unwrap();
    stage.folder.rewrite(&plan(20));
    stage.server.signal("TERM");
    eventually("it stops", || stage.server.log().contains("stopping").then_some(()));
    (0..20).for_each(|_| stage.server.signal("HUP"));
    go_on.open();
    assert_eq!(line.reply("GET").expect(200).body, "late");
    let Stage { folder, server, .. } = stage;
    let (code, log) = server.ended();
    assert!(code == Some(0) && log.contains("everything is saved") && !log.contains("panicked"), "{log}");
    let server = folder.serve();
    assert_eq!(server.get("/x", &key).expect(200).number("x-ratelimit-remaining"), Some(18));
}

#[test]
fn a_revocation_right_after_a_reload_holds_at_once_and_one_before_it_stays() {
    let stage = Stage::with(&plan(100_000));
    let account = stage.account(json!({}));
    for round in 0..12 {
        let key = stage.key(&account, json!({}));
        let (id, raw) = (text(&key["id"]), text(&key["key"]));
        stage.server.get("/x", &raw).expect(200);
        stage.folder.rewrite(&plan(100_000 + round));
        let before = round % 2 == 0;
        if before {
            stage.delete(&format!("/keys/{id}")).expect(204);
        }
        stage.server.signal("HUP");
        if !before {
            stage.delete(&format!("/keys/{id}")).expect(204);
        }
        for _ in 0..20 {
            assert_eq!(stage.server.get("/x", &raw).expect(401).verdict(), "revoked", "round {round}");
        }
    }
    eventually("the last one is in force", || {
        let key = stage.raw_key("free");
        (stage.server.get("/x", &key).expect(200).number("x-ratelimit-limit") == Some(100_011)).then_some(())
    });
}

#[test]
fn many_at_once_end_with_the_last_configuration() {
    let stage = Stage::with(&plan(100));
    let key = stage.raw_key("free");
    for round in 0..200 {
        if round % 10 == 0 {
            stage.folder.rewrite(&plan(1000 + round));
        }
        stage.server.signal("HUP");
    }
    stage.folder.rewrite(&plan(5000));
    stage.server.signal("HUP");
    eventually("the last one is in force", || {
        let limit = stage.server.get("/x", &key).expect(200).number("x-ratelimit-limit");
        (limit == Some(5000)).then_some(())
    });
    let (code, log) = stage.server.stop();
    assert!(code == Some(0) && !log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

#[test]
fn commands_reach_a_server_whose_configuration_is_spoilt_by_now() {
    let folder = Folder::with("");
    let server = folder.serve();
    let raw = folder.raw_key("free");
    let key = folder.json(&["key", "list"])["data"][0]["id"].as_str().unwrap().to_owned();
    folder.rewrite("[server]\nprefx = 1\n");
    let revoked = folder.run(&["key", "revoke", &key]);
    assert!(revoked.status.success() && String::from_utf8_lossy(&revoked.stderr).contains("validate"), "{revoked:?}");
    assert_eq!(server.get("/", &raw).status, 401);
    // Without one, the faults are what there is to say.
    server.stop();
    assert_eq!(folder.run(&["key", "list"]).status.code(), Some(2));
}

#[test]
fn a_command_needs_no_secret_that_it_does_not_use() {
    let folder = Folder::with("[webhooks.main]\nurl = \"https://hooks.example.com/\"\nsecret = { file = \"nowhere\" }\n");
    folder.account(&[]);
    assert_eq!(folder.run(&["validate"]).status.code(), Some(2));
    assert_eq!(folder.run(&["serve"]).status.code(), Some(2), "what signs needs it");
}

#[test]
fn an_empty_file_is_no_configuration_while_one_is_in_force() {
    let folder = Folder::with("[[routes]]\npath = \"/admin/**\"\nscopes = [\"admin\"]\n\n[[plans]]\nname = \"free\"\n");
    let server = folder.serve();
    let account = folder.account(&[]);
    let raw = text(&folder.key(&account, &["--scope", "reader"])["key"]);
    assert_eq!(server.get("/admin/x", &raw).status, 403);
    folder.rewrite("");
    let log = server.reload();
    assert!(log.contains("is empty") && log.contains("old one holds"), "{log}");
    assert_eq!(server.get("/admin/x", &raw).status, 403);
}

#[test]
fn a_template_that_was_added_or_changed_is_told_and_holds() {
    let config = "[mail]\ntemplates = \"letters\"\n";
    let folder = Folder::with(config);
    std::fs::create_dir(folder.path("letters")).unwrap();
    let stage = Stage::of(folder);
    assert!(stage.server.reload().contains("is as it was"));
    for layout in ["<b>{{ body }}</b>", "<i>{{ body }}</i>"] {
        std::fs::write(stage.folder.path("letters/layout.html"), layout).unwrap();
        let log = stage.server.reload();
        assert!(log.contains("it differs in [mail]"), "{log}");
        assert!(stage.server.reload().contains("is as it was"));
    }
}
