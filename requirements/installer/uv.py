"""uv's settings, so that it finds packages where pip would and keeps them where there is space."""

import ast
import os
import subprocess
from pathlib import Path

# uv's variable for an option of pip, and what separates several values.
_VARIABLES = {
    'index-url': ('UV_DEFAULT_INDEX', ''),
    'extra-index-url': ('UV_INDEX', ' '),
    'find-links': ('UV_FIND_LINKS', ','),
    'constraint': ('UV_CONSTRAINT', ' '),
    'trusted-host': ('UV_INSECURE_HOST', ' '),
    'cert': ('SSL_CERT_FILE', ''),
    'client-cert': ('SSL_CLIENT_CERT', ''),
    'proxy': ('ALL_PROXY', ''),
    'timeout': ('UV_HTTP_TIMEOUT', ''),
    'default-timeout': ('UV_HTTP_TIMEOUT', ''),
    'retries': ('UV_HTTP_RETRIES', ''),
    'no-cache-dir': ('UV_NO_CACHE', ''),
}


def pip_settings(python: Path) -> dict[str, str]:
    """Return the options that files and variables set for ``pip install``, by name."""
    command = [str(python), '-m', 'pip', 'config', 'list']
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for section in ('global.', 'install.', ':env:.'):  # later ones count
        for line in listed.splitlines():
            name, _, value = line.partition('=')
            if name.startswith(section):
                found[name.removeprefix(section)] = ast.literal_eval(value)
    return found


def uv_variables(settings: dict[str, str]) -> dict[str, str]:
    """Return the variables that configure uv as pip's settings configure pip."""
    variables = {
        'UV_NO_CONFIG': '1',
        'UV_INDEX_STRATEGY': 'unsafe-best-match',  # pip's: the newest version of all indexes
    }
    for option, (variable, separator) in _VARIABLES.items():
        if option in settings:
            values = settings[option].split()
            if option == 'find-links':  # pip passes over folders that do not exist
                values = [value for value in values if '://' in value or Path(value).exists()]
            variables[variable] = separator.join(values)
    return variables


def cache_variables(folder: Path) -> dict[str, str]:
    """Return the variables that let uv keep packages for other environments, or not.

    uv links the files of an environment to those of its cache. On another disk it would copy
    gigabytes, perhaps to a home folder with a quota.

    Args:
        folder: the environment.
    """
    if 'UV_CACHE_DIR' in os.environ:
        return {}
    try:
        cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'uv'
        cache.mkdir(parents=True, exist_ok=True)
        linked = os.access(cache, os.W_OK) and cache.stat().st_dev == folder.stat().st_dev
    except (OSError, RuntimeError):  # there is no home folder
        linked = False
    return {} if linked else {'UV_NO_CACHE': '1'}
