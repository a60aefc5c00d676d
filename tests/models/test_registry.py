"""The registry: which models exist, and the study's own laid over the packaged ones."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsctl.errors import InputError
from evsctl.models.registry import Registry, add_to_study, load_registry
from evsctl.models.spec import DTYPES, ModelSpec

HPLT_LANGUAGES = "bul ces dan deu ell eng est fin fra hrv hun ita lit lvs nld pol por ron slk slv spa swe".split()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
POSITIVE = st.floats(1e-6, 1e6) | st.integers(1, 10**6)
SPECS = st.builds(
    ModelSpec,
    model_id=st.from_regex(r"\A\w[\w.+=@-]{0,20}\Z"),
    hub_id=TEXTS,
    family=TEXTS,
    languages=st.none() | st.lists(TEXTS, min_size=1, max_size=3).map(tuple),
    dtype=st.sampled_from(DTYPES),
    chat_template=st.booleans(),
    in_study=st.booleans(),
    path=st.none() | TEXTS,
    parameters_billion=st.none() | POSITIVE,
    gated=st.none() | st.booleans(),
    memory_gb=st.integers(1, 4000),
    constraint=st.none() | TEXTS,
    notes=st.none() | TEXTS,
)


def requests(registry: Registry) -> dict[str, tuple[str, str, int, int, int, str | None]]:
    """Hub id, dtype and starting request by model."""
    return {m.model_id: (m.hub_id, m.dtype, m.memory_gb, m.walltime_minutes, m.gpus, m.constraint) for m in registry}


def study(folder: Path, text: str) -> Path:
    """Write the registry of the study in `folder`; returns the folder."""
    (folder / "models.toml").write_text(text, encoding="utf-8")
    return folder


def refused(folder: Path, text: str) -> str:
    """What is wrong with a study's registry, from the colon on."""
    with pytest.raises(InputError) as caught:
        load_registry(study(folder, text))
    return str(caught.value).removeprefix(str(folder / "models.toml"))


class TestPackaged:
    """The models of the study, with the requests that the first submission makes."""

    def test_there_are_these_26_models_and_no_others(self) -> None:
        hplt = {f"hplt2c_{lang}": (f"HPLT/hplt2c_{lang}_checkpoints", "bf16", 32, 60, 1, "a100|l40s|h100") for lang in HPLT_LANGUAGES}
        assert requests(load_registry()) == {
            **hplt,
            "eurollm22b": ("utter-project/EuroLLM-22B-2512", "bf16", 48, 240, 1, "a100|h100"),
            "gemma3_27b_pt": ("google/gemma-3-27b-pt", "bf16", 48, 240, 1, "a100|l40s|h100"),
            "gemma3_27b_it": ("google/gemma-3-27b-it", "bf16", 48, 240, 1, "a100|l40s|h100"),
            "qwen3235b": ("Qwen/Qwen3-235B-A22B", "int4", 192, 480, 1, "a100-80g"),
        }
        assert len(requests(load_registry())) == 26

    def test_the_study_proper_is_25_of_them_and_only_the_instructed_one_gets_a_chat_template(self) -> None:
        assert [model.model_id for model in load_registry() if not model.in_study] == ["gemma3_27b_it"]
        assert [model.model_id for model in load_registry() if model.chat_template] == ["gemma3_27b_it"]

    def test_monolingual_models_are_asked_in_their_language_the_others_in_all(self) -> None:
        languages = {model.model_id: model.languages for model in load_registry()}
        assert languages == {
            **{f"hplt2c_{lang}": (lang,) for lang in HPLT_LANGUAGES},
            **dict.fromkeys(("eurollm22b", "gemma3_27b_pt", "gemma3_27b_it", "qwen3235b")),
        }
        assert {model.family for model in load_registry() if model.is_multilingual} == {
            "eurollm22b",
            "gemma3_27b_pt",
            "gemma3_27b_it",
            "qwen3235b",
        }
        assert {model.family for model in load_registry() if not model.is_multilingual} == {"hplt2c"}

    def test_every_license_is_named_with_its_address(self) -> None:
        assert all(model.license and model.license_url and model.gated is not None for model in load_registry())


def test_a_model_is_found_by_its_id() -> None:
    registry = load_registry()
    assert registry.get("qwen3235b") is registry.find("qwen3235b")
    assert registry.find("nothing") is None


@pytest.mark.parametrize(
    ("model_id", "fix"),
    [
        ("hplt2c_en", "Did you mean 'hplt2c_eng'?"),
        ("gemma3_27b", "Did you mean 'gemma3_27b_pt'?"),
        ("zzz", "`evsctl models list` shows what there is; `evsctl models add` registers one."),
    ],
)
def test_an_unknown_model_is_answered_with_the_nearest_name(model_id: str, fix: str) -> None:
    with pytest.raises(InputError) as caught:
        load_registry().get(model_id)
    assert (caught.value.message, caught.value.fix) == (f"Unknown model '{model_id}'.", fix)


def test_a_study_without_a_registry_has_the_packaged_models(tmp_path: Path) -> None:
    assert load_registry(tmp_path) == load_registry()


def test_a_studys_models_are_laid_over_the_packaged_ones(tmp_path: Path) -> None:
    registry = load_registry(study(tmp_path, '[model.mine]\nhub_id = "me/mine"\n\n[model.qwen3235b]\nhub_id = "me/qwen"\ndtype = "bf16"\n'))
    assert registry.get("mine") == ModelSpec("mine", "me/mine", "mine")
    assert registry.get("qwen3235b") == ModelSpec("qwen3235b", "me/qwen", "qwen3235b", dtype="bf16")
    assert len(list(registry)) == 27


def test_a_family_is_one_model_per_language(tmp_path: Path) -> None:
    text = '[family.tiny]\nmodel_id = "tiny_{lang}"\nhub_id = "me/tiny-{lang}-{x}"\nlanguages = ["deu", "eng"]\nmemory_gb = 8\n'
    registry = load_registry(study(tmp_path, text))
    assert [registry.get(f"tiny_{lang}") for lang in ("deu", "eng")] == [
        ModelSpec(f"tiny_{lang}", f"me/tiny-{lang}-{{x}}", "tiny", (lang,), memory_gb=8) for lang in ("deu", "eng")
    ]


def test_a_model_may_be_run_without_a_card(tmp_path: Path) -> None:
    add_to_study(ModelSpec("tiny", "me/tiny", "tiny", gpus=0), tmp_path)
    assert load_registry(tmp_path).get("tiny").gpus == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model.x]\nhub_id = 'a/b'\ngpus = -1", ": gpus of model 'x' cannot be -1. Correct it there."),
        ("[model.x]\nhub_id = 'a/b'\nparameters_billion = 0", ": parameters_billion of model 'x' cannot be 0. Correct it there."),
        ("[model", " is not valid TOML: Expected ']' at the end of a table declaration (at end of document). Correct that line."),
        ("[models.x]\nhub_id = 'a/b'", ": unknown key 'models'. Models are tables such as [model.NAME] and [family.NAME]."),
        ("model = 3", ": unknown key 'model'. Models are tables such as [model.NAME] and [family.NAME]."),
        ("[model]\nx = 3", ": model 'x' is not a table. Write it as [model.x] with keys below."),
        ("[model.x]", ": model 'x' has no hub_id. Name its repository, or its folder's name where it has none."),
        ("[model.x]\nhub_id = 'a/b'\ndtpye = 'bf16'", ": unknown key 'dtpye' of model 'x'. Did you mean 'dtype'?"),
        ("[model.x]\nhub_id = 'a/b'\ndtype = 'fp8'", ": model 'x' has dtype 'fp8'. Known: fp32, bf16, int8, int4."),
        ("[model.x]\nhub_id = 'a/b'\nlanguages = 'eng'", ": languages of model 'x' cannot be 'eng'. Correct it there."),
        ("[model.x]\nhub_id = 'a/b'\nlanguages = []", ": languages of model 'x' cannot be []. Correct it there."),
        ("[model.x]\nhub_id = 'a/b'\nmemory_gb = '48'", ": memory_gb of model 'x' cannot be '48'. Correct it there."),
        ("[model.x]\nhub_id = 'a/b'\nmemory_gb = 0", ": memory_gb of model 'x' cannot be 0. Correct it there."),
        ("[model.x]\nhub_id = 'a/b'\ngpus = true", ": gpus of model 'x' cannot be True. Correct it there."),
        ("[model.x]\nhub_id = 'a/b'\nchat_template = 1", ": chat_template of model 'x' cannot be 1. Correct it there."),
        ("[model.x]\nhub_id = 'a/b'\nparameters_billion = nan", ": parameters_billion of model 'x' cannot be nan. Correct it there."),
        (
            "[model.'a/b']\nhub_id = 'a/b'",
            ": 'a/b' is no model id. Use letters, digits and any of _ . + = @ -: it names folders and jobs.",
        ),
        (
            "[family.x]\nmodel_id = 'x'\nhub_id = 'a/b'\nlanguages = ['eng']",
            ": family 'x' needs model_id (with {lang} in it), hub_id and a list of languages. Add them.",
        ),
        ("[family]\nx = 1", ": family 'x' is not a table. Write it as [family.x] with keys below."),
    ],
)
def test_a_mistake_is_named_by_file_model_and_key(tmp_path: Path, text: str, message: str) -> None:
    assert refused(tmp_path, text) == message


def test_a_registry_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_bytes(b"\xff")
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'models.toml'} cannot be read")):
        load_registry(tmp_path)


class TestAdding:
    """`evsctl models add`."""

    @settings(max_examples=40)
    @given(st.lists(SPECS, min_size=1, max_size=3))
    def test_whatever_is_added_is_read_back(self, tmp_path_factory: pytest.TempPathFactory, specs: list[ModelSpec]) -> None:
        folder = tmp_path_factory.mktemp("study")
        for spec in specs:
            assert add_to_study(spec, folder) == folder / "models.toml"
        registry = load_registry(folder)
        assert {m.model_id: registry.get(m.model_id) for m in specs} == {m.model_id: m for m in specs}

    def test_the_file_is_easy_to_read(self, tmp_path: Path) -> None:
        add_to_study(ModelSpec("my.model", "me/mine", "my.model", ("eng", "deu"), notes='say "Ünïcode"\n\t\x7f\\'), tmp_path)
        add_to_study(ModelSpec("b", "me/b", "b", chat_template=True, gpus=2, parameters_billion=0.5), tmp_path)
        assert (tmp_path / "models.toml").read_text(encoding="utf-8") == (
            "# Models of this study, written by `evsctl models add`; edit freely.\n\n"
            '[model."my.model"]\nhub_id = "me/mine"\nfamily = "my.model"\nlanguages = ["eng", "deu"]\n'
            'notes = "say \\"Ünïcode\\"\\n\\t\\u007f\\\\"\n\n'
            '[model."b"]\nhub_id = "me/b"\nfamily = "b"\nchat_template = true\nparameters_billion = 0.5\ngpus = 2\n'
        )

    def test_comments_and_families_of_the_user_stay(self, tmp_path: Path) -> None:
        mine = '# ours\n[family.t]  # tiny\nmodel_id = "t_{lang}"\nhub_id = "me/t-{lang}"\nlanguages = [\n  "deu",\n  "eng",\n]\n\n'
        study(tmp_path, mine + '[model.x]\nhub_id = "me/old"\nmemory_gb = 8\n# about y\n[model.y]\nhub_id = "me/y"\n')
        add_to_study(ModelSpec("x", "me/new", "x"), tmp_path)
        assert (tmp_path / "models.toml").read_text() == (
            mine + '# about y\n[model.y]\nhub_id = "me/y"\n\n[model."x"]\nhub_id = "me/new"\nfamily = "x"\n'
        )

    def test_a_file_too_unusual_to_cut_is_written_anew_without_loss(self, tmp_path: Path) -> None:
        study(tmp_path, 'model = { x = { hub_id = "me/old" }, y = { hub_id = "me/y" } }\n')
        add_to_study(ModelSpec("x", "me/new", "x"), tmp_path)
        registry = load_registry(tmp_path)
        assert (registry.get("x").hub_id, registry.get("y").hub_id) == ("me/new", "me/y")

    def test_one_member_of_a_family_can_be_set_apart(self, tmp_path: Path) -> None:
        study(tmp_path, '[family.t]\nmodel_id = "t_{lang}"\nhub_id = "me/t-{lang}"\nlanguages = ["deu", "eng"]\n')
        add_to_study(ModelSpec("t_eng", "me/other", "t", ("eng",)), tmp_path)
        registry = load_registry(tmp_path)
        assert (registry.get("t_deu").hub_id, registry.get("t_eng").hub_id) == ("me/t-deu", "me/other")

    @pytest.mark.parametrize(
        "spec",
        [
            ModelSpec("../x", "a/b", "x"),
            ModelSpec("", "a/b", "x"),
            ModelSpec("-x", "a/b", "x"),
            ModelSpec("x y", "a/b", "x"),
            ModelSpec("x", "a/b", "x", memory_gb=0),
            ModelSpec("x", "a/b", "x", dtype="fp8"),
            ModelSpec("x", "a/b", "x", languages=()),
            ModelSpec("x", "half a sign: \ud800", "x"),
        ],
        ids=repr,
    )
    def test_what_could_not_be_read_back_is_refused_and_the_file_stays(self, tmp_path: Path, spec: ModelSpec) -> None:
        text = '[model.y]\nhub_id = "me/y"\n'
        study(tmp_path, text)
        with pytest.raises(InputError):
            add_to_study(spec, tmp_path)
        assert (tmp_path / "models.toml").read_text() == text

    def test_a_broken_registry_is_not_written_over(self, tmp_path: Path) -> None:
        study(tmp_path, "[model.x\n")
        with pytest.raises(InputError, match="is not valid TOML"):
            add_to_study(ModelSpec("y", "a/b", "y"), tmp_path)
        assert (tmp_path / "models.toml").read_text() == "[model.x\n"
