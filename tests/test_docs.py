"""What the documentation names is there: files, headings, commands, functions, config keys."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from utils.stage.config import load_config

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "mano/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
OWN = ("models", "utils", "mano", "examples")  # packages of this tree

on_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def prose(page: Path) -> str:
    """The page without blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_anchors_are_named_as_github_does(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# What's `a_b.py`: two-fold\n```\n# no heading\n```\n")
    assert anchors(page) == {"whats-a_bpy-two-fold"}


@on_every_page
def test_links(page):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    for link in links:
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@on_every_page
def test_modules(page):
    for name in re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8")):
        if name.split(".")[0] in OWN:
            assert (ROOT / (name.replace(".", "/") + ".py")).is_file(), f"python -m {name}"
        elif name != "pip":  # looked for, it has setuptools change distutils, which torch minds
            assert find_spec(name), f"python -m {name}"


@on_every_page
def test_scripts(page):
    """Paths count from the root, as commands are run there."""
    for name in re.findall(r"(?<![\w*%./-])[\w/]+\.py\b", page.read_text(encoding="utf-8")):
        assert (ROOT / name).is_file(), name


@on_every_page
def test_functions(page):
    """`models.ham.refine.refine_level`: a module, or a public name of one."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:models|utils)\.[\w.]+|mesh_sfs_optim\.(?!py)\w+)`", text):
        if (ROOT / name.replace(".", "/")).is_dir():
            continue
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(module), attribute), name


@on_every_page
def test_config_keys(page):
    """Key and value, as the command line would take them; `key=value` stands for any."""
    found = re.findall(r"--set\s+([\w.]+=[^\s`'\"]+)", page.read_text(encoding="utf-8"))
    load_config(overrides=[setting for setting in found if setting != "key=value"])
    named = re.findall(r"`((?:mano_optim|pose_optim|neural_render|gcn)\.\w+)`", prose(page))
    for section, _, key in (name.partition(".") for name in named if not name.endswith(".py")):
        assert key in load_config()[section], f"{section}.{key}"


@on_every_page
def test_targets_of_make(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    for name in re.findall(r"(?:^|`)make\s+([a-z]+)", page.read_text(encoding="utf-8"), re.M):
        assert name in targets, f"make {name}"


def test_make_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)[1].split()
    described = re.findall(r"^([a-z]+):.*  ## ", makefile, re.M)
    assert sorted(phony) == sorted(described)
