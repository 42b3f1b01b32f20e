//! Running it: another configuration while it serves, what it logs, and what starts and asks it.

mod log;
mod reload;
mod reload_load;
mod secrets;
