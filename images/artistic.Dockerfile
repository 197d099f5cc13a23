# The artistic service: pictures, quotas, and cut-outs by the network that comes with perkie. From the repository's root:
#
#   docker build -f images/artistic.Dockerfile -t perkie-artistic .
#
# Every base with python3 (>= 3.11) and its venv will do.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY completions completions
COPY docs/perkie.1 docs/perkie.1
COPY perkie_cli perkie_cli
# Bytecode is compiled here, once: the root may be read-only later, and each cold start would compile it again.
RUN python3 -m venv /opt/perkie && \
    /opt/perkie/bin/pip install --no-cache-dir --compile '.[serve,trace]' && \
    /opt/perkie/bin/pip uninstall --yes pip setuptools && \
    rm -rf build && \
    /opt/perkie/bin/perkie --version

FROM ${BASE}
RUN groupadd --gid 10001 perkie && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp perkie && \
    mkdir --mode 0700 /state /cache && \
    chown perkie:perkie /state /cache
COPY --from=build /opt/perkie /opt/perkie
ENV PATH=/opt/perkie/bin:$PATH \
    PERKIE_HTTP_HOST=0.0.0.0 \
    PERKIE_HTTP_ROLE=artistic \
    PERKIE_OFFLINE=true \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_STATE_HOME=/state \
    XDG_CACHE_HOME=/cache \
    HOME=/tmp
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["perkie"]
CMD ["serve"]
