"""``negatives samplers``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from negatives.cli.wrapping import wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from negatives.registry import Registry
    from negatives.sampler import Preset

LISTWISE = "under a loss whose negatives meet in one sum, such as a softmax"
POINTWISE = "under a loss that judges each score by itself, such as the logistic"
INDENT = "    "
STAGES = ("proposal", "guards", "difficulty", "select", "candidates", "pool")


def samplers(name: str | None = None, /) -> None:
    """List the samplers, or show one as TOML for a configuration file.

    Parameters
    ----------
    name
        A sampler to show in full.
    """
    from negatives.sampler import preset, presets

    if name is None:
        for known, one in sorted(
            ((known, preset(known)) for known in presets), key=lambda row: (row[1].family, row[0])
        ):
            print(_row(known, one))
        print("\n" + wrapped("One in full, to paste and change: negatives samplers NAME"))
    else:
        print(_full(name, preset(name)))


def _row(name: str, preset: Preset) -> str:
    lines = [
        wrapped(f"{name}  ({preset.family})"),
        wrapped(preset.summary, INDENT),
        wrapped(f"{_stages(preset.parts)}; loss {preset.loss} [{preset.source}]", INDENT),
    ]
    lines += [wrapped(f"{where}: {_stages(parts)}", INDENT) for where, parts in _others(preset)]
    return "\n".join(lines)


def _others(preset: Preset) -> list[tuple[str, Mapping[str, Any]]]:
    """For which losses it has another form, and which."""
    forms = ((POINTWISE, preset.pointwise), (LISTWISE, preset.listwise))
    return [(where, parts) for where, parts in forms if parts is not None]


def _stages(parts: Mapping[str, Any]) -> str:
    return ", ".join(f"{stage} {_short(parts[stage])}" for stage in STAGES if stage in parts)


def _short(spec: Any) -> str:
    if isinstance(spec, (list, tuple)):
        return "+".join(map(_short, spec))
    if not isinstance(spec, dict):
        return str(spec)
    from negatives.control.build import controllers

    name = spec.get("name") or next((str(spec[key]) for key in ("schedule", *controllers()) if key in spec), "")
    inner = [f"{key}={_short(value)}" for key, value in spec.items() if key != "name" and value != name]
    return f"{name}({', '.join(inner)})" if inner else name


def _full(name: str, preset: Preset) -> str:
    import tomli_w

    def toml(parts: Mapping[str, Any], **beside: str) -> str:
        shown = {stage: _plain(parts[stage]) for stage in (*STAGES, "observe_every") if stage in parts}
        return tomli_w.dumps({**beside, "sampler": shown})

    head = wrapped(f"{name} ({preset.family}): {preset.summary}", "# ") + "\n" + wrapped(preset.source, "# ") + "\n\n"
    text = head + toml(preset.parts, loss=preset.loss) + "\n"
    for where, parts in _others(preset):
        lines = [f"{where[0].upper()}{where[1:]}:", "", *toml(parts).splitlines()]
        text += "".join(f"# {line}".rstrip() + "\n" for line in lines) + "\n"
    return text + "\n".join(_parameters())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _parameters() -> list[str]:
    """A comment line for every part that may stand in a sampler, with its parameters."""
    from negatives import control, guards, losses, proposals, selection
    from negatives.control.build import controllers

    tables: list[tuple[str, Registry[Any]]] = [
        ("proposal", proposals.registry),
        ("guards", guards.registry),
        ("difficulty", selection.difficulties),
        ("select", selection.registry),
        (f"numbers that change: schedule, {', '.join(controllers())}", control.registry),
        ("loss", losses.registry),
    ]
    lines = []
    for title, table in tables:
        lines.append(wrapped(f"{title}:", "# "))
        lines += [
            wrapped(f"{name}{_signature(table, name)}  {table.summary(name)}", "#   ", "#       ") for name in table
        ]
    return lines


def _signature(table: Registry[Any], name: str) -> str:
    import inspect

    from negatives.parameters import settable

    shown = []
    for parameter in table.parameters(name).values():
        value = parameter.default
        if parameter.name.startswith("_") or not (value is inspect.Parameter.empty or _simple(value)):
            continue
        if value is None and not settable(parameter.annotation):  # comes from the data
            continue
        shown.append(parameter.name if value is inspect.Parameter.empty else f"{parameter.name}={value!r}")
    return f"({', '.join(shown)})"


def _simple(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))
