"""What domains of the BPF programs are nested in and see, computed from their ids."""

import pytest

from yama_session.enforcers.bpf.loader import Description
from yama_session.levels import Scope, View
from yama_session.reach import chains

pytestmark = pytest.mark.unit


def domain(*levels: tuple[int, View]) -> Description:
    views = tuple(view for _, view in levels)
    return Description(tuple(id_ for id_, _ in levels), views, Scope.CLASSIC, max(views))


USER = domain((1, View.DOMAIN))
APP = domain((1, View.DOMAIN), (2, View.DOMAIN))
OPEN = domain((1, View.DOMAIN), (3, View.ALL))
EMPTY_BETWEEN = domain((1, View.DOMAIN), (4, View.DOMAIN), (5, View.DOMAIN))
OTHER = domain((6, View.DOMAIN))
FREE = domain((7, View.ALL))
EVERYTHING = (USER, APP, OPEN, EMPTY_BETWEEN, OTHER, FREE)


def test_parents_are_the_nearest_that_hold_a_process() -> None:
    assert chains.parents(EVERYTHING) == {1: 0, 2: 1, 3: 1, 5: 1, 6: 0, 7: 0}


def test_a_domain_sees_what_is_in_the_innermost_level_that_hides() -> None:
    assert chains.sight(EVERYTHING) == {
        1: {1, 2, 3, 5},
        2: {2},
        3: {1, 2, 3, 5},
        5: {5},
        6: {6},
        7: {0, 1, 2, 3, 5, 6, 7},
    }
