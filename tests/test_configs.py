"""The configs of the project: complete, valid, and without a setting that is ignored."""

import pytest
from confection import ConfigValidationError
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import fill_config
from spacy.schemas import ConfigSchemaTraining
from spacy.util import load_config
from support.configs import CONFIGS, PATHS, read, resolve

OURS = [path for path in CONFIGS if path.stem != "stock"]


def get_block(config, names):
    for name in names:
        config = config[name]
    return config


def find_blocks(config, names=()):
    yield names
    for name, value in config.items():
        if isinstance(value, dict):
            yield from find_blocks(value, (*names, name))


def test_all_configs_are_there():
    names = {"config", "stock", "gpu", "frozen", "small_data"}
    assert names <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_spacy_accepts_the_config(path, tmp_path, capsys):
    fill_config(tmp_path / "filled.cfg", path)
    filled = load_config(tmp_path / "filled.cfg")
    assert filled["training"]["batcher"] == {
        **filled["training"]["batcher"],
        **load_config(path)["training"]["batcher"],
    }
    debug_config(path, overrides=PATHS)
    assert "Config is valid" in capsys.readouterr().out


BLOCKS = [
    pytest.param(path, names, id=f"{path.stem}-{'.'.join(names)}")
    for path in CONFIGS
    for names in find_blocks(load_config(path))
    # Free sections, containers of named blocks, spaCy's own section (below).
    if len(names) > 1 and names[-1] != "score_weights"
    if names not in (("initialize", "components"), ("initialize", "tokenizer"))
    # These two take whatever Hugging Face takes, and the attributes to set.
    if names[-1] not in ("tokenizer_config", "transformer_config", "attrs")
]


@pytest.mark.parametrize(("path", "names"), BLOCKS)
def test_no_setting_is_ignored(path, names):
    config = read(path)
    get_block(config, names)["no_such_setting"] = 1
    with pytest.raises(ConfigValidationError, match="no_such_setting"):
        resolve(config)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_spacy_knows_all_settings_of_the_training(path):
    assert read(path)["training"].keys() <= ConfigSchemaTraining.model_fields.keys()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_no_setting_has_the_wrong_type(path):
    config = read(path)
    config["training"]["batcher"] |= {"pool": "many"}
    with pytest.raises(ConfigValidationError, match="pool"):
        resolve(config)
