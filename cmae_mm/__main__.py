"""Start a tool of the package: ``python -m cmae_mm TOOL ARGUMENTS...``.

The tools are the files in ``tools/``, which come with the package. Each gets its arguments as they
are, except that names of packaged configs become paths.
"""

import argparse
import ast
import os
import sys
from pathlib import Path

from .collection import CONFIGS, PREFIX, ROOT, TOOLS, config_path
from .compat import check_versions

# Shorter names; the other tools are called as their file.
_NAMES = {
    'check_parity': 'parity',
    'contrast_demo': 'contrast',
    'convert_checkpoint': 'convert',
    'evaluate_features': 'evaluate',
    'make_shards': 'shards',
}
_PARTS = ('dist_launch.sh', 'launch.py')  # of other tools


def find_tools() -> dict[str, Path]:
    """Return the file of each tool by the name that starts it."""
    files = (f for f in TOOLS.iterdir() if f.suffix in ('.py', '.sh') and f.name not in _PARTS)
    return dict(sorted((_NAMES.get(f.stem, f.stem.replace('_', '-')), f) for f in files))


def summarize(tool: Path) -> str:
    """Return the first line of a tool's docstring, or of a shell script's comment."""
    text = tool.read_text(encoding='utf-8')
    if tool.suffix == '.py':
        return (ast.get_docstring(ast.parse(text)) or '').split('\n')[0]
    return text.split('\n')[1].strip('# :')


def resolve_config(argument: str) -> str:
    """Return the path of the packaged config that an argument names; other arguments as they are.

    Names are ``cmae_mm::cmae/x.py`` and, unless there is such a file, ``cmae/x.py`` or
    ``configs/cmae/x.py``.

    Raises:
        FileNotFoundError: there is no config of this name.
    """
    if argument.startswith(PREFIX):
        return str(config_path(argument))
    if argument.endswith('.py') and not Path(argument).exists():
        packaged = [folder / argument for folder in (CONFIGS, ROOT)]
        return next((str(path) for path in packaged if path.is_file()), argument)
    return argument


def main() -> None:
    """Replace this process by the tool that the command line names."""
    tools = find_tools()
    width = max(map(len, tools)) + 2
    lines = [f'  {name:<{width}}{summarize(tool)}' for name, tool in tools.items()]
    parser = argparse.ArgumentParser(
        prog='python -m cmae_mm',
        description='Start a tool; TOOL --help shows its arguments.',
        epilog='\n'.join(['tools:', *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('tool', metavar='TOOL', choices=tools, help='one of the tools below')
    parser.add_argument(
        'arguments',
        metavar='...',
        nargs=argparse.REMAINDER,
        help='its arguments; a CONFIG may be a path, or cmae_mm::cmae/x.py for one of the package',
    )
    args = parser.parse_args()
    try:
        check_versions()
        arguments = [resolve_config(argument) for argument in args.arguments]
    except (ImportError, FileNotFoundError) as error:
        sys.exit(f'error: {error}')
    tool = tools[args.tool]
    program = sys.executable if tool.suffix == '.py' else 'bash'
    # A process of its own, so that a tool may set what torch reads when it is loaded.
    environment = {'PYTHON': sys.executable, **os.environ}
    os.execvpe(program, [program, str(tool), *arguments], environment)


if __name__ == '__main__':
    main()
