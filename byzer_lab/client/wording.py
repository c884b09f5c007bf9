"""What is written into prompts, by language. Change a text here, or give a language its own:

    WORDING["fr"] = WORDING["en"] | {"response_class": "{prompt}\\nRéponds en JSON : {schema}"}
    llm.setup_wording_language("fr")

Texts are filled in by ``str.format``: a brace that is meant stands twice.
"""

from __future__ import annotations

from typing import Any

from byzer_lab.errors import InvalidRequestError, describe

WORDING: dict[str, dict[str, str]] = {
    "en": {
        "response_class": "{prompt}\nReturn only JSON for this schema:\n{schema}",
        "response_class_after_chat": (
            "Write your last answer as JSON. Return only JSON for this schema:\n{schema}"
        ),
        "answer_again": (
            "That doesn't fit: {reason}. Return only JSON that fits the schema, nothing else."
        ),
        "function_calling": (
            "{prompt}\n\n"
            "You can call these tools, given as JSON with a JSON schema of their arguments:\n"
            "{tools}\n\n"
            "{choice} To call tools, answer with JSON of this form alone, one entry for each "
            'call:\n{{"tool_calls": [{{"name": "...", "arguments": {{...}}}}]}}'
        ),
        "choice_auto": "If no tool fits, answer in plain words, without JSON.",
        "choice_none": "Don't call a tool now; answer in plain words.",
        "choice_required": "Call at least one tool.",
        "choice_named": "Call the tool {name}.",
        "tool_results": "The tools returned:\n{results}\n\nAnswer with the help of this.",
        "markers": "Write {start} before your answer and {end} behind it.",
        "go_on": (
            "Go on exactly where you stopped, without repeating anything, and end with {end}."
        ),
        "ability": "Some questions ask for an answer in a form of its own. Keep to that form.",
        "ability_response_with_class": (
            "A question with a JSON schema: answer with JSON that fits it and nothing else. For "
            'the schema {{"type": "object", "properties": {{"city": {{"type": "string"}}}}, '
            '"required": ["city"]}} an answer is {{"city": "Paris"}}.'
        ),
        "ability_function_calling": (
            "A question with tools: to call some, answer with JSON like "
            '{{"tool_calls": [{{"name": "compute_date_range", "arguments": {{"count": 3, "unit": '
            '"day"}}}}]}} and nothing else. If no tool fits, answer in plain words.'
        ),
        "ability_function_impl": (
            "A question with the signature of a function: answer with one Python code block that "
            "imports what it needs and defines that function. Don't call it."
        ),
        "ability_others": "Any other question: answer in plain words.",
        "function_impl": (
            "Write a Python function with this name and these parameters:\n"
            "```json\n{signature}\n```\n\n"
            "What it does: {description}\n"
            "It is called to answer this: {prompt}\n\n"
            "It returns a dict that fits this JSON schema:\n```json\n{schema}\n```\n\n"
            "Answer with one Python code block that imports what it needs and defines the "
            "function. Don't call it and show no example."
        ),
        "function_again": (
            "That doesn't work: {reason}\n\nAnswer with one Python code block that defines the "
            "whole function anew, nothing else."
        ),
    },
    "zh": {
        "response_class": "{prompt}\n请只返回符合以下 JSON Schema 的 JSON：\n{schema}",
        "response_class_after_chat": (
            "请把你上一个回答整理成 JSON，只返回符合以下 JSON Schema 的 JSON：\n{schema}"
        ),
        "answer_again": "这个回答不符合要求：{reason}。请只返回符合 Schema 的 JSON，不要其他内容。",
        "function_calling": (
            "{prompt}\n\n你可以调用以下工具，参数用 JSON Schema 描述：\n{tools}\n\n"
            "{choice}调用工具时，只用如下形式的 JSON 回答，每次调用一项：\n"
            '{{"tool_calls": [{{"name": "...", "arguments": {{...}}}}]}}'
        ),
        "choice_auto": "如果没有合适的工具，请直接用文字回答，不要使用 JSON。",
        "choice_none": "现在不要调用工具，请直接用文字回答。",
        "choice_required": "至少调用一个工具。",
        "choice_named": "请调用工具 {name}。",
        "tool_results": "工具返回：\n{results}\n\n请据此回答。",
        "markers": "请在回答之前写 {start}，在回答之后写 {end}。",
        "go_on": "请从你停下的地方继续，不要重复任何内容，并以 {end} 结束。",
        "ability": "有些问题要求以特定形式回答，请遵守该形式。",
        "ability_response_with_class": (
            "带有 JSON Schema 的问题：只用符合它的 JSON 回答。例如对于 Schema "
            '{{"type": "object", "properties": {{"city": {{"type": "string"}}}}, '
            '"required": ["city"]}}，回答可以是 {{"city": "巴黎"}}。'
        ),
        "ability_function_calling": (
            "带有工具的问题：需要调用工具时，只用如下 JSON 回答："
            '{{"tool_calls": [{{"name": "compute_date_range", "arguments": {{"count": 3, "unit": '
            '"day"}}}}]}}。如果没有合适的工具，请直接用文字回答。'
        ),
        "ability_function_impl": (
            "带有函数签名的问题：只用一个 Python 代码块回答，包含所需的 import 和该函数的定义，"
            "不要调用它。"
        ),
        "ability_others": "其他问题：直接用文字回答。",
        "function_impl": (
            "请编写一个 Python 函数，名字和参数如下：\n```json\n{signature}\n```\n\n"
            "它的作用：{description}\n它用来回答这个问题：{prompt}\n\n"
            "它返回一个符合以下 JSON Schema 的 dict：\n```json\n{schema}\n```\n\n"
            "请只用一个 Python 代码块回答，包含所需的 import 和函数定义，不要调用它，也不要示例。"
        ),
        "function_again": (
            "这段代码不能工作：{reason}\n\n请只用一个 Python 代码块重新给出完整的函数定义。"
        ),
    },
}
DEFAULT_LANGUAGE = "en"


def words(key: str, language: str = DEFAULT_LANGUAGE, **values: Any) -> str:
    """A text of the table, filled in.

    Raises:
        InvalidRequestError: There is no such language, or its text can't be filled in.
    """
    if language not in WORDING:
        raise InvalidRequestError(
            f"There is no wording in the language {language!r}; there is: {', '.join(WORDING)}."
        )
    if key not in WORDING[language]:
        raise InvalidRequestError(
            f"The wording in the language {language!r} has no {key!r}; begin with "
            f'WORDING[{language!r}] = WORDING["en"] | {{...}}.'
        )
    try:
        return WORDING[language][key].format(**values)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise InvalidRequestError(
            f"The wording {key!r} in the language {language!r} can't be filled in "
            f"({describe(error)}); it has {', '.join(values) or 'nothing'} to fill in, and a brace "
            "that is meant stands twice."
        ) from error
