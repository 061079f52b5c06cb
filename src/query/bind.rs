//! From a rule's names to a plan.

#![allow(clippy::unimplemented)]
use crate::{
    query::{
        context::{BindError, Context},
        plan::Plan,
    },
    rule::ast::Rule,
};

/// Binds a checked rule: names become ids, relative times become absolute, named segments are put in place.
///
/// Errors: [`BindError`]; of a checked rule only [`BindError::UnknownSegment`], [`BindError::Cycle`] and
/// [`BindError::TooDeep`].
pub fn bind(rule: &Rule, context: &Context<'_>) -> Result<Plan, BindError> {
    let _ = (rule, context);
    unimplemented!()
}
