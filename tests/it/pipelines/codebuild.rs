//! The build specification for `CodeBuild`: its commands, in the order in which they are run there.

use std::process::Command;

use super::{shell, texts, yaml};
use crate::world::{Image, Run, World, run};

const BUILDSPEC: &str = "pipelines/codebuild/buildspec.yml";

/// Stands for docker and aws: pushes nothing, and writes the file that buildx writes.
fn tools(world: &World) {
    let script = "#!/bin/sh
while [ $# -gt 1 ]; do
  [ \"$1\" != --metadata-file ] || printf '%s' \"$METADATA\" >\"$2\"
  shift
done
cat >/dev/null
";
    std::fs::create_dir_all(world.path("tools")).unwrap();
    for tool in ["docker", "aws"] {
        let file = world.write(&format!("tools/{tool}"), script);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(file, mode).unwrap();
    }
}

/// All commands in one shell that ends with the first that fails, within a folder of this test.
fn build(world: &World, image: &Image, metadata: &str) -> Command {
    let specification = yaml(BUILDSPEC);
    assert_eq!(specification["version"], 0.2);
    assert_eq!(specification["env"]["shell"], "bash");
    tools(world);
    let commands: Vec<String> = ["pre_build", "build", "post_build"]
        .iter()
        .flat_map(|phase| texts(&specification["phases"][phase]["commands"]))
        .collect();
    // Where CodeBuild has a machine for each build, the tests have one for all.
    let script = commands
        .join("\n")
        .replace("/tmp/", &world.path("").display().to_string());
    let mut command = shell(world, &["/bin/bash", "-e", "-c"], &script);
    let path = format!(
        "{}:{}",
        world.path("tools").display(),
        command
            .get_envs()
            .find_map(|(name, value)| (name == "PATH").then_some(value?.to_str()?.to_owned()))
            .unwrap()
    );
    command
        .env("PATH", path)
        .env("METADATA", metadata)
        .env("REPOSITORY", &image.repository)
        .env("COUNTERSIGN_KEY", World::kms_key())
        .env("CODEBUILD_BUILD_SUCCEEDING", "1")
        .env("CODEBUILD_RESOLVED_SOURCE_VERSION", "4f1c")
        .stdin(std::process::Stdio::null());
    command
}

/// What buildx writes, with the other digests that it writes too.
fn metadata(digest: &str) -> String {
    let other = format!("sha256:{}", "0".repeat(64));
    format!(
        "{{\n  \"buildx.build.ref\": \"default/default/x\",\n  \"containerimage.config.digest\": \"{other}\",\n  \"containerimage.descriptor\": {{\n    \"digest\": \"{other}\",\n    \"size\": 7\n  }},\n  \"containerimage.digest\": \"{digest}\",\n  \"image.name\": \"x\"\n}}"
    )
}

fn verified(world: &World, image: &Image) -> Run {
    world.countersign(&["verify", "--key", &World::kms_key(), &image.pinned()])
}

#[test]
fn what_was_pushed_is_signed_by_its_digest() {
    let world = World::ecr();
    let image = world.image("shop/api", "4f1c", "a");
    // The tag has moved since.
    let moved = world.image("shop/api", "4f1c", "b");
    run(build(&world, &image, &metadata(&image.digest))).ends(0);
    verified(&world, &image).ends(0);
    verified(&world, &moved).ends(1);
}

#[test]
fn nothing_is_signed_after_a_build_that_failed_or_says_no_digest() {
    let world = World::ecr();
    let image = world.image("shop/api", "4f1c", "a");
    let mut failed = build(&world, &image, &metadata(&image.digest));
    failed.env("CODEBUILD_BUILD_SUCCEEDING", "0");
    run(failed).ends(1);
    for hostile in [
        "",
        "{}",
        &metadata("$(touch executed)"),
        &metadata("sha256:00"),
    ] {
        run(build(&world, &image, hostile)).ends(1);
    }
    assert!(!world.path("executed").exists());
    assert_eq!(world.kms_calls("Sign").len(), 0);
}

#[test]
fn its_variables_are_those_of_the_command() {
    let variables = yaml(BUILDSPEC)["env"]["variables"].clone();
    let world = World::ecr();
    let help = world.countersign(&["sign", "--help"]).ends(0).stdout;
    for (name, value) in variables.as_object().unwrap() {
        assert!(!value.as_str().unwrap().is_empty());
        assert!(
            name == "REPOSITORY" || help.contains(&format!("[env: {name}")),
            "{name}"
        );
    }
}
