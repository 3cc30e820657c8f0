"""Built engines: which run here."""

from __future__ import annotations

from faceguard.edge.doctor.finding import Finding, State


def check_engines() -> list[Finding]:
    """Every engine in the stores; one that cannot run here says why."""
    # Here and not above: these want packages that may be what is missing.
    from faceguard.engines.engine_store import engines_folder, stored_engines
    from faceguard.engines.machine import read_machine

    ready: set[str] = set()
    idle: dict[str, set[str]] = {}
    for stored in stored_engines(read_machine()):
        name = stored.folder.name if stored.manifest is None else stored.manifest.name
        if stored.wrong is None:
            ready.add(name)
        else:
            # Most often one reason holds for all.
            idle.setdefault(stored.wrong, set()).add(name)
    if not ready and not idle:
        return [Finding("engines", State.NOTE, "none is built; the CPU runs the models")]
    names = f"run here: {', '.join(sorted(ready))}" if ready else "none runs here"
    return [
        Finding("engines", State.OK, f"{names}; in {engines_folder()}"),
        *(
            Finding("engines", State.NOTE, f"{', '.join(sorted(these))}: {why}")
            for why, these in idle.items()
        ),
    ]
