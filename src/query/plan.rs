//! A bound rule: a graph of nodes over leaves, all operands absolute, negation only at the leaves.

/// A bound rule. It holds no facts but the postings of the segments it names, and is asked of an [`Index`]
/// under the schema that it was bound with.
///
/// [`Index`]: crate::index::Index
#[derive(Clone, Debug)]
pub struct Plan(());
