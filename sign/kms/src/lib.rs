//! Signs with AWS KMS.
