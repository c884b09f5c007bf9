"""``{{ name }}`` in a prompt: a Jinja template over the notebook's variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from IPython.core.error import UsageError

from byzer_lab.errors import describe, without_dot

_UNDEFINED = re.compile(r"'(\w+)' is undefined")
RAW_HINT = "--raw switches templates off"


def interpolate(template: str, namespace: Mapping[str, Any]) -> str:
    """Fill a template in. Single braces are plain text.

    Args:
        template: Text with ``{{ expression }}``, ``{% ... %}`` and ``{# ... #}``.
        namespace: The notebook's variables.

    Raises:
        UsageError: A name that is not defined, a template that can't be read, or an expression
            that fails.
    """
    if not re.search(r"\{[{%#]", template):
        return template
    import jinja2  # here, because loading the extension must be quick

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    try:
        return environment.from_string(template).render(namespace)
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(
            f"Line {error.lineno} of the prompt is not a valid template: "
            f"{without_dot(str(error.message))} ({RAW_HINT})."
        ) from None
    except jinja2.UndefinedError as error:
        raise UsageError(_undefined(str(error.message), namespace)) from None
    except Exception as error:
        raise UsageError(
            f"The prompt's template failed: {without_dot(describe(error))} ({RAW_HINT})."
        ) from None


def _undefined(message: str, namespace: Mapping[str, Any]) -> str:
    match = _UNDEFINED.search(message)
    if not match:
        return f"The prompt's template failed: {without_dot(message)} ({RAW_HINT})."
    name = match[1]
    names = [known for known in namespace if not known.startswith("_")]
    close = get_close_matches(name, names, n=3)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    return f"{name!r} is not defined in this notebook ({RAW_HINT}){hint}"
