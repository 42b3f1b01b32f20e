//! The second factor of the viewer: begun with a secret that is shown once, confirmed by a code, renewed, and taken away.

use askama::Template;
use http::StatusCode;

use super::file;
use crate::http::dashboard::form::{Form, Typed};
use crate::http::dashboard::qr::Qr;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::{page, see};
use crate::http::handlers::sign_in::second_factor::{read_both, read_code, read_password};
use crate::http::handlers::sign_in::session::user;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::service::sign_in::second_factor::Begun;

/// What stands in the forms of the page.
#[derive(Default)]
struct Forms {
    begin: Typed,
    renew: Typed,
    end: Typed,
}

#[derive(Template)]
#[template(path = "profile/second_factor.html")]
struct SecondFactorPage {
    s: Shell,
    is_on: bool,
    has_password: bool,
    forms: Forms,
}

/// `GET PREFIX/profile/second-factor`.
pub async fn show(call: Call) -> Result<Response, Unreadable> {
    shown(&call, StatusCode::OK, Forms::default()).await
}

async fn shown(call: &Call, status: StatusCode, forms: Forms) -> Result<Response, Unreadable> {
    let file = file(call).await?;
    let (is_on, has_password) = (file.has_second_factor, file.record.password.is_some());
    page(status, &SecondFactorPage { s: Shell::of(call, "profile"), is_on, has_password, forms })
}

#[derive(Template)]
#[template(path = "profile/second_factor_begun.html")]
struct BegunPage {
    s: Shell,
    /// After a wrong code the app knows it already; it is not shown again.
    begun: Option<(Begun, Option<Qr>)>,
    typed: Typed,
}

/// `POST PREFIX/profile/second-factor`: begins one, and shows its secret, once.
pub async fn begin(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let begun = match read_password(form.json(&["password"], &[])) {
        Ok(password) => call.front.services.begin_second_factor(user(&call)?, password, &visit).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, begun)? {
        Ok(begun) => {
            let drawn = Qr::of(&begun.url);
            let begun = Some((begun, drawn));
            page(StatusCode::OK, &BegunPage { s: Shell::of(&call, "profile"), begun, typed: Typed::default() })
        }
        Err((status, begin)) => shown(&call, status, Forms { begin, ..Forms::default() }).await,
    }
}

#[derive(Template)]
#[template(path = "profile/recovery_codes.html")]
struct CodesPage {
    s: Shell,
    codes: Vec<String>,
}

/// `POST PREFIX/profile/second-factor/confirm`: the first code; from here on it is asked for.
pub async fn confirm(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let confirmed = match read_code(form.json(&["code"], &[])) {
        Ok(code) => call.front.services.confirm_second_factor(user(&call)?, code, &visit).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, confirmed)? {
        Ok(codes) => page(StatusCode::OK, &CodesPage { s: Shell::of(&call, "profile"), codes }),
        Err((status, typed)) => page(status, &BegunPage { s: Shell::of(&call, "profile"), begun: None, typed }),
    }
}

/// `POST PREFIX/profile/second-factor/codes`: new recovery codes.
pub async fn renew(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let renewed = match read_both(form.json(&["password", "code"], &[])) {
        Ok((password, code)) => call.front.services.renew_recovery_codes(user(&call)?, password, code, &visit).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, renewed)? {
        Ok(codes) => page(StatusCode::OK, &CodesPage { s: Shell::of(&call, "profile"), codes }),
        Err((status, renew)) => shown(&call, status, Forms { renew, ..Forms::default() }).await,
    }
}

/// `POST PREFIX/profile/second-factor/end`.
pub async fn end(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    let visit = call.visit()?;
    let ended = match read_both(form.json(&["password", "code"], &[])) {
        Ok((password, code)) => call.front.services.end_second_factor(user(&call)?, password, code, &visit).await,
        Err(error) => Err(error),
    };
    match form.judged(&call, ended)? {
        Ok(()) => see(&format!("{}profile/second-factor?done=second_factor_ended", root(&call))),
        Err((status, end)) => shown(&call, status, Forms { end, ..Forms::default() }).await,
    }
}
