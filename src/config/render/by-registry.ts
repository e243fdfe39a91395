/**
 * Entries joined by registry, for clients that choose mirrors by the host of an image alone: containerd, k3s, Docker. An entry for a part of a
 * registry fits if its mirrors are those of the whole registry, with the part's path at the end of each location:
 *
 *   quay.io         m1.corp/q                  the mirror m1.corp/q for all of quay.io
 *   quay.io/team    m1.corp/q/team             says the same
 *   quay.io/other   m2.corp/other              differs: a warning, left out
 *   quay.io/old     m1.corp/archive            a rewrite, if the client has rewrites and no mirror has a path
 *
 * Without an entry for the whole registry, the first part decides, and its mirrors are then asked for all of it.
 */
import { hostOf, isDomain } from '../../oci/reference.ts';
import { isMirror } from '../policies/scopes.ts';
import { isRenamed, isWildcard, mirrorName, type NodeEntry, type NodeMirror, pathOf } from './node-entry.ts';
import type { RenderPlan } from './plan.ts';
import type { Warn } from './rendered.ts';

export interface RegistryMirrors {
  /** `host[:port]`. */
  readonly registry: string;
  /** In order, for all repositories. */
  readonly mirrors: readonly PlacedMirror[];
  /** Sorted; at most one concerns a repository. */
  readonly rewrites: readonly Rewrite[];
  /** The source is never asked. */
  readonly blocked: boolean;
  /** `host[:port][/path]` in place of the registry itself. */
  readonly location: string;
  readonly insecure: boolean;
}

export interface PlacedMirror extends NodeMirror {
  /** `host[:port][/path]`, to which the repository is added. */
  readonly place: string;
}

/** Repositories under one path are asked of mirrors under another. Both begin with a slash, or are empty. */
export interface Rewrite {
  readonly from: string;
  readonly to: string;
}

/** Sorted by registry. `client` is for messages. */
export function byRegistry(
  { entries, warn }: Pick<RenderPlan, 'entries' | 'warn'>,
  client: string,
  canRewrite = false,
): readonly RegistryMirrors[] {
  const usable = entries.filter((entry) => {
    if (!isWildcard(entry) && isDomain(hostOf(entry.prefix))) return true;
    if (saysSomething(entry)) {
      warn(
        { entry: entry.prefix },
        'prefix',
        `${client} chooses mirrors by one host: name each registry in an entry of its own`,
      );
    }
    return false;
  });
  const merged = usable.map((entry) => checked(joinEqual(entry, client, warn), client, warn));
  const groups = [...Map.groupBy(merged, ({ prefix }) => hostOf(prefix))];
  return groups
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([registry, group]) => join(registry, group, { client, canRewrite, warn }));
}

/** A place that is no part of a URL would make the client refuse its whole file, and containerd then asks the registry. */
function checked(entry: NodeEntry, client: string, warn: Warn): NodeEntry {
  const { prefix, location, mirrors } = entry;
  const allowed = mirrors.filter(({ isBlockedElsewhere }) => !isBlockedElsewhere);
  const hasPlace = (mirror: NodeMirror) => mirror.entrepot !== undefined || isMirror(mirror.location ?? '');
  for (const mirror of allowed.filter((one) => !hasPlace(one))) {
    warn(
      { entry: prefix, mirror: mirrorName(mirror) },
      'location',
      `is no place that ${client} can ask: it is left out`,
    );
  }
  const isPlace = isMirror(location);
  const blocked = entry.blocked || entry.isBlockedElsewhere;
  if (!isPlace && !blocked)
    warn({ entry: prefix }, 'location', `is no place that ${client} can ask: it asks "${prefix}"`);
  return { ...entry, blocked, location: isPlace ? location : prefix, mirrors: allowed.filter(hasPlace) };
}

/** One that is there for digests and again for tags, as OpenShift writes it, is there for both. */
function eachOnce(mirrors: readonly NodeMirror[]): readonly NodeMirror[] {
  const groups = Map.groupBy(mirrors, placeKey);
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (!first) return [];
    return others.every(({ serves }) => serves === first.serves) ? first : { ...first, serves: 'all' };
  });
}

function joinEqual(entry: NodeEntry, client: string, warn: Warn): NodeEntry {
  const mirrors = eachOnce(entry.mirrors);
  const order = (some: readonly NodeMirror[], other: NodeMirror['serves']) =>
    [...new Set(some.filter(({ serves }) => serves !== other).map(placeKey))].join('\n');
  const isOther = (['digest-only', 'tag-only'] as const).some(
    (other) => order(mirrors, other) !== order(entry.mirrors, other),
  );
  const message = `${client} has one order of mirrors for tags and digests: that of their first mention`;
  if (isOther) warn({ entry: entry.prefix }, 'pull-from-mirror', message);
  return { ...entry, mirrors };
}

function placeKey({ location, insecure }: NodeMirror): string {
  return `${location} ${insecure}`;
}

function saysSomething(entry: NodeEntry): boolean {
  return entry.mirrors.length > 0 || entry.blocked || entry.insecure || isRenamed(entry);
}

interface Joining {
  readonly client: string;
  readonly canRewrite: boolean;
  readonly warn: Warn;
}

function join(registry: string, group: readonly NodeEntry[], joining: Joining): RegistryMirrors {
  const { client, canRewrite, warn } = joining;
  const whole = group.find(({ prefix }) => prefix === registry);
  const leading = whole ?? group.find(({ mirrors }) => mirrors.length > 0);
  const first = leading ? placed(leading, canRewrite) : noMirrors;
  const rewrites: Rewrite[] = first?.rewrite ? [first.rewrite] : [];
  const mirrors = first?.mirrors ?? [];
  if (leading && !first) warn({ entry: leading.prefix }, 'location', differs(client, registry));
  for (const entry of group.filter((one) => one !== leading)) {
    const fitting = ways(entry, canRewrite).find(
      (way) => isSame(way.mirrors, mirrors) && isFree(way.rewrite, entry, rewrites, group),
    );
    if (!fitting) warn({ entry: entry.prefix }, 'mirrors', differs(client, registry));
    else if (fitting.rewrite) rewrites.push(fitting.rewrite);
  }
  // Without mirrors, a part that is blocked is no reason to refuse the rest.
  const blocked = whole ? whole.blocked : leading !== undefined && group.every((entry) => entry.blocked);
  const isForAll =
    !whole && leading && first && (blocked || !leading.mirrors.every(({ entrepot }) => entrepot));
  if (isForAll) {
    const only = blocked ? ', and no image of it is asked for elsewhere' : '';
    warn(
      { entry: leading.prefix },
      'prefix',
      `${client} asks its mirrors for all images of ${registry}${only}`,
    );
  }
  for (const entry of group.filter((one) => one !== whole))
    warnOfPart(entry, { ...joining, registry, blocked, whole });
  return {
    registry,
    mirrors,
    rewrites: rewrites.sort((one, other) => (one.from < other.from ? -1 : 1)),
    blocked,
    location: whole && isRenamed(whole) ? whole.location : registry,
    insecure: whole?.insecure ?? false,
  };
}

interface Way {
  readonly mirrors: readonly PlacedMirror[];
  readonly rewrite: Rewrite | undefined;
}

const noMirrors: Way = { mirrors: [], rewrite: undefined };

function placed(entry: NodeEntry, canRewrite: boolean): Way | undefined {
  return ways(entry, canRewrite)[0];
}

/** As they are if each location ends with the path of the prefix; else, if they have one path, with a rewrite. */
function ways({ prefix, mirrors }: NodeEntry, canRewrite: boolean): readonly Way[] {
  const from = pathOf(prefix);
  const same = mirrors.map((mirror) => place(mirror, from));
  const asTheyAre = same.every((one) => one !== undefined) ? [{ mirrors: same, rewrite: undefined }] : [];
  const [to, ...others] = new Set(mirrors.map(({ location }) => pathOf(location ?? '')));
  if (!canRewrite || from === '' || to === undefined || others.length > 0 || to === from) return asTheyAre;
  const hosts = mirrors.map((mirror) => ({ ...mirror, place: hostOf(mirror.location ?? '') }));
  return [...asTheyAre, { mirrors: hosts, rewrite: { from, to } }];
}

function place(mirror: NodeMirror, path: string): PlacedMirror | undefined {
  const { entrepot, location } = mirror;
  if (entrepot) return { ...mirror, place: entrepot.host };
  if (!location?.endsWith(path)) return undefined;
  return { ...mirror, place: location.slice(0, location.length - path.length) };
}

function isSame(some: readonly PlacedMirror[], others: readonly PlacedMirror[]): boolean {
  const text = (mirrors: readonly PlacedMirror[]) =>
    mirrors.map(({ place, serves, insecure }) => `${place} ${serves} ${insecure}`).join('\n');
  return text(some) === text(others);
}

/** Of the rewrites that concern a repository, a client takes any one. */
function isFree(
  rewrite: Rewrite | undefined,
  { prefix }: NodeEntry,
  rewrites: readonly Rewrite[],
  group: readonly NodeEntry[],
): boolean {
  const path = pathOf(prefix);
  if (rewrites.some(({ from }) => path.startsWith(`${from}/`))) return false;
  return !rewrite || !group.some((entry) => entry.prefix.startsWith(`${prefix}/`));
}

function differs(client: string, registry: string): string {
  return `${client} has one list of mirrors for all of ${registry}, and that of this entry does not fit: its images are asked of the others`;
}

function warnOfPart(
  entry: NodeEntry,
  at: Joining & { registry: string; blocked: boolean; whole: NodeEntry | undefined },
): void {
  const { client, registry, blocked, whole, warn } = at;
  const tell = (key: string, does: string) =>
    warn({ entry: entry.prefix }, key, `${client} has one source for all of ${registry}: ${does}`);
  if (entry.blocked !== blocked)
    tell('blocked', entry.blocked ? 'it is asked for these images' : 'it is not asked for them');
  if (entry.blocked || blocked) return;
  if (isElsewhere(entry, whole)) tell('location', `"${entry.location}" is not asked`);
  if (entry.insecure !== (whole?.insecure ?? false)) tell('insecure', 'this key has no effect');
}

/** Whether the source of a part is another than that of the whole registry. */
function isElsewhere(entry: NodeEntry, whole: NodeEntry | undefined): boolean {
  return entry.location !== `${whole?.location ?? hostOf(entry.prefix)}${pathOf(entry.prefix)}`;
}

/** Warns of what containerd and Docker know only for whole mirrors. True if the mirror is to be left out. */
export function isLeftOut(mirror: PlacedMirror, registry: string, client: string, warn: Warn): boolean {
  const tell = (key: string, message: string) =>
    warn({ entry: registry, mirror: mirrorName(mirror) }, key, message);
  if (mirror.serves === 'digest-only') {
    tell('pull-from-mirror', `${client} would ask it for tags, too: it is left out`);
    return true;
  }
  if (mirror.serves === 'tag-only') tell('pull-from-mirror', `${client} asks it for digests, too`);
  return false;
}
