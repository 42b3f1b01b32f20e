//! Behind nginx and Caddy: the real proxies, run with what `tollgate proxy` prints, in front of an app that tells what it got.

mod answer;
pub mod app;
mod before;
mod caddy;
pub mod front;
mod headers;
mod nginx;
mod print;
mod refusals;
mod streams;

/// Each of these holds behind each proxy that asks.
macro_rules! behind_each_proxy {
    ($($module:ident::$name:ident;)*) => {
        /// The cases, for one proxy.
        macro_rules! cases_behind {
            ($kind:expr) => { $(#[test] fn $name() { super::$module::$name($kind) })* };
        }
        pub(crate) use cases_behind;
    };
}

behind_each_proxy! {
    refusals::every_refusal_is_told_as_the_style_tells_it;
    refusals::the_examples_answers_come_through_word_for_word;
    refusals::a_request_is_charged_once_and_a_refused_one_never;
    refusals::a_path_that_reads_in_two_ways_reaches_nobody;
    refusals::revocation_holds_for_the_next_request;
    refusals::without_tollgate_nothing_reaches_the_app;
    refusals::whoever_else_answers_at_tollgates_address_lets_nothing_through;
    refusals::a_window_that_opens_meanwhile_changes_no_refusal;
    refusals::the_apps_own_answers_come_through_untouched;
    headers::who_passed_stands_in_headers_that_no_client_can_forge;
    headers::what_is_forged_changes_no_verdict;
    headers::what_tollgate_is_asked_is_the_proxys_own_word;
    headers::limit_headers_are_tollgates_on_every_pass;
    headers::the_credential_stays_behind_or_goes_on;
    headers::the_request_comes_as_it_was_sent;
    headers::tollgates_own_paths_are_reached;
    headers::the_probe_is_guarded_and_never_reaches_the_app;
    headers::unix_sockets_on_both_sides;
    streams::events_come_as_they_are_sent;
    streams::websockets_go_through_and_other_upgrades_do_not;
    streams::a_bound_on_bodies_is_the_apps_alone;
    streams::a_preflight_carries_nothing_and_switches_to_nothing;
    streams::a_head_that_tollgate_would_not_read_is_refused;
}
