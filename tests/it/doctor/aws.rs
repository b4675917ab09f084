//! Credentials, region, and who asks.

use countersign_stand_in::{Fault, Lie};

use super::{CALLER, Clinic, RELEASE, Report};
use crate::world::World;

const STS: &str = "AWSSecurityTokenServiceV20110615.GetCallerIdentity";

#[test]
fn the_step_of_the_chain_and_the_caller_are_told() {
    let clinic = Clinic::new();
    clinic
        .report()
        .has("aws-credentials", "ok", "the environment")
        .has("aws-caller", "ok", CALLER)
        .has("aws-region", "ok", "us-east-1, by `AWS_REGION`");
    let profile = clinic.world.write(
        "aws.config",
        "[default]\nregion = us-east-1\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = a-secret\n\
         [profile program]\nregion = us-east-1\ncredential_process = /bin/sh program.sh\n",
    );
    clinic.world.write(
        "program.sh",
        "echo '{\"Version\": 1, \"AccessKeyId\": \"AKIDPROGRAM\", \"SecretAccessKey\": \"a-secret\", \"SessionToken\": \"t\", \"Expiration\": \"2100-01-01T00:00:00Z\"}'\n",
    );
    let none = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_REGION", ""),
        ("AWS_DEFAULT_REGION", ""),
        ("AWS_CONFIG_FILE", profile.as_str()),
    ];
    let image = clinic.image.tagged();
    let arguments = ["--key", RELEASE, &image];
    let report = clinic
        .report_with(&arguments, &none)
        .has("aws-credentials", "ok", "keys in the AWS profile")
        .has("aws-region", "ok", "by the AWS profile");
    assert!(!report.run.stdout.contains("AKIDPROFILE"));
    let program = [&none[..], &[("AWS_PROFILE", "program")]].concat();
    clinic
        .report_with(&arguments, &program)
        .has("aws-credentials", "ok", "`credential_process`")
        .has("aws-credentials", "ok", "expire at 2100-01-01T00:00:00Z");
}

#[test]
fn a_step_that_fails_is_not_known_and_one_that_makes_no_sense_is_a_problem() {
    let clinic = Clinic::new();
    let config = clinic.world.write(
        "aws.config",
        "[profile failing]\ncredential_process = echo hunter2 >&2; false\n\
         [profile senseless]\nrole_arn = arn:aws:iam::000000000000:role/sign\ncredential_source = Nowhere\n",
    );
    let ask = |profile: &str| {
        let variables = [
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_SECRET_ACCESS_KEY", ""),
            ("AWS_CONFIG_FILE", config.as_str()),
            ("AWS_PROFILE", profile),
        ];
        clinic.report_with(&["--key", RELEASE], &variables)
    };
    let unknown = "the AWS credentials could not be had";
    let failing = ask("failing")
        .ends(3)
        .has("aws-caller", "skipped", unknown)
        .has("kms-sign", "skipped", unknown);
    assert!(!failing.run.stdout.contains("there are no AWS credentials"));
    let found = failing.finding("aws-credentials", "unknown");
    assert_eq!(found["cause"], "aws-credentials-unavailable");
    // How it ended, and nothing of what it printed.
    let sentence = found["sentence"].as_str().unwrap();
    assert!(sentence.contains("exit status: 1"), "{sentence}");
    let said = format!("{}{}", failing.run.stdout, failing.run.stderr);
    assert!(!said.contains("hunter2"), "{said}");
    let senseless = ask("senseless").ends(1);
    let found = senseless.finding("aws-credentials", "problem");
    assert_eq!(found["cause"], "aws-credentials-invalid");
}

#[test]
fn without_credentials_the_rest_is_not_asked() {
    let clinic = Clinic::new();
    let image = clinic.image.tagged();
    let report = clinic
        .report_with(
            &["--key", RELEASE, &image],
            &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")],
        )
        .ends(1)
        .has("aws-credentials", "problem", "there are no AWS credentials")
        .has("kms-sign", "skipped", "there are no AWS credentials")
        .has("ecr-tags", "skipped", "there are no AWS credentials");
    assert_eq!(
        report.finding("aws-credentials", "problem")["cause"],
        "aws-credentials-missing"
    );
    assert!(clinic.world.kms_calls("GetPublicKey").len() <= 1);
}

#[test]
fn expired_credentials_are_a_problem_and_a_silent_service_is_not_known() {
    let clinic = Clinic::new();
    clinic.lie(
        STS,
        Lie::sts_error(
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ),
    );
    clinic
        .report()
        .ends(1)
        .has("aws-caller", "problem", "ExpiredToken: The security token")
        // Whatever is denied then, nobody knows to whom.
        .has("kms-sign", "ok", "");
    clinic.world.stand_in.faults().clear();
    clinic.lie(STS, Lie::Silence);
    clinic
        .report_with(&["--timeout", "2", "--key", RELEASE], &[])
        .ends(3)
        .has("aws-caller", "unknown", "STS did not answer within 2 s")
        .has("kms-sign", "ok", "");
    clinic.world.stand_in.faults().clear();
    clinic.lie(STS, Lie::sts_error(503, "ServiceUnavailable", "later"));
    clinic
        .report()
        .ends(3)
        .has("aws-caller", "unknown", "later");
}

#[test]
fn no_region_is_a_problem_of_keys_that_name_none() {
    let clinic = Clinic::new();
    let none = [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "")];
    clinic
        .report_with(&["--key", RELEASE], &none)
        .ends(1)
        .has("aws-region", "problem", "set `AWS_REGION`")
        .has("kms-sign", "skipped", "no region");
    clinic
        .report_with(&["--key", &clinic.arn], &none)
        .ends(0)
        .has("aws-region", "ok", "none is needed")
        .has("kms-sign", "ok", "");
    clinic
        .report_with(&["--key", &clinic.arn], &[("AWS_REGION", "eu-west-1")])
        .ends(0)
        .has("aws-region", "note", "`AWS_REGION` names eu-west-1");
}

#[test]
fn nothing_of_aws_is_asked_where_nothing_of_aws_is_named() {
    let clinic = Clinic::new();
    clinic.world.stand_in.forget_calls();
    clinic
        .report_with(&[], &[("AWS_ACCESS_KEY_ID", "")])
        .ends(0)
        .has("aws-credentials", "skipped", "no key in KMS");
    assert!(clinic.world.stand_in.calls().is_empty());
}

/// Nothing in the environment by which credentials would be found.
const NOTHING: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", ""),
    ("AWS_SECRET_ACCESS_KEY", ""),
    ("AWS_EC2_METADATA_DISABLED", ""),
];

const KEYS: &str = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"AKIDELSEWHERE","SecretAccessKey":"a-secret","Token":"t","Expiration":"2100-01-01T00:00:00Z","LastUpdated":"2026-01-01T00:00:00Z"}"#;

fn says(text: &str) -> Lie {
    Lie::Instead {
        status: 200,
        headers: [
            ("Content-Type", "application/json"),
            ("x-aws-ec2-metadata-token-ttl-seconds", "600"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        body: text.as_bytes().to_vec().into(),
    }
}

fn reported(world: &World, variables: &[(&str, &str)]) -> Report {
    let key = World::kms_key();
    let words = ["doctor", "--output", "json", "--key", &key];
    Report::of(world.countersign_with(&words, &[&NOTHING[..], variables].concat()))
}

#[test]
fn credentials_of_a_container_and_of_an_instance_are_told_apart() {
    let world = World::oci();
    let endpoint = world.stand_in.aws_endpoint().as_str();
    let faults = world.stand_in.faults();
    faults.push(Fault::on("GET /task", says(KEYS)));
    reported(
        &world,
        &[(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &format!("{endpoint}task"),
        )],
    )
    .ends(0)
    .has("aws-credentials", "ok", "the container (ECS)");
    faults.push(Fault::on("PUT /latest/api/token", says("a-token")));
    let role = "GET /latest/meta-data/iam/security-credentials*";
    faults.push(Fault::on(&format!("{role}/sign*"), says(KEYS)));
    faults.push(Fault::on(&format!("{role}/"), says("sign-releases")));
    reported(
        &world,
        &[(
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            endpoint.trim_end_matches('/'),
        )],
    )
    .ends(0)
    .has("aws-credentials", "ok", "this EC2 instance (IMDS)");
}

#[test]
fn credentials_of_a_web_identity_are_told() {
    let clinic = Clinic::new();
    let token = clinic.world.write("token", "a-token");
    clinic.lie(
        "AWSSecurityTokenServiceV20110615.AssumeRoleWithWebIdentity",
        says(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
             <AssumedRoleUser><Arn>arn:aws:sts::000000000000:assumed-role/sign/run</Arn><AssumedRoleId>A:run</AssumedRoleId></AssumedRoleUser>\
             <Credentials><AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>a-secret</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        ),
    );
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/sign"),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
    ];
    clinic
        .report_with(&["--key", RELEASE], &variables)
        .ends(0)
        .has("aws-credentials", "ok", "a web identity");
}

#[test]
fn answers_without_an_end_are_not_read_to_it() {
    let clinic = Clinic::new();
    clinic.lie(STS, Lie::Endless);
    clinic.lie("*.DescribeRepositories", Lie::Endless);
    clinic
        .report()
        .ends(3)
        .has("aws-caller", "unknown", "")
        .has("ecr-tags", "unknown", "")
        .has("kms-sign", "ok", "");
    let long = clinic.world.calls(|call| call.sent() > 16 << 20);
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn a_caller_that_would_forge_a_line_is_nobody() {
    let clinic = Clinic::new();
    let forged = "arn:aws:iam::0:user/me\nok[kms-sign]: all is well";
    let xml = format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{forged}</Arn><Account>0</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    clinic.lie(STS, Lie::Body(xml.into()));
    clinic
        .report()
        .ends(3)
        .has("aws-caller", "unknown", "names nobody");
}
