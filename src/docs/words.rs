//! What the page says, in one place: another language is another value of [`Words`]. What stands in braces is filled in.

macro_rules! words {
    ($($name:ident = $text:literal;)*) => {
        /// Every sentence of the page.
        #[derive(Clone, Debug)]
        pub struct Words { $(#[doc = $text] pub $name: &'static str,)* }

        /// British English.
        pub static ENGLISH: Words = Words { $($name: $text,)* };

        /// All of them.
        #[cfg(test)]
        pub fn all(words: &Words) -> Vec<&'static str> {
            vec![$(words.$name,)*]
        }
    };
}

words! {
    language = "en";
    thousands = ",";
    list_and = " and ";
    list_or = " or ";
    title = "{name} authentication";
    title_unnamed = "Authentication";
    skip = "Skip to the text";
    contents = "On this page";
    as_markdown = "As Markdown";
    to_reference = "API reference";
    to_page = "Authentication";
    footer = "Written from the configuration that the gate runs on.";
    yes = "yes";
    no = "no";
    none = "–";

    lead_anyone = "The API can be called without a key, within the limits of the plan {plan}. With a key it can do more.";
    lead = "Every request needs an API key.";
    lead_but = "Every request needs an API key, except to {paths}.";
    lead_carried = "Send it as {carrier}.";

    key = "How a key looks";
    key_shape = "A key begins with {prefixes} and has {length} characters in all. The {rest} after the prefix are {letters}.";
    key_shape_bare = "A key has {length} characters, which are {letters}.";
    key_letters_base62 = "letters and digits";
    key_letters_hex = "digits and the letters a to f";
    key_letters_other = "of these: {letters}";
    key_checksum = "The last {digits} are a checksum (CRC-32 of all before), so a mistyped key is told at once.";
    key_pattern = "For secret scanners: {pattern}.";
    key_environment = "{prefix} is for {name}";
    key_reserved = "Keys that begin with {prefix} are reserved and never authenticate.";
    key_imported = "Keys that were brought along from elsewhere keep the shape they had.";
    key_stored = "A raw key is shown once, when it is made. What is kept is its SHA-256 hash, and for display the first {shown} characters. A key that you did not save is one to revoke and replace.";
    key_whose = "A key stands for an application, not a person. It belongs to an account, and its plan is the account's unless it has one of its own.";

    getting = "Getting a key";
    getting_sign_in = "Sign in to the [dashboard]({url}).";
    getting_register = "Sign up, or sign in, at the [dashboard]({url}). A new address is confirmed by a mail.";
    getting_agreement = "Accept the [agreement]({url}), version {version}.";
    getting_agreement_unlinked = "Accept the agreement, version {version}.";
    getting_make = "Make a key and give it a name that says where it is used, such as {name}.";
    getting_choose = "Choose its limits: {ranges}.";
    getting_expiry = "It may also be given an end, scopes and addresses that it may be used from.";
    getting_copy = "Copy it at once and keep it safe: it is not shown again.";
    getting_organization = "For a team, make an organization first. Its keys belong to it, not to who made them.";
    getting_plans = "Only keys of the plans {plans} may call the API.";
    getting_plan = "Only keys of the plan {plan} may call the API.";
    getting_review = "{plans} is granted by review: apply for it in the dashboard with your use case and the volume you expect.";
    getting_by_api = "The same by API, with the access token of a [sign-in](#sign-in) in `ACCESS_TOKEN` and the account that `user/me` names in `ACCOUNT`:";
    getting_answer = "The answer is 201, with the raw key in `key`, this once:";
    getting_operator = "Keys are given out by the operator of this API.";

    sending = "Sending it";
    sending_one = "Send the key with every request:";
    sending_many = "Send the key with every request, in one of these ways. They are looked at in this order; if a request carries two keys that differ, it is refused.";
    sending_other = "A key anywhere else is not looked at.";
    sending_header_case = "The case of a header's name does not matter.";
    sending_https = "Use HTTPS. Plain HTTP is refused with {status}.";
    sending_https_advice = "Use HTTPS always: a key that went over plain HTTP can be read on its way.";
    sending_query = "Never put a key in a URL, where logs and histories keep it: that is refused with {status}.";
    sending_query_other = "In any other parameter of a URL a key is refused with {status}.";
    sending_token = "In place of a key, the access token of a [sign-in](#sign-in) is taken in the same way.";
    sending_check = "{call} tells what a key may do and what is left of its limits. It charges nothing, on any plan.";
    carrier_bearer = "a Bearer token in the `Authorization` header";
    carrier_header = "the header {name}";
    carrier_basic_user = "the user of HTTP Basic, with any password";
    carrier_basic_password = "the password of HTTP Basic, with any user";
    carrier_scheme = "`Authorization` with the scheme {name}";
    carrier_query = "the query parameter {name}";

    examples = "Examples";
    examples_before = "Put your key into the environment, never into code:";
    examples_wait = "Each waits when a limit says so, up to a minute, and then tries again.";
    examples_javascript = "Node.js 18 or newer, without any package:";
    examples_python = "Python 3.8 or newer, without any package:";

    plans = "Plans and limits";
    plans_plan = "Plan";
    plans_calls = "Calls the API";
    plans_limits = "Limits";
    plans_tokens = "Tokens a month";
    plans_unlimited = "no limits";
    plans_default = "{plan} is what an account has at first.";
    plans_anonymous = "Without a key the plan {plan} holds.";
    plans_own = "A limit may be set otherwise for an account or a key; {call} tells what holds for yours.";
    plans_counts_key = "Limits count for each key by itself.";
    plans_counts_account = "Limits are the account's: all of its keys share them.";
    plans_counts_address = "Limits count for each address that requests come from.";
    plans_count_of_key = "{limit} counts for each key by itself.";
    plans_count_of_account = "{limit} is the account's: all of its keys share it.";
    plans_count_of_address = "{limit} counts for each address that requests come from.";
    per_second = "{n} a second";
    per_minute = "{n} a minute";
    per_hour = "{n} an hour";
    per_day = "{n} a day";
    per_month = "{n} a month";
    per_length = "{n} every {length}";
    tokens_of = "{n} tokens";
    window_fixed_hour = "{limit} is a fixed window: it starts anew with each hour, UTC.";
    window_fixed_day = "{limit} is a fixed window: it starts anew each day at 00:00 UTC.";
    window_fixed_month = "{limit} is a fixed window: it starts anew on the 1st of each month at 00:00 UTC.";
    window_fixed = "{limit} is a fixed window: it starts anew every {length}, counted from midnight of 1 January 1970 UTC.";
    window_sliding = "{limit} is a sliding window: never more within {length}, wherever that begins.";
    window_rolling = "{limit} is a rolling window: as many at once as the plan says, then they come back one by one over {length}.";
    window_burst = "At once: {bursts}.";
    counts = "Only requests that pass count: a refused one is charged nothing.";
    counts_cost = "A request counts once, or as the table below says.";
    counts_failed_never = "A request that passed counts, also where the service behind the gate then fails.";
    counts_failed_unreached = "Where the service behind the gate cannot be reached, what the request cost is given back.";
    counts_failed_failed = "Where the service behind the gate cannot be reached or breaks off, what the request cost is given back.";
    counts_failed_errors = "Where the service behind the gate fails, also with a status of 500 or above, what the request cost is given back.";
    counts_last = "If several limits have run out, the answer tells of the one that opens last.";
    ranges = "Limits of a key";
    ranges_lead = "A key may be made with limits of its own:";
    ranges_limit = "Limit";
    ranges_least = "At least";
    ranges_most = "At most";
    ranges_default = "If you say nothing";
    ranges_plan = "as the plan says";
    range = "{limit} from {least} to {most}";
    balance = "Balance";
    balance_needed = "The API draws on the account's balance of tokens. When it is 0 or less, requests are refused with {status}.";
    balance_needed_some = "On {plans}, the API draws on the account's balance of tokens. When it is 0 or less, requests are refused with {status}.";
    balance_route = "Some paths cost tokens, as the table below says. If the account's balance does not cover them, the request is refused with {status}.";
    balance_monthly = "The month's tokens come anew on the account's billing day and do not carry over. Bonus tokens never expire, and are used after them.";
    balance_show = "{call} tells what is left.";
    routes = "Paths";
    routes_path = "Path";
    routes_needs = "Needs";
    routes_costs = "Costs";
    routes_open = "no key";
    routes_key = "a key";
    routes_plans = "the plan {plans}";
    routes_scopes = "the scope {scopes}";
    routes_cost = "{n} requests";
    routes_cost_one = "1 request";
    routes_cost_nothing = "nothing";
    routes_tokens = "{n} tokens";
    routes_limits = "of {limits}";
    routes_other = "Every other path needs a key, and costs 1 request.";
    routes_other_anyone = "Every other path can be called without a key, and costs 1 request.";
    routes_marks = "`*` stands for one segment of a path, `**` for the path and all below.";
    scopes = "A key that was made without scopes has {scopes}.";
    scopes_all = "A key that was made without scopes may use all of them.";

    headers = "Headers";
    headers_lead = "Each answer to a key whose limits were looked at, a pass or a refusal, has these headers:";
    headers_header = "Header";
    headers_example = "Example";
    headers_tells = "Tells";
    headers_request_id = "The request's id, on every answer. Quote it when you ask for help.";
    headers_retry_after = "Seconds until the same request would pass, where a limit refused it.";
    headers_each_limit = "For each limit: {facts}";
    headers_unset = "A header that has nothing to tell is left out.";
    of_limit = "The limit {limit}: {facts}";
    of_tightest = "The limit that leaves least, or that refused: {facts}";
    fact_requests = "how much it lets through";
    fact_remaining = "what is left";
    fact_used = "what is used";
    fact_burst = "how many at once";
    fact_name = "its name";
    fact_window = "its window";
    fact_window_seconds = "its window, in seconds";
    fact_reset = "when it is whole again, {format}";
    fact_plan = "the plan";
    fact_balance = "the tokens that are left";
    fact_cost = "what the request cost";
    fact_verdict = "what was decided";
    fact_retry = "when to try again";
    fact_key = "the key";
    fact_account = "the account";
    fact_other = "{name}";
    format_unix = "in Unix seconds";
    format_unix_ms = "in Unix milliseconds";
    format_unix_float = "in Unix seconds with decimals";
    format_rfc3339 = "as in RFC 3339";
    format_http_date = "as an HTTP date";
    format_after = "in seconds from now";
    format_after_ms = "in milliseconds from now";
    format_duration = "as a length, such as 6m0s";

    errors = "Errors";
    errors_lead = "What is refused, and the exact answer. {numbers}";
    errors_numbers = "Ids, numbers and times are examples.";
    errors_numbers_plan = "Ids, numbers and times are examples, here of the plan {plan}.";
    error_title = "{status}: {what}";
    error_why = "**{what}.** {means}";
    insecure = "plain HTTP";
    insecure_means = "The request did not come over HTTPS. Replace the key: it could be read on its way.";
    ambiguous = "ambiguous request";
    ambiguous_means = "Its path or address can be read in two ways, as `/a//b` can. Write it plainly.";
    misplaced = "key in the URL";
    misplaced_means = "A key stands in the query string. Revoke it, and send a new one in its proper place.";
    missing = "no key";
    missing_means = "The request carries no key where one is looked for.";
    malformed = "unreadable key";
    malformed_means = "What was sent cannot be read: a wrong scheme, nothing in it, or two keys that differ.";
    reserved = "reserved key";
    reserved_means = "Keys with this prefix never authenticate.";
    unknown = "unknown key";
    unknown_means = "There is no such key. Look for a letter too many or too few.";
    unknown_token = "An access token that is wrong, has expired or whose session ended is told the same.";
    revoked = "revoked key";
    revoked_means = "Use another key.";
    expired = "expired key";
    expired_means = "The key was made to end. Make a new one.";
    disabled = "disabled key";
    disabled_means = "The key or its account is switched off.";
    wrong_ip = "wrong address";
    wrong_ip_means = "The key may only be used from certain addresses.";
    wrong_plan = "wrong plan";
    wrong_plan_means = "The plan does not include this: see [plans and limits](#plans).";
    wrong_scope = "wrong scope";
    wrong_scope_means = "The key lacks a scope for this path: see [plans and limits](#plans).";
    no_balance = "no balance";
    no_balance_means = "The account's tokens do not cover the request.";
    quota_exceeded = "quota used up";
    quota_exceeded_means = "A limit of a day or longer has run out. Wait until it starts anew.";
    rate_limited = "too many requests";
    rate_limited_means = "A limit has run out. Wait, and try again.";
    rate_limited_after = "`Retry-After` says for how many seconds.";
    unavailable = "unavailable";
    unavailable_means = "The request cannot be checked right now. Try again shortly.";
    too_large = "too large";
    too_large_means = "The request's body is over {bytes} bytes.";
    upstream_down = "service down";
    upstream_down_means = "The service behind the gate does not answer.";
    upstream_timeout = "service too slow";
    upstream_timeout_means = "The service behind the gate took too long.";
    internal = "internal error";
    internal_means = "Something went wrong on this side. Quote the request's id.";
    not_verified = "address not confirmed";
    not_verified_means = "The password is right. Open the newest link, or enter the newest code.";
    too_many_tries = "too many tries";
    too_many_tries_means = "Wait, and try again.";
    second_factor_needed = "second factor";
    second_factor_needed_means = "Send the code to `auth/second-factor`, with the cookie of this answer.";
    agreement_needed = "agreement";
    agreement_needed_means = "It has to be accepted before the first key.";
    bad_request = "wrong fields";
    bad_request_means = "A field is missing or wrong.";
    not_configured = "not set up";
    not_configured_means = "This way to sign in is not set up.";
    by_password = "wrong password";
    by_password_means = "The address or the password is wrong; which one is not told.";
    by_proof = "wrong link or code";
    by_proof_means = "It is wrong, has expired, or was used already.";
    by_provider = "not confirmed";
    by_provider_means = "What another provider said does not hold, or was used already.";
    by_second_factor = "wrong second factor";
    by_second_factor_means = "The code is wrong, or came too late.";
    by_session = "no sign-in";
    by_session_means = "The access token or the refresh cookie counts no more.";
    errors_alike = "A request that is wrong in no field is told the same with {statuses}.";
    no_cookie = "no cookie or token";
    no_cookie_means = "The refresh cookie, or the access token, is missing.";
    user_disabled = "switched off";
    user_disabled_means = "The user or the account is switched off.";

    sign_in = "Sign-in";
    sign_in_lead = "For apps whose users have an account here. An app that only calls the API needs no more than a key.";
    sign_in_lead_token = "The access token of a sign-in is taken wherever a key is.";
    sign_in_lead_no_token = "Access tokens are for the paths of this section and the [reference]({url}); the API itself takes keys.";
    sign_in_paths = "All paths lie below {base}. They take and give JSON.";
    sign_in_path = "Path";
    sign_in_takes = "Takes";
    sign_in_answers = "Answers";
    a_sign_in = "a sign-in";
    accepted = "202, alike for known and unknown addresses";
    nothing = "204";
    next_tokens = "the next token and cookie";
    list = "a list";
    who = "who calls; with a key too";
    tokens_left = "what is left; with a key too";
    the_cookie = "the cookie";
    the_cookie_everywhere = "the cookie; `everywhere`";
    widget_fields = "the Login Widget's fields";
    sign_in_answer = "A sign-in is answered with 200:";
    sign_in_new = "`is_new_user` is true where the sign-in made the account.";
    sign_in_phone = "Phone numbers are in E.164, such as {number}.";
    sign_in_phone_home = "Phone numbers are in E.164, such as {number}, or as people in {country} write them.";
    sign_in_either = "`auth/login` tells an address of mail from a phone number by itself.";
    sign_in_not_set_up = "Not set up on this server right now: {ways}. They answer {status}.";
    sign_in_telegram = "Telegram Login";
    sign_in_telegram_means = "Send what the Login Widget gives, each field as it came. It counts once, for ten minutes.";
    sign_in_password = "With a password";
    sign_in_oidc = "{title}";
    sign_in_oidc_means = "Send the code of the redirect, and the same `redirect_uri`; `code_verifier` and `nonce` where you made them. Or send the browser to {start}.";
    sign_in_refresh = "Staying signed in";
    sign_in_refresh_means = "An access token counts for {access}. The refresh token is the httpOnly cookie `refresh_token`: {post} with it answers the next access token and sets the next cookie. Each counts once. A session ends after {idle} without use, and after {lifetime} in any case; its access tokens are refused from that moment on.";
    sign_in_second = "Where the user has a second factor, the answer is first {status}, with a cookie. `POST auth/second-factor` with the `code` of their app, or a recovery code, then signs in.";
    sign_in_keys = "Other programs can check access tokens by themselves: they are signed with Ed25519 (EdDSA), and the public keys are at {call}. They do not see that a session has ended.";
    sign_in_signed = "Access tokens are JWTs (HS256). Treat them as opaque: only this server can check them.";
    sign_in_me = "Who calls";
    sign_in_errors = "Errors of sign-in";
    length_day = "1 day";
    length_days = "{n} days";
    length_hour = "1 hour";
    length_hours = "{n} hours";
    length_minute = "1 minute";
    length_minutes = "{n} minutes";
    length_second = "1 second";
    length_seconds = "{n} seconds";

    safety = "Rotation and safety";
    safety_server = "Keep keys on your server. In a web page or a mobile app everybody can read them: let your own server add the key and pass the request on.";
    safety_browser = "Pages of {origins} may call from a browser. A key in such a page can be read by whoever opens it.";
    safety_browser_all = "Pages of every origin may call from a browser. A key in such a page can be read by whoever opens it.";
    safety_environment = "Keep them in environment variables, out of your code, and `.env` in `.gitignore`:";
    safety_each = "Use a key for each application and environment, and one for each customer where you serve many. Each is listed with when it was last used.";
    safety_bounds = "Bind a key to addresses, scopes or an end where you can.";
    safety_bounds_limits = "Bind a key to addresses, scopes, limits or an end where you can.";
    safety_watch = "Watch the usage of each key: {call} with the key, or the dashboard.";
    safety_watch_only = "Watch the usage of each key: {call} with the key.";
    rotation = "Rotating a key";
    rotation_when = "Keys last until they are revoked, unless they were made to end. Replace one from time to time, and when somebody who knew it has left, or it was seen in a repository or a chat.";
    rotation_make = "Make a new key, named for what it is, such as {name}.";
    rotation_deploy = "Deploy it. The old one still counts, so that you can go back.";
    rotation_revoke = "When nothing uses the old one any more, as its usage tells, revoke it.";
    rotation_api = "By API: {post} makes a key like the old one, which then ends after `grace`.";
    revocation = "Revoking is immediate: from then on the key is refused with {status}.";
    revocation_alike = "Revoking is immediate: from then on the key is refused with {status}, as an unknown key is.";

    reference = "API reference";
    reference_title = "{name} API reference";
    reference_lead = "What keys and signed-in users may ask of this server, beside the API itself. [The document]({url}) for programs is OpenAPI 3.1.";
    reference_errors = "Wrong use is told as a problem document (RFC 9457) with each wrong field; who is not let in, as on the [authentication page]({url}).";
    reference_key = "An API key";
    reference_user = "A user";
    reference_account = "An account's users";
    reference_sign_in = "Sign-in";
    reference_open = "Anybody";
    reference_needed = "A star marks what is needed.";
    reference_takes = "Takes";
    reference_answers = "Answers";
}

/// A sentence with its places filled in.
pub fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
        rest = after;
    }
    text + rest
}

impl Words {
    /// `1,000`.
    pub fn number(&self, number: u64) -> String {
        let digits = number.to_string();
        let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
        groups.join(self.thousands)
    }

    /// `a, b and c`.
    pub fn all_of(&self, items: &[String]) -> String {
        joined(items, self.list_and)
    }

    /// `a, b or c`.
    pub fn one_of(&self, items: &[String]) -> String {
        joined(items, self.list_or)
    }

    /// `15 minutes`.
    pub fn length(&self, span: crate::domain::time::Span) -> String {
        let seconds = span.seconds_up();
        let units = [
            (86_400, self.length_day, self.length_days),
            (3600, self.length_hour, self.length_hours),
            (60, self.length_minute, self.length_minutes),
        ];
        let found = units.into_iter().find(|(unit, ..)| seconds >= *unit && seconds.is_multiple_of(*unit));
        let (unit, one, many) = found.unwrap_or((1, self.length_second, self.length_seconds));
        let count = seconds / unit;
        if count == 1 { one.to_owned() } else { fill(many, &[("n", &self.number(count))]) }
    }
}

fn joined(items: &[String], last: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{}{last}{end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Span;

    #[test]
    fn places_are_filled() {
        assert_eq!(fill("{a} and {b}{a}", &[("a", "x"), ("b", "{a}")]), "x and {a}x");
        assert_eq!(fill("plain", &[]), "plain");
        assert_eq!(fill("{missing}!", &[]), "!");
    }

    #[test]
    fn every_sentence_can_be_read() {
        for sentence in all(&ENGLISH) {
            assert_eq!(sentence.matches('{').count(), sentence.matches('}').count(), "{sentence}");
            assert!(!sentence.is_empty());
        }
    }

    #[test]
    fn numbers_lists_and_lengths() {
        for (number, told) in [(5, "5"), (999, "999"), (1000, "1,000"), (5_000_000, "5,000,000")] {
            assert_eq!(ENGLISH.number(number), told);
        }
        let items = ["a", "b", "c"].map(str::to_owned);
        assert_eq!((ENGLISH.all_of(&items), ENGLISH.one_of(&items[..2])), ("a, b and c".into(), "a or b".into()));
        for (seconds, told) in
            [(900, "15 minutes"), (3600, "1 hour"), (86_400, "1 day"), (2_592_000, "30 days"), (90, "90 seconds"), (1, "1 second")]
        {
            assert_eq!(ENGLISH.length(Span::from_secs(seconds)), told);
        }
    }
}
