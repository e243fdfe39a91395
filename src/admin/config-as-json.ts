/** A configuration as JSON: what `entrepot check --json` and the admin API show of it. It has no secrets. */
import type { ConfigWarning, ServerConfig } from '../config/config.ts';
import type { PolicyObject } from '../config/policies/policy-object.ts';
import type { RegistriesConf } from '../config/registries-conf/registries.ts';
import type { SettingInForce } from '../config/settings.ts';
import { shownSinkUrl } from '../config/sinks-toml.ts';
import type { StoreConfig } from '../config/store-config.ts';
import type { SyncBlock } from '../config/sync-config.ts';
import { nextCron } from '../lib/cron.ts';

export interface ShownConfig {
  /** Files that were read. */
  readonly files: readonly string[];
  readonly warnings: readonly ConfigWarning[];
  /** Undefined if registries.conf cannot be used. */
  readonly registries: RegistriesConf | undefined;
  /** `registries` is the built-in list. */
  readonly builtInList: boolean;
  /** The objects in force; undefined if no folder of them is named. */
  readonly policies: readonly PolicyObject[] | undefined;
  readonly server: ServerConfig;
  /** Every key of entrepot.toml as it is in force; undefined if the file cannot be read. */
  readonly settings: readonly SettingInForce[] | undefined;
}

/** `now`: epoch ms, for the next runs of `[[sync]]` blocks. */
export function configAsJson(config: ShownConfig, now: number): object {
  const { files, warnings, policies, settings } = config;
  const { stores, syncs, eventSenders, eventSinks, gates } = config.server;
  return {
    files,
    warnings: warnings.map(({ file, line, message }) => ({ file, line: line ?? null, message })),
    registries: registriesAsJson(config),
    ...(policies && { policies: policiesAsJson(policies) }),
    ...(stores.length > 0 && { stores: stores.map(storeAsJson) }),
    syncs: syncs.map((block) => ({ name: block.name, source: block.source, next: nextRun(block, now) })),
    events: {
      in: eventSenders.map(({ name, format, registry, match }) => ({ name, format, registry, match })),
      out: eventSinks.map(({ name, url, ...rest }) => ({
        name,
        url: shownSinkUrl(url),
        format: rest.format,
        on: rest.on,
        match: rest.match,
      })),
    },
    gates: gates.map(({ name, kind, match, on }) => ({ name, kind, match, on })),
    settings: settings ?? null,
  };
}

/** Nearest first. */
function storeAsJson(store: StoreConfig): object {
  const { name, kind, placement } = store;
  const { match, sweep } = placement;
  const removes = sweep && {
    after: sweep.after ?? null,
    maxSize: sweep.maxSize ?? null,
    every: sweep.every ?? null,
  };
  return { name, kind, place: storePlace(store), match, removes: removes ?? null };
}

/** Where the objects of a store are, as people write it. */
export function storePlace(store: StoreConfig): string {
  const place =
    store.kind === 's3'
      ? `s3://${store.bucket}/${store.prefix}`
      : `${store.endpoint}/${store.container}/${store.prefix}`;
  return store.kind === 's3' && store.endpoint !== undefined ? `${place} at ${store.endpoint}` : place;
}

/** ISO 8601; null for a block that has no times of its own. `now`: epoch ms. */
export function nextRun({ when }: SyncBlock, now: number): string | null {
  const next = when && 'cron' in when ? nextCron(when.cron, when.timezone, now) : undefined;
  return next === undefined ? null : new Date(next).toISOString();
}

/** Null if registries.conf cannot be used. */
function registriesAsJson({ registries, builtInList, server, settings }: ShownConfig): unknown {
  if (!registries) return null;
  return {
    builtInList,
    unlisted: settings ? server.routing.unlisted : null,
    entries: registries.entries.map(({ prefix, location, blocked, mirrors, origin }) => ({
      prefix,
      location: location || null,
      blocked,
      mirrors: mirrors.map((mirror) => ({
        location: mirror.location,
        pullFromMirror: mirror.pullFromMirror,
      })),
      file: origin.file,
      line: origin.line,
    })),
    push: server.push,
  };
}

function policiesAsJson(policies: readonly PolicyObject[]): unknown {
  return policies.map((object) => ({
    kind: object.kind,
    name: object.name,
    file: object.origin.file,
    line: object.origin.line,
    ...effectsOf(object),
  }));
}

/** Names of registries, as the object has them, by what it does to them. */
export interface Effects {
  readonly mirrored: readonly string[];
  /** Sources that are never contacted, and blocked registries. */
  readonly blocked: readonly string[];
  readonly insecure: readonly string[];
}

/** What one object does. */
export function effectsOf(object: PolicyObject): Effects {
  if (object.kind === 'Image') {
    const texts = (list: typeof object.blocked) => [...new Set(list?.map(({ text }) => text))];
    return { mirrored: [], blocked: texts(object.blocked), insecure: texts(object.insecure) };
  }
  // A list whose only mirror is the source has no effect, nor has its policy.
  const lists = object.lists.filter(({ source, mirrors }) =>
    mirrors.some(({ text }) => text !== source.text),
  );
  const never = lists.filter(({ policy }) => policy?.text === 'NeverContactSource');
  return {
    mirrored: [...new Set(lists.map(({ source }) => source.text))],
    blocked: [...new Set(never.map(({ source }) => source.text))],
    insecure: [],
  };
}
