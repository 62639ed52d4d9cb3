"""What a command may write over: nothing that exists without `force`, and never its inputs."""

import os

import pytest

from spacy_bert_ner.targets import check_targets


@pytest.fixture
def place(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path


def test_what_does_not_exist_is_free(place):
    check_targets(files=[place / "a" / "b.txt"], folder=place / "new")
    (place / "empty").mkdir()
    check_targets(folder=place / "empty")


@pytest.mark.parametrize("kind", ["file", "link to a file", "dangling link"])
def test_a_file_in_the_way_needs_force(place, kind):
    path = place / "out.txt"
    if "link" in kind:
        path.symlink_to(place / "real.txt")
    if kind != "dangling link":
        path.write_text("x")
    with pytest.raises(FileExistsError, match=r"out.txt exists.*set `force`"):
        check_targets(files=[path])
    check_targets(files=[path], force=True)


def test_a_folder_with_something_in_it_needs_force(place):
    (place / "out").mkdir()
    (place / "out" / ".hidden").touch()
    with pytest.raises(FileExistsError, match="out exists"):
        check_targets(folder=place / "out")
    check_targets(folder=place / "out", force=True)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link", "other spelling"])
def test_an_input_is_never_a_target(place, way, force):
    source = place / "data.conll"
    source.write_text("x")
    target = place / "link"
    if way == "symbolic link":
        target.symlink_to(source)
    elif way == "hard link":
        os.link(source, target)
    else:
        target = source if way == "itself" else place / "work" / ".." / "data.conll"
    with pytest.raises(ValueError, match=r"is read as an input.*not even with `force`"):
        check_targets(files=[target], inputs=["none", source], force=force)


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_holds_an_input_or_lies_in_one_is_no_target(place, force):
    model = place / "a" / "model"
    model.mkdir(parents=True)
    (place / "link").symlink_to(place / "a")
    for folder in (model, place / "a", place / "link", place / "link" / "model"):
        with pytest.raises(ValueError, match="is read as an input"):
            check_targets(folder=folder, inputs=[model], force=force)
    with pytest.raises(ValueError, match="is inside"):
        check_targets(folder=model / "out", inputs=[model], force=force)
    with pytest.raises(ValueError, match="is inside"):
        check_targets(files=[model / "out.json"], inputs=[model], force=force)
    check_targets(files=[place / "a" / "out.json"], inputs=[model], force=force)


def test_a_file_and_a_folder_are_not_exchanged(place):
    (place / "file").touch()
    (place / "folder").mkdir()
    with pytest.raises(ValueError, match="file is a file, expected a folder"):
        check_targets(folder=place / "file", force=True)
    with pytest.raises(ValueError, match="folder is a folder, expected a file"):
        check_targets(files=[place / "folder"], force=True)
    with pytest.raises(NotADirectoryError, match="file is a file, expected a folder"):
        check_targets(files=[place / "file" / "a.txt"])


@pytest.mark.parametrize("name", [".", ".."])
def test_the_working_directory_is_not_replaced(place, name):
    with pytest.raises(ValueError, match="is the working directory or contains it"):
        check_targets(folder=place / "work" / name, force=True)


def test_a_place_without_permission_is_refused(place, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="no permission in"):
        check_targets(files=[place / "a" / "b.txt"])


@pytest.mark.parametrize("name", ["loop", "dangling"])
def test_a_link_that_leads_nowhere_is_one_sentence(place, name):
    (place / "loop").symlink_to("loop")
    (place / "dangling").symlink_to("nowhere")
    with pytest.raises(NotADirectoryError, match=f"{name} is a link to .*, which does not exist"):
        check_targets(files=[place / name / "a.txt"])
    with pytest.raises(NotADirectoryError, match=f"{name} is a link to .*, which does not exist"):
        check_targets(folder=place / name / "a" / "b", inputs=[place / "work"])
