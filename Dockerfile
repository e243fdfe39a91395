# Entrepot as a container. Only /var/lib/entrepot is written to, so the root file system may be read-only:
#
#   docker build -t entrepot .
#   docker run --read-only --stop-timeout 45 -p 5000:5000 -v entrepot:/var/lib/entrepot \
#     -v /etc/containers/registries.conf:/etc/containers/registries.conf:ro entrepot
#
# The end-to-end tests build this file as it is, and pull the image through itself (test/e2e/container.test.ts).

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No install scripts: the `node` devDependency would fetch the Node that this image has already.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts && chmod +x dist/main.js
# SQLite's sources, and its binaries for other systems: 24 of 45 MB.
RUN cd node_modules/better-sqlite3 \
  && rm -r deps src \
  && find prebuilds -type f ! -name "linux-$(node -p process.arch).node" -delete

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="Entrepot" \
      org.opencontainers.image.description="A pull-through mirror for container images" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN install --directory --owner=node --group=node --mode=700 /var/lib/entrepot \
  && ln -s /opt/entrepot/dist/main.js /usr/local/bin/entrepot
WORKDIR /opt/entrepot
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE registries.conf.example ./

# Defaults only: the keys listen and data of /etc/entrepot/entrepot.toml win over them.
ENV NODE_ENV=production \
    ENTREPOT_DEFAULT_LISTEN=0.0.0.0:5000 \
    ENTREPOT_DEFAULT_DATA=/var/lib/entrepot
# node, by number: a cluster that refuses root cannot see that from a name.
USER 1000:1000
VOLUME /var/lib/entrepot
EXPOSE 5000
# Over the admin socket, so that it needs no port and no certificate, works with all connections taken, and logs no line.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["entrepot", "health"]
ENTRYPOINT ["entrepot"]
CMD ["serve"]
