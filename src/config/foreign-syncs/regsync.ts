/**
 * The file of regsync (regclient, version 1): `creds`, `defaults` and `sync`, a list of
 *
 *   source, target, type: image | repository | registry
 *   tags, tagSets {allow, deny, semverRange}     regular expressions in RE2's syntax that match the whole tag; ranges that are joined
 *                                                by "or"; several sets are joined by "or", too
 *   repos {allow, deny}                          of a registry
 *   platform, platforms, referrers, referrerFilters, digestTags, interval, schedule, ratelimit, backup, hooks ...
 *
 * What `defaults` says holds for each entry that does not say it itself.
 */
import { parseReference, referenceName } from '../../oci/reference.ts';
import type { YamlMap, YamlValue } from '../yaml/yaml-document.ts';
import { timesOf } from './regsync-times.ts';
import { entriesOf, itemsOf, type Losses, type SyncDraft, textOf, textsOf } from './sync-draft.ts';

type Entries = YamlMap['entries'];

/** Keys that a draft takes over, or that this file speaks of by itself. */
const taken = new Set([
  'source',
  'target',
  'type',
  'tags',
  'tagSets',
  'repos',
  'platform',
  'platforms',
  'referrers',
  'referrerFilters',
  'digestTags',
  'interval',
  'schedule',
  'ratelimit',
]);

/** What to do instead of some other keys. */
const hints = new Map([
  ['backup', 'a tag that has moved keeps no copy of its old image; immutable = ["..."] refuses the move'],
  ['mediaTypes', 'every manifest and index is brought, whatever its type'],
  ['hooks', 'no program is run; [[events.out]] tells other programs of a finished run'],
  ['parallel', 'max_connections of [[upstream.host]] bounds what one registry is asked at once'],
  ['skipDockerConfig', 'REGISTRY_AUTH_FILE names the one file of credentials to read'],
]);

/** Whether a file has the shape of one of regsync. */
export function isRegsyncFile(root: YamlMap): boolean {
  return root.entries.get('sync')?.kind === 'list';
}

/** One draft for each repository and set of tags. */
export function draftsOfRegsync(root: YamlMap, losses: Losses): readonly SyncDraft[] {
  const { entries } = root;
  for (const [key, { line }] of entries) {
    // `x-NAME` holds what anchors name.
    const isKnown = ['version', 'creds', 'defaults', 'sync'].includes(key) || key.startsWith('x-');
    if (!isKnown) losses.warn(line, `${JSON.stringify(key)} is no key of regsync that is known here`);
  }
  for (const registry of itemsOf(entries.get('creds'))) warnOfRegistry(registry, losses);
  const defaults = entriesOf(entries.get('defaults'));
  warnOfOthers(defaults, 'defaults', losses);
  warnOfRetry(defaults, losses);
  return itemsOf(entries.get('sync')).flatMap((item) => draftsOf(item, defaults, losses));
}

function draftsOf(item: YamlValue, defaults: Entries, losses: Losses): readonly SyncDraft[] {
  const { line } = item;
  const own = entriesOf(item);
  const source = textOf(own.get('source')) ?? '';
  if (/\{\{/.test(source)) {
    losses.leaveOut(line, `${source}: fill in the template of the source`);
    return [];
  }
  if (/^ocidir:/.test(source)) {
    losses.leaveOut(line, `${source}: the source is a folder, and a block names a registry`);
    return [];
  }
  const all: Entries = new Map([...defaults, ...own]);
  warnOfOthers(own, source, losses);
  warnOfRetry(own, losses);
  const platform = textOf(own.get('platform'));
  if (platform === 'local')
    losses.warn(line, `${source}: platform = local: name the platform, such as linux/amd64`);
  const platforms =
    platform === undefined || platform === 'local' ? textsOf(own.get('platforms')) : [platform];
  const rate = entriesOf(all.get('ratelimit'));
  const least = Number(textOf(rate.get('min')) ?? '0');
  const rest = {
    line,
    platforms: platforms.length === 0 ? undefined : platforms,
    referrers: referrersOf(all, source, losses),
    floor: least > 0 ? least : undefined,
    times: timesOf(own, defaults, line, losses),
  };
  const sources = sourcesOf(own, source, line, losses);
  const sets = tagSetsOf(own);
  return sources.flatMap(({ name, tag, digest }): readonly SyncDraft[] => {
    if (digest !== undefined) return [{ ...rest, source: name, tags: {}, digests: [digest] }];
    if (tag !== undefined) return [{ ...rest, source: name, suffix: tag, tags: { include: [tag] } }];
    return sets.map((tags, at) => ({
      ...rest,
      source: name,
      suffix: at === 0 ? undefined : String(at + 1),
      tags,
    }));
  });
}

/** Filters are joined by "or"; each has an artifact type, annotations, or both. */
function referrersOf(all: Entries, source: string, losses: Losses): SyncDraft['referrers'] {
  const isTrue = (key: string) => textOf(all.get(key)) === 'true';
  if (!isTrue('referrers')) return isTrue('digestTags') ? 'all' : 'none';
  const filters = itemsOf(all.get('referrerFilters'));
  const types: string[] = [];
  for (const filter of filters) {
    const { line } = filter;
    const entries = entriesOf(filter);
    const type = textOf(entries.get('artifactType'));
    if (isTrue('digestTags') || type === undefined) {
      losses.warn(line, `${source}: referrerFilters: all referrers are brought`);
      return 'all';
    }
    if (entriesOf(entries.get('annotations')).size > 0)
      losses.warn(
        line,
        `${source}: referrerFilters: all of the type ${type} are brought, whatever their annotations`,
      );
    types.push(type);
  }
  return types.length === 0 ? 'all' : [...new Set(types)];
}

interface Source {
  readonly name: string;
  /** Of `type: image`. */
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

function sourcesOf(own: Entries, source: string, line: number, losses: Losses): readonly Source[] {
  const type = textOf(own.get('type'));
  if (type === 'registry') return ofRegistry(own, source, line, losses);
  const parsed = parseReference(source);
  if (!parsed.ok || (type !== 'image' && type !== 'repository')) {
    const problem = parsed.ok ? `has the type ${JSON.stringify(type ?? '')}` : parsed.problem;
    losses.leaveOut(line, `${JSON.stringify(source)} ${problem}`);
    return [];
  }
  const { value } = parsed;
  const name = referenceName(value);
  const tag = type === 'image' && value.digest === undefined ? (value.tag ?? 'latest') : undefined;
  warnOfTarget(textOf(own.get('target')), { name, tag }, line, losses);
  return [{ name, tag, digest: value.digest }];
}

/** All repositories of a registry, or those that `allow` names, or whose beginning it names, as in `team/.*`. */
function ofRegistry(own: Entries, source: string, line: number, losses: Losses): readonly Source[] {
  const repos = entriesOf(own.get('repos'));
  const allowed = textsOf(repos.get('allow'));
  if (textsOf(repos.get('deny')).length > 0) {
    losses.leaveOut(
      line,
      `${source}: repos.deny: name the repositories that are wanted, as in source = "${source}/{a,b/**}"`,
    );
    return [];
  }
  if (allowed.length === 0) return [{ name: `${source}/**` }];
  return allowed.flatMap((pattern) => {
    const [, name, below = ''] = /^([a-z0-9_/-]+(?:\\?\.[a-z0-9_/-]+)*)(\/\.[*+])?$/.exec(pattern) ?? [];
    if (name !== undefined)
      return [{ name: `${source}/${name.replaceAll('\\.', '.')}${below === '' ? '' : '/**'}` }];
    losses.leaveOut(
      line,
      `${source}: repos.allow: ${JSON.stringify(pattern)} is more than a name, or the beginning of names`,
    );
    return [];
  });
}

/** What is brought here keeps its name. */
function warnOfTarget(target: string | undefined, { name, tag }: Source, line: number, losses: Losses): void {
  const parsed = parseReference(target ?? '');
  const path = name.slice(name.indexOf('/') + 1);
  const isSame =
    parsed.ok &&
    parsed.value.repository === path &&
    (tag === undefined || (parsed.value.tag ?? 'latest') === tag);
  if (target === undefined || isSame) return;
  losses.warn(
    line,
    `the target ${target} is not kept: clients find it here as ${name}${tag === undefined ? '' : `:${tag}`}`,
  );
}

function tagSetsOf(own: Entries): readonly SyncDraft['tags'][] {
  const sets = [own.get('tags'), ...itemsOf(own.get('tagSets'))].flatMap((set) => {
    const entries = entriesOf(set);
    const include = textsOf(entries.get('allow')).map(slashed);
    const exclude = textsOf(entries.get('deny')).map(slashed);
    const ranges = textsOf(entries.get('semverRange'));
    const tags = {
      ...(include.length > 0 && { include }),
      ...(exclude.length > 0 && { exclude }),
      ...(ranges.length > 0 && { semver: ranges.map((range) => range.replaceAll(',', ' ')).join(' || ') }),
    };
    return Object.keys(tags).length > 0 ? [tags] : [];
  });
  return sets.length > 0 ? sets : [{}];
}

function slashed(regex: string): string {
  return `/${regex}/`;
}

function warnOfOthers(entries: Entries, where: string, losses: Losses): void {
  for (const [key, { line }] of entries) {
    if (taken.has(key)) continue;
    losses.warn(line, `${where}: ${key}: ${hints.get(key) ?? 'a [[sync]] block has nothing like it'}`);
  }
}

function warnOfRetry(entries: Entries, losses: Losses): void {
  const retry = entriesOf(entries.get('ratelimit')).get('retry');
  if (retry)
    losses.warn(retry.line, 'ratelimit.retry: a run that stops at the floor is tried again by itself');
}

/** An item of `creds`. Its secrets are in no message. */
function warnOfRegistry(item: YamlValue, losses: Losses): void {
  const entries = entriesOf(item);
  const registry = textOf(entries.get('registry')) ?? 'a registry';
  const others = new Map([
    ['tls', 'set insecure = true in its [[registry]] of registries.conf, if it has to be'],
    ['regcert', `put it in /etc/containers/certs.d/${registry}`],
    ['mirrors', 'list them as [[registry.mirror]] in registries.conf'],
    ['hostname', 'write it as the location of its [[registry]] in registries.conf'],
  ]);
  const isSecret = ['user', 'pass', 'token', 'credHelper', 'credExpire', 'credHost'];
  const secret = isSecret.flatMap((key) => entries.get(key) ?? [])[0];
  if (secret) {
    losses.warn(
      secret.line,
      `the credentials for ${registry} are not copied: "podman login ${registry}" writes them where Entrepot reads them`,
    );
  }
  for (const [key, { line }] of entries) {
    if (key === 'registry' || isSecret.includes(key)) continue;
    losses.warn(line, `${registry}: ${key}: ${others.get(key) ?? 'a [[sync]] block has nothing like it'}`);
  }
}
