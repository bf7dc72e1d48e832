"""Runs checks: a check passes, fails or is skipped, and says why."""

from jcs import read_json

MAX_REASON = 400


class Failed(Exception):
    """The check did not hold."""


class Skipped(Exception):
    """What the check needs was not given."""


def need(condition, why):
    if not condition:
        raise Failed(why)


def same(found, expected, what):
    need(found == expected, f"{what} is {found!r}, recomputed {expected!r}")


class Checker:
    """Runs checks in order; what a check returns is kept for the later ones under its id."""

    def __init__(self):
        self.checks, self.values = [], {}

    def run(self, name, check, *inputs):
        """`inputs` are ids of earlier checks; without their results this one is skipped."""
        try:
            missing = [item for item in inputs if item not in self.values]
            if missing:
                raise Skipped("needs " + ", ".join(missing))
            self.values[name] = check(*(self.values[item] for item in inputs))
            status, why = "ok", ""
        except Skipped as reason:
            status, why = "skip", str(reason)
        except Failed as reason:
            status, why = "FAIL", str(reason)
        except KeyError as error:
            status, why = "FAIL", f"member {error} is missing"
        # Every other fault of hostile input is a failed check too: nothing here may fail open.
        except Exception as error:  # pylint: disable=broad-except
            status, why = "FAIL", f"malformed: {error}"
        self.checks.append({"id": name, "status": status, "why": one_line(why)})


def one_line(text):
    """Printable ASCII: names inside hostile documents end up in reasons."""
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(text) <= MAX_REASON else text[:MAX_REASON] + "..."


def skip(why):
    raise Skipped(why)


def given(files, name):
    if name not in files:
        raise Skipped(f"no --{name}")
    return files[name]


def unwrap(data):
    """(text, parsed) of a document served bare or as {"document": text}."""
    value = read_json(data)
    need(isinstance(value, dict), "not an object")
    if isinstance(value.get("document"), str):
        data = value["document"].encode("utf-8")
        value = read_json(data)
    return data, value
