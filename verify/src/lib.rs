//! The judgement: evidence, check, verdict.
