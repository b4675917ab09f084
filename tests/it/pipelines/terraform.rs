//! The Terraform module, held against the schema that its provider publishes: every argument is one, none is missing, and
//! every name that is used is there.
//!
//! The provider is not to be had where tests run without a network; `fixtures/terraform` holds what it says of itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use hcl::{
    Attribute, Block, Body, Expression, Structure,
    edit::{
        expr::{Expression as Edited, ForIntro, Traversal, TraversalOperator},
        visit::{Visit, visit_for_intro, visit_traversal},
    },
    eval::{Context, Evaluate},
};
use serde_json::{Value, json};

use super::{evaluation, read, source};

const MODULE: &str = "pipelines/terraform";
const POLICIES: &str = "pipelines/terraform/policies";
/// Arguments that Terraform itself takes, of any resource.
const META: [&str; 3] = ["count", "depends_on", "for_each"];

fn schema() -> Value {
    serde_json::from_str(&read("fixtures/terraform/aws-6.25.0.json")).unwrap()
}

/// The files of a module, by their paths.
fn files(folder: &str) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(source(folder))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "tf"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    files
}

fn blocks(folder: &str) -> Vec<Block> {
    let bodies = files(folder).into_iter().map(|file| {
        let body: Body = hcl::parse(&read(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        body
    });
    bodies.flat_map(Body::into_blocks).collect()
}

fn label(block: &Block, index: usize) -> &str {
    block.labels()[index].as_str()
}

/// The blocks of a kind, by their last label.
fn named<'a>(blocks: &'a [Block], kind: &str) -> BTreeMap<&'a str, &'a Block> {
    blocks
        .iter()
        .filter(|block| block.identifier() == kind)
        .map(|block| (label(block, block.labels().len() - 1), block))
        .collect()
}

fn attribute<'a>(block: &'a Block, name: &str) -> Option<&'a Expression> {
    let mut attributes = block.body().attributes();
    attributes
        .find(|attribute| attribute.key() == name)
        .map(Attribute::expr)
}

/// What a literal is in a schema; an expression may be anything.
fn kind(expression: &Expression) -> Option<&'static str> {
    match expression {
        Expression::Bool(_) => Some("bool"),
        Expression::Number(_) => Some("number"),
        Expression::String(_) | Expression::TemplateExpr(_) => Some("string"),
        Expression::Array(_) => Some("list"),
        Expression::Object(_) => Some("map"),
        _ => None,
    }
}

/// What is wrong with the arguments of a block.
fn faults(place: &str, body: &Body, schema: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut given = BTreeSet::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                let name = attribute.key();
                given.insert(name);
                let declared = [&schema["required"][name], &schema["optional"][name]];
                let declared = declared.iter().find_map(|declared| declared.as_str());
                match (declared, kind(attribute.expr())) {
                    (None, _) if !META.contains(&name) => {
                        faults.push(format!("{place} has no argument {name}"));
                    }
                    (Some(declared), Some(kind)) if declared != kind => {
                        faults.push(format!("{place}.{name} is a {declared}, not a {kind}"));
                    }
                    _ => {}
                }
            }
            Structure::Block(block) if block.identifier() == "lifecycle" => {}
            Structure::Block(block) => {
                let (name, body) = match block.identifier() {
                    "dynamic" => (label(block, 0), content(block)),
                    name => (name, block.body()),
                };
                let place = format!("{place}.{name}");
                match &schema["blocks"][name] {
                    Value::Null => faults.push(format!("there is no block {place}")),
                    schema => faults.extend(self::faults(&place, body, schema)),
                }
            }
        }
    }
    let required = schema["required"].as_object().unwrap().keys();
    let missing = required.filter(|name| !given.contains(name.as_str()));
    faults.extend(missing.map(|name| format!("{place} needs {name}")));
    faults
}

fn content(dynamic: &Block) -> &Body {
    let mut blocks = dynamic.body().blocks();
    let content = blocks.find(|block| block.identifier() == "content");
    content.expect("a dynamic block has its content").body()
}

/// What is wrong with the resources among these blocks.
fn resource_faults(blocks: &[Block]) -> Vec<String> {
    let schema = schema();
    let resources = blocks
        .iter()
        .filter(|block| ["resource", "data"].contains(&block.identifier()));
    resources
        .flat_map(|block| {
            let kind = label(block, 0);
            match &schema[block.identifier()][kind] {
                Value::Null => vec![format!("there is no {} {kind}", block.identifier())],
                schema => faults(&format!("{kind}.{}", label(block, 1)), block.body(), schema),
            }
        })
        .collect()
}

#[test]
fn every_argument_is_one_that_the_provider_takes_and_none_is_missing() {
    let blocks = blocks(MODULE);
    assert!(named(&blocks, "resource").len() >= 6);
    assert_eq!(resource_faults(&blocks), Vec::<String>::new());
}

#[test]
fn a_misspelled_a_missing_and_a_mistyped_argument_are_found() {
    for (text, fault) in [
        (
            "resource \"aws_kms_alias\" \"x\" { target_key_ids = \"y\" }",
            "aws_kms_alias.x has no argument target_key_ids",
        ),
        (
            "resource \"aws_kms_alias\" \"x\" {}",
            "aws_kms_alias.x needs target_key_id",
        ),
        (
            "resource \"aws_kms_key\" \"x\" { multi_region = \"yes\" }",
            "aws_kms_key.x.multi_region is a bool, not a string",
        ),
        (
            "resource \"aws_kms_keys\" \"x\" {}",
            "there is no resource aws_kms_keys",
        ),
        (
            "resource \"aws_ecr_repository\" \"x\" {\n  name = \"y\"\n  exclusion {}\n}",
            "there is no block aws_ecr_repository.x.exclusion",
        ),
    ] {
        let blocks: Vec<Block> = hcl::parse(text).unwrap().into_blocks().collect();
        assert!(
            resource_faults(&blocks).contains(&fault.to_owned()),
            "{text}"
        );
    }
}

/// What a file refers to, as a path of names each, and the names that it binds itself.
#[derive(Default)]
struct References {
    paths: Vec<Vec<String>>,
    bound: BTreeSet<String>,
}

impl Visit for References {
    fn visit_traversal(&mut self, node: &Traversal) {
        if let Edited::Variable(root) = &node.expr {
            let mut path = vec![root.as_str().to_owned()];
            for operator in &node.operators {
                // What follows the choice of one of several is of each.
                if let TraversalOperator::GetAttr(name) = operator.value() {
                    path.push(name.as_str().to_owned());
                }
            }
            self.paths.push(path);
        }
        visit_traversal(self, node);
    }

    fn visit_for_intro(&mut self, node: &ForIntro) {
        let names = node.key_var.iter().chain([&node.value_var]);
        self.bound
            .extend(names.map(|name| name.as_str().to_owned()));
        visit_for_intro(self, node);
    }
}

fn references(text: &str) -> References {
    let body = hcl::edit::parser::parse_body(text).unwrap();
    let mut references = References::default();
    references.visit_body(&body);
    references
}

/// Whether a path leads somewhere in a module.
fn leads(path: &[String], blocks: &[Block], locals: &BTreeSet<String>) -> bool {
    let name = |index: usize| path.get(index).map_or("", String::as_str);
    let exported = |kind: &str, of: usize| {
        let schema = &schema()[kind][name(of)];
        let has = |block: &&Block| block.identifier() == kind && label(block, 0) == name(of);
        let there = blocks
            .iter()
            .filter(has)
            .any(|block| label(block, 1) == name(of + 1));
        let attribute = name(of + 2);
        let known = ["required", "optional"]
            .iter()
            .any(|members| schema[members].get(attribute).is_some());
        let computed = schema["exported"]
            .as_array()
            .is_some_and(|list| list.contains(&json!(attribute)));
        // Without an attribute it is all of them.
        there && (attribute.is_empty() || known || computed)
    };
    match name(0) {
        "var" => named(blocks, "variable").contains_key(name(1)),
        "local" => locals.contains(name(1)),
        "module" => {
            name(1) == "policies" && named(&self::blocks(POLICIES), "output").contains_key(name(2))
        }
        "data" => exported("data", 1),
        "each" => ["key", "value"].contains(&name(1)),
        "count" => name(1) == "index",
        // What a dynamic block is made of.
        "image_tag_mutability_exclusion_filter" => name(1) == "value",
        _ => exported("resource", 0),
    }
}

/// Names that lead nowhere.
fn dangling(folder: &str) -> Vec<String> {
    let blocks = blocks(folder);
    let locals: BTreeSet<String> = blocks
        .iter()
        .filter(|block| block.identifier() == "locals")
        .flat_map(|block| block.body().attributes())
        .map(|attribute| attribute.key().to_owned())
        .collect();
    let mut dangling = Vec::new();
    for file in files(folder) {
        let References { paths, bound } = references(&read(&file));
        let unknown = paths
            .iter()
            .filter(|path| !bound.contains(&path[0]) && !leads(path, &blocks, &locals));
        dangling.extend(unknown.map(|path| format!("{file}: {}", path.join("."))));
    }
    dangling
}

#[test]
fn every_name_leads_somewhere() {
    assert_eq!(dangling(MODULE), Vec::<String>::new());
    assert_eq!(dangling(POLICIES), Vec::<String>::new());
    let blocks = blocks(MODULE);
    for text in [
        "x = var.nothing",
        "x = aws_kms_key.signing.arns",
        "x = aws_kms_key.other.arn",
        "x = \"a ${module.policies.nothing}\"",
        "x = local.nothing",
        "x = data.aws_partition.current.name",
    ] {
        let path = references(text).paths.remove(0);
        assert!(!leads(&path, &blocks, &BTreeSet::new()), "{text}");
    }
}

#[test]
fn every_variable_is_described_typed_and_used_and_every_output_described() {
    for folder in [MODULE, POLICIES] {
        let blocks = blocks(folder);
        let used: BTreeSet<String> = files(folder)
            .iter()
            .flat_map(|file| references(&read(file)).paths)
            .filter(|path| path[0] == "var")
            .map(|mut path| path.remove(1))
            .collect();
        // A validation names its own variable, which is no use of it.
        let elsewhere: String = files(folder)
            .iter()
            .filter(|file| !file.ends_with("/variables.tf"))
            .map(|file| read(file))
            .collect();
        for (name, variable) in named(&blocks, "variable") {
            assert!(
                attribute(variable, "description").is_some(),
                "{folder}: {name}"
            );
            assert!(attribute(variable, "type").is_some(), "{folder}: {name}");
            assert!(used.contains(name), "{folder}: {name}");
            assert!(
                elsewhere.contains(&format!("var.{name}")),
                "{folder}: {name}"
            );
        }
        for (name, output) in named(&blocks, "output") {
            assert!(
                attribute(output, "description").is_some(),
                "{folder}: {name}"
            );
        }
    }
}

#[test]
fn the_policies_are_given_every_variable_that_they_take() {
    let (module, policies) = (blocks(MODULE), blocks(POLICIES));
    let call = named(&module, "module")["policies"];
    assert_eq!(
        attribute(call, "source"),
        Some(&Expression::from("./policies"))
    );
    let given: BTreeSet<&str> = call
        .body()
        .attributes()
        .map(Attribute::key)
        .filter(|name| *name != "source")
        .collect();
    let taken: BTreeSet<&str> = named(&policies, "variable").into_keys().collect();
    assert_eq!(given, taken);
}

#[test]
fn the_outputs_that_people_build_on_are_there() {
    let blocks = blocks(MODULE);
    let outputs = named(&blocks, "output");
    for name in [
        "alias_uri",
        "key_arn",
        "key_uri",
        "public_key_pem",
        "signer_policy_arn",
        "signer_role_arn",
        "verifier_policy_arn",
    ] {
        assert!(outputs.contains_key(name), "{name}");
    }
}

#[test]
fn the_example_of_the_readme_names_variables_that_there_are() {
    let readme = read("README.md");
    let example = readme.split("```hcl\n").nth(1).unwrap();
    let example: Body = hcl::parse(example.split("```").next().unwrap()).unwrap();
    let (blocks, call) = (blocks(MODULE), example.blocks().next().unwrap());
    let variables = named(&blocks, "variable");
    for argument in call.body().attributes().map(Attribute::key) {
        assert!(
            argument == "source" || variables.contains_key(argument),
            "{argument}"
        );
    }
}

/// The one resource of a kind.
fn resource<'a>(blocks: &'a [Block], kind: &str) -> &'a Block {
    let mut found = blocks
        .iter()
        .filter(|block| block.identifier() == "resource" && label(block, 0) == kind);
    found.next().unwrap_or_else(|| panic!("there is no {kind}"))
}

#[test]
fn the_key_signs_is_not_destroyed_by_accident_and_is_alarmed() {
    let blocks = blocks(MODULE);
    let key = resource(&blocks, "aws_kms_key");
    let expected = |value: &str| Expression::from(value);
    assert_eq!(attribute(key, "key_usage"), Some(&expected("SIGN_VERIFY")));
    assert_eq!(
        attribute(key, "enable_key_rotation"),
        Some(&Expression::from(false))
    );
    let mut lifecycles = key
        .body()
        .blocks()
        .filter(|block| block.identifier() == "lifecycle");
    assert_eq!(
        attribute(lifecycles.next().unwrap(), "prevent_destroy"),
        Some(&Expression::from(true))
    );
    // CloudTrail calls Sign read-only; a rule that is merely enabled never sees it.
    let rule = resource(&blocks, "aws_cloudwatch_event_rule");
    assert_eq!(
        attribute(rule, "state"),
        Some(&expected("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"))
    );
}

#[test]
fn tags_of_repositories_do_not_move_but_for_those_of_old_clients() {
    let blocks = blocks(MODULE);
    let repository = resource(&blocks, "aws_ecr_repository");
    let dynamic = repository
        .body()
        .blocks()
        .find(|block| block.identifier() == "dynamic")
        .unwrap();
    let evaluated = |expression: &Expression, fallback: bool| {
        let mut context = Context::new();
        evaluation::functions(&mut context);
        context.declare_var("var", hcl::value!({ fallback_tags = fallback }));
        serde_json::to_value(expression.evaluate(&context).unwrap()).unwrap()
    };
    let mutability = attribute(repository, "image_tag_mutability").unwrap();
    let excepted = attribute(dynamic, "for_each").unwrap();
    assert_eq!(evaluated(mutability, false), "IMMUTABLE");
    assert_eq!(evaluated(excepted, false), json!([]));
    assert_eq!(evaluated(mutability, true), "IMMUTABLE_WITH_EXCLUSION");
    assert_eq!(evaluated(excepted, true), json!(["sha256-*"]));
}
