"""The skeleton of a page, and the checker that every page is held against."""

import pytest
from accessible import contrast, problems

from hnn_hpc.report.html import Html, explained, joined, paragraph, preformatted, table, tag
from hnn_hpc.report.page import page

EVIL = "<script>alert('x')</script>\"&"
ALT = "A line that falls from 1 to 1e-9 between 0 and 100, on a logarithmic scale."


def whole(*sections):
    return page("A title", paragraph("What it is."), sections or [("one", "One", paragraph("text"))], "The end.")


def with_picture(**attributes):
    attributes = {"src": "data:image/png;base64,AAAA", "alt": ALT} | attributes
    return whole(("one", "One", tag("figure", tag("img", **attributes), tag("figcaption", "A line."))))


# HTML


def test_text_is_escaped_and_html_is_not_escaped_twice():
    assert tag("p", EVIL) == "<p>&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&quot;&amp;</p>"
    assert tag("p", tag("b", "a < b"), None, 3) == "<p><b>a &lt; b</b>3</p>"
    assert joined(["<", Html("<br>")], "|") == "&lt;|<br>"


def test_attributes_are_escaped_and_named_as_in_html():
    assert tag("img", alt=EVIL, class_="a", aria_label="b", id=None) == (
        '<img alt="&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&quot;&amp;" class="a" aria-label="b">'
    )


def test_a_table_names_columns_and_rows():
    text = table("Seconds", ["stage", "seconds", "what"], [["solve", 1.5, "<all>"]], {1}, {2})
    assert '<div class="scroll" role="region" aria-label="Seconds" tabindex="0"><table><caption>Seconds</caption>' in text
    assert '<th scope="col">stage</th><th scope="col" class="number">seconds</th>' in text
    assert '<th scope="row">solve</th><td class="number">1.5</td><td class="words">&lt;all&gt;</td>' in text


def test_rows_may_be_explained():
    assert explained([("a", "1", "b")]) == "<dl><dt>a: <b>1</b></dt><dd>b</dd></dl>"


# Pages


def test_a_page_of_everything_breaks_no_rule():
    parts = [paragraph("text"), tag("h3", "more"), table("T", ["a"], [["1"]]), preformatted("P", "code"), explained([("a", "1", "b")])]
    assert problems(whole(("one", "One", joined(parts)), ("two", EVIL, paragraph(EVIL)))) == []
    assert problems(with_picture()) == []


def test_nothing_from_outside_is_let_in():
    assert "default-src 'none'" in whole()


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("<!DOCTYPE html>", "", "no doctype"),
        (' lang="en"', "", "no language"),
        ("<title>A title</title>", "<title></title>", "1 <title>, expected one with text"),
        ("<h1>A title</h1>", "<h1>A title</h1><h1>Another</h1>", "2 <h1>, expected one with text"),
        ("<main>", "<div>", "</main> ends nothing that is open"),
        ("width=device-width", "width=1000", "no viewport for narrow windows"),
        ("<h2", "<h4>x</h4><h2", "h4 follows h1"),
        (ALT, "a picture", "<img> says too little: 'a picture'"),
        (ALT, ALT + " From nan to 1.", f"<img> says what is no number: '{ALT} From nan to 1.'"),
        ("A line.<", "At most inf.<", "<figcaption> says what is no number: 'At most inf.'"),
        ("figure>", "div>", "<img> outside of a figure"),
        ("<figcaption>A line.", "<figcaption>", "<figcaption> without text"),
        ('id="one"', 'id="two"', "'one' is named and not there"),
        ("<h2", '<b id="one"></b><h2', "the id 'one' twice"),
        ("data:image/png;base64,AAAA", "https://example.org/x.png", "<img> loads 'https://example.org/x.png'"),
        ("<h2", "<script></script><h2", "<script>"),
        ("<h2", '<b onclick="x"></b><h2', "<b> has onclick"),
        ("* { box", "@import x; * { box", "the style has @import"),
        ("color: #1a1a1a; font: 1rem", "color: #8a8a8a; font: 1rem", "body: contrast 3.45"),
        ("<h2", '<div class="scroll"></div><h2', "<div> scrolls and cannot be reached by the keyboard"),
        ("<h2", '<div tabindex="0"></div><h2', "<div> can be focused and has no name"),
        ("<h2", "<table><tr><th>x</th></tr></table><h2", "<th> 'x' without scope"),
        ("<h2", "<table></table><h2", "1 tables have 0 captions"),
        ("<h2", "<table></table><h2", "<table> in no box that scrolls"),
        ("<main>", "<b>x</b><main>", "<b> in no landmark"),
    ],
)
def test_every_broken_rule_is_found(before, after, complaint):
    text = with_picture()
    assert before in text
    assert complaint in problems(text.replace(before, after))


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
