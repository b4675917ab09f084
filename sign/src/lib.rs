//! Plan, sign, seal and attach.
