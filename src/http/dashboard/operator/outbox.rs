//! What is on its way: mails and SMS without what stands in them, and the messages of webhooks; each can be sent again.

use super::export;
use super::listing::{self, Cell, Input, Listing, Row, asked, text};
use crate::domain::delivery::MessageState;
use crate::domain::id;
use crate::http::dashboard::form::Form;
use crate::http::dashboard::shell::{Shell, root};
use crate::http::dashboard::show::see;
use crate::http::handlers;
use crate::http::request::{Call, Unreadable};
use crate::http::response::Response;
use crate::store::mails::Mail;
use crate::store::outbox::Message;

const TAB: &str = "admin-outbox";

/// `GET PREFIX/admin/outbox`.
pub async fn mails(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed_mails(&call)?).await
}

/// `GET PREFIX/admin/outbox.csv`.
pub async fn export_mails(call: Call) -> Result<Response, Unreadable> {
    let list = listed_mails(&call)?;
    export::send(call, list).await
}

/// `GET PREFIX/admin/outbox/webhooks`.
pub async fn messages(call: Call) -> Result<Response, Unreadable> {
    listing::show(&call, listed_messages(&call)?).await
}

/// `GET PREFIX/admin/outbox/webhooks.csv`.
pub async fn export_messages(call: Call) -> Result<Response, Unreadable> {
    let list = listed_messages(&call)?;
    export::send(call, list).await
}

fn listed_mails(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, mut query) = asked(call, |cursor| id::is(id::MAIL, cursor), &handlers::mails::FILTERS);
    let filter = handlers::mails::wanted(&mut query);
    query.finish()?;
    let columns = vec![
        text("lists.id"),
        text("lists.template"),
        text("lists.channel"),
        text("lists.address"),
        text("lists.state"),
        text("lists.tries"),
        text("lists.created"),
        text("lists.due"),
        text("lists.taken"),
        text("lists.fault"),
    ];
    let services = call.front.services.clone();
    let rows = move |ask| {
        let (services, filter) = (services.clone(), filter.clone());
        async move { services.mails(filter, ask).await }
    };
    let all = (String::new(), Shell::of(call, TAB).t("states.all").to_owned());
    let channels = handlers::mails::CHANNELS.map(|channel| (channel.name().to_owned(), channel.name().to_owned()));
    let list = Listing::new("outbox", TAB, text("operator.mails"), columns, ask);
    let list = list.field(call, "state", text("lists.state"), states(call));
    let list = list.field(call, "channel", text("lists.channel"), Input::Choice([vec![all], channels.into()].concat()));
    let list = list.field(call, "address", text("lists.address"), Input::Text).rows(rows, mail);
    Ok(with_parts(list, "outbox/mails"))
}

fn listed_messages(call: &Call) -> Result<Listing, Unreadable> {
    let (ask, mut query) = asked(call, |cursor| id::is(id::MESSAGE, cursor), &["endpoint", "state"]);
    let (state, endpoint) = handlers::webhooks::wanted(&mut query);
    query.finish()?;
    let columns = vec![
        text("lists.id"),
        text("lists.endpoint"),
        text("lists.event"),
        text("lists.state"),
        text("lists.tries"),
        text("lists.created"),
        text("lists.due"),
        text("lists.taken"),
        text("lists.fault"),
    ];
    let services = call.front.services.clone();
    let rows = move |ask| {
        let (services, endpoint) = (services.clone(), endpoint.clone());
        async move { services.messages(endpoint, state, ask).await }
    };
    let list = Listing::new("outbox/webhooks", TAB, text("operator.messages"), columns, ask);
    let list = list.field(call, "state", text("lists.state"), states(call));
    let list = list.field(call, "endpoint", text("lists.endpoint"), Input::Text).rows(rows, message);
    Ok(with_parts(list, "outbox/webhooks"))
}

/// Both lists know each other, and have a button that sends again.
fn with_parts(mut list: Listing, button: &'static str) -> Listing {
    list.unshown = vec!["lists.id", "lists.taken"];
    list.parts = vec![("outbox", text("operator.mails")), ("outbox/webhooks", text("operator.messages"))];
    list.button = Some((button, text("operator.send_again")));
    list
}

/// Where something may be on its way.
fn states(call: &Call) -> Input {
    let s = Shell::of(call, TAB);
    let all = (String::new(), s.t("states.all").to_owned());
    let known = MessageState::ALL.map(|state| (state.name().to_owned(), s.state_of(state.name()).to_owned()));
    Input::Choice([vec![all], known.into()].concat())
}

fn mail(mail: &Mail) -> Row {
    let cells = vec![
        Cell::Code(mail.id.clone()),
        Cell::Text(mail.template.name().to_owned()),
        Cell::Text(mail.channel.name().to_owned()),
        Cell::Text(mail.address.clone()),
        Cell::State(mail.state().name()),
        Cell::Number(mail.tries.into()),
        Cell::At(Some(mail.created_at)),
        Cell::At(mail.due_at),
        Cell::At(mail.taken_at),
        Cell::maybe(mail.fault.as_deref()),
    ];
    Row { id: mail.id.clone(), page: None, cells }
}

fn message(message: &Message) -> Row {
    let cells = vec![
        Cell::Code(message.id.clone()),
        Cell::Text(message.endpoint.clone()),
        Cell::Text(message.event.clone()),
        Cell::State(message.state().name()),
        Cell::Number(message.tries.into()),
        Cell::At(Some(message.created_at)),
        Cell::At(message.due_at),
        Cell::At(message.taken_at),
        Cell::maybe(message.fault.as_deref()),
    ];
    Row { id: message.id.clone(), page: None, cells }
}

/// `POST PREFIX/admin/outbox/mails`: sends one again.
pub async fn retry_mail(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    call.front.services.retry_mail(form.text("id"), &call.act()?).await?;
    see(&format!("{}admin/outbox?done=sent_again", root(&call)))
}

/// `POST PREFIX/admin/outbox/webhooks`: sends one again.
pub async fn retry_message(mut call: Call) -> Result<Response, Unreadable> {
    let form = Form::read(&mut call).await?;
    call.front.services.retry_message(form.text("id"), &call.act()?).await?;
    see(&format!("{}admin/outbox/webhooks?done=sent_again", root(&call)))
}
