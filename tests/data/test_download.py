from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest

from dadarts.data import KNOWN, Facts, cifar, idx, load
from dadarts.data.download import Remote, UnreachableError, fetch
from dadarts.data.registry import CIFAR10, MNIST
from dadarts.errors import InputError

from .conftest import Asking
from .samples import cifar10_python, mnist_files, write_archive, write_files


@dataclass
class Site:
    """A web site on this machine: what it serves, how many bytes of it, and what was asked for."""

    address: str
    files: dict[str, bytes]
    asked: list[str]
    sent_bytes: int | None = None

    def remote(self, file: str, md5_digest: str | None = None) -> Remote:
        found = md5(self.files.get(file, b""), usedforsecurity=False).hexdigest()
        return Remote(file, f"{self.address}/{file}", md5_digest or found)


@pytest.fixture
def site() -> Iterator[Site]:
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            served.asked.append(name)
            if name not in files:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(files[name])))
            self.end_headers()
            self.wfile.write(files[name][: served.sent_bytes])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Site(f"http://127.0.0.1:{server.server_port}", files, [])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def known_with(name: str, facts: Facts) -> Mapping[str, Facts]:
    return MappingProxyType({**KNOWN, name: facts})


def cifar10_from(remote: Remote) -> Mapping[str, Facts]:
    return known_with("cifar10", replace(KNOWN["cifar10"], read=partial(cifar.read, replace(CIFAR10, remote=remote))))


def test_missing_cifar10_is_downloaded_once_checked_and_read(tmp_path: Path, ask: Asking, site: Site) -> None:
    archive = write_archive(tmp_path / "made.tar.gz", "cifar-10-batches-py", cifar10_python())
    site.files["cifar-10-python.tar.gz"] = archive.read_bytes()
    known = cifar10_from(site.remote("cifar-10-python.tar.gz"))
    assert len(load(ask("cifar10"), known=known).train) == 100
    assert [file.name for file in (tmp_path / "datasets").iterdir()] == ["cifar-10-python.tar.gz"]
    assert len(load(ask("cifar10"), known=known).train) == 100
    assert site.asked == ["cifar-10-python.tar.gz"]


def test_only_the_missing_files_of_mnist_are_downloaded(tmp_path: Path, ask: Asking, site: Site) -> None:
    site.files.update(mnist_files(zipped=True))
    first, second, third, fourth = (site.remote(remote.file) for remote in MNIST.remotes)
    layout = replace(MNIST, remotes=(first, second, third, fourth))
    known = known_with("mnist", replace(KNOWN["mnist"], read=partial(idx.read, layout)))
    there = mnist_files(zipped=False)
    write_files(tmp_path / "datasets/mnist", {name: there[name] for name in there if name.startswith("train")})
    assert len(load(ask("mnist"), known=known).test) == 20
    assert site.asked == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    assert len(list((tmp_path / "datasets/MNIST/raw").iterdir())) == 2


def test_a_file_with_another_checksum_is_removed_and_refused(tmp_path: Path, site: Site) -> None:
    site.files["a"] = b"something else"
    with pytest.raises(InputError, match="did not send the expected file") as refused:
        fetch(site.remote("a", md5_digest="0" * 32), tmp_path / "new")
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_source_that_does_not_end_is_cut_off_and_leaves_no_file(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dadarts.data.download._LARGEST", 2**20)
    site.files["x.gz"] = bytes(2**21)
    with pytest.raises(InputError, match=r"x\.gz: its source sends over 1 MB, and so another file"):
        fetch(site.remote("x.gz"), tmp_path / "set")
    assert list((tmp_path / "set").iterdir()) == []


def test_a_download_that_breaks_off_leaves_no_file(tmp_path: Path, site: Site) -> None:
    site.files["a"] = b"x" * 1_000_000
    site.sent_bytes = 600_000
    with pytest.raises((InputError, UnreachableError)):
        fetch(site.remote("a"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["not found", "closed port"])
def test_an_unreachable_source_creates_nothing_and_says_what_to_put_where(
    tmp_path: Path, ask: Asking, site: Site, where: str
) -> None:
    url = f"{site.address}/gone" if where == "not found" else "http://127.0.0.1:9/gone"
    known = cifar10_from(Remote("cifar-10-python.tar.gz", url, ""))
    with pytest.raises(InputError) as refused:
        load(ask("cifar10"), known=known)
    message = str(refused.value)
    assert message.startswith(f"cifar10 is not under {tmp_path / 'datasets'} and cannot be downloaded (")
    assert f"put cifar-10-python.tar.gz from {url} or the folder cifar-10-batches-py into" in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, site: Site) -> None:
    site.files["a"] = b"content"
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="file/data/a cannot be written"):
        fetch(site.remote("a"), tmp_path / "file/data")


def test_the_official_sources_are_what_a_missing_data_set_asks_for() -> None:
    assert CIFAR10.remote.url == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert [remote.url.rpartition("/")[2] for remote in MNIST.remotes] == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ]
