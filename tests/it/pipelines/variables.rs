//! The variables of the Terraform module: each validation held against what is good and what is not.

use std::collections::BTreeMap;

use hcl::{Body, eval::Evaluate};
use serde_json::{Value, json};

use super::{
    evaluation::{context, locals},
    policies::{POLICIES, variables},
    read,
};

/// A variable, a value that is good, and others that are not.
fn cases() -> Vec<(&'static str, Value, Vec<Value>)> {
    let subject = "project_path:g/p:ref_type:branch:ref";
    vec![
        (
            "key_spec",
            json!("ML_DSA_65"),
            vec![json!("SYMMETRIC_DEFAULT"), json!("ECC_SECG_P256K1")],
        ),
        ("deletion_window", json!(7), vec![json!(6), json!(31)]),
        (
            "signer_principal_arns",
            json!(["arn:aws:iam::111122223333:role/ci"]),
            vec![
                json!(["*"]),
                json!(["arn:aws:iam::111122223333:role/*"]),
                json!(["arn:aws:iam::111122223333:user/me"]),
            ],
        ),
        (
            "github_subjects",
            json!([
                "repo:o/r:ref:refs/heads/main",
                "repo:o/r:environment:release"
            ]),
            vec![
                json!(["repo:o/*"]),
                json!(["repo:o/r:pull_request"]),
                json!(["o/r"]),
                json!(["repo:o/r:ref:refs/heads/?"]),
            ],
        ),
        (
            "gitlab_subjects",
            json!([format!("{subject}:main")]),
            vec![
                json!([format!("{subject}:*")]),
                json!(["project_path:g/p"]),
                json!(["g/p:ref:main"]),
            ],
        ),
        (
            "codebuild_project_arns",
            json!(["arn:aws:codebuild:eu-west-1:111122223333:project/shop"]),
            vec![
                json!(["arn:aws:codebuild:eu-west-1:111122223333:project/*"]),
                json!(["shop"]),
            ],
        ),
        (
            "expire_tags",
            json!({ "dev-*": 30, "s-*": 1 }),
            vec![
                json!({ "*": 1 }),
                json!({ "sha*": 1 }),
                json!({ "sha256-*": 1 }),
                json!({ "sha256-4f1c*": 1 }),
            ],
        ),
    ]
}

#[test]
fn what_would_let_others_sign_is_no_variable() {
    let file: Body = hcl::parse(&read("pipelines/terraform/variables.tf")).unwrap();
    let specs = locals(&format!("{POLICIES}/main.tf"), &variables());
    let accepts = |name: &str, value: &Value| {
        let mut context = context(&json!({ name: value }), &BTreeMap::new());
        let module = json!({ "policies": { "signing": specs["signing"] } });
        context.declare_var("module", hcl::to_value(module).unwrap());
        let mut conditions = file
            .blocks()
            .filter(|block| {
                block
                    .labels()
                    .first()
                    .is_some_and(|label| label.as_str() == name)
            })
            .flat_map(|block| block.body().blocks())
            .flat_map(|validation| validation.body().attributes())
            .filter(|attribute| attribute.key() == "condition")
            .map(|attribute| attribute.expr().evaluate(&context).unwrap())
            .peekable();
        assert!(conditions.peek().is_some(), "{name} is never validated");
        conditions.all(|condition| condition == hcl::Value::Bool(true))
    };
    for (name, good, bad) in cases() {
        assert!(accepts(name, &good), "{name} refuses {good}");
        for bad in bad {
            assert!(!accepts(name, &bad), "{name} accepts {bad}");
        }
    }
}
