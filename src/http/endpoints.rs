//! tollgate's own paths, as a table: what is not in it does not exist.

use std::future::Future;
use std::pin::Pin;

use http::Method;

use super::dashboard::{self, mailed, operator, organization, profile};
use super::handlers::sign_in::{balance as own_balance, identities, login, others, register, second_factor, session, user};
use super::handlers::{
    accounts, agreement, applications, audit, backup, balance, check, docs, export, first, health, import, invitations, jwks, keys, mails,
    me, members, metrics, openapi, plans, probe, state, tokens, usage, users, verify, webhooks,
};
use super::request::{Call, Unreadable};
use super::response::Response;
use crate::domain::token::TokenScope;
use crate::domain::user::Role;
use crate::service::metrics::Kind;

/// What an endpoint is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What programs ask, below the prefix.
    Api,
    /// Sign-in, below its base path: the style tells what goes wrong.
    SignIn,
    /// The dashboard: pages tell what goes wrong.
    Dashboard,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone; what comes out depends on the client's own credential, if on anything.
    Anyone,
    /// Anyone, where people can sign in; else there is nothing.
    Visitor,
    /// Whoever has a service token of this scope, and the operator at the control socket.
    Token(TokenScope),
    /// As [`Access::Token`], for what is of the whole server: not with a token that is bound to one account.
    Unbound(TokenScope),
    /// As [`Access::Token`] of the scope `admin`, and users who are this to the account that their access token names.
    Shared(Role),
    /// Users with an access token.
    User,
    /// Users in a browser, on the dashboard, who are this to their account; whoever is not signed in is sent to sign in.
    Page(Role),
    /// Users in a browser, on the dashboard, who may administrate the whole server.
    AdminPage,
    /// As [`Access::Page`], for what is the user's own: whatever they are to the account, and also where that is switched off.
    OwnPage,
    /// The operator at the control socket, and nobody else.
    Operator,
}

/// What a handler will have answered.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response, Unreadable>> + Send>>;

/// One path and method.
pub struct Endpoint {
    /// `None`: any method.
    pub method: Option<Method>,
    /// Below the prefix, or below the sign-in's base path; what stands in braces is one segment, and there are two at the most.
    pub path: &'static str,
    /// Whether it is a sign-in's: then the style tells its refusals.
    pub part: Part,
    /// Who may call.
    pub access: Access,
    /// Whether its body, or its answer, may take as long as it takes: then `request_timeout` is not for it as a whole.
    pub streams: bool,
    /// What answers.
    pub handler: fn(Call) -> Answering,
}

/// Where somebody signs in with one request, below the sign-in's base path; a callback is the end of one.
const SIGNS_IN: [&str; 8] = [
    "/auth/verify",
    "/auth/login",
    "/auth/login-phone",
    "/auth/telegram",
    "/auth/google",
    "/auth/oidc/{id}",
    "/auth/invitation",
    "/auth/second-factor",
];
/// The pages whose forms do, those of the dashboard among them.
const PAGES: [&str; 6] = ["/verify", "/invitation", "/second-factor", "/sign-in", "/register/code", "/first"];

/// The pages in whose address a secret stands, or who waits to be let in: they run no script, and neither does what is told in their place.
const LINKS: [&str; 7] = ["/verify", "/reset", "/invitation", "/second-factor", "/first", "/auth/join", "/profile/sign-ins/{id}/linked"];

impl Endpoint {
    /// Whether it is the page of a link, or of somebody who is on their way in.
    pub fn is_link(&self) -> bool {
        LINKS.contains(&self.path)
    }

    /// Whether it ends a session or a key, and does nothing else.
    pub fn only_ends(&self) -> bool {
        self.method == Some(Method::DELETE) && ["/auth/sessions/{id}", "/v1/keys/{id}"].contains(&self.path)
    }

    /// Whether the style tells what goes wrong.
    pub fn is_of_sign_in(&self) -> bool {
        self.part == Part::SignIn
    }

    /// Whether it answers a sign-in.
    pub fn signs_in(&self) -> bool {
        match self.part {
            Part::SignIn => SIGNS_IN.contains(&self.path) || self.path.ends_with("/callback"),
            Part::Api | Part::Dashboard => self.method == Some(Method::POST) && PAGES.contains(&self.path),
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.method, self.path)
    }
}

macro_rules! endpoints {
    ($(#[$doc:meta])* $name:ident ($part:ident): $($method:tt $path:literal $access:expr => $handler:path $(, $streams:ident)?;)*) => {
        $(#[$doc])*
        pub static $name: &[Endpoint] = &[$(Endpoint {
            method: endpoints!(@ $method),
            path: $path,
            part: Part::$part,
            access: $access,
            streams: endpoints!(@@ $($streams)?),
            handler: |call| Box::pin($handler(call)),
        },)*];
    };
    (@ ANY) => { None };
    (@ $method:ident) => { Some(Method::$method) };
    (@@ streams) => { true };
    (@@) => { false };
}

const ANYONE: Access = Access::Anyone;
const VISITOR: Access = Access::Visitor;
const VERIFY: Access = Access::Token(TokenScope::Verify);
const METRICS: Access = Access::Unbound(TokenScope::Metrics);
const ADMIN: Access = Access::Token(TokenScope::Admin);
const WHOLE: Access = Access::Unbound(TokenScope::Admin);
const OPERATOR: Access = Access::Operator;
const MEMBER: Access = Access::Shared(Role::Member);
/// Who looks after an account.
const MANAGER: Access = Access::Shared(Role::Admin);
const USER: Access = Access::User;
/// Whoever belongs to the account, in a browser.
const SEEN: Access = Access::Page(Role::Member);
/// Who administrates the whole server, in a browser.
const OVERSEEN: Access = Access::AdminPage;
/// Whoever looks after the account, in a browser.
const MANAGED: Access = Access::Page(Role::Admin);
/// Whoever is signed in, in a browser.
const OWN: Access = Access::OwnPage;
/// Pages of whoever owns the account.
const OWNED: Access = Access::Page(Role::Owner);

endpoints! {
    /// Those below the prefix.
    ENDPOINTS (Api):
    ANY    "/v1/check"             ANYONE => check::check;
    ANY    "/v1/check/nginx"       ANYONE => check::check_nginx;
    ANY    "/v1/check/answer"      ANYONE => check::check_answer;
    POST   "/v1/verify"            VERIFY => verify::verify;
    POST   "/v1/balance"           VERIFY => balance::change;
    GET    "/v1/me"                ANYONE => me::me;
    GET    "/v1/me/usage"          ANYONE => usage::mine;
    GET    "/v1/health"            ANYONE => health::health;
    GET    "/v1/ready"             ANYONE => health::ready;
    GET    "/v1/openapi.json"      ANYONE => openapi::openapi;
    GET    "/docs"                 ANYONE => docs::docs;
    GET    "/docs.md"              ANYONE => docs::markdown;
    GET    "/docs/reference"       ANYONE => docs::reference;
    GET    "/docs/style.css"       ANYONE => docs::sheet;
    GET    "/docs/logo"            ANYONE => docs::logo;
    GET    "/verify"               VISITOR => mailed::verify;
    POST   "/verify"               VISITOR => mailed::verify_pressed;
    GET    "/reset"                VISITOR => mailed::reset;
    POST   "/reset"                VISITOR => mailed::reset_pressed;
    GET    "/invitation"           VISITOR => mailed::invitation::ask;
    POST   "/invitation"           VISITOR => mailed::invitation::pressed;
    GET    "/second-factor"        VISITOR => dashboard::second_factor::ask;
    POST   "/second-factor"        VISITOR => dashboard::second_factor::pressed;
    GET    "/.well-known/jwks.json" VISITOR => jwks::jwks;
    GET    "/metrics"              METRICS => metrics::metrics;
    ANY    "/v1/probe"             ANYONE => probe::probe;
    POST   "/v1/first"             OPERATOR => first::make;
    GET    "/v1/state"             OPERATOR => state::state;
    POST   "/v1/backup"            OPERATOR => backup::note;
    GET    "/v1/plans"             MEMBER => plans::list;
    GET    "/v1/usage"             MEMBER => usage::list;
    GET    "/v1/accounts"          MEMBER => accounts::list;
    POST   "/v1/accounts"          MEMBER => accounts::create;
    POST   "/v1/accounts/import"   WHOLE  => import::accounts, streams;
    GET    "/v1/accounts/export"   WHOLE  => export::accounts, streams;
    GET    "/v1/accounts/{id}"     MEMBER => accounts::show;
    PATCH  "/v1/accounts/{id}"     MANAGER => accounts::set;
    GET    "/v1/accounts/{id}/members" MEMBER => members::list;
    PATCH  "/v1/accounts/{id}/members/{user}" MANAGER => members::set;
    DELETE "/v1/accounts/{id}/members/{user}" MEMBER => members::remove;
    GET    "/v1/accounts/{id}/invitations" MANAGER => invitations::list;
    POST   "/v1/accounts/{id}/invitations" USER => invitations::create;
    DELETE "/v1/accounts/{id}/invitations/{invitation}" MANAGER => invitations::end;
    GET    "/v1/accounts/{id}/balance" MEMBER => balance::history;
    GET    "/v1/agreement"         VISITOR => agreement::show;
    POST   "/v1/agreement"         USER   => agreement::accept;
    GET    "/v1/applications"      MEMBER => applications::list;
    POST   "/v1/applications"      USER   => applications::create;
    GET    "/v1/applications/{id}" MEMBER => applications::show;
    DELETE "/v1/applications/{id}" MANAGER => applications::withdraw;
    POST   "/v1/applications/{id}/approve" WHOLE => applications::approve;
    POST   "/v1/applications/{id}/reject" WHOLE => applications::reject;
    GET    "/v1/invitations"       USER   => invitations::received;
    POST   "/v1/invitations/accept" USER  => invitations::accept;
    GET    "/v1/keys"              MEMBER => keys::list;
    POST   "/v1/keys"              MEMBER => keys::create;
    POST   "/v1/keys/import"       WHOLE  => import::keys, streams;
    GET    "/v1/keys/export"       WHOLE  => export::keys, streams;
    GET    "/v1/keys/{id}"         MEMBER => keys::show;
    PATCH  "/v1/keys/{id}"         MEMBER => keys::set;
    DELETE "/v1/keys/{id}"         MEMBER => keys::revoke;
    POST   "/v1/keys/{id}/rotate"  MEMBER => keys::rotate;
    GET    "/v1/audit"             MANAGER => audit::list;
    GET    "/v1/tokens"            ADMIN  => tokens::list;
    POST   "/v1/tokens"            ADMIN  => tokens::create;
    DELETE "/v1/tokens/{id}"       ADMIN  => tokens::revoke;
    GET    "/v1/users"             WHOLE  => users::list;
    POST   "/v1/users"             WHOLE  => users::create;
    POST   "/v1/users/import"      WHOLE  => import::users, streams;
    GET    "/v1/users/{id}"        WHOLE  => users::show;
    PATCH  "/v1/users/{id}"        WHOLE  => users::set;
    DELETE "/v1/users/{id}"        WHOLE  => users::delete;
    DELETE "/v1/users/{id}/sessions" WHOLE => users::sign_out;
    DELETE "/v1/users/{id}/second-factor" WHOLE => users::remove_second_factor;
    GET    "/v1/webhooks"          WHOLE  => webhooks::list;
    GET    "/v1/webhooks/messages" WHOLE  => webhooks::messages;
    POST   "/v1/webhooks/messages/{id}/retry" WHOLE => webhooks::retry;
    POST   "/v1/webhooks/{id}/test" WHOLE => webhooks::test;
    GET    "/v1/mails"             WHOLE  => mails::list;
    POST   "/v1/mails/test"        WHOLE  => mails::test;
    POST   "/v1/mails/{id}/retry"  WHOLE  => mails::retry;
}

endpoints! {
    /// Those below the sign-in's base path.
    SIGN_IN (SignIn):
    POST   "/auth/register"        ANYONE => register::register;
    POST   "/auth/invitation"      ANYONE => register::invited;
    POST   "/auth/verify"          ANYONE => register::verify;
    POST   "/auth/forgot"          ANYONE => register::forgot;
    POST   "/auth/reset"           ANYONE => register::reset;
    POST   "/auth/login"           ANYONE => login::login;
    POST   "/auth/login-phone"     ANYONE => login::login_phone;
    POST   "/auth/telegram"        ANYONE => others::telegram;
    GET    "/auth/telegram/start"  ANYONE => others::start_telegram;
    GET    "/auth/telegram/callback" ANYONE => others::telegram_callback;
    POST   "/auth/google"          ANYONE => others::google;
    GET    "/auth/google/start"    ANYONE => others::start_google;
    GET    "/auth/google/callback" ANYONE => others::google_callback;
    POST   "/auth/oidc/{id}"       ANYONE => others::oidc;
    GET    "/auth/oidc/{id}/start" ANYONE => others::start_oidc;
    GET    "/auth/oidc/{id}/callback" ANYONE => others::oidc_callback;
    POST   "/auth/second-factor"   ANYONE => second_factor::enter;
    GET    "/auth/join"            ANYONE => mailed::join::ask;
    POST   "/auth/join"            ANYONE => mailed::join::pressed;
    GET    "/auth/methods"         ANYONE => identities::methods;
    GET    "/user/identities"      USER   => identities::list;
    POST   "/user/identities/{id}" USER   => identities::link;
    DELETE "/user/identities/{id}" USER   => identities::unlink;
    POST   "/auth/refresh"         ANYONE => session::refresh;
    POST   "/auth/logout"          ANYONE => session::logout;
    POST   "/auth/switch"          USER   => session::switch;
    GET    "/auth/sessions"        USER   => session::list;
    DELETE "/auth/sessions/{id}"   USER   => session::end;
    GET    "/user/me"              ANYONE => user::show;
    PATCH  "/user/me"              USER   => user::set;
    DELETE "/user/me"              USER   => user::delete;
    POST   "/user/second-factor"   USER   => second_factor::begin;
    DELETE "/user/second-factor"   USER   => second_factor::end;
    POST   "/user/second-factor/confirm" USER => second_factor::confirm;
    POST   "/user/second-factor/recovery-codes" USER => second_factor::renew;
    GET    "/balance"              ANYONE => own_balance::show;
}

endpoints! {
    /// The dashboard's, below the prefix.
    DASHBOARD (Dashboard):
    GET    ""                      VISITOR => dashboard::to_start;
    GET    "/"                     VISITOR => dashboard::to_start;
    GET    "/dashboard.css"        VISITOR => dashboard::style_sheet;
    GET    "/dashboard.js"         VISITOR => dashboard::script;
    GET    "/brand.css"            VISITOR => dashboard::brand::style_sheet;
    GET    "/logo"                 VISITOR => dashboard::brand::logo;
    GET    "/icon.svg"             ANYONE => dashboard::brand::icon_file;
    GET    "/sign-in"              VISITOR => dashboard::sign_in;
    POST   "/sign-in"              VISITOR => dashboard::enter;
    GET    "/first"                VISITOR => dashboard::first::ask;
    POST   "/first"                VISITOR => dashboard::first::make;
    GET    "/register"             VISITOR => dashboard::register::ask;
    POST   "/register"             VISITOR => dashboard::register::sent;
    POST   "/register/code"        VISITOR => dashboard::register::code;
    GET    "/forgot"               VISITOR => dashboard::forgot::ask;
    POST   "/forgot"               VISITOR => dashboard::forgot::sent;
    POST   "/forgot/code"          VISITOR => dashboard::forgot::code;
    POST   "/sign-out"             OWN    => dashboard::sign_out;
    GET    "/keys"                 SEEN   => dashboard::keys::list;
    POST   "/keys"                 SEEN   => dashboard::keys::create;
    GET    "/keys/new"             SEEN   => dashboard::keys::new;
    GET    "/keys/{id}"            SEEN   => dashboard::keys::show;
    POST   "/keys/{id}"            SEEN   => dashboard::keys::change;
    POST   "/keys/{id}/rotate"     SEEN   => dashboard::keys::rotate;
    POST   "/keys/{id}/revoke"     SEEN   => dashboard::keys::revoke;
    GET    "/usage"                SEEN   => dashboard::usage::show;
    GET    "/usage.csv"            SEEN   => dashboard::usage::csv::show;
    GET    "/plan"                 SEEN   => dashboard::plan::show;
    GET    "/plan/balance"         SEEN   => dashboard::plan::balance;
    GET    "/plan/balance/{id}"    SEEN   => dashboard::plan::movement;
    GET    "/plan/applications"    SEEN   => dashboard::applications::list;
    POST   "/plan/applications"    MANAGED => dashboard::applications::apply;
    GET    "/plan/applications/new" MANAGED => dashboard::applications::new;
    GET    "/plan/applications/{id}" SEEN => dashboard::applications::show;
    GET    "/plan/applications/{id}/text" SEEN => dashboard::applications::as_text;
    POST   "/plan/applications/{id}/withdraw" MANAGED => dashboard::applications::withdraw;
    GET    "/agreement"            SEEN   => dashboard::agreement::show;
    POST   "/agreement"            SEEN   => dashboard::agreement::accept;
    GET    "/profile"              OWN    => profile::show;
    POST   "/profile"              OWN    => profile::rename;
    GET    "/profile/email"        OWN    => profile::addresses::email;
    POST   "/profile/email"        OWN    => profile::addresses::change_email;
    POST   "/profile/email/remove" OWN    => profile::addresses::remove_email;
    GET    "/profile/phone"        OWN    => profile::addresses::phone;
    POST   "/profile/phone"        OWN    => profile::addresses::change_phone;
    POST   "/profile/phone/code"   OWN    => profile::addresses::confirm_phone;
    POST   "/profile/phone/remove" OWN    => profile::addresses::remove_phone;
    GET    "/profile/password"     OWN    => profile::password::show;
    POST   "/profile/password"     OWN    => profile::password::change;
    GET    "/profile/sign-ins"     OWN    => profile::sign_ins::list;
    POST   "/profile/sign-ins/unlink" OWN => profile::sign_ins::unlink;
    POST   "/profile/sign-ins/link" OWN   => profile::linking::begin;
    GET    "/profile/sign-ins/{id}/linked" VISITOR => profile::linking::end;
    GET    "/profile/sessions"     OWN    => profile::sessions::list;
    POST   "/profile/sessions/end" OWN    => profile::sessions::end;
    POST   "/profile/sessions/end-others" OWN => profile::sessions::end_others;
    GET    "/profile/second-factor" OWN   => profile::second_factor::show;
    POST   "/profile/second-factor" OWN   => profile::second_factor::begin;
    POST   "/profile/second-factor/confirm" OWN => profile::second_factor::confirm;
    POST   "/profile/second-factor/codes" OWN => profile::second_factor::renew;
    POST   "/profile/second-factor/end" OWN => profile::second_factor::end;
    GET    "/profile/delete"       OWN    => profile::leaving::ask;
    POST   "/profile/delete"       OWN    => profile::leaving::delete;
    GET    "/organization"         OWN    => organization::show;
    POST   "/organization"         SEEN   => organization::make;
    POST   "/organization/switch"  OWN    => organization::switch;
    POST   "/organization/name"    MANAGED => organization::rename;
    POST   "/organization/leave"   OWN    => organization::leave;
    GET    "/organization/close"   OWNED  => organization::closing::ask;
    POST   "/organization/close"   OWNED  => organization::closing::close;
    POST   "/organization/accept"  OWN    => organization::invitations::accept;
    POST   "/organization/decline" OWN    => organization::invitations::decline;
    GET    "/organization/members" SEEN   => organization::members::list;
    GET    "/organization/members/{user}" MANAGED => organization::members::show;
    POST   "/organization/members/{user}" MANAGED => organization::members::change;
    POST   "/organization/members/{user}/remove" MANAGED => organization::members::remove;
    GET    "/organization/invitations" MANAGED => organization::invitations::list;
    POST   "/organization/invitations" MANAGED => organization::invitations::invite;
    POST   "/organization/invitations/end" MANAGED => organization::invitations::end;
    GET    "/admin"                OVERSEEN => dashboard::overview::show;
    GET    "/admin/system"         OVERSEEN => dashboard::system::show;
    GET    "/admin/accounts"        OVERSEEN => operator::accounts::list;
    GET    "/admin/accounts.csv"    OVERSEEN => operator::accounts::export, streams;
    POST   "/admin/accounts"        OVERSEEN => operator::accounts::create;
    GET    "/admin/accounts/new"    OVERSEEN => operator::accounts::new;
    GET    "/admin/accounts/{id}"   OVERSEEN => operator::accounts::show;
    POST   "/admin/accounts/{id}"   OVERSEEN => operator::accounts::change;
    POST   "/admin/accounts/{id}/balance" OVERSEEN => operator::balance::change;
    POST   "/admin/accounts/{id}/members" OVERSEEN => operator::accounts::set_member;
    POST   "/admin/accounts/{id}/members/{user}/remove" OVERSEEN => operator::accounts::remove_member;
    GET    "/admin/users"           OVERSEEN => operator::users::list;
    GET    "/admin/users.csv"       OVERSEEN => operator::users::export, streams;
    POST   "/admin/users"           OVERSEEN => operator::users::create;
    GET    "/admin/users/new"       OVERSEEN => operator::users::new;
    GET    "/admin/users/{id}"      OVERSEEN => operator::users::show;
    POST   "/admin/users/{id}"      OVERSEEN => operator::users::change;
    POST   "/admin/users/{id}/sign-out" OVERSEEN => operator::users::sign_out;
    POST   "/admin/users/{id}/proof" OVERSEEN => operator::users::send_proof;
    POST   "/admin/users/{id}/second-factor" OVERSEEN => operator::users::remove_second_factor;
    POST   "/admin/users/{id}/delete" OVERSEEN => operator::users::delete;
    GET    "/admin/keys"            OVERSEEN => operator::keys::list;
    GET    "/admin/keys.csv"        OVERSEEN => operator::keys::export, streams;
    POST   "/admin/keys"            OVERSEEN => operator::key_settings::create;
    GET    "/admin/keys/new"        OVERSEEN => operator::key_settings::new;
    GET    "/admin/keys/{id}"       OVERSEEN => operator::keys::show;
    POST   "/admin/keys/{id}"       OVERSEEN => operator::key_settings::change;
    POST   "/admin/keys/{id}/rotate" OVERSEEN => operator::keys::rotate;
    POST   "/admin/keys/{id}/revoke" OVERSEEN => operator::keys::revoke;
    GET    "/admin/plans"           OVERSEEN => operator::plans::list;
    GET    "/admin/plans.csv"       OVERSEEN => operator::plans::export, streams;
    GET    "/admin/applications"    OVERSEEN => operator::applications::list;
    GET    "/admin/applications.csv" OVERSEEN => operator::applications::export, streams;
    GET    "/admin/applications/{id}" OVERSEEN => operator::applications::show;
    GET    "/admin/applications/{id}/text" OVERSEEN => operator::applications::as_text;
    POST   "/admin/applications/{id}/approve" OVERSEEN => operator::applications::approve;
    POST   "/admin/applications/{id}/reject" OVERSEEN => operator::applications::reject;
    GET    "/admin/audit"           OVERSEEN => operator::audit::list;
    GET    "/admin/audit.csv"       OVERSEEN => operator::audit::export, streams;
    GET    "/admin/audit/{id}"      OVERSEEN => operator::audit::show;
    GET    "/admin/audit/{id}/text" OVERSEEN => operator::audit::as_text;
    GET    "/admin/tokens"          OVERSEEN => operator::tokens::list;
    GET    "/admin/tokens.csv"      OVERSEEN => operator::tokens::export, streams;
    POST   "/admin/tokens"          OVERSEEN => operator::tokens::create;
    GET    "/admin/tokens/new"      OVERSEEN => operator::tokens::new;
    GET    "/admin/tokens/{id}"     OVERSEEN => operator::tokens::show;
    POST   "/admin/tokens/{id}/revoke" OVERSEEN => operator::tokens::revoke;
    GET    "/admin/outbox"          OVERSEEN => operator::outbox::mails;
    GET    "/admin/outbox.csv"      OVERSEEN => operator::outbox::export_mails, streams;
    POST   "/admin/outbox/mails"    OVERSEEN => operator::outbox::retry_mail;
    GET    "/admin/outbox/webhooks" OVERSEEN => operator::outbox::messages;
    GET    "/admin/outbox/webhooks.csv" OVERSEEN => operator::outbox::export_messages, streams;
    POST   "/admin/outbox/webhooks" OVERSEEN => operator::outbox::retry_message;
}

/// What a path comes to.
pub enum Matched {
    /// An endpoint, and what stands where its path has braces.
    Endpoint(&'static Endpoint, [String; 2]),
    /// The path is known, with these methods, and is all a part of this; of several: the API.
    WrongMethod(Vec<&'static str>, Part),
    /// Nothing.
    Nothing,
}

impl Matched {
    /// Whether what is asked for may take as long as it takes.
    pub const fn streams(&self) -> bool {
        matches!(self, Self::Endpoint(endpoint, _) if endpoint.streams)
    }

    /// Whether the style tells what goes wrong.
    pub fn is_of_sign_in(&self) -> bool {
        match self {
            Self::Endpoint(endpoint, _) => endpoint.is_of_sign_in(),
            Self::WrongMethod(_, part) => *part == Part::SignIn,
            Self::Nothing => false,
        }
    }

    /// Whether it is the page of a link.
    pub fn is_link(&self) -> bool {
        matches!(self, Self::Endpoint(endpoint, _) if endpoint.is_link())
    }

    /// What kind of request it is, for the metrics.
    pub fn kind(&self) -> Kind {
        let Self::Endpoint(endpoint, _) = self else { return Kind::Other };
        match endpoint.access {
            _ if endpoint.path.starts_with("/v1/check") => Kind::Check,
            Access::Token(TokenScope::Verify) if endpoint.path == "/v1/verify" => Kind::Verify,
            Access::Token(TokenScope::Verify | TokenScope::Admin) | Access::Unbound(TokenScope::Admin) | Access::Shared(_) => Kind::Admin,
            _ => Kind::Other,
        }
    }
}

/// Where a path lies: below the prefix, below the sign-in's base path, or below both.
#[derive(Clone, Copy, Debug)]
pub struct Below<'p> {
    /// What follows the prefix.
    pub prefix: Option<&'p str>,
    /// What follows the base path of sign-in.
    pub sign_in: Option<&'p str>,
}

impl<'p> Below<'p> {
    /// Every endpoint of the path, and what its ids are. A path that is spelled out is no id: what holds for an id does not hold
    /// for it.
    fn endpoints(self, is_operator: bool) -> Vec<(&'static Endpoint, [&'p str; 2])> {
        let of = |table: &'static [Endpoint], path: Option<&'p str>| {
            let all = path.into_iter().flat_map(move |path| {
                table.iter().filter_map(move |endpoint| matches(endpoint.path, path).map(|ids| (endpoint, ids, endpoint.path == path)))
            });
            all.filter(move |(endpoint, ..)| is_operator || endpoint.access != Access::Operator)
        };
        let found: Vec<_> = of(SIGN_IN, self.sign_in).chain(of(ENDPOINTS, self.prefix)).chain(of(DASHBOARD, self.prefix)).collect();
        let is_spelled_out = found.iter().any(|(_, _, exact)| *exact);
        found.into_iter().filter(|(_, _, exact)| *exact || !is_spelled_out).map(|(endpoint, ids, _)| (endpoint, ids)).collect()
    }

    /// Whether people open pages there: below the prefix, beside what programs ask.
    pub fn is_of_pages(self) -> bool {
        let is_below = |path: &str, api: &str| path.strip_prefix(api).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_page = |path: &str| !["/v1", "/metrics", "/.well-known"].into_iter().any(|api| is_below(path, api));
        self.prefix.is_some_and(is_page) && !self.is_of_sign_in()
    }

    /// Whether any endpoint of sign-in has this path.
    pub fn is_of_sign_in(self) -> bool {
        self.sign_in.is_some_and(|path| SIGN_IN.iter().any(|endpoint| matches(endpoint.path, path).is_some()))
    }
}

/// Finds the endpoint of a path. What is the operator's alone is there for nobody else.
pub fn find(method: &Method, path: Below<'_>, is_operator: bool) -> Matched {
    let there = path.endpoints(is_operator);
    // HEAD is GET without its body (RFC 9110, 9.3.2).
    let wanted =
        |endpoint: &Endpoint| endpoint.method.as_ref().is_none_or(|own| own == method || (method == Method::HEAD && own == Method::GET));
    if let Some((endpoint, ids)) = there.iter().find(|(endpoint, _)| wanted(endpoint)) {
        return Matched::Endpoint(endpoint, ids.map(str::to_owned));
    }
    let mut methods: Vec<&'static str> = there.iter().filter_map(|(endpoint, _)| endpoint.method.as_ref().map(Method::as_str)).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    let whole = [Part::SignIn, Part::Dashboard].into_iter().find(|part| there.iter().all(|(endpoint, _)| endpoint.part == *part));
    if methods.is_empty() { Matched::Nothing } else { Matched::WrongMethod(methods, whole.unwrap_or(Part::Api)) }
}

/// Whether a path is of a pattern, and what its ids are; empty where it has none.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<[&'p str; 2]> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut ids = [""; 2];
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(ids),
            (Some(place), Some(segment)) if place.starts_with('{') && !segment.is_empty() => {
                let next = usize::from(!ids[0].is_empty());
                ids[next] = segment;
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        let told = |method: Method, path: &str| match find(&method, Below { prefix: Some(path), sign_in: Some(path) }, false) {
            Matched::Endpoint(endpoint, [id, second]) => format!("{} {id} {second}", endpoint.path).trim_end().to_owned(),
            Matched::WrongMethod(methods, _) => methods.join(","),
            Matched::Nothing => "nothing".into(),
        };
        assert_eq!(told(Method::GET, "/v1/keys/key_1"), "/v1/keys/{id} key_1");
        assert_eq!(told(Method::POST, "/v1/keys/key_1/rotate"), "/v1/keys/{id}/rotate key_1");
        assert_eq!(told(Method::PATCH, "/v1/accounts/acc_1/members/7"), "/v1/accounts/{id}/members/{user} acc_1 7");
        assert_eq!(told(Method::HEAD, "/v1/health"), "/v1/health");
        assert_eq!(told(Method::PUT, "/v1/keys"), "GET,POST,HEAD");
        assert_eq!(told(Method::PUT, "/v1/check"), "/v1/check");
        assert_eq!(told(Method::GET, "/v1/keys/export"), "/v1/keys/export");
        assert_eq!(told(Method::PATCH, "/v1/keys/export"), "GET,HEAD");
        assert_eq!(told(Method::GET, "/v1/keys/import"), "POST");
        assert_eq!(told(Method::PUT, "/v1/keys/key_1"), "GET,PATCH,DELETE,HEAD");
        for path in ["/v1", "/v1/keys/", "/v1/keys/a/b", "/v2/keys", "/v1/state"] {
            assert_eq!(told(Method::GET, path), "nothing", "{path}");
        }
    }
}
