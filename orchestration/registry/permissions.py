"""Who may read what a registry makes: its owner, and the group that `registry.yml` names.

Belongs here: the modes of the folders that hold patients' data, and the umask of a process that writes there.
Does not belong here: who may see what on a page (`SECURITY.md`).
"""

from __future__ import annotations

import errno
import grp
import os
import shutil
import stat
from pathlib import Path

from orchestration.registry.folder import Registry
from yaml_files.yaml_file import ConfigurationError

OWNER_ONLY = 0o077  # as umask
OWNER_AND_GROUP = 0o027
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_from_others(registry: Registry) -> None:
    """Let this process, and those it starts, make files that only the owner reads (0600 in 0700), or the
    registry's group too (0640 in 0750); close what an earlier version left open.

    Raises ConfigurationError if the group does not exist, or this user cannot give a folder to it.
    """
    group = _group_id(registry)
    os.umask(OWNER_ONLY if group is None else OWNER_AND_GROUP)
    try:
        for folder in (registry.warehouse.parent, registry.releases, registry.reports, registry.queries):
            if group is not None:
                folder.mkdir(exist_ok=True)
            if folder.exists():
                _close(registry, folder, group)
        for folder in (registry.dagster_home, registry.folder / "private"):
            if folder.exists():
                _close(registry, folder, None)
    except OSError as error:
        if error.errno != errno.EROFS:  # on a read-only mount nothing is made that would need a mode
            raise


def _close(registry: Registry, folder: Path, group: int | None) -> None:
    """Set the mode of a folder that the registry makes; and of all in it, if others could look in before."""
    found = folder.stat()
    wanted = 0o700 if group is None else 0o2750  # set-group-ID: what is made inside belongs to the group
    if stat.S_IMODE(found.st_mode) == wanted and group in (None, found.st_gid):
        return
    if found.st_uid != os.geteuid():
        return  # another user's: their process sets it
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = wanted if path.is_dir() else stat.S_IMODE(path.stat().st_mode) & ~OTHERS
        if group is not None:
            _give(registry, path, group)
            mode |= stat.S_IRGRP
        path.chmod(mode)


def _group_id(registry: Registry) -> int | None:
    name = registry.file.group
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise _fault(
            registry,
            f'this machine has no group "{name}"; make it (groupadd {name}), or leave the key out',
        ) from None


def _give(registry: Registry, path: Path, group: int) -> None:
    try:
        shutil.chown(path, group=group)
    except PermissionError:
        raise _fault(
            registry,
            f'the user of this process is not in group "{registry.file.group}", and so cannot give it'
            f" {path.name}; add the user to the group, or leave the key out",
        ) from None


def _fault(registry: Registry, text: str) -> ConfigurationError:
    return ConfigurationError([f"{registry.folder.name}/registry.yml: group: {text}"])
