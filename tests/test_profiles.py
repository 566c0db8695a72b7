import pytest

from mb_support.profiles import PROFILES, get_profile


def test_profiles_are_found_by_name():
    assert {name: get_profile(name).name for name in PROFILES} == {name: name for name in PROFILES}


def test_smoke_never_does_more_than_the_book():
    smoke, poster = get_profile("smoke"), get_profile("poster")
    assert smoke.n_test_trajectories < poster.n_test_trajectories
    assert smoke.n_train_trajectories <= poster.n_train_trajectories
    assert smoke.grid_step >= poster.grid_step


@pytest.mark.parametrize("name", ["fast", "", None])
def test_an_unknown_profile_is_refused(name):
    with pytest.raises(ValueError, match=r"unknown profile .*'poster', 'smoke'"):
        get_profile(name)
