"""From YAML text to a tree that knows its lines, whatever the text holds.

What a person typed wrong, and what someone made to do harm, both come out as `Fault`: nesting that
would overflow the stack, aliases that unfold to gigabytes, keys that stand there twice, scalars
that are none of their kind. Messages never repeat a value, which may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import yaml

Key = int | str

_MOST_DEPTH = 60
# A file of a thousand keys has some thousands of nodes.
_MOST_NODES = 100_000
_MOST_SLOW = 50_000
_SHOWN_KEY = re.compile(r"[\w-]{1,40}", re.ASCII)
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"

# What PyYAML itself stumbles over: a 13th month, a number of 5000 digits, `!!bool maybe`.
_STUMBLES = (ValueError, LookupError, AttributeError, TypeError, OverflowError)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        reason: What, in words.
        line: Where, from 1; 0 where nobody knows.
        keys: The way there; None where it is not about a key.
    """

    reason: str
    line: int = 0
    keys: tuple[Key, ...] | None = None

    def told(self, where: str, top: str) -> str:
        """One line for people.

        Args:
            where: The file.
            top: What the file as a whole is called.
        """
        spot = "" if self.keys is None else f"{dotted(self.keys) or top}: "
        line = f":{self.line}" if self.line else ""
        return f"{where}{line}: {spot}{self.reason}"


@dataclass(frozen=True)
class Tree:
    """A file that was read.

    Attributes:
        root: Its tree; None where it is empty or no YAML.
        raw: What it stands for, in lists, dicts and plain values; None where `unfit` is not empty.
        unfit: Why it stands for nothing.
        doubles: Keys that stand there twice; `raw` has the later ones.
    """

    root: yaml.Node | None = None
    raw: object = None
    unfit: list[Fault] = field(default_factory=list)
    doubles: list[Fault] = field(default_factory=list)

    def line_of(self, keys: Sequence[Key]) -> int:
        """The line that a path of keys leads to, or comes nearest to."""
        node = self.root
        line = 1 if node is None else _line(node)
        for wanted in keys:
            if isinstance(node, yaml.SequenceNode) and isinstance(wanted, int):
                node = node.value[wanted] if wanted < len(node.value) else None
                line = line if node is None else _line(node)
            elif isinstance(node, yaml.MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == wanted), None)
                if pair is None:
                    break
                line, node = _line(pair[0]), pair[1]
        return line


def dotted(keys: Sequence[Key]) -> str:
    """A path of keys as people write it.

    A key that looks like none is left out: what slipped into its place may be an address.
    """
    shown = (str(key) for key in keys)
    return ".".join(key if _SHOWN_KEY.fullmatch(key) else "(no plain key)" for key in shown)


def read_tree(text: str) -> Tree:
    """Reads YAML; never raises for what the text holds."""
    try:
        if _depth(text) > _MOST_DEPTH:
            return Tree(unfit=[Fault("nested too deep; write a plain list of keys")])
        loader = _LOADER(text)
        root = loader.get_single_node()
        if root is None:
            return Tree()
        unfit = [*_unfolding(root, (), {}), *_no_values(root)]
        doubles = list(_doubles(root))
        if unfit:
            return Tree(root, None, unfit, doubles)
        for node, _ in _nodes(root):
            _name_keys(node)
        return Tree(root, loader.construct_document(root), [], doubles)
    except yaml.YAMLError as error:
        clearer = _clearer(error, text)
        mark = getattr(clearer, "problem_mark", None)
        return Tree(unfit=[Fault(f"not YAML: {_problem(clearer)}", mark.line + 1 if mark else 0)])


def _clearer(error: yaml.YAMLError, text: str) -> yaml.YAMLError:
    """What the loader in Python says, which knows the line better and is a hundred times slower."""
    if len(text) <= _MOST_SLOW:
        try:
            yaml.SafeLoader(text).get_single_node()
        except yaml.YAMLError as told:
            return told
    return error


def _depth(text: str) -> int:
    """How deep the file nests; counted beforehand, since the C loader has no limit of its own."""
    depth = deepest = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > _MOST_DEPTH:
                break
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return deepest


def _problem(error: yaml.YAMLError) -> str:
    """The reason without what stood in the file: `password: *hunter2` is an alias to YAML."""
    problem = str(getattr(error, "problem", None) or "")
    if "alias" in problem:
        return "an alias (*) of nothing; put text that begins with * in quotes"
    if "tag" in problem:
        return "a tag (!) that is not known; put text that begins with ! in quotes"
    if not problem:
        return "it holds characters that YAML does not allow"
    problem = " ".join(problem.split())
    return re.sub(r"'[^']{2,}'|\"[^\"]{2,}\"", "'...'", problem)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _inner(node: yaml.Node) -> Iterator[tuple[Key, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        yield from enumerate(node.value)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value


def _nodes(root: yaml.Node) -> Iterator[tuple[yaml.Node, tuple[Key, ...]]]:
    """Every node once, with the first way to it."""
    looked_at = {id(root)}
    waiting: list[tuple[yaml.Node, tuple[Key, ...]]] = [(root, ())]
    while waiting:
        node, keys = waiting.pop()
        yield node, keys
        for key, value in _inner(node):
            # An alias leads to a part that was looked at, or even into itself.
            if id(value) not in looked_at:
                looked_at.add(id(value))
                waiting.append((value, (*keys, key)))


def _unfolding(
    node: yaml.Node, keys: tuple[Key, ...], known: dict[int, int | None]
) -> Iterator[Fault]:
    """Aliases that lead into themselves, or unfold to more than anyone writes.

    Args:
        node: Where to look.
        keys: The way there.
        known: How many nodes a node unfolds to; None while it is being counted.
    """
    known[id(node)] = None
    count = 1
    for key, value in _inner(node):
        if id(value) not in known:
            yield from _unfolding(value, (*keys, key), known)
        inner = known[id(value)]
        if inner is None:
            yield Fault("an alias (*) that leads into itself", _line(node), (*keys, key))
        else:
            # Told once, where it gets too much; what holds it counts as small again.
            count += inner
    if count > _MOST_NODES:
        yield Fault("aliases (*) that unfold to more than a configuration holds", _line(node), keys)
        count = 1
    known[id(node)] = count


def _doubles(root: yaml.Node) -> Iterator[Fault]:
    """Keys that a mapping holds twice; YAML itself would silently take the later one."""
    for node, keys in _nodes(root):
        if not isinstance(node, yaml.MappingNode):
            continue
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                yield Fault("stands there twice; keep one", _line(key), (*keys, name))
            seen.add(name)


def _no_values(root: yaml.Node) -> Iterator[Fault]:
    """Scalars that PyYAML cannot read as what they look like, and keys that are no scalars."""
    reader = yaml.SafeLoader("")
    for node, keys in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            # Keys may be lists, too, as far as YAML goes.
            complex_keys = [key for key, _ in node.value if not isinstance(key, yaml.ScalarNode)]
            yield from (Fault("not YAML of keys in plain text", _line(key)) for key in complex_keys)
        if not isinstance(node, yaml.ScalarNode):
            continue
        try:
            reader.construct_object(node)
        except yaml.constructor.ConstructorError:
            continue  # an unknown tag, which reading the whole tells of
        except _STUMBLES:
            reason = "holds a value that is none of its kind; put it in quotes"
            yield Fault(reason, _line(node), keys)


def _name_keys(node: yaml.Node) -> None:
    """Makes keys the text that they are: `on` would be true, and `1` a number."""
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.tag != _MERGE:
            key.tag = _TEXT
