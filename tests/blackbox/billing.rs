//! The recipe for a payment provider's webhooks (`examples/billing/`), as a process of its own, with signed events.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Request, Server, Stage};

const CONFIG: &str = r#"
[[plans]]
name = "free"
default = true

[[plans]]
name = "pro"
monthly_tokens = 100
"#;

const SECRET: &str = "whsec_for_tests";

/// The receiver, until it goes out of sight.
struct Receiver {
    process: Child,
    address: String,
}

impl Receiver {
    fn start(server: &Server, token: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/billing/webhook.py");
        let mut process = Command::new("python3")
            .arg(script)
            .envs([("TOLLGATE", format!("http://{}", server.address)), ("TOLLGATE_TOKEN", token.into())])
            .envs([("WEBHOOK_SECRET", SECRET), ("PORT", "0")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("http://").expect("an address").to_owned();
        Self { process, address }
    }

    /// Sends an event, signed at that time; answers the status.
    fn event(&self, event: &Value, at: u64) -> u16 {
        let body = event.to_string();
        self.send(&body, &format!("t={at},v0=00,v1={}", hmac(SECRET, &format!("{at}.{body}"))))
    }

    fn send(&self, body: &str, signature: &str) -> u16 {
        Request::new("POST", "/").header("Stripe-Signature", signature).body(body.as_bytes()).send(&self.address).status
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// HMAC-SHA256 in hex (RFC 2104), of a secret that is no longer than a block.
fn hmac(secret: &str, text: &str) -> String {
    let padded = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(secret.bytes()).for_each(|(pad, own)| *pad ^= own);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// An invoice whose one line was paid for until then.
fn invoice(account: &str, plan: &str, until: u64) -> Value {
    let line = json!({ "metadata": { "account": account, "plan": plan }, "period": { "start": until - 86_400, "end": until } });
    json!({ "id": "evt_1", "type": "invoice.paid", "data": { "object": { "id": "in_1", "lines": { "data": [line] } } } })
}

fn purchase(id: &str, account: &str, tokens: &str, kind: &str, status: &str) -> Value {
    let metadata = json!({ "account": account, "tokens": tokens });
    json!({ "id": "evt_2", "type": kind, "data": { "object": { "id": id, "payment_status": status, "metadata": metadata } } })
}

#[test]
fn what_was_paid_holds_and_what_was_bought_is_credited_once() {
    let stage = Stage::with(CONFIG);
    let token = stage.post("/tokens", &json!({ "scopes": ["admin", "verify"] })).expect(201).json();
    let receiver = Receiver::start(&stage.server, token["token"].as_str().expect("a token"));
    let account = stage.account(json!({ "name": "Ada" }));
    let shown = || stage.get(&format!("/accounts/{account}")).expect(200).json();

    // Paid, and told twice.
    let until = now() + 30 * 86_400;
    for _ in 0..2 {
        assert_eq!(receiver.event(&invoice(&account, "pro", until), now()), 200);
        let shown = shown();
        assert_eq!((&shown["plan"], &shown["balance"]), (&json!("pro"), &json!(100)), "{shown}");
        assert!(!shown["plan_until"].is_null(), "{shown}");
    }

    // Bought; one purchase comes by two events.
    for kind in ["checkout.session.completed", "checkout.session.async_payment_succeeded"] {
        assert_eq!(receiver.event(&purchase("cs_1", &account, "5000", kind, "paid"), now()), 200);
        assert_eq!(shown()["balance"], 5100);
    }
    assert_eq!(receiver.event(&purchase("cs_2", &account, "7", "checkout.session.completed", "unpaid"), now()), 200);
    assert_eq!(shown()["balance"], 5100, "not paid yet");
    let history = stage.get(&format!("/accounts/{account}/balance")).expect(200).json();
    assert_eq!(history["data"][0]["reason"], "bought: cs_1", "{history}");
    assert_eq!(history["data"][0]["actor"], token["id"], "{history}");

    // The end.
    let ended =
        json!({ "id": "evt_3", "type": "customer.subscription.deleted", "data": { "object": { "metadata": { "account": account } } } });
    assert_eq!(receiver.event(&ended, now()), 200);
    let shown = shown();
    assert_eq!((&shown["plan"], &shown["plan_until"], &shown["balance"]), (&json!("free"), &Value::Null, &json!(5000)), "{shown}");
}

#[test]
fn what_is_not_signed_or_not_taken_is_not_acknowledged() {
    let stage = Stage::with(CONFIG);
    let token = stage.post("/tokens", &json!({ "scopes": ["admin", "verify"] })).expect(201).json();
    let receiver = Receiver::start(&stage.server, token["token"].as_str().expect("a token"));
    let account = stage.account(json!({ "name": "Ada" }));
    let event = purchase("cs_1", &account, "5000", "checkout.session.completed", "paid");
    let (body, at) = (event.to_string(), now());
    let signed = |text: &str, at: u64| format!("t={at},v1={}", hmac(SECRET, &format!("{at}.{text}")));
    let cases = [
        ("another body", signed("{}", at)),
        ("an old one", signed(&body, at - 3600)),
        ("from the future", signed(&body, at + 3600)),
        ("another secret", format!("t={at},v1={}", hmac("other", &format!("{at}.{body}")))),
        ("another scheme", signed(&body, at).replace("v1", "v0")),
        ("nothing", String::new()),
        ("letters", "t=x,v1=é".into()),
    ];
    for (name, signature) in cases {
        assert_eq!(receiver.send(&body, &signature), 400, "{name}");
    }
    let balance = || stage.get(&format!("/accounts/{account}")).expect(200).json()["balance"].clone();
    assert_eq!(balance(), 0);
    let unknown = purchase("cs_2", "acc_00000000000000000000000000", "5", "checkout.session.completed", "paid");
    assert_eq!(receiver.event(&unknown, now()), 500, "the provider comes again");
    assert_eq!(receiver.event(&json!({ "id": "evt_4", "type": "charge.refunded", "data": { "object": {} } }), now()), 200);
    // Once tollgate cannot be asked, nothing is acknowledged.
    let Stage { server, .. } = stage;
    server.stop();
    assert_eq!(receiver.event(&event, now()), 500);
}
