"""How the form looks: JupyterLab's own variables, so that it follows the theme."""

from __future__ import annotations

import html

ROOT = "byzer-lab-form"
LABEL_WIDTH = "180px"
CSS = f"""
<style>
.{ROOT} {{ max-width: 980px; font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1); color: var(--jp-ui-font-color1); overflow: visible; }}
.{ROOT} .widget-html-content {{ line-height: 1.45; }}
.{ROOT} .bl-title {{ font-size: var(--jp-ui-font-size2); font-weight: 600; }}
.{ROOT} .bl-part {{ font-weight: 600; margin-top: 10px;
  border-bottom: 1px solid var(--jp-border-color2); }}
.{ROOT} .bl-muted {{ color: var(--jp-ui-font-color2); }}
.{ROOT} .bl-problem {{ color: var(--jp-error-color1); }}
.{ROOT} .bl-succeeded {{ color: var(--jp-success-color1); }}
.{ROOT} .bl-cancelled {{ color: var(--jp-warn-color1); }}
.{ROOT} .bl-row {{ align-items: flex-start; flex-flow: row wrap; overflow: visible;
  margin: 1px 0; }}
.{ROOT} .bl-row > .widget-html {{ flex: 1 1 220px; width: auto; margin-left: 10px;
  height: auto; padding-top: 3px; }}
.{ROOT} .bl-row > .widget-button {{ width: 28px; flex: none; padding: 0; }}
.{ROOT} pre {{ margin: 0; padding: 8px; overflow: auto; white-space: pre-wrap;
  font-family: var(--jp-code-font-family); font-size: var(--jp-code-font-size);
  line-height: 1.4; color: var(--jp-ui-font-color1); background: var(--jp-layout-color2);
  border: 1px solid var(--jp-border-color2); }}
.{ROOT} pre.bl-log {{ max-height: 180px; display: flex; flex-direction: column-reverse; }}
.{ROOT} .bl-tools {{ text-align: right; margin: 4px 0 0; }}
.{ROOT} .bl-tools button {{ font: inherit; cursor: pointer; margin-left: 6px; padding: 2px 10px;
  color: var(--jp-ui-font-color1); background: var(--jp-layout-color1);
  border: 1px solid var(--jp-border-color1); border-radius: 2px; }}
.{ROOT} .bl-tools button:hover {{ background: var(--jp-layout-color2); }}
.{ROOT} select option, .{ROOT} select {{ color: var(--jp-ui-font-color1); }}
</style>
"""


def escape(text: object) -> str:
    """Text made safe inside HTML."""
    return html.escape(str(text), quote=True)


def span(kind: str, text: object) -> str:
    """Text of one kind: ``muted``, ``problem``, ``title``, ``part``, ``succeeded``, ..."""
    return f'<span class="bl-{kind}">{escape(text)}</span>' if text else ""


def part(text: str) -> str:
    """The heading of a part of the form."""
    return f'<div class="bl-part" role="heading" aria-level="3">{escape(text)}</div>'
