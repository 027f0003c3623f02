"""Reads the YAML of bundles without trust: plain values only, bounded, with every repeated key told."""

from __future__ import annotations

from typing import Any

import yaml

from datauab.bundles.records import BundleError, Report

_MOST_BYTES = 2**20
_MOST_NODES = 50_000
_DEEPEST = 40


class _Loader(yaml.SafeLoader):
    """Makes plain values only; two halves of a character, as JSON writes them, become one."""

    def construct_scalar(self, node: Any) -> Any:
        """Text of a scalar."""
        text = super().construct_scalar(node)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_yaml(name: str, content: bytes, report: Report) -> dict[str, Any]:
    """Read a YAML file whose top is a mapping.

    Aliases are followed, since CodaLab's leaderboards use them, but counted as often as they are used: a short file
    that stands for a huge one is refused before it is built.

    Raises
    ------
    BundleError
        Where it is no YAML, has tags that make objects, is too large or too deep, or its top is no mapping.
    """
    if len(content) > _MOST_BYTES:
        raise BundleError(f"{name}: expected at most {_MOST_BYTES} bytes, found {len(content)}")
    loader = None
    try:
        loader = _Loader(content.decode("utf-8-sig"))
        node = loader.get_single_node()
        _measure(name, node, {}, (), report)
        found = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise BundleError(f"{name}: not valid YAML: {' '.join(str(error).split())[:300]}") from error
    except RecursionError as error:
        raise BundleError(f"{name}: expected at most {_DEEPEST} levels, found more") from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(found, dict):
        raise BundleError(f"{name}: expected keys with values, found {type(found).__name__}")
    return {str(key): value for key, value in found.items()}


def _measure(name: str, node: Any, known: dict[int, int], above: tuple[int, ...], report: Report) -> int:
    """Count the values below `node`, aliases as often as they stand there."""
    if node is None:
        return 0
    if id(node) in above:
        raise BundleError(f"{name}: expected a tree, found a value that holds itself")
    if len(above) > _DEEPEST:
        raise BundleError(f"{name}: expected at most {_DEEPEST} levels, found more")
    if id(node) in known:
        return known[id(node)]
    children: list[Any] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            children += [key, value]
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    line = key.start_mark.line + 1
                    report.add("warning", f"{name}, line {line}", f"key {key.value!r} is there twice: the last counts")
                seen.add(key.value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    count = 1
    for child in children:
        count += _measure(name, child, known, (*above, id(node)), report)
        if count > _MOST_NODES:
            raise BundleError(f"{name}: expected at most {_MOST_NODES} values, found more (aliases repeat them)")
    known[id(node)] = count
    return count
