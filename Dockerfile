# syntax=docker/dockerfile:1

FROM rust:1.95.0-bookworm AS builder
# librdkafka, OpenSSL and jemalloc are compiled from source.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make perl \
    && rm -rf /var/lib/apt/lists/*
# The image's own toolchain, instead of a second one with components that only developers need.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /build
COPY . .
# The target folder is a cache and no layer, so the binary is copied out of it in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin sessiongate \
    && cp target/release/sessiongate /usr/local/bin/sessiongate

# glibc, the CA certificates and nothing else: no shell, no package manager, user 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="sessiongate" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /usr/local/bin/sessiongate /usr/local/bin/sessiongate
COPY LICENSE /usr/share/doc/sessiongate/LICENSE
USER nonroot:nonroot
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["sessiongate"]
CMD ["run"]
