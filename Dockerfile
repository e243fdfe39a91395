# Entrepot as a container. Only /var/lib/entrepot is written to, so the root file system may be read-only:
#
#   docker build -t entrepot .
#   docker run --read-only -p 5000:5000 -v entrepot:/var/lib/entrepot \
#     -v /etc/containers/registries.conf:/etc/containers/registries.conf:ro entrepot

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# No install scripts: the `node` devDependency would fetch the Node that this image has already.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
RUN install --directory --owner=node --group=node --mode=700 /var/lib/entrepot
WORKDIR /opt/entrepot
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE registries.conf.example ./

ENV NODE_ENV=production \
    ENTREPOT_LISTEN=0.0.0.0:5000 \
    ENTREPOT_DATA=/var/lib/entrepot
# node, by number: a cluster that refuses root cannot see that from a name.
USER 1000:1000
VOLUME /var/lib/entrepot
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.ENTREPOT_LISTEN.split(':').pop() + '/v2/').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/entrepot/dist/main.js"]
CMD ["serve"]
