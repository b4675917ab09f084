//! Bounds the body of every answer of AWS's APIs, which the SDK would read without an end.

use aws_sdk_sts::config::{
    ConfigBag, Intercept, RuntimeComponents,
    interceptors::BeforeDeserializationInterceptorContextMut,
};
use aws_sdk_sts::error::BoxError;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// The longest is a lifecycle policy, of some 30 KiB.
const LIMIT: usize = 256 << 10;

/// Ends a body that is longer than [`LIMIT`] with an error, before it is parsed.
#[derive(Debug)]
pub(crate) struct BodyLimit;

impl Intercept for BodyLimit {
    fn name(&self) -> &'static str {
        "BodyLimit"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().take_body();
        *context.response_mut().body_mut() =
            body.map(|body| SdkBody::from_body_1_x(Limited::new(body, LIMIT)));
        Ok(())
    }
}
