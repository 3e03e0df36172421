# Engine and companion in one image: compose.yaml runs both (docs/SERVICE.md). It runs as user 10001, and writes to /arb/var only.
FROM python:3.13-slim AS built
WORKDIR /build
COPY requirements.lock requirements-compiled.lock ./
# Compiled books need a wheel of numba; where there is none, plain code keeps them.
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && { /venv/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r requirements-compiled.lock \
      || echo "no compiled books: there is no wheel of numba for this system"; }
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /venv/bin/python -m compileall -q /venv/lib

FROM python:3.13-slim
RUN mkdir /arb && useradd --uid 10001 --home-dir /arb/var --create-home arb && chmod 0700 /arb/var
COPY --from=built /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /arb
VOLUME /arb/var
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=120s --retries=3 CMD ["arb", "status", "--check"]
ENTRYPOINT ["arb"]
CMD ["run"]
