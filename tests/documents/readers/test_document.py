"""What readers give: a plain record that a bare process can load, and ids that come from the content."""

import subprocess
import sys

from engine.documents.readers.document import SourceDocument, content_id
from tests.support.paths import ROOT

LOADED = """
import sys, {module}
project = [name for name in sys.modules if name.partition(".")[0] in ("engine", "training", "eval")]
others = sorted({{name.partition(".")[0] for name in sys.modules}} - sys.stdlib_module_names - {{"engine", "__main__"}})
print(sorted(project), others)
"""


def loaded_by(module: str) -> str:
    """The project's modules and other packages that a fresh process has loaded after importing a module."""
    command = [sys.executable, "-S", "-c", LOADED.format(module=module)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_a_document_is_loaded_without_any_package() -> None:
    rooms = ["engine", "engine.documents", "engine.documents.readers"]
    assert loaded_by("engine.documents.readers.document") == f"{[*rooms, 'engine.documents.readers.document']} []"


def test_the_interpreters_documentation_is_read_without_any_package() -> None:
    rooms = ["engine", "engine.documents", "engine.documents.readers"]
    modules = [*rooms, *(f"{rooms[-1]}.{name}" for name in ("document", "python_docs", "python_docs_pieces"))]
    assert loaded_by("engine.documents.readers.python_docs") == f"{modules} []"


def test_an_id_from_the_content_is_the_same_everywhere() -> None:
    assert content_id("Bees", "They dance.") == "a9524102a7267e02"
    assert content_id("Bees", "") != content_id("", "Bees")
    assert len(content_id("", "\ud800")) == 16


def test_a_document_has_no_reason_to_fail_unless_a_reader_gives_one() -> None:
    assert SourceDocument("a", "", "text").reason == ""
