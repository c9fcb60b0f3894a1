#!/usr/bin/python
# SPDX-License-Identifier: MIT
"""Ansible module: many files, directories and links of a node in one round trip."""

from __future__ import annotations

from ansible.module_utils.node_paths import Paths, files_module

DOCUMENTATION = r"""
module: node_files
short_description: Bring many files, directories and links of a node into their state at once
description:
  - Does for a list, in its order, what the modules file, copy and template do for one path each, in one round trip.
    Give what a template becomes as content, by the lookup ansible.builtin.template.
  - A file is replaced as a whole and at once; a symbolic link in its place gives way to it. Directories above a file or
    a link are not made unless they are listed before it; those above a directory are, as root's and open to all.
  - Check mode foresees what a bare host would get, also below directories that are yet to come.
options:
  files:
    type: list
    elements: dict
    required: true
    description: What is to be there, or not, in this order.
    suboptions:
      path: {type: path, required: true, description: Where.}
      state:
        type: str
        choices: [file, directory, link, absent]
        description: Left out, it follows from what else is given; with content it is a file.
      content: {type: str, description: The whole text of a file.}
      secret_content: {type: str, description: The same for a secret. It is masked in results and differences.}
      link: {type: str, description: What a symbolic link leads to. It need not exist.}
      owner: {type: str, description: "The owner's name; root by default."}
      group: {type: str, description: "The group's name; root by default."}
      mode: {type: str, description: "Permissions; 0755 for directories, 0644 for files by default."}
      validate: {type: str, description: A command that proves a new file before it takes its place; %s is its path.}
"""

EXAMPLES = r"""
- name: Write configuration and unit
  node_files:
    files:
      - {path: /etc/thing, state: directory}
      - {path: /etc/thing/thing.conf, content: "{{ lookup('ansible.builtin.template', 'thing.conf.j2') }}"}
      - {path: /etc/thing/password, secret_content: "{{ thing_password }}", mode: "0600"}
      - {path: /usr/local/bin/thing, link: /opt/thing/bin/thing}
      - {path: /etc/old-thing.conf, state: absent}
"""

RETURN = r"""
changed_paths:
  {type: list, elements: str, returned: always, description: Those that were changed, or would be, in the given order.}
"""


def main() -> None:
    """Ansible's entry."""
    module = files_module({}, required=True)
    paths = Paths(module)
    paths.apply(module.params["files"])
    module.exit_json(changed=bool(paths.changed_paths), changed_paths=paths.changed_paths, diff=paths.diff)


if __name__ == "__main__":
    main()
