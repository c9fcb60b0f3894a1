"""Files, directories and links of a node, brought into their state by a module that has the option ``files``.

The module node_files documents that option.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

_FILES: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["file", "directory", "link", "absent"]},
        "content": {"type": "str"},
        "secret_content": {"type": "str", "no_log": True},
        "link": {"type": "str"},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "mode": {"type": "str"},
        "validate": {"type": "str"},
    },
    "mutually_exclusive": [["content", "secret_content", "link"]],
    "required_if": [["state", "link", ["link"]], ["state", "file", ["content", "secret_content"], True]],
}
_HIDDEN = "(not shown: secret)\n"

Entry = dict[str, Any]


class Paths:
    """The paths of this host, changed or only looked at."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self.changed_paths: list[str] = []
        self.diff: list[dict[str, str]] = []

    def apply(self, files: list[Entry]) -> None:
        """Bring all paths into their states, in their order."""
        states = {"absent": self._absent, "directory": self._directory, "link": self._link, "file": self._file}
        for entry in files:
            states[state_of(entry)](entry, Path(entry["path"]))

    def _absent(self, entry: Entry, path: Path) -> None:
        if not os.path.lexists(path):
            return
        self._note(entry, "present\n", "absent\n")
        if self._module.check_mode:
            return
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def _directory(self, entry: Entry, path: Path) -> None:
        if not path.is_dir():
            if os.path.lexists(path):
                self._module.fail_json(msg=f"{path} is to be a directory, but something else is there")
            self._note(entry, "absent\n", "directory\n")
            if self._module.check_mode:
                return
            for parent in reversed(path.parents):
                if not parent.is_dir():
                    parent.mkdir()
                    parent.chmod(0o755)
            # Nobody else's until its owner and permissions are set.
            path.mkdir(mode=0o700)
        self._attributes(entry, path, "0755")

    def _link(self, entry: Entry, path: Path) -> None:
        present = str(path.readlink()) if path.is_symlink() else None
        if present == entry["link"]:
            return
        if path.is_dir() and not path.is_symlink():
            self._module.fail_json(msg=f"{path} is to be a link, but a directory is there")
        self._note(entry, f"{present or 'no link'}\n", f"{entry['link']}\n")
        if self._module.check_mode:
            return
        self._require_parent(path)
        # A link is replaced at once, too: there is no moment without it.
        with tempfile.TemporaryDirectory(dir=path.parent) as directory:
            new = Path(directory) / path.name
            new.symlink_to(entry["link"])
            new.replace(path)

    def _file(self, entry: Entry, path: Path) -> None:
        secret = entry["secret_content"] is not None
        wanted = entry["secret_content"] if secret else entry["content"]
        if wanted is None:
            self._module.fail_json(msg=f"{path} is to be a file, but nothing says what is in it")
        if path.is_dir():
            self._module.fail_json(msg=f"{path} is to be a file, but a directory is there")
        present = path.read_bytes() if is_file(path) else None
        if present != wanted.encode():
            before = "" if present is None else present.decode(errors="replace")
            self._note(entry, _HIDDEN if secret and before else before, f"{_HIDDEN}(new)\n" if secret else wanted)
            self._write(entry, path, wanted.encode())
        if is_file(path):
            self._attributes(entry, path, "0644")

    def _write(self, entry: Entry, path: Path, content: bytes) -> None:
        if self._module.check_mode and not (entry["validate"] and path.parent.is_dir()):
            return
        if not self._module.check_mode:
            self._require_parent(path)
        handle, new = tempfile.mkstemp(dir=None if self._module.check_mode else path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._validate(entry, new)
            if not self._module.check_mode:
                # Owner and permissions first: what takes the path's place is never open to the wrong people.
                self._set_attributes(entry, new, "0644", changed=False)
                Path(new).replace(path)
        finally:
            Path(new).unlink(missing_ok=True)

    def _validate(self, entry: Entry, file: str) -> None:
        if not entry["validate"]:
            return
        command = [file if word == "%s" else word for word in entry["validate"].split()]
        code, output, error = self._module.run_command(command)
        if code:
            self._module.fail_json(msg=f"{entry['path']} would not be valid: {(error or output).strip()}")

    def _require_parent(self, path: Path) -> None:
        if not path.parent.is_dir():
            self._module.fail_json(msg=f"{path} cannot be made: {path.parent} is not there")

    def _attributes(self, entry: Entry, path: Path, mode: str) -> None:
        foreseen = self._module.check_mode and not owner_exists(entry)
        if foreseen or self._set_attributes(entry, str(path), mode, changed=False):
            wanted = f"{entry['owner']}:{entry['group']} {entry['mode'] or mode}\n"
            self._note(entry, "other owner or permissions\n", wanted)

    def _set_attributes(self, entry: Entry, path: str, mode: str, *, changed: bool) -> bool:
        wanted = {
            "path": path,
            "owner": entry["owner"],
            "group": entry["group"],
            "mode": entry["mode"] or mode,
            "secontext": [None, None, None],
            "attributes": None,
        }
        return bool(self._module.set_fs_attributes_if_different(wanted, changed))

    def _note(self, entry: Entry, before: str, after: str) -> None:
        path = entry["path"]
        if path in self.changed_paths:
            return
        self.changed_paths.append(path)
        self.diff.append({"before_header": path, "after_header": path, "before": before, "after": after})


def is_file(path: Path) -> bool:
    """Whether this is a regular file itself, not a link to one."""
    return path.is_file() and not path.is_symlink()


def owner_exists(entry: Entry) -> bool:
    """Whether owner and group are known here; on a bare host they may be yet to come."""
    try:
        pwd.getpwnam(entry["owner"])
        grp.getgrnam(entry["group"])
    except KeyError:
        return False
    return True


def state_of(entry: Entry) -> str:
    """The state that an entry asks for, or that follows from what it gives."""
    return str(entry["state"] or ("link" if entry["link"] is not None else "file"))


class QuietModule(AnsibleModule):  # type: ignore[misc]  # its base carries no types
    """A module that logs which files it was called for, and nothing of what is in them.

    Ansible would log the whole list as one text, in which it does not know a secret of several lines again. no_log in
    the call of the base class does not keep it from that: the task's own, which is always given, takes its place.
    """

    def _log_invocation(self) -> None:
        about = [entry["path"] for entry in self.params["files"]]
        about += [unit["name"] for unit in self.params.get("units", [])]
        self.log("Invoked for " + ", ".join(about))


def files_module(options: dict[str, Any], *, required: bool = False) -> AnsibleModule:
    """A module with the option ``files`` beside others, of which none is secret."""
    files = {**_FILES, "required": True} if required else {**_FILES, "default": []}
    return QuietModule(argument_spec={"files": files, **options}, supports_check_mode=True)
