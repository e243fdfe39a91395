/**
 * entrepot.toml -> ServerConfig: every key with its kind, its default, its flag and its variable, once. The keys of `[access]` and
 * `[[push]]` are in `access-toml.ts`, those of `[upstream]` in `upstream-toml.ts`, those of `[cluster]` in `cluster-toml.ts`, those of
 * `[[sync]]` in `sync-toml.ts`, those of `[[gate]]` in `gates-toml.ts`, those of `[[store]]` in `store-toml.ts`, those of `[audit]` and
 * `[tracing]` in `telemetry-toml.ts`, all others here. The file is strict: an unknown key or a value of the wrong kind is a problem
 * with its line, and all of them are reported together. docs/configuration.md explains each key; toml/README.md says how to add one.
 */
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { dockerHub } from '../oci/docker-hub.ts';
import { readAccess, readPush } from './access-toml.ts';
import { readCluster } from './cluster-toml.ts';
import type { ServerConfig, TlsPaths } from './config.ts';
import { readEventSenders } from './events-toml.ts';
import { readFacts } from './facts-toml.ts';
import { readGates } from './gates-toml.ts';
import type { Overrides } from './overrides.ts';
import { readEventSinks } from './sinks-toml.ts';
import { inPreferredOrder } from './store-placement-toml.ts';
import { readStores } from './store-toml.ts';
import { readSyncs } from './sync-toml.ts';
import { readAudit, readTracing } from './telemetry-toml.ts';
import { readStrictly, type StrictlyRead, type StrictTable } from './toml/strict-table.ts';
import { parseToml, type TomlTable } from './toml/toml-document.ts';
import * as kind from './toml/value-kinds.ts';
import { readUpstream } from './upstream-toml.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const noTable: TomlTable = { kind: 'table', line: 1, entries: new Map() };

/** entrepot.toml as it was read, with flags and variables over it. */
export interface ServerToml extends Omit<StrictlyRead<ServerConfig>, 'result'> {
  /** Wrong values are replaced by their defaults. */
  readonly server: ServerConfig;
  /** The file has a `data` that does not count: its value is wrong, or a flag or a variable is over it. */
  readonly isDataUnread: boolean;
}

/**
 * What a running process cannot change: a reload keeps the first value and warns. Every other key takes effect with a
 * reload.
 */
const fixed: Readonly<Record<string, (server: ServerConfig) => unknown>> = {
  listen: ({ listen }) => listen,
  data: ({ data }) => data,
  policies_from: ({ policiesFrom }) => policiesFrom,
  facts: ({ facts }) => facts,
  tls: ({ tls }) => tls.certificate !== undefined,
  'log.format': ({ log }) => log.format,
  cluster: ({ cluster }) => cluster,
  store: ({ stores }) => stores,
  tracing: ({ tracing }) => tracing,
};

/** The keys that differ in `next` and that a process which runs with `running` cannot change. */
export function keptUntilRestart(running: ServerConfig, next: ServerConfig): readonly string[] {
  return Object.entries(fixed)
    .filter(([, part]) => !isDeepStrictEqual(part(running), part(next)))
    .map(([key]) => key);
}

/**
 * Reads the text of `source.file` with `overrides` over it; without a source, the defaults. Relative paths in it are relative to
 * `cwd`, wherever the file is; only `policies` is relative to the folder of the file. Throws EntrepotError CONFIG_INVALID if the text is not TOML.
 */
export function readServerToml(
  source: { file: string; text: string } | undefined,
  cwd: string,
  overrides?: Overrides,
): ServerToml {
  const root = source ? parseToml(source.text, source.file) : noTable;
  const { result, ...rest } = readStrictly({ file: source?.file, root, overrides }, (top) =>
    readServer(top, cwd, source?.file),
  );
  const dataFrom = rest.settings.find(({ key }) => key === 'data')?.from;
  return { server: result, isDataUnread: root.entries.has('data') && dataFrom?.kind !== 'file', ...rest };
}

function readServer(top: StrictTable, cwd: string, file: string | undefined): ServerConfig {
  const path = kind.pathFrom(cwd);
  const besideFile = kind.pathFrom(file === undefined ? cwd : dirname(resolve(cwd, file)));
  const log = top.table('log');
  const limits = top.table('limits');
  // No choice, and so no part of the configuration: a file that names it gets told why, and what to do instead.
  limits.value('workers', kind.oneWorker, 1);
  const transfer = top.table('transfer');
  const events = top.table('events');
  const syncs = readSyncs(top.tables('sync'));
  const tls = readTls(top.table('tls'), path);
  return {
    listen: top.value(
      'listen',
      kind.listenAddress,
      { host: '127.0.0.1', port: 5000 },
      {
        flag: 'listen',
        variable: 'ENTREPOT_LISTEN',
        fallback: 'ENTREPOT_DEFAULT_LISTEN',
      },
    ),
    data: top.value('data', path, resolve(cwd, 'data'), {
      flag: 'data',
      variable: 'ENTREPOT_DATA',
      fallback: 'ENTREPOT_DEFAULT_DATA',
    }),
    // Policies often lie beside the file in one folder that is copied as a whole.
    policies: top.value('policies', { ...besideFile, readText: path.read }, undefined, {
      flag: 'policies',
      variable: 'ENTREPOT_POLICIES',
    }),
    policiesFrom: top.value('policies_from', kind.oneOf('kubernetes'), undefined, {
      flag: 'policiesFrom',
      variable: 'ENTREPOT_POLICIES_FROM',
    }),
    trustedProxies: top.list('trusted_proxies', kind.network),
    reloadOnChange: top.value('reload_on_change', kind.flag, true),
    tls,
    log: {
      level: log.value('level', kind.logLevel, 'info', { flag: 'logLevel', variable: 'ENTREPOT_LOG_LEVEL' }),
      format: log.value('format', kind.logFormat, undefined, {
        flag: 'logFormat',
        variable: 'ENTREPOT_LOG_FORMAT',
      }),
    },
    audit: readAudit(top.table('audit'), path),
    tracing: readTracing(top.table('tracing'), path),
    limits: {
      stopGrace: limits.value('stop_grace', kind.wait, 30_000),
      drainDelay: limits.value('drain_delay', kind.pause, 0),
      maxConnections: limits.value('max_connections', kind.integer(1, 1_000_000), 10_000),
      clientStall: limits.value('client_stall', kind.wait, 3_600_000),
    },
    routing: readRouting(top.table('routing')),
    access: readAccess(top.table('access'), path),
    push: readPush(top.tables('push')),
    syncs,
    eventSenders: readEventSenders(events.tables('in'), path),
    eventSinks: readEventSinks(events.tables('out'), path),
    gates: readGates(top.tables('gate'), path),
    publicUrl: events.value('public_url', kind.webUrl)?.replace(/\/+$/, ''),
    facts: readFacts(top.table('facts'), path),
    stores: inPreferredOrder(top, readStores(top.tables('store'), path)),
    upstream: readUpstream(top.table('upstream'), path),
    cluster: readCluster(top.table('cluster'), path, tls),
    transfer: {
      fill: transfer.value('fill', kind.fillRule, 'always'),
      writeBehind: transfer.value('write_behind', kind.size(MiB), 8 * MiB),
    },
    cache: {
      ...readCache(top.table('cache')),
      pinnedBy: syncs.filter(({ pin }) => pin).map(({ name }) => name),
    },
    freshness: readFreshness(top.table('freshness')),
  };
}

function readTls(tls: StrictTable, path: kind.ValueKind<string>): TlsPaths {
  return {
    certificate: tls.value('certificate', path, undefined, { variable: 'ENTREPOT_TLS_CERTIFICATE' }),
    key: tls.value('key', path, undefined, { variable: 'ENTREPOT_TLS_KEY' }),
    clientCa: tls.value('client_ca', path, undefined, { variable: 'ENTREPOT_TLS_CLIENT_CA' }),
  };
}

function readRouting(routing: StrictTable): ServerConfig['routing'] {
  return {
    defaultRegistry: routing.value('default_registry', kind.registry, dockerHub),
    unlisted: routing.value('unlisted', kind.oneOf('refuse', 'direct'), 'refuse'),
    hosts: routing.map('hosts', kind.hostHeader, kind.registry),
    names: routing.map('names', kind.firstComponent, kind.registry),
  };
}

function readCache(cache: StrictTable): Omit<ServerConfig['cache'], 'pinnedBy'> {
  const quotas = cache.tables('quota').map((quota) => ({
    match: quota.required('match', kind.pattern),
    maxSize: quota.required('max_size', kind.size(1)),
  }));
  const pins = cache.tables('pin').map((pin) => pin.required('match', kind.pattern));
  return {
    maxSize: cache.value('max_size', kind.size(1), undefined, { variable: 'ENTREPOT_CACHE_MAX_SIZE' }),
    minFree: cache.value('min_free', kind.size(0), GiB),
    quotas: quotas.flatMap(({ match, maxSize }) =>
      match === undefined || maxSize === undefined ? [] : [{ match, maxSize }],
    ),
    pins: pins.filter((pin) => pin !== undefined),
    scrub: {
      every: cache.value('scrub_every', kind.period),
      rate: cache.value('scrub_rate', kind.size(KiB), 20 * MiB),
    },
  };
}

function readFreshness(freshness: StrictTable): ServerConfig['freshness'] {
  const rules = freshness.tables('rule').map((rule) => ({
    match: rule.required('match', kind.pattern),
    tag: rule.required('tag', kind.age),
  }));
  return {
    tag: freshness.value('tag', kind.age, 60_000),
    missing: freshness.value('missing', kind.age, 10_000),
    onMissing: freshness.value('on_missing', kind.oneOf('drop', 'keep'), 'drop'),
    serveStaleWhileRevalidating: freshness.value('serve_stale_while_revalidating', kind.flag, false),
    rules: rules.flatMap(({ match, tag }) =>
      match === undefined || tag === undefined ? [] : [{ match, tag }],
    ),
  };
}
