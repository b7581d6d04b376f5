# Lectern's server. `docker build .` makes the CPU image, `docker build --target gpu .` the one for NVIDIA GPUs and
# `docker build --target openvino .` the one for OpenVINO (x86-64: Intel's GPUs and NPUs, and CPUs). None holds PyTorch,
# a compiler, pip's cache or the training code.

ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
# Every version is pinned by constraints.txt, which is also why hadolint need not ask for pins (DL3013). The second
# variable pins the build backend, for which older pips read the first.
ENV PIP_CONSTRAINT=/src/constraints.txt \
    PIP_BUILD_CONSTRAINT=/src/constraints.txt \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
# Without pip, so that the image's environment holds the server and nothing that could change it.
RUN python -m venv --without-pip /opt/lectern
COPY constraints.txt pyproject.toml README.md LICENSE NOTICE ./
COPY service/__init__.py service/

# The dependencies are a layer of their own: a change to the code does not install them again.
FROM build AS build-cpu
# hadolint ignore=DL3013
RUN pip --python /opt/lectern/bin/python install ".[cpu,grpc,documents]"
COPY service service
RUN pip --python /opt/lectern/bin/python install --no-deps --force-reinstall . \
    && rm /opt/lectern/bin/lectern-train

FROM build AS build-gpu
# hadolint ignore=DL3013
RUN pip --python /opt/lectern/bin/python install ".[gpu,grpc,documents]"
COPY service service
RUN pip --python /opt/lectern/bin/python install --no-deps --force-reinstall . \
    && rm /opt/lectern/bin/lectern-train

FROM build AS build-openvino
# hadolint ignore=DL3013
RUN pip --python /opt/lectern/bin/python install ".[openvino,grpc,documents]"
COPY service service
RUN pip --python /opt/lectern/bin/python install --no-deps --force-reinstall . \
    && rm /opt/lectern/bin/lectern-train

FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Lectern" \
      org.opencontainers.image.description="A small, fast model service on onnxruntime" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/lectern/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LECTERN_HOST=0.0.0.0 \
    LECTERN_PORT=8080 \
    LECTERN_MODELS=/models
WORKDIR /
# By number, so that Kubernetes can see that it is not root. Nothing is written but to /tmp.
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["lectern", "health"]
ENTRYPOINT ["lectern"]
CMD ["serve"]

FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /opt/lectern /opt/lectern
COPY models /models

FROM runtime AS openvino
COPY --from=build-openvino /opt/lectern /opt/lectern
COPY models /models

# The last stage is what a plain `docker build .` makes.
FROM runtime AS cpu
COPY --from=build-cpu /opt/lectern /opt/lectern
# A volume mounted here takes the place of these models.
COPY models /models
