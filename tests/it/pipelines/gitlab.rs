//! The template for GitLab: its jobs' lines, run as a runner runs them.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;

use super::{HOSTILE, shell, texts, yaml};
use crate::{
    governed::Team,
    world::{Run, World, run},
};

const TEMPLATE: &str = "pipelines/gitlab/countersign.gitlab-ci.yml";

/// A job with what it extends, as GitLab merges them.
fn job(name: &str) -> Value {
    let template = yaml(TEMPLATE);
    let mut job = template[".countersign"].clone();
    assert_eq!(template[name]["extends"], ".countersign");
    for (member, value) in template[name].as_object().unwrap() {
        job[member] = value.clone();
    }
    job
}

/// The lines of a job in one shell, as the runner joins them.
fn job_command(world: &World, name: &str, images: &str) -> Command {
    let job = job(name);
    let lines = [texts(&job["before_script"]), texts(&job["script"])].concat();
    let mut command = in_shell(world, &lines.join("\n"));
    command
        .env("COUNTERSIGN_IMAGES", images)
        .env("COUNTERSIGN_KEY", World::kms_key());
    command
}

/// Debian's `sh` is no bash, as in most small images.
fn in_shell(world: &World, script: &str) -> Command {
    let mut command = shell(world, &["/bin/sh", "-e", "-c"], script);
    command
        .env("TMPDIR", world.path(""))
        .env("CI_JOB_ID", "42")
        .env("CI_PROJECT_ID", "7")
        .env("COUNTERSIGN_ID_TOKEN", "a.signed.token");
    command
}

/// Ends a job, as the runner does whatever became of it.
fn after(world: &World, name: &str) {
    let lines = texts(&job(name)["after_script"]);
    run(in_shell(world, &lines.join("\n"))).ends(0);
    assert!(!world.path("countersign-42").exists());
}

fn whole(world: &World, name: &str, images: &str) -> Run {
    let run = run(job_command(world, name, images));
    after(world, name);
    run
}

#[test]
fn what_the_jobs_sign_they_verify_and_later_jobs_run_by_digest() {
    let world = World::ecr();
    let (one, two) = (
        world.image("shop/api", "1", "a"),
        world.image("shop/web", "1", "b"),
    );
    let images = format!("{}\n {}", one.pinned(), two.pinned());
    whole(&world, ".countersign-verify", &images)
        .ends(1)
        .says("refused[signature-missing]");
    // A refused job leaves nothing to run, and the reasons.
    assert!(!world.path("countersign.env").exists());
    let verdicts = world.path("countersign-verdicts.json");
    assert_eq!(fs::read_to_string(&verdicts).unwrap().lines().count(), 2);

    whole(&world, ".countersign-sign", &images).ends(0);
    whole(&world, ".countersign-verify", &images).ends(0);
    assert_eq!(
        fs::read_to_string(world.path("countersign.env")).unwrap(),
        format!("COUNTERSIGN_VERIFIED={} {}\n", one.pinned(), two.pinned())
    );
    let job = job(".countersign-verify");
    assert_eq!(job["artifacts"]["reports"]["dotenv"], "countersign.env");
    assert_eq!(
        texts(&job["artifacts"]["paths"]),
        ["countersign-verdicts.json"]
    );
    assert_eq!(job["artifacts"]["when"], "always");
}

#[test]
fn the_token_is_for_the_job_alone_and_names_its_session() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let template = yaml(TEMPLATE);
    assert_eq!(
        template[".countersign"]["id_tokens"]["COUNTERSIGN_ID_TOKEN"]["aud"],
        "$COUNTERSIGN_AUDIENCE"
    );
    let audience = &template[".countersign"]["variables"]["COUNTERSIGN_AUDIENCE"];
    assert_eq!(audience, "sts.amazonaws.com");
    let before = texts(&template[".countersign"]["before_script"]).join("\n");
    let script = format!(
        "umask 0\n{before}\nprintf '%s %s' \"$AWS_ROLE_SESSION_NAME\" \"$AWS_WEB_IDENTITY_TOKEN_FILE\""
    );
    let mut command = in_shell(&world, &script);
    command.env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/signer");
    let said = run(command).ends(0).stdout;
    let (session, file) = said.split_once(' ').unwrap();
    assert_eq!(session, "gitlab-7-42");
    assert_eq!(fs::read_to_string(file).unwrap(), "a.signed.token");
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file), 0o600);
    assert_eq!(
        mode(&world.path("countersign-42").display().to_string()),
        0o700
    );
    // Somebody else's folder of that name is not used.
    run(job_command(&world, ".countersign-sign", &image.pinned())).ends(1);
    assert_eq!(world.stand_in.calls().len(), 0);
    after(&world, ".countersign-sign");
}

#[test]
fn authorities_may_stand_on_lines_of_their_own() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    let url = |name: &str| world.stand_in.tsa_url(name).unwrap().to_string();
    let mut sign = job_command(&world, ".countersign-sign", &image.pinned());
    sign.env(
        "COUNTERSIGN_TSA",
        format!("{}\n  {}\n", url("one"), url("two")),
    );
    run(sign).ends(0);
    after(&world, ".countersign-sign");
    for name in ["/one", "/two"] {
        assert!(!world.calls(|call| call.line.contains(name)).is_empty());
    }
}

/// GitLab keeps reports of jobs that failed, and gives them to later jobs.
#[test]
fn what_a_project_brings_is_not_what_was_verified() {
    let world = World::ecr();
    let image = world.image("shop/api", "1", "a");
    world.write("countersign.env", "COUNTERSIGN_VERIFIED=evil\n");
    fs::create_dir(world.path("countersign-verdicts.json")).unwrap();
    whole(&world, ".countersign-verify", &image.pinned()).ends(1);
    assert!(!world.path("countersign.env").exists());
    assert!(world.path("countersign-verdicts.json").is_file());
}

/// Runners check projects out below a folder that anybody may write, and a state is refused there.
#[test]
fn a_job_judges_by_a_policy_and_may_remember() {
    let team = Team::new();
    team.policy("[[policy]]\nmatch = \"HOST/shop/**\"\nroot = \"acme\"\nmode = \"enforce\"\nrequire = \"signed\"\n");
    let (world, image) = (&team.world, team.signed("shop/api", "1", "release"));
    let judged = |images: &str| {
        let mut command = job_command(world, ".countersign-verify", images);
        command
            .env("COUNTERSIGN_POLICY", world.path("policy.toml"))
            .env_remove("COUNTERSIGN_KEY");
        let run = run(command);
        after(world, ".countersign-verify");
        run
    };
    judged(&image.pinned()).ends(0);
    judged(&world.image("shop/api", "2", "b").pinned()).ends(1);

    let before = texts(&job(".countersign-verify")["before_script"]).join("\n");
    let script = format!(
        "{before}\ncountersign verify --init-state -- {}",
        image.pinned()
    );
    let mut remembering = in_shell(world, &script);
    remembering.env("COUNTERSIGN_POLICY", world.path("policy.toml"));
    run(remembering).ends(0);
    assert!(world.path("countersign-42/state").is_dir());
    after(world, ".countersign-verify");
}

#[test]
fn hostile_names_of_images_are_names() {
    let world = World::ecr();
    let key = World::kms_key();
    for name in [".countersign-sign", ".countersign-verify"] {
        for hostile in HOSTILE {
            whole(&world, name, hostile).ends(2);
            assert!(!world.path("executed").exists(), "{name}: {hostile}");
        }
    }
    let image = world.image("shop/api", "1", "a");
    whole(&world, ".countersign-sign", &image.pinned()).ends(0);
    world
        .countersign(&["verify", "--key", &key, &image.pinned()])
        .ends(0);
}
