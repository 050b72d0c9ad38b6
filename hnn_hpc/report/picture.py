"""A picture on a page: drawn once, as PNG, for the page and for a file beside it; what is seen in it is said in words too."""

from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

from hnn_hpc.report.html import joined, tag
from hnn_hpc.report.saving import write_figure

WIDTH, HEIGHT = 4.4, 3.3  # inches; at DOTS an inch it is sharp on a telephone, where it fills the window, and small
DOTS = 150
LABEL, TICK = 10, 9  # points of labels and titles, and of ticks


@dataclass(frozen=True)
class Picture:
    """name: of its file, without the ending; figure: matplotlib's; seen: what is seen, with numbers; caption: what it means."""

    name: str
    figure: object
    seen: str
    caption: str

    @cached_property
    def png(self):
        """Its bytes."""
        stream = BytesIO()
        write_figure(self.figure, stream, "png", DOTS)
        return stream.getvalue()

    def html(self):
        """Return it as a figure of a page."""
        width, height = (round(DOTS * inches) for inches in self.figure.get_size_inches())
        source = f"data:image/png;base64,{b64encode(self.png).decode()}"
        return tag("figure", tag("img", src=source, alt=self.seen, width=width, height=height), tag("figcaption", self.caption))


def gallery(pictures):
    """Return pictures side by side, as many as there is room for."""
    return tag("div", joined([picture.html() for picture in pictures], "\n"), class_="pictures")


def new_plot(title, x_label, y_label, height=HEIGHT):
    """Return (Figure, Axes) in the size and the letters of a page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    subplot = figure.subplots()
    subplot.set_title(title, fontsize=LABEL)
    subplot.set_xlabel(x_label, fontsize=LABEL)
    subplot.set_ylabel(y_label, fontsize=LABEL)
    subplot.tick_params(labelsize=TICK)
    return figure, subplot
