"""Row 41 as a table: each file of a model and of an encoder, flipped, cut and deleted."""

import shutil
import warnings

from support.damages import damage
from support.encoders import read
from support.listening import annotate, make_nlp

import spacy_bert_ner
from spacy_bert_ner.encode.saved import checkpoint_to_bytes
from spacy_bert_ner.fetch.fetch import fetch_encoder
from spacy_bert_ner.fetch.trust import LOCK_NAME
from spacy_bert_ner.manifest import MANIFEST, write_manifest

KINDS = ("flip", "cut", "delete")


def list_harmless(folder, use, tmp_path):
    """Damage each file in each way; give those after which the folder is used as before.

    All others must be refused with an error that names the file.
    """
    expected, harmless = use(folder), []
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    for name in names:
        for kind in KINDS:
            if kind != "delete" and not (folder / name).stat().st_size:
                continue
            copy = shutil.copytree(folder, tmp_path / "copy")
            damage(copy / name, kind)
            try:
                assert use(copy) == expected, (name, kind)
                harmless.append((name, kind))
            except (ValueError, FileNotFoundError) as error:
                assert name in str(error), (name, kind, error)
            shutil.rmtree(copy)
    return len(names), harmless


def test_row_41_each_file_of_a_model(get_encoder, tmp_path):
    nlp = make_nlp(get_encoder(), n_steps=1)
    nlp.to_disk(tmp_path / "model")
    write_manifest(tmp_path / "model")

    def use(folder):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no manifest
            return annotate(spacy_bert_ner.load(folder))

    n_files, harmless = list_harmless(tmp_path / "model", use, tmp_path)
    assert n_files > 10
    assert harmless == [(MANIFEST, "delete")]


def test_row_41_each_file_of_an_encoder(get_encoder, tmp_path):
    fetch_encoder(f"dir:{get_encoder()}", tmp_path / "encoder", pins={})

    def use(folder):
        return checkpoint_to_bytes(read(folder), pooling="first")

    n_files, harmless = list_harmless(tmp_path / "encoder", use, tmp_path)
    assert n_files > 3
    assert set(harmless) <= {(LOCK_NAME, "delete"), (LOCK_NAME, "flip")}
