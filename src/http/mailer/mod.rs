//! Sends mails and SMS, for as long as a server runs: what is due is written, tried, and what came of it noted. Of one address one
//! goes after the other. Where nothing is configured that sends, the log has what would have been sent: the one place where a link
//! or a code is ever logged.

mod sms;
mod smtp;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::Policy;
use crate::domain::delivery::next_try;
use crate::domain::proof::Channel;
use crate::domain::time::{Span, Timestamp};
use crate::http::Current;
use crate::http::lanes::{self, AFTER_FAULT, LOOK_EVERY, Lanes};
use crate::service::Services;
use crate::service::mails::{Parcel, Ready, Unwritten};
use crate::store::mails::Mail;
use sms::Gateway;
use smtp::Smtp;

/// One of what is sent.
const WHAT: &str = "mail";

/// By what is sent, and how many at once.
const LANES: [(Channel, usize); 2] = [(Channel::Email, 8), (Channel::Phone, 4)];

/// From which try on one that is not taken is worth a warning: whoever takes them may be gone.
const WORRYING: u32 = 3;

/// How a try ended.
#[derive(Debug)]
enum Ended {
    /// Somebody has it, and will deliver it.
    Taken,
    /// Nobody ever will.
    Refused {
        /// Why.
        fault: String,
    },
    /// Nobody has it yet.
    Failed {
        /// Why.
        fault: String,
        /// How long the other side asks to wait.
        wait: Option<Span>,
    },
}

/// Sends until told to stop; what is under way then is finished, within `[server] shutdown_timeout`.
pub async fn run(current: Arc<Current>, mut stop: watch::Receiver<bool>) {
    let policy = current.services().policy.clone();
    let mut mailer = Mailer { posts: Arc::new(Posts::of(&policy)), policy, current, lanes: Lanes::new(WHAT) };
    tokio::select! {
        () = mailer.send_all() => {}
        // Whoever could stop it is gone: so is the server.
        _ = stop.wait_for(|stop| *stop) => {}
    }
    let patience = mailer.current.services().policy.server.shutdown_timeout.as_duration();
    mailer.lanes.finish(patience).await;
}

/// What a configuration sends by.
struct Posts {
    smtp: Option<Smtp>,
    gateway: Option<Gateway>,
}

impl Posts {
    fn of(policy: &Policy) -> Self {
        let to_nowhere = policy.mail.is_some() && policy.server.public_url.is_empty() && policy.sign_in.links.verify.is_none();
        if to_nowhere && policy.sign_in.enabled {
            tracing::warn!("[server] public_url is not set: the links in mails lead to where this server listens");
        }
        policy.sending().into_iter().for_each(|told| tracing::info!("{told}"));
        Self { smtp: policy.mail.as_ref().map(Smtp::new), gateway: policy.sms.as_ref().map(Gateway::new) }
    }

    fn retries(&self, channel: Channel) -> &[Span] {
        let of_mail = || self.smtp.as_ref().map(|smtp| smtp.settings().retries.as_slice());
        let of_sms = || self.gateway.as_ref().map(|gateway| gateway.settings().retries.as_slice());
        if channel == Channel::Phone { of_sms() } else { of_mail() }.unwrap_or_default()
    }
}

struct Mailer {
    /// Each round sends by the configuration in force.
    current: Arc<Current>,
    /// That which the posts are of.
    policy: Arc<Policy>,
    posts: Arc<Posts>,
    lanes: Lanes<Channel>,
}

impl Mailer {
    async fn send_all(&mut self) {
        let postbox = self.current.services().postbox.clone();
        loop {
            let wait = self.begin_due().await;
            self.lanes.wait(postbox.written(), wait).await;
        }
    }

    /// Makes ready for another configuration.
    fn follow(&mut self, policy: &Arc<Policy>) {
        if !Arc::ptr_eq(&self.policy, policy) {
            (self.policy, self.posts) = (policy.clone(), Arc::new(Posts::of(policy)));
        }
    }

    /// Begins to send what is due and has a lane. Answers when there may be more.
    async fn begin_due(&mut self) -> Duration {
        let now = Timestamp::now();
        let services = self.current.services();
        self.follow(&services.policy);
        // What is under way is due as well, and is left out below.
        let wanted: Vec<_> = LANES.into_iter().filter(|(channel, most)| self.lanes.busy(channel) < *most).collect();
        if wanted.is_empty() {
            return LOOK_EVERY;
        }
        let due = match services.due_mails(wanted, now).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!("which mails are due could not be read: {error}");
                return AFTER_FAULT;
            }
        };
        for parcel in due.parcels {
            let (channel, id) = (parcel.mail.channel, parcel.mail.id.clone());
            let most = LANES.into_iter().find(|(own, _)| *own == channel).map_or(0, |(_, most)| most);
            let (services, posts) = (services.clone(), self.posts.clone());
            self.lanes.begin(channel, most, id, async move { try_once(&services, &posts, parcel).await });
        }
        lanes::until(due.next, now)
    }
}

/// Tries one once, and notes what came of it.
async fn try_once(services: &Services, posts: &Posts, mut parcel: Parcel) {
    let tried = Timestamp::now();
    parcel.mail.tries = parcel.mail.tries.saturating_add(1);
    let ended = send(services, posts, &parcel, tried).await;
    let mail = &mut parcel.mail;
    judge(mail, ended, posts.retries(mail.channel), services, Timestamp::now());
    let mail = &parcel.mail;
    lanes::note(WHAT, &mail.id, move || services.note_mail(mail, tried)).await;
}

async fn send(services: &Services, posts: &Posts, parcel: &Parcel, now: Timestamp) -> Ended {
    let (ready, secret) = match services.write_mail(parcel, now) {
        Ok(written) => written,
        Err(Unwritten(fault)) => return Ended::Refused { fault },
    };
    let mail = &parcel.mail;
    match (&ready, &posts.smtp, &posts.gateway) {
        (Ready::Mail { written, .. }, Some(smtp), _) => smtp.send(mail, written, secret.as_ref().map(|secret| secret.expose())).await,
        (Ready::Sms { text, code }, _, Some(gateway)) => gateway.send(mail, text, code.as_deref(), now).await,
        // Where mail goes out nobody reads the log for codes.
        (Ready::Sms { .. }, Some(_), None) => Ended::Refused { fault: "[sms] names no gateway".into() },
        _ => {
            log(mail, &ready);
            Ended::Taken
        }
    }
}

/// Where nothing sends, the operator reads it here, and hands it on: how somebody tries tollgate without a mail server.
fn log(mail: &Mail, ready: &Ready) {
    let (address, id) = (&mail.address, &mail.id);
    match ready {
        Ready::Mail { link: Some(link), .. } => tracing::info!(id, "the link for {address}: {link}"),
        Ready::Mail { written, .. } => {
            tracing::info!(id, "a mail for {address} is not sent, because [mail] names no server: {}", written.subject)
        }
        Ready::Sms { code: Some(code), .. } => tracing::info!(id, "the code for {address}: {code}"),
        Ready::Sms { text, .. } => tracing::info!(id, "an SMS for {address} is not sent, because [sms] names no gateway: {text}"),
    }
}

/// What becomes of one after a try.
fn judge(mail: &mut Mail, ended: Ended, retries: &[Span], services: &Services, now: Timestamp) {
    let (id, template, tries) = (&mail.id, mail.template.name(), mail.tries);
    let what = if mail.channel == Channel::Phone { "an SMS" } else { "a mail" };
    let (fault, next) = match ended {
        Ended::Taken => {
            tracing::debug!(id, template, "{what} was taken");
            (mail.due_at, mail.fault, mail.taken_at) = (None, None, Some(now));
            return;
        }
        Ended::Refused { fault } => (fault, None),
        Ended::Failed { fault, wait } => (fault, next_try(retries, mail.tries, wait, rand::random(), now)),
    };
    match next {
        Some(next) if tries < WORRYING => tracing::info!(id, template, tries, "{what} was not taken: {fault}; next try {next}"),
        Some(next) => tracing::warn!(id, template, tries, "{what} was not taken again: {fault}; next try {next}"),
        None => {
            services.metrics.mails_given_up.count();
            tracing::warn!(id, template, tries, "{what} was given up: {fault}; once that is mended: tollgate mail retry {id}");
        }
    }
    (mail.due_at, mail.fault) = (next, Some(fault));
}
