//! Behind Caddy.

use super::front::Kind;

super::cases_behind!(Kind::Caddy);
