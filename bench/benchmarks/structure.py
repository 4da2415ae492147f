"""`python -m bench.benchmarks.structure [TREE ...]`: how large the code's parts are and how they lean on each other.

A tree is a checkout, by default this one; several become columns of one table. Files and functions are read with `ast`,
imports with grimp, the graph of import-linter. `--draw` writes the floors into docs/architecture.md instead.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.host.places import REPOSITORY

PACKAGES = ("bench", "methods", "models")
DOCUMENT = REPOSITORY / "docs" / "architecture.md"
START, END = "<!-- floors: start -->\n", "<!-- floors: end -->\n"

# A process of its own, as `bench` in this one is this tree's and grimp looks packages up where Python would.
IMPORTS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import grimp
graph = grimp.build_graph(*sys.argv[2:], cache_dir=None)
imports = [(module, each) for module in graph.modules for each in graph.find_modules_directly_imported_by(module)]
json.dump(sorted(imports), sys.stdout)
"""

Arrow = tuple[str, str]  # (what imports, what is imported): two files, or two rooms


def rooms(tree: Path) -> list[str]:
    """The files and folders at the top level of bench/, then methods and models."""
    inside = {path.stem for path in (tree / "bench").iterdir() if not path.name.startswith(("_", "."))}
    return [*(f"bench.{name}" for name in sorted(inside)), "methods", "models"]


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2]) if module.startswith("bench.") else module.split(".")[0]


def imports(tree: Path) -> set[Arrow]:
    """Pairs of files of which the first imports the second, in functions and for types too."""
    command = [sys.executable, "-c", IMPORTS, str(tree), *PACKAGES]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    return {(importer, imported) for importer, imported in json.loads(done.stdout)}


def arrows(imports: set[Arrow], known: list[str]) -> set[Arrow]:
    """Pairs of known rooms of which the first imports the second, however often."""
    pairs = {(room_of(importer), room_of(imported)) for importer, imported in imports}
    return {(a, b) for a, b in pairs if a != b and a in known and b in known}


def floors(tree: Path) -> list[list[str]]:
    """The rooms of each floor, from the top down, as import-linter's contract has them; empty where there is none."""
    tools = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["tool"]
    contracts = tools.get("importlinter", {}).get("contracts", [])
    layers: list[str] = next((each["layers"] for each in contracts if each["type"] == "layers"), [])
    return [[room.strip() for room in layer.split("|")] for layer in layers]


def upward(edges: set[Arrow], levels: list[list[str]]) -> set[Arrow]:
    """Arrows that do not go to a lower floor."""
    level = {room: number for number, floor in enumerate(levels) for room in floor}
    return {(a, b) for a, b in edges if level[a] >= level[b]}


def reached(start: str, imported_by: dict[str, set[str]]) -> set[str]:
    """Every room to which arrows lead from `start`."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        new = imported_by[here] - seen
        seen |= new
        waiting.extend(new)
    return seen


def on_circles(edges: set[Arrow]) -> set[Arrow]:
    """Arrows from whose head a way leads back to their tail."""
    imported_by: dict[str, set[str]] = defaultdict(set)
    for a, b in edges:
        imported_by[a].add(b)
    below = {head: reached(head, imported_by) for head in {b for _, b in edges}}
    return {(a, b) for a, b in edges if a in below[b]}


def sources(tree: Path) -> dict[Path, str]:
    return {path: path.read_text("utf-8") for package in PACKAGES for path in sorted((tree / package).rglob("*.py"))}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(node: ast.AST, public: bool = True) -> Iterator[tuple[Function, bool]]:
    """Every function below a node, and whether it is public: no name on the way starts with _, no function holds it."""
    for child in ast.iter_child_nodes(node):
        seen = public and not getattr(child, "name", "").startswith("_")
        if isinstance(child, Function):
            yield child, seen
        yield from functions(child, seen and not isinstance(child, Function))


def parameters(function: Function) -> int:
    """How many parameters a caller may give: `self` and `cls` are not counted."""
    given = function.args
    named = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in named if name not in ("self", "cls")]) + bool(given.vararg) + bool(given.kwarg)


def middle_and_most(numbers: list[int]) -> str:
    return f"{median(numbers):g}, {max(numbers)}"


def sizes(tree: Path) -> dict[str, str]:
    texts = sources(tree)
    every = [each for text in texts.values() for each in functions(ast.parse(text))]
    public = [function for function, seen in every if seen]
    documented = [function for function in public if ast.get_docstring(function)]
    return {
        "files": str(len(texts)),
        "lines a file (median, most)": middle_and_most([len(text.splitlines()) for text in texts.values()]),
        "functions": str(len(every)),
        "lines a function (median, most)": middle_and_most([(f.end_lineno or 0) - f.lineno + 1 for f, _ in every]),
        "parameters a function (median, most)": middle_and_most([parameters(f) for f, _ in every]),
        "public functions with a docstring": f"{len(documented)} of {len(public)} "
        f"({len(documented) / len(public):.0%})",
    }


def structure(tree: Path) -> dict[str, str]:
    """What is measured of one checkout, as the rows of the table."""
    files, levels = imports(tree), floors(tree)
    between = arrows(files, rooms(tree))
    return sizes(tree) | {
        "rooms": str(len(rooms(tree))),
        "floors": str(len(levels) or "none declared"),
        "arrows between rooms": str(len(between)),
        "arrows that point upward": str(len(upward(between, levels))) if levels else "no floors",
        "arrows on circles": str(len(on_circles(between))),
        "pairs of rooms that import each other": str(len({arrow for arrow in between if arrow[::-1] in between}) // 2),
        "arrows between files": str(len(files)),
        "of these on circles": str(len(on_circles(files))),
    }


def table(trees: list[Path]) -> str:
    columns = [structure(tree) for tree in trees]
    head = ["", *(tree.name for tree in trees)]
    body = [[row, *(column[row] for column in columns)] for row in columns[0]]
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, ["---"] * len(head), *body])


def purpose(tree: Path, room: str) -> str:
    """The first line of what a room says of itself."""
    path = tree.joinpath(*room.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(source.read_text("utf-8"))) or "").split("\n")[0]


def drawing(tree: Path) -> str:
    """The floors from the top down, each room with its purpose and the rooms that it imports, as a block of text."""
    levels = floors(tree)
    order = [room for floor in levels for room in floor]
    pairs = arrows(imports(tree), order)
    below = {room: [short(other) for other in order if (room, other) in pairs] for room in order}
    width = max(map(len, order))
    drawn = ["\n".join(lines(tree, room, below[room], width) for room in floor) for floor in levels]
    return "```text\n" + "\n    ↓\n".join(drawn) + "\n```\n"


def short(room: str) -> str:
    return room.removeprefix("bench.")


def lines(tree: Path, room: str, imported: list[str], width: int) -> str:
    """A room's purpose, and under it, behind an arrow, what it imports."""
    said = f"{room:<{width}}  {purpose(tree, room)}"
    return f"{said}\n{'':<{width}}  → {', '.join(imported)}" if imported else said


def drawn_in(text: str) -> str:
    """The drawing that a document holds now."""
    return text.partition(START)[2].partition(END)[0]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.benchmarks.structure", description=__doc__)
    parser.add_argument("trees", nargs="*", type=Path, metavar="TREE", default=[REPOSITORY])
    parser.add_argument("--draw", action="store_true", help="write this tree's floors into docs/architecture.md")
    args = parser.parse_args(argv)
    for tree in args.trees:
        if not all((tree / package).is_dir() for package in PACKAGES):
            parser.error(f"{tree}: expected a checkout, with the folders {', '.join(PACKAGES)}")
    if args.draw:
        text = DOCUMENT.read_text("utf-8")
        DOCUMENT.write_text(text.replace(START + drawn_in(text) + END, START + drawing(REPOSITORY) + END), "utf-8")
        return
    print(table([tree.resolve() for tree in args.trees]), end="")


if __name__ == "__main__":
    main()
