import pytest


@pytest.fixture
def build(ray_session, request):
    """Builds algorithms from what the test module's `config_of` makes of arguments; they are stopped afterwards."""
    built = []

    def make(**kwargs):
        built.append(request.module.config_of(**kwargs).build_algo())
        return built[-1]

    yield make
    for algorithm in built:
        algorithm.stop()
