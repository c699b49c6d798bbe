"""Renders a page of a sweep or a comparison, self-contained as the report's is.

In: a template of this folder and its values. Out: HTML. The looks are the report's (eval/page/templates/report.css) and
a few more, and a page may include partial templates of the report. They lie apart from the report's, since its
fingerprint covers its templates. Jinja2 escapes every text, and a content security policy in the page forbids whatever
would leave it.
"""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from engine.text.durations import format_seconds
from eval import wording
from eval.config import TEMPLATES as REPORT_TEMPLATES
from eval.sweeps.identity import STYLES, TEMPLATES


def render(template: str, values: Mapping[str, object]) -> str:
    """Renders one page as text.

    Args:
        template: the name of a file in `TEMPLATES`.
        values: everything that it names, but for the looks; `made_up` is a warning above all figures, by default none.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([TEMPLATES, REPORT_TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": wording.figure, "signed": wording.signed, "seconds": format_seconds}
    css = Markup("\n".join(style.read_text(encoding="utf-8") for style in STYLES))
    return environment.get_template(template).render({"made_up": "", **values, "css": css})
