"""Changes to an open HDF5 file, as functions of it."""


def put(name, values):
    """Replace a dataset, or remove it where values is None."""

    def change(file):
        if name in file:
            del file[name]
        if values is not None:
            file[name] = values

    return change


def attribute(name, value):
    """Replace an attribute, or remove it where value is None."""

    def change(file):
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value

    return change
