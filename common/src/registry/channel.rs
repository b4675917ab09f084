//! How a registry is asked, for who could not reach it. Named by errors; decides nothing.

/// How a registry is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel {
    /// Without TLS.
    Plain,
    /// By TLS.
    Secure,
}
