//! The action for GitHub Actions: its steps run as the runner runs them, with the inputs where it puts them.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::{HOSTILE, shell, source, yaml};
use crate::world::{Image, Run, World, run};

/// What a step left behind.
struct Step {
    run: Run,
    outputs: String,
    summary: String,
}

impl Step {
    #[track_caller]
    fn ends(self, code: i32) -> Self {
        let Self {
            run,
            outputs,
            summary,
        } = self;
        let run = run.ends(code);
        assert!(
            outputs.contains(&format!("exit-code={code}\n")),
            "{outputs}"
        );
        Self {
            run,
            outputs,
            summary,
        }
    }

    fn output(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| line.starts_with(&format!("{name}="));
        let found = self.outputs.lines().find(|text| line(text))?;
        Some(&found[name.len() + 1..])
    }
}

/// Replaces `${{ inputs.NAME }}` as the runner does: by what the workflow says, else by the default.
fn expanded(expression: &str, action: &Value, inputs: &[(&str, &str)]) -> String {
    let name = expression
        .strip_prefix("${{ inputs.")
        .and_then(|rest| rest.strip_suffix(" }}"))
        .unwrap_or_else(|| panic!("{expression} is no input"));
    let declared = &action["inputs"][name];
    assert!(declared.is_object(), "{name} is not declared");
    let given = inputs.iter().find(|(given, _)| *given == name);
    given.map_or_else(
        || declared["default"].as_str().unwrap_or_default().to_owned(),
        |(_, value)| (*value).to_owned(),
    )
}

/// The one step of the action, as a command.
fn step_command(world: &World, inputs: &[(&str, &str)]) -> Command {
    let action = yaml("action.yml");
    let [step] = action["runs"]["steps"].as_array().unwrap().as_slice() else {
        panic!("the action has several steps")
    };
    assert_eq!(step["shell"], "bash");
    // As the runner starts `shell: bash`.
    let bash = [
        "/bin/bash",
        "--noprofile",
        "--norc",
        "-eo",
        "pipefail",
        "-c",
    ];
    let mut command = shell(world, &bash, step["run"].as_str().unwrap());
    for (name, value) in step["env"].as_object().unwrap() {
        command.env(name, expanded(value.as_str().unwrap(), &action, inputs));
    }
    command
        .env("GITHUB_ACTION_PATH", source(""))
        .env("GITHUB_OUTPUT", world.write("github-output", ""))
        .env("GITHUB_STEP_SUMMARY", world.write("summary", ""))
        .env("RUNNER_TEMP", world.path(""));
    command
}

fn finished(world: &World, command: Command) -> Step {
    let run = run(command);
    let read = |name: &str| fs::read_to_string(world.path(name)).unwrap();
    Step {
        run,
        outputs: read("github-output"),
        summary: read("summary"),
    }
}

fn step(world: &World, inputs: &[(&str, &str)]) -> Step {
    finished(world, step_command(world, inputs))
}

fn signed(world: &World, image: &Image) {
    let inputs = [
        ("command", "sign"),
        ("images", &image.pinned()),
        ("key", &World::kms_key()),
    ];
    step(world, &inputs).ends(0);
}

#[test]
fn no_input_is_written_into_a_script_and_nothing_else_is_used() {
    let action = yaml("action.yml");
    assert_eq!(action["runs"]["using"], "composite");
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert!(!step["run"].as_str().unwrap().contains("${{"), "{step}");
        // Another action is code of somebody else's, fetched when this one runs.
        assert_eq!(step["uses"], Value::Null);
    }
}

#[test]
fn every_input_reaches_the_step_and_every_output_has_a_source() {
    let action = yaml("action.yml");
    let step = &action["runs"]["steps"][0];
    let reached: Vec<&str> = step["env"]
        .as_object()
        .unwrap()
        .values()
        .map(|value| value.as_str().unwrap())
        .collect();
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(!input["description"].as_str().unwrap().is_empty(), "{name}");
        let expression = format!("${{{{ inputs.{name} }}}}");
        assert!(reached.contains(&expression.as_str()), "{name}");
    }
    for (name, output) in action["outputs"].as_object().unwrap() {
        assert!(
            !output["description"].as_str().unwrap().is_empty(),
            "{name}"
        );
        assert_eq!(
            output["value"],
            format!("${{{{ steps.run.outputs.{name} }}}}")
        );
    }
}

#[test]
fn what_the_action_signs_it_verifies_and_tells_later_steps() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let key = World::kms_key();
    let tsa = world.stand_in.tsa_url("two").unwrap().to_string();
    let (private, _) = world.key_files("second", "p256");
    let done = step(
        &world,
        &[
            ("command", "sign"),
            ("images", &format!("\n  {}  \r\n\n", image.pinned())),
            ("key", &format!("{key}\n{private}\n")),
            ("tsa", &tsa),
            ("arguments", "--annotation=commit=4f1c\n"),
        ],
    )
    .ends(0);
    assert_eq!(done.output("digest"), Some(image.digest.as_str()));
    assert!(done.output("signature").unwrap().starts_with("sha256:"));
    let signatures: Value = serde_json::from_str(done.output("signatures").unwrap()).unwrap();
    assert_eq!(signatures.as_array().unwrap().len(), 2);
    // The authority of the input, and not that of the environment.
    let asked = |name: &str| world.calls(|call| call.line.contains(name)).len();
    assert!(asked("/two") > 0);
    assert_eq!(asked("/one"), 0);
    assert!(
        done.summary
            .starts_with("### countersign sign: done (exit code 0)\n")
    );

    let seen = step(
        &world,
        &[
            ("command", "verify"),
            ("images", &image.tagged()),
            ("key", &key),
            (
                "arguments",
                "--annotation=commit=4f1c\n--require-repository",
            ),
        ],
    )
    .ends(0);
    assert_eq!(seen.output("pinned"), Some(image.pinned().as_str()));
    assert_eq!(
        seen.output("verified"),
        Some(format!("[\"{}\"]", image.pinned()).as_str())
    );
    let verdicts = fs::read_to_string(seen.output("verdicts").unwrap()).unwrap();
    let verdict: Value = serde_json::from_str(verdicts.trim_end()).unwrap();
    assert_eq!(verdict["verdict"], "verified");
    assert!(
        seen.summary
            .contains(&format!("\n    verified: {}", image.tagged())),
        "{}",
        seen.summary
    );
}

#[test]
fn an_attestation_is_made_and_demanded() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let key = World::kms_key();
    signed(&world, &image);
    let images = image.pinned();
    let demanded = [
        ("command", "verify"),
        ("images", images.as_str()),
        ("key", key.as_str()),
        ("arguments", "--attestation=spdx"),
    ];
    step(&world, &demanded).ends(1);
    let predicate = world.write("a bill of materials.json", "{}");
    let inputs = [
        ("command", "attest"),
        ("images", images.as_str()),
        ("key", key.as_str()),
        ("type", "spdx"),
        ("predicate", predicate.as_str()),
    ];
    step(&world, &inputs).ends(0);
    step(&world, &demanded).ends(0);
}

#[test]
fn a_refused_image_fails_the_step_and_pins_nothing() {
    let world = World::ecr();
    let (good, bare) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/api", "2", "b"),
    );
    signed(&world, &good);
    let refused = step(
        &world,
        &[
            ("command", "verify"),
            ("images", &format!("{}\n{}", good.tagged(), bare.tagged())),
            ("key", &World::kms_key()),
        ],
    )
    .ends(1);
    assert_eq!(refused.output("pinned"), None);
    assert_eq!(refused.output("verified"), None);
    assert!(
        refused
            .summary
            .starts_with("### countersign verify: refused (exit code 1)\n")
    );
    assert!(refused.summary.contains("refused[signature-missing]"));
    let verdicts = fs::read_to_string(refused.output("verdicts").unwrap()).unwrap();
    assert_eq!(verdicts.lines().count(), 2);
}

#[test]
fn what_could_not_be_found_out_is_no_refusal() {
    let world = World::ecr();
    let silent = step(
        &world,
        &[
            ("command", "verify"),
            ("images", "127.0.0.1:1/shop/api:1"),
            ("key", &World::kms_key()),
        ],
    )
    .ends(3);
    assert!(silent.summary.contains("could not decide"));
}

#[test]
fn hostile_inputs_are_values_and_no_code() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let key = World::kms_key();
    signed(&world, &image);
    let images = image.tagged();
    let good = [
        ("command", "verify"),
        ("images", images.as_str()),
        ("key", key.as_str()),
    ];
    for name in [
        "command",
        "images",
        "key",
        "tsa",
        "tsa-chain",
        "policy",
        "type",
        "predicate",
        "arguments",
        "binary",
    ] {
        for hostile in HOSTILE {
            let mut inputs: Vec<(&str, &str)> = good
                .iter()
                .filter(|(given, _)| *given != name)
                .copied()
                .collect();
            inputs.push((name, hostile));
            let step = step(&world, &inputs);
            assert_eq!(step.output("pinned"), None, "{name}={hostile}");
            assert_ne!(step.run.code, 0, "{name}={hostile}");
            assert!(!world.path("executed").exists(), "{name}={hostile}");
        }
    }
    step(&world, &good).ends(0);
}

#[test]
fn an_image_cannot_be_a_flag_nor_an_output_be_forged() {
    let world = World::ecr();
    let inputs = [
        ("command", "verify"),
        (
            "images",
            "--key=other.pub\n::set-output name=pinned::x\npinned=x",
        ),
        ("key", &World::kms_key()),
    ];
    let step = step(&world, &inputs).ends(2);
    assert_eq!(step.output("pinned"), None);
}

/// Where it runs, `::add-path::` and the like are commands to the runner.
#[test]
fn what_is_shown_is_no_command_to_the_runner() {
    let world = World::ecr();
    let inputs = [
        ("command", "sign"),
        ("images", "registry.example/shop/api:1"),
        ("key", "key.pub"),
        ("binary", &forger(&world)),
    ];
    let one = step(&world, &inputs).ends(0);
    let lines: Vec<&str> = one.run.stdout.lines().collect();
    let token = lines[0].strip_prefix("::stop-commands::").unwrap();
    assert_eq!(token.len(), 32);
    assert_eq!(lines[1], "::add-path::/tmp");
    assert_eq!(*lines.last().unwrap(), format!("::{token}::"));
    assert!(one.summary.contains("\n    ::add-path::/tmp\n"));
    assert!(one.summary.contains("\n    # heading"));
    // Nobody can know it beforehand.
    let other = step(&world, &inputs).ends(0);
    assert!(!other.run.stdout.contains(token));
}

/// A program that says what a hostile registry would like to have said.
fn forger(world: &World) -> String {
    let script = "#!/bin/sh\nprintf '::add-path::/tmp\\n# heading'\n";
    executable(world, "forger", script)
}

fn executable(world: &World, name: &str, script: &str) -> String {
    let file = world.write(name, script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&file, mode).unwrap();
    file
}

#[test]
fn a_runner_without_the_command_is_told_so() {
    let world = World::ecr();
    let inputs = [
        ("command", "sign"),
        ("images", "registry.example/shop/api:1"),
        ("binary", "countersign-is-not-here"),
    ];
    let step = step(&world, &inputs).ends(2);
    assert!(step.run.stdout.starts_with("::error title=countersign::"));
    assert_eq!(world.stand_in.calls().len(), 0);
}

#[test]
fn a_log_that_cannot_be_written_is_no_success() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    signed(&world, &image);
    let (images, key) = (image.tagged(), World::kms_key());
    let inputs = [
        ("command", "verify"),
        ("images", images.as_str()),
        ("key", key.as_str()),
    ];
    // On a full disk, what keeps the log fails after the image was verified.
    fs::create_dir(world.path("tools")).unwrap();
    executable(&world, "tools/tee", "#!/bin/sh\ncat >\"$1\"\nexit 1\n");
    let mut command = step_command(&world, &inputs);
    let path = format!("{}:/usr/bin:/bin", world.path("tools").display());
    command
        .env("PATH", path)
        .env("INPUT_BINARY", env!("CARGO_BIN_EXE_countersign"));
    finished(&world, command).ends(3);

    let mut command = step_command(&world, &inputs);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    command.stdout(full);
    assert_ne!(command.output().unwrap().status.code(), Some(0));
    step(&world, &inputs).ends(0);
}

#[test]
fn the_examples_of_the_readme_use_no_action_by_a_name_that_moves() {
    let readme = super::read("README.md");
    let used: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "))
        .collect();
    assert!(!used.is_empty());
    for action in used {
        let action = action.split('#').next().unwrap().trim();
        assert!(
            action.ends_with("@COMMIT") || Path::new(action).starts_with("."),
            "{action}"
        );
    }
}
