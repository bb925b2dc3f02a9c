"""Packages of npm: fetched once, never taken for another, and a clear word where npm is missing."""

import base64
import hashlib
import io
import re
import sys
import tarfile

import pytest

from lib.explorer import npm


def package(text):
    """An archive as npm packs it, with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo("package/dist/a.js")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return buffer.getvalue()


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """Stands in for npm: delivers what the list holds, and forgets each delivery."""
    deliveries = []

    def fetch(name, version, path):
        path.write_bytes(deliveries.pop())

    digest = base64.b64encode(hashlib.sha512(right := package(b"let a")).digest()).decode()
    monkeypatch.setattr(npm, "PACKAGES", {"a": ("1.0.0", f"sha512-{digest}")})
    monkeypatch.setattr(npm, "FOLDER", tmp_path / "npm")
    monkeypatch.setattr(npm, "fetch", fetch)
    deliveries.append(right)
    return deliveries


def test_a_package_is_fetched_once(fetched):
    assert npm.read("a", "dist/a.js") == npm.read("a", "dist/a.js") == [b"let a"]


def test_another_package_is_refused_and_not_kept(fetched):
    fetched.append(package(b"let b"))
    with pytest.raises(npm.NpmError, match="was not a 1.0.0 as pinned"):
        npm.read("a", "dist/a.js")
    assert npm.read("a", "dist/a.js") == [b"let a"]


def test_missing_npm_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(npm, "FOLDER", tmp_path)
    monkeypatch.setattr(npm.shutil, "which", lambda _: None)
    with pytest.raises(npm.NpmError, match=f"install Node.js with npm .* or put .* at {re.escape(str(tmp_path))}"):
        npm.archive("axe-core")


def test_what_npm_says_is_passed_on(tmp_path, monkeypatch):
    monkeypatch.setattr(npm, "FOLDER", tmp_path)
    monkeypatch.setattr(npm.shutil, "which", lambda _: sys.executable)
    with pytest.raises(npm.NpmError, match="could not fetch axe-core .*\n.*can't open file .*pack"):
        npm.archive("axe-core")
