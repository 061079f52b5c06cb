//! Realistic data of any size, the same for the same seed.

pub mod person;
pub mod words;
