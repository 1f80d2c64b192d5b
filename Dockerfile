# One image for all processes: API, worker, operator, reconciler, blast runner and migration differ only by command.
#
#   docker build -t atomictickets:dev .
ARG PYTHON=python:3.13-slim
ARG NODE=node:22-slim

FROM ${NODE} AS dashboard
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --silent

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN apt-get update -qq && apt-get install -qq --no-install-recommends binutils >/dev/null
# The application's environment has no pip of its own; the builder's pip installs into it.
RUN python -m venv --without-pip /opt/atomictickets && python -m venv /opt/builder
COPY requirements/operator.txt requirements/build.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m pip --python /opt/atomictickets/bin/python install --quiet --require-hashes -r requirements/operator.txt \
    # Stripping the debug symbols makes the image 45 MB smaller.
    && find /opt/atomictickets -name '*.so' -exec strip --strip-unneeded {} + \
    # The operator uses the asynchronous half of the Kubernetes client, and Kopf two models of the other half. Its
    # calls and its bytecode take 48 MB.
    && rm -r /opt/atomictickets/lib/python3*/site-packages/kubernetes/client/api \
        /opt/atomictickets/lib/python3*/site-packages/kubernetes/client/models/__pycache__ \
    && /opt/builder/bin/python -m pip install --quiet --require-hashes -r requirements/build.txt
# A change of the source rebuilds only from here on and replaces a layer of 3 MB. The packages have their own layer.
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY worker worker
COPY operator operator
COPY --from=dashboard /build/node_modules/chart.js/dist/chart.umd.min.js app/static/vendor/chart.js
COPY --from=dashboard /build/node_modules/chart.js/LICENSE.md app/static/vendor/chart.LICENSE.md
RUN /opt/builder/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m pip --python /opt/atomictickets/bin/python install --quiet --no-deps --no-index \
        --target /opt/application dist/*.whl

FROM ${PYTHON}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="atomictickets" \
      org.opencontainers.image.description="A flash-sale platform: API, worker, operator and tools" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY --from=build /opt/atomictickets /opt/atomictickets
# Empty, because `python -m` searches the working directory first.
WORKDIR /srv/atomictickets
COPY --from=build /opt/application /opt/application
# The root file system may be read-only, and the user has no passwd entry, but libraries ask for a home and a user name.
ENV PATH=/opt/application/bin:/opt/atomictickets/bin:$PATH \
    PYTHONPATH=/opt/application \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=atomictickets \
    API_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
# No shell in between, so that signals reach Python itself.
CMD ["python", "-m", "app.serve"]
