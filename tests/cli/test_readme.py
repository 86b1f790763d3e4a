"""The README's examples run, its commands are the right ones and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.is_file(), reason="no source tree beside the tests")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_python_examples_run_one_after_another(capsys):
    namespace = {}
    examples = blocks("python")
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), namespace)
        for expected in re.findall(r"print\(.*\)  # ([^;\n]*)", example):
            assert expected in capsys.readouterr().out


def test_the_two_commands_are_there():
    text = README.read_text()
    assert "pip install . && layerwise demo" in text
    assert "pip install '.[test]' && pytest" in text


@pytest.mark.parametrize(
    "page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
)
def test_relative_links_and_named_paths_exist(page):
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    links += re.findall(r'src="(?!https?:)([^"]+)"', text)
    paths = re.findall(r"`((?:csrc|python|tests|bench|\.ci|\.assets)/[\w./-]*)`", text)
    assert [path for path in links + paths if not (ROOT / path).exists()] == []
