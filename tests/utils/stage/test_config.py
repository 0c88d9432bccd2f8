"""Configs: defaults, overrides, and what is said about mistakes."""

import pytest

from utils.errors import UserError
from utils.stage.config import DEFAULT_CONFIG, RETIRED_KEYS, Config, flattened, load_config


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "own.conf"
        path.write_text(text)
        return path

    return write


def test_the_shipped_config_is_the_default():
    assert load_config() == load_config(DEFAULT_CONFIG)
    assert load_config().num is None and load_config().pose_optim.bone_symmetry == 1.0


def test_every_shipped_key_is_documented_where_it_stands():
    """Each key has a comment on its own line or on the one above."""
    lines = DEFAULT_CONFIG.read_text().splitlines()
    names = {name.rpartition(".")[2] for name, _ in flattened(load_config())}
    for number, line in enumerate(lines):
        key, equals, _ = line.partition("=")
        if equals and key.strip() in names:
            above = lines[number - 1].strip() if number else ""
            assert "#" in line or above.startswith("#"), f"line {number + 1}: {line}"


def test_keys_left_out_take_the_shipped_values(write):
    config = load_config(write("num = 13\npose_optim { cauchy_scale = 3 }"))
    assert config.num == 13
    assert config.pose_optim.cauchy_scale == 3.0
    assert isinstance(config.pose_optim.cauchy_scale, float)
    assert config.pose_optim.min_fit == load_config().pose_optim.min_fit


@pytest.mark.parametrize(
    "override, key, value",
    [("num=7", "num", 7), ("hand_model=mano", "hand_model", "mano"), ("w = null", "w", None),
     ("h=1024.0", "h", 1024)],
)  # fmt: skip
def test_overrides(override, key, value):
    assert load_config(None, [override])[key] == value


def test_overrides_reach_into_sections_and_the_last_one_wins():
    config = load_config(None, ["pose_optim.min_fit=0.5", "pose_optim.min_fit=0.25"])
    assert config.pose_optim.min_fit == 0.25
    assert config.pose_optim.fit_radius == load_config().pose_optim.fit_radius


@pytest.mark.parametrize(
    "text, message",
    [
        ("hand_modle = auto", "unknown key 'hand_modle'; did you mean 'hand_model'?"),
        ("pose_optim { min_fti = 1 }", "unknown key 'min_fti'; did you mean 'min_fit'?"),
        ("num = many", "num = 'many': expected a whole number (views)"),
        ("num = 3.5", "num = 3.5: expected a whole number (views)"),
        ("num = true", "num = True: expected a whole number (views)"),
        ("num = 0", "num = 0: expected 1 to 10000 (views)"),
        ("hand_model = 3", "hand_model = 3: expected a text (hand model)"),
        ("hand_model = mono", "hand_model = 'mono': expected one of auto, open, mano"),
        ("pose_optim.min_fit = high", "pose_optim.min_fit = 'high': expected a number (share)"),
        ("lap_weight = -1", "lap_weight = -1: expected 0 to 1e+06 (weight)"),
        ("lap_weight = null", "lap_weight = None: expected a number (weight)"),
        (
            "mano_optim.scale_sigma = 0",
            "scale_sigma = 0: expected above 0, at most 1e+06 (relative)",
        ),
        ("ham_levels = []", "ham_levels = []: expected 1 to 10 (items, levels)"),
        ("ham_levels = [{verts = 9}]", "ham_levels[0]: key 'image_scale' is missing"),
        ("ham_levels = [3]", "key 'ham_levels' holds 3; expected sections"),
        ("ham_levels = [{vets = 9}]", "ham_levels: unknown key 'vets'; did you mean 'verts'?"),
        (
            "ham_levels = [{verts=1e9, image_scale=1, steps=1, lr=0.1, smoothness=1}]",
            "ham_levels[0].verts = 1000000000: expected 1 to 2e+06 (vertices of a hand)",
        ),
        (
            "ham_levels = [{verts=9, image_scale=50, steps=1, lr=0.1, smoothness=1}]",
            "ham_levels[0].image_scale = 50: expected 0.01 to 2 (of the photos' resolution)",
        ),
        ("pose_optim = 3", "key 'pose_optim' is 3; expected a section"),
        ("num = {", "own.conf, line 1: not valid HOCON: 'num = {'"),
        ("num = 3\nlap_weight = 0,02\n", "line 2: not valid HOCON: 'lap_weight = 0,02' (a decimal"),
        ("num = 3\n\nlap_weight 0.02\nw = 4", "line 3: not valid HOCON: 'lap_weight 0.02'"),
        ("[1, 2]", "expected keys and values"),
        ("num = ${width}", "${width} stands for nothing"),
        ("lap_weight = 10 seconds", "lap_weight = relativedelta"),
        ("lap_weight = 1e400", "lap_weight = inf: expected a number (weight)"),
        ("x = " + "[" * 3000, "not valid HOCON"),
        ('include "own.conf"', "own.conf: includes itself"),
        ('include "missing.conf"', "line 1: "),
        ('include url("http://a.b/c.conf")', "only files can be included"),
        ('include "https://a.b/c.conf"', "only files can be included"),
        ('num = 3\ninclude "missing.conf"', "line 2: an include stands before all settings"),
    ],
)
def test_mistakes_name_the_file_and_the_key(write, text, message):
    with pytest.raises(UserError) as error:
        load_config(write(text))
    assert message in str(error.value) and "own.conf" in str(error.value)
    assert "\n" not in str(error.value)


def test_includes_are_read_and_the_file_s_own_settings_win(write, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "base.conf").write_text("num = 13\npose_optim { min_fit = 0.5 }")
    (tmp_path / "base" / "lab.conf").write_text('include "base.conf"\nw = 640')
    text = '# of our lab\ninclude "base/lab.conf"\npose_optim.fit_radius = 0.5\nnum = 14'
    config = load_config(write(text))
    assert (config.num, config.w, config.pose_optim.min_fit) == (14, 640, 0.5)
    assert config.pose_optim.fit_radius == 0.5


def test_an_include_s_mistakes_name_it(write, tmp_path):
    (tmp_path / "lab.conf").write_text("num = 13\nlap_weight = 0,02")
    with pytest.raises(UserError, match=r"lab\.conf, line 2: .*a decimal comma"):
        load_config(write('include "lab.conf"'))


def test_windows_editors_files_are_read(tmp_path):
    (tmp_path / "own.conf").write_bytes(b"\xef\xbb\xbfnum = 13\r\nw = 640\r\n")
    config = load_config(tmp_path / "own.conf")
    assert (config.num, config.w) == (13, 640)


@pytest.mark.parametrize("key", sorted(RETIRED_KEYS))
def test_retired_keys_say_what_took_their_place(write, key):
    if key in load_config():
        pytest.skip("the key lives on")
    with pytest.raises(UserError, match=f"key '{key}' is retired: .*; delete the line"):
        load_config(write(f"{key} = 1"))


def test_a_config_of_the_reference_implementation_is_read(write, capsys):
    """Its retired keys tell it; what its units make wrong here keeps our values."""
    theirs = "epoch_sfs = 400\nsig = 4\nbatch = 8\nlap_weight = 2000\nnum = 16\ndegree = 2"
    config, ours = load_config(write(theirs)), load_config()
    assert (config.degree, config.lap_weight, config.num) == (2, ours.lap_weight, ours.num)
    said = capsys.readouterr().out
    assert "3 keys that mean nothing here are passed over" in said
    assert "num, lap_weight keep this suite's values" in said
    with pytest.raises(UserError, match="unknown key 'nmu'"):
        load_config(write(f"{theirs}\nnmu = 3"))


def test_no_retired_key_is_in_use():
    assert not RETIRED_KEYS.keys() & load_config().keys()


def test_numbers_in_lists_have_the_type_of_the_shipped_ones():
    level = "{verts=9e2, image_scale=1, steps=2.0, lr=0.1, smoothness=5}"
    (level,) = load_config(None, [f"ham_levels=[{level}]"]).ham_levels
    assert type(level.verts) is int and type(level.steps) is int and type(level.lr) is float
    assert type(load_config(None, ["gcn.levels=[4e2, 100]"]).gcn.levels[0]) is int


@pytest.mark.parametrize("override", ["num", "=3", " = 3"])
def test_overrides_need_a_key_and_a_value(override):
    with pytest.raises(UserError, match=r"expected key=value, such as --set"):
        load_config(None, [override])


def test_mistyped_override_names_itself():
    with pytest.raises(UserError, match=r"--set nmu=3: unknown key 'nmu'; did you mean 'num'"):
        load_config(None, ["nmu=3"])


def test_missing_config_names_the_shipped_ones(tmp_path):
    with pytest.raises(UserError, match=r"no such file; shipped configs: .*demo_sfs\.conf"):
        load_config(tmp_path / "none.conf")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_configs_of_windows_editors(tmp_path, encoding):
    (tmp_path / "own.conf").write_bytes("lap_weight = 0.5\r\nnum = 3\r\n".encode(encoding))
    config = load_config(tmp_path / "own.conf")
    assert (config.lap_weight, config.num) == (0.5, 3)


@pytest.mark.parametrize("content", [b"\xff\x00num", b"\xff\xfe\x00nu"])
def test_config_that_is_not_text(tmp_path, content):
    (tmp_path / "own.conf").write_bytes(content)
    with pytest.raises(UserError, match="not a text file in UTF-8"):
        load_config(tmp_path / "own.conf")


def test_config_items_are_attributes_and_plain_is_plain():
    config = Config(a=Config(b=1), c=2)
    assert config.a.b == 1 and config.plain() == {"a": {"b": 1}, "c": 2}
    assert type(config.plain()["a"]) is dict
    with pytest.raises(AttributeError, match="nothing"):
        _ = config.nothing


@pytest.mark.parametrize(
    "read, reads",
    [
        (lambda c: c.c, {"c": 2}),
        (lambda c: c["c"], {"c": 2}),
        (lambda c: c.get("c"), {"c": 2}),
        (lambda c: c.a, {}),  # the section alone says nothing
        (lambda c: c.a.b, {"a.b": 1}),
        (lambda c: {**c.a}, {"a.b": 1, "a.d": 3}),
        (lambda c: dict(c.a), {"a.b": 1, "a.d": 3}),
        (lambda c: list(c.a.items()), {"a.b": 1, "a.d": 3}),
        (lambda c: list(c.a.values()), {"a.b": 1, "a.d": 3}),
        (lambda c: Config(c.a, b=7), {"a.b": 1, "a.d": 3}),
        (lambda c: c.levels[0].steps, {"levels": [{"steps": 5}]}),  # a list counts as a whole
        (lambda c: c.plain(), {}),
    ],
)
def test_a_config_knows_what_was_read(read, reads):
    config = Config(a=Config(b=1, d=3), c=2, levels=[Config(steps=5)])
    read(config)
    assert config.reads() == reads
    assert config.unread().reads() == {} and config.unread() == config


def test_configs_agree_in_what_was_read():
    config = Config(a=Config(b=1, d=3), c=2)
    assert config.agrees({"a.b": 1}) and config.agrees({})
    assert not config.agrees({"a.b": 2}) and not config.agrees({"a.e": 1})
    assert not config.agrees({"a": {"b": 1}})
    config.note(["a.b", "c"])
    assert config.reads() == {"a.b": 1, "c": 2}


def test_flattened_names_are_dotted():
    assert list(flattened({"a": {"b": 1, "c": {"d": 2}}, "e": 3})) == [
        ("a.b", 1), ("a.c.d", 2), ("e", 3),
    ]  # fmt: skip
