"""Step `convert` of project.yml: the same command as `python -m spacy bert-ner convert`."""

import typer

from spacy_bert_ner.cli.convert import convert_cli

if __name__ == "__main__":
    typer.run(convert_cli)
