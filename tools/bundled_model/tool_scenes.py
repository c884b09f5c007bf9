"""Requests for the documentation's tools, in English and Chinese, with what each tool returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from .drawing import Draw
from .tool_specs import ADD, CONVERT, DATE_RANGE, NOW, WEATHER, Call, function_spec
from .words import place, words


class Scene(NamedTuple):
    """A request, the call it needs, what the tool returns and the sentence that follows."""

    prompt: str
    call: Call
    result: str
    answer: str
    tool: dict[str, Any]


_UNITS_ZH = {
    "天": "day",
    "日": "day",
    "周": "week",
    "个星期": "week",
    "个月": "month",
    "年": "year",
}
_UNITS_EN = {"day": "day", "week": "week", "month": "month", "year": "year"}
_EN = words("one two three four five six seven eight nine ten eleven twelve")
_CURRENCIES = words("USD EUR GBP JPY CNY CHF SEK NOK INR BRL CAD AUD")
_TOPICS_ZH = (
    "",
    "",
    "趋势",
    "的趋势",
    "的数据",
    "的销售额",
    "销售趋势",
    "的订单",
    "的情况",
    "的收入",
    "的报表",
)
_TOPICS_EN = ("the trend", "sales", "the data", "orders", "the report", "revenue", "all messages")


def chinese_numeral(value: int) -> str:
    """1 to 99 in Chinese characters, with 两 for a counted two."""
    digits = "零一二三四五六七八九"
    if value == 2:
        return "两"
    if value < 10:
        return digits[value]
    tens, ones = divmod(value, 10)
    return ("" if tens == 1 else digits[tens]) + "十" + (digits[ones] if ones else "")


def _date(draw: Draw) -> str:
    return f"20{draw.integer(20, 29)}-{draw.integer(1, 12):02d}-{draw.integer(1, 28):02d}"


def _clock(draw: Draw) -> str:
    return f"{draw.integer(0, 23):02d}:{draw.integer(0, 59):02d}:{draw.integer(0, 59):02d}"


def _count(draw: Draw) -> int:
    return draw.integer(1, 12) if draw.chance(0.7) else draw.integer(1, 99)


def date_range_zh(draw: Draw) -> Scene:
    """最近三个月趋势 and its kin."""
    unit_text = draw.choice(list(_UNITS_ZH))
    count = _count(draw)
    numeral = chinese_numeral(count) if draw.chance(0.6) else str(count)
    if draw.chance(0.05):
        count, unit_text, numeral = 6, "个月", "半"
    span = "半年" if numeral == "半" else numeral + unit_text
    frame = draw.choice(
        (
            "最近{span}{topic}",
            "最近{span}{topic}",
            "过去{span}{topic}",
            "近{span}{topic}",
            "计算最近{span}的日期范围",
            "查看最近{span}{topic}",
            "帮我看看过去{span}{topic}",
            "{span}前到现在",
        )
    )
    prompt = frame.format(span=span, topic=draw.choice(_TOPICS_ZH))
    prompt += draw.choice(("", "", "", "。", "？"))
    start, end = _date(draw), _date(draw)
    return Scene(
        prompt,
        ("compute_date_range", {"count": count, "unit": _UNITS_ZH[unit_text]}),
        json.dumps([start, end]),
        f"时间范围是 {start} 到 {end}。",
        DATE_RANGE,
    )


def date_range_en(draw: Draw) -> Scene:
    """The last three months and its kin."""
    unit, count = draw.choice(list(_UNITS_EN)), _count(draw)
    numeral = _EN[count - 1] if count <= 12 and draw.chance(0.6) else str(count)
    span = f"{numeral} {unit}{'' if count == 1 else 's'}"
    frame = draw.choice(
        (
            "Show me {topic} of the last {span}.",
            "{topic} for the past {span}",
            "the last {span}",
            "Compute the date range of the last {span}.",
            "What is the range of the past {span}?",
            "Give me {topic} of the past {span}",
            "The trend of the last {span}",
        )
    )
    prompt = frame.format(topic=draw.choice(_TOPICS_EN), span=span)
    start, end = _date(draw), _date(draw)
    return Scene(
        prompt,
        ("compute_date_range", {"count": count, "unit": unit}),
        json.dumps([start, end]),
        f"The range is from {start} to {end}.",
        DATE_RANGE,
    )


def now_zh(draw: Draw) -> Scene:
    """计算当前时间 and its kin."""
    core = draw.choice(
        (
            "计算当前时间",
            "现在几点了",
            "现在是什么时间",
            "今天几号",
            "当前时间",
            "现在的时间",
            "告诉我现在的时间",
            "查询当前时间",
            "今天是几月几号",
            "当前日期是什么",
        )
    )
    prompt = (
        draw.choice(("", "", "请问", "请", "帮我", "你好，", "请帮我"))
        + core
        + draw.choice(("", "", "？", "。", "！", "谢谢", "？谢谢"))
    )
    time = f"{_date(draw)} {_clock(draw)}"
    return Scene(prompt, ("compute_now", {}), time, f"现在是 {time}。", NOW)


def now_en(draw: Draw) -> Scene:
    """What time is it and its kin."""
    core = draw.choice(
        (
            "what time is it",
            "what is the current time",
            "what is the time now",
            "what is the date today",
            "tell me the time",
            "compute the current time",
            "what day is it",
            "get the current date",
            "show the current time",
        )
    )
    core = core.capitalize() if draw.chance(0.6) else core
    prompt = core + draw.choice(("", "?", ".", " please", " now?", "? Thanks!", ", please?"))
    time = f"{_date(draw)} {_clock(draw)}"
    return Scene(prompt, ("compute_now", {}), time, f"It is {time}.", NOW)


def _weather_tool(draw: Draw) -> dict[str, Any]:
    """The weather tool, sometimes under another name or with other parameters."""
    if draw.chance(0.6):
        return WEATHER
    name = draw.choice(("get_weather", "weather", "get_current_weather", "weather_of"))
    properties: dict[str, Any] = {draw.choice(("city", "location", "place")): {"type": "string"}}
    if draw.chance(0.5):
        properties["unit"] = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    about = draw.choice(("Get the weather of a city.", "Get the current weather.", "The weather."))
    return function_spec(name, about, properties)


def weather(draw: Draw) -> Scene:
    """The weather of a city; degrees Celsius unless asked otherwise."""
    tool, city = _weather_tool(draw), place(draw)
    where = next(iter(tool["function"]["parameters"]["properties"]))
    unit = draw.choice(("celsius", "celsius", "fahrenheit"))
    suffix = draw.choice(("", f" in {unit}")) if unit == "celsius" else f" in {unit}"
    arguments = {where: city, "unit": unit}
    if "unit" not in tool["function"]["parameters"]["properties"]:
        suffix, arguments = "", {where: city}
    frame = draw.choice(
        (
            "What is the weather in {}{}?",
            "How is the weather in {}{}?",
            "Weather in {}{}",
            "Tell me the weather in {}{}.",
            "Get the weather of {}{}.",
            "How warm is it in {}{}?",
            "What's the weather like in {}{}?",
        )
    )
    degrees, sky = draw.integer(-9, 39), draw.choice(("sunny", "cloudy", "rainy", "windy"))
    result = draw.choice(
        (
            json.dumps({"temperature": degrees, "sky": sky}),
            f"{degrees} degrees, {sky}",
            f"{sky}, {degrees} degrees",
        )
    )
    return Scene(
        frame.format(city, suffix),
        (tool["function"]["name"], arguments),
        result,
        f"In {city} it is {degrees} degrees and {sky}.",
        tool,
    )


def _amount(draw: Draw) -> int | float:
    value = draw.integer(1, 9999 if draw.chance(0.4) else 99)
    return value + draw.integer(1, 9) / 10 if draw.chance(0.2) else value


def arithmetic(draw: Draw) -> Scene:
    """Two numbers for the adding tool, or for one of its kin."""
    a, b = _amount(draw), _amount(draw)
    if draw.chance(0.3):
        frame = draw.choice(("Multiply {} by {}.", "What is {} times {}?", "{} * {}"))
        name = draw.choice(("multiply", "multiply_numbers", "times"))
        about, answer = "Multiply two numbers.", f"The product is {round(a * b, 2)}."
        result = str(round(a * b, 2))
    else:
        frame = draw.choice(
            (
                "Add {} and {}.",
                "What is {} plus {}?",
                "Add {} to {}",
                "{} + {}",
                "Compute {} plus {}.",
                "What is the sum of {} and {}?",
            )
        )
        name = "add" if draw.chance(0.7) else draw.choice(("add_numbers", "sum", "plus"))
        result = str(round(a + b, 1))
        about, answer = "Add two numbers.", f"The sum is {result}."
    first, second = (
        ("a", "b") if draw.chance(0.7) else draw.choice((("x", "y"), ("first", "second")))
    )
    kind = "integer" if isinstance(a, int) and isinstance(b, int) and draw.chance(0.5) else "number"
    tool = (
        ADD
        if name == "add" and first == "a" and kind == "number"
        else function_spec(name, about, {first: {"type": kind}, second: {"type": kind}})
    )
    return Scene(frame.format(a, b), (name, {first: a, second: b}), result, answer, tool)


def convert(draw: Draw) -> Scene:
    """An amount and two currencies."""
    amount, (source, target) = _amount(draw), draw.sample(_CURRENCIES, 2)
    frame = draw.choice(
        (
            "Convert {} {} to {}.",
            "How much is {} {} in {}?",
            "{} {} to {}",
            "Change {} {} into {}, please.",
            "What are {} {} in {}?",
        )
    )
    result = round(amount * draw.integer(2, 30) / 10, 2)
    return Scene(
        frame.format(amount, source, target),
        ("convert_currency", {"amount": amount, "from": source, "to": target}),
        str(result),
        f"{amount} {source} are {result} {target}.",
        CONVERT,
    )


SCENES: tuple[tuple[Callable[[Draw], Scene], int], ...] = (
    (date_range_zh, 5),
    (date_range_en, 3),
    (now_zh, 2),
    (now_en, 1),
    (weather, 3),
    (arithmetic, 3),
    (convert, 2),
)
