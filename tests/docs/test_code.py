"""What the pages give to copy: Python blocks run, commands are taken by the tools that they name.

`<!-- not run: REASON -->` before a block leaves it out; `<!-- run -->` carries a command out, in an
empty folder that the page's Python blocks share.
"""

import ast
import os
import shlex
from pathlib import Path

import pytest
import torch

from tests.helpers.commands import check_command, commands_of, tool_of
from tests.helpers.docs import PAGES, ROOT, blocks, config_from_text
from tests.helpers.process import process_here

every_page = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)


@pytest.fixture(autouse=True)
def host(request):
    """Skips a page whose configs inherit those of a host that is not installed."""
    if 'page' in request.fixturenames and request.getfixturevalue('page').name == 'detection.md':
        pytest.importorskip('mmdet')


@every_page
def test_commands_are_taken(page, tmp_path):
    wrong = []
    for command in commands_of(page, tmp_path):
        try:
            check_command(command.argv)
        except Exception as error:
            wrong.append(f'{page.name}:{command.line}: {" ".join(command.argv)}\n    {error}')
    assert not wrong, '\n'.join(wrong)


@pytest.mark.parametrize(
    'command, message',
    [
        ('python tools/train.py', 'required: config'),
        ('python tools/train.py {} --work-directory x', 'unrecognized arguments: --work-directory'),
        ('python tools/train.py {} --cfg-options model.mask=1', "nothing takes 'mask'"),
        ('python tools/train.py {} --cfg-options param_scheduler.2.end=1', 'no item 2'),
        ('tools/dist_train.sh {} 2 --workdir', 'unrecognized arguments: --workdir'),
        ('python tools/convert_checkpoint.py a.pth b.pth --to onnx', "invalid choice: 'onnx'"),
        ('make docks', 'no target'),
        ('trian CONFIG', 'command not found'),
    ],
)
def test_a_wrong_command_is_seen(command, message, tmp_path):
    page = tmp_path / 'page.md'
    command = command.format('configs/cmae/cmae_vit-small-p16_folder.py')
    page.write_text(f'text\n\n```bash\n{command}\n```\n')
    with pytest.raises(AssertionError, match=message):
        for found in commands_of(page, tmp_path / 'shell'):
            check_command(found.argv)


@every_page
def test_python_and_marked_commands_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PREPARED.get(page.name, lambda: None)()
    names = {'__name__': '__main__'}
    for block in blocks(page, 'python', 'bash'):
        if block.mark.startswith('not run: '):
            continue
        if block.mark == 'run':
            carry_out(block)
        elif block.language == 'python' and block.is_config:
            config_from_text(block.text, tmp_path)
        elif block.language == 'python':
            for module in imported(block.text):
                pytest.importorskip(module)
            exec(compile('\n' * (block.line - 1) + block.text, page.name, 'exec'), names)


def carry_out(block):
    """Run the commands of a block, each of a tool on files of this folder."""
    for line in block.text.replace('\\\n', '').splitlines():
        tool, arguments = tool_of(shlex.split(line, comments=True))
        process = process_here(tool, *arguments)
        assert process.returncode == 0, process.stderr


def imported(code):
    """Top-level packages that a block imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split('.')[0]


def write_pretrained():
    """What docs/export.md starts from: a pre-training checkpoint of ViT-S."""
    from mmpretrain.models import VisionTransformer

    encoder = VisionTransformer(arch='deit-s', img_size=224, patch_size=16)
    tensors = {f'backbone.{name}': tensor for name, tensor in encoder.state_dict().items()}
    folder = Path('work_dirs/cmae_vit-small-p16_folder')
    folder.mkdir(parents=True)
    torch.save({'state_dict': tensors}, folder / 'epoch_300.pth')


# What the blocks of a page find in the current folder.
PREPARED = {
    'detection.md': lambda: Path('data/parts').mkdir(parents=True),
    'export.md': write_pretrained,
    'model_index.md': lambda: os.chdir(ROOT),
}
