//! Who a browser is: a cookie of the dashboard's own, and the token that its forms carry.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::HeaderMap;

use super::shell::{Shell, root};
use super::show::see;
use super::{failed, menu};
use crate::domain::act::Actor;
use crate::domain::error::Error;
use crate::domain::user::Role;
use crate::domain::verdict::Verdict;
use crate::http::cookies;
use crate::http::request::Call;
use crate::http::response::Response;
use crate::service::sign_in::SignedIn;

/// What the cookie is called.
const NAME: &str = "dashboard";

/// Lets in who is signed in and is this to their account, as an actor like any other; sends everybody else to sign in. Without a role it
/// is for their own, and the account is not looked at.
pub async fn admit(call: &Call, role: Option<Role>) -> Result<Actor, Response> {
    let actor = known(call, role).await?;
    menu::look(call, &actor).await;
    Ok(actor)
}

/// The same, where no page follows.
pub async fn known(call: &Call, role: Option<Role>) -> Result<Actor, Response> {
    let Some(token) = token(call) else { return Err(to_sign_in(call)) };
    let failed = |unreadable| failed(&Shell::of(call, ""), &call.request_id, unreadable);
    let visit = call.visit_from_anywhere().map_err(failed)?;
    let known = call.front.services.signed_in_by_page(&token, &visit).await;
    let Some(known) = known.map_err(|error| failed(error.into()))? else { return Err(to_sign_in(call)) };
    let caller = known.caller().clone();
    let user = caller.user.as_ref();
    let actor = Actor::User(caller.clone());
    let Some(role) = role else { return Ok(actor) };
    let may = user.is_some_and(|user| user.is_at_least(role));
    // Of an account that is switched off there is nothing to see; out of it one gets all the same.
    let refusal = match may {
        true if caller.refused_by_state(call.now).is_none() => return Ok(actor),
        true => Verdict::Disabled,
        false => Verdict::WrongScope,
    };
    let shell = Shell::seen_by(&actor, call, "");
    Err(super::failed(&shell, &call.request_id, Error::refused(refusal).into()))
}

/// Lets in who may administrate the whole server, and nobody else.
pub async fn admit_administrator(call: &Call) -> Result<Actor, Response> {
    let actor = admit(call, Some(Role::Member)).await?;
    if actor.user().is_some_and(|user| user.is_admin) {
        return Ok(actor);
    }
    let shell = Shell::seen_by(&actor, call, "");
    Err(super::failed(&shell, &call.request_id, Error::refused(Verdict::WrongScope).into()))
}

/// To the page on which one signs in, and back here afterwards. What a form sent is lost: it would be sent by somebody else.
fn to_sign_in(call: &Call) -> Response {
    let here = call.parts.uri.path_and_query().map(|here| here.as_str()).unwrap_or_default();
    let prefix = &*call.front.services.policy.server.prefix;
    let wanted = here.strip_prefix(prefix).filter(|_| call.parts.method == http::Method::GET).unwrap_or_default();
    let next = form_urlencoded::byte_serialize(wanted.trim_start_matches('/').as_bytes()).collect::<String>();
    let query = if next.is_empty() { String::new() } else { format!("?next={next}") };
    see(&format!("{}sign-in{query}", root(call))).unwrap_or_else(|unreadable| failed(&Shell::of(call, ""), &call.request_id, unreadable))
}

/// A page of the dashboard, seen from its start; nothing else is one.
fn own(wanted: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_/?=&.%+".contains(c);
    // What is written with % in a path may read as another one.
    let path = wanted.split('?').next().unwrap_or_default();
    let stays = !path.starts_with('/') && !path.contains("..") && !path.contains('%');
    let is_own = wanted.len() <= 500 && wanted.chars().all(is_plain) && stays;
    is_own.then_some(wanted)
}

/// Where somebody goes on after signing in: a page of the dashboard, and nowhere else.
pub fn place(call: &Call, wanted: &str) -> String {
    format!("{}{}", root(call), own(wanted).unwrap_or_default())
}

/// The same as browsers see it.
pub fn seen(call: &Call, wanted: &str) -> String {
    format!("{}/{}", cookies::path(call, &call.front.services.policy.server.prefix), own(wanted).unwrap_or_default())
}

/// Which page of the dashboard it is that browsers see there, seen from its start; what lies below it and is the sign-in's is none.
pub fn within<'p>(call: &Call, page: &'p str) -> Option<&'p str> {
    let policy = &call.front.services.policy;
    let below = |base: &str| page.strip_prefix(&cookies::path(call, base)).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let rest = below(&policy.server.prefix).filter(|_| below(&policy.sign_in.base_path).is_none())?;
    own(rest.strip_prefix('/').unwrap_or(rest))
}

/// Whoever has signed in is known from here on, to an app's own pages and to the dashboard.
pub async fn let_in(call: &Call, signed_in: &SignedIn, into: &mut HeaderMap) -> Result<(), Error> {
    let token = call.front.services.open_pages(&signed_in.session).await?;
    cookies::set(call, &signed_in.refresh_token, signed_in.refresh_for, into);
    // As long as the session may last: it is used up sooner where nobody comes.
    let seconds = call.front.services.policy.sign_in.session_lifetime.seconds_up();
    cookies::append(&built(call, token.expose().to_owned(), Duration::seconds(i64::try_from(seconds).unwrap_or(i64::MAX))), into);
    Ok(())
}

/// Takes it away.
pub fn clear(call: &Call, into: &mut HeaderMap) {
    cookies::append(&built(call, String::new(), Duration::ZERO), into);
}

fn built(call: &Call, value: String, max_age: Duration) -> Cookie<'static> {
    let path = cookies::path(call, &call.front.services.policy.server.prefix);
    // Lax: a link in a mail leads here, and whoever follows it is still signed in. No form of another site carries it.
    Cookie::build((NAME, value)).path(path).max_age(max_age).http_only(true).secure(true).same_site(SameSite::Lax).build()
}

/// What the cookie holds.
pub fn token(call: &Call) -> Option<String> {
    cookies::named(call, NAME)
}

/// What the forms of a session carry that is for an account.
pub fn form_token(call: &Call, session: &str, account: &str) -> String {
    call.front.services.sign_in.secret.form_token(session, account).expose().to_owned()
}
