//! Carriers: each is read where the config lists it, and nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::FREE;
use crate::support::{Request, Stage};

/// A target, its headers, and the verdict. KEY and OTHER are two good keys; `<a:b>` is the base64 of it, `%KEY` the key with
/// every byte percent-encoded, LONG more than any key.
type Carried = (&'static str, &'static [(&'static str, &'static str)], &'static str);

fn filled(template: &str, key: &str, other: &str) -> String {
    let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let text = template.replace("%KEY", &encoded).replace("KEY", key).replace("OTHER", other).replace("LONG", &"x".repeat(600));
    match text.split_once('<').and_then(|(before, rest)| Some((before, rest.split_once('>')?))) {
        Some((before, (inner, after))) => format!("{before}{}{after}", STANDARD.encode(inner)),
        None => text,
    }
}

fn request_of((target, headers, _): &Carried, key: &str, other: &str) -> Request {
    let request = Request::get(&filled(target, key, other));
    headers.iter().fold(request, |request, (name, value)| request.header(name, &filled(value, key, other)))
}

/// Sends every row to a gate with these carriers.
#[track_caller]
fn assert_carried(carriers: &str, rows: &[Carried]) {
    let stage = Stage::with(&format!("[keys]\ncarriers = {carriers}\n{FREE}"));
    let (key, other) = (stage.raw_key("free"), stage.raw_key("free"));
    for row in rows {
        assert_eq!(stage.verdict(&request_of(row, &key, &other)), row.2, "{carriers} {row:?}");
    }
}

#[test]
fn a_bearer_key_is_read_from_the_authorization_header_alone() {
    assert_carried(
        r#"["bearer"]"#,
        &[
            ("/x", &[("Authorization", "Bearer KEY")], "ok"),
            ("/x", &[("authorization", "bearer KEY")], "ok"),
            ("/x", &[("Authorization", "BEARER KEY")], "ok"),
            ("/x", &[("Authorization", "Bearer KEY"), ("Authorization", "Bearer KEY")], "ok"),
            ("/x", &[], "missing"),
            ("/x", &[("api-key", "KEY")], "missing"),
            ("/x", &[("X-Api-Key", "KEY"), ("Cookie", "api_key=KEY")], "missing"),
            ("/x", &[("Authorization", "")], "malformed"),
            ("/x", &[("Authorization", "Bearer")], "malformed"),
            ("/x", &[("Authorization", "Bearer ")], "malformed"),
            ("/x", &[("Authorization", "KEY")], "malformed"),
            ("/x", &[("Authorization", "Token KEY")], "malformed"),
            ("/x", &[("Authorization", "BearerKEY")], "malformed"),
            ("/x", &[("Authorization", "Basic <KEY:>")], "malformed"),
            ("/x", &[("Authorization", "Bearer KEY OTHER")], "malformed"),
            ("/x", &[("Authorization", "Bearer KEY"), ("Authorization", "Bearer OTHER")], "malformed"),
            ("/x", &[("Authorization", "Bearer KEY"), ("Authorization", "Basic <a:b>")], "malformed"),
            ("/x", &[("Authorization", "Bearer LONG")], "malformed"),
            ("/x", &[("Authorization", "Bearer k\u{e9}y")], "malformed"),
            ("/x", &[("Authorization", "Bearer KEY,")], "unknown"),
            ("/x", &[("Authorization", "Bearer KEYx")], "unknown"),
            ("/x", &[("Authorization", "Bearer tg_live_")], "unknown"),
            ("/x", &[("Authorization", "Bearer tgs_LONG")], "malformed"),
            ("/x", &[("Authorization", "Bearer sk_live_51Hxyz")], "unknown"),
            ("/x?api_key=KEY", &[], "misplaced"),
        ],
    );
}

#[test]
fn a_key_in_a_header_of_its_own_is_read_from_there_alone() {
    assert_carried(
        r#"["header:api-key"]"#,
        &[
            ("/x", &[("api-key", "KEY")], "ok"),
            ("/x", &[("Api-Key", "KEY")], "ok"),
            ("/x", &[("api-key", "KEY"), ("Authorization", "Bearer OTHER")], "ok"),
            ("/x", &[("api-key", "KEY"), ("api-key", "KEY")], "ok"),
            ("/x", &[], "missing"),
            ("/x", &[("Authorization", "Bearer KEY")], "missing"),
            ("/x", &[("x-api-key", "KEY")], "missing"),
            ("/x", &[("api-key", "")], "malformed"),
            ("/x", &[("api-key", "KEY OTHER")], "malformed"),
            ("/x", &[("api-key", "KEY"), ("api-key", "OTHER")], "malformed"),
            ("/x", &[("api-key", "LONG")], "malformed"),
            ("/x", &[("api-key", "Bearer KEY")], "malformed"),
            ("/x", &[("api-key", "nonsense")], "unknown"),
            ("/x?api-key=KEY", &[], "misplaced"),
        ],
    );
}

#[test]
fn a_key_may_be_the_user_of_basic_credentials() {
    assert_carried(
        r#"["basic:user"]"#,
        &[
            ("/x", &[("Authorization", "Basic <KEY:>")], "ok"),
            ("/x", &[("Authorization", "basic <KEY:whatever:else>")], "ok"),
            ("/x", &[("Authorization", "Basic <nobody:KEY>")], "unknown"),
            ("/x", &[], "missing"),
            ("/x", &[("Authorization", "Basic <:KEY>")], "malformed"),
            ("/x", &[("Authorization", "Basic <KEY>")], "malformed"),
            ("/x", &[("Authorization", "Basic")], "malformed"),
            ("/x", &[("Authorization", "Basic not*base64")], "malformed"),
            ("/x", &[("Authorization", "Basic KEY")], "malformed"),
            ("/x", &[("Authorization", "Basic <KEY\u{7}:>")], "malformed"),
            ("/x", &[("Authorization", "Bearer KEY")], "malformed"),
        ],
    );
}

#[test]
fn a_key_may_be_the_password_of_basic_credentials() {
    assert_carried(
        r#"["basic:password"]"#,
        &[
            ("/x", &[("Authorization", "Basic <api:KEY>")], "ok"),
            ("/x", &[("Authorization", "Basic <:KEY>")], "ok"),
            ("/x", &[("Authorization", "Basic <KEY:nothing>")], "unknown"),
            ("/x", &[("Authorization", "Basic <KEY:>")], "malformed"),
            ("/x", &[("Authorization", "Bearer KEY")], "malformed"),
            ("/x", &[("api-key", "KEY")], "missing"),
        ],
    );
}

#[test]
fn a_key_may_have_a_scheme_of_its_own() {
    assert_carried(
        r#"["scheme:Bot"]"#,
        &[
            ("/x", &[("Authorization", "Bot KEY")], "ok"),
            ("/x", &[("Authorization", "bot KEY")], "ok"),
            ("/x", &[], "missing"),
            ("/x", &[("Authorization", "Bot")], "malformed"),
            ("/x", &[("Authorization", "Bots KEY")], "malformed"),
            ("/x", &[("Authorization", "Bearer KEY")], "malformed"),
            ("/x", &[("Authorization", "Bot KEY"), ("Authorization", "Bot OTHER")], "malformed"),
        ],
    );
}

#[test]
fn a_key_may_be_in_the_query_where_the_config_says_so() {
    assert_carried(
        r#"["query:api_key"]"#,
        &[
            ("/x?api_key=KEY", &[], "ok"),
            ("/x?a=1&api_key=KEY&b=2", &[], "ok"),
            ("/x?api_key=%KEY", &[], "ok"),
            ("/x?api%5Fkey=KEY", &[], "ok"),
            ("/x?api_key=KEY&api_key=KEY", &[], "ok"),
            ("/x", &[], "missing"),
            ("/x?Api_Key=nonsense", &[], "missing"),
            ("/x", &[("Authorization", "Bearer KEY")], "missing"),
            ("/x?api_key=", &[], "malformed"),
            ("/x?api_key", &[], "malformed"),
            ("/x?api_key=KEY&api_key=OTHER", &[], "malformed"),
            ("/x?api_key=KEY&api_key=", &[], "malformed"),
            ("/x?api_key=KEY%01", &[], "malformed"),
            ("/x?api_key=LONG", &[], "malformed"),
            ("/x?api_key=nonsense", &[], "unknown"),
            ("/x?key=KEY", &[], "misplaced"),
            ("/x?api_key=KEY&key=OTHER", &[], "misplaced"),
            ("/x?API_KEY=KEY", &[], "misplaced"),
        ],
    );
}

#[test]
fn of_several_carriers_each_is_read_and_two_that_differ_refuse() {
    assert_carried(
        r#"["header:api-key", "bearer", "basic:password", "query:k"]"#,
        &[
            ("/x", &[("api-key", "KEY")], "ok"),
            ("/x", &[("Authorization", "Bearer KEY")], "ok"),
            ("/x", &[("Authorization", "Basic <x:KEY>")], "ok"),
            ("/x?k=KEY", &[], "ok"),
            ("/x?k=KEY", &[("api-key", "KEY"), ("Authorization", "Bearer KEY")], "ok"),
            ("/x", &[], "missing"),
            ("/x", &[("api-key", "KEY"), ("Authorization", "Bearer OTHER")], "malformed"),
            ("/x?k=OTHER", &[("api-key", "KEY")], "malformed"),
            ("/x", &[("api-key", "KEY"), ("Authorization", "Digest x")], "malformed"),
            ("/x", &[("api-key", ""), ("Authorization", "Bearer KEY")], "malformed"),
            ("/x", &[("api-key", "nonsense"), ("Authorization", "Bearer KEY")], "malformed"),
        ],
    );
}

#[test]
fn both_halves_of_basic_credentials_may_be_carriers() {
    assert_carried(
        r#"["basic:user", "basic:password"]"#,
        &[
            ("/x", &[("Authorization", "Basic <KEY:>")], "ok"),
            ("/x", &[("Authorization", "Basic <:KEY>")], "ok"),
            ("/x", &[("Authorization", "Basic <KEY:KEY>")], "ok"),
            ("/x", &[("Authorization", "Basic <KEY:OTHER>")], "malformed"),
            ("/x", &[("Authorization", "Basic <:>")], "malformed"),
        ],
    );
}
