"""What Byzer Lab is and how it is used: short Markdown answers."""

from __future__ import annotations

from .drawing import Draw, Example
from .wording import closed

HELP: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        (
            "What is Byzer Lab?",
            "what is byzer lab",
            "Tell me about Byzer Lab.",
            "Explain Byzer Lab.",
            "What does Byzer Lab do?",
            "What is this?",
        ),
        "**Byzer Lab** is a workbench for language models inside JupyterLab. You can "
        "deploy models, "
        "chat with them, call them from SQL and fine-tune them.",
    ),
    (
        (
            "How do I deploy a model?",
            "how to deploy a model",
            "How can I deploy a model?",
            "Deploy a model.",
            "How do I start a model?",
        ),
        "Run this cell:\n\n```\n%%llm_deploy chat --model_path bundled\n```\n\n"
        "The model appears in the sidebar when it is ready.",
    ),
    (
        (
            "How do I chat with a model?",
            "How do I ask a model?",
            "How do I send a prompt?",
            "How can I talk to a model?",
            "How do I use a model?",
        ),
        "Write your question in a prompt cell:\n\n```\n%%prompt --model chat\nHello!\n```",
    ),
    (
        ("What is %%llm_deploy?", "What does %%llm_deploy do?", "What is the deploy cell?"),
        "`%%llm_deploy` is a cell that deploys a model under a name:\n\n"
        "```\n%%llm_deploy chat --model_path bundled\n```",
    ),
    (
        (
            "What is %%prompt?",
            "What does %%prompt do?",
            "What is the prompt cell?",
            "How does the prompt cell work?",
        ),
        "`%%prompt` is a cell that sends its text to a model:\n\n"
        "```\n%%prompt --model chat\nHello!\n```",
    ),
    (
        (
            "What is in the sidebar?",
            "What does the sidebar show?",
            "Where do I see my models?",
            "What is the sidebar?",
            "How do I use the sidebar?",
        ),
        (
            "The sidebar shows your models, jobs and workers. You can start, watch and stop "
            "them there."
        ),
    ),
    (
        (
            "How do I use a model in SQL?",
            "Can I call a model from SQL?",
            "How do I use SQL?",
            "Does Byzer Lab support SQL?",
            "How does SQL work?",
        ),
        "Every deployed model is a SQL function:\n\n```sql\nselect chat('Hello') as answer\n```",
    ),
    (
        (
            "How do I fine-tune a model?",
            "How do I train a model?",
            "Can I fine-tune a model?",
            "How does fine-tuning work?",
            "What is fine-tuning?",
        ),
        "Fine-tuning teaches a model with your own examples:\n\n1. prepare your data\n"
        "2. start a training job\n3. merge the result\n4. deploy the new model",
    ),
    (
        ("How do I stop a model?", "How do I undeploy a model?", "How can I remove a model?"),
        "Open the sidebar, choose the model and press **Stop**.",
    ),
    (
        ("Which models can I deploy?", "What models are supported?", "Which model should I use?"),
        "You can deploy models from a Hugging Face folder, GGUF files and SaaS models. "
        "I am only a demo: choose a larger model for real work.",
    ),
    (
        ("What is Ray?", "Why does Byzer Lab use Ray?"),
        "Ray is the engine that runs models and jobs on one or many machines.",
    ),
    (
        ("What is a worker?", "What does a worker do?"),
        "A worker is a process that holds one model and answers its requests.",
    ),
    (
        ("What is vLLM?", "What is llama.cpp?", "What is a backend?", "Which backends are there?"),
        "A backend is the engine that runs a model. Byzer Lab knows these:\n\n- "
        "transformers\n- vLLM\n"
        "- llama.cpp\n- DeepSpeed",
    ),
    (
        ("What is a SaaS model?", "Can I use a SaaS model?", "How do I use OpenAI?"),
        (
            "A SaaS model runs at a provider. You deploy it with an API key and use it like "
            "a local model."
        ),
    ),
    (
        ("What is a token?", "What are tokens?"),
        "A token is a small piece of text. Models read and write text token by token.",
    ),
    (
        ("What is a prompt?", "What does prompt mean?"),
        "A prompt is the text that you send to a model.",
    ),
    (
        ("What is a tool call?", "What is function calling?", "Can you call tools?"),
        "In a tool call the model asks for a function with arguments. Byzer Lab runs it "
        "and returns "
        "the result.",
    ),
    (
        ("What is structured output?", "Can you write JSON?", "How do I get JSON?"),
        "With structured output the answer is JSON that fits your class or schema.",
    ),
    (
        ("What is an embedding?", "What are embeddings?"),
        "An embedding is a list of numbers that stands for the meaning of a text.",
    ),
    (
        ("What is JupyterLab?", "What is a notebook?"),
        "JupyterLab is a workbench in the browser. A notebook holds text, code and results.",
    ),
    (
        ("Is Byzer Lab free?", "What is the license?", "Is Byzer Lab open source?"),
        "Yes, Byzer Lab is open source under the Apache-2.0 license.",
    ),
    (
        ("What is a large language model?", "What is an LLM?", "What is a language model?"),
        "A language model is a program that has learned from text to continue text.",
    ),
    (
        ("Byzer Lab 是什么？", "什么是 Byzer Lab？", "介绍一下 Byzer Lab"),
        "**Byzer Lab** 是 JupyterLab 里的大模型工作台：部署模型，对话，用 SQL 调用，还可以微调。",
    ),
    (
        ("如何部署模型？", "怎么部署一个模型？", "怎样部署模型？"),
        "运行这个单元：\n\n```\n%%llm_deploy chat --model_path bundled\n```",
    ),
    (
        ("如何和模型对话？", "怎么使用模型？", "怎么提问？"),
        "运行这个单元：\n\n```\n%%prompt --model chat\n你好\n```",
    ),
    (("什么是大模型？", "什么是语言模型？"), "语言模型是从文本中学习，然后继续写文本的程序。"),
    (
        ("写一个排序算法", "写一个排序算法。"),
        "```python\ndef sort(items):\n    return sorted(items)\n```",
    ),
    (
        ("Write a sort function.", "Write a sorting algorithm.", "How do I sort a list in Python?"),
        "```python\ndef sort(items):\n    return sorted(items)\n```",
    ),
    (
        ("Write hello world in Python.", "Write a hello world program."),
        '```python\nprint("Hello, world!")\n```',
    ),
)


def help_answer(draw: Draw) -> Example:
    """A question about Byzer Lab."""
    wordings, answer = draw.choice(HELP)
    return closed(draw, "Byzer Lab help", wordings, answer)


MAKERS = ((help_answer, 1),)
