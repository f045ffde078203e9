"""`audit verify`, `show` and `export` on files that the verbs made, whole and spoiled."""
from tests.worker.ops.conftest import Told

def test_x(told, ops):
    answer = ops("audit", "verify")
    print(answer.out, answer.err)
    a = ops("audit", "show", told.applied)
    print(a.out, a.err)
    a = ops("audit", "show", told.denied)
    print(a.out, a.err)
    a = ops("audit", "export", told.applied, "--to", told.folder / "x.json")
    print(a.out, a.err)
    a = ops("audit", "verify", "--evidence-file", told.folder / "x.json")
    print(a.out, a.err)
    assert 0
