"""The skeleton of a page: one file without scripts, that loads nothing, for wide and narrow windows and for paper."""

from hnn_hpc.report.html import Html, joined, tag

# No request can leave the page, whatever stands in it.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

# Contrasts are at least 4.5 to 1 (tests/report/test_page.py computes them).
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #ffffff; color: #1a1a1a; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
header, main, footer { max-width: 66rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1.5rem 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .5rem; border-top: 2px solid #1a1a1a; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p, li, dd { max-width: 44rem; }
a { background: #ffffff; color: #0b4f8a; }
a:focus-visible, .scroll:focus-visible { outline: 3px solid #0b4f8a; outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: 0 1.25rem; list-style: none; margin: 0; padding: 0; }
nav a { display: inline-block; padding: .25rem 0; }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); gap: .75rem; margin: 1rem 0; }
dl.figures div { border: 1px solid #767676; border-radius: .3rem; padding: .5rem .75rem; }
dl.figures dt { background: #ffffff; color: #4a4a4a; font-size: .9rem; font-weight: 400; margin: 0; }
dl.figures dd { margin: 0; font-size: 1.25rem; font-weight: 600; }
dl.figures dd.note { font-size: .9rem; font-weight: 400; }
dt { font-weight: 600; margin-top: .75rem; }
dt b { font-weight: 400; }
dd { margin: 0; }
.pictures { display: grid; gap: 1.5rem; align-items: start; margin: 1rem 0; }
.pictures { grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
figure { margin: 0; max-width: 32rem; }
img { display: block; width: 100%; height: auto; }
figcaption { background: #ffffff; color: #4a4a4a; font-size: .9rem; margin-top: .25rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; min-width: min(100%, 22rem); }
caption { text-align: left; background: #ffffff; color: #4a4a4a; font-size: .9rem; padding-bottom: .25rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid #c8c8c8; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.words { min-width: 14rem; }
tbody th { font-weight: 600; white-space: nowrap; }
pre { background: #f3f3f3; color: #1a1a1a; padding: .75rem; font: .85rem/1.45 ui-monospace, monospace; max-width: 100%; }
footer { background: #ffffff; color: #4a4a4a; font-size: .9rem; margin-top: 2.5rem; padding-bottom: 2rem; }
@media print {
  nav { display: none; }
  body { font-size: 10pt; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, dl.figures div { break-inside: avoid; }
  .pictures { grid-template-columns: 1fr 1fr 1fr; }
  .scroll { overflow: visible; }
  pre { white-space: pre-wrap; }
}
"""


def page(title, lead, sections, footer):
    """Return the text of a whole page.

    Parameters: title; lead: `Html` or text beneath it; sections: (id, heading, Html) each; footer: `Html` or text.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        tag("title", title),
        Html(f"<style>{STYLE}</style>"),
    )
    contents = tag("ul", *(tag("li", tag("a", heading, href=f"#{name}")) for name, heading, _ in sections))
    top = tag("header", tag("h1", title), lead, tag("nav", contents, aria_label="Contents"))
    parts = [tag("section", tag("h2", heading, id=name), body, aria_labelledby=name) for name, heading, body in sections]
    body = tag("body", top, "\n", tag("main", joined(parts, "\n")), "\n", tag("footer", footer))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
