# The matting service: InSPyReNet on torch, with the weights baked in. From the repository's root, with `perkie models pull`
# run before (367 MB each; the build refuses files that are not the published ones):
#
#   docker build -f images/matting.Dockerfile --build-context weights=$HOME/.local/share/perkie/models -t perkie-matting .
#
# TORCH_INDEX: where torch comes from. The default is for NVIDIA GPUs (Cloud Run's L4); for CPUs:
# https://download.pytorch.org/whl/cpu
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cu126
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY completions completions
COPY docs/perkie.1 docs/perkie.1
COPY perkie_cli perkie_cli
RUN python3 -m venv /opt/perkie && \
    /opt/perkie/bin/pip install --no-cache-dir --compile --extra-index-url "${TORCH_INDEX}" '.[serve,matting,trace]' && \
    /opt/perkie/bin/pip uninstall --yes pip setuptools && \
    rm -rf build

FROM ${BASE}
RUN groupadd --gid 10001 perkie && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp perkie && \
    mkdir --mode 0700 /state /cache && \
    chown perkie:perkie /state /cache
COPY --from=build /opt/perkie /opt/perkie
# hadolint ignore=DL3022
COPY --from=weights . /opt/perkie/models
ENV PATH=/opt/perkie/bin:$PATH \
    PERKIE_HTTP_HOST=0.0.0.0 \
    PERKIE_HTTP_ROLE=matting \
    PERKIE_MATTING_MODELS_DIR=/opt/perkie/models \
    PERKIE_OFFLINE=true \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_STATE_HOME=/state \
    XDG_CACHE_HOME=/cache \
    HOME=/tmp
RUN perkie models verify
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["perkie"]
CMD ["serve"]
