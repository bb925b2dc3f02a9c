"""Trained weights on disk: `model.safetensors` beside `config.json`, written whole or not at all.

Nothing here unpickles: weights are safetensors, and training states are read with `weights_only=True`.
"""

import json
import os
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, damaged, or belongs to something else."""


@contextmanager
def atomic(path):
    """Yields a temporary path that becomes `path` when the block ends well and vanishes when it does not.

    Raises CheckpointError, naming the file, when it cannot be written: the disk is full, or (Windows) a program has it
    open.
    """
    path = Path(path)
    writable(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"could not write {path}: {error}. Free some disk space, or close the program that has the file open, and "
            "run again; what was saved before is untouched."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def writable(folder):
    """Make `folder` if need be. Raises CheckpointError when nothing can be written there."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CheckpointError(
            f"cannot write into {folder}: {error}. Make it writable, or set COURSE_RUNS to a folder that is"
        ) from error


def save(folder, module, description):
    """Write `module` and its JSON-able `description` (config, recipe) into `folder`. `config.json` comes last: it
    marks the folder as finished. What is there already stays until both are written."""
    folder = Path(folder)
    with atomic(folder / "config.json") as marks, atomic(folder / "model.safetensors") as weights:
        save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, weights)
        marks.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def describe(folder):
    """The description saved in `folder`, or None when nothing finished is there. Raises CheckpointError if damaged."""
    path = Path(folder) / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete {folder} and run again") from error


def load_weights(folder, module):
    """Read the weights in `folder` into `module`, in the precision of the module, and return the module.

    Raises CheckpointError when the file is missing, damaged, or holds another architecture.
    """
    path = Path(folder) / "model.safetensors"
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing; delete {folder} and run again to train it anew") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete {folder} and run again") from error
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} holds another architecture than {type(module).__name__} expects; use the config.json beside it, "
            f"or delete {folder} and train anew. {error}"
        ) from error
    return module


def load_table(path, default=None, **how):
    """The CSV file `path` as a DataFrame, `how` going to pandas, or `default` where there is none.

    Raises CheckpointError if it is damaged."""
    try:
        return pd.read_csv(path, **how)
    except FileNotFoundError:
        return default
    except ValueError as error:  # of pandas: no columns, a line too long, not UTF-8
        raise CheckpointError(f"{path} is damaged ({error}); delete it and run again") from error


def load_arrays(path):
    """The arrays of the .npz file `path` as a dict. Raises CheckpointError if it is damaged."""
    try:
        with np.load(path) as file:
            return dict(file)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); delete it and run again to make it anew") from error


def save_state(path, state):
    """Write a dict of tensors, numbers, strings and containers of them."""
    with atomic(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # so torch calls a full disk
            raise OSError(f"torch.save: {error}") from error


def load_state(path, device):
    """Read what `save_state` wrote, or None when there is no file. Raises CheckpointError if it is damaged."""
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        return None
    except Exception as error:  # what is no pickle of tensors fails in many ways
        raise CheckpointError(f"{path} is damaged ({error}); delete it and run again to train anew") from error
