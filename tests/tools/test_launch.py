"""The launch scripts, up to the processes that they would start.

The interpreter is a stand-in that reports a number of GPUs and prints what it is
asked to run: machines of eight GPUs are not at hand.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODES = {'NNODES': '4', 'NODE_RANK': '3', 'MASTER_ADDR': 'a'}


@pytest.fixture
def launch(tmp_path):
    def run(script, *args, gpus=8, **environment):
        python = tmp_path / 'python'
        python.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo {gpus}; else echo "$@"; fi\n')
        python.chmod(0o755)
        keep = {'PATH': os.environ['PATH'], 'PYTHON': str(python)}
        return subprocess.run(
            [ROOT / 'tools' / script, *args],
            capture_output=True,
            text=True,
            env={**keep, **environment},
        )

    return run


def test_number_is_a_nodes_processes(launch):
    command = launch('dist_train.sh', 'config.py', '8', '--resume').stdout
    assert '--nnodes=1' in command and '--nproc_per_node=8' in command
    assert command.rstrip().endswith('train.py config.py --resume --launcher pytorch')


def test_nodes_and_addresses_come_from_the_environment(launch):
    command = launch(
        'dist_train.sh', 'config.py', '8', NNODES='4', NODE_RANK='3', MASTER_ADDR='a', PORT='5'
    ).stdout
    for part in (
        '--nnodes=4',
        '--node_rank=3',
        '--master_addr=a',
        '--master_port=5',
        '--nproc_per_node=8',
    ):
        assert part in command


def test_a_total_over_all_nodes_is_divided(launch):
    command = launch('dist_train.sh', 'config.py', '32', **NODES).stdout
    assert '--nproc_per_node=8' in command


@pytest.mark.parametrize('missing', ['NODE_RANK', 'MASTER_ADDR'])
def test_several_nodes_need_to_know_their_rank_and_where_to_meet(launch, missing):
    environment = {name: value for name, value in NODES.items() if name != missing}
    process = launch('dist_train.sh', 'config.py', '8', **environment)
    assert process.returncode == 2 and not process.stdout
    assert f"NNODES=4, but NODE_RANK='{environment.get('NODE_RANK', '')}'" in process.stderr
    assert f"MASTER_ADDR='{environment.get('MASTER_ADDR', '')}': set both" in process.stderr
    assert 'NNODES=4 NODE_RANK=<0 to 3> MASTER_ADDR=<address of node 0>' in process.stderr


def test_one_node_needs_neither(launch):
    assert '--nnodes=1' in launch('dist_train.sh', 'config.py', '8', NNODES='1').stdout


@pytest.mark.parametrize('nodes', ['2:4', 'two', '0'])
def test_a_range_of_nodes_is_an_error(launch, nodes):
    process = launch('dist_train.sh', 'config.py', '8', NNODES=nodes, NODE_RANK='0')
    assert process.returncode == 2 and not process.stdout
    assert f"NNODES='{nodes}' is not a number of nodes" in process.stderr
    assert len(process.stderr.splitlines()) == 1


@pytest.mark.parametrize('environment', [{}, {**NODES, 'NNODES': '3'}])
def test_too_few_gpus_show_the_multi_node_commands(launch, environment):
    process = launch('dist_train.sh', 'config.py', '32', **environment)
    assert process.returncode == 2 and not process.stdout
    assert '32 processes asked for, this machine has 8 GPUs' in process.stderr
    assert 'NNODES=4 NODE_RANK=<0 to 3>' in process.stderr
    assert 'tools/dist_train.sh config.py 8' in process.stderr


def test_multi_node_commands_of_a_test_name_its_checkpoint(launch):
    process = launch('dist_test.sh', 'config.py', 'a.pth', '16')
    assert 'tools/dist_test.sh config.py a.pth 8' in process.stderr


def test_features_are_evaluated_by_their_tool(launch):
    process = launch('dist_evaluate.sh', 'config.py', 'a.pth', '8', '--features', 'kept')
    arguments = 'config.py a.pth --features kept --launcher pytorch'
    assert process.stdout.rstrip().endswith(f'evaluate_features.py {arguments}')
    process = launch('dist_evaluate.sh', 'config.py', 'a.pth', '16')
    assert 'tools/dist_evaluate.sh config.py a.pth 8' in process.stderr


def test_without_gpus_processes_run_on_the_cpu(launch):
    process = launch('dist_train.sh', 'config.py', '32', gpus=0)
    assert '32 processes on the CPU, joined by gloo' in process.stdout
    assert '--nproc_per_node=32' in process.stdout


@pytest.mark.parametrize('args', [(), ('config.py',), ('config.py', 'many'), ('config.py', '0')])
def test_wrong_arguments_are_one_line(launch, args):
    process = launch('dist_train.sh', *args)
    assert process.returncode == 2
    assert len(process.stderr.splitlines()) == 1


def test_slurm_asks_for_all_gpus_of_as_many_nodes(launch, tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho "$@"\n')
    srun.chmod(0o755)
    path = f'{tmp_path}:{os.environ["PATH"]}'
    command = launch('slurm_train.sh', 'part', 'job', 'a/config.py', GPUS='32', PATH=path).stdout
    for part in (
        '-p part', '--job-name=job', '--gres=gpu:8 ', '--ntasks=32', '--ntasks-per-node=8',
    ):  # fmt: skip
        assert part in command
    assert '--work-dir=work_dirs/config --launcher=slurm' in command
    command = launch(
        'slurm_train.sh', 'part', 'job', 'config.py', 'out', '--resume', GPUS='2', PATH=path
    ).stdout
    assert '--ntasks-per-node=2' in command and '--gres=gpu:2 ' in command
    assert command.rstrip().endswith('--work-dir=out --launcher=slurm --resume')
    command = launch('slurm_train.sh', 'part', 'job', 'config.py', GRES='', PATH=path).stdout
    assert '--gres' not in command and '--ntasks=8' in command


@pytest.fixture
def slurm(launch, tmp_path):
    """Runs slurm_train.sh with a stand-in of Slurm, whose runs end with these statuses."""

    def run(*statuses, arguments=(), **environment):
        (tmp_path / 'statuses').write_text('\n'.join(map(str, statuses)) + '\n')
        stand_ins = {
            'srun': f'''echo "$@" >> {tmp_path}/commands
                status=$(head -n 1 {tmp_path}/statuses)
                sed -i 1d {tmp_path}/statuses
                [ -z "$CTRL_C" ] || kill -INT $PPID
                exit "$status"''',
            'scontrol': f'echo scontrol "$@" >> {tmp_path}/commands',
        }
        for name, script in stand_ins.items():
            (tmp_path / name).write_text(f'#!/bin/sh\n{script}\n')
            (tmp_path / name).chmod(0o755)
        environment['PATH'] = f'{tmp_path}:{os.environ["PATH"]}'
        process = launch('slurm_train.sh', 'part', 'job', 'a.py', *arguments, **environment)
        return process.returncode, (tmp_path / 'commands').read_text().splitlines()

    return run


def test_an_interrupted_run_asks_slurm_for_a_new_allocation(slurm):
    status, commands = slurm(75, 75, 0)
    assert status == 0 and len(commands) == 3
    assert [command.count('--resume') for command in commands] == [0, 1, 1]
    assert all('--signal=USR1@120' in command for command in commands)


@pytest.mark.parametrize('status', [0, 1, 143])
def test_any_other_end_is_final(slurm, status):
    assert slurm(status, 0)[0] == status


def test_ctrl_c_asks_for_no_new_allocation(slurm):
    status, commands = slurm(75, 0, CTRL_C='1')
    assert status == 75 and len(commands) == 1


def test_a_batch_job_is_queued_again(slurm):
    status, commands = slurm(75, SLURM_JOB_ID='12')
    assert status == 75 and commands[1:] == ['scontrol requeue 12']


def test_a_batch_job_that_slurm_queued_again_resumes(slurm):
    _, commands = slurm(0, SLURM_JOB_ID='12', SLURM_RESTART_COUNT='2')
    assert commands[0].endswith('--launcher=slurm --resume')


def test_a_checkpoint_that_was_named_is_the_start_of_the_first_run_alone(slurm):
    _, commands = slurm(75, 0, arguments=('out', '--resume', 'x.pth', '--amp'))
    assert commands[0].endswith('--resume x.pth --amp')
    assert commands[1].endswith('--launcher=slurm --amp --resume')
