"""Commands of the docs: expanded by bash, parsed by the tools' own parsers, not carried out."""

import argparse
import contextlib
import functools
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import mmpretrain.registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner

from .docs import ROOT, blocks
from .process import process_here

# What pages call besides tools; anything else is unknown to bash, which fails.
_PROGRAMS = ('python', 'python3', 'pip', 'make', 'bash', 'srun', 'sbatch', 'mpirun', 'git', 'uv')
_PROGRAMS += ('docker', 'awk', 'ls', 'sort', 'ln', 'tensorboard', 'mlflow', 'wandb')
# A single write, since the programs of a pipeline run at once.
_STUB = """#!/bin/sh
call=$(printf '%s\\037' "$LINE" "$0" "$@"; printf '\\036')
printf %s "$call" >> "$RECORD"
"""
_IN_A_TABLE = re.compile(r'`((?:[A-Z_]+=\S* )*(?:python |tools/\S+ |srun |mpirun |make )[^`]*)`')


class Command(NamedTuple):
    """A command of a page, as its program would be called."""

    line: int
    argv: list[str]


def commands_of(page, folder):
    """The commands in a page's bash blocks and tables, expanded by bash.

    Args:
        page: path of the page.
        folder: empty, to expand them in.
    """
    script = [
        (block.line, _completed(block.text))
        for block in blocks(page, 'bash')
        if not block.mark.startswith('not run')
    ]
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith('|'):
            script += [(number, _filled(command)) for command in _IN_A_TABLE.findall(line)]
    return _expanded(script, folder)


def _completed(text):
    """Put a command before options alone, and take [--optional] arguments as given."""
    text = re.sub(r'^(?=--)', 'python tools/train.py CONFIG ', text, flags=re.MULTILINE)
    return re.sub(r' \[(-[^\]]*)\]', r' \1', text).replace(' ...', '')


def _filled(command):
    """Put a number in place of <address of node 0>."""
    return re.sub(r'<[^>]*>', '0', command).replace('...', '')


def _expanded(script, folder):
    """Let bash run a script in which every program only records how it was called."""
    programs = [folder / 'bin' / name for name in _PROGRAMS]
    programs += [folder / path.relative_to(ROOT) for path in (ROOT / 'tools').glob('**/*.*')]
    programs += [folder / '.venv' / 'bin' / name for name in ('python', 'pip', 'jupyter')]
    for path in programs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_STUB)
        path.chmod(0o755)
    (folder / '.venv' / 'bin' / 'activate').touch()
    text = '\n'.join(f'export LINE={line}\n{block}' for line, block in script)
    ran = subprocess.run(
        ['/bin/bash', '-euc', f'cd() {{ :; }}; mkdir() {{ /bin/mkdir "$@"; }}\n{text}'],
        cwd=folder,
        env={'PATH': str(folder / 'bin'), 'RECORD': str(folder / 'record')},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    record = folder / 'record'
    calls = record.read_text().split('\036')[:-1] if record.exists() else []
    fields = [call.split('\037')[:-1] for call in calls]
    return [Command(int(line), [_named(program), *args]) for line, program, *args in fields]


def _named(program):
    return program if program.startswith(('tools/', '.')) else Path(program).name


def tool_of(argv):
    """The Python tool that a command comes to, and its arguments; None if it is another program."""
    if argv[:3] == ['python', '-m', 'cmae_mm'] and '--help' not in argv:
        argv = _started_by_the_package(argv[3:])
    program, *rest = argv
    if program == 'tools/dist_train.sh':
        config, processes, *rest = rest
        assert int(processes)
        return 'train.py', [config, *rest]
    if program == 'tools/dist_test.sh':
        config, checkpoint, processes, *rest = rest
        assert int(processes)
        return 'test.py', [config, checkpoint, *rest]
    if program == 'tools/slurm_train.sh':
        _, _, config, *rest = rest
        return 'train.py', [config, *rest[1:]]
    for number, word in enumerate(argv):
        if re.fullmatch(r'tools/[\w/]+\.py', word):
            return word.removeprefix('tools/'), argv[number + 1 :]
    return None


def _started_by_the_package(arguments):
    """What ``python -m cmae_mm ARGUMENTS...`` would replace its process by."""
    from cmae_mm.__main__ import main

    with (
        mock.patch.object(sys, 'argv', ['cmae_mm', *arguments]),
        mock.patch.object(os, 'execvpe') as execute,
    ):
        main()
    (_, (_, tool, *rest), _) = execute.call_args.args
    return [str(Path(tool).relative_to(ROOT)), *rest]


class _Parsed(Exception):
    pass


def parse(tool, arguments):
    """Parse a tool's command line by its own parser, and go no further.

    Raises:
        AssertionError: it is refused.
    """
    parse_args = argparse.ArgumentParser.parse_args

    def stop(parser, *args, **kwargs):
        raise _Parsed(parse_args(parser, *args, **kwargs))

    with mock.patch.object(argparse.ArgumentParser, 'parse_args', stop):
        try:
            process = process_here(tool, *arguments)
        except _Parsed as parsed:
            return parsed.args[0]
    raise AssertionError(process.stderr)


def check_command(argv):
    """Check that a command would be taken: its program is there, and so is what it is given.

    Raises:
        AssertionError: with the reason.
    """
    if found := tool_of(argv):
        options = parse(*found)
        config = ROOT / getattr(options, 'config', '')
        if config.is_relative_to(ROOT / 'configs'):
            check_options(config, getattr(options, 'cfg_options', {}))
    elif argv[0] == 'make':
        targets = re.findall(r'^([a-z-]+)(?=.*:.*##)', (ROOT / 'Makefile').read_text(), re.M)
        named = [word for word in argv[1:] if '=' not in word]
        assert set(named) <= set(targets), f'make has no target {named}'
    elif argv[0] == 'python' and argv[1] == '-c':
        compile(argv[2], '-c', 'exec')


def check_options(config, options):
    """Check that a config has the fields that --cfg-options override, or that its parts take them.

    Raises:
        AssertionError: one of them has no effect.
    """
    cfg = read(config).copy()
    cfg.merge_from_dict({key: value for key, value in options.items() if key.endswith('type')})
    for key in options:
        _check_option(cfg, key)


@functools.cache
def read(config):
    """A config of the repository."""
    return Config.fromfile(config)


def _check_option(cfg, key):
    node = cfg
    for depth, part in enumerate(key.split('.')):
        if isinstance(node, list | tuple):
            assert part.isdigit() and int(part) < len(node), f'{key}: no item {part}'
            node = node[int(part)]
        elif part in node:
            node = node[part]
        else:
            takes = _parameters(node['type'] if depth else Runner)
            assert part in takes, f'{key}: nothing takes {part!r}'
            return


def _parameters(kind):
    """Names of all parameters of a class, those of its parents included."""
    if isinstance(kind, str):
        registries = [r for r in vars(mmpretrain.registry).values() if isinstance(r, Registry)]
        with contextlib.suppress(ImportError):
            import mmdet.registry

            registries += [r for r in vars(mmdet.registry).values() if isinstance(r, Registry)]
        found = [registry.get(kind) for registry in registries]
        kind = next(filter(None, found), None)
        assert kind, f'{kind} is not registered'
    return {
        name for parent in kind.__mro__ for name in inspect.signature(parent.__init__).parameters
    }
