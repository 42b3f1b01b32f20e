//! The one function that every request goes through: to tollgate's own paths by their table, to the gate with every other.

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use tracing::Level;

use super::cors::{self, is_preflight};
use super::dashboard;
use super::endpoints::{self, Access, Below, Endpoint, Matched, Part};
use super::front::Front;
use super::handlers::gate;
use super::note::{self, RequestLine};
use super::peer::Peer;
use super::request::{Body, Call, Unreadable, request_id};
use super::response::{self, NoSignIn, Response};
use super::telling;
use crate::domain::act::Actor;
use crate::domain::error::{Error, FieldFault};
use crate::domain::path::normalise;
use crate::domain::refusal::{By, Refusal};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenScope;
use crate::domain::user::Role;
use crate::domain::verdict::Verdict;
use crate::service::Services;

/// How many wrong fields one answer names.
const MOST_FAULTS: usize = 100;

/// Answers one request: tollgate's own paths by their table, every other path by the gate.
pub async fn handle(front: &Arc<Front>, request: Request<Body>, peer: Peer) -> Response {
    let (now, services) = (Timestamp::now(), &front.services);
    let (parts, body) = request.into_parts();
    let request_id = request_id(peer, &parts.headers, services, now);
    // Counted, not copied.
    let uri = parts.uri.clone();
    let origin = front.cors.as_ref().and_then(|_| cors::origin(&parts.headers).cloned());
    let line = line(services, &request_id, &parts.method, uri.path());
    let call = Call {
        front: front.clone(),
        parts,
        body,
        peer,
        actor: Actor::Nobody,
        request_id: request_id.clone(),
        now,
        id: String::new(),
        second_id: String::new(),
    };
    note::about(request_id, line, async {
        let mut response = route(call, uri.path()).await;
        if let Some(cors) = &front.cors {
            cors.tell(origin.as_ref(), is_without_cookies(services, uri.path()), response.headers_mut());
        }
        note::request_id(|id| response::name(id, response.headers_mut()));
        if let Some(mut line) = note::take_line() {
            line.status = Some(response.status().as_u16());
            response.body_mut().end_with(line);
        }
        response
    })
    .await
}

/// The request's own line in the log, where such are wanted.
fn line(services: &Services, request_id: &str, method: &Method, path: &str) -> Option<Box<RequestLine>> {
    let is_wanted = services.policy.log.requests;
    let is_written = (is_wanted && tracing::enabled!(Level::INFO)) || tracing::enabled!(Level::DEBUG);
    is_written.then(|| Box::new(RequestLine::new(is_wanted, request_id, without_secrets(services, method, path))))
}

/// A method and path as a log may keep them: what holds a key or token is left out.
fn without_secrets(services: &Services, method: &Method, path: &str) -> (String, String) {
    let discreet = |text: &str| if services.policy.resembles_secret(text) { "…".to_owned() } else { text.to_owned() };
    let path = normalise(path)
        .map_or_else(|_| "(a path that reads in two ways)".into(), |path| path.split('/').map(discreet).collect::<Vec<_>>().join("/"));
    (discreet(method.as_str()), path)
}

/// An error that repeats no secret that somebody wrote into the wrong place.
fn discreet(services: &Services, error: Error) -> Error {
    let Error::Invalid(faults) = error else { return error };
    let told = |text: String, instead: &str| if services.policy.holds_secret(&text) { instead.to_owned() } else { text };
    let faults = faults.into_iter().take(MOST_FAULTS).map(|fault| FieldFault {
        field: told(fault.field, "…"),
        message: told(fault.message, "holds a raw key or token, which is not repeated here"),
    });
    Error::Invalid(faults.collect())
}

async fn route(call: Call, path: &str) -> Response {
    let Ok(normal) = normalise(path) else { return gate::gate(call).await };
    // At the control socket there is nothing else, whatever the prefix was when the command line read its config.
    let own =
        if call.peer == Peer::Control { Below { prefix: Some(&normal), sign_in: None } } else { below(&call.front.services, &normal) };
    if own.prefix.is_none() && !own.is_of_sign_in() {
        return gate::gate(call).await;
    }
    let services = call.front.services.clone();
    let (request_id, method) = (call.request_id.clone(), call.parts.method.clone());
    let matched = endpoints::find(&method, own, call.peer == Peer::Control);
    let (is_of_sign_in, shell) = (matched.is_of_sign_in(), shell(&call, own, &matched));
    if matched.streams() {
        return own_answer(call, matched, shell.as_ref()).await;
    }
    let patience = services.policy.server.request_timeout.as_duration();
    let answered = tokio::time::timeout(patience, own_answer(call, matched, shell.as_ref())).await;
    answered.unwrap_or_else(|_| {
        let (method, path) = without_secrets(&services, &method, path);
        tracing::error!(request_id, "{method} {path} took too long");
        if let Some(shell) = &shell {
            return dashboard::too_slow(shell, &request_id);
        }
        if is_of_sign_in {
            return telling::told(&Refusal::of(Verdict::Unavailable), &services, &request_id);
        }
        response::problem(StatusCode::SERVICE_UNAVAILABLE, "This took too long. Try again.", Vec::new(), &request_id)
    })
}

/// What is told on a page in place of what was asked for: to browsers, where people open pages. Of nobody, as nobody was let in yet.
fn shell(call: &Call, own: Below<'_>, matched: &Matched) -> Option<dashboard::Shell> {
    let is_page = own.is_of_pages() || matched.is_link();
    (is_page && call.front.services.policy.sign_in.enabled && call.wants_page()).then(|| dashboard::Shell::discreet(call))
}

/// What one of tollgate's own paths answers.
async fn own_answer(mut call: Call, matched: Matched, shell: Option<&dashboard::Shell>) -> Response {
    let (request_id, services) = (call.request_id.clone(), call.front.services.clone());
    let _timer = services.metrics.time(matched.kind());
    let (endpoint, ids) = match matched {
        Matched::Endpoint(endpoint, ids) => (endpoint, ids),
        Matched::WrongMethod(methods, part) => {
            let cors = call.front.cors.as_ref().filter(|_| is_preflight(call.parts.method.as_str(), &call.parts.headers));
            return cors.map_or_else(|| wrong_method(&call, &methods, part, shell), |cors| cors.answer_preflight(&call.parts.headers));
        }
        Matched::Nothing => {
            return shell.map_or_else(|| response::nothing_here(&request_id), |s| dashboard::nothing_here(s, &request_id));
        }
    };
    call.actor = match admit(&call, endpoint.access).await {
        Ok(actor) => actor,
        Err(refusal) => return refusal,
    };
    if let Some(refusal) = too_many_changes(&call, endpoint) {
        return refusal;
    }
    [call.id, call.second_id] = ids;
    // What goes wrong on a page is told on one; on that of a link, to browsers.
    let own = (endpoint.part == Part::Dashboard && !endpoint.is_link()).then(|| dashboard::Shell::of(&call, ""));
    let shell = own.as_ref().or(shell.filter(|_| endpoint.is_link()));
    let answered = (endpoint.handler)(call).await;
    if endpoint.signs_in() {
        sign_in_verdict(&answered).into_iter().for_each(|verdict| services.metrics.signed_in(verdict));
    }
    let Some(shell) = shell else {
        return answered.unwrap_or_else(|unreadable| unanswered(without_secret(&services, unreadable), endpoint, &services, &request_id));
    };
    let failed = |unreadable| dashboard::failed(shell, &request_id, without_secret(&services, unreadable));
    let mut response = answered.unwrap_or_else(failed);
    shell.name_language(&mut response);
    response::retry_after(note::noted_retry_after(), &mut response);
    response
}

/// What became of somebody who came to sign in; `None` where nobody did.
fn sign_in_verdict(answered: &Result<Response, Unreadable>) -> Option<Verdict> {
    Some(match answered {
        Ok(response) if response.extensions().get::<NoSignIn>().is_some() => return None,
        Ok(response) => response.extensions().get().copied().unwrap_or(Verdict::Ok),
        Err(Unreadable::Error(Error::Refused(refusal))) => refusal.verdict,
        Err(Unreadable::Error(Error::Unavailable(_))) => Verdict::Unavailable,
        Err(Unreadable::Error(Error::Internal(_))) => Verdict::Internal,
        Err(_) => Verdict::BadRequest,
    })
}

/// The same error, repeating no secret.
fn without_secret(services: &Services, unreadable: Unreadable) -> Unreadable {
    match unreadable {
        Unreadable::Error(error) => Unreadable::Error(discreet(services, error)),
        other => other,
    }
}

/// What is told where a handler has no answer of its own.
fn unanswered(unreadable: Unreadable, endpoint: &Endpoint, services: &Services, request_id: &str) -> Response {
    let problem = |status, detail: &str| response::problem(status, detail, Vec::new(), request_id);
    match telling::refusal(unreadable, endpoint) {
        Ok(refusal) => telling::told(&refusal, services, request_id),
        Err(Unreadable::Error(error)) => response::failed(&error, request_id),
        Err(Unreadable::Bad(detail)) => problem(StatusCode::BAD_REQUEST, &detail),
        Err(Unreadable::TooSlow) => problem(StatusCode::REQUEST_TIMEOUT, telling::TOO_SLOW),
        Err(Unreadable::TooLarge) => {
            problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("The body is over {} bytes.", services.policy.server.max_body_bytes))
        }
        Err(Unreadable::WrongType) => problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, telling::WRONG_TYPE),
    }
}

/// Whether a path is one of tollgate's own that no page of another origin asks for with cookies: all but the sign-in's. The dashboard's
/// cookie is for its own pages.
fn is_without_cookies(services: &Services, path: &str) -> bool {
    normalise(path).is_ok_and(|path| {
        let below = below(services, &path);
        below.prefix.is_some() && !below.is_of_sign_in()
    })
}

/// Whether a path is one of tollgate's own. One that can be read in two ways is the gate's to refuse.
pub fn owns(services: &Services, path: &str) -> bool {
    normalise(path).is_ok_and(|path| {
        let below = below(services, &path);
        below.prefix.is_some() || below.is_of_sign_in()
    })
}

/// What of a path lies below the prefix, and below the sign-in's base path.
fn below<'p>(services: &Services, path: &'p str) -> Below<'p> {
    let rest = |base: &str| path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let sign_in = &services.policy.sign_in;
    Below { prefix: rest(&services.policy.server.prefix), sign_in: rest(&sign_in.base_path).filter(|_| sign_in.enabled) }
}

/// What a path answers that knows other methods, as its part tells it.
fn wrong_method(call: &Call, methods: &[&str], part: Part, shell: Option<&dashboard::Shell>) -> Response {
    let (status, allowed) = (StatusCode::METHOD_NOT_ALLOWED, methods.join(", "));
    let detail = format!("This path knows {allowed}.");
    let mut response = match (part, shell) {
        (Part::SignIn, _) => telling::told(&Refusal::request(status.as_u16(), detail), &call.front.services, &call.request_id),
        (_, Some(shell)) => dashboard::wrong_method(shell, &call.request_id),
        (_, None) => response::problem(status, &detail, Vec::new(), &call.request_id),
    };
    if let Ok(allowed) = allowed.parse() {
        response.headers_mut().insert(http::header::ALLOW, allowed);
    }
    response
}

/// Who calls, where that one may go on to the handler.
async fn admit(call: &Call, access: Access) -> Result<Actor, Response> {
    let scope = match access {
        _ if call.peer == Peer::Control => return Ok(Actor::Operator),
        Access::Anyone => return Ok(Actor::Nobody),
        Access::Visitor if call.front.services.policy.sign_in.enabled => return Ok(Actor::Nobody),
        Access::Visitor => return Err(response::nothing_here(&call.request_id)),
        Access::Operator => return Err(response::nothing_here(&call.request_id)),
        // Who they are: an account that is switched off is looked at where something is done in it.
        Access::User => return admit_user(call, false).await,
        Access::Page(role) if call.front.services.policy.sign_in.enabled => return dashboard::admit(call, Some(role)).await,
        Access::OwnPage if call.front.services.policy.sign_in.enabled => return dashboard::admit(call, None).await,
        Access::AdminPage if call.front.services.policy.sign_in.enabled => return dashboard::admit_administrator(call).await,
        Access::Page(_) | Access::OwnPage | Access::AdminPage => return Err(response::nothing_here(&call.request_id)),
        Access::Shared(_) => TokenScope::Admin,
        Access::Token(scope) | Access::Unbound(scope) => scope,
    };
    let challenged = |status, detail: &str, challenge: &str| {
        let mut response = response::problem(status, detail, Vec::new(), &call.request_id);
        if let Ok(challenge) = challenge.parse() {
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        response
    };
    let Some(raw) = call.bearer() else {
        return Err(challenged(StatusCode::UNAUTHORIZED, "Send a service token: Authorization: Bearer tgs_…", "Bearer"));
    };
    if scope == TokenScope::Admin && call.front.services.is_access_token(raw) {
        let user = admit_user(call, true).await?;
        let role = if let Access::Shared(role) = access { Some(role) } else { None };
        return if may(&user, role) {
            Ok(user)
        } else {
            let error = Error::Forbidden("Your part in this account does not let you do this.".into());
            Err(response::failed(&error, &call.request_id))
        };
    }
    match call.front.services.token(raw, call.now).await {
        Ok(Some(token)) if token.scopes.contains(&scope) => {
            note::token(&token);
            if access == Access::Unbound(scope) && token.account.is_some() {
                let error = Error::Forbidden("This service token is bound to one account, and this is of the whole server.".into());
                return Err(response::failed(&error, &call.request_id));
            }
            Ok(Actor::Token(token))
        }
        Ok(Some(token)) => {
            note::token(&token);
            let needed = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scope.name());
            Err(challenged(StatusCode::FORBIDDEN, &format!("This service token lacks the scope '{}'.", scope.name()), &needed))
        }
        Ok(None) => Err(challenged(StatusCode::UNAUTHORIZED, "This service token is not valid.", "Bearer error=\"invalid_token\"")),
        Err(error) => Err(response::failed(&error, &call.request_id)),
    }
}

/// A user with an access token; where it is asked for, one whose account is not switched off.
async fn admit_user(call: &Call, needs_account: bool) -> Result<Actor, Response> {
    let services = &call.front.services;
    let refused = |verdict| telling::told(&Refusal::of(verdict).by(By::Session), services, &call.request_id);
    let Some(raw) = call.bearer() else { return Err(refused(Verdict::Missing)) };
    match services.signed_in(raw, call.now).await {
        Ok(Some(known)) if !needs_account || known.caller().refused_by_state(call.now).is_none() => Ok(Actor::User(known.caller().clone())),
        Ok(Some(_)) => Err(refused(Verdict::Disabled)),
        Ok(None) => Err(refused(Verdict::Unknown)),
        Err(error) => {
            tracing::error!(request_id = call.request_id, "an access token could not be looked up: {error}");
            Err(refused(Verdict::Unavailable))
        }
    }
}

/// Counts what a user changes, or tries to, with an access token: nobody writes without end. Answers a refusal where it is too much. What
/// is the operator's is not counted.
fn too_many_changes(call: &Call, endpoint: &Endpoint) -> Option<Response> {
    // Whoever has stolen an access token uses up nothing by which its owner shuts them out.
    if endpoint.only_ends() {
        return None;
    }
    let is_change =
        matches!(endpoint.access, Access::User | Access::Shared(_)) && ![Method::GET, Method::HEAD].contains(&call.parts.method);
    let user = call.actor.user().filter(|_| is_change)?;
    let refusal = call.front.services.count_change(user.id, call.now).err()?;
    note::verdict(refusal.verdict);
    Some(telling::told(&refusal, &call.front.services, &call.request_id))
}

/// Whether a user may go on where this is asked of them: administrators everywhere, and others where their role in the account is
/// enough.
fn may(actor: &Actor, role: Option<Role>) -> bool {
    actor.user().is_some_and(|user| role.map_or(user.is_admin, |role| user.is_at_least(role)))
}
