//! What a registry can do, and what happens: each lie told to the command, with its twin without the lie, what it took
//! of memory, time and requests, and what was sent. The table of HOSTILE-REGISTRIES.md is made from it.

mod measured;
mod rows;
mod scene;

use std::{collections::HashMap, fmt::Write as _, fs, path::Path, time::Duration};

use countersign_stand_in::Service;

use measured::Measured;
use scene::{Rig, Scene, Told};

/// Which command is lied to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Inspect,
    Sign,
    Verify,
}

/// How it ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// As if nothing had been told: exit code 0.
    Honestly,
    /// Found out, and no: 1.
    Refused(&'static str),
    /// Shown, with this in place of what steers a terminal: 0.
    Escaped(&'static str),
    /// Could not find out: 3.
    Unknown(&'static str),
    /// Never asked for: 2.
    Usage(&'static str),
}

/// What a registry does, in one or several ways that end alike.
struct Case {
    /// A class of lies.
    row: &'static str,
    /// Goes on after "a registry".
    does: &'static str,
    tells: fn(&Scene) -> Vec<Told>,
    end: End,
    rig: Rig,
    asked: Asked,
    /// What is given as `--timeout`.
    seconds: u64,
    requests: usize,
    /// In MiB, beyond an honest run.
    memory: u64,
}

impl Case {
    const fn new(
        row: &'static str,
        does: &'static str,
        tells: fn(&Scene) -> Vec<Told>,
        end: End,
    ) -> Self {
        Self {
            row,
            does,
            tells,
            end,
            rig: Rig::Oci,
            asked: Asked::Verify,
            seconds: 10,
            requests: 40,
            memory: 32,
        }
    }

    const fn at(self, rig: Rig) -> Self {
        Self { rig, ..self }
    }

    const fn of(self, asked: Asked) -> Self {
        Self { asked, ..self }
    }

    const fn within(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }

    const fn requests(self, requests: usize) -> Self {
        Self { requests, ..self }
    }

    const fn memory(self, memory: u64) -> Self {
        Self { memory, ..self }
    }

    #[track_caller]
    fn ends(&self, scene: &Scene, measured: &Measured, way: usize) {
        let (code, says) = self.end.expected();
        let run = &measured.run;
        let said = format!("{}\n{}", run.stdout, run.stderr);
        let context = format!("a registry {} (way {way}): {said}", self.does);
        assert_eq!(run.code, code, "{context}");
        assert!(said.contains(&says), "{says} is missing: {context}");
        assert!(!said.contains("panicked"), "{context}");
        let hidden = |character: char| character.is_control() && character != '\n';
        assert!(!said.contains(hidden), "{context:?}");
        // A command that gives up at its deadline has yet to start and to end, beside everything else that runs.
        let watchdog = Duration::from_secs(self.seconds + 10);
        assert!(measured.took < watchdog, "{:?}: {context}", measured.took);
        let beyond = scene.beyond(measured);
        assert!(beyond <= self.memory, "{beyond} MiB: {context}");
        self.sent(scene, &context);
        scene.kept_its_secrets(self, measured);
    }

    #[track_caller]
    fn sent(&self, scene: &Scene, context: &str) {
        let calls = scene.calls();
        assert!(calls.len() <= self.requests, "{calls:#?}: {context}");
        let foreign = [Service::Blobs, Service::Elsewhere];
        for call in &calls {
            let has_secret = ["authorization", "cookie"]
                .iter()
                .any(|name| call.header(name).is_some());
            let reads = ["GET ", "HEAD "]
                .iter()
                .any(|verb| call.line.starts_with(verb));
            let is_right = match call.service {
                service if foreign.contains(&service) => !has_secret && reads,
                Service::Registry => reads || self.asked == Asked::Sign,
                // Where Amazon ECR's logins come from, and KMS.
                Service::Aws => self.row != "ecr-lookalike",
                _ => true,
            };
            assert!(is_right, "{call:#?}: {context}");
        }
    }
}

impl End {
    /// The exit code, and what is said.
    fn expected(self) -> (i32, String) {
        match self {
            Self::Honestly => (0, String::new()),
            Self::Refused(code) => (1, format!("[{code}]")),
            Self::Escaped(text) => (0, text.to_owned()),
            Self::Unknown(code) => (3, format!("error[{code}]")),
            Self::Usage(code) => (2, format!("error[{code}]")),
        }
    }

    fn cells(self) -> String {
        match self {
            Self::Honestly => "as without it | 0".to_owned(),
            Self::Refused(code) => format!("refused: `{code}` | 1"),
            Self::Escaped(text) => format!("shown as `{text}` | 0"),
            Self::Unknown(code) => format!("could not find out: `{code}` | 3"),
            Self::Usage(code) => format!("not asked: `{code}` | 2"),
        }
    }
}

/// Tells all lies of a row, and between them none.
#[track_caller]
fn holds(row: &str) {
    let mut scenes: HashMap<Rig, Scene> = HashMap::new();
    let cases: Vec<&Case> = rows::all().filter(|case| case.row == row).collect();
    assert!(!cases.is_empty(), "{row}");
    let mut wrong = Vec::new();
    for case in cases {
        let scene = scenes
            .entry(case.rig)
            .or_insert_with(|| Scene::new(case.rig));
        for (way, told) in (case.tells)(scene).into_iter().enumerate() {
            scene.forget();
            let measured = scene.ask(case.asked, case.seconds, &told);
            let check = std::panic::AssertUnwindSafe(|| case.ends(scene, &measured, way));
            // All that is wrong with a row is told at once.
            if std::panic::catch_unwind(check).is_err() {
                wrong.push((case.does, way));
            }
        }
        // The twin: the same without the lie, with whatever was kept of the last one.
        scene.ask(case.asked, 10, &Told::default()).run.ends(0);
    }
    assert_eq!(wrong, [], "{row}");
}

/// The file of the table.
const DOCUMENT: &str = "HOSTILE-REGISTRIES.md";
/// Where the table begins in it.
const HEAD: &str = "| A registry … | command | what happens | exit |\n|---|---|---|---|\n";

#[test]
fn the_table_of_what_registries_can_do_is_what_happens() {
    let mut table = HEAD.to_owned();
    for case in rows::all() {
        let command = format!("{:?}", case.asked).to_lowercase();
        let _ = writeln!(
            table,
            "| {} | `{command}` | {} |",
            case.does,
            case.end.cells()
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = fs::read_to_string(&path).unwrap();
    let (before, _) = document.split_once(HEAD).unwrap();
    let wanted = format!("{before}{table}");
    if std::env::var_os("COUNTERSIGN_REWRITE").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let document = fs::read_to_string(path).unwrap();
    assert!(
        document == wanted,
        "{DOCUMENT} has another table than\n{table}"
    );
}

#[test]
fn bytes_that_were_changed_are_never_believed() {
    holds("blob-digest-flip");
}

#[test]
fn headers_that_name_another_digest_are_not_believed() {
    holds("header-digest-lies");
}

#[test]
fn lengths_that_are_not_the_bodys_are_not_believed() {
    holds("content-length-lies");
}

#[test]
fn sizes_that_are_not_the_contents_are_not_believed() {
    holds("size-field-lies");
}

#[test]
fn bodies_without_end_end_at_their_limit() {
    holds("infinite-body");
}

#[test]
fn what_is_announced_as_too_large_is_not_asked_for() {
    holds("honest-10GiB");
}

#[test]
fn compressed_bodies_are_not_unpacked() {
    holds("gzip-bomb");
}

#[test]
fn who_drips_is_given_up() {
    holds("slow-loris");
}

#[test]
fn a_million_of_anything_is_refused() {
    holds("million-layers");
}

#[test]
fn many_images_at_once_take_no_more_than_a_few() {
    holds("crowds");
}

#[test]
fn names_that_are_given_twice_have_no_value() {
    holds("duplicate-keys");
}

#[test]
fn base64_is_read_in_one_way() {
    holds("base64");
}

#[test]
fn lists_without_end_are_refused() {
    holds("referrers-without-end");
}

#[test]
fn tags_of_signatures_without_end_are_refused() {
    holds("signature-tags-without-end");
}

#[test]
fn tags_that_move_change_nothing() {
    holds("tag-flip");
}

#[test]
fn redirects_take_nothing_along() {
    holds("redirect-leak");
}

#[test]
fn realms_get_no_credential_that_is_not_theirs() {
    holds("realm-steal");
}

#[test]
fn names_that_look_like_amazons_get_no_login() {
    holds("ecr-lookalike");
}

#[test]
fn nothing_private_is_reached() {
    holds("ssrf");
}

#[test]
fn types_that_contradict_each_other_are_refused() {
    holds("type-contradiction");
}

#[test]
fn the_first_schema_is_refused_by_name() {
    holds("schema1");
}

#[test]
fn digests_that_are_none_lead_nowhere() {
    holds("digest-string");
}

#[test]
fn names_of_hosts_have_one_form() {
    holds("host-tricks");
}

#[test]
fn a_signed_child_signs_no_index() {
    holds("index-vs-child");
}

#[test]
fn signatures_of_other_images_are_not_taken() {
    holds("subject-spoof");
}

#[test]
fn what_is_hidden_is_missed() {
    holds("hide-newest");
}

#[test]
fn throttling_is_never_unsigned() {
    holds("throttling");
}

#[test]
fn parts_of_bodies_are_never_used() {
    holds("reset-mid-body");
}

#[test]
fn tokens_that_end_are_renewed_once() {
    holds("token-expiry");
}

#[test]
fn empty_answers_are_not_empty_lists() {
    holds("empty-and-null");
}

#[test]
fn connections_are_only_as_good_as_their_certificates() {
    holds("tls");
}

#[test]
fn texts_that_are_none_are_refused_or_shown_escaped() {
    holds("unicode");
}

#[test]
fn frames_without_end_end_in_time() {
    holds("frames");
}
