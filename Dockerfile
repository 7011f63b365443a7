# syntax=docker/dockerfile:1
# One image for every service; -target chooses. The embedded engines are left
# out: in containers each engine is its own service (docker-compose.yml).
FROM node:22-bookworm-slim AS web
WORKDIR /src
COPY web/package.json web/package-lock.json web/.npmrc web/
COPY router/playground/package.json router/playground/package-lock.json router/playground/.npmrc router/playground/
RUN npm ci --ignore-scripts --prefix web && npm ci --ignore-scripts --prefix router/playground
COPY schema schema
COPY web web
COPY router/playground router/playground
RUN npm run build --prefix web && npm run build --prefix router/playground

FROM golang:1.26-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOWORK=off
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=web /src/web/dist web/dist
COPY --from=web /src/router/playground/dist router/playground/dist
ARG VERSION=unknown
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/cinema ./cmd/cinema

FROM debian:bookworm-slim
# The newest of the release, with its security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data cinema \
 && install -d -o cinema -g cinema /data
COPY --from=build /out/cinema /usr/local/bin/cinema
USER 10001
ENV CINEMA_DATA_DIR=/data CINEMA_LISTEN=:8080 CINEMA_OPS_LISTEN=:9180 CINEMA_LOG_FORMAT=json
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["cinema", "healthcheck"]
ENTRYPOINT ["cinema"]
