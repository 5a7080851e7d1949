"""Directories of a step's files (its context, its messages), in the system's place for temporary ones. Dagster's own have no name
by which what a killed run has left could be told from anybody's."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster_pipes import PipesContextData, PipesParams

PREFIX = "enrichment-pipes-"
_LEFT_AFTER_S = 24 * 3600


@contextmanager
def step_directory() -> Iterator[Path]:
    """A new directory, removed afterwards. First removes those that killed runs left."""
    sweep(Path(tempfile.gettempdir()), time.time())
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def sweep(parent: Path, now_s: float) -> None:
    """Removes our directories in which nothing was written for a day: an engine that works says something every 10 s. Whatever
    cannot be read or removed stays; it is nothing to fail for."""
    try:
        found = [entry for entry in os.scandir(parent) if entry.name.startswith(PREFIX)]
    except OSError:
        return
    for entry in found:
        try:
            # Not through a link that somebody else may have put there.
            if not entry.is_dir(follow_symlinks=False) or not _is_ours(entry) or now_s - _written_at_s(entry) < _LEFT_AFTER_S:
                continue
        except OSError:
            continue
        shutil.rmtree(entry.path, ignore_errors=True)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    return not hasattr(os, "getuid") or entry.stat(follow_symlinks=False).st_uid == os.getuid()


def _written_at_s(directory: os.DirEntry[str]) -> float:
    within = [file.stat(follow_symlinks=False).st_mtime for file in os.scandir(directory.path)]
    return max([directory.stat(follow_symlinks=False).st_mtime, *within])


class OwnFileContextInjector(dg.PipesContextInjector):
    """`dg.PipesTempFileContextInjector` in a directory of ours."""

    @contextmanager
    def inject_context(self, context: PipesContextData) -> Iterator[PipesParams]:
        with (
            step_directory() as directory,
            dg.PipesFileContextInjector(str(directory / "context")).inject_context(context) as params,
        ):
            yield params

    def no_messages_debug_text(self) -> str:
        return "Attempted to inject context via a temporary file."
