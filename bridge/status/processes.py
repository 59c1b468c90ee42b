"""Whether `serve` runs: by the signs of life that its processes write into the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bridge.status.configured import ConfiguredBridge
from bridge.status.report import Finding, Findings, RoleStatus
from bridge.store.status_views import ProcessHeartbeat

BEAT_EVERY = timedelta(seconds=10)
"""How often a process writes a sign of life."""
SILENT_AFTER = timedelta(seconds=30)
"""How long without one until it counts as gone."""
STARTING = timedelta(seconds=10)
"""How long after a start a role that does not run yet is waited for."""
REFUSED = "refused"
"""The role of a start that was refused, which is noted beside the processes that run."""
REFUSED_RECENTLY = timedelta(minutes=1)
ROLES = {
    "web": ("webhooks are not answered, and their providers send them again for a day or more", ("web-",)),
    "worker": ("nothing is translated or delivered", ("worker-translate", "worker-deliver")),
}
"""What stands still without a role, and how the names of its processes begin."""


def find_process_troubles(
    processes: Sequence[ProcessHeartbeat], configured: ConfiguredBridge, now: datetime
) -> Findings:
    """Roles that do not run, loops that hang, a second start that was refused, and other settings than these."""
    living = [one for one in processes if is_living(one, now) and one.role in ROLES]
    needs = [*_missing_roles(processes, now), *_hanging_loops(living), *_refused_starts(processes, living, now)]
    return Findings(tuple(needs), (*_silent_nodes(processes, living, now), *_other_settings(living, configured)))


def role_statuses(processes: Sequence[ProcessHeartbeat], now: datetime) -> tuple[RoleStatus, ...]:
    """Each role, and since when it runs."""
    return tuple(
        RoleStatus(role, None if _lacks_process(role, processes, now) else _role_since(role, processes, now))
        for role in ROLES
    )


def is_living(one: ProcessHeartbeat, now: datetime) -> bool:
    """Whether a process gave its last sign a short time ago, and was not stopped; a clock may have been set back."""
    return not one.stopped and abs(now - one.at) <= SILENT_AFTER


def _role_since(role: str, processes: Sequence[ProcessHeartbeat], now: datetime) -> datetime | None:
    return min((one.started_at for one in processes if one.role == role and is_living(one, now)), default=None)


def _lacks_process(role: str, processes: Sequence[ProcessHeartbeat], now: datetime) -> str | None:
    """How the name of a process begins that the role lacks; None where it has all."""
    names = [one.process for one in processes if one.role == role and is_living(one, now)]
    return next((start for start in ROLES[role][1] if not any(name.startswith(start) for name in names)), None)


def _missing_roles(processes: Sequence[ProcessHeartbeat], now: datetime) -> Iterator[Finding]:
    missing = [role for role in ROLES if _lacks_process(role, processes, now)]
    if len(missing) == len(ROLES):
        yield _serve_is_gone([one for one in processes if one.role in ROLES])
        return
    if any(is_living(one, now) and now - one.started_at < STARTING for one in processes if one.role in ROLES):
        return
    for role in missing:
        of_role = [one for one in processes if one.role == role]
        lacks = _lacks_process(role, of_role, now)
        newest = _newest([one for one in of_role if lacks and one.process.startswith(lacks)])
        yield Finding(
            "role_gone",
            f"{_not_running(newest, lacks or role)}: {ROLES[role][0]}",
            f"start `trackbridge serve --role {role}`, or `trackbridge serve` for both roles; where it runs, its log "
            "says why the process ended",
            subject=role,
            since=newest.at if newest else None,
        )


def _not_running(newest: ProcessHeartbeat | None, lacks: str) -> str:
    if newest is None:
        return f"no {lacks.rstrip('-')} process has run"
    return f"the process {newest.process} does not run"


def _serve_is_gone(processes: Sequence[ProcessHeartbeat]) -> Finding:
    newest = _newest(processes)
    stands_still = "no webhook is taken, nothing is delivered"
    start = "start `trackbridge serve`"
    if newest is None:
        return Finding("serve_gone", f"`trackbridge serve` has not run on this store: {stands_still}", start)
    if newest.stopped:
        return Finding("serve_gone", f"`trackbridge serve` was stopped: {stands_still}", start, since=newest.at)
    return Finding(
        "serve_gone",
        f"`trackbridge serve` gives no sign of life, and was not stopped: {stands_still}",
        f"{start} again; its log says why it ended",
        since=newest.at,
    )


def _newest(processes: Sequence[ProcessHeartbeat]) -> ProcessHeartbeat | None:
    return max(processes, key=lambda one: one.at, default=None)


def _hanging_loops(living: Sequence[ProcessHeartbeat]) -> Iterator[Finding]:
    for one in living:
        if one.trouble:
            yield Finding(
                "loop_hangs", f"{one.process} on {one.node}: {one.trouble}", "its log says why", subject=one.process
            )


def _refused_starts(
    processes: Sequence[ProcessHeartbeat], living: Sequence[ProcessHeartbeat], now: datetime
) -> Iterator[Finding]:
    for one in processes:
        if one.role == REFUSED and living and now - one.at <= REFUSED_RECENTLY:
            yield Finding(
                "second_serve",
                f"a second `trackbridge serve` was started on {one.node} (process {one.pid}) and refused: "
                f"{one.trouble}",
                "see that systemd, compose or a second folder does not start it again and again",
                since=one.at,
            )


def _silent_nodes(
    processes: Sequence[ProcessHeartbeat], living: Sequence[ProcessHeartbeat], now: datetime
) -> Iterator[Finding]:
    nodes = {one.node for one in living}
    for node in sorted({one.node for one in processes if one.role in ROLES} - nodes if nodes else ()):
        last = _newest([one for one in processes if one.node == node and one.role in ROLES])
        if last and not last.stopped and now - last.at <= timedelta(days=1):
            yield Finding(
                "node_silent", f"the node {node} gives no sign of life; others run", subject=node, since=last.at
            )


def _other_settings(living: Sequence[ProcessHeartbeat], configured: ConfiguredBridge) -> Iterator[Finding]:
    running = {one.settings for one in living if one.settings}
    if configured.is_known and running and configured.served not in running:
        yield Finding(
            "settings_differ",
            f"`trackbridge serve` runs with {' and '.join(sorted(running))}, and the settings here have "
            f"{configured.served}",
            "run status with the settings of serve, or restart serve to have these",
        )
