"""Packages that exist on npm alone: fetched once by npm, checked against what is pinned here, kept in build/npm/."""

import base64
import hashlib
import shutil
import subprocess
import tarfile

from filelock import FileLock

from lib import config

FOLDER = config.ROOT / "build" / "npm"

#: Name -> exact version and digest (SHA-512) of the archive, as `npm view NAME dist.integrity` tells them.
PACKAGES = {
    # runs networks in the browser
    "onnxruntime-web": (
        "1.30.0", "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
    ),
    # judges pages by the rules of accessibility: for tests
    "axe-core": (
        "4.14.1", "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
    ),
}  # fmt: skip


class NpmError(RuntimeError):
    """npm is missing or could not fetch a package, or the package is not the one that is pinned."""


def archive(name):
    """Path of the package's archive, fetched if it is not there yet. Raises NpmError."""
    version, integrity = PACKAGES[name]
    path = FOLDER / f"{name}-{version}.tgz"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            fetch(name, version, path)
        found = "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
        if found != integrity:
            path.unlink()
            raise NpmError(f"{path} was not {name} {version} as pinned (its digest is {found}): deleted; start again")
    return path


def fetch(name, version, path):
    """Let npm bring the archive to `path`, which bears the name that npm gives it. Raises NpmError."""
    npm = shutil.which("npm")
    if npm is None:
        raise NpmError(
            f"{name} {version} comes by npm, which is not here: install Node.js with npm (Debian and Ubuntu: "
            f"sudo apt install npm), then start again; or put the package's archive at {path}"
        )
    command = [npm, "pack", f"{name}@{version}", "--pack-destination", str(path.parent), "--loglevel=error"]
    process = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, errors="replace")
    if process.returncode:
        raise NpmError(
            f"npm could not fetch {name} {version}; see to the network and start again. It says:\n"
            f"{process.stderr.strip() or process.stdout.strip()}"
        )


def read(name, *files):
    """Contents of `files`, paths within the package `name`, as a list of bytes. Raises NpmError."""
    with tarfile.open(archive(name)) as package:
        return [package.extractfile(f"package/{file}").read() for file in files]
