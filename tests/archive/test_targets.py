"""What every target promises, and what each adds."""

import os
import resource
import stat
import subprocess
import sys
import traceback
import uuid

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from vectopt import failpoints
from vectopt.archive import is_temporary, open_target, write_segment
from vectopt.errors import ArchiveDamaged, ArchiveUnavailable, InvalidSettings
from vectopt.testing import ArchiveTargetContract

NAME = "one.jsonl.gz"


class TestLocal(ArchiveTargetContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "archive"

    def make_target(self):
        return open_target(self.folder)


class TestMemory(ArchiveTargetContract):
    def make_target(self):
        return open_target(f"memory://{uuid.uuid4().hex}/archive")


class TestLocalThroughFsspec(ArchiveTargetContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "archive"

    def make_target(self):
        return open_target(str(self.folder), filesystem=LocalFileSystem())


class TestAFolderAsAFilesystem(ArchiveTargetContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path

    def make_target(self):
        return open_target("inner", filesystem=DirFileSystem(str(self.folder), LocalFileSystem()))


def test_folder_and_files_are_their_owners_alone(tmp_path):
    open_target(tmp_path / "a").write(NAME, b"x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, os.mkdir])
def test_only_plain_files_are_read(tmp_path, make):
    make(tmp_path / NAME)
    target = open_target(tmp_path)
    with pytest.raises(ArchiveUnavailable):
        target.read(NAME)
    with pytest.raises(ArchiveUnavailable):
        target.write(NAME, b"x")
    assert target.names() == []


def test_a_write_does_not_follow_a_link_of_the_temporary_name(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / (NAME + ".tmp")).symlink_to(victim)
    open_target(folder).write(NAME, b"x")
    assert victim.read_bytes() == b"mine"
    assert (folder / NAME).read_bytes() == b"x"


def test_other_peoples_files_are_not_listed(tmp_path):
    for name in ("README.md", "one.jsonl", "One.jsonl.gz", ".hidden"):
        (tmp_path / name).write_text("")
    assert open_target(tmp_path).names() == []


def test_a_crash_before_the_move_leaves_a_temporary_file_that_is_known_as_one(tmp_path):
    code = f"""
import os
from vectopt import failpoints
from vectopt.archive import open_target
failpoints.when_reached(lambda name: os._exit(9) if name == "archive.local.written" else None)
open_target({str(tmp_path)!r}).write({NAME!r}, b"whole")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    target = open_target(tmp_path)
    assert [is_temporary(name) for name in target.names()] == [True]
    target.write(NAME, b"whole")
    assert target.names() == [NAME]


def test_a_full_disk_leaves_nothing(tmp_path):
    code = f"""
import resource, signal
from vectopt.archive import open_target, write_segment
from vectopt.errors import ArchiveUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))
target = open_target({str(tmp_path)!r})
try:
    target.write({NAME!r}, bytes(5000))
except ArchiveUnavailable as error:
    print(error)
print(target.names())
target.write({NAME!r}, bytes(500))
print(target.names())
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()
    assert "File too large" in said[0]
    assert said[1:] == ["[]", f"['{NAME}']"]


@pytest.mark.parametrize(
    "url",
    [
        "simplecache::s3://bucket/x",
        "zip://a.zip",
        "http://host/x",
        "https://host/x",
        "github://a:b@c/",
        "ssh://host/x",
        "sftp://host/x",
        "memory://key:secret@bucket/x",
        "memory://bucket/../x",
        "memory://bucket/x?y=1",
        "memory://",
        "",
        "a\0b",
    ],
)
def test_urls_that_are_refused(url):
    with pytest.raises(InvalidSettings) as caught:
        open_target(url)
    assert "secret" not in str(caught.value)


def test_options_are_not_ignored(tmp_path):
    with pytest.raises(InvalidSettings):
        open_target(tmp_path, key="x")
    with pytest.raises(InvalidSettings):
        open_target(7)
    target = open_target(f"file://{tmp_path}")
    assert target.describe() == str(tmp_path)
    assert open_target(target) is target
    with pytest.raises(InvalidSettings):
        open_target(target, key="x")


class Failing(MemoryFileSystem):
    """Fails a number of times in each way that is asked for."""

    cachable = False
    protocol = "memory"

    def __init__(self, failures=0, error=None, **options):
        super().__init__(**options)
        self.failures, self.error = failures, error or ConnectionError("reset")

    def _maybe(self):
        if self.failures:
            self.failures -= 1
            raise self.error

    def pipe_file(self, path, value, mode="overwrite", **options):
        self._maybe()
        super().pipe_file(path, value, mode, **options)

    def cat_file(self, path, start=None, end=None, **options):
        self._maybe()
        return super().cat_file(path, start, end, **options)


def test_what_passes_is_tried_again():
    slept = []
    files = Failing(2)
    target = open_target(f"/{uuid.uuid4().hex}", filesystem=files, sleep=slept.append)
    target.write(NAME, b"x")
    files.failures = 3
    assert target.read(NAME) == b"x"
    assert slept == [0.1, 0.5, 0.1, 0.5, 2.0]


def test_a_write_whose_answer_was_lost_is_a_write():
    class LostOnce(MemoryFileSystem):
        cachable = False
        lost = 0

        def pipe_file(self, path, value, mode="overwrite", **options):
            super().pipe_file(path, value, mode, **options)
            if not self.lost:
                self.lost = 1
                raise ConnectionResetError("after the put")

    target = open_target(f"/{uuid.uuid4().hex}", filesystem=LostOnce(), sleep=lambda _: None)
    target.write(NAME, b"x")
    assert target.read(NAME) == b"x"


def test_no_permission_is_not_tried_again():
    slept = []
    target = open_target(f"/{uuid.uuid4().hex}", filesystem=Failing(1, PermissionError("no")), sleep=slept.append)
    with pytest.raises(ArchiveUnavailable) as caught:
        target.write(NAME, b"x")
    assert isinstance(caught.value.__cause__, PermissionError)
    assert slept == []


def test_a_torn_object_is_never_a_segment():
    class Torn(MemoryFileSystem):
        cachable = False

        def pipe_file(self, path, value, mode="overwrite", **options):
            super().pipe_file(path, value[: len(value) // 2], mode, **options)

    target = open_target(f"/{uuid.uuid4().hex}", filesystem=Torn())
    with pytest.raises(ArchiveDamaged):
        write_segment(target, "one", [{"a": 1}])
    assert target.names() == []


def test_secrets_are_never_told():
    secret = "canary-7f3a9c"
    files = Failing(99, ConnectionError(f"https://host/?sig={secret}"), client={"password": secret})
    target = open_target(f"/{uuid.uuid4().hex}", filesystem=files, sleep=lambda _: None)
    with pytest.raises(ArchiveUnavailable) as caught:
        target.write(NAME, b"x")
    told = "".join(traceback.format_exception(caught.value)) + repr(target) + target.describe() + repr(caught.value.__context__)
    assert secret not in told


def test_points_are_passed_after_effects(tmp_path):
    reached = []
    failpoints.when_reached(reached.append)
    try:
        write_segment(open_target(tmp_path), "one", [{"a": 1}], codec="gzip")
        open_target(tmp_path).delete(NAME)
    finally:
        failpoints.when_reached(None)
    assert reached == ["archive.local.written", "archive.local.moved", "archive.verified", "archive.local.deleted"]
