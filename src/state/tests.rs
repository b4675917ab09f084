//! The store in one process: what it reads, what it refuses, and what it leaves behind.

mod processes;

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    process::Command,
};

use tempfile::TempDir;

use super::*;
use crate::exit::Exit;

/// A folder for the store inside a fresh one, so that the store makes it.
fn fresh() -> (TempDir, Store) {
    let around = tempfile::tempdir().unwrap();
    let store = store(&around.path().join("state"));
    (around, store)
}

fn store(folder: &Path) -> Store {
    Store::open(Some(folder)).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).unwrap()
}

fn root(text: &str) -> RootName {
    text.parse().unwrap()
}

fn version(number: u64) -> NonZeroU64 {
    number.try_into().unwrap()
}

fn floor(seconds: i64) -> Advance {
    Advance {
        floor: Some(at(seconds)),
        ..Advance::default()
    }
}

fn seen(name: &str, number: u64, file: &[u8]) -> Advance {
    let memory = countersign_trust_roots::state::RootMemory::new(version(number), file, at(0));
    Advance {
        floor: None,
        roots: [(root(name), memory.into())].into(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// How a command would end, by which code, and with which words.
#[track_caller]
fn assert_stops<T: std::fmt::Debug>(ended: Result<T, Stop>, exit: Exit, code: &str, said: &[&str]) {
    let stop = ended.unwrap_err();
    let document = serde_json::to_value(stop.document()).unwrap();
    assert_eq!((stop.exit(), &document["code"]), (exit, &code.into()));
    for said in said {
        assert!(document.to_string().contains(said), "{said}: {document}");
    }
}

/// It is neither read nor replaced.
#[track_caller]
fn assert_unsafe(store: &Store, said: &str) {
    assert_stops(store.read(), Exit::Refused, "state-unsafe", &[said]);
    let committed = store.commit(&[], &floor(5_000), at(5_000));
    assert_stops(committed, Exit::Refused, "state-unsafe", &[said]);
}

#[test]
fn what_is_committed_is_read() {
    let (_around, store) = fresh();
    assert_eq!(store.read().unwrap(), None);
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    store
        .commit(&[], &seen("acme", 7, b"seven"), at(1_000))
        .unwrap();
    store.commit(&[], &floor(900), at(1_000)).unwrap();

    let state = store.read().unwrap().unwrap();
    assert_eq!(state.time_floor(), Some(at(1_000)));
    assert_eq!(state.root(&root("acme")).unwrap().version(), version(7));
    assert_eq!(names(&store.folder), ["state.json", "state.lock"]);
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode(&store.folder), 0o700);
    assert_eq!(mode(&store.file()), 0o600);
    assert_eq!(mode(&store.folder.join("state.lock")), 0o600);
}

#[test]
fn the_first_commit_makes_a_state_and_one_that_changes_nothing_writes_nothing() {
    let (_around, store) = fresh();
    store.commit(&[], &Advance::default(), at(1_000)).unwrap();
    assert_eq!(store.read().unwrap(), Some(State::default()));

    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    let inode = || store.file().metadata().unwrap().ino();
    let before = inode();
    // Not even the lock is needed.
    fs::remove_file(store.folder.join("state.lock")).unwrap();
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    store.commit(&[], &floor(9_000), at(1_000)).unwrap();
    assert_eq!(inode(), before);
    assert_eq!(names(&store.folder), ["state.json"]);
    store.commit(&[], &floor(1_001), at(1_001)).unwrap();
    assert_ne!(inode(), before);
}

#[test]
fn a_damaged_state_is_never_a_first_use() {
    let (_around, store) = fresh();
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    let whole = fs::read(store.file()).unwrap();
    let half = &whole[..whole.len() / 2];
    let long = vec![b' '; State::MAX_BYTES + 1];
    for damaged in [b"", half, b"{}", &long] {
        fs::write(store.file(), damaged).unwrap();
        let said = ["state.json away", "verify --init-state"];
        assert_stops(store.read(), Exit::Refused, "state-corrupt", &said);
        let committed = store.commit(&[], &floor(2_000), at(2_000));
        assert_stops(committed, Exit::Refused, "state-corrupt", &said);
        assert_eq!(fs::read(store.file()).unwrap(), damaged);
    }
    // Another version's has what would be lost with it.
    let newer = br#"{"schema":2,"timeFloor":5,"proofs":{}}"#;
    fs::write(store.file(), newer).unwrap();
    let said = ["schema 2", "upgrade countersign"];
    let ended = store.read();
    let remedy = format!("{:?}", ended.as_ref().unwrap_err());
    assert!(!remedy.contains("--init-state"), "{remedy}");
    assert_stops(ended, Exit::Refused, "state-corrupt", &said);
    assert_eq!(fs::read(store.file()).unwrap(), newer);

    fs::write(store.file(), whole).unwrap();
    assert!(store.read().unwrap().is_some());
}

#[test]
fn a_second_root_of_one_version_is_refused_and_a_newer_one_is_no_matter() {
    let (_around, store) = fresh();
    store
        .commit(&[], &seen("acme", 7, b"seven"), at(0))
        .unwrap();
    let twin = store.commit(&[], &seen("acme", 7, b"other"), at(0));
    assert_stops(twin, Exit::Refused, "root-rollback", &["version 7"]);
    // Another process was faster.
    store.commit(&[], &seen("acme", 6, b"six"), at(0)).unwrap();
    let state = store.read().unwrap().unwrap();
    assert_eq!(state.root(&root("acme")).unwrap().version(), version(7));
}

/// More than a state holds.
fn too_many() -> Advance {
    let mut many = Advance::default();
    for number in 0..=State::MAX_ROOTS {
        many.roots
            .extend(seen(&format!("root-{number}"), 1, b"").roots);
    }
    many
}

#[test]
fn a_state_that_could_not_be_read_again_is_not_written() {
    let (_around, store) = fresh();
    store.commit(&[], &floor(0), at(0)).unwrap();
    let before = fs::read(store.file()).unwrap();
    let committed = store.commit(&[], &too_many(), at(0));
    let said = ["state.json", "1000 roots"];
    assert_stops(committed, Exit::Undecided, "state-write-failed", &said);
    assert_eq!(fs::read(store.file()).unwrap(), before);
}

#[test]
fn what_killed_writers_left_is_removed_and_nothing_else() {
    let (_around, store) = fresh();
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    let put = |name: &str| fs::write(store.folder.join(name), b"{").unwrap();
    put(".countersign-1.tmp");
    put(&format!(".countersign-{}.tmp", std::process::id()));
    put("notes.tmp");
    put(".countersign-1");
    store.commit(&[], &floor(1_001), at(1_001)).unwrap();
    assert_eq!(
        names(&store.folder),
        [".countersign-1", "notes.tmp", "state.json", "state.lock"]
    );
}

#[test]
fn a_lock_that_is_not_given_back_is_an_error_and_one_that_is_dropped_is_free() {
    let (_around, mut store) = fresh();
    store.patience = Duration::ZERO;
    let lock = Lock::take(&store.folder, Duration::ZERO).unwrap();
    let committed = store.commit(&[], &floor(1_000), at(1_000));
    let said = ["state.lock", "another process"];
    assert_stops(committed, Exit::Undecided, "state-write-failed", &said);
    assert_eq!(store.read().unwrap(), None);
    drop(lock);
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
}

#[test]
fn a_state_behind_a_symbolic_link_is_refused() {
    let (around, store) = fresh();
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    let elsewhere = around.path().join("elsewhere");
    fs::rename(store.file(), &elsewhere).unwrap();
    for target in [&elsewhere, &around.path().join("nothing")] {
        symlink(target, store.file()).unwrap();
        assert_unsafe(&store, "symbolic link");
        fs::remove_file(store.file()).unwrap();
    }
    fs::rename(&elsewhere, store.file()).unwrap();
    assert!(store.read().unwrap().is_some());

    let lock = store.folder.join("state.lock");
    fs::rename(&lock, &elsewhere).unwrap();
    symlink(&elsewhere, &lock).unwrap();
    let committed = store.commit(&[], &floor(2_000), at(2_000));
    assert_stops(
        committed,
        Exit::Refused,
        "state-unsafe",
        &["state.lock is a symbolic"],
    );

    let link = around.path().join("link");
    symlink(&store.folder, &link).unwrap();
    for named in ["link", "link/", "link/.", "link//./"] {
        assert_unsafe(&self::store(&around.path().join(named)), "symbolic link");
    }
    let named = self::store(&around.path().join("state/./"));
    assert!(named.read().unwrap().is_some());
}

/// Whoever moves the folder away makes a verifier forget.
#[test]
fn a_state_below_what_others_can_write_is_refused() {
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let around = tempfile::tempdir().unwrap();
    let above = around.path().join("above");
    let within = above.join("within");
    fs::create_dir_all(&within).unwrap();
    let store = store(&within.join("state"));
    for mode in [0o777, 0o702] {
        set(&above, mode);
        // Whether there was one, nobody knows.
        assert_unsafe(&store, "above may be written by others");
        assert_eq!(names(&within), [""; 0]);
    }
    // There nobody but its owner moves a file, or at least not anybody.
    for mode in [0o1777, 0o770, 0o755] {
        set(&above, mode);
        store.commit(&[], &floor(1_000), at(1_000)).unwrap();
        assert!(store.read().unwrap().is_some());
    }
    set(&above, 0o777);
    assert_unsafe(&store, "chmod go-w");

    // A way that leads through there.
    let link = around.path().join("link");
    symlink(&within, &link).unwrap();
    let linked = self::store(&link.join("state"));
    assert_unsafe(&linked, "above may be written by others");
    set(&above, 0o755);
    assert!(linked.read().unwrap().is_some());
    // Out of it, too: others can make that link lead elsewhere.
    symlink(&within, above.join("out")).unwrap();
    fs::remove_file(&link).unwrap();
    symlink("above/out", &link).unwrap();
    assert!(linked.read().unwrap().is_some());
    set(&above, 0o777);
    assert_unsafe(&linked, "above may be written by others");
    set(&above, 0o755);

    symlink("circle", around.path().join("circle")).unwrap();
    let circle = self::store(&around.path().join("circle/state"));
    let said = ["circle", "who may read"];
    assert_stops(circle.read(), Exit::Undecided, "state-unreadable", &said);
}

#[test]
fn what_others_can_write_is_refused() {
    let (around, store) = fresh();
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for mode in [0o622, 0o620, 0o602] {
        set(&store.file(), mode);
        assert_unsafe(&store, "chmod go-w");
    }
    set(&store.file(), 0o644);
    for mode in [0o777, 0o770, 0o703, 0o1777] {
        set(&store.folder, mode);
        assert_unsafe(&store, "may be written by others");
    }
    set(&store.folder, 0o755);
    store.commit(&[], &floor(1_001), at(1_001)).unwrap();

    // Under its other name anybody who can open it there may write it.
    fs::hard_link(store.file(), around.path().join("name")).unwrap();
    assert_unsafe(&store, "2 names");
    fs::remove_file(around.path().join("name")).unwrap();
    store.read().unwrap();
}

/// Only root can give a file away; for everybody else the test of the decision itself stands in.
#[test]
fn what_belongs_to_another_user_is_refused() {
    let (_around, store) = fresh();
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(store.file(), Some(65_534), None).unwrap();
        assert_unsafe(&store, "user 65534");
        chown(store.file(), Some(0), None).unwrap();
        chown(&store.folder, Some(65_534), None).unwrap();
        assert_unsafe(&store, "user 65534");
        chown(&store.folder, Some(0), None).unwrap();
    }
    store.commit(&[], &floor(1_001), at(1_001)).unwrap();
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let (around, store) = fresh();
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    fs::remove_file(store.file()).unwrap();
    let made = Command::new("mkfifo").arg(store.file()).status().unwrap();
    assert!(made.success());
    assert_unsafe(&store, "is no file");

    fs::remove_file(store.file()).unwrap();
    fs::create_dir(store.file()).unwrap();
    assert_unsafe(&store, "is no file");

    let file = around.path().join("file");
    fs::write(&file, b"").unwrap();
    assert_unsafe(&self::store(&file), "is no folder");
}

#[test]
fn a_folder_that_cannot_be_made_is_said_plainly() {
    let around = tempfile::tempdir().unwrap();
    let file = around.path().join("file");
    fs::write(&file, b"").unwrap();
    // The last two are file systems in which nobody makes folders, root neither.
    for (folder, said) in [
        (file.join("state"), "Not a directory"),
        (PathBuf::from("/proc/countersign"), "/proc/countersign"),
        (PathBuf::from("/sys/countersign"), "/sys/countersign"),
    ] {
        let store = store(&folder);
        assert_eq!(store.read().unwrap(), None);
        let committed = store.commit(&[], &floor(1_000), at(1_000));
        assert_stops(
            committed,
            Exit::Undecided,
            "state-write-failed",
            &[said, "rights"],
        );
    }
}

fn keep(store: &Store, name: &RootName, version: NonZeroU64, file: &[u8]) {
    let verified = VerifiedRoot {
        name,
        version,
        file,
    };
    let nothing = Advance::default();
    store.commit(&[verified], &nothing, at(0)).unwrap();
}

/// Whoever is killed between the two leaves a version that nobody remembers, and never one that nobody has.
#[test]
fn a_version_is_kept_before_it_is_remembered() {
    let (_around, store) = fresh();
    let acme = root("acme");
    let verified = VerifiedRoot {
        name: &acme,
        version: version(7),
        file: b"seven",
    };
    let mut store = store;
    store.patience = Duration::ZERO;
    let lock = Lock::take(&store.folder, Duration::ZERO).unwrap();
    let busy = store.commit(&[verified], &seen("acme", 7, b"seven"), at(0));
    assert_stops(busy, Exit::Undecided, "state-write-failed", &[]);
    assert_eq!(store.kept_root(&acme, version(7)).unwrap(), None);
    drop(lock);

    let too_many = too_many();
    let committed = store.commit(&[verified], &too_many, at(0));
    assert_stops(committed, Exit::Undecided, "state-write-failed", &[]);
    assert_eq!(store.read().unwrap(), None);
    let kept = store.kept_root(&acme, version(7)).unwrap();
    assert_eq!(kept.as_deref(), Some(&b"seven"[..]));
}

#[test]
fn a_root_is_kept_beside_the_state() {
    let (_around, store) = fresh();
    let acme = root("acme");
    let kept = |number| store.kept_root(&acme, version(number)).unwrap();
    assert_eq!(kept(7), None);
    keep(&store, &acme, version(7), b"seven");
    keep(&store, &acme, version(8), b"eight");
    assert_eq!(kept(7).as_deref(), Some(&b"seven"[..]));
    assert_eq!(kept(8).as_deref(), Some(&b"eight"[..]));
    assert_eq!(store.kept_root(&root("other"), version(7)).unwrap(), None);
    assert_eq!(store.root_folder(&acme), store.folder.join("roots/acme"));

    let folder = store.root_folder(&acme);
    assert_eq!(names(&folder), ["7.root.json", "8.root.json"]);
    let inode = || folder.join("7.root.json").metadata().unwrap().ino();
    let before = inode();
    keep(&store, &acme, version(7), b"seven");
    assert_eq!(inode(), before);
}

#[test]
fn a_damaged_root_is_replaced_and_a_long_one_is_none() {
    let (_around, store) = fresh();
    let (acme, seven) = (root("acme"), version(7));
    let longest = vec![b' '; ROOT_LIMIT];
    keep(&store, &acme, seven, &longest);
    assert_eq!(store.kept_root(&acme, seven).unwrap(), Some(longest));
    fs::write(
        store.folder.join(root_file(&acme, seven)),
        vec![b' '; ROOT_LIMIT + 1],
    )
    .unwrap();
    assert_eq!(store.kept_root(&acme, seven).unwrap(), None);
    keep(&store, &acme, seven, b"seven");
    let kept = store.kept_root(&acme, seven).unwrap();
    assert_eq!(kept.as_deref(), Some(&b"seven"[..]));
}

#[test]
fn a_folder_of_roots_that_others_can_write_is_refused() {
    let (around, store) = fresh();
    let (acme, seven) = (root("acme"), version(7));
    keep(&store, &acme, seven, b"seven");
    let roots = store.folder.join("roots");
    for folder in [&roots, &store.root_folder(&acme)] {
        fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
        let kept = store.kept_root(&acme, seven).map_err(Stop::from);
        assert_stops(kept, Exit::Refused, "state-unsafe", &["chmod go-w"]);
        keep(&store, &acme, seven, b"other");
        fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
        let kept = store.kept_root(&acme, seven).unwrap();
        assert_eq!(kept.as_deref(), Some(&b"seven"[..]));
    }
    let elsewhere = around.path().join("elsewhere");
    fs::rename(&roots, &elsewhere).unwrap();
    symlink(&elsewhere, &roots).unwrap();
    let kept = store.kept_root(&acme, seven).map_err(Stop::from);
    assert_stops(kept, Exit::Refused, "state-unsafe", &["symbolic link"]);
}

#[test]
fn the_folder_is_the_users_own_and_never_the_current_one() {
    let folder = |variables: &[(&str, &str)]| {
        own_folder(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    };
    let home = ("HOME", "/home/a");
    let own = Some(PathBuf::from("/home/a/.local/state/countersign"));
    assert_eq!(folder(&[home]), own);
    assert_eq!(folder(&[home, ("XDG_STATE_HOME", "state")]), own);
    assert_eq!(folder(&[home, ("XDG_STATE_HOME", "")]), own);
    assert_eq!(
        folder(&[home, ("XDG_STATE_HOME", "/var/state")]),
        Some(PathBuf::from("/var/state/countersign"))
    );
    for nowhere in [&[][..], &[("HOME", "")], &[("HOME", "a")]] {
        assert_eq!(folder(nowhere), None);
    }
    let stop: Result<(), Stop> = Err(StateError::Homeless.into());
    let said = ["XDG_STATE_HOME", "absolute path"];
    assert_stops(stop, Exit::Usage, "state-folder-unknown", &said);
}
