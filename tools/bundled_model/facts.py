"""Closed everyday facts."""

from __future__ import annotations

from .drawing import Draw, Example
from .wording import closed

CAPITALS = {
    "France": "Paris",
    "Germany": "Berlin",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Norway": "Oslo",
    "Austria": "Vienna",
    "Portugal": "Lisbon",
    "Ireland": "Dublin",
    "England": "London",
    "Greece": "Athens",
    "Egypt": "Cairo",
    "Japan": "Tokyo",
    "China": "Beijing",
    "Russia": "Moscow",
    "Poland": "Warsaw",
    "Sweden": "Stockholm",
    "Finland": "Helsinki",
    "Denmark": "Copenhagen",
    "Canada": "Ottawa",
    "Australia": "Canberra",
    "Cuba": "Havana",
    "Peru": "Lima",
    "South Korea": "Seoul",
    "Kenya": "Nairobi",
    "Turkey": "Ankara",
    "Belgium": "Brussels",
    "Switzerland": "Bern",
    "Hungary": "Budapest",
    "India": "New Delhi",
    "Thailand": "Bangkok",
}
OPPOSITES = {
    "hot": "cold",
    "big": "small",
    "up": "down",
    "day": "night",
    "fast": "slow",
    "good": "bad",
    "open": "closed",
    "old": "young",
    "happy": "sad",
    "light": "dark",
    "rich": "poor",
    "left": "right",
    "wet": "dry",
    "full": "empty",
    "high": "low",
    "strong": "weak",
    "early": "late",
    "loud": "quiet",
    "hard": "soft",
    "long": "short",
}
SOUNDS = {
    "cat": "meow",
    "dog": "woof",
    "cow": "moo",
    "sheep": "baa",
    "duck": "quack",
    "pig": "oink",
    "lion": "roar",
    "bee": "buzz",
}
OTHER: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (
            "How many days are in a week?",
            "How many days does a week have?",
            "Number of days in a week?",
        ),
        "A week has seven days.",
    ),
    (
        ("How many months are in a year?", "How many months does a year have?"),
        "A year has twelve months.",
    ),
    (("How many hours are in a day?", "How many hours does a day have?"), "A day has 24 hours."),
    (
        ("How many minutes are in an hour?", "How many minutes does an hour have?"),
        "An hour has 60 minutes.",
    ),
    (
        ("How many seconds are in a minute?", "How many seconds does a minute have?"),
        "A minute has 60 seconds.",
    ),
    (
        ("How many days are in a year?", "How many days does a year have?"),
        "A year has 365 days, a leap year 366.",
    ),
    (("How many weeks are in a year?",), "A year has about 52 weeks."),
    (
        ("What color is the sky?", "What colour is the sky?", "Which color is the sky?"),
        "On a clear day the sky is blue.",
    ),
    (
        ("Why is the sky blue?", "Explain why the sky is blue."),
        "The air scatters blue light from the sun more than red light.",
    ),
    (("What color is grass?", "Which color does grass have?"), "Grass is green."),
    (("What color is snow?", "Which color does snow have?"), "Snow is white."),
    (
        ("What color is a banana?", "Which color does a ripe banana have?"),
        "A ripe banana is yellow.",
    ),
    (("What color is blood?",), "Blood is red."),
    (
        ("What color do red and white make?", "What do you get from red and white?"),
        "Red and white make pink.",
    ),
    (
        ("What color do blue and yellow make?", "What do you get from blue and yellow?"),
        "Blue and yellow make green.",
    ),
    (("How many legs does a dog have?", "Number of legs of a dog?"), "A dog has four legs."),
    (("How many legs does a spider have?",), "A spider has eight legs."),
    (("How many legs does an insect have?",), "An insect has six legs."),
    (("How many legs does a bird have?",), "A bird has two legs."),
    (
        ("What is the largest planet?", "Which planet is the largest?"),
        "Jupiter is the largest planet of the solar system.",
    ),
    (
        ("What is the closest planet to the sun?", "Which planet is closest to the sun?"),
        "Mercury is closest to the sun.",
    ),
    (
        ("How many planets are there?", "How many planets are in the solar system?"),
        "The solar system has eight planets.",
    ),
    (("What is the sun?", "Is the sun a star?"), "The sun is a star."),
    (("What is the moon?",), "The moon is the natural satellite of the Earth."),
    (("Is the Earth round?", "What shape is the Earth?"), "The Earth is almost a sphere."),
    (
        ("What is water made of?", "What is the formula of water?", "What is H2O?"),
        "Water is H2O: hydrogen and oxygen.",
    ),
    (
        ("At what temperature does water boil?", "When does water boil?"),
        "Water boils at 100 degrees Celsius.",
    ),
    (
        ("At what temperature does water freeze?", "When does water freeze?"),
        "Water freezes at 0 degrees Celsius.",
    ),
    (("What is ice?", "What is ice made of?"), "Ice is frozen water."),
    (
        ("What do plants need to grow?", "What do plants need?"),
        "Plants need light, water, air and soil.",
    ),
    (("What do bees make?", "What do bees produce?"), "Bees make honey."),
    (("What do cows give?", "Where does milk come from?"), "Milk comes from cows."),
    (("What do pandas eat?",), "Pandas eat bamboo."),
    (
        ("What is the largest animal?", "Which animal is the largest?"),
        "The blue whale is the largest animal.",
    ),
    (
        ("What is the fastest animal on land?", "Which land animal is the fastest?"),
        "The cheetah is the fastest animal on land.",
    ),
    (("Which animal is called man's best friend?",), "The dog is called man's best friend."),
    (
        ("What is the first month of the year?", "Which month comes first?"),
        "January is the first month of the year.",
    ),
    (
        ("What is the last month of the year?", "Which month comes last?"),
        "December is the last month of the year.",
    ),
    (
        ("Name the seasons.", "What are the four seasons?", "How many seasons are there?"),
        "The four seasons are spring, summer, autumn and winter.",
    ),
    (
        ("Name the days of the week.", "List the days of the week."),
        "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.",
    ),
    (
        ("Name three colors.", "List three colors.", "Give me three colors."),
        "- red\n- green\n- blue",
    ),
    (
        ("Name three fruits.", "List three fruits.", "Give me three fruits."),
        "- apple\n- banana\n- orange",
    ),
    (
        ("Name three animals.", "List three animals.", "Give me three animals."),
        "- cat\n- dog\n- horse",
    ),
    (("Count to five.", "Count from one to five."), "One, two, three, four, five."),
    (("Count to ten.", "Count from 1 to 10."), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
    (
        ("Say the alphabet.", "What are the letters of the alphabet?"),
        "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
    ),
    (
        ("What is gravity?", "Why do things fall?"),
        "Gravity is the force that pulls things together.",
    ),
    (("What is Python?", "What is the Python language?"), "Python is a programming language."),
    (("What is a computer?",), "A computer is a machine that runs programs."),
    (("What is the internet?",), "The internet connects computers all over the world."),
    (
        ("What is the largest ocean?", "Which ocean is the largest?"),
        "The Pacific is the largest ocean.",
    ),
    (
        ("What is the highest mountain?", "Which mountain is the highest?"),
        "Mount Everest is the highest mountain.",
    ),
    (
        ("What is the longest river?", "Which river is the longest?"),
        "The Nile is often called the longest river.",
    ),
    (("How many continents are there?", "Number of continents?"), "There are seven continents."),
    (("What is pi?", "What is the value of pi?"), "Pi is about 3.14159."),
    (("How many sides does a triangle have?",), "A triangle has three sides."),
    (("How many sides does a square have?",), "A square has four sides."),
    (
        ("What is the meaning of life?", "What is the answer to everything?"),
        "Many people say 42. I am too small to know.",
    ),
    (("Who wrote Hamlet?", "Who wrote Romeo and Juliet?"), "William Shakespeare wrote it."),
    (("Who painted the Mona Lisa?",), "Leonardo da Vinci painted the Mona Lisa."),
    (("What is 1 plus 1?", "What is 1+1?", "1+1"), "1 plus 1 is 2."),
    (("What is 2 plus 2?", "What is 2+2?", "2+2"), "2 plus 2 is 4."),
    (("What is 3 plus 4?", "What is 3+4?"), "3 plus 4 is 7."),
    (("中国的首都是哪里？", "中国首都是哪里？", "中国的首都是什么？"), "中国的首都是北京。"),
    (("法国的首都是哪里？", "法国的首都是什么？"), "法国的首都是巴黎。"),
    (("日本的首都是哪里？", "日本的首都是什么？"), "日本的首都是东京。"),
    (("一年有几个月？", "一年有多少个月？"), "一年有十二个月。"),
    (("一周有几天？", "一个星期有几天？"), "一周有七天。"),
    (("天空是什么颜色？", "天是什么颜色的？"), "晴天的时候，天空是蓝色的。"),
    (("一天有多少小时？", "一天有几个小时？"), "一天有二十四小时。"),
    (("一加一等于几？", "1加1等于几？"), "一加一等于二。"),
)


def _all_facts() -> tuple[tuple[tuple[str, ...], str], ...]:
    facts = list(OTHER)
    for country, capital in CAPITALS.items():
        facts.append(
            (
                (
                    f"What is the capital of {country}?",
                    f"Capital of {country}?",
                    f"Which city is the capital of {country}?",
                    f"Name the capital of {country}.",
                ),
                f"The capital of {country} is {capital}.",
            )
        )
    for one, other in OPPOSITES.items():
        facts.append(
            (
                (
                    f"What is the opposite of {one}?",
                    f"Opposite of {one}?",
                    f"Which word is the opposite of {one}?",
                ),
                f"The opposite of {one} is {other}.",
            )
        )
    for animal, sound in SOUNDS.items():
        facts.append(
            (
                (f"What does the {animal} say?", f"What sound does a {animal} make?"),
                f"The {animal} says {sound}.",
            )
        )
    return tuple(facts)


FACTS = _all_facts()


def fact(draw: Draw) -> Example:
    """A closed everyday fact."""
    wordings, answer = draw.choice(FACTS)
    return closed(draw, "everyday fact", wordings, answer)


def fact_beside_tools(draw: Draw) -> Example:
    """A fact that no tool fits."""
    wordings, answer = draw.choice(FACTS)
    return closed(draw, "no tool fits", wordings, answer)


MAKERS = ((fact, 1),)
