"""Numbers of things, sizes and durations, in words, and numbers in three digits."""


def count(number, noun):
    """Return "1 rank", "2 ranks", "20 000 samples"."""
    return f"{number:,}".replace(",", " ") + f" {noun}{'' if number == 1 else 's'}"


def byte_size(size):
    """Return "51 kB", "431 MB" or "1.7 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e3:.0f} kB"


def rounded_up(size):
    """Return the next size, in bytes, that `byte_size` tells without rounding."""
    unit = 10**8 if size >= 10**9 else 10**6 if size >= 10**7 else 10**3
    return -(-size // unit) * unit


def duration(seconds):
    """Return "0.12 s", "34 s", "5.6 min", "7.8 h" or "9.1 days"."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def scientific(number):
    """Return a number in three digits, or a dash where there is none."""
    return "-" if number is None else f"{number:.2e}"
