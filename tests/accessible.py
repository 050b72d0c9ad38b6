"""What a page must keep so that everybody can read it: a checker of its HTML and of the contrasts of its style, from the standard library.

The rules are those of axe-core (WCAG 2.2, A and AA) that can be told from the text of a page: language, title, landmarks, headings in
order, names for pictures, links, tables and boxes that scroll, unique ids, targets that exist, contrasts. Besides: whole elements, and
nothing that is loaded.
"""

import re
from html.parser import HTMLParser

VOID = {"img", "meta", "br", "hr", "link", "input"}
LEAST_CONTRAST = 4.5
SHORTEST_ALT = 40  # characters; says in words and numbers what is seen
NO_NUMBER = re.compile(r"\b(nan|inf)\b")
COLOUR = re.compile(r"#[0-9a-f]{6}")
SECTIONING = {"main", "header", "footer", "nav"}


class _Reader(HTMLParser):
    """Collects the elements of a page: name, attributes, text within, names and classes of those around; and what is wrong with nesting."""

    def __init__(self):
        super().__init__()
        self.elements, self.problems, self._open = [], [], []

    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        element = {"name": name, "attributes": attributes, "text": "", "within": [around["name"] for around in self._open]}
        element["in_scroll"] = any("scroll" in (around["attributes"].get("class") or "").split() for around in self._open)
        self.elements.append(element)
        if name not in VOID:
            self._open.append(element)

    def handle_endtag(self, name):
        if not self._open or self._open[-1]["name"] != name:
            self.problems.append(f"</{name}> ends nothing that is open")
        else:
            self._open.pop()

    def handle_data(self, text):
        for element in self._open:
            element["text"] += text

    def close(self):
        super().close()
        self.problems += [f"<{element['name']}> has no end" for element in self._open]


def problems(html):
    """Return one line of text for each rule that a page breaks."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    found, elements = list(reader.problems), reader.elements

    def those(name):
        return [element for element in elements if element["name"] == name]

    if not html.lower().startswith("<!doctype html>"):
        found.append("no doctype")
    if not those("html") or not those("html")[0]["attributes"].get("lang"):
        found.append("no language")
    for name in ("title", "h1", "main"):
        if len(those(name)) != 1 or not those(name)[0]["text"].strip():
            found.append(f"{len(those(name))} <{name}>, expected one with text")
    viewport = [meta["attributes"].get("content", "") for meta in those("meta") if meta["attributes"].get("name") == "viewport"]
    if not viewport or "width=device-width" not in viewport[0] or "user-scalable=no" in viewport[0]:
        found.append("no viewport for narrow windows")
    return (
        found + _headings(elements) + _names(elements) + _tables(elements) + _targets(elements) + _loaded(html, elements) + contrasts(html)
    )


def _headings(elements):
    levels = [int(element["name"][1]) for element in elements if re.fullmatch("h[1-6]", element["name"])]
    return [f"h{after} follows h{before}" for before, after in zip([0, *levels], levels, strict=False) if after > before + 1]


def _names(elements):
    found, landmarks = [], []
    for element in elements:
        name, attributes, text = element["name"], element["attributes"], element["text"].strip()
        if name == "img":
            alt = attributes.get("alt") or ""
            if len(alt) < SHORTEST_ALT or not re.search(r"\d", alt):
                found.append(f"<img> says too little: {alt!r}")
            if NO_NUMBER.search(alt):
                found.append(f"<img> says what is no number: {alt!r}")
            if "figure" not in element["within"]:
                found.append("<img> outside of a figure")
        if name in ("a", "th", "figcaption", "caption", "h1", "h2", "h3", "dt") and not text:
            found.append(f"<{name}> without text")
        if name == "figcaption" and NO_NUMBER.search(text):
            found.append(f"<figcaption> says what is no number: {text!r}")
        if name == "p" and element["within"][-1:] == ["p"]:
            found.append("<p> within <p>")
        if attributes.get("tabindex") == "0" and not (attributes.get("role") and attributes.get("aria-label")):
            found.append(f"<{name}> can be focused and has no name")
        if "scroll" in (attributes.get("class") or "").split() and attributes.get("tabindex") != "0":
            found.append(f"<{name}> scrolls and cannot be reached by the keyboard")
        if attributes.get("role") == "region" or name == "nav":
            landmarks.append(attributes.get("aria-label"))
        in_landmark = SECTIONING & {*element["within"], name}
        if "body" in element["within"] and not in_landmark:
            found.append(f"<{name}> in no landmark")
    found += [f"two regions are called {label!r}" for label in {label for label in landmarks if landmarks.count(label) > 1}]
    return found


def _tables(elements):
    found = []
    for element in elements:
        if element["name"] == "th" and element["attributes"].get("scope") not in ("row", "col"):
            found.append(f"<th> {element['text']!r} without scope")
        if element["name"] == "table" and not element["in_scroll"]:
            found.append("<table> in no box that scrolls")
    tables = sum(element["name"] == "table" for element in elements)
    captions = sum(element["name"] == "caption" for element in elements)
    return found + ([f"{tables} tables have {captions} captions"] if tables != captions else [])


def _targets(elements):
    ids = [element["attributes"]["id"] for element in elements if "id" in element["attributes"]]
    found = [f"the id {name!r} twice" for name in {name for name in ids if ids.count(name) > 1}]
    for element in elements:
        attributes = element["attributes"]
        named = [attributes[key] for key in ("aria-labelledby", "aria-describedby") if key in attributes]
        named += [attributes["href"][1:]] if attributes.get("href", "").startswith("#") else []
        found += [f"{name!r} is named and not there" for name in named if name not in ids]
    return found


def _loaded(html, elements):
    found = [f"<{element['name']}>" for element in elements if element["name"] in ("script", "link", "iframe", "object", "embed", "base")]
    for element in elements:
        for key, value in element["attributes"].items():
            if key.startswith("on"):
                found.append(f"<{element['name']}> has {key}")
            if key in ("src", "srcset", "href", "data", "action") and not (value or "").startswith(("data:image/png;base64,", "#")):
                found.append(f"<{element['name']}> loads {value!r}")
    style = "".join(re.findall(r"<style>(.*?)</style>", html, re.S))
    return found + [f"the style has {word}" for word in ("url(", "@import", "@font-face") if word in style]


def contrasts(html):
    """Return one line for each rule of the page's style whose colours, the page's where it has none, are too much alike."""
    found, style = [], "".join(re.findall(r"<style>(.*?)</style>", html, re.S))
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"@media[^{]*\{", "", style))
    page = next((body for selector, body in rules if selector.strip() == "body" and "color:" in body), "")
    if not page:
        return ["the page has no colours of its own"]
    defaults = {"color": _colour(page, "color"), "background": _colour(page, "background")}
    for selector, body in rules:
        colours = {key: _colour(body, key) or default for key, default in defaults.items()}
        if (ratio := contrast(**colours)) < LEAST_CONTRAST:
            found.append(f"{selector.strip()}: contrast {ratio:.2f}")
    return found


def _colour(body, key):
    for declaration in body.split(";"):
        name, _, value = declaration.partition(":")
        if name.strip() == key:
            assert COLOUR.fullmatch(value.strip()), f"{declaration.strip()}: expected a colour such as #1a1a1a"
            return value.strip()
    return None


def contrast(color, background):
    """Return the contrast ratio of two colours such as #1a1a1a (WCAG 2.2, 1.4.3)."""
    light, dark = sorted((_luminance(color), _luminance(background)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
