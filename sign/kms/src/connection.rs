//! How KMS is reached: region, endpoint, credentials, patience.
//!
//! Made once for each key that is opened, from what the AWS SDK finds in the environment. No request is sent here.

use std::{fmt, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableRegionProvider,
    meta::region::ProvideRegion, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_kms::{Client, config::Builder};
use countersign_common::{Escaped, signer};

use crate::{KeyUri, again::Throttled, body_limit::BodyLimit};

/// How often a request is tried: throttling and failures of the service pass.
pub(crate) const ATTEMPTS: u32 = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How a key is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// How long one request may take, with all its attempts.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
        }
    }
}

/// Something that a person should see before a key is used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// Requests do not go to AWS's own address.
    Endpoint {
        /// Where they go.
        endpoint: String,
    },
    /// The ARN and the environment name two regions; the ARN's is used.
    Region {
        /// The ARN's region.
        arn: String,
        /// The region of `AWS_REGION` or `AWS_DEFAULT_REGION`.
        environment: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint { endpoint } => {
                write!(
                    f,
                    "KMS is asked at {}, not at AWS's own address",
                    Escaped(endpoint)
                )
            }
            Self::Region { arn, environment } => write!(
                f,
                "the key's ARN names region {}, `AWS_REGION` names {}; the ARN's is used",
                Escaped(arn),
                Escaped(environment)
            ),
        }
    }
}

/// A client for one key's region and endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) region: String,
    pub(crate) timeout: Duration,
    pub(crate) notices: Vec<Notice>,
}

impl Connection {
    /// Reads the environment and the AWS profile.
    pub(crate) async fn from_environment(
        uri: &KeyUri,
        options: Options,
    ) -> Result<Self, signer::Error> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_timeout(options.timeout)
                    .build(),
            );
        // Only without a region in the name is the SDK left to look for one: off EC2 its last place takes seconds.
        if let Some(region) = uri.region() {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let sdk = loader.load().await;
        let environment = EnvironmentVariableRegionProvider::new().region().await;
        let endpoint = std::env::var("AWS_ENDPOINT_URL_KMS")
            .ok()
            .or_else(|| sdk.endpoint_url().map(str::to_owned));
        let mut connection = Self::new(uri, &sdk, options)?;
        connection.notices = notices(uri, endpoint, environment.as_ref().map(Region::as_ref));
        Ok(connection)
    }

    /// Joins what the SDK found and what the key's name says.
    pub(crate) fn new(
        uri: &KeyUri,
        sdk: &SdkConfig,
        options: Options,
    ) -> Result<Self, signer::Error> {
        let region = sdk.region().ok_or_else(|| signer::Error::RegionUnknown {
            key: uri.name().to_owned(),
        })?;
        let mut builder = Builder::from(sdk)
            .interceptor(BodyLimit)
            .retry_classifier(Throttled::within(options.timeout));
        if let Some(endpoint) = uri.endpoint() {
            builder = builder.endpoint_url(endpoint);
        }
        Ok(Self {
            client: Client::from_conf(builder.build()),
            region: region.to_string(),
            timeout: options.timeout,
            notices: Vec::new(),
        })
    }
}

fn notices(uri: &KeyUri, endpoint: Option<String>, environment: Option<&str>) -> Vec<Notice> {
    let endpoint = uri.endpoint().map(str::to_owned).or(endpoint);
    let region = match (uri.region(), environment) {
        (Some(arn), Some(environment)) if arn != environment => Some(Notice::Region {
            arn: arn.to_owned(),
            environment: environment.to_owned(),
        }),
        _ => None,
    };
    endpoint
        .map(|endpoint| Notice::Endpoint { endpoint })
        .into_iter()
        .chain(region)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disagreement_of_regions_is_told_and_an_agreement_is_not() {
        let uri: KeyUri = "arn:aws:kms:eu-west-1:111122223333:alias/release"
            .parse()
            .unwrap();
        assert_eq!(notices(&uri, None, Some("eu-west-1")), []);
        assert_eq!(notices(&uri, None, None), []);
        let told = notices(&uri, None, Some("us-east-1"));
        assert_eq!(
            told[0].to_string(),
            "the key's ARN names region eu-west-1, `AWS_REGION` names us-east-1; the ARN's is used"
        );
        let alias: KeyUri = "alias/release".parse().unwrap();
        assert_eq!(notices(&alias, None, Some("us-east-1")), []);
    }

    #[test]
    fn another_endpoint_is_told() {
        let uri: KeyUri = "awskms://kms.example/alias/release".parse().unwrap();
        let told = notices(&uri, Some("http://127.0.0.1:1".to_owned()), None);
        assert_eq!(
            told[0].to_string(),
            "KMS is asked at https://kms.example, not at AWS's own address"
        );
        let alias: KeyUri = "alias/release".parse().unwrap();
        let told = notices(&alias, Some("http://127.0.0.1:1".to_owned()), None);
        assert!(
            matches!(&told[..], [Notice::Endpoint { endpoint }] if endpoint == "http://127.0.0.1:1")
        );
    }

    #[test]
    fn without_any_region_no_host_is_made_up() {
        let uri: KeyUri = "alias/release".parse().unwrap();
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .build();
        let error = Connection::new(&uri, &sdk, Options::default()).unwrap_err();
        assert!(matches!(error, signer::Error::RegionUnknown { key } if key == "alias/release"));
    }

    #[tokio::test]
    async fn the_region_of_an_arn_is_the_one_that_is_asked() {
        let uri: KeyUri = "arn:aws:kms:xx-test-7:111122223333:alias/release"
            .parse()
            .unwrap();
        let connection = Connection::from_environment(&uri, Options::default())
            .await
            .unwrap();
        assert_eq!(connection.region, "xx-test-7");
    }
}
