"""Plain tables of names and values, for people."""

from hnn_hpc.quantities import byte_size, count, duration, scientific

__all__ = ["byte_size", "columns", "count", "duration", "scientific", "table"]


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
