//! Standing predicates against fresh binds.
