//! The folder of what is remembered: whether it is there, trusted, and can be written.

use std::path::Path;

use countersign_common::Escaped;

use crate::{
    command::doctor::{code, finding::Finding},
    output::Stop,
    state::{Store, Writing},
};

pub(in crate::command::doctor) fn check(named: Option<&Path>) -> Finding {
    examine(named).unwrap_or_else(|stop| Finding::stopped(code::STATE, &stop))
}

fn examine(named: Option<&Path>) -> Result<Finding, Stop> {
    let code = code::STATE;
    let store = Store::open(named)?;
    let state = store.read()?;
    let folder = store.folder().display().to_string();
    let folder = Escaped(&folder);
    let Some(state) = state else {
        let sentence = format!(
            "nothing is remembered in {folder}: an older trust root could come back, and a clock be set back"
        );
        let remedy = "begin with `countersign verify --init-state`, where runs share a disk";
        return Ok(Finding::note(code, sentence, remedy));
    };
    if store.writing() == Writing::Denied {
        let sentence = format!(
            "{folder} cannot be written: what is learned there is lost, and each run ends with 3"
        );
        let remedy = "give whoever runs this the right to write there, or name another folder with `--state-dir`";
        return Ok(Finding::problem(code, sentence, remedy));
    }
    let floor = state.time_floor();
    let floor = floor.map(|floor| format!(", and that it was {floor} already"));
    Ok(Finding::ok(
        code,
        format!(
            "the folder {folder} is read and written by its owner alone; trust roots are remembered there{}",
            floor.unwrap_or_default()
        ),
    ))
}
