//! Plays every folder under `examples/`: its `auth.toml` on the real binary, its `cases.toml` as requests and what each must
//! get. `examples/README.md` tells the format; what is written there is all that an API needs to say. None is named here.

mod readme;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{Folder, Reply, Request, Stage, eventually};

#[test]
fn every_example_answers_as_its_cases_say() {
    let examples = examples();
    let faults: Vec<String> = std::thread::scope(|scope| {
        let playing: Vec<_> = examples.iter().map(|example| scope.spawn(|| play(example))).collect();
        playing.into_iter().flat_map(|played| played.join().expect("the cases can be played")).collect()
    });
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_example_is_whole_and_valid() {
    let examples = examples();
    assert!(examples.len() >= 5, "{examples:?}");
    for example in examples {
        let name = name_of(&example);
        let readme = std::fs::read_to_string(example.join("README.md")).unwrap_or_else(|_| panic!("{name} has a README.md"));
        assert!(readme.contains(&format!("tollgate --config examples/{name}/auth.toml")), "{name}: the README says how to start it");
        assert!(!Cases::read(&example).cases.is_empty(), "{name} has cases");
        let output = Folder::with_file(&example.join("auth.toml")).run(&["validate", "--json"]);
        assert!(output.status.success(), "{name}: {output:?}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["valid"], true, "{name}: {told}");
    }
}

#[test]
fn no_example_is_named_in_the_source() {
    let sources = files_below(&root().join("src"));
    assert!(sources.len() > 20, "the source is there");
    for example in examples() {
        for path in &sources {
            let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).to_lowercase();
            assert!(!text.contains(&name_of(&example).to_lowercase()), "{} names {}", path.display(), example.display());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every folder that holds an `auth.toml`.
fn examples() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("examples")).expect("there are examples");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("auth.toml").is_file()).collect();
    found.sort();
    found
}

fn name_of(example: &Path) -> &str {
    example.file_name().and_then(|name| name.to_str()).expect("a folder's name can be read")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

// ---- What a cases.toml says ----

/// A whole `cases.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    /// How a request carries a key: a header with `{key}` in it.
    carry: String,
    /// Where a request goes that names no path.
    path: String,
    /// Every limit header that the API speaks of; no other may ever be sent.
    limit_headers: Vec<String>,
    /// As `POST /accounts` takes them.
    accounts: BTreeMap<String, toml::Table>,
    keys: BTreeMap<String, KeyMade>,
    /// Expectations that several cases share.
    answers: BTreeMap<String, Expect>,
    cases: Vec<Case>,
}

/// A key to make, or, with `raw`, a text that stands for one.
#[derive(Deserialize)]
struct KeyMade {
    raw: Option<String>,
    #[serde(default)]
    revoked: bool,
    #[serde(default)]
    expired: bool,
    /// As `POST /keys` takes it.
    #[serde(flatten)]
    settings: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The ways to play it by; every way that can carry it where nobody says.
    ways: Option<Vec<Way>>,
    request: Asked,
    expect: Expect,
    #[serde(default)]
    then: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    request: Asked,
    expect: Expect,
}

/// A request.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    key: Option<String>,
    method: Option<String>,
    path: Option<String>,
    headers: Vec<String>,
    /// The client's address.
    from: Option<String>,
    body: Option<toml::Value>,
    /// Sent with the operator's token, straight to the path.
    operator: bool,
    times: Option<u64>,
}

/// What must hold of an answer.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    answer: Option<String>,
    status: Option<u16>,
    verdict: Option<String>,
    headers: BTreeMap<String, String>,
    absent: Vec<String>,
    body: Option<String>,
    lacks: Vec<String>,
    record: BTreeMap<String, toml::Value>,
}

/// A way for one and the same request to reach the gate.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Way {
    Gate,
    Check,
    Nginx,
    Verify,
}

const WAYS: [Way; 4] = [Way::Gate, Way::Check, Way::Nginx, Way::Verify];

impl Cases {
    fn read(example: &Path) -> Self {
        let path = example.join("cases.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// An expectation over the shared answer it names.
    fn whole(&self, expect: &Expect) -> Expect {
        let Some(name) = &expect.answer else { return expect.clone() };
        let base = self.answers.get(name).unwrap_or_else(|| panic!("there is no answer '{name}'")).clone();
        Expect {
            answer: None,
            status: expect.status.or(base.status),
            verdict: expect.verdict.clone().or(base.verdict),
            headers: base.headers.into_iter().chain(expect.headers.clone()).collect(),
            absent: [base.absent, expect.absent.clone()].concat(),
            body: expect.body.clone().or(base.body),
            lacks: [base.lacks, expect.lacks.clone()].concat(),
            record: base.record.into_iter().chain(expect.record.clone()).collect(),
        }
    }
}

impl Case {
    fn steps(&self) -> impl Iterator<Item = (&Asked, &Expect)> {
        [(&self.request, &self.expect)].into_iter().chain(self.then.iter().map(|step| (&step.request, &step.expect)))
    }

    /// `verify` is asked about a key alone: it carries no headers.
    fn goes(&self, way: Way) -> bool {
        let carries = way != Way::Verify || self.steps().all(|(asked, _)| asked.headers.is_empty());
        let is_named = self.ways.as_ref().map(|ways| ways.contains(&way));
        assert!(carries || is_named != Some(true), "\"{}\": verify carries no headers", self.name);
        is_named.unwrap_or(carries)
    }
}

// ---- Playing ----

/// Plays a folder; every case that did not hold. Where the hour turned meanwhile, fixed windows began anew: it is played again.
fn play(example: &Path) -> Vec<String> {
    let cases = Cases::read(example);
    loop {
        let began = Moment::end_of("hour", now());
        let stage = Stage::of(Folder::with_file(&example.join("auth.toml")));
        let faults = std::thread::scope(|scope| {
            let (cases, stage) = (&cases, &stage);
            let playing = WAYS.map(|way| scope.spawn(move || play_way(cases, stage, way)));
            playing.into_iter().flat_map(|played| played.join().expect("a way can be played")).collect::<Vec<_>>()
        });
        if Moment::end_of("hour", now()) == began {
            return faults.into_iter().map(|fault| format!("{}: {fault}", name_of(example))).collect();
        }
    }
}

fn play_way(cases: &Cases, stage: &Stage, way: Way) -> Vec<String> {
    let mut faults = Vec::new();
    for case in cases.cases.iter().filter(|case| case.goes(way)) {
        let mut run = Run { cases, stage, way, accounts: BTreeMap::new(), keys: BTreeMap::new() };
        for (index, (asked, expect)) in case.steps().enumerate() {
            if let Err(fault) = run.step(asked, &cases.whole(expect)) {
                faults.push(format!("\"{}\" by {way:?}, step {}: {fault}", case.name, index + 1));
                break;
            }
        }
    }
    faults
}

/// One case by one way, with accounts and keys of its own, each made when it is first spoken of.
struct Run<'a> {
    cases: &'a Cases,
    stage: &'a Stage,
    way: Way,
    accounts: BTreeMap<String, String>,
    keys: BTreeMap<String, Key>,
}

#[derive(Clone)]
struct Key {
    id: String,
    raw: String,
}

/// An answer, in one shape whichever way it came.
struct Told {
    reply: Reply,
    status: u16,
    headers: Vec<(String, String)>,
    /// The style's, where this way hands it on.
    body: Option<String>,
    verdict: Option<String>,
    /// What `verify` says, or tollgate's own JSON.
    record: Option<Value>,
}

impl Run<'_> {
    fn step(&mut self, asked: &Asked, expect: &Expect) -> Result<(), String> {
        let request = self.request(asked);
        let lacks: Vec<String> = expect.lacks.iter().map(|text| self.fill(text)).collect();
        for index in 0..asked.times.unwrap_or(1) {
            let before = now();
            let reply = self.stage.server.send(&request);
            let moment = Moment { before, after: now(), index, request_id: reply.header("x-request-id").unwrap_or_default() };
            let told = Told::read(reply, if asked.operator { None } else { Some(self.way) })?;
            let fault = self.holds_always(&told, asked).and_then(|()| told.holds(expect, &lacks, &moment));
            fault.map_err(|fault| format!("request {}: {fault}\n    {:?}", index + 1, told.reply))?;
        }
        Ok(())
    }

    /// The request, as this way carries it.
    fn request(&mut self, asked: &Asked) -> Request {
        let method = asked.method.as_deref().unwrap_or("GET").to_owned();
        let path = self.fill(asked.path.as_ref().unwrap_or(&self.cases.path));
        let raw = asked.key.as_ref().map(|name| self.key(name).raw);
        let body = asked.body.as_ref().map(|body| json!(body).to_string());
        let body: Option<Value> = body.map(|body| serde_json::from_str(&self.fill(&body)).unwrap());
        if !asked.operator && self.way == Way::Verify {
            let ask = json!({ "key": raw, "method": method, "path": path, "ip": asked.from });
            return Request::post("/auth/v1/verify", &ask).bearer(&self.stage.token);
        }
        let mut request = match self.way {
            _ if asked.operator => Request::new(&method, &path).bearer(&self.stage.token),
            Way::Check => forwarded("/auth/v1/check", &method, &path),
            Way::Nginx => forwarded("/auth/v1/check/nginx", &method, &path),
            Way::Gate | Way::Verify => Request::new(&method, &path),
        };
        let carried = raw.map(|raw| self.cases.carry.replace("{key}", &raw));
        let own = asked.headers.iter().map(|header| self.fill(header)).collect::<Vec<_>>();
        let from = asked.from.as_ref().map(|from| format!("X-Forwarded-For: {from}"));
        for header in carried.iter().chain(&own).chain(&from) {
            let (name, value) = header.split_once(':').unwrap_or_else(|| panic!("'{header}' is no header"));
            request = request.header(name, value.trim());
        }
        match &body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// `{key:NAME}`, `{key_id:NAME}` and `{account:NAME}` stand for what was made.
    fn fill(&mut self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            let inner = rest[at + 1..].split_once('}').and_then(|(inner, after)| Some((inner.split_once(':')?, after)));
            let known = inner.and_then(|((kind, name), after)| match kind {
                "key" => Some((self.key(name).raw, after)),
                "key_id" => Some((self.key(name).id, after)),
                "account" => Some((self.account(name), after)),
                _ => None,
            });
            let (text, after) = known.unwrap_or_else(|| ("{".into(), &rest[at + 1..]));
            filled.push_str(&text);
            rest = after;
        }
        filled + rest
    }

    fn account(&mut self, name: &str) -> String {
        if let Some(id) = self.accounts.get(name) {
            return id.clone();
        }
        let settings = self.cases.accounts.get(name).unwrap_or_else(|| panic!("there is no account '{name}'"));
        let id = self.stage.account(json!(settings));
        self.accounts.insert(name.into(), id.clone());
        id
    }

    fn key(&mut self, name: &str) -> Key {
        if let Some(key) = self.keys.get(name) {
            return key.clone();
        }
        let wanted = self.cases.keys.get(name).unwrap_or_else(|| panic!("there is no key '{name}'"));
        let key = match &wanted.raw {
            Some(raw) => Key { id: String::new(), raw: raw.clone() },
            None => self.make(wanted),
        };
        self.keys.insert(name.into(), key.clone());
        key
    }

    fn make(&mut self, wanted: &KeyMade) -> Key {
        let mut settings = json!(wanted.settings);
        let account = self.account(settings["account"].as_str().expect("a key that is made has an account"));
        if wanted.expired {
            settings["expires"] = "1s".into();
        }
        let made = self.stage.key(&account, settings);
        let key = Key { id: text(&made["id"]), raw: text(&made["key"]) };
        if wanted.expired {
            // Told in whole seconds, rounded down.
            let expires: Timestamp = text(&made["expires_at"]).parse().unwrap();
            eventually("the key expires", || (now() >= expires.as_millisecond() + 1000).then_some(()));
        }
        if wanted.revoked {
            self.stage.delete(&format!("/keys/{}", key.id)).expect(204);
        }
        key
    }

    /// What holds of every answer whatsoever.
    fn holds_always(&self, told: &Told, asked: &Asked) -> Result<(), String> {
        let id = told.reply.header("x-request-id").unwrap_or_default();
        let sound = id.strip_prefix("req_").is_some_and(|id| id.len() == 26 && id.bytes().all(|b| b.is_ascii_alphanumeric()));
        ensure(sound, || format!("X-Request-Id is '{id}'"))?;
        if let Some(key) = self.keys.values().find(|key| format!("{:?}", told.reply).contains(&key.raw)) {
            return Err(format!("the raw key '{}' is in the answer", key.raw));
        }
        if asked.operator {
            return Ok(());
        }
        let spoken_of = |name: &str| self.cases.limit_headers.iter().any(|known| known.eq_ignore_ascii_case(name));
        let other = told.headers.iter().find(|(name, _)| name.to_ascii_lowercase().contains("ratelimit") && !spoken_of(name));
        ensure(other.is_none(), || format!("the API speaks of no header {other:?}"))?;
        let problem = told.header("content-type").is_some_and(|value| value.contains("problem"));
        ensure(!problem, || "the answer is not in the API's own style".into())
    }
}

/// A request as a proxy hands it on.
fn forwarded(path: &str, method: &str, target: &str) -> Request {
    Request::get(path).header("X-Forwarded-Method", method).header("X-Forwarded-Uri", target)
}

impl Told {
    /// Without a way: tollgate's own answer.
    fn read(reply: Reply, way: Option<Way>) -> Result<Self, String> {
        let record = serde_json::from_str::<Value>(&reply.body).ok();
        let body = Some(reply.body.clone());
        let mut told = Self {
            status: reply.status,
            headers: reply.headers.clone(),
            body,
            verdict: reply.header("x-auth-verdict"),
            record: record.filter(|_| way.is_none() || reply.status < 400),
            reply,
        };
        match way {
            Some(Way::Nginx) => told.undo_nginx()?,
            Some(Way::Verify) => told.undo_verify()?,
            None | Some(Way::Gate | Way::Check) => {}
        }
        Ok(told)
    }

    /// nginx knows 401 and 403 alone; what the answer should be stands in headers, and the body is thrown away.
    fn undo_nginx(&mut self) -> Result<(), String> {
        self.body = None;
        if self.status == 200 {
            return Ok(());
        }
        let status = self.reply.number("x-auth-status").ok_or("no X-Auth-Status")? as u16;
        let for_nginx = if status == 401 { 401 } else { 403 };
        ensure(self.status == for_nginx, || format!("{status} is told to nginx as {}", self.status))?;
        self.status = status;
        Ok(())
    }

    /// `verify` answers 200 and what to tell the client.
    fn undo_verify(&mut self) -> Result<(), String> {
        ensure(self.status == 200, || format!("verify answers {}", self.status))?;
        let record = self.record.as_ref().ok_or("verify answers no JSON")?;
        let answer = &record["answer"];
        self.status = answer["status"].as_u64().ok_or("no answer.status")? as u16;
        let headers = answer["headers"].as_object().ok_or("no answer.headers")?.iter();
        self.headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        self.body = Some(answer["body"].as_str().ok_or("answer.body is no text")?.to_owned());
        self.verdict = Some(record["verdict"].as_str().ok_or("no verdict")?.to_owned());
        Ok(())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn holds(&self, expect: &Expect, lacks: &[String], moment: &Moment) -> Result<(), String> {
        let status = expect.status.expect("an expectation says the status");
        ensure(self.status == status, || format!("the status is {}, not {status}", self.status))?;
        if let (Some(wanted), Some(verdict)) = (&expect.verdict, &self.verdict) {
            ensure(wanted == verdict, || format!("the verdict is {verdict}, not {wanted}"))?;
        }
        for (name, wanted) in expect.headers.iter().filter(|(name, _)| self.body.is_some() || !name.eq_ignore_ascii_case("content-type")) {
            let found = self.header(name);
            let holds = found.is_some_and(|found| moment.fits_text(wanted, found));
            ensure(holds, || format!("{name} is {found:?}, not '{wanted}'"))?;
        }
        for name in &expect.absent {
            let found = self.header(name);
            ensure(found.is_none(), || format!("{name} is there: {found:?}"))?;
        }
        if let (Some(wanted), Some(body)) = (&expect.body, &self.body) {
            let wanted: Value = serde_json::from_str(wanted).expect("an expected body is JSON");
            let found: Value = serde_json::from_str(body).map_err(|error| format!("the body is no JSON ({error}): {body}"))?;
            moment.fits(&wanted, &found).map_err(|at| format!("the body differs at '{at}': {found}, not {wanted}"))?;
        }
        for text in lacks {
            let holds = self.body.as_ref().is_none_or(|body| !body.contains(text.as_str()));
            ensure(holds, || format!("'{text}' is in the body"))?;
        }
        for (pointer, wanted) in expect.record.iter().filter(|_| self.record.is_some()) {
            let found = self.record.as_ref().and_then(|record| record.pointer(pointer));
            let holds = found.is_some_and(|found| moment.fits(&json!(wanted), found).is_ok());
            ensure(holds, || format!("{pointer} is {found:?}, not {wanted}"))?;
        }
        Ok(())
    }
}

fn ensure(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}

// ---- What stands between < and > ----

/// When a request went out and came back, in Unix milliseconds, and which of several it was.
struct Moment {
    before: i64,
    after: i64,
    index: u64,
    request_id: String,
}

impl Moment {
    /// A header: a number in it counts as one.
    fn fits_text(&self, wanted: &str, found: &str) -> bool {
        let number = found.parse::<i64>().ok().filter(|number| number.to_string() == found).map(Value::from);
        wanted == found || (wanted.starts_with('<') && self.fits_token(wanted, &number.unwrap_or_else(|| found.into())))
    }

    /// JSON, the same but where a text is one of the tokens; else where it differs.
    fn fits(&self, wanted: &Value, found: &Value) -> Result<(), String> {
        let below = |name: &str, rest: String| format!("/{name}{rest}");
        match (wanted, found) {
            (Value::Object(wanted), Value::Object(found))
                if wanted.keys().all(|name| found.contains_key(name)) && wanted.len() == found.len() =>
            {
                wanted.iter().try_for_each(|(name, value)| self.fits(value, &found[name]).map_err(|rest| below(name, rest)))
            }
            (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
                let pairs = wanted.iter().zip(found).enumerate();
                pairs
                    .into_iter()
                    .try_for_each(|(at, (wanted, found))| self.fits(wanted, found).map_err(|rest| below(&at.to_string(), rest)))
            }
            (Value::String(token), found) if token.starts_with('<') => ensure(self.fits_token(token, found), String::new),
            (wanted, found) => ensure(wanted == found, String::new),
        }
    }

    fn fits_token(&self, token: &str, found: &Value) -> bool {
        let inner = token.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
        let number = found.as_i64();
        let within = |from: i64, to: i64| number.is_some_and(|number| (from..=to).contains(&number));
        match inner.split(' ').collect::<Vec<_>>()[..] {
            ["text"] => found.as_str().is_some_and(|text| !text.is_empty()),
            ["request", "id"] => found == self.request_id.as_str(),
            [from, "down"] => number == Some(whole(from) - self.index as i64),
            [window, "end"] => within(Self::end_of(window, self.before), Self::end_of(window, self.after)),
            ["to", window, "end"] => {
                let seconds = |at: i64| (Self::end_of(window, at) * 1000 - at + 999) / 1000;
                within(seconds(self.after), seconds(self.before))
            }
            ["in", range] => {
                let (from, to) = range_of(range);
                within(self.before / 1000 + from, (self.after + 999) / 1000 + to)
            }
            [range] => {
                let (from, to) = range_of(range);
                within(from, to)
            }
            _ => panic!("there is no token {token}"),
        }
    }

    /// When the hour, day or month of an instant ends, in Unix seconds.
    fn end_of(window: &str, at: i64) -> i64 {
        let at: Zoned = Timestamp::from_millisecond(at).unwrap().to_zoned(TimeZone::UTC);
        let start = match window {
            "hour" => return (at.timestamp().as_second() / 3600 + 1) * 3600,
            "day" => at.date(),
            "month" => at.date().last_of_month(),
            _ => panic!("a window is an hour, a day or a month, and not '{window}'"),
        };
        (start + 1.day()).to_zoned(TimeZone::UTC).unwrap().timestamp().as_second()
    }
}

/// `1..60`: both are in it.
fn range_of(text: &str) -> (i64, i64) {
    let (from, to) = text.split_once("..").unwrap_or_else(|| panic!("'{text}' is no range"));
    (whole(from), whole(to))
}

fn whole(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is no whole number"))
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
