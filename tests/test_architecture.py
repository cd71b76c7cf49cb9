"""The directions in which rooms may import each other, and what grading must do without."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "embryofrag"

MAY_IMPORT = {
    "records": set(),
    "errors": {"records"},
    "archive": {"errors", "records"},
    "imaging": {"errors", "records"},
    "grading": {"errors", "records"},
    "network": {"errors", "records"},
    "phantom": {"errors", "records"},
    "engine": {"errors", "records"},
    "engine.build": {"errors", "records", "network"},
    "engine.eager": {"errors", "records", "network"},
    "engine.tensorrt.graph": {"errors", "records", "network"},
    "engine.look": {"errors", "records", "imaging"},
    "engine.accuracy": {"errors", "records", "imaging", "grading"},
    "engine.calibration": {"errors", "records", "archive", "phantom"},
    "statistics": {"errors"},
    "training": {"errors", "records", "archive", "imaging", "grading", "statistics", "network", "engine"},
    "run": {"errors", "records", "archive", "imaging", "grading", "engine"},
    "report": {"errors", "records", "archive", "imaging", "grading", "statistics", "run"},
    "demo": {"errors", "records", "phantom", "engine", "grading", "run"},
    "terminal": {"errors", "records", "archive", "engine", "run"},
    "cli": {
        "errors",
        "records",
        "archive",
        "grading",
        "phantom",
        "engine",
        "run",
        "report",
        "training",
        "demo",
        "terminal",
    },
    "__main__": {"cli"},
    "__init__": set(),
}
"""Room (or module, where it differs from its room) -> rooms it may import; its own room and the version are free."""

COMPILED_BY_TORCH = tuple(f"engine.tensorrt.{name}" for name in ("graph", "plan", "lane", "runner"))
TORCH_ALLOWED = ("network", "engine.build", "engine.eager", *COMPILED_BY_TORCH, "training")
ROOM_LIMIT_LINES, FUNCTION_LIMIT_LINES = 400, 60
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """`engine.build` for embryofrag/engine/build.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def rule_for(module: str) -> set[str]:
    room = module.split(".")[0]
    return MAY_IMPORT.get(module, MAY_IMPORT[room]) | {room}


def imported_names(path: Path) -> set[str]:
    """Every module that a file imports anywhere, those for type checkers alone left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_one_way(path):
    module = module_name(path)
    ours = [name.split(".") for name in imported_names(path) if name.startswith("embryofrag.")]
    rooms = {parts[1] for parts in ours} - {"__version__"}
    assert rooms <= rule_for(module), f"{module} imports {sorted(rooms - rule_for(module))}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_torch_stays_in_its_rooms(path):
    if not module_name(path).startswith(TORCH_ALLOWED):
        roots = {name.split(".")[0] for name in imported_names(path)}
        assert not roots & {"torch", "torchvision"}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_rooms_and_functions_stay_small(path):
    text = path.read_text()
    assert text.count("\n") <= ROOM_LIMIT_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < FUNCTION_LIMIT_LINES, node.name


def test_every_room_has_a_rule():
    rooms = {module_name(path).split(".")[0] for path in MODULES}
    assert rooms == {name.split(".")[0] for name in MAY_IMPORT}


@pytest.fixture
def without_torch(tmp_path):
    """An environment in which importing PyTorch ends the process, in child processes too."""
    barrier = tmp_path / "barrier"
    barrier.mkdir()
    for name in ("torch", "torchvision", "safetensors"):
        (barrier / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')\n")
    return os.environ | {"PYTHONPATH": f"{barrier}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def test_grading_needs_no_torch(without_torch, tmp_path):
    command = [sys.executable, "-m", "embryofrag", "demo", "--out", str(tmp_path / "demo")]
    run = subprocess.run(command, env=without_torch, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "graded" in run.stdout


def test_a_report_loads_no_engine():
    code = "import sys, embryofrag.report.make; print(sorted({'torch', 'openvino'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_help_and_an_idle_rerun_load_no_decoder_nor_engine():
    code = (
        "import sys, embryofrag.cli, embryofrag.terminal, embryofrag.run.grade\n"
        "print(sorted({'torch', 'openvino', 'cv2', 'PIL', 'tifffile', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
