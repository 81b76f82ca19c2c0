"""A record comes back as it was written, or as an error of its own."""

import gzip
import json
import random
import subprocess
import sys
import uuid
from hashlib import sha256

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vectopt.archive import Place, open_target, read_records, salvage, scrub, write_segment
from vectopt.archive.codec import MAX_LINE, Gzip, Zstd
from vectopt.archive.record import pack, unpack
from vectopt.errors import ArchiveDamaged, ArchiveUnavailable, InvalidInput, InvalidSettings

CODECS = ("zstd", "gzip")
HOSTILE = [
    {"id": "nul", "text": "a\0b\r\n\u2028"},
    {"id": "emoji", "text": "👩‍👩‍👧 東京 \U0010ffff"},
    {"lc": 1, "type": "constructor", "id": ["os", "system"], "__class__": "x", "$ref": "#", "__proto__": {}},
    {"id": "long", "text": "word " * 200_000},
    {"id": "numbers", "values": [0.1, -0.0, 1e-320, 2**70, True, None]},
    {"": "", '"': "\\", "deep": [[[[[{}]]]]]},
    {},
]


@pytest.fixture
def target():
    return open_target(f"memory://{uuid.uuid4().hex}")


class OneFile:
    """A target that holds the bytes it is given."""

    def __init__(self, data):
        self.data, self.reads = bytes(data), 0

    def read(self, name, start=0, length=None):
        self.reads += 1
        return self.data[start : None if length is None else start + length]


@pytest.mark.parametrize("codec", CODECS)
def test_hostile_records_come_back(target, codec):
    segment = write_segment(target, "one", HOSTILE, codec=codec)
    assert read_records(target, segment.name, segment.places) == HOSTILE
    assert read_records(target, segment.name, segment.places[::-2]) == HOSTILE[::-2]
    assert list(salvage(target, segment.name)) == HOSTILE
    health = scrub(target, segment)
    assert health.whole
    assert not health.damaged


def test_the_tools_of_the_system_read_it(target):
    for codec, opened in (("gzip", gzip.decompress), ("zstd", _all_frames)):
        segment = write_segment(target, codec, HOSTILE, codec=codec)
        lines = opened(target.read(segment.name)).decode().split("\n")
        header, *records = [json.loads(line) for line in lines[:-1]]
        assert header["header"] == {
            "format": "vectopt-archive",
            "version": 1,
            "codec": codec,
            "segment": segment.name,
            "records": len(HOSTILE),
        }
        assert [record["record"] for record in records] == HOSTILE


def _all_frames(data):
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.text(), JSON, max_size=5), min_size=1, max_size=8), st.sampled_from(CODECS))
def test_whatever_json_knows_comes_back(records, codec):
    target = open_target(f"memory://{uuid.uuid4().hex}")
    segment = write_segment(target, "one", records, codec=codec)
    assert read_records(target, segment.name, segment.places) == records
    assert list(salvage(target, segment.name)) == records


@pytest.mark.parametrize(
    "record",
    [
        {"x": float("nan")},
        {"x": [float("-inf")]},
        {"x": "\ud800"},
        {1: "x"},
        {"x": b"x"},
        {"x": {1, 2}},
        {"x": 10**5000},
        "x",
        json.loads('{"x":' + "[" * 64 + "]" * 64 + "}"),
    ],
)
def test_what_would_not_come_back_is_refused_before_anything_is_written(target, record):
    with pytest.raises(InvalidInput, match=r"records\[1\]"):
        write_segment(target, "one", [{"fine": 1}, record])
    assert target.names() == []


def test_arguments_that_are_refused(target):
    for stem in ("", "../x", "A", "a.b", "a" * 101, "-a"):
        with pytest.raises(InvalidInput):
            write_segment(target, stem, [{}])
    with pytest.raises(InvalidInput):
        write_segment(target, "one", [])
    with pytest.raises(InvalidSettings):
        write_segment(target, "one", [{}], codec="lzma")
    for codec, level in (("gzip", 10), ("zstd", 23), ("zstd", 0), ("gzip", -1)):
        with pytest.raises(InvalidSettings):
            write_segment(target, "one", [{}], codec=codec, level=level)
    for place in (Place(-1, 5), Place(0, 0), Place(0, 1 << 40)):
        with pytest.raises(InvalidInput):
            read_records(target, "one.jsonl.gz", [place])
    with pytest.raises(ArchiveUnavailable):
        read_records(target, "one.jsonl.gz", [Place(0, 5)])
    assert read_records(target, "one.jsonl.gz", []) == []


RECORDS = [{"id": str(number), "text": f"a text of its own, {number * 7919}"} for number in range(4)]


def _written(codec):
    target = open_target(f"memory://{uuid.uuid4().hex}")
    segment = write_segment(target, "one", RECORDS, codec=codec)
    return segment, target.read(segment.name)


def _told(found):
    return [record for record in found if isinstance(record, dict)]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_costs_one_record_at_most(codec, flip):
    segment, data = _written(codec)
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= flip
        target = OneFile(broken)
        hit = [place.offset <= position < place.offset + place.length for place in segment.places]
        for record, found, is_hit in zip(RECORDS, read_records(target, segment.name, segment.places), hit, strict=True):
            assert found == record or (is_hit and isinstance(found, ArchiveDamaged))
        others = [record for record, is_hit in zip(RECORDS, hit, strict=True) if not is_hit]
        found = list(salvage(target, segment.name))
        assert _told(found) in (RECORDS, others)
        assert _told(found) == RECORDS or any(isinstance(record, ArchiveDamaged) for record in found)
        assert not scrub(target, segment).whole


@pytest.mark.parametrize("codec", CODECS)
def test_cut_off_at_every_length(codec):
    segment, data = _written(codec)
    for length in range(len(data)):
        target = OneFile(data[:length])
        whole = [record for record, place in zip(RECORDS, segment.places, strict=True) if sum(place) <= length]
        found = read_records(target, segment.name, segment.places)
        assert _told(found) == whole
        assert len(found) == len(RECORDS)
        saved = list(salvage(target, segment.name))
        assert _told(saved) == whole
        assert length == 0 or len(saved) > len(whole) or length < segment.places[0].offset
        assert not scrub(target, segment).whole


@pytest.mark.parametrize("codec", CODECS)
def test_rubbish_between_records_is_passed_over(codec):
    segment, data = _written(codec)
    rubbish = random.Random(1).randbytes(500) + Gzip.magic + Zstd.magic + data[segment.places[0].offset :][:20]
    parts = [data[: segment.places[0].offset]] + [data[place.offset : sum(place)] for place in segment.places]
    found = list(salvage(OneFile(rubbish.join(parts)), segment.name))
    assert _told(found) == RECORDS
    assert len(found) == 2 * len(RECORDS)


def test_an_empty_or_foreign_file_holds_no_records():
    assert list(salvage(OneFile(b""), "one.jsonl.gz")) == []
    assert [type(found) for found in salvage(OneFile(b"PK\3\4 nothing of ours"), "one.jsonl.gz")] == [ArchiveDamaged]


def _bomb(codec, size):
    line = b" " * size
    return gzip.compress(line) if codec == "gzip" else zstandard.ZstdCompressor().compress(line)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [1 << 20, MAX_LINE + 1])
def test_bombs_are_refused(codec, size):
    bomb = _bomb(codec, size)
    found = read_records(OneFile(bomb), "one.jsonl.gz", [Place(0, len(bomb))])
    assert isinstance(found[0], ArchiveDamaged)
    assert _told(salvage(OneFile(bomb), "one.jsonl.gz")) == []


@pytest.mark.parametrize("codec", CODECS)
def test_a_bomb_takes_no_memory(codec):
    code = """
import resource
from vectopt.archive.record import unpack
from vectopt.errors import ArchiveDamaged
import sys
bomb = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    unpack(bomb)
except ArchiveDamaged:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    bomb = _bomb(codec, 200 << 20)
    grown = int(subprocess.run([sys.executable, "-c", code], input=bomb, check=True, capture_output=True).stdout)
    assert grown < 130 * 1024  # KB: the limit of 64 MB, while it is gathered


def test_a_zstd_frame_that_hides_its_size_is_refused():
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(b'{"sum":"0"}')
    with pytest.raises(ArchiveDamaged):
        unpack(frame)


@pytest.mark.parametrize("codec", [Gzip(), Zstd()])
def test_a_whole_frame_of_a_changed_record_is_damaged(codec):
    frame = pack({"text": "as it was"}, codec, None)
    line = codec.decompress(memoryview(frame))
    assert unpack(codec.compress(line, None)) == {"text": "as it was"}
    for changed in (line.replace(b"was", b"is "), line[:-1], line + b"\n", b" " + line, line.replace(b"record", b"header")):
        with pytest.raises(ArchiveDamaged):
            unpack(codec.compress(changed, None))


def test_a_header_of_a_newer_vectopt_is_not_guessed_at():
    header = {"format": "vectopt-archive", "version": 2, "records": 1}
    with pytest.raises(ArchiveUnavailable, match="Upgrade"):
        list(salvage(OneFile(pack(header, Gzip(), None, kind="header") + pack({}, Gzip(), None)), "one.jsonl.gz"))


def test_two_frames_are_not_one_record():
    for codec in (Gzip(), Zstd()):
        with pytest.raises(ArchiveDamaged):
            unpack(pack({"a": 1}, codec, None) * 2)


@pytest.mark.parametrize(
    "body", [b'{"a":NaN}', b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", b'{"a":' + b"[" * 65 + b"]" * 65 + b"}", b"{}{}"]
)
def test_hostile_json_with_a_true_checksum_is_refused(body):
    from vectopt.archive.record import _sum

    pad = random.Random(1).randbytes(4000).hex().encode()
    with pytest.raises(ArchiveDamaged):
        unpack(Gzip().compress(b'{"pad":"%s","sum":"%s","record":%s}\n' % (pad, _sum(body), body), None))


def test_a_record_that_is_too_large_is_refused(target):
    with pytest.raises(InvalidInput, match="67,108,864"):
        write_segment(target, "one", [{"text": "x" * MAX_LINE}], codec="zstd")


def test_neighbours_are_read_in_one_request():
    records = [{"id": number} for number in range(500)]
    target = open_target(f"memory://{uuid.uuid4().hex}")
    segment = write_segment(target, "one", records)
    counting = OneFile(target.read(segment.name))
    assert read_records(counting, segment.name, segment.places) == records
    assert counting.reads == 1


def test_zstd_without_its_package_says_what_to_install():
    frame = pack({"a": 1}, Zstd(), None)
    code = f"""
import sys
sys.modules["zstandard"] = None
import vectopt.archive as archive
from vectopt.archive.record import unpack
from vectopt.errors import MissingExtra
target = archive.open_target(sys.argv[1])
segment = archive.write_segment(target, "one", [dict(a=1)])
print(segment.name, archive.read_records(target, segment.name, segment.places))
try:
    unpack({frame!r})
except MissingExtra as error:
    print(error)
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True, text=True).stdout
    assert said.splitlines() == ["one.jsonl.gz [{'a': 1}]", "zstandard is not installed: run `pip install 'vectopt[archive]'`"]


def test_the_digest_is_of_the_file(target):
    segment = write_segment(target, "one", RECORDS)
    data = target.read(segment.name)
    assert (segment.size, segment.digest) == (len(data), sha256(data).hexdigest())
    assert write_segment(target, "one", RECORDS) == segment
