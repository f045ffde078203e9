import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import diffs
from shared.diff_telling import (
    HIDDEN,
    HIDDEN_OTHER,
    redacted,
    render_text,
)
from shared.diffs import (
    Change,
    diff,
    patched,
    steps,
)
from shared.manifests import JSON, Kind, Object

CANARY = "canary-4711-value"


def deployment(*containers: Object, **spec: JSON) -> Object:
    pod: Object = {"containers": list(containers)}
    return {"kind": "Deployment", "spec": {**spec, "template": {"spec": pod}}}


def web(**fields: JSON) -> Object:
    return {"name": "web", "image": "nginx:1.27", **fields}


def only(live: Object | None, result: Object | None) -> Change:
    (change,) = diff(live, result)
    return change


POD = "spec.template.spec"


def test_a_changed_value_has_its_path_and_both_values() -> None:
    assert only(deployment(replicas=2), deployment(replicas=4)) == Change(
        path="spec.replicas", op="change", old=2, new=4
    )


def test_an_added_and_a_removed_field_say_so() -> None:
    assert only(deployment(), deployment(paused=True)) == Change(
        path="spec.paused", op="add", old=None, new=True
    )
    assert only(deployment(paused=None), deployment()).op == "remove"


def test_creating_and_deleting_are_one_change_of_the_whole() -> None:
    body = deployment()

    assert only(None, body) == Change(path="", op="add", old=None, new=body)
    assert only(body, None) == Change(path="", op="remove", old=body, new=None)
    assert diff(None, None) == ()


def test_containers_are_matched_by_name() -> None:
    proxy: Object = {"name": "proxy"}
    changes = diff(deployment(proxy, web()), deployment(web(image="nginx:1.28"), proxy))

    assert changes[0].path == f"{POD}.containers[web].image"


def test_an_inserted_container_is_one_addition_and_a_change_of_order() -> None:
    changes = diff(deployment(web()), deployment({"name": "proxy"}, web()))

    assert [(c.path, c.op) for c in changes] == [
        (f"{POD}.containers[proxy]", "add"),
        (f"{POD}.containers[*]", "change"),
    ]
    assert changes[1].old == ["web"]
    assert changes[1].new == ["proxy", "web"]


@pytest.mark.parametrize(
    ("field", "old", "new", "path"),
    [
        (
            "ports",
            {"containerPort": 80, "name": "a"},
            {"containerPort": 80, "name": "b"},
            "ports[80/TCP].name",
        ),
        (
            "ports",
            {"containerPort": 53, "protocol": "UDP", "name": "a"},
            {"containerPort": 53, "protocol": "UDP", "name": "b"},
            "ports[53/UDP].name",
        ),
        (
            "env",
            {"name": "A.B", "value": "1"},
            {"name": "A.B", "value": "2"},
            "env[A.B].value",
        ),
        (
            "volumeMounts",
            {"mountPath": "/etc/x", "readOnly": True},
            {"mountPath": "/etc/x", "readOnly": False},
            "volumeMounts[/etc/x].readOnly",
        ),
        (
            "env",
            {"name": "1", "value": "1"},
            {"name": "1", "value": "2"},
            'env["1"].value',
        ),
        ("args", "-a", "-b", "args"),
    ],
)
def test_items_of_a_list_are_named_as_kubernetes_merges_them(
    field: str, old: JSON, new: JSON, path: str
) -> None:
    change = only(deployment(web(**{field: [old]})), deployment(web(**{field: [new]})))

    assert change.path == f"{POD}.containers[web].{path}"


def test_items_without_unique_names_are_matched_by_position() -> None:
    twice: list[JSON] = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    change = only(deployment(web(env=twice)), deployment(web(env=[*twice, {"name": "B"}])))

    assert (change.path, change.op) == (f"{POD}.containers[web].env[2]", "add")


def test_a_service_port_is_named_by_number_and_protocol() -> None:
    live: Object = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    result: Object = {"spec": {"ports": [{"port": 80, "targetPort": 8081}]}}

    assert only(live, result).path == "spec.ports[80/TCP].targetPort"


def test_odd_keys_are_quoted_on_one_line() -> None:
    live: Object = {"metadata": {"labels": {}}}
    result: Object = {"metadata": {"labels": {'a.b/"c"]\n\u202e': "x"}}}

    assert only(live, result).path == r'metadata.labels["a.b/\"c\"]\n\u202e"]'


def test_true_is_not_one() -> None:
    assert only({"a": True}, {"a": 1}).op == "change"
    assert only({"a": [0]}, {"a": [False]}).op == "change"


def test_a_list_of_plain_values_changes_as_a_whole() -> None:
    assert only(deployment(web(args=["a", "b"])), deployment(web(args=["b"]))) == Change(
        path=f"{POD}.containers[web].args", op="change", old=["a", "b"], new=["b"]
    )


# ------------------------------------------------------------------------------- completeness

NAMES = st.sampled_from(["web", "proxy", "1", "a.b", 'x"]', ""])
LEAVES = st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from(["", "a", "b"])
KEYS = st.sampled_from(["a", "b", "x/y", '"]', "containers", "env", "ports", "name", "1"])


def items(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    return st.lists(
        st.builds(lambda name, rest: {"name": name, **rest}, NAMES, st.dictionaries(KEYS, inner)),
        max_size=3,
    )


def bigger(inner: st.SearchStrategy[JSON]) -> st.SearchStrategy[JSON]:
    return st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3) | items(inner)


OBJECTS: st.SearchStrategy[Object] = st.dictionaries(
    KEYS, st.recursive(LEAVES, bigger, max_leaves=8), max_size=4
)


@given(OBJECTS, OBJECTS)
@settings(max_examples=100)
def test_nothing_differs_exactly_when_the_two_are_equal(live: Object, result: Object) -> None:
    assert (diff(live, result) == ()) == diffs.same(live, result)
    assert diff(live, copy.deepcopy(live)) == ()


@given(OBJECTS, OBJECTS)
@settings(max_examples=100)
def test_the_differences_alone_turn_one_into_the_other(live: Object, result: Object) -> None:
    assert diffs.same(patched(live, diff(live, result)), result)


@pytest.mark.parametrize(
    ("path", "op"),
    [
        ("spec.missing", "change"),
        ("spec.missing.deeper", "change"),
        ("spec.missing", "remove"),
        ("spec.replicas.deeper", "add"),
        (f"{POD}.containers[other].image", "change"),
        (f"{POD}.containers[other]", "remove"),
        (f"{POD}.containers[7]", "change"),
        (f"{POD}[web]", "remove"),
        ("spec[0]", "add"),
        ("", "change"),
    ],
)
def test_a_difference_that_is_of_another_object_does_not_fit(path: str, op: diffs.Op) -> None:
    change = diffs.Change(path=path, op=op, old=None, new="x")

    assert patched(deployment(web(), replicas=2), [change]) is None


@given(OBJECTS, OBJECTS)
@settings(max_examples=100)
def test_paths_are_unique_and_the_order_is_fixed(live: Object, result: Object) -> None:
    changes = diff(live, result)
    shuffled = {key: live[key] for key in reversed(live)}

    assert len({change.path for change in changes}) == len(changes)
    assert diff(shuffled, result) == changes


@given(st.lists(st.text(min_size=1, max_size=5), max_size=4))
@settings(max_examples=100)
def test_a_path_can_be_taken_apart_again(keys: list[str]) -> None:
    live: JSON = {}
    result: JSON = 1
    for key in reversed(keys):
        live, result = {key: live}, {key: result}
    if not isinstance(live, dict) or not isinstance(result, dict):
        return

    assert steps(only(live, result).path) == tuple(keys)


# ---------------------------------------------------------------------------------- redaction


def agent_view(live: Object | None, result: Object | None, kind: Kind) -> tuple[Change, ...]:
    return redacted(diff(live, result), kind, redact=lambda text: text.replace(CANARY, "[gone]"))


def test_config_map_values_are_hidden_but_that_they_differ_is_not() -> None:
    live: Object = {"data": {"a": CANARY, "b": CANARY, "c": "same"}}
    result: Object = {"data": {"a": "other", "c": "same", "d": CANARY}}

    assert agent_view(live, result, Kind.CONFIG_MAP) == (
        Change(path="data.a", op="change", old=HIDDEN, new=HIDDEN_OTHER),
        Change(path="data.b", op="remove", old=HIDDEN, new=None),
        Change(path="data.d", op="add", old=None, new=HIDDEN),
    )


def test_env_values_are_hidden_and_their_names_are_not() -> None:
    live = deployment(web(env=[{"name": "A", "value": CANARY}]))
    result = deployment(web(env=[{"name": "A", "value": "x"}, {"name": "B", "value": CANARY}]))

    changes = agent_view(live, result, Kind.DEPLOYMENT)

    assert [(c.path.rpartition(".")[2], c.old, c.new) for c in changes] == [
        ("value", HIDDEN, HIDDEN_OTHER),
        ("env[B]", None, {"name": "B", "value": HIDDEN}),
    ]


def test_annotations_are_hidden_unless_listed() -> None:
    shown = "kubectl.kubernetes.io/restartedAt"
    result: Object = {"metadata": {"annotations": {"a": "x", shown: "now"}}}

    changes = agent_view({"metadata": {"annotations": {}}}, result, Kind.SERVICE)

    assert [c.new for c in changes] == [HIDDEN, "now"]


def test_other_texts_pass_the_redaction_and_numbers_stay() -> None:
    changes = agent_view(
        deployment(web(), replicas=1), deployment(web(args=[f"-p={CANARY}"]), replicas=2), Kind.POD
    )

    assert [c.new for c in changes] == [2, ["-p=[gone]"]]


PLACES: list[tuple[Kind, Object]] = [
    (Kind.CONFIG_MAP, {"data": {"a": CANARY}, "binaryData": {"b": CANARY}}),
    (Kind.DEPLOYMENT, deployment(web(env=[{"name": "A", "value": CANARY}]))),
    (
        Kind.DEPLOYMENT,
        deployment(web(env=[{"name": "A", "value": CANARY}, {"name": "A", "value": "x"}])),
    ),
    (Kind.DEPLOYMENT, {"metadata": {"annotations": {"x": CANARY}}}),
    (
        Kind.DEPLOYMENT,
        {"spec": {"template": {"metadata": {"annotations": {"x/y": CANARY}}}}},
    ),
    (Kind.SERVICE, {"metadata": {"labels": {"x": CANARY}, "managedFields": [CANARY]}}),
]


@pytest.mark.parametrize(("kind", "body"), PLACES)
def test_a_value_is_hidden_however_much_around_it_changes(kind: Kind, body: Object) -> None:
    smaller: list[Object | None] = [{}, None]
    smaller += [{key: {}} for key in body]

    for other in smaller:
        for changes in (agent_view(other, body, kind), agent_view(body, other, kind)):
            assert changes
            assert CANARY not in repr(changes)
            assert CANARY not in render_text(changes)


# --------------------------------------------------------------------------------------- text


def test_each_difference_is_a_line_with_its_sign() -> None:
    live = deployment(web(args=["a"]), replicas=2, old={"x": 1})
    result = deployment(web(args=["b", "c"]), replicas=4, new={"y": True, "z": [{"k": None}]})

    assert render_text(diff(live, result)).splitlines() == [
        "+ spec.new.y: true",
        "+ spec.new.z[0].k: null",
        "- spec.old.x: 1",
        "~ spec.replicas: 2 → 4",
        f'~ {POD}.containers[web].args: ["a"] → ["b", "c"]',
    ]


def test_a_value_cannot_forge_a_line() -> None:
    changes = diff({"a": "x"}, {"a": "y\n+ spec.replicas: 9\u2028\x1b[2K"})

    assert len(render_text(changes).splitlines()) == 1
    assert render_text(changes).isprintable()


@given(OBJECTS, st.integers(100, 2000))
@settings(max_examples=100)
def test_the_text_keeps_to_its_bound_and_says_what_is_left_out(body: Object, bound: int) -> None:
    changes = diff(None, {**body, "filler": {f"k{n}": "ü" * 50 for n in range(30)}})
    whole = render_text(changes, max_bytes=1_000_000)

    text = render_text(changes, max_bytes=bound)

    assert len(text.encode()) <= bound
    *kept, last = text.splitlines()
    left_out = len(whole.splitlines()) - len(kept)
    assert last in (f"… {left_out} more lines", whole.splitlines()[-1])


def test_a_long_value_is_cut() -> None:
    line = render_text(diff({"a": 1}, {"a": "x" * 10_000}))

    assert line.endswith("…")
    assert len(line) < 300
