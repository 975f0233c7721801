//! Logs of the `rcrs` room: every way of packing, cut and damaged everywhere, and files that mean harm.

use std::io::{Cursor, Read, Seek, SeekFrom};

use crate::common::rcrs::{
    self, Packing, archive, archive_front, archive_number, binary_log, entity, entries, frame, framed_log, gzip,
    killed_archive, legacy, lzma_alone, lzma2, proto, small_run, xz,
};
use instep::limits::{
    RCRS_ENTITIES_MAX, RCRS_LIST_VALUES_MAX, RCRS_RECORD_BYTES_MAX, RCRS_SLICE_BYTES_MAX, RCRS_UNIT_BYTES_MAX,
};
use instep::rcrs::Error;
use instep::rcrs::log::{Ending, HEAD_BYTES, LogFormat, Progress, Reader};
use instep::rcrs::message::{ChangeSet, Record};
use instep::rcrs::summary::Summary;
use instep::rcrs::urn::{CommandKind, EntityKind, PropertyKind};

const NO_DIRECTORY: Error = Error::Malformed("the archive has no directory: its writer was stopped before the end");

/// Gives one byte a read, as the worst of sources.
struct Dripping(Cursor<Vec<u8>>);

impl Read for Dripping {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let count = to.len().min(1);
        self.0.read(&mut to[..count])
    }
}

impl Seek for Dripping {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

type Outcome = (Vec<Record>, Result<Ending, Error>);

fn read(file: &[u8]) -> Outcome {
    read_from(Cursor::new(file.to_vec()), RCRS_SLICE_BYTES_MAX)
}

fn read_from(source: impl Read + Seek, budget: usize) -> Outcome {
    let mut records = Vec::new();
    let mut reader = match Reader::open(source) {
        Ok(reader) => reader,
        Err(error) => return (records, Err(error)),
    };
    for _ in 0..1_000_000 {
        match reader.advance(budget) {
            Ok(Progress::Record(record)) => records.push(record),
            Ok(Progress::Working) => {}
            Ok(Progress::Ended(ending)) => {
                assert_eq!(reader.advance(budget), Ok(Progress::Ended(ending)), "an end is for good");
                return (records, Ok(ending));
            }
            Err(error) => {
                assert_eq!(reader.advance(budget), Err(error), "an error is for good");
                return (records, Err(error));
            }
        }
    }
    panic!("the reader turns for ever");
}

fn files() -> Vec<(LogFormat, Vec<u8>)> {
    let run = small_run();
    let (binary, framed) = (binary_log(&run), framed_log(&run));
    let (left, right) = binary.split_at(binary.len() / 3);
    let mut files = vec![
        (LogFormat::Binary, binary.clone()),
        (LogFormat::Frames, framed.clone()),
        (LogFormat::Lzma, lzma_alone(&framed)),
        (LogFormat::Xz, xz(&[left, right], 4)),
        (LogFormat::Xz, xz(&[&framed], 1)),
        (LogFormat::Xz, xz(&[&framed, b""], 0)),
        (LogFormat::Gzip, gzip(&framed, false)),
        (LogFormat::Gzip, gzip(&binary, true)),
    ];
    for packing in [Packing::Plain, Packing::Lzma, Packing::Lzma2] {
        for pack_directory in [false, true] {
            files.push((LogFormat::SevenZip, archive(&entries(&run), packing, pack_directory)));
        }
    }
    files
}

#[test]
fn every_packing_gives_the_same_records() {
    let run = small_run();
    for (index, (kind, file)) in files().into_iter().enumerate() {
        assert_eq!(LogFormat::recognise(&file[..HEAD_BYTES]), Some(kind));
        let (records, ending) = read(&file);
        assert_eq!(ending, Ok(Ending::Whole), "file {index}, {}", kind.name());
        assert_eq!(records, run, "file {index}, {}", kind.name());
    }
}

#[test]
fn the_size_of_reads_and_of_slices_does_not_matter() {
    let run = small_run();
    for (kind, file) in files() {
        for budget in [0, 1, 7, 100] {
            let dripping = Dripping(Cursor::new(file.clone()));
            assert_eq!(read_from(dripping, budget), (run.clone(), Ok(Ending::Whole)), "{}", kind.name());
        }
    }
}

#[test]
fn a_log_cut_anywhere_gives_its_whole_records_and_says_so() {
    let run = small_run();
    for (index, (kind, file)) in files().into_iter().enumerate() {
        let mut most = 0;
        for length in 0..file.len() {
            let (records, ending) = read(&file[..length]);
            assert_eq!(records, run[..records.len()], "file {index} cut to {length}");
            match ending {
                // The last record may be whole although what follows it in the packing is not.
                Ok(Ending::Whole) => assert_eq!(records.len(), run.len()),
                Ok(Ending::Truncated) => assert!(records.len() < run.len()),
                Err(Error::Empty) => assert_eq!(length, 0),
                Err(Error::Unrecognised) => assert!(length < 13),
                Err(error) => {
                    assert_eq!((error, kind), (NO_DIRECTORY, LogFormat::SevenZip), "file {index} cut to {length}")
                }
            }
            assert!(records.len() >= most, "more bytes, fewer records");
            most = records.len();
        }
    }
}

/// Where an archive's directory is not, its records are all the same.
#[test]
fn an_archive_without_directory_gives_every_record_that_is_whole() {
    let run = small_run();
    let killed = killed_archive(&run);
    assert_eq!(LogFormat::recognise(&killed[..HEAD_BYTES]), Some(LogFormat::SevenZip));
    let mut ends = vec![32];
    ends.extend((1..=run.len()).map(|count| killed_archive(&run[..count]).len()));
    // The front is there and the directory is not: a download that was cut short.
    let front = archive(&entries(&run), Packing::Lzma2, false)[..32].to_vec();
    for front in [vec![0; 32], front] {
        let file = [&front, &killed[32..]].concat();
        for length in 32..=file.len() {
            let whole = ends.iter().filter(|end| **end <= length).count() - 1;
            let ending = if whole == run.len() { Ending::Whole } else { Ending::Truncated };
            assert_eq!(read(&file[..length]), (run[..whole].to_vec(), Ok(ending)), "cut to {length}");
        }
        // Zeros where the rest should be, as a download leaves that makes room first.
        let room = [&file[..ends[5]], &[0; 500]].concat();
        assert_eq!(read(&room), (run[..5].to_vec(), Ok(Ending::Truncated)));
        for budget in [1, 7, 100] {
            let dripping = Dripping(Cursor::new(file.clone()));
            assert_eq!(read_from(dripping, budget), (run.clone(), Ok(Ending::Whole)));
        }
    }
}

#[test]
fn zeros_before_something_else_are_no_archive() {
    let run = small_run();
    let others = [binary_log(&run), framed_log(&run), lzma_alone(&framed_log(&run)), gzip(&framed_log(&run), false)];
    let others = others.into_iter().chain([xz(&[&framed_log(&run)], 1), archive(&entries(&run), Packing::Lzma2, true)]);
    for other in others.chain([vec![0; 100], b"text".to_vec(), lzma2(b"no record, but packed as one would be")]) {
        let file = [&[0; 32][..], &other].concat();
        assert_eq!(read(&file), (vec![], Err(Error::Unrecognised)), "{:02x?}", &other[..4]);
    }
}

#[test]
fn a_log_cut_between_records_is_truncated() {
    let run = small_run();
    for count in 1..run.len() {
        let part = &run[..count];
        for file in [binary_log(part), framed_log(part), lzma_alone(&framed_log(part)), gzip(&binary_log(part), false)]
        {
            assert_eq!(read(&file), (part.to_vec(), Ok(Ending::Truncated)));
        }
        let file = archive(&entries(part), Packing::Lzma2, false);
        assert_eq!(read(&file), (part.to_vec(), Ok(Ending::Truncated)));
    }
}

#[test]
fn damage_anywhere_ends_the_reading_in_order() {
    for (kind, file) in files() {
        for place in 0..file.len() {
            let mut damaged = file.clone();
            damaged[place] ^= 0x55;
            let (records, ending) = read(&damaged);
            assert!(records.len() <= 64, "{}", kind.name());
            if kind == LogFormat::SevenZip && ending == Ok(Ending::Whole) {
                // Everything but the version is under a checksum.
                assert!(records == small_run(), "damage at {place} went unseen");
            }
        }
    }
}

#[test]
fn archive_entries_come_in_the_order_of_the_run() {
    let run = small_run();
    let mut files = entries(&run);
    files.reverse();
    files.push(("notes.txt".to_owned(), b"not a record".to_vec()));
    files.push(("1/SOMETHING".to_owned(), vec![]));
    let file = archive(&files, Packing::Lzma2, true);
    let mut reader = Reader::open(Cursor::new(file.clone())).unwrap();
    assert_eq!(reader.time_max(), None);
    while reader.advance(RCRS_SLICE_BYTES_MAX).unwrap() == Progress::Working {}
    assert_eq!((reader.time_max(), reader.time_reached()), (Some(2), 0), "known from the names");
    assert_eq!(read(&file), (run, Ok(Ending::Whole)));
}

#[test]
fn other_logs_tell_their_highest_time_at_the_end() {
    let mut reader = Reader::open(Cursor::new(framed_log(&small_run()))).unwrap();
    let mut times = Vec::new();
    loop {
        let progress = reader.advance(RCRS_SLICE_BYTES_MAX).unwrap();
        times.push((reader.time_max(), reader.time_reached()));
        if let Progress::Ended(_) = progress {
            break;
        }
    }
    assert_eq!(times.first(), Some(&(None, 0)));
    assert_eq!(times.last(), Some(&(Some(2), 2)));
    assert_eq!(times.iter().filter(|(known, _)| known.is_none()).count(), small_run().len() - 1);
}

#[test]
fn other_files_are_told_apart() {
    let open = |head: &[u8]| Reader::open(Cursor::new(head.to_vec())).map(|reader| reader.format());
    assert_eq!(open(b""), Err(Error::Empty));
    let zip = open(b"PK\x03\x04 some other archive, surely");
    assert!(matches!(zip, Err(Error::Unsupported(what)) if what.starts_with("a zip archive")), "{zip:?}");
    assert_eq!(open(&[0, 0, 0, 3, 0x0a, 0]), Err(Error::Unrecognised));
    assert_eq!(open(&[0x85, 0xa7]), Err(Error::Unsupported("a viewer's recording")));
    assert_eq!(LogFormat::recognise(&[0xde, 0, 1]), Some(LogFormat::Viewer));
    assert_eq!(open(&[0; 32]), Ok(LogFormat::SevenZip), "an archive whose writer was killed at once");
    assert_eq!(open(&[0; 100]), Err(Error::Unrecognised));
    assert_eq!(
        read(&gzip(b"no log in here", false)).1,
        Err(Error::Malformed("the file packs something else than a log"))
    );
}

#[test]
fn a_big_world_is_decoded_in_many_slices() {
    let roads: Vec<_> = (0..50_000)
        .map(|id| {
            let edges = [id, 0, 10, 0, 0, 10, 0, 10, 10, 1, 10, 10, 0, 0, 0];
            entity(id, EntityKind::Road, &[(PropertyKind::X, id)], &[(PropertyKind::Edges, &edges)])
        })
        .collect();
    let run = [Record::Start, Record::Initial(roads), Record::End];
    for file in [framed_log(&run), binary_log(&run), lzma_alone(&framed_log(&run))] {
        let mut reader = Reader::open(Cursor::new(file)).unwrap();
        let mut calls = 0;
        let record = loop {
            calls += 1;
            match reader.advance(RCRS_SLICE_BYTES_MAX).unwrap() {
                Progress::Record(record @ Record::Initial(_)) => break record,
                Progress::Record(_) | Progress::Working => {}
                Progress::Ended(ending) => panic!("{ending:?}"),
            }
        };
        assert!(record == run[1]);
        assert!(calls > 200, "{calls} calls for some megabytes");
    }
}

// ---- unknown and odd, but harmless ----

#[test]
fn what_is_not_known_is_passed_over_and_counted() {
    let known = proto::entity(&entity(1, EntityKind::Road, &[(PropertyKind::X, 1)], &[]));
    let odd_property = proto::bytes(3, &[proto::int(1, 4999), proto::int(2, 1), proto::int(3, 7)].concat());
    let odd_shape = proto::bytes(3, &[proto::int(1, 4614), proto::int(2, 1), proto::bytes(7, &[])].concat());
    let odd_entity = [proto::int(1, 9999), proto::int(2, 5)].concat();
    let odd_field = [proto::varint(8 * 99 + 5), vec![1, 2, 3, 4], proto::varint(8 * 98 + 1), vec![0; 8]].concat();
    let change = |content: &[u8]| proto::bytes(1, content);
    let content = [
        odd_field.clone(),
        change(&[proto::int(1, 1), proto::int(2, 4354), odd_property, odd_shape, odd_field].concat()),
        change(&odd_entity),
    ]
    .concat();
    let record = proto::bytes(6, &[proto::int(1, 1), proto::bytes(2, &content)].concat());
    let world = proto::bytes(2, &proto::bytes(1, &known));
    let (records, ending) = read(&[frame(&proto::record(&Record::Start)), frame(&world), frame(&record)].concat());
    assert_eq!(ending, Ok(Ending::Truncated));
    let Record::Updates { changes: ChangeSet { changed, deleted, skipped }, .. } = &records[2] else { panic!() };
    // The odd entity's number lies in no known kind; two properties of the other are odd.
    assert_eq!((changed.len(), deleted.len(), *skipped), (1, 0, 3));
    assert!(changed[0].entity.properties.defined().is_empty());
}

#[test]
fn unknown_names_of_the_old_encoding_are_passed_over() {
    let name = |name: &str| legacy::sized(name.as_bytes());
    let property = [name("urn:x:property:smell"), vec![1], legacy::sized(&legacy::int(7))].concat();
    let undefined = [name("urn:x:property:taste"), vec![0]].concat();
    let x = [name(&PropertyKind::X.urn()), vec![1], legacy::sized(&legacy::int(4))].concat();
    let change = [legacy::int(5), name(&EntityKind::Road.urn()), legacy::int(3), property, undefined, x].concat();
    let odd = [legacy::int(6), name("urn:x:entity:cloud"), legacy::int(0)].concat();
    let content = [legacy::int(1), legacy::int(2), change, odd, legacy::int(0)].concat();
    let record = [legacy::int(4), legacy::sized(&content)].concat();
    let (records, _) = read(&[legacy::record(&Record::Start), record].concat());
    let Record::Updates { changes, .. } = &records[1] else { panic!() };
    assert_eq!((changes.changed.len(), changes.skipped), (1, 3));
    assert_eq!(changes.changed[0].entity.properties.number(PropertyKind::X), Some(4));
}

#[test]
fn a_map_entry_may_have_its_value_before_its_key() {
    let swapped = proto::bytes(1, &[proto::bytes(2, b"40"), proto::bytes(1, b"kernel.timesteps")].concat());
    let file = [frame(&proto::record(&Record::Start)), frame(&proto::bytes(5, &proto::bytes(1, &swapped)))].concat();
    let (records, _) = read(&file);
    let Record::Config(config) = &records[1] else { panic!() };
    assert_eq!(config.timesteps(), Some(40));
}

// ---- files that mean harm ----

fn framed(content: &[u8]) -> Result<Ending, Error> {
    read(&[frame(&proto::record(&Record::Start)), frame(content)].concat()).1
}

fn binary(kind: i32, content: &[u8]) -> Result<Ending, Error> {
    read(&[legacy::record(&Record::Start), legacy::int(kind), legacy::sized(content)].concat()).1
}

#[test]
fn announced_lengths_are_not_believed() {
    let start = frame(&proto::record(&Record::Start));
    for length in [RCRS_RECORD_BYTES_MAX + 1, 0x7fff_ffff, 0xffff_ffff] {
        let header = u32::try_from(length).unwrap().to_be_bytes();
        assert_eq!(read(&[&start[..], &header].concat()).1, Err(Error::TooLarge("one record of the log")));
        let file = [&legacy::record(&Record::Start)[..], &legacy::int(1), &header].concat();
        assert_eq!(read(&file).1, Err(Error::TooLarge("one record of the log")));
    }
    // A length within bounds whose bytes never come is just a cut log.
    let header = u32::try_from(RCRS_RECORD_BYTES_MAX).unwrap().to_be_bytes();
    assert_eq!(read(&[&start[..], &header, &[1; 100]].concat()).1, Ok(Ending::Truncated));
}

#[test]
fn announced_counts_are_not_believed() {
    let short = Err(Error::Malformed("a message ends too early"));
    let negative = Err(Error::Malformed("a count is negative"));
    let road = [legacy::sized(EntityKind::Road.urn().as_bytes()), legacy::int(1)].concat();
    let edges = legacy::sized(PropertyKind::Edges.urn().as_bytes());
    for (count, error) in [(i32::MAX, short), (-1, negative), (i32::MIN, negative)] {
        let count = legacy::int(count);
        assert_eq!(binary(1, &count), error, "entities");
        assert_eq!(binary(5, &count), error, "configuration");
        assert_eq!(binary(3, &[legacy::int(1), count.clone()].concat()), error, "commands");
        assert_eq!(binary(4, &[legacy::int(1), count.clone()].concat()), error, "changes");
        assert_eq!(binary(4, &[legacy::int(1), legacy::int(0), count.clone()].concat()), error, "deletions");
        assert_eq!(binary(1, &[legacy::int(1), count.clone()].concat()), error, "length of a name");
        let properties = [legacy::int(1), road.clone(), legacy::sized(&count)].concat();
        assert_eq!(binary(1, &properties), error, "properties");
        let property = [legacy::int(1), edges.clone(), vec![1], legacy::sized(&count)].concat();
        assert_eq!(binary(1, &[legacy::int(1), road.clone(), legacy::sized(&property)].concat()), error, "edges");
    }
    for field in 1..7 {
        let huge = [proto::varint(field * 8 + 2), proto::varint(u64::MAX)].concat();
        assert_eq!(framed(&huge), short, "record");
        assert_eq!(
            framed(&proto::bytes(field, &huge)),
            if matches!(field, 1 | 7) { Ok(Ending::Truncated) } else { short }
        );
    }
}

#[test]
fn numbers_without_end_and_bad_tags_are_refused() {
    assert_eq!(framed(&[0xff; 11]), Err(Error::Malformed("a number is longer than ten bytes")));
    assert_eq!(framed(&[0xff; 5]), Err(Error::Malformed("a message ends too early")));
    for tag in [0x0b, 0x0c, 0x0e, 0x0f, 0x02] {
        assert_eq!(framed(&[tag, 0]), Err(Error::Malformed("a field has no valid tag")));
    }
    let both = [proto::record(&Record::Start), proto::record(&Record::End)].concat();
    assert_eq!(framed(&both), Err(Error::Malformed("a log record is of two kinds")));
    assert_eq!(framed(&[]), Err(Error::Malformed("a log record is of no known kind")));
    assert_eq!(binary(6, &[]), Err(Error::Malformed("a log record is of no known kind")));
}

#[test]
fn nesting_is_as_deep_as_the_format_and_no_deeper() {
    let mut nest = Vec::new();
    for _ in 0..3_000 {
        nest = proto::bytes(2, &nest);
    }
    for field in 1..8 {
        let (records, ending) =
            read(&[frame(&proto::record(&Record::Start)), frame(&proto::bytes(field, &nest))].concat());
        assert!(records.len() == 2 || ending.is_err());
    }
}

#[test]
fn lists_entities_and_texts_have_bounds() {
    let many = vec![1; RCRS_LIST_VALUES_MAX + 1];
    let apexes = entity(1, EntityKind::Blockade, &[], &[(PropertyKind::Apexes, &many)]);
    for file in [
        framed_log(&[Record::Start, Record::Initial(vec![apexes.clone()])]),
        binary_log(&[Record::Start, Record::Initial(vec![apexes.clone()])]),
    ] {
        assert_eq!(read(&file).1, Err(Error::TooLarge("one list of numbers")));
    }

    let deleted = vec![0; RCRS_ENTITIES_MAX + 1];
    let changes = ChangeSet { deleted, ..ChangeSet::default() };
    let updates = Record::Updates { time: 1, changes };
    for file in [framed_log(&[Record::Start, updates.clone()]), binary_log(&[Record::Start, updates])] {
        assert_eq!(read(&file).1, Err(Error::TooLarge("the deletions of one step")));
    }

    let road = entity(1, EntityKind::Road, &[], &[]);
    let initial = Record::Initial(vec![road; RCRS_ENTITIES_MAX + 1]);
    for file in [framed_log(&[Record::Start, initial.clone()]), binary_log(&[Record::Start, initial])] {
        assert_eq!(read(&file).1, Err(Error::TooLarge("the entities of one message")));
    }

    let text = "x".repeat(RCRS_UNIT_BYTES_MAX + 1);
    let config = Record::Config(rcrs::config(&[("key", &text)]));
    for file in [framed_log(&[Record::Start, config.clone()]), binary_log(&[Record::Start, config])] {
        assert_eq!(read(&file).1, Err(Error::TooLarge("one configuration value")));
    }
}

#[test]
fn dictionaries_beyond_the_bound_are_refused() {
    let mut file = lzma_alone(&framed_log(&small_run()));
    file[1..5].copy_from_slice(&(512_u32 << 20).to_le_bytes());
    let refused = Err(Error::TooLarge("the dictionary of the packed data"));
    // 512 MiB keeps the three first bytes that mark such a file.
    assert_eq!(read(&file).1, refused);

    let mut file = xz(&[&framed_log(&small_run())], 1);
    // Behind the stream header: size, flags, filter, size of its properties, dictionary.
    file[16] = 40;
    let crc = rcrs::crc_32(&file[12..20]);
    file[20..24].copy_from_slice(&crc);
    assert_eq!(read(&file).1, refused);
}

#[test]
fn a_file_of_nothing_but_packing_ends() {
    let empty = xz(&[b""], 0);
    let block = &empty[12..empty.len() - 4];
    let file = [&empty[..12], &block.repeat((4 << 20) / block.len()), &[0; 4]].concat();
    assert_eq!(read(&file).1, Err(Error::TooLarge("the packing around the log")));
}

#[test]
fn archives_that_announce_too_much_are_refused() {
    let one_folder = [&[1, 4, 6, 0, 1, 9, 1, 0][..], &[7, 11, 1, 0, 1, 1, 0, 12, 1, 0, 0]].concat();
    let named = |name: &str| {
        let names: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        [&[5, 1, 0x11][..], &archive_number(names.len() as u64 + 1), &[0], &names, &[0, 0]].concat()
    };
    let read_directory = |directory: &[u8]| read(&archive_front(vec![0; 64], directory)).1;
    let one_byte = [&one_folder[..], &named("CONFIG")].concat();
    assert_eq!(read_directory(&one_byte), Err(Error::Malformed("a message ends too early")), "an entry, but no record");

    let too_many = Err(Error::TooLarge("the number of records in the archive"));
    assert_eq!(read_directory(&[&[1, 4, 6, 0][..], &archive_number(1 << 40), &[9, 1]].concat()), too_many);
    assert_eq!(read_directory(&[&one_folder[..], &[5], &archive_number(u64::MAX)].concat()), too_many);

    let huge = [&[1, 4, 6, 0, 1, 9, 1, 0, 7, 11, 1, 0, 1, 1, 0, 12][..], &archive_number(1 << 50), &[0, 0]].concat();
    let huge = [&huge[..], &named("CONFIG")].concat();
    assert_eq!(read_directory(&huge), Err(Error::TooLarge("one record of the log")));

    let solid = [&[1, 4, 6, 0, 1, 9, 1, 0, 7, 11, 1, 0, 1, 1, 0, 12, 1, 0, 8, 13, 2][..]].concat();
    assert_eq!(read_directory(&solid), Err(Error::Unsupported("an archive that packs several records together")));
    let method = [&[1, 4, 6, 0, 1, 9, 1, 0, 7, 11, 1, 0, 1, 1, 0x77][..]].concat();
    assert_eq!(read_directory(&method), Err(Error::Unsupported("an archive packed in another way than LZMA or LZMA2")));
    let mut size = archive_front(vec![], &[1, 0]);
    size[20..28].copy_from_slice(&u64::MAX.to_le_bytes());
    let crc = rcrs::crc_32(&size[12..32]);
    size[8..12].copy_from_slice(&crc);
    assert_eq!(read(&size).1, Err(Error::TooLarge("the directory of the archive")));
}

// ---- summary ----

#[test]
fn a_summary_counts_what_a_log_holds() {
    let mut summary = Summary::new();
    for record in small_run() {
        summary.add(record).unwrap();
    }
    assert_eq!((summary.records, summary.time_max, summary.skipped), (10, 2, 0));
    assert_eq!((summary.config_keys, summary.timesteps_planned), (3, Some(2)));
    assert_eq!(summary.steps.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    let step = &summary.steps[&1];
    assert_eq!((step.changed, step.deleted, step.perceptions), (2, 0, 1));
    assert_eq!(step.entities[&EntityKind::Blockade], 1);
    let step = &summary.steps[&2];
    assert_eq!((step.changed, step.deleted, step.perceptions), (1, 2, 1));
    assert_eq!(step.commands[&CommandKind::Move], 2);
    assert!(!step.entities.contains_key(&EntityKind::Blockade));
    assert_eq!(summary.world().passenger(2_000_000_000), Some(300));
}
