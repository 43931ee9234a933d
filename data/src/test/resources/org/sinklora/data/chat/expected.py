"""Writes expected.json: what Python's Jinja, set up as Transformers does, makes of the templates.

    python3 expected.py
"""

import json
import pathlib

import jinja2
from jinja2 import ext, nodes, sandbox


class Generation(ext.Extension):
    """Writes the body, as Transformers does where no mask is asked for."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_body")
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


environment = sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, ext.loopcontrols]
)
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception

folder = pathlib.Path(__file__).parent
conversations = json.loads((folder / "conversations.json").read_text(encoding="utf-8"))
expected = {}
for file in sorted(folder.glob("*.jinja")):
    template = environment.from_string(file.read_text(encoding="utf-8"))
    of_template = expected[file.stem] = {}
    for name, conversation in conversations.items():
        if isinstance(conversation, list):
            conversation = {"messages": conversation}
        texts = of_template[name] = {}
        for ending, prompt in (("told", False), ("asked", True)):
            try:
                texts[ending] = template.render(
                    **conversation,
                    add_generation_prompt=prompt,
                    bos_token="<s>",
                    eos_token="</s>",
                )
            except (jinja2.exceptions.TemplateError, TypeError):
                texts[ending] = None
text = json.dumps(expected, ensure_ascii=False, indent=1)
(folder / "expected.json").write_text(text + "\n", encoding="utf-8")
