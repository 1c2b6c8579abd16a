# syntax=docker/dockerfile:1
# The gateway: Python 3.11, the wheels of client/, release/ and gateway/, what they need at the tested versions, no PyTorch.
#
#   docker build --file deploy/gateway.Dockerfile --tag onshelf-gateway:0.1.0.dev0 .
#
# Model releases are mounted at /var/lib/onshelf/releases; the address of Triton is ONSHELF_TRITON. It writes to /var/lib/onshelf/store
# alone, where a volume keeps what must outlive the container.

# A version tag, not a digest: add @sha256:... of the image that you pulled and checked.
ARG PYTHON_TAG=3.11.14-slim-bookworm

FROM python:${PYTHON_TAG} AS build
WORKDIR /src
COPY constraints.txt ./
COPY client/pyproject.toml client/
COPY client/src client/src
COPY release/pyproject.toml release/
COPY release/src release/src
COPY gateway/pyproject.toml gateway/
COPY gateway/src gateway/src
# also the build tools that pip fetches by itself are of the tested versions
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels ./client ./release ./gateway \
    && python -m venv --without-pip /opt/onshelf \
    && python -m pip --python /opt/onshelf/bin/python install --no-cache-dir --only-binary :all: /wheels/*.whl

FROM python:${PYTHON_TAG}
RUN groupadd --gid 10001 onshelf \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin onshelf \
    && install --directory --owner 10001 --group 10001 /var/lib/onshelf/releases /var/lib/onshelf/store
COPY --from=build /opt/onshelf /opt/onshelf
ENV PATH=/opt/onshelf/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ONSHELF_RELEASES=/var/lib/onshelf/releases \
    ONSHELF_STORE=sqlite:////var/lib/onshelf/store/onshelf.db \
    ONSHELF_LISTEN=0.0.0.0:50051 \
    ONSHELF_METRICS_HOST=0.0.0.0 \
    ONSHELF_METRICS_PORT=8502
WORKDIR /tmp
USER 10001:10001
EXPOSE 50051 8502
# Ready, not just alive: unhealthy while Triton does not serve. By the library: the command line's packages are not in the image.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import onshelf; health = onshelf.Client('127.0.0.1:50051', timeout=3).health(); print(health.status.value); raise SystemExit(not health.serving)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["onshelf-gateway"]
