//! A fake provider of OpenID Connect with real HTTP on a loopback port: it does as the standard says, but for the twists that a test
//! scripts. The unit tests of the exchange stand on the same one.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Map, Value, json};

/// What a client is registered as.
pub const CLIENT_ID: &str = "tollgate-at-the-provider";
pub const CLIENT_SECRET: &str = "a secret: with + signs / and %";

/// One key for RSA, made once: making one takes long.
const RSA_KEY: &str = include_str!("provider_test_key.txt");

/// How long it waits for a request that never comes whole.
const PATIENCE: Duration = Duration::from_secs(20);

/// In which way it does not do as it should.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Twist {
    #[default]
    None,
    /// Claims over the right ones; null takes one away.
    Claims(Value),
    /// Signed with a key of the same id that is not among its own.
    WrongKey,
    /// Signed with a key that is not among its own, under an id of its own.
    UnknownKey,
    /// Not signed at all, under this name for it.
    Unsigned(&'static str),
    /// HS256, with its public key for a secret.
    Hs256,
    /// HS256, with the client's own secret.
    Hs256OfClient,
    /// The header says so, where the signature is as it was.
    Header(Value),
    /// Signed with a key that the token brings along.
    OwnKey,
    /// The token is this.
    Token(&'static str),
    /// The token endpoint answers so.
    Answer(u16, &'static str),
    /// Every address but its document answers so late.
    Slow(Duration),
    /// Every request is hung up on.
    Dead,
    /// Every answer is this long.
    Huge(usize),
    /// Every answer is a redirect to itself.
    Redirect,
    /// Fields over the right ones of its document; null takes one away.
    Document(Value),
}

/// What a code was given for.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    pub redirect_uri: String,
    pub challenge: Option<String>,
    pub nonce: Option<String>,
}

/// Which algorithm it signs with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key of its own.
pub struct Key {
    id: String,
    pair: Pair,
}

impl Key {
    pub fn new(algorithm: Algorithm, id: &str) -> Self {
        let random = SystemRandom::new();
        let pair = match algorithm {
            Algorithm::Rs256 => {
                let der: String = RSA_KEY.lines().skip(1).collect();
                Pair::Rsa(RsaKeyPair::from_der(&STANDARD.decode(der).expect("the key is base64")).expect("the key is sound"))
            }
            Algorithm::Es256 => {
                let curve = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let der = EcdsaKeyPair::generate_pkcs8(curve, &random).expect("a key can be made");
                Pair::Ec(EcdsaKeyPair::from_pkcs8(curve, der.as_ref(), &random).expect("the key is sound"))
            }
            Algorithm::EdDsa => {
                let der = Ed25519KeyPair::generate_pkcs8(&random).expect("a key can be made");
                Pair::Ed(Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("the key is sound"))
            }
        };
        Self { id: id.into(), pair }
    }

    fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    fn public(&self) -> Value {
        let coded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": coded(&public.n), "e": coded(&public.e) })
            }
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": coded(&point[1..33]), "y": coded(&point[33..]) })
            }
            Pair::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": coded(pair.public_key().as_ref()) }),
        };
        (key["kid"], key["use"], key["alg"]) = (self.id.clone().into(), "sig".into(), self.algorithm().into());
        key
    }

    /// What somebody could take for a shared secret.
    fn public_bytes(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, text, &mut signed).expect("it can be signed");
                signed
            }
            Pair::Ec(pair) => pair.sign(&random, text).expect("it can be signed").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(text).as_ref().to_vec(),
        }
    }
}

/// What it does and has done.
pub struct State {
    pub twist: Twist,
    /// The person who is signed in there, as claims.
    pub person: Value,
    pub keys: Vec<Key>,
    /// `Cache-Control` of its document and keys.
    pub cache: &'static str,
    codes: HashMap<String, Grant>,
    given: usize,
    asked: Vec<String>,
    /// The last request to the token endpoint, head and body.
    pub last_exchange: (String, HashMap<String, String>),
}

/// The provider; its port ends with it.
pub struct FakeProvider {
    pub issuer: String,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl FakeProvider {
    /// One that signs with RS256.
    pub fn start() -> Self {
        Self::signing(Algorithm::Rs256)
    }

    pub fn signing(algorithm: Algorithm) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = Arc::new(Mutex::new(State {
            twist: Twist::None,
            person: json!({
                "sub": "248289761001", "name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true,
                "picture": "https://pictures.example.com/ada.jpg", "preferred_username": "ada",
            }),
            keys: vec![Key::new(algorithm, "first")],
            cache: "public, max-age=3600",
            codes: HashMap::new(),
            given: 0,
            asked: Vec::new(),
            last_exchange: Default::default(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let accepting = std::thread::spawn({
            let (issuer, state, stop) = (issuer.clone(), state.clone(), stop.clone());
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (issuer, state) = (issuer.clone(), state.clone());
                    std::thread::spawn(move || answer(stream.expect("it accepts"), &issuer, &state));
                }
            }
        });
        Self { issuer, state, stop, accepting: Some(accepting) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on it does so.
    pub fn twist(&self, twist: Twist) {
        self.state().twist = twist;
    }

    /// From now on these claims say who is signed in there.
    pub fn person(&self, person: Value) {
        self.state().person = person;
    }

    /// A code, as if somebody had signed in there.
    pub fn code(&self, grant: Grant) -> String {
        self.state().give(grant)
    }

    /// A code for an address, without a challenge and a nonce.
    pub fn code_for(&self, redirect_uri: &str) -> String {
        self.code(Grant { redirect_uri: redirect_uri.into(), ..Grant::default() })
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.state().asked.iter().filter(|asked| *asked == path).count()
    }

    /// Signs in at the address that a browser was sent to; where it is sent back to.
    pub fn authorize(&self, url: &str) -> String {
        let target = url.strip_prefix(&self.issuer).unwrap_or_else(|| panic!("{url} is an address of the provider"));
        let mut stream = TcpStream::connect(self.issuer.trim_start_matches("http://")).expect("it listens");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: provider\r\nConnection: close\r\n\r\n").expect("it can be asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let location = answer.lines().find_map(|line| line.strip_prefix("Location: "));
        location.unwrap_or_else(|| panic!("no redirect: {answer}")).to_owned()
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes it up.
        let _ = TcpStream::connect(self.issuer.trim_start_matches("http://"));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl State {
    fn give(&mut self, grant: Grant) -> String {
        self.given += 1;
        let code = format!("4/0AY-{}-{}", self.given, URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>()));
        self.codes.insert(code.clone(), grant);
        code
    }

    fn document(&self, issuer: &str) -> Value {
        let algorithms: Vec<&str> = self.keys.iter().map(Key::algorithm).collect();
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "claims_supported": ["sub", "email", "something_of_its_own"],
            "code_challenge_methods_supported": ["S256"],
        });
        if let Twist::Document(over) = &self.twist {
            lay_over(&mut document, over);
        }
        document
    }

    fn token(&self, issuer: &str, grant: &Grant) -> String {
        if let Twist::Token(token) = self.twist {
            return token.into();
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = self.person.clone();
        lay_over(&mut claims, &json!({ "iss": issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": grant.nonce }));
        if let Twist::Claims(over) = &self.twist {
            lay_over(&mut claims, over);
        }
        let key = self.keys.last().expect("it has a key");
        let mut header = json!({ "typ": "JWT", "alg": key.algorithm(), "kid": key.id });
        let other = |algorithm: &str| match algorithm {
            "EdDSA" => Key::new(Algorithm::EdDsa, "other"),
            // There is one RSA key, so the signature is broken below.
            _ => Key::new(Algorithm::Es256, "other"),
        };
        match &self.twist {
            Twist::UnknownKey => {
                let other = Key::new(Algorithm::Es256, "other");
                (header["kid"], header["alg"]) = ("other".into(), "ES256".into());
                return compact(&header, &claims, |text| other.sign(text));
            }
            Twist::WrongKey if key.algorithm() == "RS256" => {
                return compact(&header, &claims, |text| {
                    let mut signed = key.sign(text);
                    signed.reverse();
                    signed
                });
            }
            Twist::WrongKey => return compact(&header, &claims, |text| other(key.algorithm()).sign(text)),
            Twist::Unsigned(name) => {
                header["alg"] = (*name).into();
                return compact(&header, &claims, |_| Vec::new());
            }
            Twist::Hs256 | Twist::Hs256OfClient => {
                header["alg"] = "HS256".into();
                let secret = if self.twist == Twist::Hs256 { key.public_bytes() } else { CLIENT_SECRET.into() };
                let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
                return compact(&header, &claims, |text| ring::hmac::sign(&secret, text).as_ref().to_vec());
            }
            Twist::OwnKey => {
                let own = Key::new(Algorithm::Es256, "first");
                (header["alg"], header["jwk"], header["jku"]) = ("ES256".into(), own.public(), format!("{issuer}/other-keys").into());
                return compact(&header, &claims, |text| own.sign(text));
            }
            Twist::Header(over) => lay_over(&mut header, over),
            _ => {}
        }
        compact(&header, &claims, |text| key.sign(text))
    }

    /// The token endpoint: status and body.
    fn exchange(&mut self, issuer: &str, head: &str, form: &HashMap<String, String>) -> (u16, String) {
        self.last_exchange = (head.to_owned(), form.clone());
        let error = |name: &str| (400, json!({ "error": name, "error_description": "of the test" }).to_string());
        if let Twist::Answer(status, body) = self.twist {
            return (status, body.into());
        }
        let coded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", coded(CLIENT_ID), coded(CLIENT_SECRET))));
        let said = |name: &str| form.get(name).map(String::as_str);
        let is_basic =
            head.lines().any(|line| line.split_once(": ").is_some_and(|(name, value)| is(name, "authorization") && value == basic));
        let is_post = said("client_id") == Some(CLIENT_ID) && said("client_secret") == Some(CLIENT_SECRET);
        if is_basic == is_post {
            return error("invalid_client");
        }
        if said("grant_type") != Some("authorization_code") {
            return error("unsupported_grant_type");
        }
        // A code is good once.
        let Some(grant) = said("code").and_then(|code| self.codes.remove(code)) else { return error("invalid_grant") };
        let made =
            said("code_verifier").map(|verifier| URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes())));
        if said("redirect_uri") != Some(&grant.redirect_uri) || made != grant.challenge {
            return error("invalid_grant");
        }
        let token = self.token(issuer, &grant);
        let answer = json!({ "access_token": "nothing is done with it", "token_type": "Bearer", "expires_in": 300, "id_token": token });
        (200, answer.to_string())
    }
}

/// A name of a header, whatever its case.
fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

fn compact(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let coded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", coded(header), coded(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(text.as_bytes()));
    format!("{text}.{signature}")
}

/// Fields over others; null takes one away.
fn lay_over(value: &mut Value, over: &Value) {
    let (Some(fields), Some(over)) = (value.as_object_mut(), over.as_object()) else { panic!("objects") };
    for (name, value) in over {
        match value {
            Value::Null => drop::<Option<Value>>(Map::remove(fields, name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
}

fn answer(stream: TcpStream, issuer: &str, state: &Mutex<State>) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let mut reader = BufReader::new(stream.try_clone().expect("it can be read"));
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.is_empty() {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((_, value)) = line.split_once(": ").filter(|(name, _)| is(name, "content-length")) {
            length = value.trim().parse().expect("a length");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let form = |text: &[u8]| form_urlencoded::parse(text).into_owned().collect::<HashMap<String, String>>();
    state.lock().unwrap().asked.push(path.into());
    let twist = state.lock().unwrap().twist.clone();
    if twist == Twist::Dead {
        return;
    }
    if let (Twist::Slow(time), true) = (&twist, path != "/.well-known/openid-configuration") {
        std::thread::sleep(*time);
    }
    let mut state = state.lock().unwrap();
    let mut more = format!("Cache-Control: {}\r\n", state.cache);
    let (status, mut text) = match path {
        "/.well-known/openid-configuration" => (200, state.document(issuer).to_string()),
        "/keys" => (200, json!({ "keys": state.keys.iter().map(Key::public).collect::<Vec<_>>() }).to_string()),
        "/token" => state.exchange(issuer, &head, &form(&body)),
        "/authorize" => {
            let asked = form(query.as_bytes());
            let said = |name: &str| asked.get(name).cloned();
            let redirect_uri = said("redirect_uri").expect("it says where to go back to");
            assert_eq!(said("code_challenge_method"), said("code_challenge").map(|_| "S256".to_owned()));
            let grant = Grant { redirect_uri: redirect_uri.clone(), challenge: said("code_challenge"), nonce: said("nonce") };
            let code = state.give(grant);
            let mut back = form_urlencoded::Serializer::new(String::new());
            back.append_pair("code", &code).append_pair("iss", issuer);
            if let Some(state) = said("state") {
                back.append_pair("state", &state);
            }
            more.push_str(&format!("Location: {redirect_uri}?{}\r\n", back.finish()));
            (302, String::new())
        }
        _ => (404, String::new()),
    };
    let mut status = status;
    if let Twist::Huge(length) = twist {
        text = format!("{text}{}", " ".repeat(length));
    }
    if twist == Twist::Redirect {
        (status, text) = (307, String::new());
        more.push_str(&format!("Location: {issuer}{target}\r\n"));
    }
    drop(state);
    let mut stream = stream;
    // Whoever has hung up wants no answer.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
}
