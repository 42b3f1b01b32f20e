//! Codes are exchanged with a fake provider over real sockets, right ones and wrong ones.

#[path = "../../../tests/blackbox/support/provider.rs"]
#[allow(dead_code)]
mod fake;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::browser::is_local;
use super::*;
use crate::config::providers::Kind;
use crate::domain::identity::Proven;
use crate::domain::time::{Span, Timestamp};
use fake::{Algorithm, CLIENT_ID, CLIENT_SECRET, FakeProvider, Grant, Key, Twist};

const HERE: &str = "https://app.example.com/signed-in";

fn settings(issuer: &str, kind: Kind) -> Provider {
    Provider {
        kind,
        name: "house".into(),
        title: "House".into(),
        issuer: issuer.into(),
        client_id: CLIENT_ID.into(),
        client_secret: Some(CLIENT_SECRET.to_owned().into()),
        redirect_uris: vec![HERE.into(), "http://127.0.0.1:3000/cb?a=b".into(), "postmessage".into()],
        scopes: vec!["email".into(), "profile".into()],
        trusts_email: true,
        authorities: Vec::new(),
        allow_private: true,
    }
}

fn source(provider: &FakeProvider) -> Source {
    Source::new(settings(&provider.issuer, Kind::Other))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn exchange(source: &Source, code: String) -> Result<Proven, Failed> {
    source.exchange(Code { code, redirect_uri: HERE.into(), ..Code::default() }, Timestamp::now()).await
}

async fn signed_in(source: &Source, provider: &FakeProvider) -> Result<Proven, Failed> {
    exchange(source, provider.code_for(HERE)).await
}

fn verdict(result: &Result<Proven, Failed>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Failed::Fields(_)) => "bad_request",
        Err(Failed::Unknown(_)) => "unknown",
        Err(Failed::Unavailable(_)) => "unavailable",
        Err(Failed::NotConfigured(_)) => "not_configured",
        Err(Failed::Denied) => "denied",
    }
}

#[test]
fn whom_a_code_proves() {
    run(async {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            let provider = FakeProvider::signing(algorithm);
            let source = source(&provider);
            let proven = signed_in(&source, &provider).await.unwrap();
            assert_eq!((&*proven.provider, &*proven.subject, &*proven.method), (&*provider.issuer, "248289761001", "house"));
            let email = proven.email.unwrap();
            assert_eq!((&*email.address, email.verified), ("ada@example.com", true));
            assert_eq!((proven.name.as_deref(), &*proven.label), (Some("Ada Lovelace"), "ada@example.com"));
            assert_eq!(proven.picture.as_deref(), Some("https://pictures.example.com/ada.jpg"));
            // Its document and its keys are remembered.
            signed_in(&source, &provider).await.unwrap();
            for path in ["/.well-known/openid-configuration", "/keys"] {
                assert_eq!(provider.asked(path), 1, "{path}");
            }
        }
    });
}

#[test]
fn what_a_token_must_be() {
    let now = Timestamp::now().millis() / 1000;
    let claims = |claims: Value| Twist::Claims(claims);
    let cases: Vec<(Twist, &str)> = vec![
        (Twist::None, "ok"),
        (claims(json!({ "iss": "https://accounts.google.com" })), "unknown"),
        (claims(json!({ "iss": null })), "unknown"),
        (claims(json!({ "iss": 7 })), "unknown"),
        (claims(json!({ "aud": "another" })), "unknown"),
        (claims(json!({ "aud": [] })), "unknown"),
        (claims(json!({ "aud": null })), "unknown"),
        (claims(json!({ "aud": [CLIENT_ID] })), "ok"),
        (claims(json!({ "aud": [CLIENT_ID, "another"] })), "unknown"),
        (claims(json!({ "aud": [CLIENT_ID, "another"], "azp": CLIENT_ID })), "ok"),
        (claims(json!({ "aud": [CLIENT_ID, "another"], "azp": "another" })), "unknown"),
        (claims(json!({ "aud": ["another"], "azp": CLIENT_ID })), "unknown"),
        (claims(json!({ "azp": "another" })), "unknown"),
        (claims(json!({ "azp": CLIENT_ID })), "ok"),
        (claims(json!({ "exp": now - 1 })), "unknown"),
        (claims(json!({ "exp": null })), "unknown"),
        (claims(json!({ "exp": "never" })), "unknown"),
        (claims(json!({ "iat": now + 30 })), "ok"),
        (claims(json!({ "iat": now + 120 })), "unknown"),
        (claims(json!({ "iat": null })), "unknown"),
        (claims(json!({ "sub": null })), "unknown"),
        (claims(json!({ "sub": "" })), "unknown"),
        (claims(json!({ "sub": "x".repeat(256) })), "unknown"),
        (claims(json!({ "sub": "1\u{0}" })), "unknown"),
        // Nobody asked for a nonce.
        (claims(json!({ "nonce": "unasked" })), "ok"),
        (Twist::WrongKey, "unknown"),
        (Twist::UnknownKey, "unknown"),
        (Twist::Unsigned("none"), "unknown"),
        (Twist::Unsigned("None"), "unknown"),
        (Twist::Unsigned("RS256"), "unknown"),
        (Twist::Hs256, "unknown"),
        (Twist::Hs256OfClient, "unknown"),
        (Twist::OwnKey, "unknown"),
        (Twist::Header(json!({ "alg": "RS512" })), "unknown"),
        (Twist::Header(json!({ "alg": "PS256" })), "unknown"),
        (Twist::Header(json!({ "alg": "ES256" })), "unknown"),
        (Twist::Header(json!({ "alg": null })), "unknown"),
        (Twist::Header(json!({ "typ": "at+jwt" })), "unknown"),
        (Twist::Header(json!({ "crit": ["exp"] })), "unknown"),
        // There is one key alone.
        (Twist::Header(json!({ "kid": null })), "ok"),
        (Twist::Token(""), "unknown"),
        (Twist::Token("a.b"), "unknown"),
        (Twist::Token("e30.e30."), "unknown"),
    ];
    run(async {
        for (twist, expected) in cases {
            let provider = FakeProvider::start();
            provider.twist(twist.clone());
            let result = signed_in(&source(&provider), &provider).await;
            assert_eq!(verdict(&result), expected, "{twist:?}: {result:?}");
        }
        // With several keys it has to say which.
        let provider = FakeProvider::signing(Algorithm::EdDsa);
        provider.state().keys.push(Key::new(Algorithm::EdDsa, "second"));
        assert_eq!(verdict(&signed_in(&source(&provider), &provider).await), "ok");
        provider.twist(Twist::Header(json!({ "kid": null })));
        assert_eq!(verdict(&signed_in(&source(&provider), &provider).await), "unknown");
    });
}

#[test]
fn what_a_provider_answers() {
    let document = |over: Value| Twist::Document(over);
    let cases: Vec<(Twist, &str)> = vec![
        (Twist::Answer(400, r#"{"error":"invalid_grant"}"#), "unknown"),
        (Twist::Answer(401, r#"{"error":"invalid_client","error_description":"wrong secret"}"#), "unavailable"),
        (Twist::Answer(400, r#"{"error":"redirect_uri_mismatch"}"#), "unavailable"),
        (Twist::Answer(500, ""), "unavailable"),
        (Twist::Answer(503, "<html>"), "unavailable"),
        (Twist::Answer(200, ""), "unavailable"),
        (Twist::Answer(200, "garbage"), "unavailable"),
        (Twist::Answer(200, "[]"), "unavailable"),
        (Twist::Answer(200, r#"{"access_token":"x","token_type":"Bearer"}"#), "unavailable"),
        (Twist::Dead, "unavailable"),
        (Twist::Huge(70_000), "unavailable"),
        (Twist::Redirect, "unavailable"),
        (document(json!({ "issuer": "https://accounts.google.com" })), "unavailable"),
        (document(json!({ "token_endpoint": null })), "unavailable"),
        (document(json!({ "jwks_uri": null })), "unavailable"),
        (document(json!({ "jwks_uri": "file:///etc/passwd" })), "unavailable"),
        (document(json!({ "authorization_endpoint": "javascript:alert(1)" })), "unavailable"),
        (document(json!({ "id_token_signing_alg_values_supported": ["none", "HS256"] })), "unavailable"),
        (document(json!({ "id_token_signing_alg_values_supported": ["XS1", "RS256"] })), "ok"),
        (document(json!({ "id_token_signing_alg_values_supported": ["ES256"] })), "unknown"),
        (document(json!({ "token_endpoint_auth_methods_supported": null })), "ok"),
        (document(json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] })), "ok"),
        (document(json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] })), "unavailable"),
    ];
    run(async {
        for (twist, expected) in cases {
            let provider = FakeProvider::start();
            provider.twist(twist.clone());
            let result = signed_in(&source(&provider), &provider).await;
            assert_eq!(verdict(&result), expected, "{twist:?}: {result:?}");
        }
    });
}

#[test]
fn a_code_is_good_once_and_for_what_it_was_given() {
    let verifier = "v".repeat(43);
    let challenge = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM";
    let grant = |challenge: Option<&str>, nonce: Option<&str>| Grant {
        redirect_uri: HERE.into(),
        challenge: challenge.map(str::to_owned),
        nonce: nonce.map(str::to_owned),
    };
    let some = |text: &str| Some(text.to_owned());
    run(async {
        let provider = FakeProvider::start();
        let source = source(&provider);
        let code = provider.code_for(HERE);
        assert_eq!(verdict(&exchange(&source, code.clone()).await), "ok");
        assert_eq!(verdict(&exchange(&source, code).await), "unknown");
        for (grant, code_verifier, nonce, expected) in [
            (grant(Some(challenge), None), some(&verifier), None, "ok"),
            (grant(Some(challenge), None), None, None, "unknown"),
            (grant(Some(challenge), None), some(&"w".repeat(43)), None, "unknown"),
            (grant(None, None), some(&verifier), None, "unknown"),
            (grant(None, Some("n-1")), None, some("n-1"), "ok"),
            (grant(None, Some("n-1")), None, None, "ok"),
            (grant(None, Some("n-1")), None, some("n-2"), "unknown"),
            (grant(None, None), None, some("n-1"), "unknown"),
            (grant(None, None), some("short"), None, "bad_request"),
            (grant(None, None), some(&"ä".repeat(43)), None, "bad_request"),
            (grant(None, None), None, some(""), "bad_request"),
        ] {
            let code = Code { code: provider.code(grant.clone()), redirect_uri: HERE.into(), code_verifier, nonce };
            let result = source.exchange(code, Timestamp::now()).await;
            assert_eq!(verdict(&result), expected, "{grant:?}: {result:?}");
        }
    });
}

#[test]
fn only_the_addresses_that_are_set_up_letter_by_letter() {
    run(async {
        let provider = FakeProvider::start();
        let source = source(&provider);
        for address in [HERE, "http://127.0.0.1:3000/cb?a=b", "postmessage"] {
            let code = Code { code: provider.code_for(address), redirect_uri: address.into(), ..Code::default() };
            assert_eq!(verdict(&source.exchange(code, Timestamp::now()).await), "ok", "{address}");
        }
        let asked = provider.asked("/token");
        for address in [
            "",
            "https://app.example.com/signed-in/",
            "https://app.example.com/signed-in/more",
            "https://app.example.com/signed-in?x=1",
            "https://app.example.com/signed-in#x",
            "https://app.example.com/Signed-in",
            "HTTPS://app.example.com/signed-in",
            "https://APP.example.com/signed-in",
            "https://app.example.com:443/signed-in",
            "https://eve@app.example.com/signed-in",
            "https://app.example.com@evil.example/signed-in",
            "https://app.example.com.evil.example/signed-in",
            "https://app.example.com/../signed-in",
            "http://app.example.com/signed-in",
            " https://app.example.com/signed-in",
            "https://app.example.com/signed-in\n",
            &"x".repeat(5000),
        ] {
            let code = Code { code: provider.code_for(address), redirect_uri: address.into(), ..Code::default() };
            match source.exchange(code, Timestamp::now()).await {
                Err(Failed::Fields(faults)) => assert_eq!(faults[0].field, "redirect_uri", "{address}"),
                other => panic!("{address}: {other:?}"),
            }
        }
        // The provider was not even asked.
        assert_eq!(provider.asked("/token"), asked);
    });
}

#[test]
fn new_keys_are_found_and_not_sought_without_end() {
    run(async {
        let provider = FakeProvider::start();
        let source = source(&provider);
        assert_eq!(verdict(&signed_in(&source, &provider).await), "ok");
        provider.state().keys = vec![Key::new(Algorithm::Es256, "second")];
        // Which algorithms there are was said before.
        assert_eq!(verdict(&signed_in(&source, &provider).await), "unknown");
        let provider = FakeProvider::signing(Algorithm::EdDsa);
        let source = self::source(&provider);
        assert_eq!(verdict(&signed_in(&source, &provider).await), "ok");
        provider.state().keys.push(Key::new(Algorithm::EdDsa, "second"));
        assert_eq!(verdict(&signed_in(&source, &provider).await), "ok");
        assert_eq!(provider.asked("/keys"), 2);
        for _ in 0..3 {
            provider.state().keys = vec![Key::new(Algorithm::EdDsa, "third")];
            assert_eq!(verdict(&signed_in(&source, &provider).await), "unknown");
        }
        assert_eq!(provider.asked("/keys"), 2);
    });
}

#[test]
fn one_asks_for_all() {
    run(async {
        let provider = FakeProvider::start();
        let source = source(&provider);
        let all = (0..8).map(|_| signed_in(&source, &provider)).map(Box::pin);
        let mut all: Vec<_> = all.collect();
        let mut done = 0;
        std::future::poll_fn(|context| {
            all.retain_mut(|one| match one.as_mut().poll(context) {
                std::task::Poll::Ready(result) => {
                    assert_eq!(verdict(&result), "ok");
                    done += 1;
                    false
                }
                std::task::Poll::Pending => true,
            });
            if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        assert_eq!((done, provider.asked("/.well-known/openid-configuration"), provider.asked("/keys")), (8, 1, 1));
        // One that cannot be used is not asked again at once, and is later.
        let provider = FakeProvider::start();
        let source = self::source(&provider);
        provider.twist(Twist::Dead);
        for _ in 0..5 {
            assert_eq!(verdict(&signed_in(&source, &provider).await), "unavailable");
        }
        assert_eq!(provider.asked("/.well-known/openid-configuration"), 1);
    });
}

#[test]
fn a_slow_provider_is_not_waited_for() {
    run(async {
        let provider = FakeProvider::start();
        provider.twist(Twist::Slow(Duration::from_secs(30)));
        let begun = Instant::now();
        assert_eq!(verdict(&signed_in(&source(&provider), &provider).await), "unavailable");
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    });
}

#[test]
fn whose_word_on_an_address_counts() {
    run(async {
        for (kind, trusts_email, said, expected) in [
            (Kind::Other, true, json!(true), Some(true)),
            (Kind::Other, true, json!("true"), Some(true)),
            (Kind::Other, true, json!(false), Some(false)),
            (Kind::Other, true, Value::Null, Some(false)),
            (Kind::Other, false, json!(true), Some(false)),
            (Kind::Google, true, json!(true), Some(true)),
            (Kind::Google, true, json!(false), None),
            (Kind::Google, true, Value::Null, None),
        ] {
            let provider = FakeProvider::start();
            provider.twist(Twist::Claims(json!({ "email_verified": said })));
            let source = Source::new(Provider { trusts_email, ..settings(&provider.issuer, kind) });
            let proven = signed_in(&source, &provider).await.unwrap();
            assert_eq!(proven.email.map(|email| email.verified), expected, "{kind:?} {trusts_email} {said}");
        }
    });
}

#[test]
fn telegrams_id_is_that_of_its_widget() {
    run(async {
        for (id, subject) in [
            (json!(42), Some("42")),
            (json!("42"), Some("42")),
            (Value::Null, None),
            (json!("x"), None),
            (json!(-1), None),
            (json!(4.2), None),
        ] {
            let provider = FakeProvider::start();
            provider.person(json!({ "sub": "opaque", "id": id, "name": "Ada", "preferred_username": "ada" }));
            let source = Source::new(settings(&provider.issuer, Kind::Telegram));
            let result = signed_in(&source, &provider).await;
            match subject {
                Some(subject) => {
                    let proven = result.unwrap();
                    assert_eq!((&*proven.provider, &*proven.subject, &*proven.label), ("telegram", subject, "@ada"));
                }
                None => assert_eq!(verdict(&result), "unavailable", "{id}"),
            }
        }
    });
}

#[test]
fn one_that_is_not_set_up() {
    run(async {
        let provider = FakeProvider::start();
        let source = Source::new(Provider { client_secret: None, ..settings(&provider.issuer, Kind::Google) });
        assert_eq!(verdict(&signed_in(&source, &provider).await), "not_configured");
        assert!(matches!(source.begin(Aim::SignIn, HERE, "/", Timestamp::now()).await, Err(Failed::NotConfigured(_))));
        assert_eq!(provider.asked("/.well-known/openid-configuration"), 0);
    });
}

/// What stands in the query of an address.
fn query(url: &str) -> Returned {
    let mut returned = Returned::default();
    for (name, value) in form_urlencoded::parse(url.split_once('?').unwrap().1.as_bytes()) {
        let value = Some(value.into_owned());
        match &*name {
            "state" => returned.state = value,
            "code" => returned.code = value,
            "iss" => returned.iss = value,
            _ => {}
        }
    }
    returned
}

#[test]
fn a_browser_ends_what_it_began() {
    run(async {
        let provider = FakeProvider::start();
        let source = source(&provider);
        let now = Timestamp::now();
        let begun = source.begin(Aim::SignIn, HERE, "/auth/keys", now).await.unwrap();
        assert!(
            begun.url.starts_with(&format!("{}/authorize?response_type=code&client_id={CLIENT_ID}&", provider.issuer)),
            "{}",
            begun.url
        );
        for part in ["scope=openid+email+profile", "code_challenge_method=S256", "nonce=", "state="] {
            assert!(begun.url.contains(part), "{part}: {}", begun.url);
        }
        let back = provider.authorize(&begun.url);
        assert!(back.starts_with(&format!("{HERE}?code=")), "{back}");
        assert_eq!(begun.secrets.return_to(), "/auth/keys");
        // As it is kept.
        let kept = serde_json::to_vec(&begun.secrets).unwrap();
        let secrets = || serde_json::from_slice::<Secrets>(&kept).unwrap();
        let later = |seconds| now.plus(Span::from_secs(seconds));
        for (what, change, at) in [
            ("no state", Box::new(|back: &mut Returned| back.state = None) as Box<dyn Fn(&mut Returned)>, now),
            ("another state", Box::new(|back| back.state = Some("x".repeat(24))), now),
            ("another provider", Box::new(|back| back.iss = Some("https://evil.example".into())), now),
            ("refused", Box::new(|back| back.error = Some("server_error".into())), now),
            ("given up in another browser", Box::new(|back| (back.error, back.state) = (Some("access_denied".into()), None)), now),
            ("too late", Box::new(|_| ()), later(601)),
        ] {
            let mut returned = query(&back);
            change(&mut returned);
            assert_eq!(verdict(&source.finish(secrets(), returned, at).await), "unknown", "{what}");
        }
        let other = Source::new(Provider { name: "other".into(), ..settings(&provider.issuer, Kind::Other) });
        assert_eq!(verdict(&other.finish(secrets(), query(&back), now).await), "unknown");
        let given_up = Returned { error: Some("access_denied".into()), ..query(&back) };
        assert_eq!(verdict(&source.finish(secrets(), given_up, now).await), "denied");
        let no_code = Returned { code: None, ..query(&back) };
        assert_eq!(verdict(&source.finish(secrets(), no_code, now).await), "bad_request");
        assert_eq!(verdict(&source.finish(secrets(), query(&back), now).await), "ok");
        assert_eq!(verdict(&source.finish(secrets(), query(&back), now).await), "unknown");
        // A nonce that is not repeated.
        let begun = source.begin(Aim::SignIn, HERE, "/", now).await.unwrap();
        let back = provider.authorize(&begun.url);
        provider.twist(Twist::Claims(json!({ "nonce": null })));
        assert_eq!(verdict(&source.finish(begun.secrets, query(&back), now).await), "unknown");
        // Telegram repeats none; the challenge binds the code.
        let telegram = Source::new(settings(&provider.issuer, Kind::Telegram));
        for (nonce, expected) in [(Value::Null, "ok"), (json!("another"), "unknown")] {
            let begun = telegram.begin(Aim::SignIn, HERE, "/", now).await.unwrap();
            let back = provider.authorize(&begun.url);
            provider.twist(Twist::Claims(json!({ "nonce": nonce, "id": 42 })));
            assert_eq!(verdict(&telegram.finish(begun.secrets, query(&back), now).await), expected, "{nonce}");
        }
    });
}

#[test]
fn it_begins_only_where_it_may_come_back() {
    run(async {
        let provider = FakeProvider::start();
        let source = source(&provider);
        let now = Timestamp::now();
        assert!(matches!(source.begin(Aim::SignIn, "https://app.example.com/other", "/", now).await, Err(Failed::NotConfigured(_))));
        for page in ["", "keys", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/a b", "\t//evil.example"] {
            assert!(matches!(source.begin(Aim::SignIn, HERE, page, now).await, Err(Failed::Fields(_))), "{page:?}");
            assert!(!is_local(page), "{page:?}");
        }
        assert!(is_local("/") && is_local("/auth/keys?page=2") && is_local("/a//b"));
    });
}
