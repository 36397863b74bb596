from tests.breaks import BREAKS, ROOT, describe


def test_every_break_leaves_a_program():
    assert [describe(one) for one in BREAKS if not one.parses()] == []


def test_every_break_finds_its_line_and_its_tests():
    assert [describe(one) for one in BREAKS if not one.fits()] == []
    paths = {path for one in BREAKS for path in one.tests.split()}
    assert [path for path in paths if not (ROOT / path).exists()] == []
