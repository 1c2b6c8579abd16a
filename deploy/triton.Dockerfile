# syntax=docker/dockerfile:1
# Triton with its ONNX Runtime and TensorRT, as a user without rights, with the flags that Onshelf needs.
#
#   docker build --file deploy/triton.Dockerfile --tag onshelf-triton:26.07-py3 .                    repository mounted at /models
#   docker build --file deploy/triton.Dockerfile --target baked --tag onshelf-triton:release-10 .    repository inside
#   docker build --file deploy/triton.Dockerfile --target engines --tag onshelf-triton-engines:26.07-py3 .
#
# The same image serves on CPUs and on GPUs. `engines` builds native TensorRT engines with the TensorRT that serves them.

# Both from versions.env; a version tag, not a digest: add @sha256:... of the image that you pulled and checked.
ARG TRITON_TAG=26.07-py3

FROM nvcr.io/nvidia/tritonserver:${TRITON_TAG} AS server
ARG TENSORRT_VERSION=11.1.0
COPY deploy/check_tensorrt.py /opt/onshelf/
# The cache belongs to triton-server, user 1000 of NVIDIA's image; a new volume mounted there takes its owner from here.
RUN python3 /opt/onshelf/check_tensorrt.py "${TENSORRT_VERSION}" \
    && install --directory --owner 1000 --group 1000 /var/cache/onshelf/tensorrt
ENV HOME=/tmp CUDA_CACHE_PATH=/tmp/cuda
WORKDIR /tmp
USER 1000:1000
EXPOSE 8000 8001 8002
# For the order of starting. It fails for good after one version of one model failed to load, while all others serve.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]
STOPSIGNAL SIGTERM
# NVIDIA's entrypoint is left out: it writes into the image's file system.
ENTRYPOINT ["tritonserver"]
CMD ["--model-repository=/models", "--model-control-mode=explicit", "--load-model=*", "--disable-auto-complete-config"]

FROM server AS engines
ARG TENSORRT_VERSION=11.1.0
USER 0
# A Python of its own, of the tested version. Ubuntu 24.04 asks for the flag; the image is thrown away.
ENV UV_PYTHON_INSTALL_DIR=/opt/python UV_NO_CACHE=1
RUN python3 -m pip install --no-cache-dir --break-system-packages uv==0.13.9 \
    && uv venv --seed --python 3.11 /opt/onshelf/venv
WORKDIR /src
COPY constraints.txt ./
COPY client/pyproject.toml client/
COPY client/src client/src
COPY release/pyproject.toml release/
COPY release/src release/src
RUN /opt/onshelf/venv/bin/pip install --no-cache-dir --constraint constraints.txt "./client[files]" ./release
COPY exporter/pyproject.toml exporter/
COPY exporter/src exporter/src
# TensorRT's Python package without its libraries, so that it loads those of the image, under the name that users import.
RUN /opt/onshelf/venv/bin/pip install --no-cache-dir --constraint constraints.txt \
        --extra-index-url https://download.pytorch.org/whl/cpu ./exporter "tensorrt-cu13-bindings==${TENSORRT_VERSION}.*" \
    && echo "from tensorrt_bindings import *" > /opt/onshelf/venv/lib/python3.11/site-packages/tensorrt.py \
    && /opt/onshelf/venv/bin/python -c "import tensorrt; tensorrt.OnnxParser" \
    && /opt/onshelf/venv/bin/onshelf-exporter tensorrt-engines --help
ENV PATH=/opt/onshelf/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 1000:1000
HEALTHCHECK NONE
ENTRYPOINT ["onshelf-exporter", "tensorrt-engines"]
CMD ["--repository", "/models", "--releases", "/releases", "--target", "/engines"]

FROM server AS baked
COPY model_repository /models

# The last stage is what a build without --target makes.
FROM server AS mounted
