//! A list as CSV (RFC 4180), page after page while it is sent: the same rows, whole, as people open them in a spreadsheet.

use super::listing::{Cell, Listing, Row};
use crate::domain::error::Result as Outcome;
use crate::domain::time::Timestamp;
use crate::http::dashboard::download;
use crate::http::feed::Feed;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::http::rows::for_people;
use crate::service::{Page, PageAsk};

/// How many rows are read at once.
const ROWS: usize = 250;

/// All rows that a list was asked for. The audit tells of it before one goes out.
pub async fn send(mut call: Call, list: Listing) -> Result<Response, Unreadable> {
    let name = list.name.replace('/', "-");
    if let Some(head) = download::head(&call, &name)? {
        return Ok(head);
    }
    // What is refused is refused before the answer begins.
    let first = (list.read)(PageAsk { limit: ROWS, ..list.ask.clone() }).await?;
    let place = call.front.services.begin_list_export(list.name, &call.act()?).await?;
    let (feed, response) = download::begin(&name)?;
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = write(&mut call, &list, first, feed).await {
            tracing::error!(request_id = call.request_id, "an export ended early: {error}");
        }
    });
    Ok(response)
}

async fn write(call: &mut Call, list: &Listing, first: Page<Row>, feed: Feed) -> Outcome<()> {
    let (mut page, mut lines) = (first, header(list));
    loop {
        page.data.iter().for_each(|row| lines.push_str(&line(row)));
        // Where it fails nobody reads any more.
        let Ok(()) = feed.send_all(std::mem::take(&mut lines)).await else { return Ok(()) };
        let Some(cursor) = page.next_cursor else { break };
        if !download::goes_on(call, |actor| actor.user().is_some_and(|user| user.is_admin)).await {
            return Ok(());
        }
        page = (list.read)(PageAsk { limit: ROWS, cursor, ..list.ask.clone() }).await?;
    }
    feed.end();
    Ok(())
}

/// The columns, each by what follows the dot in the name of its text.
fn header(list: &Listing) -> String {
    let names = list.columns.iter().map(|name| name.rsplit('.').next().unwrap_or_default());
    format!("{}\r\n", names.collect::<Vec<_>>().join(","))
}

fn line(row: &Row) -> String {
    let cells: Vec<String> = row.cells.iter().map(written).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell. What we count is no formula; what people wrote could be one.
fn written(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) | Cell::Code(text) => for_people(text),
        Cell::Number(number) => number.to_string(),
        Cell::At(at) => at.map(Timestamp::rfc3339).unwrap_or_default(),
        Cell::Is(is_so) => is_so.to_string(),
        Cell::State(name) => (*name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written_and_holds_no_formula() {
        let at = Timestamp::parse("2026-04-01T12:00:00Z").unwrap();
        let cells = vec![
            Cell::Text("=cmd|' /C calc'!A0".into()),
            Cell::Text("a, \"b\"\r\nc".into()),
            Cell::Number(-5),
            Cell::At(Some(at)),
            Cell::At(None),
            Cell::State("active"),
            Cell::Text("\t+1".into()),
        ];
        let line = line(&Row::of("accounts", "acc_1", cells));
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let rows: Vec<Vec<String>> = reader.deserialize().map(|row| row.unwrap()).collect();
        assert_eq!(rows, [["'=cmd|' /C calc'!A0", "a, \"b\"\r\nc", "-5", "2026-04-01T12:00:00Z", "", "active", "'\t+1"]]);
    }
}
