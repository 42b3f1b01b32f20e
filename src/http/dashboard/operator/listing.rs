//! A list as people read it: columns, rows of cells, what it is searched by, and where the next page begins. It is shown as a page, and
//! its rows are exported as they stand there.

use std::fmt::Display;
use std::pin::Pin;

use askama::Template;
use http::StatusCode;

use crate::domain::application::ApplicationState;
use crate::domain::error::Result as Outcome;
use crate::domain::time::Timestamp;
use crate::http::dashboard::given;
use crate::http::dashboard::shell::Shell;
use crate::http::dashboard::show::page;
use crate::http::query::{PAGE, Query};
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::{Page, PageAsk};

/// How many rows a page shows.
const ROWS: usize = 24;

/// What stands in a cell.
pub enum Cell {
    /// Whatever people wrote, or a word.
    Text(String),
    /// An id, and what else is copied.
    Code(String),
    /// A whole number.
    Number(i64),
    /// An instant, where there is one.
    At(Option<Timestamp>),
    /// Whether something is so.
    Is(bool),
    /// How something stands, by its one name.
    State(&'static str),
}

impl Cell {
    /// A text that may not be there.
    pub fn maybe(text: Option<impl Into<String>>) -> Self {
        Self::Text(text.map(Into::into).unwrap_or_default())
    }
}

/// A row.
pub struct Row {
    /// What it is about.
    pub id: String,
    /// Where the page of that is, below `admin/`.
    pub page: Option<String>,
    /// In the order of the columns.
    pub cells: Vec<Cell>,
}

impl Row {
    /// That of something which has a page in this folder.
    pub fn of(folder: &str, id: impl Display, cells: Vec<Cell>) -> Self {
        Self { page: Some(format!("{folder}/{id}")), id: id.to_string(), cells }
    }
}

/// What a list is searched by.
pub struct Field {
    /// The parameter.
    pub name: &'static str,
    /// The name of its text.
    pub label: &'static str,
    /// What is typed into it.
    pub input: Input,
    /// What stands in it.
    pub value: String,
}

/// What is typed into a field.
pub enum Input {
    /// Any text.
    Text,
    /// A date.
    Date,
    /// One of these, by value and text; the first is for those who do not choose.
    Choice(Vec<(String, String)>),
}

/// The next rows, while they are read.
pub type Reading = Pin<Box<dyn Future<Output = Outcome<Page<Row>>> + Send>>;

/// A list.
pub struct Listing {
    /// Where it is, below `admin/`: also what its file and the audit call it.
    pub name: &'static str,
    /// Which entry of the menu it belongs to.
    pub tab: &'static str,
    /// The name of its title.
    pub title: &'static str,
    /// The names of its columns' titles; what follows the dot is what the export calls them.
    pub columns: Vec<&'static str>,
    /// Those that are exported, and not shown.
    pub unshown: Vec<&'static str>,
    /// What it is searched by.
    pub fields: Vec<Field>,
    /// The page where one more is made: below `admin/`, and the name of its text.
    pub make: Option<(&'static str, &'static str)>,
    /// What each row has a button for: where that is sent, below `admin/`, and the name of its text.
    pub button: Option<(&'static str, &'static str)>,
    /// Lists that belong together: where each is, and the name of its text.
    pub parts: Vec<(&'static str, &'static str)>,
    /// Which page.
    pub ask: PageAsk,
    /// Reads one.
    pub read: Box<dyn Fn(PageAsk) -> Reading + Send + Sync>,
}

impl Listing {
    /// One that is not searched, and where nothing is made.
    pub fn new(name: &'static str, tab: &'static str, title: &'static str, columns: Vec<&'static str>, ask: PageAsk) -> Self {
        let read = |_| -> Reading { Box::pin(async { Ok(Page { data: Vec::new(), next_cursor: None }) }) };
        let (fields, parts) = (Vec::new(), Vec::new());
        Self { name, tab, title, columns, unshown: Vec::new(), fields, make: None, button: None, parts, ask, read: Box::new(read) }
    }

    /// Where its rows come from, and how each is shown.
    pub fn rows<T, F>(
        mut self,
        ask: impl Fn(PageAsk) -> F + Send + Sync + 'static,
        row: impl Fn(&T) -> Row + Copy + Send + Sync + 'static,
    ) -> Self
    where
        T: 'static,
        F: Future<Output = Outcome<Page<T>>> + Send + 'static,
    {
        self.read = Box::new(move |wanted| {
            let page = ask(wanted);
            Box::pin(async move {
                let page = page.await?;
                Ok(Page { data: page.data.iter().map(row).collect(), next_cursor: page.next_cursor })
            })
        });
        self
    }

    /// Leaves columns to the export.
    pub fn without(mut self, unshown: Vec<&'static str>) -> Self {
        self.unshown = unshown;
        self
    }

    /// Adds what it is searched by; what was asked for stands in it.
    pub fn field(mut self, call: &Call, name: &'static str, label: &'static str, input: Input) -> Self {
        self.fields.push(Field { name, label, input, value: given(call, name).unwrap_or_default() });
        self
    }

    /// Adds the field that searches in all that people read.
    pub fn search(self, call: &Call) -> Self {
        self.field(call, "search", text("shell.search"), Input::Text)
    }

    /// The query that asks for the same, from a place on; empty where nothing is asked for.
    fn query(&self, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for field in self.fields.iter().filter(|field| !field.value.is_empty()) {
            query.append_pair(field.name, &field.value);
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        let query = query.finish();
        if query.is_empty() { query } else { format!("?{query}") }
    }

    /// Whether a page shows the column at this place.
    fn shows(&self, column: &usize) -> bool {
        self.columns.get(*column).is_some_and(|name| !self.unshown.contains(name))
    }

    /// What leads from its page to `admin/`.
    fn up(&self) -> String {
        "../".repeat(self.name.matches('/').count())
    }
}

/// The name of a text, where it is not shown yet.
pub const fn text(name: &'static str) -> &'static str {
    name
}

/// How a list is asked for, and its other parameters, still to be read. Fields that were left empty ask for nothing.
pub fn asked(call: &Call, is_cursor: impl FnOnce(&str) -> bool, filters: &[&str]) -> (PageAsk, Query) {
    let mut query = call.query(&[&PAGE[..], &["done"], filters].concat());
    query.leave_out_empty();
    query.bound();
    (query.page(is_cursor), query)
}

#[derive(Template)]
#[template(path = "admin_list.html")]
struct ListPage {
    s: Shell,
    list: Listing,
    rows: Vec<Row>,
    /// Where the next page is.
    next: Option<String>,
    up: String,
}

impl ListPage {
    /// Where the cell at this place leads: of what has a page, the first that is shown leads there.
    fn link<'r>(&self, row: &'r Row, column: &usize) -> Option<&'r str> {
        let first = (0..self.list.columns.len()).find(|column| self.list.shows(column));
        row.page.as_deref().filter(|_| first == Some(*column))
    }
}

impl Shell {
    /// How something stands, in words.
    pub fn state_of(&self, name: &str) -> &str {
        if let Some(state) = ApplicationState::from_name(name) {
            return self.application(&state);
        }
        match name {
            "active" => self.t("keys.active"),
            "revoked" => self.t("keys.revoked"),
            "expired" => self.t("keys.expired"),
            "disabled" => self.t("keys.disabled"),
            "waiting" => self.t("states.waiting"),
            "taken" => self.t("states.taken"),
            _ => self.t("states.given_up"),
        }
    }
}

/// The page of a list.
pub async fn show(call: &Call, list: Listing) -> Result<Response, Unreadable> {
    let found = (list.read)(PageAsk { limit: ROWS, ..list.ask.clone() }).await?;
    let next = found.next_cursor.as_deref().map(|cursor| list.query(Some(cursor)));
    let up = list.up();
    page(StatusCode::OK, &ListPage { s: Shell::of(call, list.tab), list, rows: found.data, next, up })
}
