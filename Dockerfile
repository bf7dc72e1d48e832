# The base is named by version here, so that a checkout builds anywhere. A release is built with the base pinned by digest,
#   docker build --build-arg NODE_IMAGE=node:24-bookworm-slim@sha256:<digest> .
# and publishes that digest beside the digest of the image: an app-compose.json then names the image by digest alone.
# glibc and not musl: the prebuilt binary of the optional secp256k1 addon is linked against glibc.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
# No dependency runs code of its own here: the addon brings its binary along, and where none fits noble takes over.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/clean.mjs ./scripts/
COPY attestation ./attestation
COPY enclave ./enclave
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM ${NODE_IMAGE} AS runtime
# Nothing that fetches or installs code is left in reach of the process.
RUN rm -rf /usr/local/lib/node_modules /usr/local/include /opt/yarn* /root/.npm \
    /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg
# An empty volume mounted there takes over the owner: the sealed address key, and the store.
RUN install -d -m 0700 -o 65532 -g 65532 /var/lib/countersign /data
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/countersign
ENV NODE_ENV=production
WORKDIR /app
# Owned by root and read by everyone: the process can change none of its own files.
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY LICENSE ./
USER 65532:65532
EXPOSE 8080
# Liveness on the default port; whoever listens elsewhere overrides it. Readiness is /health/ready and is not a reason to restart.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/node", "-e", "fetch('http://127.0.0.1:8080/health', { signal: AbortSignal.timeout(2500) }).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/usr/local/bin/node", "dist/src/cli/main.js", "serve"]
