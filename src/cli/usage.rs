//! `tollgate usage`: a row for each hour or day, a column for each verdict.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use serde_json::Value;

use super::Failure;
use super::args::UsageArgs;
use super::client::Client;
use super::output::{Output, rows};
use crate::config::Policy;
use crate::domain::verdict::Verdict;

pub async fn run(args: UsageArgs, policy: Arc<Policy>, output: &Output) -> Result<(), Failure> {
    let mut client = Client::open(policy).await?;
    let done = send(&mut client, &args, output).await;
    client.close().await;
    done
}

async fn send(client: &mut Client, args: &UsageArgs, output: &Output) -> Result<(), Failure> {
    let query = [
        ("account", args.account.as_deref()),
        ("key", args.key.as_deref()),
        ("by", args.by.as_deref()),
        ("of", args.of.as_deref()),
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
        ("verdict", args.verdict.as_deref()),
    ];
    if args.csv {
        return print_csv(client, &query).await;
    }
    let list = client.list("/usage", &query).await?;
    output.result(&list, || table(&list));
    Ok(())
}

async fn print_csv(client: &mut Client, query: &[(&str, Option<&str>)]) -> Result<(), Failure> {
    let mut ask = form_urlencoded::Serializer::new(String::new());
    ask.append_pair("format", "csv");
    ask.extend_pairs(query.iter().filter_map(|(name, value)| Some((name, (*value)?))));
    let mut answer = client.download(&format!("/usage?{}", ask.finish()), "text/csv").await?;
    while let Some(piece) = answer.next().await? {
        match std::io::stdout().write_all(&piece) {
            Ok(()) => {}
            // Whoever closed the pipe has read enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::Failed(format!("the answer cannot be written: {error}"))),
        }
    }
    Ok(())
}

/// A row for each start and whom it is about; the verdicts side by side, in the order in which they are found, `ok` first.
fn table(list: &Value) -> String {
    let data = list["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    if data.is_empty() {
        return "Nothing was counted then.".into();
    }
    let whose: Vec<&str> = ["account", "key"].into_iter().filter(|name| data.iter().any(|row| row.get(*name).is_some())).collect();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut lines: BTreeMap<Vec<String>, BTreeMap<String, u64>> = BTreeMap::new();
    for row in data {
        let line = [start(&row["start"])].into_iter().chain(whose.iter().map(|name| text(&row[*name]))).collect();
        lines.entry(line).or_default().insert(text(&row["verdict"]), row["count"].as_u64().unwrap_or(0));
    }
    let counted = |name: &str| lines.values().any(|counts| counts.contains_key(name));
    let verdicts: Vec<&str> = Verdict::ALL.iter().rev().map(|verdict| verdict.name()).filter(|name| counted(name)).collect();
    let titles = ["START (UTC)"].into_iter().chain(whose).chain(verdicts.iter().copied()).map(|name| match name {
        "account" | "key" => name.to_uppercase(),
        name => name.to_owned(),
    });
    let (titles, first_number) = (titles.collect::<Vec<_>>(), lines.keys().next().map_or(0, Vec::len));
    let line = |(line, counts): (&Vec<String>, &BTreeMap<String, u64>)| {
        let counts = verdicts.iter().map(|name| counts.get(*name).map_or_else(|| "-".to_owned(), u64::to_string));
        line.iter().cloned().chain(counts).collect()
    };
    rows(&titles, &lines.iter().map(line).collect::<Vec<_>>(), first_number)
}

/// `2026-11-21T00:00:00Z` as people read it: `2026-11-21 00:00`.
fn start(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim_end_matches(":00Z").replace('T', " ")
}
