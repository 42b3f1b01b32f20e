//! Black-box tests: the real binary over HTTP, each test with its own folder and port. Cases are data that say what must and
//! what must not be there.

mod support;

mod accounts;
mod admin;
mod backup;
mod billing;
mod cli;
mod clients;
mod config;
mod dashboard;
mod docs;
mod doctor;
mod edges;
mod embed;
mod examples;
mod faults;
mod gate;
mod import;
mod keys;
mod limits;
mod mail;
mod metrics;
mod openapi;
mod proxies;
mod readme;
mod running;
mod sign_in;
mod smoke;
mod smuggling;
mod upstream;
mod usage;
mod webhooks;
