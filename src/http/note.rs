//! What is noted of the request under way: its id, which every line of the log about it carries, its own line, where such are wanted, and
//! when what is refused on a page is worth another try. It lies in the task, so that nobody has to hand it on.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use crate::domain::caller::Caller;
use crate::domain::decision::Decision;
use crate::domain::token::TokenRecord;
use crate::domain::verdict::Verdict;

tokio::task_local! {
    static NOTE: Note;
}

/// What is known of the request under way.
struct Note {
    request_id: String,
    line: RefCell<Option<Box<RequestLine>>>,
    retry_after: Cell<Option<u64>>,
}

/// Runs what is about a request: each line that is logged meanwhile carries its id.
pub async fn about<T>(request_id: String, line: Option<Box<RequestLine>>, doing: impl Future<Output = T>) -> T {
    NOTE.scope(Note { request_id, line: RefCell::new(line), retry_after: Cell::new(None) }, doing).await
}

/// The id of the request under way, where one is.
pub fn request_id(tell: impl FnOnce(&str)) {
    // Outside of any request there is none to tell.
    let _ = NOTE.try_with(|note| tell(&note.request_id));
}

/// Notes after how many seconds it is worth another try, where that is known.
pub fn retry_after(seconds: Option<u64>) {
    let _ = NOTE.try_with(|note| note.retry_after.set(seconds));
}

/// The same, as it was noted.
pub fn noted_retry_after() -> Option<u64> {
    NOTE.try_with(|note| note.retry_after.get()).ok().flatten()
}

/// Notes what was decided of it.
pub fn decided(decision: &Decision) {
    with_line(|line| (line.verdict, line.caller) = (Some(decision.verdict), decision.caller.clone()));
}

/// Notes what became of it after it had passed.
pub fn verdict(verdict: Verdict) {
    with_line(|line| line.verdict = Some(verdict));
}

/// Notes whose service token it carries.
pub fn token(token: &Arc<TokenRecord>) {
    with_line(|line| line.token = Some(token.clone()));
}

fn with_line(change: impl FnOnce(&mut RequestLine)) {
    let _ = NOTE.try_with(|note| note.line.borrow_mut().as_deref_mut().map(change));
}

/// Takes its line, to be written when its answer has gone out.
pub fn take_line() -> Option<Box<RequestLine>> {
    NOTE.try_with(|note| note.line.borrow_mut().take()).ok().flatten()
}

/// The line of one request: written when this goes, which is when its answer was sent, or nobody waits for it any more.
#[derive(Debug)]
pub struct RequestLine {
    request_id: String,
    began: Instant,
    method: String,
    path: String,
    /// Written also where nobody asked for more than `info`.
    is_wanted: bool,
    /// What was answered; `None`: nothing yet.
    pub status: Option<u16>,
    verdict: Option<Verdict>,
    caller: Option<Arc<Caller>>,
    token: Option<Arc<TokenRecord>>,
}

impl RequestLine {
    /// Of a request that has just come; `method` and `path` as a log may keep them.
    pub fn new(is_wanted: bool, request_id: &str, (method, path): (String, String)) -> Self {
        let (request_id, began) = (request_id.to_owned(), Instant::now());
        Self { request_id, began, method, path, is_wanted, status: None, verdict: None, caller: None, token: None }
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let Self { request_id, method, path, status, .. } = &*self;
        let caller = self.caller.as_deref();
        let account = caller.and_then(|caller| caller.account.as_ref()).map(|account| account.id.as_str());
        let key = caller.and_then(|caller| caller.key.as_ref()).map(|key| key.id.as_str());
        let user = caller.and_then(|caller| caller.user.as_ref()).map(|user| user.id);
        let token = self.token.as_ref().map(|token| token.id.as_str());
        let verdict = self.verdict.map(Verdict::name);
        let ms = self.began.elapsed().as_micros() as f64 / 1000.0;
        let what = if status.is_some() { "request" } else { "request, given up before it was answered" };
        if self.is_wanted {
            tracing::info!(request_id, method, path, status, verdict, account, key, user, token, ms, "{what}");
        } else {
            tracing::debug!(request_id, method, path, status, verdict, account, key, user, token, ms, "{what}");
        }
    }
}
