"""Commands run as a user runs them, within this process."""

from typer.testing import CliRunner

from spacy_bert_ner.cli.main import bert_ner_cli


def run(*args):
    result = CliRunner().invoke(bert_ner_cli, list(map(str, args)))
    return result.exit_code, " ".join(result.output.split())
