//! Running it: another configuration while it serves, what it logs, and what starts and asks it.

mod container;
mod guide;
mod health;
mod log;
mod reload;
mod reload_load;
mod reload_webhooks;
mod secrets;
mod systemd;
