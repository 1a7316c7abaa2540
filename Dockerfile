# Caddy with caddypay, and nothing else: docker build -t caddypay . needs a checkout with its .git, from which the version is read.
# From inside China add: --build-arg GOPROXY=https://goproxy.cn,direct --build-arg REGISTRY=<a mirror of Docker Hub>/library/
ARG REGISTRY=
FROM --platform=$BUILDPLATFORM ${REGISTRY}golang:1.26 AS build
ARG TARGETOS TARGETARCH GOPROXY=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -buildvcs=true -trimpath -tags nobadger,nomysql,nopgx -ldflags='-s -w' -o /caddy ./cmd/caddy \
	&& sh packaging/rootfs.sh /caddy /rootfs

FROM scratch
COPY --from=build /rootfs /
# Certificates, keys and the ledger; keep it: a volume, on a disk that honours fsync.
ENV HOME=/data XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config
VOLUME /data
WORKDIR /etc/caddy
USER 1000:1000
EXPOSE 80 443 443/udp
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["/usr/bin/caddy", "pay", "health"]
ENTRYPOINT ["/usr/bin/caddy"]
CMD ["run", "--config", "/etc/caddy/Caddyfile"]
