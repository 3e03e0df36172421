"""A loop that polls needs a processor to itself."""

import pytest

from arb.app.run import processors, require_spare
from arb.errors import ConfigError


def test_a_loop_that_polls_is_refused_where_there_is_one_processor() -> None:
    with pytest.raises(ConfigError, match=r"\[engine\] spin = true: .* set false"):
        require_spare(1, spin=True)


def test_any_other_start_goes_on() -> None:
    require_spare(1, spin=False)
    require_spare(2, spin=True)
    assert processors() >= 1
