//! By way of a proxy that speaks HTTPS, under a private authority.
