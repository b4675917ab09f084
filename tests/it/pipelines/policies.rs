//! The documents of the Terraform module: worked out here, and by Terraform itself where it is, and held against the README.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use super::{evaluation::locals, read, source};
use crate::world::run;

pub(super) const POLICIES: &str = "pipelines/terraform/policies";

pub(super) fn variables() -> Value {
    json!({
        "partition": "aws",
        "account_id": "111122223333",
        "key_arn": "arn:aws:kms:eu-west-1:111122223333:key/KEY-ID",
        "key_spec": "ECC_NIST_P256",
        "administrator_arns": [],
        "public_key_reader_arns": [],
        "signer_arns": ["arn:aws:iam::111122223333:role/countersign-signer"],
        "repository_arns": ["arn:aws:ecr:eu-west-1:111122223333:repository/shop/*"],
        "github_provider_arn": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com",
        "github_subjects": ["repo:ORG/REPO:environment:release"],
        "gitlab_provider_arn": null,
        "gitlab_host": "gitlab.com",
        "gitlab_audience": "sts.amazonaws.com",
        "gitlab_subjects": [],
        "codebuild_project_arns": [],
        "expire_tags": { "dev-*": 30, "pr-*": 7 },
    })
}

/// The same with some changed.
fn with(changes: &Value) -> Value {
    let mut variables = variables();
    for (name, value) in changes.as_object().unwrap() {
        assert!(variables.get(name).is_some(), "{name}");
        variables[name] = value.clone();
    }
    variables
}

/// A document of the module.
fn document(name: &str, variables: &Value) -> Value {
    let locals = locals(&format!("{POLICIES}/main.tf"), variables);
    serde_json::from_str(locals[name].as_str().unwrap()).unwrap()
}

fn statement(document: &Value, name: &str) -> Value {
    let statements = document["Statement"].as_array().unwrap();
    let found = statements.iter().find(|statement| statement["Sid"] == name);
    found
        .unwrap_or_else(|| panic!("{name} is not in {document}"))
        .clone()
}

/// What is allowed and denied: effect, action, resource.
pub(crate) fn rights(document: &Value) -> Vec<(String, String, String)> {
    let list = |value: &Value| match value {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut rights = Vec::new();
    for statement in document["Statement"].as_array().unwrap() {
        for action in list(&statement["Action"]) {
            for resource in list(&statement["Resource"]) {
                rights.push((text(&statement["Effect"]), text(&action), text(&resource)));
            }
        }
    }
    rights.sort();
    rights
}

/// The policies that the README shows: the signer's, then the verifier's.
pub(crate) fn documented() -> Vec<Value> {
    let readme = read("README.md");
    let blocks = readme.split("```json\n").skip(1);
    blocks
        .map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap())
        .filter(|document: &Value| document["Version"] == "2012-10-17")
        .collect()
}

#[test]
fn signers_and_verifiers_are_allowed_what_the_readme_says() {
    let [signer, verifier] = documented().try_into().unwrap();
    let variables = variables();
    let rendered = document("signer_policy", &variables);
    assert_eq!(rights(&rendered), rights(&signer));
    assert_eq!(
        rights(&document("verifier_policy", &variables)),
        rights(&verifier)
    );
    let conditions = &statement(&rendered, "Sign")["Condition"]["StringEquals"];
    assert_eq!(conditions["kms:SigningAlgorithm"], json!(["ECDSA_SHA_256"]));
    assert_eq!(conditions["kms:MessageType"], "DIGEST");
    // A condition about signing would deny what is no signature.
    assert_eq!(statement(&rendered, "PublicKey").get("Condition"), None);
}

#[test]
fn every_kind_of_key_that_the_readme_names_can_be_made_and_signs_as_the_command_does() {
    let readme = read("README.md");
    let named: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| {
            name.starts_with("ECC_") || name.starts_with("ML_") || name.starts_with("RSA_")
        })
        .collect();
    assert!(named.len() >= 10, "{named:?}");
    for spec in named {
        let policy = document("key_policy", &with(&json!({ "key_spec": spec })));
        let conditions = statement(&policy, "Sign")["Condition"]["StringEquals"].clone();
        let message = match spec {
            "ECC_NIST_EDWARDS25519" => "RAW",
            spec if spec.starts_with("ML_DSA") => "EXTERNAL_MU",
            _ => "DIGEST",
        };
        assert_eq!(conditions["kms:MessageType"], message, "{spec}");
    }
}

#[test]
fn those_who_administer_the_key_cannot_sign_and_nobody_else_can() {
    let signers = json!(["arn:aws:iam::111122223333:role/countersign-signer"]);
    let policy = document("key_policy", &variables());
    let administer = statement(&policy, "Administer");
    assert_eq!(
        administer["Principal"]["AWS"],
        json!(["arn:aws:iam::111122223333:root"])
    );
    for forbidden in ["kms:Sign", "kms:CreateGrant", "kms:*", "*"] {
        let actions = administer["Action"].as_array().unwrap();
        assert!(!actions.contains(&json!(forbidden)), "{forbidden}");
    }
    assert_eq!(statement(&policy, "Sign")["Principal"]["AWS"], signers);
    assert_eq!(statement(&policy, "Sign")["Action"], json!(["kms:Sign"]));
    let deny = statement(&policy, "NobodyElseSigns");
    assert_eq!(
        (&deny["Effect"], &deny["Action"], &deny["Principal"]["AWS"]),
        (&json!("Deny"), &json!(["kms:Sign"]), &json!("*"))
    );
    assert_eq!(
        deny["Condition"],
        json!({ "StringNotEquals": { "aws:PrincipalArn": signers } })
    );

    let named = with(&json!({
        "administrator_arns": ["arn:aws:iam::111122223333:role/keys"],
        "public_key_reader_arns": ["arn:aws:iam::444455556666:root"],
    }));
    let policy = document("key_policy", &named);
    assert_eq!(
        statement(&policy, "Administer")["Principal"]["AWS"],
        json!(["arn:aws:iam::111122223333:role/keys"])
    );
    assert_eq!(
        statement(&policy, "Recover")["Action"],
        json!(["kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"])
    );
    let readers = &statement(&policy, "PublicKey")["Principal"]["AWS"];
    assert_eq!(readers[1], "arn:aws:iam::444455556666:root");
}

#[test]
fn only_exact_subjects_assume_the_role() {
    let all = with(&json!({
        "gitlab_provider_arn": "arn:aws:iam::111122223333:oidc-provider/gitlab.corp.example",
        "gitlab_host": "gitlab.corp.example",
        "gitlab_subjects": ["project_path:g/p:ref_type:branch:ref:main"],
        "codebuild_project_arns": ["arn:aws:codebuild:eu-west-1:111122223333:project/shop"],
    }));
    let trust = document("signer_trust", &all);
    let condition = |name: &str| statement(&trust, name)["Condition"].clone();
    assert_eq!(
        condition("GitHub"),
        json!({ "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": ["repo:ORG/REPO:environment:release"],
        } })
    );
    assert_eq!(
        condition("GitLab"),
        json!({ "StringEquals": {
            "gitlab.corp.example:aud": "sts.amazonaws.com",
            "gitlab.corp.example:sub": ["project_path:g/p:ref_type:branch:ref:main"],
        } })
    );
    assert_eq!(
        condition("CodeBuild"),
        json!({ "StringEquals": {
            "aws:SourceAccount": "111122223333",
            "aws:SourceArn": ["arn:aws:codebuild:eu-west-1:111122223333:project/shop"],
        } })
    );
    // A statement for whom nobody named would be for anybody.
    let trust = document("signer_trust", &variables());
    assert_eq!(trust["Statement"].as_array().unwrap().len(), 1);
}

#[test]
fn the_alarm_is_for_everybody_but_the_signers() {
    let pattern = document("alarm_pattern", &variables());
    let detail = &pattern["detail"];
    assert_eq!(detail["eventName"], json!(["Sign"]));
    assert_eq!(
        detail["resources"]["ARN"],
        json!(["arn:aws:kms:eu-west-1:111122223333:key/KEY-ID"])
    );
    let arn = |index: usize| {
        detail["$or"][index]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"].clone()
    };
    assert_eq!(
        arn(0),
        json!([{ "anything-but": ["arn:aws:iam::111122223333:role/countersign-signer"] }])
    );
    assert_eq!(arn(1), json!([{ "exists": false }]));
}

#[test]
fn no_rule_of_a_repository_takes_signatures() {
    let rules = document("lifecycle_policy", &variables())["rules"].clone();
    let rules = rules.as_array().unwrap();
    assert_eq!(rules.len(), 2);
    for (index, rule) in rules.iter().enumerate() {
        assert_eq!(rule["rulePriority"], index + 1);
        // What has no tag may be a signature, and what is counted may be one, too.
        assert_eq!(rule["selection"]["tagStatus"], "tagged");
        assert_eq!(rule["selection"]["countType"], "sinceImagePushed");
    }
    assert_eq!(rules[1]["selection"]["tagPatternList"], json!(["pr-*"]));
    assert_eq!(rules[1]["selection"]["countNumber"], 7);
}

/// Terraform itself, wherever the machine has it. It needs no provider for these documents.
fn terraform() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).map(|folder| folder.join("terraform"));
    let found = found.into_iter().find(|program| program.is_file());
    if found.is_none() {
        // Not by a macro, whose lines the tests of a good run keep to themselves.
        let _ = writeln!(
            std::io::stderr(),
            "not run: terraform is not on this machine; its module was checked without it"
        );
    }
    found
}

/// Terraform in a folder, with nothing of the machine's configuration and no network.
fn ask(terraform: &Path, folder: &Path, arguments: &[&str]) -> String {
    let configuration = folder.join("terraform.rc");
    fs::write(&configuration, "").unwrap();
    let mut command = Command::new(terraform);
    command
        .env_clear()
        .env("HOME", folder)
        .env("TF_CLI_CONFIG_FILE", configuration)
        .env("CHECKPOINT_DISABLE", "1")
        .env("PATH", "/usr/bin:/bin")
        .current_dir(folder)
        .args(arguments);
    run(command).ends(0).stdout
}

#[test]
fn terraform_works_the_documents_out_as_these_tests_do() {
    let Some(terraform) = terraform() else { return };
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(source(POLICIES)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let named = with(&json!({
        "key_spec": "RSA_4096",
        "administrator_arns": ["arn:aws:iam::111122223333:role/keys"],
        "gitlab_provider_arn": "arn:aws:iam::111122223333:oidc-provider/gitlab.com",
        "gitlab_subjects": ["project_path:g/p:ref_type:branch:ref:main"],
    }));
    ask(&terraform, folder.path(), &["init", "-input=false"]);
    for variables in [variables(), named] {
        let file = folder.path().join("terraform.tfvars.json");
        fs::write(file, variables.to_string()).unwrap();
        ask(
            &terraform,
            folder.path(),
            &["apply", "-auto-approve", "-input=false"],
        );
        let outputs = ask(&terraform, folder.path(), &["output", "-json"]);
        let outputs: Value = serde_json::from_str(&outputs).unwrap();
        let outputs = outputs.as_object().unwrap();
        assert!(outputs.len() >= 6);
        for (name, output) in outputs.iter().filter(|(name, _)| *name != "signing") {
            let said: Value = serde_json::from_str(output["value"].as_str().unwrap()).unwrap();
            assert_eq!(said, document(name, &variables), "{name}");
        }
    }
}

#[test]
fn terraform_would_not_format_the_module_otherwise() {
    let Some(terraform) = terraform() else { return };
    let module = source("pipelines/terraform");
    let folder = tempfile::tempdir().unwrap();
    let module = module.display().to_string();
    ask(
        &terraform,
        folder.path(),
        &["fmt", "-check", "-diff", "-recursive", &module],
    );
}
