"""Chinese copying: names told and asked for, short contexts, repetition."""

from __future__ import annotations

from .drawing import Draw, Example, chat
from .words import number

SURNAMES = "祝王李张刘陈杨赵黄周吴徐孙马朱胡林郭何高"
GIVEN = "威廉明华丽伟芳静强军洋勇艳杰涛超平刚文辉玲红梅小雨天宇子月安国建志春秋海山云龙"
TOWNS = (
    "北京",
    "上海",
    "杭州",
    "广州",
    "深圳",
    "南京",
    "成都",
    "西安",
    "武汉",
    "天津",
    "苏州",
    "大连",
)
FRUITS = ("苹果", "香蕉", "米饭", "牛奶", "茶", "鱼", "面包", "西瓜", "咖啡", "书", "音乐", "花")


def chinese_name(draw: Draw) -> str:
    """A surname and one or two given characters."""
    return draw.make(
        lambda: (
            draw.choice(SURNAMES) + "".join(draw.choice(GIVEN) for _ in range(draw.integer(1, 2)))
        )
    )


def remember_name_zh(draw: Draw) -> Example:
    """A Chinese name told in one turn and asked for in a later one."""
    name = chinese_name(draw)
    tell = draw.choice(
        (
            "请记住我的名字：{}",
            "我叫{}",
            "我叫{}。",
            "我的名字是{}。",
            "你好，请你记住我的名字：{}",
            "你好，我叫{}",
            "请记住，我的名字叫{}",
        )
    ).format(name)
    ask = draw.choice(
        ("我叫什么名字？", "我叫什么名字", "我是谁？", "我的名字是什么？", "请问我叫什么名字？")
    )
    return chat(
        "Chinese copying", tell, f"好的，{name}，我记住了你的名字。", ask, f"你的名字是{name}。"
    )


def context_zh(draw: Draw) -> Example:
    """A question about one to three Chinese sentences."""
    people = list(dict.fromkeys(chinese_name(draw) for _ in range(draw.integer(1, 3))))
    told = []
    for person in people:
        form, ask, value = draw.choice(
            (
                ("{}住在{}", "{}住在哪里？", draw.choice(TOWNS)),
                ("{}喜欢{}", "{}喜欢什么？", draw.choice(FRUITS)),
                ("{}今年{}岁", "{}今年多大？", str(draw.integer(3, 99))),
            )
        )
        told.append((form, ask, person, value))
    form, ask, person, value = draw.choice(told)
    context = "".join(f.format(p, v) + "。" for f, _, p, v in told)
    return chat(
        "Chinese copying",
        context + draw.choice(("", "\n", "问题：")) + ask.format(person),
        form.format(person, value) + "。",
    )


def repeat_zh(draw: Draw) -> Example:
    """Say Chinese words or a number back."""
    parts = [
        draw.choice((chinese_name, lambda d: number(d, 2, 6)))(draw)
        for _ in range(draw.integer(1, 3))
    ]
    text = draw.choice((" ", "，")).join(parts)
    return chat(
        "Chinese copying", draw.choice(("请重复：{}", "重复：{}", "跟我说：{}")).format(text), text
    )


MAKERS = ((remember_name_zh, 2), (context_zh, 2), (repeat_zh, 1))
