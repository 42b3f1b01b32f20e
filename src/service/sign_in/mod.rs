//! Sign-in: who somebody is, and what keeps others from being them.

#[allow(dead_code)]
pub mod password;
#[allow(dead_code)]
pub mod throttle;
