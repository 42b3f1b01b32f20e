//! Behind nginx.

use super::front::Kind;

super::cases_behind!(Kind::Nginx);
