"""What Porthole's tools in Python share: the tool itself, its arguments, reading, tables, ages.

    import porthole

    @porthole.tool(
        name="config_keys", version="0.1.0", title="Keys of ConfigMaps",
        summary="The keys of every ConfigMap in a namespace.",
        arguments={"namespace": porthole.text("The namespace; the default one where left out.")},
        reads=[("list", "", "configmaps")],
    )
    def run(namespace=None):
        maps = porthole.list("configmaps", namespace or porthole.default_namespace(), fields=["metadata.name", "data"])
        return porthole.table(["NAME", "KEYS"], [[m["metadata"]["name"], ", ".join(m.get("data", {}))] for m in maps])

What a tool returns is text for a model; `raise porthole.Error("what happened, and what to do now")` is an error for it.
Everything that a tool can reach is in `wit_world.imports`, made from wit/porthole.wit; this file only has shorter words.
"""

import json
import sys
import traceback
from datetime import datetime

import wit_world
from componentize_py_types import Err
from wit_world.imports import call, kube_read, types

_VERBS = {"get": types.Verb.GET, "list": types.Verb.LIST}


class Error(Exception):
    """What went wrong and what to try, in words for a model."""


# --- The tool and its arguments


def text(description, default=None, required=False, one_of=None):
    """An argument that is a string."""
    more = {"enum": one_of} if one_of else {}
    return _argument("string", description, default, required, more)


def integer(description, default=None, required=False, minimum=0, maximum=None):
    """An argument that is a whole number."""
    more = {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})
    return _argument("integer", description, default, required, more)


def boolean(description, default=None, required=False):
    """An argument that is true or false."""
    return _argument("boolean", description, default, required, {})


def texts(description, required=False):
    """An argument that is a list of strings."""
    return _argument("array", description, None, required, {"items": {"type": "string"}})


def _argument(type_, description, default, required, more):
    # Models are shown nothing of a schema but its descriptions.
    if default is not None:
        description = f"{description} Default: {json.dumps(default)}."
        more = more | {"default": default}
    return {"type": type_, "description": description} | more, required


def tool(*, name, version, title, summary, arguments=None, reads=()):
    """Makes the function below it a tool. `reads` is all it may ask for: (verb, API group, resources…), for example
    ("list", "apps", "deployments"); "" is the core group. The function is called with the arguments by name."""
    arguments = arguments or {}
    schema = {
        "type": "object",
        "properties": {key: property_ for key, (property_, _) in arguments.items()},
        "required": [key for key, (_, required) in arguments.items() if required],
    }
    rules = [types.ReadRule([group], list_(resources), [_VERBS[verb]]) for verb, group, *resources in reads]

    def make(function):
        class WitWorld(wit_world.WitWorld):
            def describe(self):
                return types.Description(name, version, title, summary, json.dumps(schema), None, rules)

            def run(self, arguments):
                try:
                    answer = function(**json.loads(arguments))
                except Error as error:
                    raise Err(str(error))
                except Err as error:
                    raise Err(getattr(error.value, "message", str(error.value)))
                except Exception as error:
                    # There is no stderr either; the operator's log has the traceback.
                    call.log(call.Level.ERROR, traceback.format_exc())
                    raise Err(f"{name} failed by a fault of its own: {type(error).__name__}: {error}")
                return answer if isinstance(answer, types.Outcome) else types.Outcome([types.Content_Text(answer)], None)

        # componentize-py looks for it in the tool's own module.
        sys.modules[function.__module__].WitWorld = WitWorld
        return function

    return make


# --- Reading. An error of the cluster ends the tool with its message, unless it catches `Err`.

list_ = list


def default_namespace():
    """The namespace to assume where the caller names none."""
    return call.default_namespace()


def get(kind, name, namespace=None, fields=None):
    """One object, or only these fields of it."""
    return json.loads(kube_read.get_object(kube_read.GetQuery(_kind(kind), namespace, name, _view(fields))))


def list(kind, namespace=None, fields=None, label_selector=None, field_selector=None):  # noqa: A001
    """All objects of a kind, page by page; None is all namespaces. Name the fields you need: the host sends no others."""
    token = None
    while True:
        page = kube_read.list_objects(
            kube_read.ListQuery(
                _kind(kind), namespace, label_selector, field_selector, 500, token, None, _view(fields)
            )
        )
        yield from json.loads(page.items)
        token = page.continue_token
        if token is None:
            return


def log(namespace, pod, container=None, tail=None, previous=False, pattern=None, since_seconds=None):
    """The text of a container's log."""
    query = kube_read.LogQuery(
        namespace, pod, container, previous, tail, since_seconds, None, False, pattern, False, 0, False, None
    )
    return kube_read.pod_log(query).text


def _kind(kind):
    return kube_read.KindRef(kind, None)


def _view(fields):
    return kube_read.View_Fields(list_(fields)) if fields else kube_read.View_Whole()


# --- Saying it


def table(header, rows):
    """Rows under a header, as many as reach the caller; it says how many were left out."""
    rows = [[str(cell) if cell not in (None, "") else "-" for cell in row] for row in rows]
    if not rows:
        return "nothing found"
    widths = [max(len(row[at]) for row in [header, *rows]) for at in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [header, *rows]]
    budget, shown = call.output_budget() - 100, 0
    for shown, line in enumerate(lines):
        budget -= len(line.encode()) + 1
        if budget < 0:
            return "\n".join(lines[:shown] + [f"{shown - 1} of {len(rows)} shown; narrow it down"])
    return "\n".join(lines)


def age(timestamp):
    """How long ago a time of Kubernetes was: 45s, 12m, 5h, 3d."""
    if not timestamp:
        return ""
    then = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    # Python's own clock is not there: componentize-py leaves it out with the rest of WASI.
    seconds = max(0, call.now() - int(then.timestamp()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
