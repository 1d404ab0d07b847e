"""What limits a level, told from what was measured: pure functions of points."""

from collections.abc import Iterable, Iterator

from .level import Point, shares

_FULL = 0.85  # of all slots, or of all cores
_TOLD = 0.05  # parts of a request's time that are less are left out
_SOME = 0.01  # refused, or cut short
# A run computes on one core: slots that run for more time than the process computes wait for cores that others have.
_DISTURBED = 0.75


def lines(points: Iterable[Point], cores: int) -> Iterator[str]:
    """Yield a line for both ends of each axis, load by load and by number of clients where another thing grows."""
    groups: dict[tuple[str, str, int], list[Point]] = {}
    for one in points:
        groups.setdefault((one.axis, one.load, 0 if one.axis == "clients" else one.clients), []).append(one)
    for found in groups.values():
        ordered = sorted(found, key=lambda one: one.at)
        for point in {one.at: one for one in (ordered[0], ordered[-1])}.values():
            yield f"{where(point)}: {limit(point, cores)}"


def where(point: Point) -> str:
    """Return which level it is."""
    clients = "" if point.axis == "clients" else f", {point.clients} client{'s' if point.clients > 1 else ''}"
    return f"{point.load}, {point.at:,} {point.axis}{clients}"


def limit(point: Point, cores: int) -> str:
    """Return what limits a level, and the measured evidence.

    Slots that run all the time: the model. Cores that are all used without that: the work around it. Neither:
    requests wait for one step after another, and more clients would get more.
    """
    busy, used = point.busy_slots / point.slots, point.server_cores + point.generator_cores
    slots = f"slots run {busy:.0%} of the time"
    cpu = f"{point.server_cores:.2f} cores in the server, {point.generator_cores:.2f} in the load generator"
    if busy >= _FULL:
        told = f"the model: {slots}"
    elif used >= _FULL * cores:
        told = f"the cores, with what is around the model: {slots}, {cpu}"
    else:
        told = f"neither slots nor cores, but one step after another: {slots}, {cpu}"
    parts = ", ".join(f"{name} {share:.0%}" for name, share in shares(point.parts_ms).items() if share >= _TOLD)
    return "; ".join([told, *([f"of a request: {parts}"] if parts else []), *_shortfalls(point)])


def _shortfalls(point: Point) -> Iterator[str]:
    """Yield what did not get what it asked for, requests and the server itself."""
    if point.server_cores < _DISTURBED * point.busy_slots:
        yield f"other work took cores: {point.busy_slots:.2f} slots ran on {point.server_cores:.2f} cores"
    for status, count in sorted(point.errors.items()):
        yield f"{count / point.requests:.1%} get {status}"
    answered = point.requests - sum(point.errors.values())
    if answered and point.degraded >= _SOME * answered:
        yield f"{point.degraded / answered:.1%} of the answers are cut short by the deadline"
