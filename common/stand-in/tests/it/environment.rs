//! What is written for a user's pipeline: variables that a shell can read, a login that works, files that are private.

use std::{collections::BTreeMap, fs, path::Path};

use countersign_stand_in::{DEFAULT_ALIAS, Login, Options, RegistryMode, StandIn, Transport};
use serde_json::{Value, json};

use crate::world::World;

fn variables(stand_in: &StandIn, folder: &Path) -> BTreeMap<String, String> {
    stand_in.environment(folder).unwrap().into_iter().collect()
}

fn with_transport(transport: Transport) -> StandIn {
    StandIn::start(Options {
        transport,
        ..Options::default()
    })
    .unwrap()
}

fn docker_config(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("config.json")).unwrap()).unwrap()
}

#[test]
fn the_variables_lead_to_the_services() {
    let folder = tempfile::tempdir().unwrap();
    let stand_in = with_transport(Transport::Plain);
    let variables = variables(&stand_in, folder.path());
    let aws = stand_in.aws_endpoint().as_str().trim_end_matches('/');
    let docker = folder.path().canonicalize().unwrap();
    for (name, value) in [
        ("REGISTRY", stand_in.registry_host()),
        ("KMS_KEY", &format!("awskms:///{DEFAULT_ALIAS}")),
        ("AWS_ENDPOINT_URL", aws),
        ("AWS_ENDPOINT_URL_ECR", aws),
        ("AWS_ENDPOINT_URL_KMS", aws),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("COUNTERSIGN_ACCEPT_STAND_IN", "1"),
        ("DOCKER_CONFIG", docker.to_str().unwrap()),
    ] {
        assert_eq!(variables[name], value, "{name}");
    }
    assert!(!variables["AWS_ACCESS_KEY_ID"].is_empty());
    assert!(!variables["AWS_SECRET_ACCESS_KEY"].is_empty());
    assert!(!variables.contains_key("SSL_CERT_FILE"));
    assert!(!variables.contains_key("HTTPS_PROXY"));
}

#[test]
fn with_tls_the_authority_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let stand_in = with_transport(Transport::Tls);
    let variables = variables(&stand_in, folder.path());
    let pem = fs::read_to_string(&variables["SSL_CERT_FILE"]).unwrap();
    assert_eq!(Some(pem.as_str()), stand_in.authority_pem());
    assert!(variables["AWS_ENDPOINT_URL"].starts_with("https://127.0.0.1:"));
}

#[test]
fn under_awss_names_only_the_proxy_leads_here() {
    let folder = tempfile::tempdir().unwrap();
    let stand_in = with_transport(Transport::AwsNames);
    let variables = variables(&stand_in, folder.path());
    assert_eq!(
        variables["REGISTRY"],
        "000000000000.dkr.ecr.us-east-1.amazonaws.com"
    );
    assert_eq!(
        variables["HTTPS_PROXY"],
        stand_in.proxy().unwrap().as_str().trim_end_matches('/')
    );
    assert!(!variables.contains_key("AWS_ENDPOINT_URL"));
}

#[tokio::test]
async fn the_docker_login_works() {
    for registry in [
        RegistryMode::Ecr,
        RegistryMode::PlainOci(Login::Basic),
        RegistryMode::NoReferrersApi(Login::Basic),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new(Options {
            registry,
            ..Options::default()
        });
        world.stand_in.environment(folder.path()).unwrap();
        let config = docker_config(folder.path());
        let auth = &config["auths"][world.stand_in.registry_host()]["auth"];
        let authorization = format!("Basic {}", auth.as_str().unwrap());
        let headers = [("authorization", authorization.as_str())];
        let answer = world.ask("GET", &world.at("/v2/"), &headers, "").await;
        assert_eq!(answer.status, 200, "{registry:?}");
    }
}

#[test]
fn without_a_login_the_docker_config_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    World::plain().stand_in.environment(folder.path()).unwrap();
    assert_eq!(docker_config(folder.path()), json!({"auths": {}}));
}

#[test]
fn the_file_is_a_list_of_shell_assignments() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it's an env file");
    let stand_in = with_transport(Transport::Plain);
    stand_in.write_env_file(&file).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.lines().all(|line| line.starts_with("export ")),
        "{text}"
    );
    let registry = format!("export REGISTRY='{}'\n", stand_in.registry_host());
    assert!(text.contains(&registry), "{text}");
    assert!(text.contains("/it'\\''s an env file.d'\n"), "{text}");
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "the file and its folder: {names:?}");
}

#[cfg(unix)]
#[test]
fn the_login_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let stand_in = with_transport(Transport::Plain);
    stand_in.environment(folder.path()).unwrap();
    let metadata = fs::metadata(folder.path().join("config.json")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let stand_in = with_transport(Transport::Plain);
    fs::write(folder.path().join("file"), "").unwrap();
    let error = stand_in
        .environment(&folder.path().join("file/env"))
        .unwrap_err();
    assert!(error.to_string().ends_with("/file/env"), "{error}");
}
