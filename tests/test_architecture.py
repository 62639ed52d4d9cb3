"""The rooms of docs/architecture.md: each imports only what stands above it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "spacy_bert_ner"
ROOMS = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "architecture.md").read_text("utf8"), re.M)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
NEEDS_TORCH = {"machine", "optimize", "encode", "tag", "train", "package", "interop"}


def find_imports(module):
    """Each import of a module, also those within functions: full name and whether at the top."""
    path = MODULES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    tree = ast.parse(path.read_text(encoding="utf8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            parent = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                name = f"{parent}.{alias.name}"
                yield (name if name in MODULES else parent), node in tree.body


def get_room(module):
    return module.split(".")[1] if "." in module else ""


def test_every_room_is_listed():
    assert set(ROOMS) == {get_room(module) for module in MODULES} - {""}
    assert len(ROOMS) == len(set(ROOMS))


def test_imports_point_only_to_rooms_above():
    back = [
        f"{module} imports {name}"
        for module in MODULES
        for name, _ in find_imports(module)
        if get_room(module) and get_room(name) in ROOMS and name.startswith("spacy_bert_ner.")
        if ROOMS.index(get_room(name)) > ROOMS.index(get_room(module))
    ]
    assert back == []


def test_no_module_imports_itself_in_a_circle():
    arrows = {
        module: {name for name, _ in find_imports(module) if name in MODULES} for module in MODULES
    }
    done = set()

    def visit(module, above):
        assert module not in above, " → ".join([*above, module])
        if module not in done:
            for name in sorted(arrows[module]):
                visit(name, [*above, module])
            done.add(module)

    for module in MODULES:
        visit(module, [])


def test_torch_is_imported_only_where_it_is_needed():
    found = {
        get_room(module)
        for module in MODULES
        for name, is_at_top in find_imports(module)
        if is_at_top and name.partition(".")[0] in ("torch", "transformers")
    }
    assert found <= NEEDS_TORCH


def test_a_room_says_what_it_is_and_exports_nothing():
    for module, path in MODULES.items():
        if path.name == "__init__.py" and module != "spacy_bert_ner":
            body = ast.parse(path.read_text(encoding="utf8")).body
            assert len(body) == 1 and ast.get_docstring(ast.Module(body, [])), module


def test_no_test_imports_a_test():
    for path in (ROOT / "tests").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) (tests\b|test_)", path.read_text("utf8"), re.M), (
            path
        )


def test_a_public_name_is_defined_once():
    places = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf8")).body:
            names = []
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            for name in names:
                if not name.startswith("_"):
                    places.setdefault(name, []).append(module)
    # thinc's two hooks of a layer are called so everywhere
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert set(twice) <= {"forward", "init"}, twice
