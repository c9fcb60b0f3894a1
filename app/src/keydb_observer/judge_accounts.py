"""Whether listeners have accounted for every write: what they did not read, they have to have counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from keydb_observer.judge_keys import Finding
from keydb_observer.judge_records import Accounts, ListenerAccount, Read, Write, WriterAccount


def uncounted(
    accounts: Mapping[str, Accounts], reads: Mapping[str, Sequence[Read]]
) -> tuple[int, list[Finding], list[Finding]]:
    """How many writes no listener's process accounts for, in which process, and which cannot be judged.

    Each process knows of the writes from the first that it read to the last, of which there were as many as the
    writer's numbers say. One that was first woken by a later event than its first write's counts that one, too, so a
    process may count more.
    """
    writers = [writer for host in accounts.values() for writer in host.writers]
    epochs = [writer.epoch for writer in writers]
    total = 0
    found: list[Finding] = []
    unknown: list[Finding] = []
    for host, of_host in accounts.items():
        for account in of_host.listeners:
            first, last = _span(account, reads.get(host, ()), epochs)
            if first is None or last is None:
                # Where it has read nothing there is nothing to be accounted for.
                if account.read:
                    unknown.append(Finding(f"it is not known what {account.listener} read first and last", host=host))
                continue
            written = _written(writers, first, last)
            if written is None:
                unknown.append(Finding(f"{account.listener} has read an epoch that no writer tells of", host=host))
                continue
            missing = written - account.accounted
            if missing > 0:
                total += missing
                text = (
                    f"{account.listener} accounts for {account.accounted} of {written} writes: {account.read} read, "
                    f"{account.superseded} superseded, {account.missed} missed"
                )
                found.append(Finding(text, host=host, at_ns=account.began_ns or None))
    return total, found, unknown


def _span(account: ListenerAccount, reads: Iterable[Read], epochs: Sequence[int]) -> tuple[Write | None, Write | None]:
    """The first and the last write that this process has read; it may have read an earlier one once more."""
    if account.first and account.last:
        return account.first, account.last
    its = [
        read
        for read in reads
        if read.listener == account.listener
        and account.began_ns <= read.at_ns
        and (account.ended_ns is None or read.at_ns <= account.ended_ns)
    ]
    if not its:
        return None, None
    last = max(its, key=lambda read: (epochs.index(read.epoch) if read.epoch in epochs else len(epochs), read.seq))
    return Write(its[0].epoch, its[0].seq), Write(last.epoch, last.seq)


def _written(writers: Sequence[WriterAccount], first: Write, last: Write) -> int | None:
    """How many writes there were from one to another, both of them included; None where an epoch is not known."""
    totals = {writer.epoch: writer.written for writer in writers}
    epochs = list(totals)
    if first.epoch not in totals or last.epoch not in totals:
        return None
    begin, end = epochs.index(first.epoch), epochs.index(last.epoch)
    return sum(totals[epoch] for epoch in epochs[begin:end]) - (first.seq - 1) + last.seq
