//! The store in many processes, which end as they like.
//!
//! Each is this test program again: it runs the one test that started it, with a variable that tells it what to do.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use countersign_trust_roots::state::RootMemory;

use super::*;

/// The folder that a started process writes in, and which of the writers it is.
const FOLDER: &str = "COUNTERSIGN_TEST_STATE";
const WRITER: &str = "COUNTERSIGN_TEST_WRITER";

const WRITERS: u64 = 50;
/// Commits of a process that is left alone.
const ROUNDS: u64 = 6;
/// More than a process lives to make that is to be killed.
const FOR_EVER: u64 = 10_000;

/// Every fourth, for twelve of them.
fn is_killed(writer: u64) -> bool {
    writer.is_multiple_of(4) && writer < 48
}

/// `SplitMix64`, from Steele, Lea and Flood, "Fast splittable pseudorandom number generators": a number from a seed.
fn random(seed: u64) -> u64 {
    let mut number = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn now() -> Timestamp {
    at(1_000_000)
}

fn file(root: &str, number: u64) -> Vec<u8> {
    format!("{root} {number}").into_bytes()
}

/// What a writer learns in one of its rounds: a time, a version of a root that all know, and one of its own.
fn learned(writer: u64, round: u64) -> Advance {
    let seed = random(writer * FOR_EVER + round);
    let shared = 1 + seed % 1_000;
    let own = format!("own-{writer}");
    let memory = |root: &str, number: u64| {
        let probed = at(i64::try_from(seed % 777).unwrap());
        (
            self::root(root),
            RootMemory::new(version(number), &file(root, number), probed).into(),
        )
    };
    Advance {
        floor: Some(at(i64::try_from(seed % 999_983).unwrap())),
        roots: [memory("acme", shared), memory(&own, round + 1)].into(),
    }
}

/// Commits, and says so after each.
fn write(folder: &Path, writer: u64) {
    let store = store(folder);
    let mut said = io::stdout().lock();
    writeln!(said).unwrap();
    for round in 0..if is_killed(writer) { FOR_EVER } else { ROUNDS } {
        let advance = learned(writer, round);
        let acme = root("acme");
        let number = advance.roots[&acme].newest.version();
        let verified = VerifiedRoot {
            name: &acme,
            version: number,
            file: &file("acme", number.get()),
        };
        store.commit(&[verified], &advance, now()).unwrap();
        writeln!(said, "done").unwrap();
        said.flush().unwrap();
    }
}

/// This program again, with one test of this file alone.
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", "--test-threads", "1"])
        .arg(format!("state::tests::processes::{test}"))
        .stdin(Stdio::null());
    command
}

/// How many commits a process has made when it has ended, by itself or by a kill somewhere after one of them.
fn watch(writer: u64, mut process: Child) -> u64 {
    // Early in the crowd, where most wait for the lock, or late, where few are left and most hold it.
    let last = if writer.is_multiple_of(8) { 5 } else { 50 };
    let mut kill_after = is_killed(writer).then(|| random(writer) % last);
    let mut commits = 0;
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    for line in lines {
        commits += u64::from(line.unwrap() == "done");
        if kill_after == Some(commits) {
            kill_after = None;
            for _ in 0..random(writer + 1_000) % 2_000 {
                thread::yield_now();
            }
            process.kill().unwrap();
        }
    }
    let status = process.wait().unwrap();
    let expected = is_killed(writer).then_some(9);
    assert_eq!(status.signal(), expected, "writer {writer}: {status}");
    assert!(expected.is_some() || status.success() && commits == ROUNDS);
    commits
}

/// What must not fall, in the order in which it must not: the time, and the version of the root that all know.
type Height = (Option<Timestamp>, Option<(NonZeroU64, Timestamp)>);

fn height(state: &State) -> Height {
    let acme = state.root(&root("acme"));
    (
        state.time_floor(),
        acme.map(|acme| (acme.version(), acme.probed())),
    )
}

/// Reads all the while: the state is whole at any moment, and nothing in it falls. How often it was seen to rise.
fn read_until(ended: &AtomicBool, store: &Store) -> usize {
    let mut last: Option<Height> = None;
    let mut rises = 0;
    while !ended.load(Ordering::Relaxed) {
        let next = store.read().unwrap().as_ref().map(height);
        let (before, after) = (last.unwrap_or_default(), next.unwrap_or_default());
        assert!(last.is_none() || next.is_some(), "what was there is gone");
        assert!(
            before.0 <= after.0 && before.1 <= after.1,
            "{before:?} {after:?}"
        );
        rises += usize::from(before != after);
        last = next;
        thread::yield_now();
    }
    rises
}

/// The state after so many rounds of each writer.
fn after(rounds: &[u64]) -> State {
    let mut state = State::default();
    for (writer, rounds) in (0..).zip(rounds) {
        for round in 0..*rounds {
            state = state.advanced(&learned(writer, round), now());
        }
    }
    state
}

/// What is in the state lies between what was surely committed and what may have been.
fn assert_between(state: &State, sure: &State, possible: &State) {
    assert!(sure.time_floor() <= state.time_floor());
    assert!(state.time_floor() <= possible.time_floor());
    let names = (0..WRITERS).map(|writer| format!("own-{writer}"));
    for name in names.chain(["acme".to_owned()]) {
        let number = |state: &State| state.root(&root(&name)).map(|root| root.version().get());
        assert!(number(sure) <= number(state), "{name}");
        assert!(number(state) <= number(possible), "{name}");
        if let Some(kept) = state.root(&root(&name)) {
            let written = file(&name, kept.version().get());
            assert_eq!(*kept.sha256(), countersign_common::Digest::sha256(&written));
        }
    }
}

#[test]
fn fifty_processes_and_a_dozen_kills_leave_it_whole() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let writer = std::env::var(WRITER).unwrap().parse().unwrap();
        return write(Path::new(&folder), writer);
    }
    let (_around, mut store) = fresh();
    let start = |writer: u64| {
        again("fifty_processes_and_a_dozen_kills_leave_it_whole")
            .env(FOLDER, &store.folder)
            .env(WRITER, writer.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let processes: Vec<_> = (0..WRITERS).map(|writer| (writer, start(writer))).collect();
    let ended = AtomicBool::new(false);
    let (commits, rises) = thread::scope(|scope| {
        let reader = scope.spawn(|| read_until(&ended, &store));
        let watchers: Vec<_> = processes
            .into_iter()
            .map(|(writer, process)| scope.spawn(move || watch(writer, process)))
            .collect();
        let commits: Vec<_> = watchers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        ended.store(true, Ordering::Relaxed);
        let commits: Vec<_> = commits.into_iter().map(Result::unwrap).collect();
        (commits, reader.join().unwrap())
    });
    assert!(rises > 1, "nothing was read in between");
    assert_eq!((0..WRITERS).filter(|writer| is_killed(*writer)).count(), 12);

    let state = store.read().unwrap().unwrap();
    // A killed process may have committed once more than it said.
    let at_most: Vec<_> = (0..)
        .zip(&commits)
        .map(|(writer, commits)| commits + u64::from(is_killed(writer)))
        .collect();
    assert_between(&state, &after(&commits), &after(&at_most));

    // The lock is free at once, and the next writer removes what the killed ones left.
    store.patience = Duration::ZERO;
    let acme = root("acme");
    let last = VerifiedRoot {
        name: &acme,
        version: version(2_000),
        file: &file("acme", 2_000),
    };
    store.commit(&[last], &floor(1_000_000), now()).unwrap();
    assert_eq!(names(&store.folder), ["roots", "state.json", "state.lock"]);
    let remembered = state.root(&acme).unwrap().version();
    let kept = store.kept_root(&acme, remembered).unwrap();
    assert_eq!(kept, Some(file("acme", remembered.get())));
    for name in names(&store.root_folder(&acme)) {
        let number: u64 = name.strip_suffix(".root.json").unwrap().parse().unwrap();
        let kept = store.kept_root(&acme, version(number)).unwrap();
        assert_eq!(kept, Some(file("acme", number)));
    }
}

/// No file of this process may grow by a byte, as on a full disk: it commits, and is to say why it cannot.
fn write_nothing(folder: &Path) {
    let store = store(folder);
    let before = fs::read(store.file()).unwrap();
    let committed = store.commit(&[], &floor(2_000), at(2_000));
    let said = ["state.json", "too large", "check the disk"];
    assert_stops(committed, Exit::Undecided, "state-write-failed", &said);
    assert_eq!(fs::read(store.file()).unwrap(), before);
    assert_eq!(names(folder), ["state.json", "state.lock"]);
    store.commit(&[], &floor(900), at(2_000)).unwrap();
    writeln!(io::stdout(), "\nsaid so").unwrap();
}

/// A test in a process whose files cannot grow by a byte.
fn limited(prepare: &str, test: &str, store: &Store) -> std::process::Output {
    let test = again(test);
    Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{prepare}; ulimit -c 0; ulimit -f 0; exec \"$0\" \"$@\""
        ))
        .arg(test.get_program())
        .args(test.get_args())
        .env(FOLDER, &store.folder)
        .output()
        .unwrap()
}

#[test]
fn a_full_disk_is_said_plainly_and_leaves_the_state_as_it_was() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_nothing(Path::new(&folder));
    }
    let (_around, store) = fresh();
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    // Without the trap the limit would end the process, which a full disk does not.
    let limited = limited(
        "trap '' XFSZ",
        "a_full_disk_is_said_plainly_and_leaves_the_state_as_it_was",
        &store,
    );
    let said = String::from_utf8_lossy(&limited.stdout);
    assert!(limited.status.success(), "{said}");
    assert!(said.contains("said so"), "{said}");
    store.commit(&[], &floor(2_000), at(2_000)).unwrap();
    let state = store.read().unwrap().unwrap();
    assert_eq!(state.time_floor(), Some(at(2_000)));
}

#[test]
fn a_writer_that_is_killed_while_it_writes_leaves_the_old_state_and_a_free_lock() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return store(Path::new(&folder))
            .commit(&[], &floor(2_000), at(2_000))
            .unwrap();
    }
    let (_around, mut store) = fresh();
    store.patience = Duration::ZERO;
    store.commit(&[], &floor(1_000), at(1_000)).unwrap();
    // The limit's signal comes with the first byte, when the lock is held and the new file is there.
    let killed = limited(
        ":",
        "a_writer_that_is_killed_while_it_writes_leaves_the_old_state_and_a_free_lock",
        &store,
    );
    assert!(killed.status.signal().is_some(), "{killed:?}");
    let left = names(&store.folder);
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left[0].starts_with(".countersign-"), "{left:?}");
    let floor_of = |store: &Store| store.read().unwrap().unwrap().time_floor();
    assert_eq!(floor_of(&store), Some(at(1_000)));
    store.commit(&[], &floor(2_000), at(2_000)).unwrap();
    assert_eq!(floor_of(&store), Some(at(2_000)));
    assert_eq!(names(&store.folder), ["state.json", "state.lock"]);
}
