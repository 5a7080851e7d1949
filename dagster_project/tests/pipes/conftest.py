import sys
from pathlib import Path

import pytest

# Before anything of these tests is imported: without Dagster there is nothing that they could be run against.
pytest.importorskip("dagster", reason="dagster is not installed: pip install dagster==1.13.27")
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def instance():
    import dagster as dg

    with dg.instance_for_test() as made:
        yield made
