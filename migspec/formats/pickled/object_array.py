"""The pickle behind the header of a `.npy` of objects: an array of objects, most often of one dict."""

from __future__ import annotations

from migspec.formats.pickled.machine import Machine
from migspec.formats.pickled.numpy_objects import ObjectArray, array_of
from migspec.formats.pickled.place import Cursor, Place
from migspec.formats.pickled.stand_ins import PickledObject
from migspec.formats.pickled.walk import FoundArray, find_arrays, numpy_interpretation


def object_arrays(place: Place) -> list[FoundArray]:
    """The arrays that the pickle at the start of a place holds, with their keys.

    An array of one object without axes, which is what `numpy.save(path, a_dict)` writes, adds no key. Raises SpecError: MIG503,
    MIG505.
    """
    machine = Machine(Cursor(place))
    root = machine.run()
    outer = array_of(root, place) if isinstance(root, PickledObject) else None
    match outer:
        case ObjectArray(elements=(((), only),)):
            root = only
    return find_arrays(root, numpy_interpretation(place), place.path, machine.operations)
