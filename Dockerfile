# cmae_mm with its default stack, for CPUs and NVIDIA GPUs:
#   docker build --tag cmae_mm .                      # all but training segmentors and detectors
#   docker build --tag cmae_mm --build-arg OPS=cuda . # these, too: mmcv's operators, compiled for GPUs
#   docker run --rm --gpus all --ipc=host --volume "$PWD":/workspace cmae_mm train CONFIG

ARG PYTHON=3.11
ARG OPS=none

FROM python:${PYTHON}-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim-bookworm AS none
# What OpenCV links to, and a compiler for torch.compile; Debian keeps one release of each.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
# torch's wheels bring CUDA along; PyTorch's index of builds for CPUs, given here, leaves out 5 GB.
ARG PIP_EXTRA_INDEX_URL
# The wheel pins the packages.
# hadolint ignore=DL3013
RUN --mount=from=wheel,source=/wheels,target=/wheels \
    wheel=$(echo /wheels/*.whl) \
    && pip install --no-cache-dir "${wheel}[onedl,evaluation,shards]"

# The toolkit of the CUDA version that torch was built with.
FROM nvidia/cuda:12.8.1-devel-ubuntu22.04 AS toolkit

FROM none AS operators
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
COPY --from=toolkit /usr/local/cuda-12.8 /usr/local/cuda
COPY requirements/build.txt requirements/mmcv.txt /requirements/
ARG TORCH_CUDA_ARCH_LIST="7.5 8.0 8.6 8.9 9.0+PTX"
RUN pip install --no-cache-dir --requirement /requirements/build.txt \
    && CUDA_HOME=/usr/local/cuda FORCE_CUDA=1 pip wheel --no-cache-dir --no-deps \
        --no-build-isolation --wheel-dir /operators --requirement /requirements/mmcv.txt

FROM none AS cuda
RUN --mount=from=operators,source=/operators,target=/operators \
    pip install --no-cache-dir --no-deps --force-reinstall /operators/*.whl

# The stage that OPS names: none or cuda.
# hadolint ignore=DL3006
FROM ${OPS}
RUN useradd --create-home --uid 1000 user
USER 1000
WORKDIR /workspace
ENTRYPOINT ["python", "-m", "cmae_mm"]
CMD ["--help"]
