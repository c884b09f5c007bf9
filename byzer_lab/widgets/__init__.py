"""The deploy form: ``%llm_deploy`` without arguments.

``catalog`` says what a deployment can be made of, ``model_path`` completes and looks at the model's
path, ``draft`` checks what was filled in and makes a spec of it, ``equivalents`` writes the spec as
a cell and as Python: they know nothing of widgets. ``deploy_form`` puts the widgets together, from
``rows``, ``parameter_rows``, ``snippets`` and ``progress``.

ipywidgets is imported by these alone, when the form opens.
"""
