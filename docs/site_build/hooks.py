"""What `mkdocs build` does besides: pages from outside docs/, the API references, and links into the source.

The documents are written for a reader of the repository, where every relative link works. On the site, a link to a
document leads to its page; a link to any other file, whose existence is checked, becomes its name.
"""

from __future__ import annotations

import json
import logging
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
from openapi_page import page as openapi_page

log = logging.getLogger("mkdocs.hooks.lectern")

# Docstrings write shapes in brackets, [N][k], which it takes for links that lead nowhere.
logging.getLogger("mkdocs.plugins.mkdocs_autorefs").setLevel(logging.ERROR)

ROOT = Path(__file__).parents[2]
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "training/RESULTS.md": "training/RESULTS.md",
    "tests/benchmarks/README.md": "tests/benchmarks/README.md",
}
"""Documents outside docs/ and the pages that they become."""
PACKAGES = ("service", "training")

_LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the API reference to the navigation."""
    assert config.nav is not None
    config.nav.append({"Code": [{group: _path(group)} for group in _groups()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for source, target in OUTSIDE.items():
        files.append(File.generated(config, target, content=(ROOT / source).read_text(encoding="utf-8")))
    for picture in sorted((ROOT / "training/pictures").glob("*.png")):
        files.append(File.generated(config, f"training/pictures/{picture.name}", content=picture.read_bytes()))
    document = json.loads((ROOT / "service/api/openapi.json").read_bytes())
    files.append(File.generated(config, "reference/http.md", content=openapi_page(document)))
    for group, modules in _groups().items():
        files.append(File.generated(config, _path(group), content=_reference(group, modules)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository into links of the site."""
    if page.file.src_uri.startswith("reference/"):
        return markdown
    fences: list[str] = []

    def keep(match: re.Match[str]) -> str:
        # Mermaid's script would come from elsewhere; GitHub has its own.
        note = "The drawing's source, in Mermaid; GitHub draws it.\n\n"
        fences.append(match[0].replace("```mermaid", note + "```text"))
        return f"\0{len(fences) - 1}\0"

    text = _FENCE.sub(keep, markdown)
    text = _LINK.sub(lambda match: _link(match, page.file.src_uri), text)
    return re.sub(r"\0(\d+)\0", lambda match: fences[int(match[1])], text)


def _link(match: re.Match[str], page: str) -> str:
    """A link of a document as the page has it."""
    picture, label, link = match.groups()
    if re.match(r"[a-z]+:|#", link):
        return match[0]
    path, _, anchor = link.partition("#")
    source = next((outside for outside, target in OUTSIDE.items() if target == page), f"docs/{page}")
    named = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not (ROOT / named).exists():
        log.warning("%s links to %s, which does not exist", source, named)
    target = OUTSIDE.get(named, named.removeprefix("docs/"))
    if named in OUTSIDE or named.startswith("docs/") or picture:
        relative = posixpath.relpath(target, posixpath.dirname(page) or ".")
        return f"{picture}[{label}]({relative}{f'#{anchor}' if anchor else ''})"
    return label


def _reference(group: str, modules: list[str]) -> str:
    """A page with the docstrings of some modules."""
    return f"# `{group}`\n\n" + "\n".join(f"::: {module}\n" for module in modules)


def _groups() -> dict[str, list[str]]:
    """The modules of both halves by page: one for each package, and for each task of `service.tasks`."""
    groups: dict[str, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if parts[-1] != "__main__":
                depth = 3 if parts[1] == "tasks" else 2
                module = ".".join(parts).removesuffix(".__init__")
                groups.setdefault(".".join(parts[:-1][:depth]), []).append(module)
    return dict(sorted(groups.items()))


def _path(group: str) -> str:
    return f"reference/{group}.md"
