use super::*;

#[cfg(unix)]
#[test]
fn a_removed_lock_is_restored_unless_another_process_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::take(dir.path()).unwrap();
    directory.keep_lock().unwrap();
    fs::remove_file(dir.path().join(LOCK_FILE)).unwrap();
    directory.keep_lock().unwrap();
    assert!(matches!(
        Directory::take(dir.path()),
        Err(OpenError::InUse { .. })
    ));
    fs::remove_file(dir.path().join(LOCK_FILE)).unwrap();
    let _other = Directory::take(dir.path()).unwrap();
    assert!(matches!(
        directory.keep_lock(),
        Err(OpenError::InUse { .. })
    ));
}

#[test]
fn a_directory_belongs_to_one_process_and_the_error_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::take(dir.path()).unwrap();
    let error = Directory::take(dir.path()).err().unwrap().to_string();
    assert!(
        error.contains(&format!("is in use by process {}", std::process::id())),
        "{error}"
    );
    drop(directory);
    Directory::take(dir.path()).unwrap();
}

/// `probe` holds the lock for a moment, and taking the directory waits for that.
#[test]
fn a_probe_keeps_no_process_out() {
    let dir = tempfile::tempdir().unwrap();
    drop(lock(dir.path()).unwrap());
    let looking = File::open(dir.path().join(LOCK_FILE)).unwrap();
    looking.try_lock_shared().unwrap();
    let (mut looking, mut pauses) = (Some(looking), 0);
    let locked = lock_in_time(dir.path(), || {
        pauses += 1;
        looking = None;
    });
    assert!(locked.is_ok() && pauses == 1, "{locked:?} after {pauses}");
}

#[test]
fn a_newer_format_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FORMAT_FILE), "tidings journal, format 3\n").unwrap();
    let error = Directory::take(dir.path()).err().unwrap().to_string();
    assert!(
        error.contains("format 3") && error.contains("left as it is"),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Returns whether versions up to 0.1 refuse a file FORMAT. They check the words, and accept only
/// the number 1.
fn is_refused_by_version_0_1(text: &str) -> bool {
    let number = text
        .trim_end()
        .strip_prefix("tidings journal, format ")
        .expect("the file begins with the words");
    number
        .parse::<u32>()
        .expect("a number follows, so that the error says that the format is newer")
        > 1
}

#[test]
fn a_new_directory_has_the_current_format_and_an_earlier_version_refuses_it() {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::take(dir.path()).unwrap();
    assert!(!directory.has_earlier_format());
    let text = fs::read_to_string(dir.path().join(FORMAT_FILE)).unwrap();
    assert_eq!(text, "tidings journal, format 2\n");
    assert!(is_refused_by_version_0_1(&text));
}

#[test]
fn an_earlier_format_is_accepted_until_it_is_raised() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FORMAT_FILE);
    let first = "tidings journal, format 1\n";
    fs::write(&path, first).unwrap();
    assert!(
        Directory::take_existing(dir.path())
            .unwrap()
            .has_earlier_format()
    );
    assert!(has_earlier_format(dir.path()) && probe(dir.path()).unwrap());
    let mut directory = Directory::take(dir.path()).unwrap();
    assert!(directory.has_earlier_format());
    assert_eq!(fs::read_to_string(&path).unwrap(), first);
    // As if the process had died while it wrote the file.
    fs::write(dir.path().join("FORMAT.new"), "tidings jour").unwrap();
    directory.raise_format().unwrap();
    assert!(!directory.has_earlier_format());
    drop(directory);
    assert!(!Directory::take(dir.path()).unwrap().has_earlier_format());
    assert!(is_refused_by_version_0_1(
        &fs::read_to_string(&path).unwrap()
    ));
    assert!(!has_earlier_format(dir.path()) && probe(dir.path()).unwrap());
}

#[test]
fn a_newly_mounted_volume_counts_as_empty() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    Directory::take(dir.path()).unwrap();
}

/// For a user that may read everything, such as root, this checks nothing.
#[cfg(unix)]
#[test]
fn files_without_permission_to_read_are_not_counted_and_cause_no_error() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let found = dir.path().join("lost+found");
    fs::create_dir(&found).unwrap();
    let directory = Directory::take(dir.path()).unwrap();
    fs::set_permissions(&found, fs::Permissions::from_mode(0o000)).unwrap();
    let bytes = directory.disk_bytes();
    // so that it can be removed
    fs::set_permissions(&found, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(bytes.is_ok(), "{bytes:?}");
}

#[test]
fn a_directory_that_is_no_journal_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    assert!(matches!(
        Directory::take(dir.path()),
        Err(OpenError::Foreign { .. })
    ));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(Directory::take(&dir.path().join("letter.txt/journal")).is_err());
    assert!(matches!(
        Directory::take_existing(dir.path()),
        Err(OpenError::Foreign { .. })
    ));
}
