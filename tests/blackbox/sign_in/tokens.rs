//! Access tokens: what signs them, whose signatures count, and what no forger gets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::door::{AT_GATE, Door, Session, part, roomy};
use crate::support::{Folder, Reply};

const KEYS: [&str; 2] = [
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHr+y5oV/WzYqdBGuRBdSYRdIM5GcVZ2OUkVgqwVCBjt\n-----END PRIVATE KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEICaV2/E7LjEZT2zVhH1SyTuV6m1WWLHIE1Onfx2zZxYL\n-----END PRIVATE KEY-----\n",
];

/// EdDSA by these of the keys, the first of which signs.
fn eddsa(files: &[&str]) -> String {
    let files: Vec<String> = files.iter().map(|file| format!("{{ file = \"{file}\" }}")).collect();
    let keys = format!("[sign_in]\nalgorithm = \"EdDSA\"\nsigning_keys = [{}]\n", files.join(", "));
    AT_GATE.replacen("[sign_in]\n", &keys, 1)
}

fn folder(config: &str) -> Folder {
    let folder = Folder::with(&roomy(config));
    for (name, key) in ["old.pem", "new.pem"].iter().zip(KEYS) {
        std::fs::write(folder.path(name), key).unwrap();
    }
    folder
}

fn public_keys(door: &Door) -> Reply {
    door.stage.server.get("/auth/.well-known/jwks.json", "").expect(200)
}

fn ids(door: &Door) -> Vec<Value> {
    public_keys(door).json()["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

#[test]
fn a_shared_secret_has_no_public_half() {
    let door = Door::with(AT_GATE);
    let session = door.sign_in(&door.user("ada"));
    assert_eq!(part(&session.token, 0)["alg"], "HS256");
    let keys = public_keys(&door);
    assert_eq!(keys.json(), json!({ "keys": [] }));
    assert_eq!(keys.header("Content-Type").as_deref(), Some("application/jwk-set+json"));
    assert!(keys.header("Cache-Control").unwrap().contains("max-age="));
}

#[test]
fn keys_rotate_with_an_overlap_and_without_a_restart() {
    let door = Door::of(folder(&eddsa(&["old.pem"])));
    let user = door.user("ada");
    let old = door.sign_in(&user);
    let [of_old] = &ids(&door)[..] else { panic!("one key") };
    assert_eq!((&part(&old.token, 0)["alg"], &part(&old.token, 0)["kid"]), (&json!("EdDSA"), of_old));
    assert!(door.passes(&old.token));
    door.stage.folder.rewrite(&roomy(&eddsa(&["new.pem", "old.pem"])));
    assert!(door.stage.server.reload().contains("is in force"));
    let both = ids(&door);
    assert!(both.len() == 2 && both[1] == *of_old && both[0] != *of_old);
    assert!(!public_keys(&door).body.contains("\"d\""));
    let new = Session::of(&door.try_refresh(&old.cookie));
    assert_eq!(part(&new.token, 0)["kid"], both[0]);
    assert!(door.passes(&old.token) && door.passes(&new.token));
    door.stage.folder.rewrite(&roomy(&eddsa(&["new.pem"])));
    assert!(door.stage.server.reload().contains("is in force"));
    assert_eq!(ids(&door), both[..1]);
    assert!(!door.passes(&old.token) && door.passes(&new.token));
    // From one algorithm to the other: what was signed by the one counts no more, and the session goes on.
    door.stage.folder.rewrite(&roomy(AT_GATE));
    assert!(door.stage.server.reload().contains("is in force"));
    assert!(!door.passes(&new.token));
    assert!(door.passes(&Session::of(&door.try_refresh(&new.cookie)).token));
}

#[test]
fn the_servers_secret_rotates_with_an_overlap() {
    let with = |secrets: &str| AT_GATE.replacen("[sign_in]\n", &format!("[sign_in]\nsecret = [{secrets}]\n"), 1);
    let (old, new) = ("\"old-old-old-old-old-old-old-old-old-old\"", "\"new-new-new-new-new-new-new-new-new-new\"");
    let door = Door::with(&with(old));
    let first = door.sign_in(&door.user("ada"));
    for (secrets, counts) in [(format!("{new}, {old}"), true), (new.to_owned(), false)] {
        door.stage.folder.rewrite(&roomy(&with(&secrets)));
        assert!(door.stage.server.reload().contains("is in force"));
        assert_eq!(door.passes(&first.token), counts, "{secrets}");
    }
}

#[test]
fn what_is_no_key_is_told_at_the_start() {
    for (config, key, says) in [
        (eddsa(&["old.pem", "wrong.pem"]), "sign_in.signing_keys[1]", "openssl genpkey"),
        (eddsa(&["missing.pem"]), "sign_in.signing_keys[0]", "missing.pem"),
        (AT_GATE.replacen("[sign_in]\n", "[sign_in]\nalgorithm = \"EdDSA\"\n", 1), "sign_in.algorithm", "signing_keys"),
        (AT_GATE.replacen("[sign_in]\n", "[sign_in]\nalgorithm = \"RS256\"\n", 1), "sign_in.algorithm", "HS256 or EdDSA"),
        (eddsa(&["old.pem"]).replace("EdDSA", "HS256"), "sign_in.signing_keys", "EdDSA"),
    ] {
        let folder = folder(&config);
        std::fs::write(folder.path("wrong.pem"), KEYS[0].replace("PRIVATE", "PUBLIC")).unwrap();
        for command in ["validate", "serve"] {
            let output = folder.run(&[command]);
            let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(2), "{told}");
            assert!(told.contains(key) && told.contains(says) && !told.contains("MC4C"), "{told}");
        }
    }
}

/// A token of these parts, signed with HMAC-SHA256.
fn signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

/// Every way to change a token that was shown somewhere to work.
fn forged(token: &str, public: &Value) -> Vec<String> {
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let with = |alg: &str| {
        let mut header = part(token, 0);
        header["alg"] = alg.into();
        header
    };
    let encoded = |value: &Value| BASE64.encode(value.to_string());
    let mut other = part(token, 1);
    other["sub"] = "1".into();
    other["exp"] = 99_999_999_999_i64.into();
    let mut forged: Vec<String> = ["none", "None", "NONE", "nOnE"]
        .iter()
        .flat_map(|alg| {
            let header = encoded(&with(alg));
            [format!("{header}.{claims}."), format!("{header}.{claims}.{signature}"), format!("{header}.{}.", encoded(&other))]
        })
        .collect();
    forged.extend([
        format!("{header}.{}.{signature}", encoded(&other)),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{}", &signature[..signature.len() - 4]),
        format!("{header}..{signature}"),
        format!("{header}.{claims}.{signature}."),
        format!("{header}.{claims}"),
    ]);
    // The secret is empty, a usual one, or what everybody knows: the public key, in every way it is written down.
    let x = BASE64.decode(public["x"].as_str().unwrap_or_default()).unwrap();
    let secrets = [Vec::new(), b"secret".to_vec(), x.clone(), public["x"].to_string().into_bytes(), public.to_string().into_bytes()];
    for secret in secrets {
        forged.push(signed(&with("HS256"), &part(token, 1), &secret));
        let mut pointing = with("HS256");
        pointing["jwk"] = json!({ "kty": "oct", "k": BASE64.encode(&secret) });
        pointing["jku"] = "http://127.0.0.1:1/jwks.json".into();
        forged.push(signed(&pointing, &part(token, 1), &secret));
        pointing["kid"] = "../../../dev/null".into();
        forged.push(signed(&pointing, &part(token, 1), &secret));
    }
    forged
}

#[test]
fn no_forged_token_passes_anywhere() {
    for config in [AT_GATE.to_owned(), eddsa(&["old.pem"])] {
        let door = Door::of(folder(&config));
        let session = door.sign_in(&door.user("ada"));
        let public = public_keys(&door).json()["keys"][0].clone();
        assert!(door.passes(&session.token));
        for token in forged(&session.token, &public) {
            let gate = door.stage.server.get("/x", &token).expect(401).verdict();
            assert_eq!(gate, "unknown", "{token}");
            assert_eq!(door.verdict(&token), "unknown", "{token}");
            for (method, path) in [("GET", "/auth/sessions"), ("GET", "/user/me"), ("POST", "/auth/switch")] {
                door.ask(method, path, &token, None).expect(401);
            }
            door.stage.server.get("/auth/v1/users", &token).expect(401);
        }
        // Ours, a minute after it has ended.
        door.passes(&session.token);
    }
}
