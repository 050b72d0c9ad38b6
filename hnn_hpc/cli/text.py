"""Plain tables of names and values, for people."""


def table(rows):
    """Return lines "name   value" for the pairs in `rows`; a pair whose value is None is left out."""
    rows = [(name, value) for name, value in rows if value is not None]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def columns(rows):
    """Return a header and rows of values as lines whose columns are aligned; a column of a header alone is left out."""
    cells = [[str(value) for value in column] for column in zip(*rows, strict=True)]
    cells = [column for column in cells if any(column[1:])]
    widths = [max(map(len, column)) for column in cells]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in zip(*cells, strict=True))


def count(number, noun):
    """Return "1 rank", "2 ranks", "20 000 samples"."""
    return f"{number:,}".replace(",", " ") + f" {noun}{'' if number == 1 else 's'}"


def scientific(number):
    """Return a number in three digits, or a dash where there is none."""
    return "-" if number is None else f"{number:.2e}"


def byte_size(size):
    """Return "51 kB", "431 MB" or "1.7 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e3:.0f} kB"
