//! The configuration: where it comes from, what is refused in it, and how that is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::support::server::text;
use crate::support::{Folder, Request};

/// The repository's own `auth.toml`.
fn default_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("auth.toml")
}

/// A fault, as `validate --json` tells it: key, source, message.
type Fault = (String, String, String);

/// What `validate` finds wrong; nothing where it finds the configuration good.
#[track_caller]
fn faults(folder: &Folder) -> Vec<Fault> {
    // The variable that every test's server listens by would hide what the file says.
    let output = folder.command(&["validate", "--json"]).env_remove("TOLLGATE_SERVER__LISTEN").output().expect("the binary runs");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {output:?}"));
    let list = told["faults"].as_array().expect("a list of faults");
    assert_eq!(told["valid"], list.is_empty(), "{told} {output:?}");
    assert_eq!(output.status.code(), Some(if list.is_empty() { 0 } else { 2 }), "{told}");
    list.iter().map(|fault| (text(&fault["key"]), text(&fault["source"]), text(&fault["message"]))).collect()
}

/// Each row: a configuration, the one key that is at fault, and what its message must hold.
#[track_caller]
fn each_is_refused(rows: &[(&str, &str, &[&str])]) {
    let wrong: Vec<String> = rows.iter().filter_map(|(config, key, says)| wrongly_told(config, key, says)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with how a configuration's one fault is told, if anything is.
fn wrongly_told(config: &str, key: &str, says: &[&str]) -> Option<String> {
    let found = faults(&Folder::with(config));
    let expected = |(told, source, message): &Fault| told == key && source == "auth.toml" && says.iter().all(|word| message.contains(word));
    let sound = found.iter().any(expected) && found.iter().all(|(told, _, _)| told == key);
    (!sound).then(|| format!("--- {config}\nhas a fault of {key} alone that says {says:?}; told is {found:?}"))
}

/// Each row is a good configuration.
#[track_caller]
fn each_is_taken(rows: &[&str]) {
    let refused: Vec<String> = rows
        .iter()
        .filter_map(|config| {
            let found = faults(&Folder::with(config));
            (!found.is_empty()).then(|| format!("--- {config}\nis good; told is {found:?}"))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("stderr is text")
}

/// What lies in a folder.
fn names(folder: &Folder) -> BTreeSet<String> {
    std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

// Where it comes from.

#[test]
fn without_any_file_the_defaults_hold() {
    let folder = Folder::new();
    assert_eq!(faults(&folder), []);
    let server = folder.serve();
    server.send(&Request::get("/auth/v1/health")).expect(200);
    assert!(folder.database().is_file(), "the database is tollgate.db");
    assert!(text(&folder.key(&folder.account(&[]), &[])["key"]).starts_with("tg_live_"));
}

#[test]
fn the_file_lies_over_the_defaults_and_the_environment_over_both() {
    let config = "[server]\nprefix = \"/from-file\"\ndatabase = \"from-file.db\"\n[[plans]]\nname = \"only\"\n";
    let folder = Folder::with(config).variable("TOLLGATE_SERVER__PREFIX", "/from-variable");
    let server = folder.serve();
    server.send(&Request::get("/from-variable/v1/health")).expect(200);
    for gone in ["/from-file/v1/health", "/auth/v1/health"] {
        server.send(&Request::get(gone)).expect(401);
    }
    assert!(folder.path("from-file.db").is_file(), "what no variable says is as the file says");
    let token = folder.token("admin");
    let plans = server.get("/from-variable/v1/plans", &token).expect(200).json();
    assert_eq!(plans["data"].as_array().unwrap().len(), 1, "a list given anew replaces the default one: {plans}");
    let key = folder.key(&folder.account(&[]), &[]);
    assert_eq!(key["environment"], "live", "what neither says is as by default");
}

#[test]
fn the_file_is_found_by_flag_by_variable_and_by_its_usual_name() {
    let plan = |name: &str| format!("[[plans]]\nname = \"{name}\"\n");
    let plan_of = |folder: &Folder, flags: &[&str]| text(&folder.json(&[&["account", "create", "--name", "x"], flags].concat())["plan"]);
    let usual = Folder::with(&plan("usual"));
    assert_eq!(plan_of(&usual, &[]), "usual");
    let by_variable = Folder::with(&plan("usual")).variable("TOLLGATE_CONFIG", "other.toml");
    std::fs::write(by_variable.path("other.toml"), plan("variable")).unwrap();
    std::fs::write(by_variable.path("third.toml"), plan("flag")).unwrap();
    assert_eq!(plan_of(&by_variable, &[]), "variable");
    assert_eq!(plan_of(&by_variable, &["--config", "third.toml"]), "flag");
}

#[test]
fn a_file_that_is_named_and_is_not_there_is_wrong_use() {
    let flag = Folder::new();
    let variable = Folder::new().variable("TOLLGATE_CONFIG", "missing.toml");
    for (folder, flags) in [(&flag, &["--config", "missing.toml"][..]), (&variable, &[])] {
        for command in [&["validate"][..], &["serve"], &["account", "list"], &[]] {
            let output = folder.run(&[flags, command].concat());
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {told}");
            assert!(told.contains("missing.toml"), "{command:?}: {told}");
            assert!(output.stdout.is_empty(), "{command:?}");
        }
        assert_eq!(names(folder), BTreeSet::new(), "nothing was made");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_name_and_line() {
    let found = faults(&Folder::with("[server]\nlisten = \"127.0.0.1:0\"\nprefix = /auth\n"));
    let [(_, source, message)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(source, "auth.toml");
    assert!(message.contains("line 3"), "{message}");
    let folder = Folder::new();
    std::fs::create_dir(folder.path("auth.toml")).unwrap();
    let found = faults(&folder);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].1, "auth.toml", "a folder of that name is no file");
}

#[test]
fn variables_are_read_as_what_the_setting_wants() {
    let folder = Folder::with("[server]\nrequire_https = true\n")
        .variable("TOLLGATE_SERVER__REQUIRE_HTTPS", "false")
        .variable("TOLLGATE_SERVER__MAX_HEADERS", "40")
        .variable("TOLLGATE_SERVER__HEADER_TIMEOUT", "2m")
        .variable("TOLLGATE_KEYS__CARRIERS", "[\"header:api-key\", \"bearer\"]")
        .variable("TOLLGATE_STYLE__BODY", "{\"says\": \"{verdict}\"}")
        .variable("TOLLGATE_STYLE__CONTENT_TYPE", "application/json");
    assert_eq!(faults(&folder), []);
    let server = folder.serve();
    let key = folder.raw_key("free");
    server.send(&Request::get("/x").header("Api-Key", &key)).expect(200);
    let refused = server.send(&Request::get("/x")).expect(401);
    assert_eq!(refused.body, "{\"says\":\"missing\"}");
    let with_headers = |count: usize| (0..count).fold(Request::get("/x").bearer(&key), |request, _| request.header("X-Filler", "1"));
    server.send(&with_headers(30)).expect(200);
    server.send(&with_headers(50)).expect(431);
}

#[test]
fn a_text_in_a_variable_is_taken_letter_by_letter() {
    for name in ["1234567890", "0070", "1.50", "true"] {
        let folder = Folder::new().variable("TOLLGATE_SERVER__DATABASE", name);
        assert_eq!(faults(&folder), [], "{name}");
        folder.account(&[]);
        assert!(folder.path(name).is_file(), "{name} is not among {:?}", names(&folder));
    }
}

#[test]
fn a_section_that_is_none_is_told_also_under_a_variable() {
    let folder = Folder::with("server = 3").variable("TOLLGATE_SERVER__PREFIX", "/gate");
    let found = faults(&folder);
    assert!(found.iter().any(|(key, source, _)| key == "server" && source == "auth.toml"), "{found:?}");
}

#[test]
fn the_level_of_the_log_is_a_variable() {
    for (level, expected, unexpected) in [("off", "", "listening"), ("error", "", "listening"), ("info", "listening on", "path=/x")] {
        let folder = Folder::new().variable("TOLLGATE_LOG", level);
        let server = folder.serve();
        server.send(&Request::get("/x")).expect(401);
        let (_, log) = server.stop();
        assert!(log.contains(expected) && !log.contains(unexpected), "{level}: {log}");
    }
    let folder = Folder::new().variable("TOLLGATE_LOG", "debug");
    let server = folder.serve();
    server.send(&Request::get("/x")).expect(401);
    assert!(server.stop().1.contains("method=GET path=/x"));
    let wrong = Folder::new().variable("TOLLGATE_LOG", "loud").run(&["serve"]);
    let told = stderr(&wrong);
    assert_eq!(wrong.status.code(), Some(2), "{told}");
    assert!(told.contains("TOLLGATE_LOG") && told.contains("loud") && told.contains("debug"), "{told}");
}

// What is refused.

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one_at_every_level() {
    let environment = "[keys]\nenvironments = [{ name = \"live\", prefix = \"k_\", length = 48, chekcsum = true }]";
    each_is_refused(&[
        ("[sever]\nlisten = \"127.0.0.1:0\"", "sever", &["'server'"]),
        ("plan = 3", "plan", &["'plans'"]),
        ("[server]\nlisten_on = \"127.0.0.1:0\"", "server.listen_on", &["'listen'"]),
        ("[server]\ntrusted_proxy = []", "server.trusted_proxy", &["'trusted_proxies'"]),
        ("[keys]\ncarrier = [\"bearer\"]", "keys.carrier", &["'carriers'"]),
        (environment, "keys.environments[0].chekcsum", &["'checksum'"]),
        ("[keys]\nlimits = [{ name = \"minute\", maximum = 9, minimun = 2 }]", "keys.limits[0].minimun", &["'minimum'"]),
        ("[[plans]]\nname = \"a\"\ntitel = \"A\"", "plans[0].titel", &["'title'"]),
        ("[[plans]]\nname = \"a\"\nlimits = [{ requests = 5, per = \"day\", brust = 1 }]", "plans[0].limits[0].brust", &["'burst'"]),
        ("[[routes]]\npath = \"/a\"\nmethod = [\"GET\"]", "routes[0].method", &["'methods'"]),
        ("[[routes]]\npath = \"/a\"\n[[routes]]\npath = \"/b\"\ncosts = 2", "routes[1].costs", &["'cost'"]),
        ("[style]\nheader = []", "style.header", &["'headers'"]),
        ("[style]\nheaders = [{ name = \"X-A\", value = \"1\", each = true }]", "style.headers[0].each", &["'each_limit'"]),
        ("[[style.answers]]\nverdicts = [\"missing\"]\nstaus = 401", "style.answers[0].staus", &["'status'"]),
        (
            "[[style.answers]]\nverdicts = [\"missing\"]\nheaders = [{ name = \"X-A\", value = \"1\", vaule = \"2\" }]",
            "style.answers[0].headers[0].vaule",
            &["'value'"],
        ),
        ("[[style.answers]]\nverdicts = [\"revokd\"]", "style.answers[0].verdicts[0]", &["'revokd'", "'revoked'"]),
    ]);
}

#[test]
fn unknown_variables_are_refused_by_their_own_name() {
    for (variable, key, nearest) in [
        ("TOLLGATE_SERVER__LISTN", "server.listn", "'listen'"),
        ("TOLLGATE_SEVER__LISTEN", "sever", "'server'"),
        ("TOLLGATE_KEYS__CARRIER", "keys.carrier", "'carriers'"),
        ("TOLLGATE_STYL__BODY", "styl", "'style'"),
        ("TOLLGATE_LISTEN", "listen", ""),
    ] {
        let found = faults(&Folder::new().variable(variable, "x"));
        let [(told, source, message)] = &found[..] else { panic!("{variable}: {found:?}") };
        assert_eq!((told.as_str(), source.as_str()), (key, variable));
        assert!(message.contains(nearest), "{variable}: {message}");
    }
}

#[test]
fn each_fault_is_told_with_where_it_came_from() {
    let folder = Folder::with("[server]\nprefix = \"auth\"\nmax_headers = 3\n")
        .variable("TOLLGATE_SERVER__MAX_CONNECTIONS", "many")
        .variable("TOLLGATE_SERVER__MAX_HEADERS", "4");
    let found = faults(&folder);
    let source = |key: &str| found.iter().find(|(found, _, _)| found == key).map(|(_, source, _)| source.as_str());
    assert_eq!(source("server.prefix"), Some("auth.toml"));
    assert_eq!(source("server.max_connections"), Some("TOLLGATE_SERVER__MAX_CONNECTIONS"));
    assert_eq!(source("server.max_headers"), Some("TOLLGATE_SERVER__MAX_HEADERS"), "the variable hides the file");
    assert_eq!(found.len(), 3, "{found:?}");
    let elsewhere = Folder::new();
    let path = elsewhere.path("deep.toml");
    std::fs::write(&path, "[server]\nprefix = \"auth\"\n").unwrap();
    let found = faults(&Folder::with_file(&path));
    assert_eq!(found[0].1, path.display().to_string(), "a file is named as it was given");
}

#[test]
fn the_server_section_is_checked() {
    each_is_refused(&[
        ("[server]\nlisten = \"everywhere\"", "server.listen", &["'everywhere'", "127.0.0.1:8080", "unix:"]),
        ("[server]\nlisten = \"unix:\"", "server.listen", &["path"]),
        ("[server]\nlisten = \"127.0.0.1:70000\"", "server.listen", &["70000"]),
        ("[server]\nlisten = [1]", "server.listen", &["a text"]),
        ("[server]\ndatabase = \"\"", "server.database", &["file"]),
        ("[server]\ndatabase = \":memory:\"", "server.database", &["file"]),
        ("[server]\npublic_url = \"api.example.com\"", "server.public_url", &["https://"]),
        ("[server]\nprefix = \"auth\"", "server.prefix", &["/auth"]),
        ("[server]\nprefix = \"/auth/\"", "server.prefix", &["/auth"]),
        ("[server]\nprefix = \"/\"", "server.prefix", &["/auth"]),
        ("[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]", "server.trusted_proxies[1]", &["proxy"]),
        ("[server]\nrequire_https = \"yes please\"", "server.require_https", &["true or false"]),
        ("[server]\nmax_connections = 0", "server.max_connections", &["from 1"]),
        ("[server]\nmax_headers = -1", "server.max_headers", &["from 10"]),
        ("[server]\nmax_body_bytes = 1.5", "server.max_body_bytes", &["whole number"]),
        ("[server]\nheader_timeout = \"0s\"", "server.header_timeout", &["from 1s"]),
        ("[server]\nrequest_timeout = 30", "server.request_timeout", &["'30'", "10s"]),
        ("[server]\nshutdown_timeout = \"soon\"", "server.shutdown_timeout", &["'soon'", "10s"]),
        ("[server]\ncached_keys = 1", "server.cached_keys", &["from 16"]),
        ("server = 3", "server", &["a table"]),
    ]);
}

/// `[keys]` with this one environment.
fn environment(fields: &str) -> String {
    format!("[keys]\nenvironments = [{{ {fields} }}]")
}

#[test]
fn the_keys_section_is_checked() {
    let short = environment("name = \"live\", prefix = \"key_\", length = 31");
    let long = environment("name = \"live\", prefix = \"key_\", length = 5000");
    let few_letters = environment("name = \"live\", prefix = \"key_\", length = 48, alphabet = \"abc\"");
    let blank_letter = environment("name = \"live\", prefix = \"key_\", length = 48, alphabet = \"0123456789 \"");
    let twice = environment("name = \"live\", prefix = \"key_\", length = 48, alphabet = \"00123456789abcdef\"");
    let service = environment("name = \"live\", prefix = \"tgs_\", length = 48");
    let longer_service = environment("name = \"live\", prefix = \"tgs_live_\", length = 60");
    let blank_prefix = environment("name = \"live\", prefix = \"my key_\", length = 48");
    let nameless = environment("prefix = \"key_\", length = 48");
    let without_prefix = environment("name = \"live\", length = 48");
    let without_length = environment("name = \"live\", prefix = \"key_\"");
    let reserved = environment("name = \"live\", prefix = \"key_\", length = 48, reserved = true");
    let two = "{ name = \"live\", prefix = \"a_\", length = 48 }, { name = \"live\", prefix = \"b_\", length = 48 }";
    let shared = "{ name = \"live\", prefix = \"a_\", length = 48 }, { name = \"test\", prefix = \"a_\", length = 48, reserved = true }";
    let (two, shared) = (format!("[keys]\nenvironments = [{two}]"), format!("[keys]\nenvironments = [{shared}]"));
    each_is_refused(&[
        ("[keys]\ncarriers = []", "keys.carriers", &["no carrier"]),
        ("[keys]\ncarriers = [\"bearer\", \"cookie:key\"]", "keys.carriers[1]", &["'cookie:key'", "header:NAME"]),
        ("[keys]\ncarriers = [\"header:Authorization\"]", "keys.carriers[0]", &["bearer"]),
        ("[keys]\ncarriers = [\"bearer\", \"query:key\", \"bearer\"]", "keys.carriers[2]", &["twice"]),
        (
            "[keys]\nlimits = [{ name = \"minute\", maximum = 9 }, { name = \"minute\", maximum = 8 }]",
            "keys.limits[1].name",
            &["two ranges", "'minute'"],
        ),
        ("[keys]\ndefault_scopes = [\"a b\"]", "keys.default_scopes[0]", &["'a b'"]),
        (&short, "keys.environments[0].length", &["128", "random"]),
        (&long, "keys.environments[0].length", &["5000"]),
        (&few_letters, "keys.environments[0].alphabet", &["'abc'", "base62"]),
        (&blank_letter, "keys.environments[0].alphabet", &["base62"]),
        (&twice, "keys.environments[0].alphabet", &["'0'", "twice"]),
        (&service, "keys.environments[0].prefix", &["'tgs_'"]),
        (&longer_service, "keys.environments[0].prefix", &["'tgs_'"]),
        (&blank_prefix, "keys.environments[0].prefix", &["'my key_'"]),
        (&nameless, "keys.environments[0].name", &["must be given"]),
        (&without_prefix, "keys.environments[0].prefix", &["must be given"]),
        (&without_length, "keys.environments[0].length", &["must be given"]),
        (&reserved, "keys.environments", &["not reserved"]),
        ("[keys]\nenvironments = []", "keys.environments", &["one environment"]),
        (&two, "keys.environments[1].name", &["'live'"]),
        (&shared, "keys.environments[1].prefix", &["prefix"]),
        ("[keys]\nlimits = [{ name = \"minutes\", maximum = 5 }]", "keys.limits[0].name", &["'minutes'"]),
        ("[keys]\nlimits = [{ name = \"minute\", minimum = 6, maximum = 5 }]", "keys.limits[0]", &["minimum", "maximum"]),
        ("[keys]\nlimits = [{ name = \"minute\", maximum = 5, default = 6 }]", "keys.limits[0]", &["default", "maximum"]),
        ("[keys]\nlimits = [{ name = \"minute\" }]", "keys.limits[0].maximum", &["must be given"]),
        ("[keys]\nlimits = [{ name = \"minute\", maximum = 0 }]", "keys.limits[0].maximum", &["from 1"]),
    ]);
    each_is_taken(&[
        &environment("name = \"live\", prefix = \"key_\", length = 32"),
        &environment("name = \"live\", prefix = \"\", length = 40, alphabet = \"hex\""),
    ]);
}

#[test]
fn anonymous_callers_need_a_plan_that_counts_addresses() {
    let plans = |anonymous: &str, more: &str| {
        format!(
            "[keys]\nanonymous = \"{anonymous}\"\n[[plans]]\nname = \"free\"\ndefault = true\n[[plans]]\nname = \"open\"\n{more}\n\
             limits = [{{ requests = 5, per = \"minute\", count = \"address\" }}]\n[[plans]]\nname = \"keyed\"\nlimits = [{{ requests = 5, per = \"minute\" }}]"
        )
    };
    each_is_refused(&[
        (&plans("nobody", ""), "keys.anonymous", &["'nobody'"]),
        (&plans("keyed", ""), "keys.anonymous", &["'minute'", "address"]),
        (&plans("open", "needs_balance = true"), "keys.anonymous", &["balance"]),
        (&plans("open", "api = false"), "keys.anonymous", &["API"]),
    ]);
    each_is_taken(&[&plans("open", ""), &plans("free", "")]);
}

/// A single plan with this one limit.
fn limit(fields: &str) -> String {
    format!("[[plans]]\nname = \"a\"\nlimits = [{{ {fields} }}]")
}

#[test]
fn plans_and_limits_are_checked() {
    let (minute, day) = ("{ requests = 5, per = \"minute\" }", "{ requests = 9, per = \"day\" }");
    each_is_refused(&[
        ("plans = []", "plans", &["plan"]),
        ("[[plans]]\nname = \"a\"\n[[plans]]\nname = \"b\"", "plans", &["default = true"]),
        ("[[plans]]\nname = \"a\"\ndefault = true\n[[plans]]\nname = \"b\"\ndefault = true", "plans[1].default", &["default"]),
        ("[[plans]]\nname = \"a\"\ndefault = true\n[[plans]]\nname = \"a\"", "plans[1].name", &["'a'"]),
        ("[[plans]]\ntitle = \"A\"", "plans[0].name", &["must be given"]),
        ("[[plans]]\nname = \"my plan\"", "plans[0].name", &["'my plan'"]),
        ("[[plans]]\nname = \"a\"\nmonthly_tokens = -1", "plans[0].monthly_tokens", &["whole number"]),
        (&format!("[[plans]]\nname = \"a\"\nunlimited = true\nlimits = [{minute}]"), "plans[0].unlimited", &["limits"]),
        (&format!("[[plans]]\nname = \"a\"\nlimits = [{minute}, {day}, {minute}]"), "plans[0].limits[2]", &["'minute'", "name"]),
        (&limit("per = \"minute\""), "plans[0].limits[0].requests", &["must be given"]),
        (&limit("requests = 5"), "plans[0].limits[0].per", &["must be given"]),
        (&limit("requests = 0, per = \"minute\""), "plans[0].limits[0].requests", &["from 1"]),
        (&limit("requests = 5, per = \"fortnight\""), "plans[0].limits[0].per", &["'fortnight'", "month"]),
        (&limit("requests = 5, per = \"0s\""), "plans[0].limits[0].per", &["'0s'"]),
        (&limit("requests = 5, per = \"day\", burst = 2"), "plans[0].limits[0].burst", &["rolling"]),
        (&limit("requests = 5, per = \"minute\", shape = \"fixed\", burst = 2"), "plans[0].limits[0].burst", &["rolling"]),
        (&limit("requests = 5, per = \"minute\", shape = \"sliding\", burst = 2"), "plans[0].limits[0].burst", &["rolling"]),
        (&limit("requests = 5, per = \"minute\", burst = 0"), "plans[0].limits[0].burst", &["from 1"]),
        (&limit("requests = 5, per = \"month\", shape = \"sliding\""), "plans[0].limits[0].shape", &["month", "fixed"]),
        (&limit("requests = 5, per = \"month\", shape = \"rolling\""), "plans[0].limits[0].shape", &["month", "fixed"]),
        (
            &limit("requests = 5, per = \"minute\", shape = \"round\""),
            "plans[0].limits[0].shape",
            &["'round'", "rolling", "sliding", "fixed"],
        ),
        (&limit("requests = 5, per = \"minute\", count = \"user\""), "plans[0].limits[0].count", &["'user'", "key", "account", "address"]),
        (&limit("requests = 5, per = \"minute\", unit = \"bytes\""), "plans[0].limits[0].unit", &["'bytes'", "requests", "tokens"]),
        (&limit("requests = 5, per = \"minute\", name = \"key\""), "plans[0].limits[0].name", &["key"]),
        (&limit("requests = 5, per = \"minute\", name = \"a.b\""), "plans[0].limits[0].name", &["'a.b'"]),
        ("plans = 3", "plans", &["list"]),
    ]);
    each_is_taken(&[
        "[[plans]]\nname = \"a\"",
        &limit("requests = 5, per = \"minute\", burst = 50"),
        &limit("requests = 5, per = \"day\", shape = \"rolling\", burst = 2"),
        &limit("requests = 5, per = \"10s\", shape = \"fixed\", count = \"account\", unit = \"tokens\", observe = true"),
    ]);
}

/// One plan with a minute of ten, five at once, and a day of a hundred; and these routes.
fn routes(routes: &str) -> String {
    let limits = "{ requests = 10, per = \"minute\", burst = 5 }, { requests = 100, per = \"day\" }, { name = \"spend\", requests = 20, per = \"hour\", unit = \"tokens\" }";
    format!("routes = [{routes}]\n[[plans]]\nname = \"a\"\nlimits = [{limits}]")
}

#[test]
fn routes_are_checked() {
    each_is_refused(&[
        (&routes("{ methods = [\"GET\"] }"), "routes[0].path", &["must be given"]),
        (&routes("{ path = \"/a\", plans = [\"a\", \"gold\"] }"), "routes[0].plans[1]", &["'gold'"]),
        (&routes("{ path = \"/a\", limits = [\"hour\"] }"), "routes[0].limits[0]", &["'hour'"]),
        (&routes("{ path = \"/a\", methods = [\"get\"] }"), "routes[0].methods[0]", &["'get'", "GET"]),
        (&routes("{ path = \"/a\", scopes = [\"a b\"] }"), "routes[0].scopes[0]", &["'a b'"]),
        (&routes("{ path = \"/a\", scopes = [\"*\"] }"), "routes[0].scopes[0]", &["'*'"]),
        (&routes("{ path = \"a\" }"), "routes[0].path", &["'a'", "'/'"]),
        (&routes("{ path = \"\" }"), "routes[0].path", &["'/'"]),
        (&routes("{ path = \"/a/**/b\" }"), "routes[0].path", &["**"]),
        (&routes("{ path = \"/a/*.json\" }"), "routes[0].path", &["segment"]),
        (&routes("{ path = \"/a//b\" }"), "routes[0].path", &["segment"]),
        (&routes("{ path = \"/a/../b\" }"), "routes[0].path", &["segment"]),
        (&routes("{ path = \"/a%20b\" }"), "routes[0].path", &["encoded"]),
        (&routes("{ path = \"/a\" }, { path = \"/b\" }, { path = \"/a\" }"), "routes[2].path", &["another route"]),
        (&routes("{ path = \"/a\" }, { path = \"/a/\" }"), "routes[1].path", &["another route"]),
        (
            &routes("{ path = \"/a/*\", methods = [\"GET\", \"POST\"] }, { path = \"/a/*\", methods = [\"POST\"] }"),
            "routes[1].path",
            &["another"],
        ),
        (&routes("{ path = \"/a\", cost = 6 }"), "routes[0].cost", &["'minute'", "'a'", "5"]),
        (&routes("{ path = \"/a\", cost = 101, limits = [\"day\"] }"), "routes[0].cost", &["'day'", "100"]),
        (&routes("{ path = \"/a\", tokens = 21 }"), "routes[0].tokens", &["'spend'", "20"]),
        (&routes("{ path = \"/a\", cost = -1 }"), "routes[0].cost", &["whole number"]),
        (&routes("{ path = \"/a\", open = true, plans = [\"a\"] }"), "routes[0].open", &["plan"]),
        (&routes("{ path = \"/a\", open = true, tokens = 1 }"), "routes[0].open", &["tokens"]),
    ]);
    each_is_taken(&[
        &routes("{ path = \"/a\", cost = 5 }, { path = \"/b\", cost = 100, limits = [\"day\"] }, { path = \"/c\", cost = 0 }"),
        &routes("{ path = \"/a\", methods = [\"GET\"] }, { path = \"/a\", methods = [\"POST\"] }, { path = \"/a\" }"),
        &routes("{ path = \"/a/*\" }, { path = \"/a/b\" }, { path = \"/**\" }"),
        &routes("{ path = \"/a/*\" }, { path = \"/a/**\" }"),
        &routes("{ path = \"/a\" }, { path = \"/a/**\" }"),
    ]);
}

/// One answer of the style.
fn answer(fields: &str) -> String {
    format!("[[style.answers]]\n{fields}")
}

#[test]
fn the_style_is_checked() {
    let at_answer = |field: &str| format!("style.answers[0].{field}");
    let (body, message, status) = (at_answer("body"), at_answer("message"), at_answer("status"));
    let (limits, verdicts) = (at_answer("limits"), at_answer("verdicts"));
    let (value, name) = (at_answer("headers[0].value"), at_answer("headers[0].name"));
    let header = |verdict: &str, name: &str, value: &str| {
        answer(&format!("verdicts = [\"{verdict}\"]\nheaders = [{{ name = \"{name}\", value = \"{value}\" }}]"))
    };
    let of_missing = |fields: &str| answer(&format!("verdicts = [\"missing\"]\n{fields}"));
    let of_rate = |fields: &str| answer(&format!("verdicts = [\"rate_limited\"]\n{fields}"));
    each_is_refused(&[
        // Placeholders that nobody knows.
        (&of_missing("message = \"See {request_ids}\""), &message, &["{request_ids}", "{request_id}"]),
        (&of_rate("body = '{\"after\": \"{retry_afetr}\"}'"), &body, &["{retry_afetr}", "{retry_after}"]),
        (&header("rate_limited", "X-Left", "{minute.remainin}"), &value, &["{minute.remainin}", "{minute.remaining}"]),
        (&of_rate("message = \"{hour.remaining}\""), &message, &["{hour.remaining}"]),
        ("[style]\nheaders = [{ name = \"X-Left\", value = \"{limit.left}\" }]", "style.headers[0].value", &["{limit.left}"]),
        // Placeholders that the verdict can never fill.
        (&of_missing("message = \"{plan_title} needs a key\""), &message, &["{plan_title}", "missing"]),
        (&of_missing("body = '{\"key\": \"{key.id}\"}'"), &body, &["{key.id}", "missing"]),
        (&header("revoked", "Retry-After", "{retry_after}"), &value, &["{retry_after}", "revoked"]),
        (&answer("verdicts = [\"rate_limited\", \"expired\"]\nmessage = \"{limit.requests}\""), &message, &["{limit.requests}", "expired"]),
        // A refusal that would look like a pass, or like nothing.
        (&of_missing("status = 200"), &status, &["400", "599"]),
        (&of_missing("status = 204"), &status, &["400", "599"]),
        (&of_missing("status = 302"), &status, &["400", "599"]),
        (&of_missing("status = 600"), &status, &["400", "599"]),
        (&of_missing("status = \"forbidden\""), &status, &["'forbidden'"]),
        (&answer("verdicts = [\"ok\"]\nstatus = 403"), &verdicts, &["'ok'"]),
        (&answer("verdicts = []\nstatus = 403"), &verdicts, &["must be given"]),
        (&answer("status = 403"), &verdicts, &["must be given"]),
        // Bodies and texts that cannot be read.
        (&of_missing("body = 'Key required'"), &body, &["JSON"]),
        (&of_missing("body = '{\"error\": }'"), &body, &["JSON"]),
        ("[style]\nbody = 'sorry'", "style.body", &["JSON"]),
        (&of_rate("message = \"{limit.reset:iso}\""), &message, &["'iso'", "http_date", "rfc3339"]),
        (&of_rate("message = \"{limit.requests:unix}\""), &message, &["times"]),
        (&of_missing("message = \"an { alone\""), &message, &["single '{'", "{{"]),
        (&of_missing("message = \"an } alone\""), &message, &["single '}'", "}}"]),
        (&of_missing("message = \"{message}\""), &message, &["{message}"]),
        // Limits.
        (&of_rate("limits = [\"hour\"]"), &limits, &["'hour'"]),
        (&of_rate("limits = [\"month\"]"), &limits, &["'month'", "quota_exceeded"]),
        (&answer("verdicts = [\"quota_exceeded\"]\nlimits = [\"minute\"]"), &limits, &["'minute'", "rate_limited"]),
        // Headers that are not the style's.
        (&header("missing", "Content-Length", "5"), &name, &["content-length"]),
        (&header("missing", "Transfer-Encoding", "chunked"), &name, &["transfer-encoding"]),
        (&header("missing", "Connection", "close"), &name, &["connection"]),
        (&header("missing", "X-Request-Id", "1"), &name, &["x-request-id"]),
        (&header("missing", "Two Words", "1"), &name, &["header name"]),
        (&header("missing", "X-Split", "a\\r\\nSet-Cookie: b"), &value, &["header"]),
        ("[style]\nheaders = [{ name = \"Keep-Alive\", value = \"1\" }]", "style.headers[0].name", &["keep-alive"]),
        ("[style]\nheaders = [{ name = \"X-A\" }]", "style.headers[0].value", &["must be given"]),
    ]);
    each_is_taken(&[
        &of_missing("body = '{\"a\": \"{{braces}}\", \"b\": \"{verdict}\"}'"),
        &of_missing("content_type = \"text/plain\"\nbody = 'Key required'"),
        &of_rate(
            "limits = [\"minute\"]\nmessage = \"{minute.remaining} of {limit.requests} at {limit.reset:http_date}, {month.reset:duration}\"",
        ),
    ]);
}

// How it is told.

/// Twenty faults in all parts of a file.
const MANY_FAULTS: &str = r#"
colour = "red"

[server]
listen = "nowhere"
max_headers = 1
databse = "x.db"
header_timeout = "1y"

[keys]
carriers = ["bearer", "cookie"]
default_scopes = ["a b"]
anonimous = ""
environments = [
  { name = "live", prefix = "tgs_live_", length = 60 },
  { name = "test", prefix = "t_", length = 20 },
]

[[plans]]
name = "free"
default = true
limits = [{ requests = 60, per = "minutes" }, { requests = 5, per = "day", burst = 2 }]

[[plans]]
name = "free"
tittle = "Free"

[[routes]]
path = "v1/sets"

[[routes]]
path = "/v1/sets"
methods = ["GET", "fetch"]

[style]
body = "sorry"
heders = []
headers = [{ name = "Content-Length", value = "{verdict}" }]

[[style.answers]]
verdicts = ["missing"]
status = 200

[[style.answers]]
verdicts = ["misssing"]
"#;

const MANY_KEYS: [&str; 21] = [
    "colour",
    "server.listen",
    "server.max_headers",
    "server.databse",
    "server.header_timeout",
    "keys.carriers[1]",
    "keys.default_scopes[0]",
    "keys.anonimous",
    "keys.environments[0].prefix",
    "keys.environments[1].length",
    "plans[0].limits[0].per",
    "plans[0].limits[1].burst",
    "plans[1].name",
    "plans[1].tittle",
    "routes[0].path",
    "routes[1].methods[1]",
    "style.body",
    "style.heders",
    "style.headers[0].name",
    "style.answers[0].status",
    "style.answers[1].verdicts[0]",
];

#[test]
fn all_faults_are_told_at_once() {
    let folder = Folder::with(MANY_FAULTS);
    let found = faults(&folder);
    let keys: BTreeSet<&str> = found.iter().map(|(key, _, _)| key.as_str()).collect();
    let untold: Vec<&str> = MANY_KEYS.into_iter().filter(|key| !keys.contains(key)).collect();
    assert_eq!(untold, Vec::<&str>::new(), "these are not told; told are {keys:?}");
    let made_up: Vec<&&str> = keys.iter().filter(|key| !MANY_KEYS.contains(key)).collect();
    assert_eq!(made_up, Vec::<&&str>::new(), "these are no faults");
}

#[test]
fn people_read_one_line_a_fault_on_stderr() {
    let folder = Folder::with("[server]\nlistn = \"x\"\nprefix = \"auth\"\n");
    let output = folder.run(&["validate"]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty(), "{output:?}");
    for key in ["server.listn", "server.prefix"] {
        let line = told.lines().find(|line| line.contains(key)).unwrap_or_else(|| panic!("{key}: {told}"));
        assert!(line.contains("auth.toml"), "{line}");
    }
    assert!(told.contains("2 faults"), "{told}");
    let good = Folder::new().run(&["validate"]);
    assert_eq!(good.status.code(), Some(0));
    assert!(String::from_utf8(good.stdout).unwrap().contains("valid"));
    assert!(good.stderr.is_empty(), "{:?}", good.stderr);
}

#[test]
fn programs_read_one_document() {
    let good = Folder::new().json(&["validate"]);
    assert_eq!((&good["valid"], &good["faults"], &good["warnings"]), (&true.into(), &serde_json::json!([]), &serde_json::json!([])));
    let output = Folder::with("[server]\nprefix = \"auth\"\n").run(&["validate", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fields: Vec<&String> = told["faults"][0].as_object().unwrap().keys().collect();
    assert_eq!(told["valid"], false);
    assert_eq!(fields, ["key", "source", "message"]);
}

#[test]
fn a_faulty_configuration_starts_and_makes_nothing() {
    let folder = Folder::with("[server]\nprefix = \"auth\"\n");
    let commands: [&[&str]; 6] = [
        &[],
        &["serve"],
        &["account", "create", "--name", "x"],
        &["key", "list"],
        &["token", "create", "--scope", "verify"],
        &["key", "verify", "-"],
    ];
    for command in commands {
        let output = folder.run(command);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {told}");
        assert!(told.contains("server.prefix") && told.contains("auth.toml"), "{command:?}: {told}");
        assert_eq!(names(&folder), BTreeSet::from(["auth.toml".to_owned()]), "{command:?} made something");
    }
}

// The repository's own file.

#[test]
fn the_repositorys_own_file_is_the_default_configuration() {
    let own = Folder::with_file(&default_file());
    assert_eq!(faults(&own), []);
    let (own, without) = (own.serve(), Folder::new().serve());
    for request in [
        Request::get("/x"),
        Request::get("/x").bearer("tg_live_wrong"),
        Request::get("/x").header("Authorization", "Basic eDp5"),
        Request::get("/a//b"),
        Request::get("/auth/v1/plans"),
    ] {
        let (left, right) = (own.send(&request), without.send(&request));
        let told = |reply: &crate::support::Reply| {
            let id = reply.header("x-request-id").unwrap();
            let headers: Vec<_> =
                reply.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str())).cloned().collect();
            (reply.status, headers, reply.body.replace(&id, "ID"))
        };
        assert_eq!(told(&left), told(&right), "{request:?}");
    }
}

#[test]
fn the_default_file_given_by_an_operator_can_be_changed_line_by_line() {
    let text = std::fs::read_to_string(default_file()).unwrap();
    let changed = text
        .replace("prefix = \"/auth\"", "prefix = \"/gate\"")
        .replace("requests = 60, per = \"minute\"", "requests = 2, per = \"minute\"");
    assert_ne!(text, changed);
    let folder = Folder::with(&changed);
    assert_eq!(faults(&folder), []);
    let server = folder.serve();
    server.send(&Request::get("/gate/v1/health")).expect(200);
    let key = folder.raw_key("free");
    let statuses: Vec<u16> = (0..3).map(|_| server.get("/x", &key).status).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

/// Every name that the code asks a table for, by the calls that ask.
fn settings_in_code() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let calls = ["text(", "texts(", "flag(", "number(", "span(", "parsed(", "all_parsed(", "word(", "table(", "tables(", "size("];
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let code: String = std::fs::read_to_string(file.unwrap().path()).unwrap().split_whitespace().collect();
        for call in calls {
            for (at, _) in code.match_indices(&format!("{call}\"")) {
                let name = code[at + call.len() + 1..].split('"').next().unwrap_or_default();
                names.insert(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn every_setting_stands_in_the_default_file() {
    let settings = settings_in_code();
    for known in ["listen", "cached_keys", "environments", "each_limit", "verdicts", "monthly_tokens", "methods", "burst"] {
        assert!(settings.contains(known), "the code is read as it was written: {settings:?}");
    }
    let text = std::fs::read_to_string(default_file()).unwrap();
    let words: BTreeSet<&str> = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let undocumented: Vec<&String> = settings.iter().filter(|name| !words.contains(name.as_str())).collect();
    assert_eq!(undocumented, Vec::<&String>::new());
}

#[test]
fn what_is_wrong_with_the_authentication_page_is_told() {
    each_is_refused(&[
        ("[docs]\nenabled = 1\n", "docs.enabled", &["true or false"]),
        ("[docs]\nintro = { file = \"missing.md\" }\n", "docs.intro", &["missing.md"]),
        ("[docs]\nintro = { path = \"a\" }\n", "docs.intro", &["{ file ="]),
        ("[docs]\nbase_url = \"api.example.com\"\n", "docs.base_url", &["https://api.example.com"]),
        ("[docs]\nvariable = \"my key\"\n", "docs.variable", &["API_KEY"]),
        ("[docs]\ntitel = \"x\"\n", "docs.titel", &["title"]),
        ("[docs.example]\npath = \"/a\\\"; rm -rf /\"\n", "docs.example.path", &["percent-encoded"]),
        ("[docs.example]\npath = \"/a\"\nmethod = \"POST\"\nbody = \"{\"\n", "docs.example.body", &["not JSON"]),
        ("[docs.example]\npath = \"/a\"\nbody = \"{}\"\n", "docs.example.body", &["POST"]),
        ("[docs.example]\nmethod = \"POST\"\n", "docs.example.method", &["path"]),
        ("[[docs.section]]\ntitle = \"A\"\n", "docs.section[0].text", &["must be given"]),
        ("[[docs.section]]\ntitle = \"A\"\ntext = \"b\"\nbefore = \"error\"\n", "docs.section[0].before", &["errors", "sign-in"]),
        ("[brand]\ncolour = \"red\"\n", "brand.colour", &["#1a56db"]),
        ("[brand]\nlogo = \"missing.png\"\n", "brand.logo", &["missing.png"]),
        ("[brand]\nlogo = \"auth.toml\"\n", "brand.logo", &["no picture"]),
        ("[dashboard]\nbilling_url = \"/billing\"\n", "dashboard.billing_url", &["https://"]),
        ("[dashboard]\nbilling_url = \"javascript:alert(1)\"\n", "dashboard.billing_url", &["https://"]),
        ("[dashboard]\nbiling_url = \"\"\n", "dashboard.biling_url", &["billing_url"]),
    ]);
    each_is_taken(&[
        "[docs]\nenabled = false\n",
        "[[docs.section]]\ntitle = \"A\"\ntext = \"b\"\nbefore = \"sign-in\"\n",
        "[brand]\ncolour = \"#15d\"\n",
        "[dashboard]\nbilling_url = \"https://example.com/billing?from=api\"\n",
    ]);
}
