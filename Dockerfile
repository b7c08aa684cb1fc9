# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.txt ./
RUN python -m venv /opt/venv && \
    /opt/venv/bin/python -m pip install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
RUN /opt/venv/bin/python -m pip install --no-build-isolation --no-deps .

FROM builder AS local-builder
COPY localpubsub ./localpubsub
RUN /opt/venv/bin/python -m pip install --no-build-isolation --no-deps --force-reinstall .

FROM python:3.11-slim-bookworm AS runtime
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin webpubsub && \
    install -d -o 10001 -g 10001 /srv/data
USER 10001
WORKDIR /srv
STOPSIGNAL SIGTERM

# The service on one machine, for compose.yaml; it wants an access key of its own.
FROM runtime AS local
COPY --from=local-builder /opt/venv /opt/venv
EXPOSE 8081
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8081/api/health', timeout=2)"]
ENTRYPOINT ["webpubsub", "local", "--host", "0.0.0.0", "--port", "8081"]

# The upstream alone. The last stage is the default one.
FROM runtime AS production
LABEL org.opencontainers.image.title="Web PubSub upstream" \
      org.opencontainers.image.licenses="MIT"
COPY --from=builder /opt/venv /opt/venv
# What is unsent outlives the container here (STORE=sqlite:///data/upstream.db).
VOLUME /srv/data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
CMD ["webpubsub", "serve", "--host", "0.0.0.0", "--port", "8080"]
