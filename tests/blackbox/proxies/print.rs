//! `tollgate proxy`: what it prints, that each proxy takes it without a word, and what cannot stand in it.

use serde_json::Value;

use super::front::{Kind, print};
use crate::support::Folder;

const BOTH: [Kind; 2] = [Kind::Nginx, Kind::Caddy];

/// Settings that change what is printed, and what must and must not stand there then; `nginx|caddy` where they differ.
type Row = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const ROWS: [Row; 16] = [
    (
        "",
        &[],
        &[
            "server 127.0.0.1:8080;|reverse_proxy 127.0.0.1:8080 {",
            "server 127.0.0.1:3000;|reverse_proxy 127.0.0.1:3000 {",
            "/auth/v1/check",
            "listen 80 default_server;|http://:80 {",
        ],
        &["NOT YET"],
    ),
    ("[server]\nlisten = \"0.0.0.0:81\"\nprefix = \"/gate/x\"", &[], &["127.0.0.1:81", "/gate/x/v1/check"], &["/auth/"]),
    ("[server]\nlisten = \"[::1]:81\"", &["--app", "http://[::1]:82"], &["[::1]:81", "[::1]:82"], &[]),
    (
        "[server]\nlisten = \"unix:/run/t.sock\"",
        &["--app", "unix:/run/a.sock"],
        &["unix:/run/t.sock|unix//run/t.sock", "unix:/run/a.sock|unix//run/a.sock"],
        &[":8080"],
    ),
    ("[server]\nlisten = \"10.0.0.5:8080\"", &[], &["NOT YET", "10.0.0.5"], &[]),
    ("[server]\nlisten = \"10.0.0.5:8080\"\ntrusted_proxies = [\"10.0.0.0/8\"]", &[], &[], &["NOT YET"]),
    ("[server]\npublic_url = \"https://api.example.com\"", &[], &["server_name api.example.com;|\napi.example.com {"], &["server_name _"]),
    (
        "[server]\npublic_url = \"http://api.example.com:99\"",
        &[],
        &["server_name api.example.com;|\nhttp://api.example.com {"],
        &["server_name _"],
    ),
    ("", &["--name", "api.example.com"], &["server_name api.example.com;|\napi.example.com {"], &[]),
    (
        "",
        &["--name", "api.example.com", "--listen", "127.0.0.1:8081"],
        &["listen 127.0.0.1:8081;|\nhttp://api.example.com:8081 {", "127.0.0.1:8081|bind 127.0.0.1"],
        &[],
    ),
    (
        "[keys]\ncarriers = [\"header:api-key\", \"query:token\"]",
        &[],
        &["header Api-Key \"\";|request_header -Api-Key", "query:token"],
        &["Authorization \"\"|-Authorization"],
    ),
    ("[upstream]\npass_credential = true\nmax_body_bytes = 12345", &[], &["12345"], &["Authorization \"\"|-Authorization"]),
    // tollgate passes on itself: everything goes there, and no proxy asks.
    (
        "[upstream]\nurl = \"http://127.0.0.1:4000\"",
        &[],
        &[
            "server 127.0.0.1:8080;|reverse_proxy 127.0.0.1:8080 {",
            "client_max_body_size 0;|flush_interval 10ms",
            "proxy_read_timeout 305s;|response_header_timeout 305s",
            "With --app URL",
        ],
        &["127.0.0.1:4000", "127.0.0.1:3000", "auth_request|handle_response", "/auth", "NOT YET", "Authorization"],
    ),
    (
        "[server]\nlisten = \"10.0.0.5:8080\"\nrequire_https = true\n[keys]\ncarriers = [\"query:token\"]\n[upstream]\nurl = \"unix:/a.sock\"\n\
         max_body_bytes = 2000000\nidle_timeout = \"1s\"\nresponse_timeout = \"600s\"",
        &[],
        &[
            "NOT YET",
            "query:token",
            "require_https",
            "client_max_body_size 2000000;|compression off",
            "640s",
            "every client is taken for the proxy",
        ],
        &["a.sock"],
    ),
    // --app goes before it.
    (
        "[upstream]\nurl = \"http://127.0.0.1:4000\"",
        &["--app", "http://127.0.0.1:3001"],
        &["server 127.0.0.1:3001;|reverse_proxy 127.0.0.1:3001 {", "auth_request|handle_response", "--app asks for this form"],
        &["127.0.0.1:4000"],
    ),
    ("[cors]\norigins = [\"https://app.example.com\"]\n[server]\nrequire_https = true", &[], &["preflights", "require_https"], &[]),
];

/// The side of `nginx|caddy` that is this proxy's.
fn side(kind: Kind, text: &str) -> String {
    let (nginx, caddy) = text.split_once('|').unwrap_or((text, text));
    if kind == Kind::Nginx { nginx } else { caddy }.to_owned()
}

#[test]
fn what_is_printed_follows_the_configuration() {
    for (config, more, wanted, unwanted) in ROWS {
        for kind in BOTH {
            let folder = Folder::with(config);
            let output = folder.command(&[&["proxy", kind.name()], more].concat()).env_remove("TOLLGATE_SERVER__LISTEN").output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && output.stderr.is_empty(), "{config} {more:?}: {output:?}");
            for text in wanted.iter().map(|text| side(kind, text)) {
                assert!(printed.contains(&text), "{config} {more:?}: '{text}' is missing:\n{printed}");
            }
            for text in unwanted.iter().map(|text| side(kind, text)) {
                assert!(!printed.contains(&text), "{config} {more:?}: '{text}' is there:\n{printed}");
            }
            assert!(!printed.contains('%'), "a place was left open:\n{printed}");
        }
    }
}

#[test]
fn each_proxy_takes_it_without_a_word() {
    let long = format!("{}.example.com", "a".repeat(60));
    let mut configs: Vec<String> = ROWS.iter().map(|row| row.0.to_owned()).collect();
    // Every name that a header may have.
    configs.push("[style]\nheaders = [{ name = \"!#$&'*+-.^_`|~\", value = \"x\" }, { name = \"status\", value = \"x\" }]".into());
    configs.push("[keys]\ncarriers = [\"header:api_key\"]\n[upstream]\ndrop_headers = [\"'a\", \"$b\", \"C\"]".into());
    let examples =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap().map(|entry| entry.unwrap().path().join("auth.toml"));
    configs.extend(examples.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()));
    assert!(configs.len() >= ROWS.len() + 7);
    for config in configs {
        for kind in BOTH {
            let folder = Folder::with(&config);
            let printed = print(kind, &folder, "127.0.0.1:8080", &["--name", &long, "--listen", "127.0.0.1:18081"]);
            let output = kind.check(&Folder::new(), &printed);
            let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
            let complaint = ["warn", "emerg", "error"].iter().find(|word| said.contains(*word));
            assert!(output.status.success() && complaint.is_none(), "{}: {said}\n{printed}", kind.name());
        }
    }
}

#[test]
fn help_shows_how_to_paste_it() {
    let output = Folder::new().run(&["proxy", "--help"]);
    let help = String::from_utf8_lossy(&output.stdout);
    for said in
        ["nginx", "caddy", "--app", "--listen", "--name", "Examples:", "Two forms.", "[upstream]", "> /etc/nginx/conf.d/tollgate.conf"]
    {
        assert!(output.status.success() && help.contains(said), "'{said}' is missing: {help}");
    }
}

#[test]
fn json_is_one_document() {
    for kind in BOTH {
        let folder = Folder::new();
        let printed = print(kind, &folder, "127.0.0.1:8080", &[]);
        let document: Value = serde_json::from_str(&print(kind, &folder, "127.0.0.1:8080", &["--json"])).unwrap();
        assert_eq!(document["proxy"], kind.name());
        assert_eq!(document["config"].as_str().unwrap().trim_end(), printed.trim_end());
        assert_eq!(document.as_object().unwrap().len(), 2);
        assert!(!folder.database().exists(), "no database is made");
    }
}

#[test]
fn what_cannot_stand_in_a_configuration_is_refused() {
    const FINE: &str = "127.0.0.1:8080";
    for (tollgate, config, arguments, said) in [
        (FINE, "", &["apache"][..], "apache"),
        (FINE, "", &[], "<PROXY>"),
        (FINE, "", &["nginx", "--app", "127.0.0.1:3000"], "--app"),
        (FINE, "", &["nginx", "--app", "https://app"], "plain HTTP"),
        (FINE, "", &["caddy", "--app", "http://a'b:1"], "--app"),
        (FINE, "", &["nginx", "--app", "http://a;b:1"], "--app"),
        (FINE, "", &["nginx", "--app", "http://app:1/x;}"], "--app"),
        (FINE, "", &["nginx", "--app", "unix:/a;b"], "--app"),
        (FINE, "", &["caddy", "--app", "unix:/a{b}"], "--app"),
        (FINE, "", &["nginx", "--app", "unix:/a\nb"], "--app"),
        (FINE, "", &["nginx", "--listen", "80; include /etc/passwd"], "--listen"),
        (FINE, "", &["nginx", "--listen", ""], "--listen"),
        (FINE, "", &["caddy", "--listen", ":80 {"], "--listen"),
        (FINE, "", &["caddy", "--listen", ":443"], "--name"),
        (FINE, "", &["nginx", "--name", "a b"], "--name"),
        (FINE, "", &["nginx", "--name", "a;}"], "--name"),
        (FINE, "", &["caddy", "--name", "\"a\""], "--name"),
        (FINE, "", &["caddy", "--name", "a {"], "--name"),
        (FINE, "", &["nginx", "--name", ""], "--name"),
        (FINE, "", &["nginx", "--app", "http://127.0.0.1:8080"], "--app: http://127.0.0.1:8080 is tollgate itself"),
        (FINE, "", &["caddy", "--app", "http://localhost:8080"], "tollgate itself"),
        ("unix:/run/t.sock", "", &["caddy", "--app", "unix:/run/t.sock"], "tollgate itself"),
        (FINE, "", &["nginx", "--app", "http://127.0.0.1"], "--app: at http://127.0.0.1 the proxy itself would listen"),
        (FINE, "", &["nginx", "--listen", "127.0.0.1:3000"], "--app: at http://127.0.0.1:3000 the proxy itself would listen"),
        (FINE, "", &["nginx", "--listen", ":8080"], "--listen: at 0.0.0.0:8080 listens tollgate itself"),
        (FINE, "[upstream]\nurl = \"http://127.0.0.1:3000\"", &["caddy", "--listen", "localhost:8080"], "listens tollgate itself"),
        ("127.0.0.1:80", "", &["nginx"], "[server] listen: the proxy would listen at port 80, too"),
        (FINE, "[upstream]\nurl = \"http://127.0.0.1\"", &["nginx"], "[upstream] url: at http://127.0.0.1 the proxy itself"),
        // All that is wrong at once.
        (FINE, "", &["nginx", "--app", "app", "--listen", "x", "--name", "a b"], "\n  --app: "),
        (FINE, "", &["nginx", "--app", "app", "--listen", "x", "--name", "a b"], "\n  --listen: "),
        (FINE, "", &["nginx", "--app", "app", "--listen", "x", "--name", "a b"], "\n  --name: "),
        (FINE, "", &["caddy", "--app", "http://127.0.0.1:8080", "--listen", ":8080"], "\n  --listen: at"),
        ("127.0.0.1:0", "", &["nginx"], "port 0"),
        ("a;b:80", "", &["nginx"], "[server] listen"),
        ("unix:/a b", "", &["caddy"], "[server] listen"),
        (FINE, "[server]\npublic_url = \"https://a;b.example.com\"", &["nginx"], "public_url"),
        (FINE, "[keys]\ncarriers = [\"header:a'b\"]", &["nginx"], "keys.carriers"),
        (FINE, "[server]\nlistn = 1", &["nginx"], "listn"),
    ] {
        let folder = Folder::with(config);
        let run = |more: &[&str]| {
            folder.command(&[&["proxy"], arguments, more].concat()).env("TOLLGATE_SERVER__LISTEN", tollgate).output().unwrap()
        };
        let output = run(&[]);
        assert_eq!(output.status.code(), Some(2), "{tollgate} {config} {arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{arguments:?} does not say '{said}': {output:?}");
        let output = run(&["--json"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert!(document["config"].is_null(), "{document}");
    }
}

#[test]
fn the_guides_commands_print_the_form_that_it_says() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/proxies.md")).unwrap();
    let blocks: Vec<&str> =
        guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).filter(|block| block.contains("proxy ")).collect();
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    let config = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it has a configuration");
    for (block, config, asks) in [(blocks[0], config, false), (blocks[1], "", true)] {
        for line in block.lines() {
            let arguments: Vec<&str> = line.split(" > ").next().unwrap().split(' ').skip(1).collect();
            let output = Folder::with(config).command(&arguments).env_remove("TOLLGATE_SERVER__LISTEN").output().unwrap();
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{line}: {output:?}");
            assert_eq!(printed.contains("/v1/check"), asks, "{line}: {printed}");
        }
    }
}
