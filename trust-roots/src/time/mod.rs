//! Whom to believe about time, and what their stamps prove together.
//!
//! Made by the command from certificate chains; asked by the dating of a document. Nothing here comes from evidence.

mod authority;
mod interval;

pub use self::{
    authority::{Standing, TimeAuthority, TimeRules, TimeRulesError, Window},
    interval::{Interval, not_after, not_before},
};
