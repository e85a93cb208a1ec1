use std::{
    os::unix::fs::PermissionsExt,
    sync::atomic::{AtomicI64, Ordering},
};

use super::*;

const NOW_MS: i64 = 1_780_000_020_000;
const LATER_MS: i64 = NOW_MS + 600_000;

struct World {
    folder: tempfile::TempDir,
    spool: Spool,
    now: Arc<AtomicI64>,
}

impl World {
    fn new(bytes_max: u64) -> World {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(NOW_MS));
        let settings = settings::Spool { path: folder.path().join("spool"), bytes_max };
        let spool = Spool::open(&settings, Arc::new(Keys::ephemeral()), Clock::Manual(now.clone())).unwrap();
        World { folder, spool, now }
    }

    fn files(&self) -> Vec<PathBuf> {
        self.spool.files().collect()
    }

    async fn keep(&self, owner: &Owner, body: &[u8]) -> Spooled {
        let mut writer = self.spool.begin(owner.clone(), body.len() as u64).await.unwrap();
        for piece in body.chunks(50_000) {
            writer.write(piece).await.unwrap();
        }
        writer.finish(&self.spool, LATER_MS).await.unwrap()
    }

    async fn claimed(&self, owner: &Owner, spooled: Spooled) -> Option<Vec<u8>> {
        let mut reader = self.spool.claim(owner.clone(), spooled).await?;
        let mut body = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            body.extend_from_slice(&piece);
        }
        assert_eq!(body.len() as u64, reader.bytes());
        Some(body)
    }
}

fn owner(parked: u8) -> Owner {
    let bound_to = [&[1; 16][..], &[parked; 16], b"bank.example"].concat();
    Owner { parked: [parked; 16], tenant: "default".into(), bound_to, half: ParkHalf([9; 16]) }
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn a_body_of_any_length_comes_back_once_and_leaves_no_file() {
    let world = World::new(1 << 30);
    for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 3 * PIECE_BYTES + 5] {
        let spooled = world.keep(&owner(7), &body(length)).await;
        let [file] = &world.files()[..] else { panic!("one file: {:?}", world.files()) };
        let metadata = fs::metadata(file).unwrap();
        assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, sealed_bytes(length as u64)));
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_ne!(name, HEXLOWER.encode(&[7; 16]), "a folder does not tell what resumes a request");
        assert_eq!(world.spool.look(owner(7), spooled).await.unwrap(), body(length), "looking takes nothing");
        assert_eq!(world.spool.whereabouts(&[7; 16], &spooled).await, Whereabouts::Here);
        assert_eq!(world.claimed(&owner(7), spooled).await.unwrap(), body(length), "{length}");
        assert!(world.files().is_empty());
        assert!(world.claimed(&owner(7), spooled).await.is_none(), "once");
        assert_eq!(world.spool.whereabouts(&[7; 16], &spooled).await, Whereabouts::Nowhere);
    }
}

#[tokio::test]
async fn nothing_of_a_body_can_be_read_from_its_file_nor_by_anybody_else() {
    let world = World::new(1 << 30);
    let secret = b"IBAN DE02120300000000202051".repeat(5_000);
    let spooled = world.keep(&owner(7), &secret).await;
    let raw = fs::read(&world.files()[0]).unwrap();
    assert!(!raw.windows(8).any(|it| it == b"DE021203"));
    let other_half = Owner { half: ParkHalf([8; 16]), ..owner(7) };
    let other_session = Owner { bound_to: [&[2; 16][..], &[7; 16], b"bank.example"].concat(), ..owner(7) };
    let other_tenant = Owner { tenant: "other".into(), ..owner(7) };
    for (who, thief) in [("browser", other_half), ("session", other_session), ("tenant", other_tenant)] {
        assert!(world.spool.claim(thief, spooled).await.is_none(), "another {who}");
    }
    assert_eq!(world.claimed(&owner(7), spooled).await.unwrap(), secret, "none of them used it up");
}

const SEALED_PIECE: usize = PIECE_BYTES + keys::SEAL_BYTES;

fn piece(number: usize) -> std::ops::Range<usize> {
    8 + number * SEALED_PIECE..8 + (number + 1) * SEALED_PIECE
}

/// What somebody who can write to the folder may do to it.
#[tokio::test]
async fn a_file_that_was_cut_reordered_swapped_or_changed_is_not_sent() {
    type Change = Box<dyn Fn(&mut Vec<u8>, &[u8])>;
    let changes: [(&str, Change); 8] = [
        ("cut in a piece", Box::new(|own, _| own.truncate(own.len() - 1))),
        ("cut between pieces", Box::new(move |own, _| own.truncate(8 + 2 * SEALED_PIECE))),
        ("longer", Box::new(|own, _| own.push(0))),
        (
            "reordered",
            Box::new(move |own, _| {
                let (first, second) = (own[piece(0)].to_vec(), own[piece(1)].to_vec());
                own[piece(0)].copy_from_slice(&second);
                own[piece(1)].copy_from_slice(&first);
            }),
        ),
        (
            "a piece twice",
            Box::new(move |own, _| {
                let first = own[piece(0)].to_vec();
                own[piece(1)].copy_from_slice(&first);
            }),
        ),
        ("a piece of another", Box::new(move |own, other| own[piece(1)].copy_from_slice(&other[piece(1)]))),
        ("another file", Box::new(|own, other| *own = other.to_vec())),
        ("one bit", Box::new(|own, _| *own.last_mut().unwrap() ^= 1)),
    ];
    for (what, change) in changes {
        let world = World::new(1 << 30);
        let (own, other) = (owner(7), owner(8));
        let spooled = world.keep(&own, &body(2 * PIECE_BYTES + 100)).await;
        world.keep(&other, &body(2 * PIECE_BYTES + 100)).await;
        let path = world.spool.file(&own.parked);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes, &fs::read(world.spool.file(&other.parked)).unwrap());
        fs::write(&path, bytes).unwrap();
        assert!(world.spool.claim(own.clone(), spooled).await.is_none(), "{what}");
        assert!(world.spool.look(own, spooled).await.is_none(), "{what}, looked at");
    }
    // Cut between pieces, by somebody who could make its request believe in a shorter body.
    let world = World::new(1 << 30);
    let spooled = world.keep(&owner(7), &body(3 * PIECE_BYTES)).await;
    let file = File::options().write(true).open(&world.files()[0]).unwrap();
    let shorter = Spooled { bytes: 2 * PIECE_BYTES as u64, ..spooled };
    file.set_len(sealed_bytes(shorter.bytes)).unwrap();
    assert!(world.spool.claim(owner(7), shorter).await.is_none(), "the last piece says that it is the last");
}

#[tokio::test]
async fn a_body_that_is_not_finished_leaves_nothing_and_takes_no_room() {
    let world = World::new(sealed_bytes(200_000));
    let mut writer = world.spool.begin(owner(1), 200_000).await.unwrap();
    writer.write(&body(150_000)).await.unwrap();
    assert!(matches!(world.spool.begin(owner(2), 1).await, Err(NotKept::Full)), "room is taken before it is filled");
    assert!(matches!(writer.write(&body(50_001)).await, Err(NotKept::TooLong)));
    drop(writer);
    assert!(world.files().is_empty());
    assert!(matches!(world.spool.begin(owner(2), 200_001 + PIECE_BYTES as u64).await, Err(NotKept::Full)));
    let spooled = world.keep(&owner(2), &body(200_000)).await;
    assert!(matches!(world.spool.begin(owner(3), 1).await, Err(NotKept::Full)));
    world.spool.remove(&[2; 16]).await;
    assert!(world.spool.begin(owner(3), 1).await.is_ok());
    assert!(world.claimed(&owner(2), spooled).await.is_none());
}

#[tokio::test]
async fn a_disk_that_takes_no_more_is_an_error_and_leaves_nothing() {
    let world = World::new(1 << 30);
    let mut writer = world.spool.begin(owner(1), 1 << 20).await.unwrap();
    // Always full (Linux, full(4)).
    writer.draft.as_mut().unwrap().file = File::options().write(true).open("/dev/full").unwrap();
    let written = writer.write(&body(2 * PIECE_BYTES)).await;
    assert!(matches!(&written, Err(NotKept::Disk(error)) if error.kind() == io::ErrorKind::StorageFull), "{written:?}");
    drop(writer);
    assert!(world.files().is_empty());
    fs::remove_dir_all(world.folder.path().join("spool")).unwrap();
    assert!(matches!(world.spool.begin(owner(1), 1).await, Err(NotKept::Disk(_))), "nor one whose folder is gone");
}

#[tokio::test]
async fn what_nobody_waits_for_is_swept_and_nothing_else() {
    let world = World::new(1 << 30);
    let spooled = world.keep(&owner(1), b"waits").await;
    let writer = world.spool.begin(owner(2), 10).await.unwrap();
    let path = world.folder.path().join("spool");
    let dead = path.join(format!("{}.part", "ab".repeat(16)));
    let old = SystemTime::now() - Duration::from_secs(3_600);
    fs::write(&dead, "left by a process that ended").unwrap();
    File::options().write(true).open(&dead).unwrap().set_modified(old).unwrap();
    writer.draft.as_ref().unwrap().file.set_modified(old).unwrap();
    fs::write(path.join("README"), "an operator's").unwrap();
    world.spool.sweep();
    assert!(!dead.exists() && path.join("README").exists() && path.join(FOLDER_NAME).exists());
    assert_eq!(world.files().len(), 2, "one waits, one is being written");
    world.now.store(LATER_MS + GRACE_MS - 1, Ordering::Relaxed);
    world.spool.sweep();
    assert_eq!(world.spool.whereabouts(&[1; 16], &spooled).await, Whereabouts::Here);
    world.now.store(LATER_MS + GRACE_MS, Ordering::Relaxed);
    world.spool.sweep();
    assert_eq!(world.spool.whereabouts(&[1; 16], &spooled).await, Whereabouts::Nowhere);
    drop(writer);
}

#[tokio::test]
async fn a_folder_knows_its_own_and_says_of_others_that_they_are_elsewhere() {
    let (world, other) = (World::new(1 << 30), World::new(1 << 30));
    let spooled = world.keep(&owner(1), b"waits").await;
    assert_eq!(other.spool.whereabouts(&[1; 16], &spooled).await, Whereabouts::Elsewhere);
    let settings = settings::Spool { path: world.folder.path().join("spool"), bytes_max: 1 << 30 };
    let keys = world.spool.0.keys.clone();
    let again = Spool::open(&settings, keys, Clock::Manual(world.now.clone())).unwrap();
    assert_eq!(again.whereabouts(&[1; 16], &spooled).await, Whereabouts::Here, "also a second process over it");
    assert!(again.claim(owner(1), spooled).await.is_some());
    assert_eq!(world.spool.whereabouts(&[1; 16], &spooled).await, Whereabouts::Nowhere);
}
