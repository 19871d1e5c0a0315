# Two images from one build:
#   docker build --target server  -t caseload-server  .
#   docker build --target gateway -t caseload-gateway .
# and one for docker-compose.yml, which prepares the database: --target roles.
# The two drain on SIGTERM for up to 20 seconds, longer than Docker waits by default (10 seconds): stop
# them with docker stop --time 30.

# --- roles: Postgres' client, and the SQL that creates the database's roles ------------------------
FROM postgres:17-alpine AS roles
LABEL org.opencontainers.image.title="caseload-roles" \
      org.opencontainers.image.description="The roles of Caseload's database" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --chmod=444 deploy/roles.sql deploy/passwords.sql /usr/local/share/caseload/
COPY --chmod=444 deploy/row_level_security.sql deploy/drop_row_level_security.sql /usr/local/share/caseload/
# The image's own user postgres, by number.
USER 70:70

# --- build: both programs, with Cargo's downloads and artifacts kept between builds ------------
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpq-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Cargo decides by time stamps what to rebuild, and the kept artifacts may come from another
# checkout that was built after this one's files were written. touch makes the files newer than all
# of them. Without the default feature `dev` the server has no `caseload dev`, which needs a local
# Postgres.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    find Cargo.toml build.rs crates migrations proto -exec touch {} + \
    && cargo build --release --locked --no-default-features \
        --package caseload --package caseload-gateway --bin caseload --bin caseload-gateway \
    && install -D --target-directory=/out target/release/caseload target/release/caseload-gateway

# --- runtime: the base of both images ------------------------------------------------------------
FROM debian:bookworm-slim AS runtime
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 caseload \
    && useradd --uid 10001 --gid caseload --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin caseload
# By number, so that an orchestrator can verify that it isn't root.
USER 10001:10001
STOPSIGNAL SIGTERM

# --- gateway: REST to gRPC; without libpq, as it uses no database ---------------------------------
FROM runtime AS gateway
LABEL org.opencontainers.image.title="caseload-gateway" \
      org.opencontainers.image.description="Caseload's REST gateway" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/caseload-gateway /usr/local/bin/
# Fails the build where a shared library is missing.
RUN ["caseload-gateway", "--help"]
ENV CASELOAD_HTTP_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["caseload-gateway", "health"]
ENTRYPOINT ["caseload-gateway"]

# --- server: gRPC, migrations and administration ------------------------------------------------
FROM runtime AS server
LABEL org.opencontainers.image.title="caseload-server" \
      org.opencontainers.image.description="Caseload's gRPC server, with its migrations and administration" \
      org.opencontainers.image.licenses="Apache-2.0"
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpq5 \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
COPY --from=build /out/caseload /usr/local/bin/
RUN ["caseload", "--help"]
ENV CASELOAD_GRPC_ADDR=0.0.0.0:50051
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["caseload", "health"]
ENTRYPOINT ["caseload"]
CMD ["serve"]
