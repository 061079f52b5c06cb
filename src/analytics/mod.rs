//! What do the sets say? Figures about segments: exact counts worked out from bitmaps, columns and logs.
//!
//! Owns:   funnels, engagement, conversion, breakdowns, overlaps, the recency-frequency-money grid, the review of
//!         segments; what each figure means (docs/ANALYTICS.md).
//! Never:  changes a fact or a member, reads a clock, keeps a figure.
//! Start:  [`breakdown`], [`overlap`], [`conversion`], [`review`].

pub mod beside;
pub mod breakdown;
pub mod conversion;
pub mod cuts;
pub mod engagement;
pub mod funnel;
pub mod overlap;
pub mod parts;
pub mod relation;
pub mod review;
pub mod rfm;
pub mod sweep;
pub mod unclear;
