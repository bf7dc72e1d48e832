"""JSON read strictly (docs/protocol.md 1) and written canonically (RFC 8785)."""

import json
from decimal import Decimal

MAX_DEPTH = 64
SAFE_INTEGER = 2**53


class Malformed(ValueError):
    """The input breaks a rule of protocol 1 or of the format it claims to have."""


def read_json(data):
    """Parse bytes or text: no duplicate names, no lone surrogates, no nesting beyond 64.

    Numbers become what a double holds, as RFC 8785 wants: 1.0 is the integer 1.
    """
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("not UTF-8") from error
    try:
        value = json.loads(
            data, object_pairs_hook=_members, parse_constant=_no_constant,
            parse_int=_number, parse_float=_number,
        )
    except RecursionError as error:
        raise Malformed("nested too deeply") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg}") from error
    _check_tree(value)
    return value


def _members(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Malformed("a member name occurs twice")
    return result


def _no_constant(name):
    raise Malformed(f"{name} is not JSON")


def _number(text):
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Malformed("a number beyond a double")
    return int(value) if value.is_integer() and abs(value) < SAFE_INTEGER else value


def _check_tree(root):
    stack = [(root, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, (dict, list)):
            if depth > MAX_DEPTH:
                raise Malformed("nested too deeply")
            if isinstance(value, dict):
                for name in value:
                    _check_text(name)
                value = value.values()
            stack.extend((item, depth + 1) for item in value)


def _check_text(text):
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise Malformed("a lone surrogate")


def jcs(value):
    """RFC 8785 text of a parsed value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) >= SAFE_INTEGER:
            raise Malformed("an integer beyond 2^53")
        return str(value)
    if isinstance(value, float):
        return _es_number(value)
    if isinstance(value, str):
        _check_text(value)
        return json.dumps(value, ensure_ascii=False)  # escapes exactly RFC 8785 3.2.2.2's set
    if isinstance(value, list):
        return "[" + ",".join(jcs(item) for item in value) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=utf16)
        return "{" + ",".join(jcs(name) + ":" + jcs(value[name]) for name in names) + "}"
    raise TypeError(f"no JSON for {type(value).__name__}")


def utf16(text):
    """Sort key of RFC 8785 3.2.3: UTF-16 code units, not code points."""
    return text.encode("utf-16-be", "surrogatepass")


def _es_number(value):
    """Number::toString of ECMAScript, which RFC 8785 3.2.2.3 prescribes."""
    if value != value or value in (float("inf"), float("-inf")):
        raise Malformed("not a finite number")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    _, digits, exponent = Decimal(repr(abs(value))).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + exponent
    count = len(text)
    if count <= point <= 21:
        return sign + text + "0" * (point - count)
    if 0 < point <= 21:
        return sign + text[:point] + "." + text[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + text
    mantissa = text[0] + ("." + text[1:] if count > 1 else "")
    return f"{sign}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def units(text):
    """A text with one character for each UTF-16 code unit."""
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(data[at] | data[at + 1] << 8) for at in range(0, len(data), 2))


def well_formed(text):
    """Half a surrogate pair becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def whole(text):
    """The text whose halves of surrogate pairs came apart; Malformed where one has no other half."""
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise Malformed("a lone surrogate") from error


def jcs_bytes(value):
    return jcs(value).encode("utf-8")
