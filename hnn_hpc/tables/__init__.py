"""Tables of numbers as people have them: text files of columns, and arrays of numpy.

A table is opened by its header alone and read in slices. Both kinds, `TextTable` and `ArrayTable`, have

    location             the path, for messages
    form                 what the file was found to be, for people
    trajectory_shape     (T, N) where its rows are T trajectories of N states, one after the other; else None
    size                 how much there is to read, in the units that `slices` reports
    find(names)          the `Column`s of these names, or numbers from 1 on where columns have none
    find_time(name)      the same for times
    slices(columns)      arrays (B, C) of float64, row by row the columns asked for, and of labels their number in order of appearance
    place(row)           where a row is in the file, for messages: its line, or its index from 0

`UserError` for what cannot be used, with the file and the place in it.
"""

from hnn_hpc.tables.open import open_table

__all__ = ["open_table"]
