//! Styles compiled and filled by hand-made decisions.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::caller::Caller;
use crate::domain::decision::{Decision, Standing};
use crate::domain::limit::{Count, Limit, Per, Shape, Unit};
use crate::domain::plan::Plan;
use crate::domain::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_775_001_600_000);

fn limit(name: &str, requests: u64, per: &str) -> Limit {
    let per = Per::parse(per).unwrap();
    Limit {
        name: name.into(),
        slot: name.into(),
        requests,
        per,
        shape: Shape::default_for(per),
        count: Count::Address,
        unit: Unit::Requests,
        burst: None,
        observe: false,
    }
}

fn vocabulary() -> Vocabulary {
    Vocabulary { limits: vec![("day".into(), true), ("minute".into(), false)], is_whole: true, challenge: "Bearer".into() }
}

/// Somebody with two limits of which the first ran out.
fn refused(plan_title: &str) -> Decision {
    let limits = vec![limit("minute", 60, "minute"), limit("day", 1000, "day")];
    let plan = Plan {
        name: "vip".into(),
        title: plan_title.into(),
        api: true,
        unlimited: false,
        needs_balance: false,
        monthly_tokens: 0,
        review: false,
        limits,
    };
    let standing = |limit, remaining, exceeded, opens: i64| Standing {
        limit,
        is_drawn_on: true,
        remaining,
        reset: Timestamp::from_millis(NOW.millis() + 60_000),
        exceeded,
        opens: Timestamp::from_millis(NOW.millis() + opens),
    };
    Decision {
        caller: Some(Arc::new(Caller::anonymous(Arc::new(plan)))),
        standings: [standing(0, 0, true, 16_500), standing(1, 400, false, 0)].into_iter().collect(),
        deciding: Some(0),
        ..Decision::of_nobody(Verdict::RateLimited, NOW)
    }
}

fn compile(body: &str, headers: &[(&str, &str, bool)], answers: Vec<AnswerSource>) -> Result<Style, Vec<StyleFault>> {
    let headers =
        headers.iter().map(|(name, value, each)| HeaderSource { name: (*name).into(), value: (*value).into(), each_limit: *each });
    let source = StyleSource {
        content_type: "application/json".into(),
        body: body.into(),
        headers: headers.collect(),
        answers,
        sign_in: Vec::new(),
    };
    Style::compile(&source, &StyleSource::default(), &vocabulary())
}

fn rate_limited(body: &str) -> AnswerSource {
    AnswerSource { verdicts: vec![Verdict::RateLimited], status: Some(429), body: Some(body.into()), ..AnswerSource::default() }
}

#[test]
fn a_leaf_keeps_its_type_and_is_null_without_a_value() {
    let body = r#"{"n":"{limit.requests}","s":"{limit.name}","in":"{retry_after}","none":"{key.id}","scopes":"{key.scopes}","text":"in {retry_after} s","a":"{{x}}"}"#;
    let style = compile("{}", &[], vec![rate_limited(body)]).unwrap();
    let answer = style.answer(&refused("VIP"), "req_1");
    let expected = json!({"n": 60, "s": "minute", "in": 17, "none": null, "scopes": null, "text": "in 17 s", "a": "{x}"});
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
    assert_eq!(answer.status.as_u16(), 429);
}

#[test]
fn a_header_without_a_value_is_left_out_and_one_may_repeat_over_all_limits() {
    let headers = [
        ("X-Left", "{limit.remaining}", false),
        ("X-Day", "{day.remaining}/{day.requests}", false),
        ("X-Key", "{key.id}", false),
        ("X-All", "{limit.name}={limit.remaining}", true),
        ("X-At", "{limit.reset:rfc3339}", false),
    ];
    let style = compile("{}", &headers, Vec::new()).unwrap();
    let told = |decision: &Decision| {
        let answer = style.answer(decision, "req_1");
        let mut names: Vec<_> = answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        names.sort();
        names
    };
    let expected =
        ["content-type: application/json", "x-all: minute=0, day=400", "x-at: 2026-04-01T00:01:00Z", "x-day: 400/1000", "x-left: 0"];
    assert_eq!(told(&refused("VIP")), expected);
    assert_eq!(told(&Decision::of_nobody(Verdict::Missing, NOW)), ["content-type: application/json"]);
}

#[test]
fn later_answers_lie_over_earlier_ones_and_may_differ_by_limit() {
    let everywhere = AnswerSource {
        verdicts: vec![Verdict::RateLimited, Verdict::QuotaExceeded],
        status: Some(429),
        message: Some("too much".into()),
        ..AnswerSource::default()
    };
    let by_minute = AnswerSource {
        verdicts: vec![Verdict::RateLimited],
        limits: Some(vec!["minute".into()]),
        message: Some("{limit.requests} a minute on {plan_title}".into()),
        ..AnswerSource::default()
    };
    let style = compile(r#"{"m":"{message}"}"#, &[], vec![everywhere, by_minute]).unwrap();
    assert_eq!(&style.answer(&refused("VIP"), "").body[..], br#"{"m":"60 a minute on VIP"}"#);
    let mut by_day = refused("VIP");
    (by_day.verdict, by_day.deciding) = (Verdict::QuotaExceeded, Some(1));
    assert_eq!(&style.answer(&by_day, "").body[..], br#"{"m":"too much"}"#);
}

#[test]
fn faults_are_found_at_start() {
    let missing = |field: &str, text: &str| {
        let mut answer = AnswerSource { verdicts: vec![Verdict::Missing], status: Some(401), ..AnswerSource::default() };
        match field {
            "status" => answer.status = text.parse().ok(),
            "message" => answer.message = Some(text.into()),
            _ => answer.body = Some(text.into()),
        }
        answer
    };
    for (answer, key, told) in [
        (missing("body", r#"{"a":"{nope}"}"#), "answers[0].body", "no placeholder {nope}"),
        (missing("body", r#"{"a":"{limit.requets}"}"#), "answers[0].body", "did you mean {limit.requests}"),
        (missing("body", r#"{"a":"{retry_after}"}"#), "answers[0].body", "never has a value"),
        (missing("body", r#"{"a":"{key.name}"}"#), "answers[0].body", "never has a value"),
        (missing("body", "not json"), "answers[0].body", "no JSON"),
        (missing("body", ""), "answers[0].body", "no JSON"),
        (missing("body", r#"{"a":"{"}"#), "answers[0].body", "a single '{'"),
        (missing("message", "{message}"), "answers[0].message", "cannot hold {message}"),
        (missing("message", "{verdict:unix}"), "answers[0].message", "only times take a format"),
        (missing("status", "204"), "answers[0].status", "400 to 599"),
        (missing("status", "302"), "answers[0].status", "400 to 599"),
        (rate_limited(r#"{"a":"{limit.reset:iso}"}"#), "answers[0].body", "no format of times"),
    ] {
        let faults = compile("{}", &[], vec![answer]).unwrap_err();
        assert!(faults.iter().any(|fault| fault.key == key && fault.message.contains(told)), "{told}: {faults:?}");
    }
    for header in [("Content-Length", "1", false), ("a b", "1", false), ("X-A", "line\nbreak", false), ("X-A", "{nope}", false)] {
        assert!(compile("{}", &[header], Vec::new()).is_err(), "{header:?}");
    }
}

proptest! {
    #[test]
    fn no_value_breaks_out_of_its_place(title in ".{0,40}") {
        let style = compile("{}", &[("X-Plan", "{plan_title}", false)], vec![rate_limited(r#"{"a":"{plan_title}","b":"on {plan_title}!"}"#)]).unwrap();
        let answer = style.answer(&refused(&title), "req_1");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        prop_assert_eq!(&body, &json!({"a": title, "b": format!("on {title}!")}));
        prop_assert!(answer.headers.iter().all(|(_, value)| !value.as_bytes().contains(&b'\n')));
    }

    #[test]
    fn no_template_panics(text in ".{0,60}") {
        let _ = compile(&text, &[("X-A", &text, true)], Vec::new());
    }
}
