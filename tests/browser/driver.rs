//! Chromium by way of ChromeDriver, as W3C WebDriver has it: no more of it than a person does, by what they read on the page.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::http::raw;

/// How WebDriver names an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How a browser is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Whether pages may run a script.
    pub scripts: bool,
}

/// The same with scripts and without.
pub const BOTH: [Setup; 2] = [Setup { scripts: true }, Setup { scripts: false }];

/// One browser with a profile of its own, and the driver that ends with it.
pub struct Browser {
    driver: Child,
    address: String,
    session: String,
    /// Before every path: `http://localhost:PORT`.
    origin: String,
}

impl Browser {
    /// A browser that visits a server's address, `127.0.0.1:PORT`.
    pub fn new(setup: Setup, server: &str) -> Self {
        let mut driver = Command::new("chromedriver");
        let mut driver = driver
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: see tests/browse");
        let mut said = BufReader::new(driver.stdout.take().expect("stdout is piped")).lines();
        let port = said.find_map(|line| line.ok()?.strip_suffix('.')?.rsplit_once("on port ").map(|(_, port)| port.to_owned()));
        let address = format!("127.0.0.1:{}", port.expect("it says its port"));
        std::thread::spawn(move || said.for_each(drop));
        // A page is on localhost: browsers keep cookies that are for HTTPS alone there.
        let origin = format!("http://localhost:{}", server.rsplit(':').next().expect("it has a port"));
        let mut browser = Self { driver, address, session: String::new(), origin };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1100,900",
        ];
        let scripts = if setup.scripts { 1 } else { 2 };
        let options = json!({ "args": arguments, "prefs": { "profile.managed_default_content_settings.javascript": scripts } });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let answer = browser.call("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = answer["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// One call of WebDriver; what it answers.
    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    fn try_call(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let reply = raw(&self.address, (head + &body).as_bytes()).expect("the driver answers");
        let value = reply.json()["value"].take();
        if reply.status == 200 { Ok(value) } else { Err(value) }
    }

    #[track_caller]
    fn command(&self, method: &str, command: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}/{command}", self.session), body)
    }

    /// Opens a path.
    #[track_caller]
    pub fn open(&self, path: &str) {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.origin) };
        self.command("POST", "url", &json!({ "url": url }));
    }

    /// Where it is: path and query.
    pub fn place(&self) -> String {
        let url = self.command("GET", "url", &Value::Null);
        url.as_str().expect("a URL").trim_start_matches(&self.origin).to_owned()
    }

    /// What can be read on the page: nothing, while it gives way to the next.
    pub fn text(&self) -> String {
        let path = |command: &str| format!("/session/{}/{command}", self.session);
        let body = self.try_call("POST", &path("element"), &json!({ "using": "css selector", "value": "body" }));
        let text = body.and_then(|body| self.try_call("GET", &path(&format!("element/{}/text", id(&body))), &Value::Null));
        text.ok().as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn text_of(&self, element: &Value) -> String {
        self.command("GET", &format!("element/{}/text", id(element)), &Value::Null).as_str().unwrap_or_default().to_owned()
    }

    /// Elements that an XPath finds.
    fn find(&self, path: &str) -> Vec<Value> {
        self.command("POST", "elements", &json!({ "using": "xpath", "value": path })).as_array().cloned().unwrap_or_default()
    }

    /// The text of whatever a CSS selector finds first.
    #[track_caller]
    pub fn read(&self, selector: &str) -> String {
        let element = self.command("POST", "element", &json!({ "using": "css selector", "value": selector }));
        self.text_of(&element)
    }

    /// Waits until a text can be read.
    #[track_caller]
    pub fn see(&self, text: &str) {
        self.wait(&format!("'{text}'"), || self.text().contains(text).then_some(()));
    }

    /// Fails where a text can be read.
    #[track_caller]
    pub fn see_no(&self, text: &str) {
        let shown = self.text();
        assert!(!shown.contains(text), "'{text}' can be read: {shown}");
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "never seen: {what} at {}\n{}", self.place(), self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Follows the link that says so.
    #[track_caller]
    pub fn follow(&self, text: &str) {
        self.click(&format!("//a[normalize-space(.)={}]", quoted(text)), text);
    }

    /// Presses the button that says so.
    #[track_caller]
    pub fn press(&self, text: &str) {
        self.click(&format!("//button[normalize-space(.)={}]", quoted(text)), text);
    }

    /// Opens what is folded away behind a text.
    #[track_caller]
    pub fn unfold(&self, text: &str) {
        self.click(&format!("//summary[normalize-space(.)={}]", quoted(text)), text);
    }

    #[track_caller]
    fn click(&self, path: &str, text: &str) {
        let element = self.wait(text, || self.find(path).into_iter().find(|element| self.is_shown(element)));
        self.command("POST", &format!("element/{}/click", id(&element)), &json!({}));
    }

    fn is_shown(&self, element: &Value) -> bool {
        self.try_call("GET", &format!("/session/{}/element/{}/displayed", self.session, id(element)), &Value::Null) == Ok(json!(true))
    }

    /// Types into the field of a label, in place of what stood there.
    #[track_caller]
    pub fn fill(&self, label: &str, text: &str) {
        let field = self.field(label);
        self.command("POST", &format!("element/{}/clear", id(&field)), &json!({}));
        self.command("POST", &format!("element/{}/value", id(&field)), &json!({ "text": text }));
    }

    #[track_caller]
    fn field(&self, label: &str) -> Value {
        let label = quoted(label);
        let path = format!("//*[@id=//label[normalize-space(.)={label}]/@for] | //label[normalize-space(.)={label}]//input");
        self.wait(&label, || self.find(&path).into_iter().find(|element| self.is_shown(element)))
    }

    /// Runs a script as the driver, not the page, and answers what it returns.
    #[track_caller]
    pub fn script(&self, script: &str) -> Value {
        self.command("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// As somebody who likes it dark or light, on a screen so wide.
    pub fn look(&self, is_dark: bool, width: u64) {
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.protocol("Emulation.setEmulatedMedia", &media);
        let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.protocol("Emulation.setDeviceMetricsOverride", &screen);
    }

    fn protocol(&self, command: &str, parameters: &Value) -> Value {
        self.command("POST", "goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// A picture of the whole page, as a PNG.
    pub fn picture(&self) -> Vec<u8> {
        let shot = self.protocol("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": true }));
        STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base64")
    }

    /// What axe-core finds serious or critical on the page, as rule and element.
    #[track_caller]
    pub fn barriers(&self) -> Vec<String> {
        let axe = std::env::var("AXE").map(PathBuf::from).expect("AXE names axe.min.js: see tests/browse");
        self.script(&std::fs::read_to_string(axe).expect("axe-core can be read"));
        let run = "const [done] = arguments; axe.run(document).then(found => done(found.violations), error => done([{ id: String(error), impact: 'critical', nodes: [] }]));";
        let found = self.command("POST", "execute/async", &json!({ "script": run, "args": [] }));
        let is_grave = |rule: &&Value| ["serious", "critical"].contains(&rule["impact"].as_str().unwrap_or("critical"));
        let told = |rule: &Value| {
            format!(
                "{}: {}",
                rule["id"],
                rule["nodes"]
                    .as_array()
                    .map(|nodes| nodes.iter().map(|node| node["html"].to_string()).collect::<Vec<_>>().join(" "))
                    .unwrap_or_default()
            )
        };
        found.as_array().expect("a list").iter().filter(is_grave).map(told).collect()
    }

    /// What the browser's console has to complain of: a script or style that was blocked, an error of ours.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "se/log", &json!({ "type": "browser" }));
        let is_grave = |entry: &&Value| entry["level"] == "SEVERE";
        log.as_array().expect("a list").iter().filter(is_grave).map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.try_call("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn id(element: &Value) -> &str {
    element[ELEMENT].as_str().expect("an element")
}

/// A text within an XPath.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") }
}
