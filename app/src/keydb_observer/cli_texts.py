"""What the command line says of itself. Of each command: a summary, a description, and examples."""

from __future__ import annotations

from keydb_observer.options import ENVIRONMENT_PREFIX

JUDGE = "judge"

DESCRIPTION = """\
Measures how long it takes from a write on one node to a reaction on another.

A writer sets a key to a value with its clock's time and a number. Listeners are woken by the server's keyspace
notification, read the value, log the time difference, and answer with a handshake that replicates back to the writer.
The servers (KeyDB, Valkey or Redis) need `notify-keyspace-events K$g`."""

EPILOG = f"""\
Every option may stand before or after the command. It can also be an environment variable ({ENVIRONMENT_PREFIX} and
its name: {ENVIRONMENT_PREFIX}PASSWORD_FILE) or a key of a TOML file (password-file = "/path"). The command line wins
over the environment, which wins over the file. As variables, --node and --key are lists with commas, in the
file arrays.

examples:
  keydb-observer write --interval 1                      on a server at 127.0.0.1:6379, in one terminal,
  keydb-observer listen --mode async                     and in another one
  keydb-observer status --node a=10.0.0.1:6379 --node b=10.0.0.2:6379
  keydb-observer --config observer.toml listen --mode sync

observer.toml:
  node = ["node1=10.0.0.1:6379", "node2=10.0.0.2:6379"]
  tls = true
  tls-ca = "/etc/keydb-observer/tls/ca.crt"

exit codes: 0 well, or ended by SIGTERM or SIGINT; 1 status, top --once: a node or a link is down, audit: nodes differ
or one cannot be asked, states: one cannot be asked, judge: it does not hold; 2 a wrong option, or nodes that may not be
repaired"""

COMMANDS = {
    "write": (
        "set the key at a steady pace, and watch the handshakes",
        """\
Sets the key every --interval seconds and logs each write. For each handshake it logs the round trip (the time from the
write to the handshake's arrival, less what the listener took) and the clock offset (how far the listener's clock is
ahead of the writer's, to within half the round trip).""",
        """\
examples:
  keydb-observer write                                   every 10 seconds on 127.0.0.1:6379
  keydb-observer write --interval 0.5 --name node1
  keydb-observer write --node 10.0.0.2:6379 --write-node 10.0.0.1:6379
                                                         handshakes are seen at a replica, writes go to its primary""",
    ),
    "listen": (
        "react to each write, log the time difference, and answer",
        """\
Subscribes to the keys' notifications at the first --node that can be had, reads at each event all keys that had some,
logs the time since the write, and answers with a handshake. Every write is counted: as read, as superseded (its event
was seen, but a later write had replaced the value before it was read) or as missed (neither). A value found on
subscribing is logged as such: how old it is, is no reaction time.""",
        """\
examples:
  keydb-observer listen --mode sync
  keydb-observer listen --mode async --key shared_key --key 'load:*' --metrics 127.0.0.1:9613
  keydb-observer listen --mode async --node node2=10.0.0.2:6379 --node node1=10.0.0.1:6379 --name node2 \\
      --username listener_async --password-file password \\
      --tls --tls-ca ca.crt --tls-cert client.crt --tls-key client.key""",
    ),
    "status": (
        "show every node and observer",
        """\
Asks every --node at once. LINKS is how many replication links are up, of how many there should be. An observer is shown
at the node that has its host's name. The second table has each listener's time differences, of the last minute and of
the whole run.""",
        """\
examples:
  keydb-observer status
  keydb-observer --config /etc/keydb-observer/observer.toml status --json""",
    ),
    "top": (
        "watch all nodes, their rates and the observers, as they change",
        """\
Asks every --node each --interval seconds and shows what came of it: links, commands and bytes per second (differences
of the server's counters, the commands less those of the looks themselves), how fast the writer writes and listeners
hear of it, how late, and their last answers. A node that does not answer keeps nobody waiting; its row says since when.
q or Ctrl-C ends it. A narrow terminal leaves out what matters least. NO_COLOR is heeded. Without a terminal it prints
one plain frame, and its exit code is that of status.""",
        """\
examples:
  keydb-observer top
  keydb-observer --config /etc/keydb-observer/observer.toml top --interval 0.5
  keydb-observer --config /etc/keydb-observer/observer.toml top --once""",
    ),
    "load": (
        "write to many keys at a fixed rate, whatever the servers do about it",
        """\
An open loop: each write is due at its time, and its value carries that time, also where a stall held it up. So nothing
that was late looks punctual (no coordinated omission). Prints what came of it: how many writes were acknowledged and
how long after their time, and how well the generator itself kept to its plan.""",
        """\
examples:
  keydb-observer load --rate 10000 --keys 1000 --duration 30
  keydb-observer load --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --writers all --durable 1 --output load.json""",
    ),
    "audit": (
        "compare all nodes key by key, and make them equal if asked to",
        """\
Scans every --node and compares type, value and expiry of each key on all of them, in small batches, while they go on
working. Traffic makes nodes differ for a moment, so a difference counts only if the nodes still differ at a later look
and none of them has changed the key meanwhile. A key that is made while this runs may be left to the next run. Memory
is bounded by --batch and by the number of members of the largest set, hash or sorted set.

--repair makes nodes equal. It prints what it means to do, keeps what every node had in --undo-file, writes to each node
that is not as it should be, and looks again. What is right is decided key by key:
  * a key that only some nodes have is given to the others. So a key that was deleted, but not on a node that was away,
    comes back on all of them: nodes keep no record of deletions. Do not repair if that would be worse;
  * of differing values the newest write, where all of them are this program's own and so carry their time;
  * hashes, sets and sorted sets get the union of their members (removed ones may come back like keys);
  * all other values, fields and scores, and the type if that differs: what most of the nodes that have it hold, and in
    a tie what the node holds that has run longest;
  * the latest expiry, and none at all if a node has none.
A key that somebody writes meanwhile is left alone and counted as busy. A replica is not repaired but has to be
synchronised anew, and no node is while one of them is loading or a link is down.""",
        """\
examples:
  keydb-observer audit --node a=10.0.0.1:6379 --node b=10.0.0.2:6379
  keydb-observer --config /etc/keydb-observer/observer.toml audit --match 'orders:*' --output audit.json
  keydb-observer audit --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --repair --dry-run
  keydb-observer audit --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --repair --undo-file undo.jsonl
  keydb-observer audit --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --undo undo.jsonl --undo-as b""",
    ),
    "heal": (
        "audit and repair once, for a timer: quiet unless there is something to say",
        """\
Does what audit does when it is asked to repair, and says in one line what it repaired and where the file is that
undoes it. It first asks whether all nodes answer, have loaded their data and have their links up; if not, it says what
is in the way, once, and repairs nothing around it. All keys are compared at once where a node was started or a link
came up since the last time, else as often as --share allows.""",
        """\
examples:
  keydb-observer heal --node a=10.0.0.1:6379 --node b=10.0.0.2:6379 --state /var/lib/keydb-healing""",
    ),
    "storm": (
        "do all kinds of things to one node, and write down what came of each",
        """\
Sets, counts up, deletes and lets expire keys of its own at a steady rate, at the node that writes go to, and sets some
that every host sets. Whatever happens to that node, it goes on; it neither retries nor goes elsewhere. Every operation
is a line of --history when it is sent and when its outcome is known: acknowledged, failed or unknown. A process that is
started again goes on with numbers and keys that were not used before.""",
        """\
examples:
  keydb-observer storm --node 10.0.0.1:6379 --name node1 --history history.jsonl --samples samples.jsonl
  keydb-observer --config /etc/keydb-observer/observer.toml storm --rate 200 --durable 2 --history history.jsonl""",
    ),
    "states": (
        "what each key holds on every node",
        """\
Scans every --node, and writes what each key that any of them has holds on all of them, a line of JSON for each. Keys in
which nodes differ are looked at again, up to --looks times, --settle seconds apart; their lines say for how long they
did.""",
        """\
examples:
  keydb-observer states --match 'storm:*' --output states.jsonl --node a=10.0.0.1:6379 --node b=10.0.0.2:6379""",
    ),
    JUDGE: (
        "say what a run with faults has shown",
        """\
Reads what a run has left in DIRECTORY: its faults, the histories of its storms, what the nodes held at the end, how
they were meanwhile, and what the listeners read and counted. Writes verdict.json, summary.md and timeline.svg and .png
there, and prints the summary's table. What cannot be checked because something is missing does not hold.""",
        """\
examples:
  keydb-observer judge results/faults/20261125T193000Z""",
    ),
}
