//! Tests of the whole database.
