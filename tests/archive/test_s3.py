"""An object store over real HTTP."""

import uuid

import boto3
import pytest
from moto.server import ThreadedMotoServer

from vectopt.archive import open_target, read_records, salvage, scrub, write_segment
from vectopt.errors import ArchiveDamaged, ArchiveUnavailable
from vectopt.testing import ArchiveTargetContract

KEY, SECRET = "canary-key-51c2", "canary-secret-9d1b"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def _options(port):
    return {
        "key": KEY,
        "secret": SECRET,
        "endpoint_url": f"http://127.0.0.1:{port}",
        "client_kwargs": {"region_name": "us-east-1"},
        "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 2, "read_timeout": 5},
    }


def _started(port=0):
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    return server, server.get_host_and_port()[1]


def _bucket(port):
    name = f"b{uuid.uuid4().hex}"
    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
    )
    client.create_bucket(Bucket=name)
    client.close()
    return name


@pytest.fixture(scope="module")
def port():
    server, port = _started()
    yield port
    server.stop()


class TestS3(ArchiveTargetContract):
    @pytest.fixture(autouse=True)
    def _port(self, port):
        self.port = port

    def make_target(self):
        return open_target(f"s3://{_bucket(self.port)}/a/prefix", **_options(self.port))


def test_segments_in_s3(port):
    target = open_target(f"s3://{_bucket(port)}/a", **_options(port))
    records = [{"id": number, "text": "text " * number} for number in range(50)]
    segment = write_segment(target, "one", records)
    assert read_records(target, segment.name, segment.places[10:20]) == records[10:20]
    assert list(salvage(target, segment.name)) == records
    data = target.read(segment.name)
    target.delete(segment.name)
    target.write(segment.name, data[: segment.places[30].offset])  # as a store's own loss would leave it
    found = read_records(target, segment.name, segment.places)
    assert found[:30] == records[:30]
    assert all(isinstance(record, ArchiveDamaged) for record in found[30:])
    assert not scrub(target, segment).whole


def test_the_server_goes_down_and_comes_back():
    server, port = _started()
    bucket = _bucket(port)
    target = open_target(f"s3://{bucket}/a", sleep=lambda _: None, **_options(port))
    segment = write_segment(target, "one", [{"a": 1}])
    server.stop()
    for do in (
        lambda: read_records(target, segment.name, segment.places),
        lambda: write_segment(target, "two", [{"a": 2}]),
        target.names,
    ):
        with pytest.raises(ArchiveUnavailable) as caught:
            do()
        assert caught.value.__cause__ is not None
        assert SECRET not in repr(caught.value) + repr(caught.value.__cause__) + repr(target)
    server, _ = _started(port)
    try:
        assert read_records(target, segment.name, segment.places) == [{"a": 1}]
        again = write_segment(target, "two", [{"a": 2}])
        assert target.names() == [segment.name, again.name]
    finally:
        server.stop()


def test_a_bucket_that_is_not_there(port):
    target = open_target(f"s3://{uuid.uuid4().hex}/a", sleep=lambda _: None, **_options(port))
    with pytest.raises(ArchiveUnavailable):
        write_segment(target, "one", [{"a": 1}])
