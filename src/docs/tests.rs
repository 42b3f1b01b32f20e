//! The page, section by section, with policies that have and lack what it tells of.
